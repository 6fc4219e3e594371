package expr_test

import (
	"context"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/expr/exprtest"
	"regent/docdb/internal/mongoerr"
)

// TestCases runs every case of testdata: each expression as it stands, so that its constants are folded, and again with the
// document given at run time.
func TestCases(t *testing.T) {
	for _, c := range exprtest.Read(t, "testdata/*.txt", "tables.txt") { // TestTables
		runCase(t, c)
	}
}

func runCase(t *testing.T, c exprtest.Case) {
	t.Helper()
	fail := func(format string, args ...any) {
		t.Helper()
		c.Fail(t, format, args...)
	}
	in, err := exprtest.Value(c.Input)
	if err != nil {
		fail("%v", err)
		return
	}
	doc := bson.Raw{5, 0, 0, 0, 0}
	if c.On != "" {
		if doc, err = exprtest.Doc(c.On); err != nil {
			fail("%v", err)
			return
		}
	}
	scope := expr.NewScope(expr.Options{
		Now:         time.UnixMilli(1700000000000),
		ClusterTime: bson.Timestamp{T: 1700000000, I: 1},
		Rand:        func() float64 { return 0.25 },
	})
	var got bson.RawValue
	e, err := expr.Compile(in, scope)
	if err == nil {
		env := expr.NewEnv(context.Background())
		env.Reset(doc)
		got, err = e.Eval(env)
	}
	if c.Code != 0 {
		if code := mongoerr.CodeOf(err); int(code) != c.Code {
			fail("error %d (%v), want %d; value %v", code, err, c.Code, got)
		}
		return
	}
	if err != nil {
		fail("error %v", err)
		return
	}
	if c.Out == "missing" {
		if !expr.Missing(got) {
			fail("got %v, want nothing", got)
		}
		return
	}
	want, err := exprtest.Value(c.Out)
	if err != nil {
		fail("%v", err)
		return
	}
	if want.Type != got.Type || string(want.Value) != string(got.Value) {
		fail("got %v, want %v", got, want)
	}
}
