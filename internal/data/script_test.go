package data_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/internal/data"
	"regent/internal/fault"
	"regent/internal/rule"
	"regent/test/script"
)

// TestOperations plays the scripts in testdata, with role conditions in queries
// and without: the results must agree.
func TestOperations(t *testing.T) {
	for _, name := range []string{"operations", "attacks", "schemas", "choices", "oracle"} {
		sections, err := script.Read("testdata/" + name + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, client *mongo.Client) {
				for _, pushdown := range []bool{true, false} {
					t.Run(fmt.Sprintf("pushdown=%t", pushdown), func(t *testing.T) {
						for _, s := range sections {
							t.Run(s.Name, func(t *testing.T) {
								w := played{newWorld(t, client), map[string]*data.Stream{}}
								w.config = func(c *data.Config) { c.NoPushdown = !pushdown }
								s.Configure(w)
								s.Play(t, w)
							})
						}
					})
				}
			})
		})
	}
}

// TestChoices: every row of the table of choices has its cases, and cases are of rows.
func TestChoices(t *testing.T) {
	sections, err := script.Read("testdata/choices.txt")
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]bool{"search undefined": true} // by TestSearch: it takes a deployment that can
	for _, s := range sections {
		name, _, _ := strings.Cut(s.Name, ", ")
		cases[s.Name], cases[name] = true, true
	}
	rows := map[string]bool{}
	for _, c := range rule.ChoiceTable {
		rows[c.Name] = true
		if !cases[c.Name] {
			t.Errorf("nobody looks at the choice %q", c.Name)
		}
	}
	for _, s := range sections {
		if name, _, _ := strings.Cut(s.Name, ", "); !rows[s.Name] && !rows[name] {
			t.Errorf("the section %q is of no row of the table", s.Name)
		}
	}
}

// played plays scripts on the service.
type played struct {
	*world
	streams map[string]*data.Stream
}

func (w played) Configure(kind, collection, text string) {
	switch kind {
	case "rules":
		w.rules(collection, text)
	case "schema":
		w.schema(collection, text)
	case "default":
		w.file("data_sources/mongodb-atlas/default_rule.json", text)
	case "settings":
		w.file("regent.json", text)
	}
}

func (w played) User(name, customData string)     { w.user(name, customData) }
func (w played) Text(text string) string          { return text }
func (w played) Have(collection, document string) { w.have(collection, document) }
func (w played) Stored(collection string) string  { return w.stored(collection) }

func (w played) Drop(collection string) {
	if err := w.collection(collection).Drop(w.Context()); err != nil {
		w.Fatal(err)
	}
}

func (w played) Unique(collection, field string) {
	if err := script.Unique(w.Context(), w.collection(collection), field); err != nil {
		w.Fatal(err)
	}
}

func (w played) Do(as, action, collection, argument string) (result, refused string) {
	v, err := w.do(as, action, collection, argument)
	if err != nil {
		return "", w.refusal(err)
	}
	return canonical(w, v), ""
}

func (w played) refusal(err error) string {
	var f *fault.Error
	if !errors.As(err, &f) {
		w.Errorf("the error is not one for clients: %v", err)
		return err.Error()
	}
	return fmt.Sprintf("%s (%s %d)", f.Message, f.Code, f.Status)
}

func (w played) Watch(as, collection, argument string) (refused string) {
	s, err := w.start().Watch(context.Background(), w.caller(as), "mongodb-atlas", w.argument(collection, argument), "")
	if err != nil {
		return w.refusal(err)
	}
	w.Cleanup(s.Close)
	w.streams[as+" "+collection] = s
	return ""
}

func (w played) Next(as, collection string) (event, refused string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_, e, err := w.streams[as+" "+collection].Next(ctx)
	if err != nil {
		return "", err.Error()
	}
	return canonical(w, bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: e}), ""
}
