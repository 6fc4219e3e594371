package data_test

import (
	"context"
	"errors"
	"fmt"
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
)

// TestOracle performs random operations under random rules on a real database
// and compares results and what is stored with what the oracle allows.
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

func (m *model) visible() []bson.D {
	out := []bson.D{}
	for _, d := range m.docs {
		if shown, ok := m.oracle.Read(d); ok {
			out = append(out, shown)
		}
	}
	return out
}

// change is what an update or delete does: the documents after it (nil: gone)
// by index, and whether it is permitted.
func (m *model) change(multi bool, match func(bson.D) bool, to func(bson.D) bson.D) (after map[int]bson.D, permitted bool) {
	after = map[int]bson.D{}
	for i, d := range m.docs {
		if !match(d) || !m.oracle.Matches(d) {
			continue
		}
		n := to(d)
		if n == nil && !m.oracle.Delete(d) || n != nil && !m.oracle.Update(d, n) {
			return nil, false
		}
		after[i] = n
		if !multi {
			break
		}
	}
	return after, true
}

func set(d bson.D, name string, v any) bson.D {
	out := append(bson.D{}, d...)
	for i := range out {
		if out[i].Key == name {
			out[i].Value = v
			return out
		}
	}
	return append(out, bson.E{Key: name, Value: v})
}

