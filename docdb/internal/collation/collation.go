package collation

import (
	"bytes"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/value"
)

// Version is what the collation document says about the tables; MongoDB puts its ICU version there.
const Version = "57.1"

// Collation is a parsed collation. It is safe for concurrent use.
type Collation struct {
	locale          string
	strength        int
	caseLevel       bool
	caseFirst       string // off, upper, lower
	numericOrdering bool
	alternate       string // non-ignorable, shifted
	maxVariable     string // punct, space
	normalization   bool
	backwards       bool

	tag  language.Tag
	pool sync.Pool // of *weigher
}

// weigher makes keys; it is used by one goroutine at a time.
type weigher struct {
	main, low *collate.Collator // low: up to the level below which case comes in, when case is a level of its own
	letters   *collate.Collator // the first level alone, where spaces are left out
	buf       collate.Buffer
	a, b      []byte
	rest      []byte // a string without its spaces
}

// Comparer returns c as what the value package compares with: nil for the simple collation.
func (c *Collation) Comparer() value.StringComparer {
	if c == nil {
		return nil
	}
	return c
}

// Locale returns the locale as it was given.
func (c *Collation) Locale() string {
	if c == nil {
		return "simple"
	}
	return c.locale
}

// Doc returns the collation with all its options, as listCollections and listIndexes show it; nil for the simple one.
func (c *Collation) Doc() bson.Raw {
	if c == nil {
		return nil
	}
	return value.DocOf(
		value.Field{Name: "locale", Value: value.String(c.locale)},
		value.Field{Name: "caseLevel", Value: value.Boolean(c.caseLevel)},
		value.Field{Name: "caseFirst", Value: value.String(c.caseFirst)},
		value.Field{Name: "strength", Value: value.Int32(int32(c.strength))},
		value.Field{Name: "numericOrdering", Value: value.Boolean(c.numericOrdering)},
		value.Field{Name: "alternate", Value: value.String(c.alternate)},
		value.Field{Name: "maxVariable", Value: value.String(c.maxVariable)},
		value.Field{Name: "normalization", Value: value.Boolean(c.normalization)},
		value.Field{Name: "backwards", Value: value.Boolean(c.backwards)},
		value.Field{Name: "version", Value: value.String(Version)},
	)
}

// Equal reports whether two collations compare alike; an index can serve a query's strings only then.
func (c *Collation) Equal(d *Collation) bool {
	if c == nil || d == nil {
		return c == d
	}
	return bytes.Equal(c.Doc(), d.Doc())
}

func (c *Collation) weigher() *weigher {
	if w, ok := c.pool.Get().(*weigher); ok {
		return w
	}
	w := &weigher{main: c.collator(c.strength)}
	if c.splitCase() {
		w.low = c.collator(min(c.strength, 2))
	}
	if c.spacesOnly() {
		w.letters = c.collator(1)
	}
	return w
}

// splitCase reports whether case is compared as a level of its own, behind accents and before all finer differences.
func (c *Collation) splitCase() bool {
	return c.caseLevel || c.caseFirst != "off" && c.strength >= 3
}

func (c *Collation) collator(strength int) *collate.Collator {
	t := c.tag
	set := func(key, v string) {
		if u, err := t.SetTypeForKey(key, v); err == nil {
			t = u
		}
	}
	set("ks", [...]string{1: "level1", 2: "level2", 3: "level3", 4: "level4", 5: "identic"}[strength])
	if c.numericOrdering {
		set("kn", "true")
	}
	if c.alternate == "shifted" && !c.spacesOnly() {
		set("ka", "shifted")
	}
	if c.backwards {
		set("kb", "true")
	}
	return collate.New(t, collate.OptionsFromTag(t))
}

// CompareStrings orders two strings.
func (c *Collation) CompareStrings(a, b []byte) int {
	if bytes.Equal(a, b) {
		return 0
	}
	w := c.weigher()
	defer c.pool.Put(w)
	w.a = c.appendKey(w.a[:0], a, w)
	w.b = c.appendKey(w.b[:0], b, w)
	return bytes.Compare(w.a, w.b)
}

// AppendStringKey appends a key of s: keys compare by their bytes as the strings do under the collation.
func (c *Collation) AppendStringKey(dst []byte, s []byte) []byte {
	w := c.weigher()
	defer c.pool.Put(w)
	return c.appendKey(dst, s, w)
}

func (c *Collation) appendKey(dst, s []byte, w *weigher) []byte {
	if !c.spacesOnly() {
		return c.identical(c.appendLevels(dst, s, w), s)
	}
	w.rest = c.withoutSpaces(w.rest[:0], s, w)
	dst = c.appendLevels(dst, w.rest, w)
	if c.strength >= 4 {
		dst = c.appendSpaces(append(dst, 0, 0), s, w)
	}
	return c.identical(dst, s)
}

// appendLevels appends the weights of letters, accents and case, and of what is finer, down to the strength.
func (c *Collation) appendLevels(dst, s []byte, w *weigher) []byte {
	w.buf.Reset()
	if w.low == nil {
		return append(dst, w.main.Key(&w.buf, s)...)
	}
	dst = append(dst, w.low.Key(&w.buf, s)...)
	dst = append(dst, 0, 0)
	dst = c.appendCase(dst, s)
	if c.strength >= 3 {
		dst = append(dst, 0, 0)
		dst = append(dst, w.main.Key(&w.buf, s)...)
	}
	return dst
}

// identical appends the text itself at strength 5, which tells apart all that is not canonically equivalent.
func (c *Collation) identical(dst, s []byte) []byte {
	if c.strength < 5 {
		return dst
	}
	dst = append(dst, 0, 0)
	return norm.NFD.Append(dst, s...)
}

// appendCase appends a byte for each letter that has case.
func (c *Collation) appendCase(dst, s []byte) []byte {
	upper, lower := byte(2), byte(1)
	if c.caseFirst == "upper" {
		upper, lower = 1, 2
	}
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		s = s[n:]
		switch {
		case unicode.IsUpper(r) || unicode.IsTitle(r):
			dst = append(dst, upper)
		case unicode.IsLower(r):
			dst = append(dst, lower)
		}
	}
	return dst
}
