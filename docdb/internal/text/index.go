package text

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// Bounds of text indexes.
const (
	// MaxTermLength is the longest term in bytes; longer words are cut to it.
	MaxTermLength = 256
	// MaxTerms is the most different terms of one document; a document with more is refused with code 16732, as in MongoDB.
	MaxTerms = 400_000
	// maxDepth is how deep $** looks into a document.
	maxDepth = 200
)

// Index is the part of a text index's specification that concerns its terms. It is safe for concurrent use.
type Index struct {
	fields   []field
	all      bool // $**: every string of the document
	weight   float64
	language *Language
	override string
}

type field struct {
	path   value.Path
	weight float64
}

// ParseIndex reads the specification of a text index as listIndexes shows it: weights (or the fields of the key that are "text"),
// default_language, language_override.
func ParseIndex(spec bson.Raw) (*Index, error) {
	x := &Index{override: "language", weight: 1}
	name := "english"
	if v := value.Lookup(spec, "default_language"); v.Type != 0 {
		s, isText := value.Text(v)
		if !isText {
			return nil, mongoerr.New(mongoerr.CannotCreateIndex, "default_language needs a string type")
		}
		name = s
	}
	var err error
	if x.language, err = FindLanguage(name); err != nil {
		return nil, mongoerr.New(mongoerr.CannotCreateIndex, "default_language is not valid: %s", name)
	}
	if v := value.Lookup(spec, "language_override"); v.Type != 0 {
		s, isText := value.Text(v)
		if !isText || s == "" || s[0] == '$' {
			return nil, mongoerr.New(mongoerr.CannotCreateIndex, "language_override is not valid")
		}
		x.override = strings.Clone(s)
	}
	weights := map[string]float64{}
	order := []string{}
	add := func(path string, w float64) {
		if _, known := weights[path]; !known {
			order = append(order, strings.Clone(path))
		}
		weights[strings.Clone(path)] = w
	}
	it := value.OverValue(value.Lookup(spec, "key"))
	for it.Next() {
		if s, _ := value.Text(it.Value()); s == "text" && it.Key() != "_fts" {
			add(it.Key(), 1)
		}
	}
	it = value.OverValue(value.Lookup(spec, "weights"))
	for it.Next() {
		w, isNumber := value.Float64(it.Value())
		if !isNumber || !(w > 0 && w < 1e9) {
			return nil, mongoerr.New(mongoerr.CannotCreateIndex, "text index weight must be in the exclusive interval (0,1000000000) but found: %s", value.Show(it.Value()))
		}
		add(it.Key(), w)
	}
	for _, p := range order {
		if p == "$**" {
			x.all, x.weight = true, weights[p]
			continue
		}
		path, err := value.ParseFieldPath(p)
		if err != nil {
			return nil, mongoerr.New(mongoerr.CannotCreateIndex, "text index: %s", mongoerr.As(err).Message)
		}
		x.fields = append(x.fields, field{path, weights[p]})
	}
	if len(order) == 0 {
		return nil, mongoerr.New(mongoerr.CannotCreateIndex, "a text index needs a field")
	}
	return x, nil
}

// Weights returns the weights by path, in the order of the paths, for the index's full specification.
func (x *Index) Weights() bson.Raw {
	var f []value.Field
	if x.all {
		f = append(f, value.Field{Name: "$**", Value: wholeOr(x.weight)})
	}
	for _, y := range x.fields {
		f = append(f, value.Field{Name: y.path.String(), Value: wholeOr(y.weight)})
	}
	slices.SortFunc(f, func(a, b value.Field) int { return strings.Compare(a.Name, b.Name) })
	return value.DocOf(f...)
}

func wholeOr(w float64) bson.RawValue {
	if w == float64(int32(w)) {
		return value.Int32(int32(w))
	}
	return value.Double(w)
}

// DefaultLanguage and LanguageOverride are shown by listIndexes.
func (x *Index) DefaultLanguage() string { return x.language.name }

// LanguageOverride returns the name of the member that sets a document's language.
func (x *Index) LanguageOverride() string { return x.override }

// eachText calls f with the indexed texts of a document and their weights. A member called as language_override says sets the
// language of the document it stands in.
func (x *Index) eachText(doc bson.Raw, f func(s string, l *Language, weight float64)) error {
	l, err := x.languageOf(doc, x.language)
	if err != nil {
		return err
	}
	for _, y := range x.fields {
		if err := x.atPath(value.Doc(doc), y.path, l, y.weight, f); err != nil {
			return err
		}
	}
	if x.all {
		return x.everywhere(value.Doc(doc), l, "", f, 0)
	}
	return nil
}

