// Package script plays text cases of data operations under rules. The same
// cases run on the service itself (internal/data) and through the client
// protocol (test/rules).
//
// Each section begins with "== name" and has a world of its own. Lines:
//
//	rules COLLECTION {roles, filters}     user NAME {custom data}
//	schema COLLECTION {…}                 default {default_rule.json}
//	settings {regent.json}                have COLLECTION {document}: stored without rules
//	NAME ACTION COLLECTION {argument}     as user NAME, or as sys
//	  = result, with types                  ! part of "message (code status)"
//	stored COLLECTION [documents]         as they lie in the database
//	drop COLLECTION                       without rules
//	unique COLLECTION FIELD               a unique index, for documents that have the field
//	NAME watch COLLECTION {argument}      opens the stream of NAME on COLLECTION
//	NAME sees COLLECTION {event}          its next event, reduced to Event's fields
//
// A line that ends in a backslash continues on the next one. A collection of
// another database is DATABASE/COLLECTION, see Namespace.
package script

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/internal/ejson"
	"regent/internal/rule"
)

// World is where a section is played. Texts are extended JSON.
type World interface {
	// Configure writes a part of the app: rules, schema, default or settings.
	Configure(kind, collection, text string)
	// User gives a user custom data before its first operation.
	User(name, customData string)
	// Text is a text of the script as this world has it: where users get their
	// ids from the server, their names become those.
	Text(text string) string

	Have(collection, document string)
	Drop(collection string)
	Unique(collection, field string)
	// Stored is a collection as an array in the order of _id.
	Stored(collection string) string
	// Do gives the result, or an error as "message (code status)".
	Do(as, action, collection, argument string) (result, refused string)
	Watch(as, collection, argument string) (refused string)
	// Next is the next event of a stream, whole.
	Next(as, collection string) (event, refused string)
}

// Namespace is the database and collection that a script means in a world whose
// database is own. Reserved databases are those of the deployment, others lie
// beside the world's own.
func Namespace(own, collection string) (database, name string) {
	db, name, ok := strings.Cut(collection, "/")
	switch {
	case !ok:
		return own, collection
	case rule.Reserved(db, ""):
		return db, name
	}
	return own + "_" + db, name
}

// Unique makes the index of a script's line "unique".
func Unique(ctx context.Context, c *mongo.Collection, field string) error {
	_, err := c.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: field, Value: 1}}, Options: options.Index().SetUnique(true).SetSparse(true)})
	return err
}

// Section is one case.
type Section struct {
	Name  string
	lines []line
}

type line struct {
	number   int
	indented bool
	head     string
	rest     string
}

// Read reads a file of sections.
func Read(file string) ([]Section, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	sections, err := Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s:%w", file, err)
	}
	return sections, nil
}

// Parse reads the text of sections.
func Parse(text string) ([]Section, error) {
	var out []Section
	joined := ""
	for i, l := range strings.Split(text, "\n") {
		if rest, ok := strings.CutSuffix(l, "\\"); ok {
			joined += rest + " "
			continue
		}
		l, joined = joined+l, ""
		trimmed := strings.TrimSpace(l)
		switch {
		case trimmed == "" || trimmed[0] == '#':
		case strings.HasPrefix(l, "== "):
			out = append(out, Section{Name: strings.TrimPrefix(l, "== ")})
		case len(out) == 0:
			return nil, fmt.Errorf("%d: a line before the first section", i+1)
		default:
			head, rest, _ := strings.Cut(trimmed, " ")
			s := &out[len(out)-1]
			s.lines = append(s.lines, line{i + 1, strings.HasPrefix(l, "  "), head, strings.TrimSpace(rest)})
		}
	}
	return out, nil
}

// Uses tells whether somebody acts in the section.
func (s Section) Uses(name string) bool {
	for _, l := range s.lines {
		if !l.indented && l.head == name {
			return true
		}
	}
	return false
}

// Configure plays the lines that make the app and its users; they come before
// the first operation.
func (s Section) Configure(w World) {
	for _, l := range s.lines {
		collection, text, _ := strings.Cut(l.rest, " ")
		switch {
		case l.indented:
		case l.head == "rules" || l.head == "schema":
			w.Configure(l.head, collection, text)
		case l.head == "default" || l.head == "settings":
			w.Configure(l.head, "", l.rest)
		case l.head == "user":
			w.User(collection, text)
		}
	}
}

// Play plays the operations and judges what comes of them.
func (s Section) Play(t *testing.T, w World) {
	var result, refused string
	settled := true
	for _, l := range s.lines {
		at := func(format string, args ...any) {
			t.Helper()
			t.Errorf("line %d: %s", l.number, fmt.Sprintf(format, args...))
		}
		collection, text, _ := strings.Cut(l.rest, " ")
		switch {
		case l.indented && l.head == "=":
			settled = true
			if want := canonical(t, w.Text(l.rest)); refused != "" || result != want {
				at("got  %s%s\nwant %s", result, refused, want)
			}
			continue
		case l.indented && l.head == "!":
			settled = true
			if refused == "" || !strings.Contains(refused, l.rest) {
				at("got %s%s, want the error %q", result, refused, l.rest)
			}
			continue
		case l.indented:
			at("unknown expectation %q", l.head)
			continue
		}
		if !settled && refused != "" {
			at("what was done before failed: %s", refused)
		}
		settled = true
		switch l.head {
		case "rules", "schema", "default", "settings", "user":
		case "drop":
			w.Drop(collection)
		case "unique":
			w.Unique(collection, text)
		case "have":
			w.Have(collection, w.Text(text))
		case "stored":
			if got, want := canonical(t, w.Stored(collection)), canonical(t, w.Text(text)); got != want {
				at("stored %s\nwant   %s", got, want)
			}
		default:
			action := collection
			collection, argument, _ := strings.Cut(text, " ")
			if argument = w.Text(argument); argument == "" {
				argument = "{}"
			}
			result, settled = "", false
			switch action {
			case "watch":
				refused = w.Watch(l.head, collection, argument)
			case "sees":
				settled = true
				event, ended := w.Next(l.head, collection)
				if refused = ""; ended != "" {
					at("the stream ended: %s", ended)
				} else if got, want := Event(t, event), canonical(t, argument); got != want {
					at("sees %s\nwant %s", got, want)
				}
			default:
				result, refused = w.Do(l.head, action, collection, argument)
			}
		}
	}
	if !settled && refused != "" {
		t.Errorf("the last operation failed: %s", refused)
	}
}

// Event reduces an event to what does not change from run to run: its type, key,
// document and description. What no client may see is an error.
func Event(t testing.TB, text string) string {
	t.Helper()
	d, err := ejson.ParseDocument([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	out := bson.D{}
	for _, name := range []string{"operationType", "documentKey", "fullDocument", "updateDescription"} {
		if v, err := d.LookupErr(name); err == nil {
			out = append(out, bson.E{Key: name, Value: v})
		}
	}
	for _, hidden := range []string{"fullDocumentBeforeChange", "lsid", "txnNumber"} {
		if _, err := d.LookupErr(hidden); err == nil {
			t.Errorf("the event tells %s: %s", hidden, text)
		}
	}
	raw, err := bson.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	short, err := ejson.Append(nil, bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: raw})
	if err != nil {
		t.Fatal(err)
	}
	return string(short)
}

func canonical(t testing.TB, text string) string {
	t.Helper()
	v, err := ejson.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	out, err := ejson.Append(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
