package rule_test

import (
	"testing"

	"regent/internal/app"
	"regent/internal/caller"
	"regent/internal/rule"
	"regent/internal/user"
)

// A role that asks the same three times asks the database once.
func TestQueriesSayNothingTwice(t *testing.T) {
	a, problems, err := app.Load("../../examples/todo", app.Options{})
	if err != nil {
		t.Fatal(err, problems)
	}
	rules, _ := rule.Compile(a)
	access := rules.Lookup("mongodb-atlas", "todo", "items").Access(t.Context(), caller.Caller{User: &user.User{ID: "u1"}}, nil, nil)
	q, err := access.Query()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := q.Visible.String(), `{"owner_id": {"$eq": "u1"}}`; got != want || !q.Exact {
		t.Errorf("exact %t, %s, want %s", q.Exact, got, want)
	}
}
