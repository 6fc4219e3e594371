package oracle

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
)

// filters gives the filters that apply. known is false when that cannot be said:
// then nothing is there.
func (o *Oracle) filters() (apply []app.Filter, known bool) {
	for _, f := range o.Rules.Filters {
		switch o.answer(decode(f.ApplyWhen), env{missing{}, missing{}, missing{}, missing{}}) {
		case unknown:
			return nil, false
		case yes:
			apply = append(apply, f)
		}
	}
	return apply, true
}

// Selected tells whether the filters leave a stored document there. A filter's
// query is read as an expression about the document, which the generated ones
// can be.
func (o *Oracle) Selected(doc bson.D) bool {
	apply, known := o.filters()
	for _, f := range apply {
		known = known && o.truth(decode(bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: f.Query}), stored(doc))
	}
	return known
}

// Shown is what a client gets of a stored document that it may read: the
// projections of the filters leave out fields.
func (o *Oracle) Shown(doc bson.D) (bson.D, bool) {
	shown, ok := o.Read(doc)
	if !ok {
		return nil, false
	}
	apply, _ := o.filters()
	out := bson.D{}
	for _, e := range shown {
		hidden := false
		for _, f := range apply {
			if f.Projection != nil {
				_, err := f.Projection.LookupErr(e.Key)
				hidden = hidden || err == nil
			}
		}
		if !hidden {
			out = append(out, e)
		}
	}
	return out, true
}

// Distinct gives the values of a field of documents, arrays unfolded.
func Distinct(docs []bson.D, name string) bson.A {
	out := bson.A{}
	for _, d := range docs {
		values, isList := field(d, name).(bson.A)
		if !isList {
			values = bson.A{field(d, name)}
		}
		for _, v := range values {
			if _, none := v.(missing); !none && !contains(out, v) {
				out = append(out, v)
			}
		}
	}
	return out
}