func playOracle(t *rapid.T, db *mongo.Database) {
	ctx := context.Background()
	name := fmt.Sprintf("c%d", worlds.Add(1))
	rules := oracle.Rules(t)
	choices := rule.Choices{WriteFalseFallsThrough: rapid.Bool().Draw(t, "falls through"), DeleteNeedsWrite: rapid.Bool().Draw(t, "needs write")}
	a := &app.App{
		Functions:   []*app.Function{{Name: "isTrue"}, {Name: "isFalse"}, {Name: "throws"}},
		DataSources: []*app.DataSource{{Name: "mongodb-atlas", Collections: []*app.Collection{{Database: db.Name(), Name: name, Rules: rules}}}},
	}
	compiled, _ := rule.CompileWith(a, choices)
	u := &user.User{ID: "u1", CustomData: raw(bson.D{{Key: "team", Value: "x"}, {Key: "teams", Value: bson.A{"x", "u2"}}}).Document()}
	results := map[string]bool{"isTrue": true, "isFalse": false}
	m := &model{T: t, oracle: &oracle.Oracle{Rules: rules, Choices: choices, User: u, Functions: results}}
	fns := functions{}
	for n, v := range results {
		fns[n] = func([]bson.RawValue) (bson.RawValue, error) { return raw(v), nil }
	}
	service := func(noPushdown bool) *data.Service {
		return data.New(data.Config{App: a, Rules: compiled, Functions: fns, NoPushdown: noPushdown, Database: func(string) (*mongo.Client, error) { return db.Client(), nil }})
	}
	with, without := service(false), service(true)
	defer with.Close()
	defer without.Close()
	for i := range rapid.IntRange(0, 5).Draw(t, "documents") {
		d := append(bson.D{{Key: "_id", Value: int32(i)}}, oracle.Fields(t)...)
		m.docs = append(m.docs, d)
		if _, err := db.Collection(name).InsertOne(ctx, d); err != nil {
			t.Fatal(err)
		}
	}
	defer db.Collection(name).Drop(ctx)

	do := func(s *data.Service, action string, arg bson.D) (bson.RawValue, error) {
		arg = append(bson.D{{Key: "database", Value: db.Name()}, {Key: "collection", Value: name}}, arg...)
		v, err := s.Do(ctx, caller.Caller{User: u}, "mongodb-atlas", action, raw(arg).Document())
		var f *fault.Error
		if err != nil && !errors.As(err, &f) {
			t.Fatalf("%s %v: %v", action, arg, err)
		}
		return v, err
	}
	// read compares one reading operation in both ways with what is wanted.
	read := func(action string, arg bson.D, want any) {
		t.Helper()
		for _, s := range []*data.Service{with, without} {
			got, err := do(s, action, arg)
			if err != nil || !got.Equal(raw(want)) {
				t.Fatalf("%s %v over %v (pushdown %t)\ngot  %v, %v\nwant %v", action, arg, m.docs, s == with, got, err, raw(want))
			}
		}
	}
	for range rapid.IntRange(1, 4).Draw(t, "operations") {
		s := with
		if rapid.Bool().Draw(t, "without pushdown") {
			s = without
		}
		shown := m.visible()
		all := bson.A{}
		for _, d := range shown {
			all = append(all, d)
		}
		read("find", bson.D{}, all)
		read("count", bson.D{}, int64(len(shown)))
		limit := rapid.IntRange(1, 3).Draw(t, "limit")
		read("find", bson.D{{Key: "limit", Value: int32(limit)}}, all[:min(limit, len(all))])
		read("aggregate", bson.D{{Key: "pipeline", Value: bson.A{bson.D{{Key: "$skip", Value: int32(1)}}}}}, all[min(1, len(all)):])
		if len(shown) > 0 {
			read("findOne", bson.D{}, shown[0])
		}

		id := int32(rapid.IntRange(0, 5).Draw(t, "id"))
		query, match := bson.D{}, func(bson.D) bool { return true }
		if rapid.Bool().Draw(t, "by id") {
			query, match = bson.D{{Key: "_id", Value: id}}, func(d bson.D) bool { return d[0].Value == id }
		}
		multi := rapid.Bool().Draw(t, "multi")
		many := map[bool]string{true: "Many", false: "One"}[multi]
		var got bson.RawValue
		var err error
		var after map[int]bson.D
		permitted := true
		switch op := rapid.SampledFrom([]string{"set", "unset", "replace", "delete", "insert"}).Draw(t, "op"); op {
		case "insert":
			d := append(bson.D{{Key: "_id", Value: int32(worlds.Add(1)) + 100}}, oracle.Fields(t)...)
			permitted = m.oracle.Insert(d, false)
			got, err = do(s, "insertOne", bson.D{{Key: "document", Value: d}})
			if err == nil && permitted {
				m.docs = append(m.docs, d)
			}
		case "delete":
			after, permitted = m.change(multi, match, func(bson.D) bson.D { return nil })
			got, err = do(s, "delete"+many, bson.D{{Key: "query", Value: query}})
		default:
			field := rapid.SampledFrom([]string{"owner", "a", "n", "tags"}).Draw(t, "field")
			v := oracle.Value(t, 1)
			var update bson.D
			var to func(bson.D) bson.D
			switch op {
			case "set":
				update = bson.D{{Key: "$set", Value: bson.D{{Key: field, Value: v}}}}
				to = func(d bson.D) bson.D { return set(d, field, v) }
			case "unset":
				update = bson.D{{Key: "$unset", Value: bson.D{{Key: field, Value: true}}}}
				to = func(d bson.D) bson.D {
					out := bson.D{}
					for _, e := range d {
						if e.Key != field {
							out = append(out, e)
						}
					}
					return out
				}
			case "replace":
				update = oracle.Fields(t)
				to = func(d bson.D) bson.D { return append(bson.D{d[0]}, update...) }
			}
			after, permitted = m.change(multi, match, to)
			got, err = do(s, "update"+many, bson.D{{Key: "query", Value: query}, {Key: "update", Value: update}})
			if err == nil && permitted && int(got.Document().Lookup("matchedCount").Int32()) != len(after) {
				t.Fatalf("update %v by %v matched %v, the oracle %d of %v", update, query, got, len(after), m.docs)
			}
		}
		if permitted != (err == nil) {
			t.Fatalf("permitted: %t, the oracle says %t (%v, %v) over %v", err == nil, permitted, got, err, m.docs)
		}
		if permitted {
			kept := []bson.D{}
			for i, d := range m.docs {
				n, touched := after[i]
				switch {
				case !touched:
					kept = append(kept, d)
				case n != nil:
					kept = append(kept, n)
				}
			}
			m.docs = kept
		}
		cursor, err := db.Collection(name).Find(ctx, bson.D{})
		if err != nil {
			t.Fatal(err)
		}
		var stored []bson.D
		if err := cursor.All(ctx, &stored); err != nil {
			t.Fatal(err)
		}
		if len(stored) != len(m.docs) {
			t.Fatalf("stored %v, the oracle thinks %v", stored, m.docs)
		}
		for i := range stored {
			if !raw(stored[i]).Equal(raw(m.docs[i])) {
				t.Fatalf("stored %v, the oracle thinks %v", stored[i], m.docs[i])
			}
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
