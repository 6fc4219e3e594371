package app_test

import (
	"testing"

	"regent/internal/app"
)

func TestLocate(t *testing.T) {
	c := readCase(t, "testdata/load/layout_current.txtar")
	a, _, err := app.Load(c.dir, c.opts)
	if err != nil {
		t.Fatal(err)
	}
	role := a.DataSource("mongodb-atlas").Collection("shop", "orders").Rules.Roles[0]
	price := a.Function("price")
	for _, tc := range []struct {
		problem app.Problem
		want    string
	}{
		{role.Warn("x"), "data_sources/mongodb-atlas/shop/orders/rules.json:3:15: warning: $.roles[0]: x"},
		{role.Key("document_filters").Key("read").Key("owner").Warn("x"),
			"data_sources/mongodb-atlas/shop/orders/rules.json:6:39: warning: $.roles[0].document_filters.read.owner: x"},
		{role.Key("nowhere").Index(3).Error("x"), "data_sources/mongodb-atlas/shop/orders/rules.json:3:15: error: $.roles[0].nowhere[3]: x"},
		// A function's own problems are in its source, those of its entry are moved there.
		{app.Problem{Severity: app.SeverityWarning, File: price.File, Line: 7, Column: 2, Message: "x"}, "functions/price.js:7:2: warning: x"},
		{price.Key("can_evaluate").Warn("x"), "functions/config.json:4:23: warning: $[2].can_evaluate: x"},
		{price.Warn("x"), "functions/price.js: warning: x"},
		{app.Problem{Severity: app.SeverityWarning, File: "gone.json", Path: "$.a", Message: "x"}, "gone.json: warning: $.a: x"},
	} {
		if got := a.Locate(tc.problem).String(); got != tc.want {
			t.Errorf("got  %s\nwant %s", got, tc.want)
		}
	}
}
