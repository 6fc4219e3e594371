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
	"pgregory.net/rapid"

	"regent/internal/app"
	"regent/internal/caller"
	"regent/internal/data"
	"regent/internal/fault"
	"regent/internal/rule"
	"regent/internal/rule/oracle"
	"regent/internal/user"
	"regent/test/script"
)

// TestOracle performs random operations under random rules on a real database
// and compares results and what is stored with what the oracle allows. A case
// that fails is shrunk and printed as a section for testdata/oracle.txt.
func TestOracle(t *testing.T) {
	eachEngine(t, func(t *testing.T, client *mongo.Client) {
		db := client.Database(fmt.Sprintf("oracle%d_%d", time.Now().UnixNano()%1e9, worlds.Add(1)))
		t.Cleanup(func() { _ = db.Drop(context.Background()) })
		rapid.Check(t, func(t *rapid.T) { playOracle(t, db) })
	})
}

// model is what the oracle thinks the collection holds, in natural order.
type model struct {
	*rapid.T
	oracle *oracle.Oracle
	docs   []bson.D
}

// visible are the documents as the user is shown them.
func (m *model) visible() []bson.D {
	out := []bson.D{}
	for _, d := range m.docs {
		if m.oracle.Selected(d) {
			if shown, ok := m.oracle.Shown(d); ok {
				out = append(out, shown)
			}
		}
	}
	return out
}

const customData = `{"team": "x", "teams": ["x", "u2"]}`

// arena is one generated app with its documents.
type arena struct {
	model
	rules         *app.Rules
	coll          *mongo.Collection
	user          *user.User
	with, without *data.Service // role conditions in queries
}

