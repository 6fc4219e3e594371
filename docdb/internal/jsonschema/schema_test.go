package jsonschema

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/cases"
	"regent/docdb/internal/value"
)

// TestCases runs testdata/cases.txt: a schema, documents that it takes (yes) or not (no), the explanation of the last refusal (why),
// or the error of compiling it.
func TestCases(t *testing.T) {
	var s *Schema
	var failure error
	var details bson.Raw
	cases.Run(t, "testdata/cases.txt", func(l *cases.Line) {
		switch l.Verb {
		case "schema":
			l.About = l.Arg
			s, failure = Compile(l.Doc())
		case "error":
			l.WantError(failure)
		case "yes", "no":
			l.Succeeded(failure)
			var ok bool
			if ok, details = s.Validate(l.Doc()); ok != (l.Verb == "yes") {
				l.Wrong("%s gives %t", l.Arg, ok)
			}
		case "why":
			if string(details) != string(l.Doc()) {
				l.Wrong("\n got %s\nwant %s", value.ShowDoc(details), l.Arg)
			}
		default:
			l.Unknown()
		}
	})
}
