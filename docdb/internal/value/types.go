package value

import (
	"go.mongodb.org/mongo-driver/v2/bson"
)

// typeInfo describes one BSON type: its number, its name as $type, $jsonSchema and errors use it, and its place in the order of
// values (mongo-engine.md §3.1). Types of one rank are compared with each other by value.
type typeInfo struct {
	number bson.Type
	alias  string
	rank   uint8
}

// Ranks of the canonical order, low to high.
const (
	rankMinKey uint8 = iota
	rankMissing
	rankUndefined
	rankNull
	rankNumber
	rankText
	rankDoc
	rankArray
	rankBinary
	rankObjectID
	rankBool
	rankDate
	rankTimestamp
	rankRegex
	rankDBPointer
	rankCode
	rankCodeScope
	rankMaxKey
)

var typeTable = []typeInfo{
	{bson.TypeDouble, "double", rankNumber},
	{bson.TypeString, "string", rankText},
	{bson.TypeEmbeddedDocument, "object", rankDoc},
	{bson.TypeArray, "array", rankArray},
	{bson.TypeBinary, "binData", rankBinary},
	{bson.TypeUndefined, "undefined", rankUndefined},
	{bson.TypeObjectID, "objectId", rankObjectID},
	{bson.TypeBoolean, "bool", rankBool},
	{bson.TypeDateTime, "date", rankDate},
	{bson.TypeNull, "null", rankNull},
	{bson.TypeRegex, "regex", rankRegex},
	{bson.TypeDBPointer, "dbPointer", rankDBPointer},
	{bson.TypeJavaScript, "javascript", rankCode},
	{bson.TypeSymbol, "symbol", rankText},
	{bson.TypeCodeWithScope, "javascriptWithScope", rankCodeScope},
	{bson.TypeInt32, "int", rankNumber},
	{bson.TypeTimestamp, "timestamp", rankTimestamp},
	{bson.TypeInt64, "long", rankNumber},
	{bson.TypeDecimal128, "decimal", rankNumber},
	{bson.TypeMinKey, "minKey", rankMinKey},
	{bson.TypeMaxKey, "maxKey", rankMaxKey},
}

// ranks and names are typeTable by type byte; a byte that is no type ranks above MaxKey.
var ranks, names = func() (r [256]uint8, n [256]string) {
	for i := range r {
		r[i] = rankMaxKey + 1
	}
	r[0], n[0] = rankMissing, "missing"
	for _, t := range typeTable {
		r[t.number], n[t.number] = t.rank, t.alias
	}
	return r, n
}()

// TypeName returns the name of a type: "double", "string", "object", …; "missing" for no value.
func TypeName(t bson.Type) string {
	if n := names[byte(t)]; n != "" {
		return n
	}
	return "unknown"
}

// Rank returns the place of a type in the order of values. Values of different rank order by it alone; all number types share a
// rank, and so do string and symbol.
func Rank(t bson.Type) int { return int(ranks[byte(t)]) }

// SameBracket reports whether the comparison operators of a query compare values of these types with each other
// (mongo-engine.md §3.1, type bracketing).
func SameBracket(a, b bson.Type) bool {
	ra, rb := ranks[byte(a)], ranks[byte(b)]
	return ra == rb
}

// TypeByAlias returns the type that has the alias. "number" is not a type, see TypeSet.
func TypeByAlias(alias string) (bson.Type, bool) {
	for _, t := range typeTable {
		if t.alias == alias {
			return t.number, true
		}
	}
	return 0, false
}

// TypeByNumber returns the type with MongoDB's type number: 1 to 19, -1 for minKey, 127 for maxKey.
func TypeByNumber(n int64) (bson.Type, bool) {
	if n == -1 {
		return bson.TypeMinKey, true
	}
	for _, t := range typeTable {
		if int64(t.number) == n && t.number != bson.TypeMinKey {
			return t.number, true
		}
	}
	return 0, false
}

// TypeSet is a set of BSON types.
type TypeSet [4]uint64

// Add puts a type into the set.
func (s *TypeSet) Add(t bson.Type) { s[byte(t)>>6] |= 1 << (byte(t) & 63) }

// AddNumbers puts the four number types into the set.
func (s *TypeSet) AddNumbers() {
	s.Add(bson.TypeInt32)
	s.Add(bson.TypeInt64)
	s.Add(bson.TypeDouble)
	s.Add(bson.TypeDecimal128)
}

// Has reports whether the set holds the type.
func (s *TypeSet) Has(t bson.Type) bool { return s[byte(t)>>6]&(1<<(byte(t)&63)) != 0 }

// Empty reports whether the set holds no type.
func (s *TypeSet) Empty() bool { return *s == TypeSet{} }