func (x *Index) languageOf(doc bson.Raw, outer *Language) (*Language, error) {
	s, isText := value.Text(value.Lookup(doc, x.override))
	if !isText {
		return outer, nil
	}
	l, err := FindLanguage(s)
	if err != nil {
		return nil, mongoerr.New(17262, "language override unsupported: %s", s)
	}
	return l, nil
}

func (x *Index) atPath(v bson.RawValue, path value.Path, l *Language, weight float64, f func(string, *Language, float64)) error {
	switch v.Type {
	case bson.TypeString:
		if len(path) == 0 {
			s, _ := value.Text(v)
			f(s, l, weight)
		}
	case bson.TypeArray:
		it := value.Over(v.Value)
		for it.Next() {
			if it.Value().Type == bson.TypeArray {
				continue // an array in an array is not opened
			}
			if err := x.atPath(it.Value(), path, l, weight, f); err != nil {
				return err
			}
		}
	case bson.TypeEmbeddedDocument:
		if len(path) == 0 {
			return nil
		}
		l, err := x.languageOf(v.Value, l)
		if err != nil {
			return err
		}
		return x.atPath(value.Lookup(v.Value, path[0]), path[1:], l, weight, f)
	}
	return nil
}

func (x *Index) everywhere(v bson.RawValue, l *Language, path string, f func(string, *Language, float64), depth int) error {
	if depth > maxDepth {
		return nil
	}
	if v.Type == bson.TypeString {
		s, _ := value.Text(v)
		for _, y := range x.fields { // has a weight of its own
			if y.path.String() == path {
				return nil
			}
		}
		f(s, l, x.weight)
		return nil
	}
	if v.Type == bson.TypeEmbeddedDocument {
		var err error
		if l, err = x.languageOf(v.Value, l); err != nil {
			return err
		}
	}
	it := value.OverValue(v)
	for it.Next() {
		sub := path
		if v.Type == bson.TypeEmbeddedDocument {
			if it.Key() == x.override {
				continue
			}
			sub = strings.TrimPrefix(path+"."+it.Key(), ".")
		}
		if err := x.everywhere(it.Value(), l, sub, f, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// frequency is what scoring knows of a term in one text.
type frequency struct {
	freq, exp float64
	count     int
}

// Scores returns the terms of a document with the weight that each has for it. A term that is repeated counts for less each time;
// in a short text it counts for more; one that is the whole text for a little more still.
func (x *Index) Scores(doc bson.Raw) (map[string]float64, error) {
	return x.scores(doc, fold{})
}

func (x *Index) scores(doc bson.Raw, how fold) (map[string]float64, error) {
	out := map[string]float64{}
	err := x.eachText(doc, func(s string, l *Language, weight float64) {
		tally := map[string]*frequency{}
		n := 0
		l.terms(s, how, func(term string) {
			t := tally[term]
			if t == nil {
				t = &frequency{}
				tally[term] = t
			}
			if t.exp == 0 {
				t.exp = 1
			} else {
				t.exp *= 2
			}
			t.count++
			t.freq += 1 / t.exp
			n++
		})
		for term, t := range tally {
			share := 0.5*float64(t.count)/float64(n) + 0.5
			adjust := 1.0
			if len(s) == len(term) && strings.EqualFold(s, term) {
				adjust = 1.1
			}
			out[term] += weight * t.freq * share * adjust
		}
	})
	if err == nil && len(out) > MaxTerms {
		err = mongoerr.New(16732, "too many unique keys for a single document to have a text index, max = %d", MaxTerms)
	}
	return out, err
}

// Tokens returns the index tokens of a document, one for each term; see Token.
func (x *Index) Tokens(doc bson.Raw) ([][]byte, error) {
	scores, err := x.Scores(doc)
	if err != nil {
		return nil, err
	}
	out := make([][]byte, 0, len(scores))
	seen := make(map[string]bool, len(scores))
	for term := range scores {
		t := Token(term)
		if !seen[string(t)] {
			seen[string(t)] = true
			out = append(out, t)
		}
	}
	return out, nil
}

// Token returns a term as bytes of an index: its first MaxTermLength bytes, ended by a zero byte, so that no token is a prefix of
// another.
func Token(term string) []byte {
	if len(term) > MaxTermLength {
		term = term[:MaxTermLength]
	}
	return append(append(make([]byte, 0, len(term)+1), strings.ReplaceAll(term, "\x00", "")...), 0)
}
