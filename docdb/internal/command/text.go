package command

import (
	"context"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/keys"
	"regent/docdb/internal/match"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/store"
	"regent/docdb/internal/text"
	"regent/docdb/internal/value"
)

// noText compiles $text for a collection that is not there, and that nothing matches.
func noText(args bson.Raw) (match.TextSearch, error) {
	t, err := text.ParseIndex(value.DocOf(value.Field{Name: "weights", Value: value.Doc(value.DocOf(value.Field{Name: "$**", Value: value.Int32(1)}))}))
	if err != nil {
		return nil, err
	}
	return t.Compile(append(bson.Raw(nil), args...))
}

// textCompiler compiles $text for a collection's text index, and remembers the search for the planner and the score.
func (q *query) textCompiler(coll *store.Collection) func(bson.Raw) (match.TextSearch, error) {
	return func(args bson.Raw) (match.TextSearch, error) {
		for _, ix := range coll.Def().Indexes {
			if ix.Hidden || !hasText(ix) {
				continue
			}
			t, err := text.ParseIndex(ix.Spec)
			if err != nil {
				return nil, err
			}
			s, err := t.Compile(append(bson.Raw(nil), args...))
			if err != nil {
				return nil, err
			}
			q.text = s
			return s, nil
		}
		return nil, mongoerr.New(mongoerr.IndexNotFound, "text index required for $text query")
	}
}

func hasText(ix *store.Index) bool {
	for _, f := range ix.Keys.Fields {
		if f.Kind == keys.Text {
			return true
		}
	}
	return false
}

// textTerms is the key generator of a text index.
func textTerms(spec bson.Raw) (func([]byte) ([][]byte, error), error) {
	x, err := text.ParseIndex(spec)
	if err != nil {
		return nil, err
	}
	return func(doc []byte) ([][]byte, error) { return x.Tokens(doc) }, nil
}

// textSpec completes the specification of a text index with its defaults.
func textSpec(key bson.Raw, options, given bson.D) (bson.Raw, bson.D, error) {
	for _, o := range options {
		switch o.Key {
		case "unique", "expireAfterSeconds":
			return nil, nil, mongoerr.New(mongoerr.CannotCreateIndex, "text indexes do not support the option %s", o.Key)
		case "collation":
			return nil, nil, mongoerr.New(mongoerr.CannotCreateIndex, "Index type 'text' does not support collation")
		}
	}
	for _, o := range given {
		if v, ok := o.Value.(bson.RawValue); ok && o.Key == "weights" && v.Type != bson.TypeEmbeddedDocument {
			return nil, nil, mongoerr.New(mongoerr.CannotCreateIndex, "text index option 'weights' must be an object")
		}
	}
	raw, err := bson.Marshal(append(bson.D{{Key: "key", Value: key}}, given...))
	if err != nil {
		return nil, nil, err
	}
	x, err := text.ParseIndex(raw)
	if err != nil {
		return nil, nil, err
	}
	options = append(options, bson.E{Key: "weights", Value: x.Weights()}, bson.E{Key: "default_language", Value: x.DefaultLanguage()},
		bson.E{Key: "language_override", Value: x.LanguageOverride()}, bson.E{Key: "textIndexVersion", Value: int32(3)})
	return textKey(key), options, nil
}

// textKey is the key that listIndexes shows: {_fts: "text", _ftsx: 1} in the place of the fields with text.
func textKey(key bson.Raw) bson.Raw {
	var out []value.Field
	it := value.Over(key)
	done := false
	for it.Next() {
		if s, _ := value.Text(it.Value()); s == "text" {
			if !done {
				out = append(out, value.Field{Name: "_fts", Value: value.String("text")}, value.Field{Name: "_ftsx", Value: value.Int32(1)})
			}
			done = true
		} else if it.Key() != "_ftsx" {
			out = append(out, value.Field{Name: strings.Clone(it.Key()), Value: it.Value()})
		}
	}
	return value.DocOf(out...)
}

// scored gives documents with their text score, for {$meta: "textScore"}.
type scored struct {
	src  stream
	s    *text.Search
	meta expr.Meta
}

func (s *scored) Next(ctx context.Context) (bson.Raw, error) {
	d, err := s.src.Next(ctx)
	if err != nil {
		return nil, err
	}
	f, _, err := s.s.Score(d)
	if err != nil {
		return nil, err
	}
	s.meta.TextScore = value.Double(f)
	return d, nil
}

// Meta implements stage.MetaIter.
func (s *scored) Meta() *expr.Meta { return &s.meta }

func (s *scored) Close() error { return s.src.Close() }

// metaValue gives the metadata called name.
func metaValue(m *expr.Meta, name string) bson.RawValue {
	if m == nil {
		return bson.RawValue{}
	}
	switch name {
	case "textScore":
		return m.TextScore
	case "geoNearDistance":
		return m.GeoDistance
	case "geoNearPoint":
		return m.GeoPoint
	case "recordId":
		return m.RecordID
	case "sortKey":
		return m.SortKey
	case "indexKey":
		return m.IndexKey
	}
	return bson.RawValue{}
}
