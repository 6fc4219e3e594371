package rule_test

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
	"regent/internal/caller"
	"regent/internal/ejson"
	"regent/internal/rule"
	"regent/internal/user"
)

// BenchmarkRead judges one document by five typical roles.
func BenchmarkRead(b *testing.B) {
	parse := func(text string) bson.RawValue {
		v, err := ejson.Parse([]byte(text))
		if err != nil {
			b.Fatal(err)
		}
		return v
	}
	yes := parse("true")
	doc := parse(`{"_id": 1, "owner_id": "u1", "members": ["u7", "u1"], "title": "t", "team": "red", "n": 5, "sub": {"a": 1, "b": 2}}`).Document()
	for _, x := range []struct {
		name string
		role app.Role
	}{
		{"constant", app.Role{ApplyWhen: parse("{}"), Read: yes}},
		{"owner", app.Role{ApplyWhen: parse(`{"owner_id": "%%user.id"}`), Read: yes}},
		{"member", app.Role{ApplyWhen: parse(`{"members": "%%user.id"}`), Read: yes}},
		{"team", app.Role{ApplyWhen: parse(`{"team": {"$in": "%%user.custom_data.teams"}, "n": {"$lt": 10}}`), Read: yes}},
		{"fields", app.Role{ApplyWhen: parse("{}"), Fields: parse(`{"title": {"read": true}, "sub": {"fields": {"a": {"read": true}}}}`).Document(), AdditionalFields: parse(`{"read": false}`).Document()}},
	} {
		b.Run(x.name, func(b *testing.B) {
			a := &app.App{DataSources: []*app.DataSource{{Name: "s", Collections: []*app.Collection{{Database: "d", Name: "c", Rules: &app.Rules{Roles: []app.Role{x.role}}}}}}}
			set, _ := rule.CompileWith(a, rule.DefaultChoices())
			u := &user.User{ID: "u1", CustomData: parse(`{"teams": ["blue", "red"]}`).Document()}
			access := set.Lookup("s", "d", "c").Access(b.Context(), caller.Caller{User: u}, nil, nil)
			b.ReportAllocs()
			for b.Loop() {
				if out, err := access.Read(doc); err != nil || out == nil {
					b.Fatal(out, err)
				}
			}
		})
	}
}

// TestAConstantRoleAllocatesNothing guards the cheapest case.
func TestAConstantRoleAllocatesNothing(t *testing.T) {
	yes, _ := ejson.Parse([]byte("true"))
	anybody, _ := ejson.Parse([]byte("{}"))
	a := &app.App{DataSources: []*app.DataSource{{Name: "s", Collections: []*app.Collection{{Database: "d", Name: "c", Rules: &app.Rules{Roles: []app.Role{{ApplyWhen: anybody, Read: yes}}}}}}}}
	set, _ := rule.CompileWith(a, rule.DefaultChoices())
	access := set.Lookup("s", "d", "c").Access(t.Context(), caller.Caller{}, nil, nil)
	doc, _ := bson.Marshal(bson.D{{Key: "a", Value: 1}})
	if n := testing.AllocsPerRun(100, func() { _, _ = access.Read(doc) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
