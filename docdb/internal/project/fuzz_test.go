package project

import (
	"testing"

	"regent/docdb/internal/cases"
	"regent/docdb/internal/value"
)

// FuzzProjection looks for projections and documents that break Compile or Apply, or give malformed documents.
func FuzzProjection(f *testing.F) {
	for _, s := range []string{`{"a": 1}`, `{"a.b": 0}`, `{"a": {"$slice": [-2, 1]}}`, `{"a": {"$elemMatch": {"x": 1}}}`, `{"a.$": 1}`, `{"x.y": "v", "a": {"b": 1}}`} {
		f.Add([]byte(cases.Doc(f, s)), []byte(cases.Doc(f, `{"_id": 1, "a": [1, {"b": 2, "x": 1}], "x": {"z": 1}}`)))
	}
	f.Fuzz(func(t *testing.T, spec, d []byte) {
		p, err := Compile(spec, Options{})
		if err != nil {
			return
		}
		out, err := p.Apply(d, Context{Position: 0})
		if err == nil && value.Validate(d, 50) == nil && value.Validate(spec, 50) == nil {
			if err := value.Validate(out, 150); err != nil {
				t.Error(err)
			}
		}
	})
}
