package rule_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"regent/docdb/query"
	"regent/internal/app"
	"regent/internal/caller"
	"regent/internal/rule"
	"regent/internal/rule/oracle"
	"regent/internal/user"
)

// TestMain runs random tests 2,000 times unless -rapid.checks says otherwise.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("2000")
	}
	os.Exit(m.Run())
}

type functions struct{}

func (functions) Call(_ context.Context, _ caller.Caller, name string, _ []bson.RawValue) (bson.RawValue, error) {
	switch name {
	case "isTrue":
		return bson.RawValue{Type: bson.TypeBoolean, Value: []byte{1}}, nil
	case "isFalse":
		return bson.RawValue{Type: bson.TypeBoolean, Value: []byte{0}}, nil
	}
	return bson.RawValue{}, errors.New("throws")
}

func marshal(t interface{ Fatal(...any) }, v any) bson.Raw {
	b, err := bson.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestOracle compares every decision with the oracle's.
func TestOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := oracle.Rules(t)
		choices := rule.Choices{WriteFalseFallsThrough: rapid.Bool().Draw(t, "falls through"), DeleteNeedsWrite: rapid.Bool().Draw(t, "needs write")}
		a := &app.App{
			Functions:   []*app.Function{{Name: "isTrue"}, {Name: "isFalse"}, {Name: "throws"}},
			DataSources: []*app.DataSource{{Name: "mongodb-atlas", Collections: []*app.Collection{{Database: "db", Name: "c", Rules: rules}}}},
		}
		set, problems := rule.CompileWith(a, choices)
		for _, p := range problems {
			if p.Severity == app.SeverityError {
				t.Fatal(p)
			}
		}
		u := &user.User{ID: "u1", CustomData: marshal(t, bson.D{{Key: "team", Value: "x"}, {Key: "teams", Value: bson.A{"x", "u2"}}})}
		o := &oracle.Oracle{Rules: rules, Choices: choices, User: u, Functions: map[string]bool{"isTrue": true, "isFalse": false}}
		access := set.Lookup("mongodb-atlas", "db", "c").Access(t.Context(), caller.Caller{User: u}, functions{}, nil)
		q, err := access.Query()
		if err != nil {
			t.Fatal(err)
		}
		var visible *query.Filter
		if len(q.Visible) > 0 {
			if visible, err = query.Compile(q.Visible); err != nil {
				t.Fatalf("%s: %v", q.Visible, err)
			}
		}
		for range 3 {
			doc := append(bson.D{{Key: "_id", Value: oracle.Scalar(t)}}, oracle.Fields(t)...)
			raw := marshal(t, doc)
			want, ok := o.Read(doc)
			got, err := access.Read(raw)
			if err != nil {
				t.Fatal(err)
			}
			if ok != (got != nil) || ok && !bytes.Equal(got, marshal(t, want)) {
				t.Fatalf("Read(%s) = %s, the oracle says %v %t", raw, got, want, ok)
			}
			if ok && q.Whole && len(got) != len(raw) {
				t.Fatalf("%s is not readable as a whole", raw)
			}
			matches := !q.None
			if visible != nil {
				if matches, err = visible.Match(raw); err != nil {
					t.Fatal(err)
				}
			}
			if ok && !matches || q.Exact && ok != matches {
				t.Fatalf("query %s (exact %t) matches %s: %t; readable: %t", q.Visible, q.Exact, raw, matches, ok)
			}

			target, ok, err := access.Match(raw)
			if err != nil || ok != o.Matches(doc) {
				t.Fatalf("Match(%s) = %t, %v", raw, ok, err)
			}
			if ok {
				if got, want := access.Delete(target) == nil, o.Delete(doc); got != want || q.Exact && q.Delete && !got {
					t.Fatalf("Delete(%s) = %t (static %t), the oracle says %t", raw, got, q.Delete, want)
				}
				after := append(bson.D{doc[0]}, oracle.Fields(t)...)
				if rapid.Bool().Draw(t, "small change") {
					after = append(bson.D{}, doc...)
					after[rapid.IntRange(1, max(1, len(doc)-1)).Draw(t, "which")%len(doc)].Value = oracle.Value(t, 2)
				}
				if got, want := access.Update(target, marshal(t, after)) == nil, o.Update(doc, after); got != want || q.Exact && q.Update && !got {
					t.Fatalf("Update(%s, %v) = %t (static %t), the oracle says %t", raw, after, got, q.Update, want)
				}
			}
			generated := rapid.Bool().Draw(t, "generated")
			if got, want := access.Insert(raw, generated) == nil, o.Insert(doc, generated); got != want {
				t.Fatalf("Insert(%s, %t) = %t, the oracle says %t", raw, generated, got, want)
			}
		}
	})
}
