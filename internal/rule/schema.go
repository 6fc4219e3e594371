package rule

import (
	"math"
	"math/big"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Schema is a compiled collection schema (app-services.md §6). It judges the
// whole document that a user's write leaves behind.
type Schema struct {
	Title string

	root    *shape
	choices *Choices
}

// Violation says which value breaks which rule of a schema.
type Violation struct {
	Path string // of the value in the document, "" for the document itself
	Rule string // keyword of the schema
	Text string
}

func (v *Violation) Error() string {
	if v.Path == "" {
		return "schema validation failed: " + v.Text
	}
	return "schema validation failed at " + v.Path + ": " + v.Text
}

// shape is one schema: absent keywords have their zero value.
type shape struct {
	types    []bsonType // empty: any
	typeText string
	invalid  string // names a type that does not exist: no value fits
	enum     []bson.RawValue
	constant *bson.RawValue
	validate *Expr

	allOf, anyOf, oneOf []*shape
	not                 *shape

	required      []string
	properties    map[string]*shape
	patterns      []patternShape
	additional    *shape // schema-valued additionalProperties
	closed        bool   // additionalProperties: false
	minProperties int64
	maxProperties int64 // -1: none
	needs         map[string][]string
	needsShape    map[string]*shape

	items           *shape
	itemList        []*shape
	additionalItems *shape
	closedItems     bool
	minItems        int64
	maxItems        int64
	unique          bool

	minLength, maxLength int64
	pattern              *regexp.Regexp
	patternText          string

	minimum, maximum           *bson.RawValue
	exclusiveMin, exclusiveMax bool
	multipleOf                 *bson.RawValue
}

type patternShape struct {
	re    *regexp.Regexp
	shape *shape
}

// bsonType is one name that bsonType or type may have.
type bsonType uint8

const (
	isObject bsonType = iota
	isArray
	isString
	isNumber
	isInt
	isLong
	isDouble
	isDecimal
	isBool
	isObjectID
	isUUID
	isBinData
	isDate
	isTimestamp
	isRegex
	isNull
	isMixed
	isSymbol
	isJavaScript
	isMinKey
	isMaxKey
)

// bsonTypes is the table of type names, the misnamed ones of real apps included
// (real-apps.md §6).
var bsonTypes = map[string]bsonType{
	"object": isObject, "array": isArray, "string": isString, "number": isNumber, "int": isInt, "long": isLong,
	"double": isDouble, "decimal": isDecimal, "bool": isBool, "objectId": isObjectID, "uuid": isUUID,
	"binData": isBinData, "date": isDate, "timestamp": isTimestamp, "regex": isRegex, "null": isNull, "mixed": isMixed,
	"symbol": isSymbol, "javascript": isJavaScript, "minKey": isMinKey, "maxKey": isMaxKey,
	"boolean": isBool, "float": isDouble, "integer": isLong, "objectid": isObjectID, "decimal128": isDecimal,
}

// fits tells whether a value is of a type. Integers widen: long accepts int,
// double accepts int and long (choice "numbers in a schema").
func (t bsonType) fits(v bson.RawValue) bool {
	switch t {
	case isMixed:
		return true
	case isObject:
		return v.Type == bson.TypeEmbeddedDocument
	case isArray:
		return v.Type == bson.TypeArray
	case isString:
		return v.Type == bson.TypeString
	case isNumber:
		return classOf(v.Type) == classNumber
	case isInt:
		return v.Type == bson.TypeInt32
	case isLong:
		return v.Type == bson.TypeInt64 || v.Type == bson.TypeInt32
	case isDouble:
		return v.Type == bson.TypeDouble || v.Type == bson.TypeInt64 || v.Type == bson.TypeInt32
	case isDecimal:
		return v.Type == bson.TypeDecimal128
	case isBool:
		return v.Type == bson.TypeBoolean
	case isObjectID:
		return v.Type == bson.TypeObjectID
	case isUUID:
		subtype, b, ok := v.BinaryOK()
		return ok && len(b) == 16 && (subtype == bson.TypeBinaryUUID || subtype == bson.TypeBinaryUUIDOld)
	case isBinData:
		return v.Type == bson.TypeBinary
	case isDate:
		return v.Type == bson.TypeDateTime
	case isTimestamp:
		return v.Type == bson.TypeTimestamp
	case isRegex:
		return v.Type == bson.TypeRegex
	case isNull:
		return v.Type == bson.TypeNull
	case isSymbol:
		return v.Type == bson.TypeSymbol
	case isJavaScript:
		return v.Type == bson.TypeJavaScript || v.Type == bson.TypeCodeWithScope
	case isMinKey:
		return v.Type == bson.TypeMinKey
	case isMaxKey:
		return v.Type == bson.TypeMaxKey
	}
	return false
}

// maxUniqueItems bounds uniqueItems, which compares elements pairwise.
const maxUniqueItems = 5000

// Validate judges the document after a write; before is nil for inserts. The
// error is a *Violation, or that the request ended.
func (s *Schema) Validate(e *Env, before, after bson.Raw) error {
	e.Root, e.PrevRoot = after, before
	v := &validation{env: e, choices: s.choices}
	if ok := v.check(s.root, document(after), document(before), nil); ok {
		return nil
	}
	if e.err != nil {
		return e.err
	}
	return v.violation
}

type validation struct {
	env       *Env
	choices   *Choices
	violation *Violation
}

func (v *validation) fail(path []string, rule, text string) bool {
	v.violation = &Violation{Path: strings.Join(path, "."), Rule: rule, Text: text}
	return false
}

// check judges one value; prev is the value at the same place before the write.
func (v *validation) check(s *shape, this, prev bson.RawValue, path []string) bool {
	if len(path) > maxDepth {
		return v.fail(path[:10], "depth", "nested more than 100 levels")
	}
	if s.invalid != "" {
		return v.fail(path, "bsonType", "the schema names the unknown type "+s.invalid+", which no value has")
	}
	if len(s.types) > 0 {
		fits := false
		for _, t := range s.types {
			if fits = t.fits(this); fits {
				break
			}
		}
		if !fits {
			return v.fail(path, "bsonType", "expected "+s.typeText+", found "+typeName(this.Type))
		}
	}
	if s.enum != nil && !anyEqual(s.enum, this) {
		return v.fail(path, "enum", describeValue(this)+" is not one of the allowed values")
	}
	if s.constant != nil && !Equal(*s.constant, this) {
		return v.fail(path, "const", "must be "+describeValue(*s.constant))
	}
	ok := true
	switch this.Type {
	case bson.TypeEmbeddedDocument:
		ok = v.object(s, this, prev, path)
	case bson.TypeArray:
		ok = v.array(s, this, prev, path)
	case bson.TypeString:
		ok = v.text(s, this, path)
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		ok = v.number(s, this, path)
	}
	if !ok || !v.combined(s, this, prev, path) {
		return false
	}
	if s.validate != nil {
		ok, err := grants(s.validate, v.env, this, prev)
		if err != nil {
			return false
		}
		if !ok {
			return v.fail(path, "validate", "the validate expression is false: "+s.validate.String())
		}
	}
	return true
}

func anyEqual(values []bson.RawValue, v bson.RawValue) bool {
	for _, x := range values {
		if Equal(x, v) {
			return true
		}
	}
	return false
}

// combined judges allOf, anyOf, oneOf and not.
func (v *validation) combined(s *shape, this, prev bson.RawValue, path []string) bool {
	for _, x := range s.allOf {
		if !v.check(x, this, prev, path) {
			return false
		}
	}
	count := func(list []*shape) (n int) {
		for _, x := range list {
			if v.check(x, this, prev, path) {
				n++
			}
		}
		return n
	}
	if s.anyOf != nil && count(s.anyOf) == 0 {
		return v.env.err == nil && v.fail(path, "anyOf", "fits none of the alternatives")
	}
	if s.oneOf != nil {
		if n := count(s.oneOf); n != 1 {
			return v.env.err == nil && v.fail(path, "oneOf", "must fit exactly one of the alternatives")
		}
	}
	if s.not != nil && v.check(s.not, this, prev, path) {
		return v.fail(path, "not", "has a form that the schema excludes")
	}
	return v.env.err == nil
}

func (v *validation) object(s *shape, this, prev bson.RawValue, path []string) bool {
	for _, name := range s.required {
		if _, ok := lookup(this.Value, name); !ok {
			return v.fail(append(path[:len(path):len(path)], name), "required", "the field is required")
		}
	}
	n := int64(0)
	for it := newIter(this.Value); it.next(); n++ {
		name := string(it.key)
		var before bson.RawValue
		if prev.Type == bson.TypeEmbeddedDocument {
			before, _ = lookup(prev.Value, name)
		}
		at := append(path[:len(path):len(path)], name)
		known := false
		if p := s.properties[name]; p != nil {
			known = true
			if it.value.Type == bson.TypeNull && v.choices.NullAllowed && !contained(s.required, name) {
				continue
			}
			if !v.check(p, it.value, before, at) {
				return false
			}
		}
		for _, p := range s.patterns {
			if p.re.MatchString(name) {
				known = true
				if !v.check(p.shape, it.value, before, at) {
					return false
				}
			}
		}
		if known {
			continue
		}
		// _id may always be there: schemas of real apps leave it out.
		if s.closed && !(name == "_id" && len(path) == 0) {
			return v.fail(at, "additionalProperties", "the schema has no such field and allows no others")
		}
		if s.additional != nil && !v.check(s.additional, it.value, before, at) {
			return false
		}
	}
	if n < s.minProperties {
		return v.fail(path, "minProperties", "has too few fields")
	}
	if s.maxProperties >= 0 && n > s.maxProperties {
		return v.fail(path, "maxProperties", "has too many fields")
	}
	for name, needed := range s.needs {
		if _, ok := lookup(this.Value, name); !ok {
			continue
		}
		for _, other := range needed {
			if _, ok := lookup(this.Value, other); !ok {
				return v.fail(append(path[:len(path):len(path)], other), "dependencies", "the field is required beside "+name)
			}
		}
	}
	for name, x := range s.needsShape {
		if _, ok := lookup(this.Value, name); ok && !v.check(x, this, prev, path) {
			return false
		}
	}
	return true
}

func contained(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func (v *validation) array(s *shape, this, prev bson.RawValue, path []string) bool {
	n := int64(0)
	var seen []bson.RawValue
	before := newIter(nil)
	if prev.Type == bson.TypeArray {
		before = newIter(prev.Value)
	}
	for it := newIter(this.Value); it.next(); n++ {
		x := s.items
		if s.itemList != nil {
			x = s.additionalItems
			if n < int64(len(s.itemList)) {
				x = s.itemList[n]
			} else if s.closedItems {
				return v.fail(path, "additionalItems", "has more elements than the schema allows")
			}
		}
		var was bson.RawValue
		if before.next() {
			was = before.value
		}
		if x != nil && !v.check(x, it.value, was, append(path[:len(path):len(path)], arrayKey(int(n)))) {
			return false
		}
		if s.unique {
			if n >= maxUniqueItems {
				return v.fail(path, "uniqueItems", "more than 5000 elements cannot be compared")
			}
			if anyEqual(seen, it.value) {
				return v.fail(path, "uniqueItems", "has equal elements")
			}
			seen = append(seen, it.value)
		}
	}
	if n < s.minItems {
		return v.fail(path, "minItems", "has too few elements")
	}
	if s.maxItems >= 0 && n > s.maxItems {
		return v.fail(path, "maxItems", "has too many elements")
	}
	return true
}

func (v *validation) text(s *shape, this bson.RawValue, path []string) bool {
	if s.minLength == 0 && s.maxLength < 0 && s.pattern == nil {
		return true
	}
	b := stringBytes(this)
	n := int64(utf8.RuneCount(b))
	switch {
	case n < s.minLength:
		return v.fail(path, "minLength", "is too short")
	case s.maxLength >= 0 && n > s.maxLength:
		return v.fail(path, "maxLength", "is too long")
	case s.pattern != nil && !s.pattern.Match(b):
		return v.fail(path, "pattern", "does not match "+s.patternText)
	}
	return true
}

func (v *validation) number(s *shape, this bson.RawValue, path []string) bool {
	if s.minimum != nil {
		if c, ok := compareNumbers(this, *s.minimum); !ok || isNaN(this) || c < 0 || c == 0 && s.exclusiveMin {
			return v.fail(path, "minimum", describeValue(this)+" is less than the schema allows")
		}
	}
	if s.maximum != nil {
		if c, ok := compareNumbers(this, *s.maximum); !ok || isNaN(this) || c > 0 || c == 0 && s.exclusiveMax {
			return v.fail(path, "maximum", describeValue(this)+" is more than the schema allows")
		}
	}
	if s.multipleOf != nil && !isMultiple(this, *s.multipleOf) {
		return v.fail(path, "multipleOf", describeValue(this)+" is not a multiple of "+describeValue(*s.multipleOf))
	}
	return true
}

func isMultiple(v, of bson.RawValue) bool {
	a, b := exactOf(v), exactOf(of)
	if a.kind != finite || b.kind != finite || b.rat.Sign() == 0 {
		return false
	}
	if v.Type == bson.TypeDouble && math.Abs(v.Double()) > 1<<53 {
		return new(big.Rat).Quo(a.rat, b.rat).IsInt()
	}
	// 0.3 is a multiple of 0.1 for people: compare in decimal, as written.
	a.rat, b.rat = asWritten(v, a.rat), asWritten(of, b.rat)
	return new(big.Rat).Quo(a.rat, b.rat).IsInt()
}

// asWritten gives the shortest decimal that denotes a double.
func asWritten(v bson.RawValue, r *big.Rat) *big.Rat {
	if v.Type != bson.TypeDouble {
		return r
	}
	if d, ok := new(big.Rat).SetString(formatDouble(v.Double())); ok {
		return d
	}
	return r
}
