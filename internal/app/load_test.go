package app_test

import (
	"testing"

	"regent/internal/app"
)

func TestExampleHasNoProblem(t *testing.T) {
	a, problems, err := app.Load("../../examples/todo", app.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
	if a.ID == "" || a.Function("summary") == nil || a.Provider("local-userpass") == nil || a.DataSource("mongodb-atlas") == nil {
		t.Errorf("the example is not whole: %+v", a)
	}
	if u := a.Unserved(); len(u) > 0 {
		t.Errorf("the example asks for what is not served: %q", u)
	}
}
