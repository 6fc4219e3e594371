package collation

import (
	"slices"
	"strings"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// languages are the languages that MongoDB documents collations for.
var languages = strings.Fields(`af sq am ar hy as az bn be bs bg my ca chr zh hr cs da nl dz en eo et ee fo fil fi fr gl ka de el gu ha
	haw he hi hu is ig smn id ga it ja kl kn kk km kok ko ky lkt lo lv ln lt dsb lb mk ms ml mt mr mn ne se nb nn or om ps fa pl pt pa
	ro ru sr si sk sl es sw sv ta te th bo to tr uk hsb ur ug vi wae cy yi yo zu root`)

// variants maps ICU's names of a locale's other orders to those of BCP 47.
var variants = map[string]string{
	"phonebook": "phonebk", "traditional": "trad", "dictionary": "dict", "pinyin": "pinyin", "stroke": "stroke", "zhuyin": "zhuyin",
	"unihan": "unihan", "search": "search", "compat": "compat", "reformed": "reformed", "standard": "standard", "big5han": "big5han", "gb2312han": "gb2312",
}

// option reads one member of a collation document.
type option struct {
	name string
	help string
	read func(c *Collation, v bson.RawValue) error
}

func options() []option {
	return []option{
		{"locale", "the language, with @collation= another of its orders; simple is by bytes", func(c *Collation, v bson.RawValue) error { return text(v, "locale", &c.locale) }},
		{"strength", "1 letters, 2 accents too, 3 case too, 4 punctuation too, 5 identical", readStrength},
		{"caseLevel", "case beside strength 1 or 2", func(c *Collation, v bson.RawValue) error { return boolean(v, "caseLevel", &c.caseLevel) }},
		{"caseFirst", "upper or lower before the other at strength 3: off, upper, lower", func(c *Collation, v bson.RawValue) error {
			return text(v, "caseFirst", &c.caseFirst, "off", "upper", "lower")
		}},
		{"numericOrdering", "digits as numbers", func(c *Collation, v bson.RawValue) error {
			return boolean(v, "numericOrdering", &c.numericOrdering)
		}},
		{"alternate", "whether spaces and punctuation count: non-ignorable, shifted", func(c *Collation, v bson.RawValue) error {
			return text(v, "alternate", &c.alternate, "non-ignorable", "shifted")
		}},
		{"maxVariable", "what shifted leaves out: punct (spaces and punctuation), space (spaces only)", func(c *Collation, v bson.RawValue) error {
			return text(v, "maxVariable", &c.maxVariable, "punct", "space")
		}},
		{"normalization", "composed and decomposed forms are always one", func(c *Collation, v bson.RawValue) error { return boolean(v, "normalization", &c.normalization) }},
		{"backwards", "accents from the end, as in French of Canada", func(c *Collation, v bson.RawValue) error { return boolean(v, "backwards", &c.backwards) }},
		{"version", "the version of the tables, as listIndexes shows it", func(c *Collation, v bson.RawValue) error {
			var version string
			return text(v, "version", &version, Version)
		}},
	}
}

// Options lists the members of a collation document and what they do.
func Options() [][2]string {
	var out [][2]string
	for _, o := range options() {
		out = append(out, [2]string{o.name, o.help})
	}
	return out
}

// Parse reads a collation document. The simple collation, {locale: "simple"}, is nil, and so is an empty document.
func Parse(doc bson.Raw) (*Collation, error) {
	c := &Collation{strength: 3, caseFirst: "off", alternate: "non-ignorable", maxVariable: "punct"}
	given := map[string]bool{}
	it := value.Over(doc)
	for it.Next() {
		name := strings.Clone(it.Key())
		opts := options()
		i := slices.IndexFunc(opts, func(o option) bool { return o.name == name })
		if i < 0 {
			return nil, mongoerr.New(mongoerr.UnknownArgument, "BSON field 'collation.%s' is an unknown field.", name)
		}
		if given[name] {
			return nil, mongoerr.New(mongoerr.DuplicateArgument, "BSON field 'collation.%s' is a duplicate field", name)
		}
		given[name] = true
		if err := opts[i].read(c, it.Value()); err != nil {
			return nil, err
		}
	}
	if it.Bad() {
		return nil, mongoerr.New(mongoerr.InvalidBSON, "invalid BSON in a collation")
	}
	if len(given) == 0 {
		return nil, nil
	}
	if !given["locale"] {
		return nil, mongoerr.New(mongoerr.MissingArgument, "BSON field 'collation.locale' is missing but a required field")
	}
	if c.locale == "simple" {
		if len(given) > 1 {
			return nil, mongoerr.New(mongoerr.BadValue, "If 'locale' is 'simple', no other collation options may be specified: %s", value.ShowDoc(doc))
		}
		return nil, nil
	}
	if c.backwards && c.strength == 1 {
		return nil, mongoerr.New(mongoerr.BadValue, "'backwards' is invalid with 'strength' of 1: %s", value.ShowDoc(doc))
	}
	return c, c.resolve(doc, given["backwards"])
}

// resolve finds the language's tables.
func (c *Collation) resolve(doc bson.Raw, backwardsGiven bool) error {
	invalid := mongoerr.New(mongoerr.BadValue, "Field 'locale' is invalid in: %s", value.ShowDoc(doc))
	name, variant, hasVariant := strings.Cut(c.locale, "@collation=")
	if len(name) > 32 || strings.ContainsAny(name, "@-") {
		return invalid
	}
	lang, _, _ := strings.Cut(name, "_")
	if !slices.Contains(languages, lang) {
		return invalid
	}
	bcp := strings.ReplaceAll(strings.TrimSuffix(name, "_POSIX"), "_", "-")
	if lang == "root" {
		bcp = "und"
	}
	t, err := language.Parse(bcp)
	if err != nil {
		return invalid
	}
	if hasVariant {
		co, ok := variants[variant]
		if !ok {
			return invalid
		}
		if co != "standard" {
			if t, err = t.SetTypeForKey("co", co); err != nil {
				return invalid
			}
			if !slices.Contains(collate.Supported(), t) {
				return mongoerr.New(mongoerr.NotImplemented, "collation: %q has no tables here", c.locale)
			}
		}
	}
	if name == "fr_CA" && !backwardsGiven && c.strength > 1 {
		c.backwards = true // the language's own rule
	}
	c.tag = t
	return nil
}

func readStrength(c *Collation, v bson.RawValue) error {
	if !value.IsNumber(v) {
		return wrongType("strength", v, "[int, decimal, double, long]")
	}
	n, exact := value.Integer(v)
	if !exact || n < 1 || n > 5 {
		return mongoerr.New(mongoerr.BadValue, "Enumeration value '%s' for field 'collation.strength' is not a valid value.", value.Show(v))
	}
	c.strength = int(n)
	return nil
}

func text(v bson.RawValue, name string, out *string, allowed ...string) error {
	s, isText := value.Text(v)
	if !isText || v.Type != bson.TypeString {
		return wrongType(name, v, "string")
	}
	if len(allowed) > 0 && !slices.Contains(allowed, s) {
		return mongoerr.New(mongoerr.BadValue, "Enumeration value '%s' for field 'collation.%s' is not a valid value.", s, name)
	}
	*out = strings.Clone(s)
	return nil
}

func boolean(v bson.RawValue, name string, out *bool) error {
	b, isBool := value.Bool(v)
	if !isBool {
		return wrongType(name, v, "bool")
	}
	*out = b
	return nil
}

func wrongType(name string, v bson.RawValue, want string) error {
	return mongoerr.New(mongoerr.TypeMismatch, "BSON field 'collation.%s' is the wrong type '%s', expected type '%s'", name, value.TypeName(v.Type), want)
}