func newArena(t *rapid.T, db *mongo.Database) *arena {
	name := fmt.Sprintf("c%d", worlds.Add(1))
	rules := oracle.Rules(t)
	rules.Filters = oracle.Filters(t)
	choices := rule.Choices{WriteFalseFallsThrough: rapid.Bool().Draw(t, "falls through"), DeleteNeedsWrite: rapid.Bool().Draw(t, "needs write")}
	declared := &app.App{
		Functions:   []*app.Function{{Name: "isTrue"}, {Name: "isFalse"}, {Name: "throws"}},
		DataSources: []*app.DataSource{{Name: "mongodb-atlas", Collections: []*app.Collection{{Database: db.Name(), Name: name, Rules: rules}}}},
	}
	compiled, _ := rule.CompileWith(declared, choices)
	v, err := parseQuietly([]byte(customData))
	if err != nil {
		t.Fatal(err)
	}
	a := &arena{rules: rules, coll: db.Collection(name), user: &user.User{ID: "u1", CustomData: v.Document()}}
	results := map[string]bool{"isTrue": true, "isFalse": false}
	fns := functions{}
	for n, v := range results {
		fns[n] = func([]bson.RawValue) (bson.RawValue, error) { return raw(v), nil }
	}
	service := func(noPushdown bool) *data.Service {
		return data.New(data.Config{App: declared, Rules: compiled, Functions: fns, NoPushdown: noPushdown, Database: func(string) (*mongo.Client, error) { return db.Client(), nil }})
	}
	a.with, a.without = service(false), service(true)
	a.model = model{T: t, oracle: &oracle.Oracle{Rules: rules, Choices: choices, User: a.user, Functions: results}}
	if err := script.Unique(context.Background(), a.coll, "key"); err != nil {
		t.Fatal(err)
	}
	for i := range rapid.IntRange(0, 5).Draw(t, "documents") {
		d := append(bson.D{{Key: "_id", Value: int32(i)}}, oracle.Fields(t)...)
		if rapid.Bool().Draw(t, "has a key") {
			d = append(d, bson.E{Key: "key", Value: int32(i)})
		}
		a.docs = append(a.docs, d)
		if _, err := a.coll.InsertOne(context.Background(), d); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

func (a *arena) close() {
	a.with.Close()
	a.without.Close()
	_ = a.coll.Drop(context.Background())
}

func (a *arena) do(s *data.Service, action string, arg bson.D) (bson.RawValue, error) {
	whole := append(bson.D{{Key: "database", Value: a.coll.Database().Name()}, {Key: "collection", Value: a.coll.Name()}}, arg...)
	v, err := s.Do(context.Background(), caller.Caller{User: a.user}, "mongodb-atlas", action, raw(whole).Document())
	var f *fault.Error
	if err != nil && !errors.As(err, &f) {
		a.Fatalf("%s %v: %v", action, arg, err)
	}
	return v, err
}

// fail ends the case; it prints it as a section of a script.
func (a *arena) fail(before []bson.D, action string, arg bson.D, format string, args ...any) {
	text := func(v any) string {
		x := raw(v)
		return string(canonicalText(x))
	}
	var b strings.Builder
	roles := bson.A{}
	for i := range a.rules.Roles {
		roles = append(roles, roleDocument(&a.rules.Roles[i]))
	}
	filters := bson.A{}
	for _, f := range a.rules.Filters {
		d := bson.D{{Key: "name", Value: f.Name}, {Key: "apply_when", Value: f.ApplyWhen}, {Key: "query", Value: f.Query}}
		if f.Projection != nil {
			d = append(d, bson.E{Key: "projection", Value: f.Projection})
		}
		filters = append(filters, d)
	}
	c := a.oracle.Choices
	fmt.Fprintf(&b, "== NAME IT\nsettings {\"write_false_literal_falls_through\": %t, \"delete_needs_write\": %t}\nuser u1 %s\n", c.WriteFalseFallsThrough, c.DeleteNeedsWrite, customData)
	fmt.Fprintf(&b, "rules c %s\n", text(bson.D{{Key: "roles", Value: roles}, {Key: "filters", Value: filters}}))
	b.WriteString("unique c key\n")
	for _, d := range before {
		fmt.Fprintf(&b, "have c %s\n", text(d))
	}
	fmt.Fprintf(&b, "u1 %s c %s\n", action, text(arg))
	a.Fatalf(format+"\nas a case for testdata/oracle.txt:\n%s", append(args, b.String())...)
}

func roleDocument(r *app.Role) bson.D {
	d := bson.D{{Key: "name", Value: r.Name}}
	add := func(name string, v bson.RawValue) {
		if v.Type != 0 {
			d = append(d, bson.E{Key: name, Value: v})
		}
	}
	add("apply_when", r.ApplyWhen)
	if r.HasDocFilters {
		gate := bson.D{}
		for name, v := range map[string]bson.RawValue{"read": r.DocFilterRead, "write": r.DocFilterWrite} {
			if v.Type != 0 {
				gate = append(gate, bson.E{Key: name, Value: v})
			}
		}
		d = append(d, bson.E{Key: "document_filters", Value: gate})
	}
	add("read", r.Read)
	add("write", r.Write)
	add("insert", r.Insert)
	add("delete", r.Delete)
	if r.Fields != nil {
		d = append(d, bson.E{Key: "fields", Value: r.Fields})
	}
	if r.AdditionalFields != nil {
		d = append(d, bson.E{Key: "additional_fields", Value: r.AdditionalFields})
	}
	return d
}

// read compares one reading operation, with role conditions in queries and
// without, with what is wanted.
func (a *arena) read(action string, arg bson.D, want any) {
	for _, s := range []*data.Service{a.with, a.without} {
		got, err := a.do(s, action, arg)
		if err != nil || !got.Equal(raw(want)) {
			a.fail(a.docs, action, arg, "%s %v (pushdown %t)\ngot  %v, %v\nwant %v", action, arg, s == a.with, got, err, raw(want))
		}
	}
}

func (a *arena) reads() {
	shown := a.visible()
	all, backwards, names := bson.A{}, bson.A{}, bson.A{}
	byID := append([]bson.D{}, a.docs...)
	for i := range byID {
		for j := range byID[:i] {
			if byID[j][0].Value.(int32) < byID[i][0].Value.(int32) {
				byID[i], byID[j] = byID[j], byID[i]
			}
		}
	}
	for _, d := range (&model{a.T, a.oracle, byID}).visible() {
		backwards = append(backwards, d)
	}
	for _, d := range shown {
		all = append(all, d)
		short := bson.D{}
		for _, e := range d {
			if e.Key == "_id" || e.Key == "owner" {
				short = append(short, e)
			}
		}
		names = append(names, short)
	}
	a.read("find", bson.D{}, all)
	a.read("count", bson.D{}, int64(len(shown)))
	limit := rapid.IntRange(1, 3).Draw(a.T, "limit")
	a.read("find", bson.D{{Key: "limit", Value: int32(limit)}}, all[:min(limit, len(all))])
	a.read("find", bson.D{{Key: "sort", Value: bson.D{{Key: "_id", Value: int32(-1)}}}, {Key: "skip", Value: int32(1)}}, backwards[min(1, len(backwards)):])
	a.read("find", bson.D{{Key: "project", Value: bson.D{{Key: "owner", Value: int32(1)}}}}, names)
	a.read("aggregate", bson.D{{Key: "pipeline", Value: bson.A{bson.D{{Key: "$skip", Value: int32(1)}}}}}, all[min(1, len(all)):])
	key := rapid.SampledFrom([]string{"owner", "tags", "a", "_id"}).Draw(a.T, "key")
	a.read("distinct", bson.D{{Key: "key", Value: key}}, oracle.Distinct(shown, key))
	if len(shown) > 0 {
		a.read("findOne", bson.D{}, shown[0])
	} else {
		a.read("findOne", bson.D{}, nil)
	}
}

func playOracle(t *rapid.T, db *mongo.Database) {
	a := newArena(t, db)
	defer a.close()
	for range rapid.IntRange(1, 4).Draw(t, "operations") {
		s := a.with
		if rapid.Bool().Draw(t, "without pushdown") {
			s = a.without
		}
		a.reads()
		w := rapid.SampledFrom(writes).Draw(t, "operation")(a.model)
		before := a.docs
		got, err := a.do(s, w.action, w.arg)
		switch {
		case w.permitted != (err == nil):
			a.fail(before, w.action, w.arg, "%s %v (pushdown %t) is permitted: %t, the oracle says %t (%v, %v)", w.action, w.arg, s == a.with, err == nil, w.permitted, got, err)
		case w.permitted && !got.Equal(raw(w.result)):
			a.fail(before, w.action, w.arg, "%s %v (pushdown %t)\ngot  %v\nwant %v", w.action, w.arg, s == a.with, got, raw(w.result))
		case w.permitted:
			a.docs = w.docs
		case w.left != nil:
			a.docs = w.left
		}
		cursor, err := a.coll.Find(context.Background(), bson.D{})
		if err != nil {
			t.Fatal(err)
		}
		var stored []bson.D
		if err := cursor.All(context.Background(), &stored); err != nil {
			t.Fatal(err)
		}
		same := len(stored) == len(a.docs)
		for i := 0; same && i < len(stored); i++ {
			same = raw(stored[i]).Equal(raw(a.docs[i]))
		}
		if !same {
			a.fail(before, w.action, w.arg, "stored %v, the oracle thinks %v", stored, a.docs)
		}
	}
}

func raw(v any) bson.RawValue {
	b, err := bson.Marshal(bson.D{{Key: "v", Value: v}})
	if err != nil {
		panic(err)
	}
	return bson.Raw(b).Lookup("v")
}
