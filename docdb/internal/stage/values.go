package stage

import (
	"encoding/binary"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

func typeName(v bson.RawValue) string {
	if v.Type == 0 {
		return "missing"
	}
	return value.TypeName(v.Type)
}

// text returns a string value's text, "" for any other.
func text(v bson.RawValue) string {
	s, _ := value.Text(v)
	return s
}

// isInt returns a number as an integer when it is whole and in range.
func isInt(v bson.RawValue) (int64, bool) {
	if !value.IsNumber(v) {
		return 0, false
	}
	return value.Integer(v)
}

// noFields refuses an expression that reads the document.
func noFields(e expr.Expr) error {
	var d expr.Deps
	e.Deps(&d)
	if d.Whole || len(d.Paths) > 0 {
		return mongoerr.New(4890500, "Command let Expression tried to access a field, but this is not allowed because command let expressions run before the query examines any documents.")
	}
	return nil
}

// doc builds a document of names and values by turns.
type docBuilder struct{ b []byte }

func newDoc(b []byte) docBuilder { return docBuilder{append(b[:0], 0, 0, 0, 0)} }

func (d *docBuilder) add(name string, v bson.RawValue) {
	t := v.Type
	if t == 0 {
		return
	}
	d.b = append(d.b, byte(t))
	d.b = append(append(d.b, name...), 0)
	d.b = append(d.b, v.Value...)
}

func (d *docBuilder) done() bson.Raw {
	d.b = append(d.b, 0)
	binary.LittleEndian.PutUint32(d.b, uint32(len(d.b)))
	return d.b
}

// arguments reads the named arguments of a stage; unknown ones are the error that unknown makes.
func arguments(spec bson.RawValue, unknown func(name string) error, names ...string) ([]bson.RawValue, error) {
	out := make([]bson.RawValue, len(names))
next:
	for it := expr.Each(spec.Value); ; {
		name, v, ok := it.Next()
		if !ok {
			return out, nil
		}
		for i, n := range names {
			if n == string(name) {
				out[i] = v
				continue next
			}
		}
		return nil, unknown(string(name))
	}
}
