package project

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/cases"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// TestFind runs testdata/find.txt: a projection, documents and what each becomes, or the error of compiling or applying it.
func TestFind(t *testing.T) {
	var p *Projection
	var out bson.Raw
	var failure error
	cx := Context{Position: -1}
	cases.Run(t, "testdata/find.txt", func(l *cases.Line) {
		switch l.Verb {
		case "projection":
			l.About, cx.Position = l.Arg, -1
			p, failure = Compile(l.Doc(), Options{})
		case "position":
			cx.Position = int(l.Number())
		case "doc":
			if p == nil {
				l.Wrong("%v", failure)
				return
			}
			out, failure = p.Apply(l.Doc(), cx)
		case "gives":
			if failure != nil {
				l.Wrong("%v", failure)
			} else if string(out) != string(l.Doc()) {
				l.Wrong("gives %s, want %s", value.ShowDoc(out), l.Arg)
			}
		case "error":
			l.WantError(failure)
		default:
			l.Unknown()
		}
	})
}

// TestGrowthIsBounded names the whole document once for every element of a large array.
func TestGrowthIsBounded(t *testing.T) {
	list := bson.A{}
	for range 20_000 {
		list = append(list, bson.D{})
	}
	d, err := bson.Marshal(bson.D{{Key: "l", Value: list}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := Compile(cases.Doc(t, `{"l.x": "$$ROOT"}`), Options{Expr: func(bson.RawValue) (func(bson.Raw) (bson.RawValue, error), error) {
		return func(d bson.Raw) (bson.RawValue, error) { return value.Doc(d), nil }, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := p.Apply(d, Context{}); mongoerr.CodeOf(err) != mongoerr.BSONObjectTooLarge {
		t.Errorf("%d bytes, %v; want BSONObjectTooLarge", len(out), err)
	}
}
