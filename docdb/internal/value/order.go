package value

import (
	"bytes"
	"cmp"
	"encoding/binary"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// StringComparer orders strings; a collation is one.
type StringComparer interface {
	// CompareStrings returns a negative number, zero or a positive number. The arguments are UTF-8 and must not be kept.
	CompareStrings(a, b []byte) int
	// AppendStringKey appends bytes that are equal exactly for strings that compare as equal.
	AppendStringKey(dst []byte, s []byte) []byte
}

// Compare orders two values as MongoDB does (mongo-engine.md §3.1), strings by their bytes.
func Compare(a, b bson.RawValue) int { return CompareWith(a, b, nil) }

// CompareWith orders two values, strings by c at any depth; nil compares bytes.
func CompareWith(a, b bson.RawValue, c StringComparer) int {
	ra, rb := ranks[byte(a.Type)], ranks[byte(b.Type)]
	if ra != rb {
		return cmp.Compare(ra, rb)
	}
	switch ra {
	case rankNumber:
		return compareNumbers(a, b)
	case rankText:
		return compareText(textBytes(a), textBytes(b), c)
	case rankDoc:
		return compareDocs(a.Value, b.Value, c, true)
	case rankArray:
		return compareDocs(a.Value, b.Value, c, false)
	case rankBinary:
		return compareBinary(a.Value, b.Value)
	case rankObjectID, rankBool:
		return bytes.Compare(a.Value, b.Value)
	case rankDate:
		return cmp.Compare(int64Of(a), int64Of(b))
	case rankTimestamp:
		return cmp.Compare(uint64(int64Of(a)), uint64(int64Of(b)))
	case rankRegex:
		ap, ao, _ := RegexParts(a)
		bp, bo, _ := RegexParts(b)
		if d := cmp.Compare(ap, bp); d != 0 {
			return d
		}
		return cmp.Compare(ao, bo)
	case rankDBPointer:
		return comparePointers(a.Value, b.Value)
	case rankCode:
		return bytes.Compare(textBytes(a), textBytes(b))
	case rankCodeScope:
		ac, as := codeParts(a)
		bc, bs := codeParts(b)
		if d := bytes.Compare(ac, bc); d != 0 {
			return d
		}
		return compareDocs(as, bs, c, true)
	}
	return 0
}

func compareText(a, b []byte, c StringComparer) int {
	if c == nil {
		return bytes.Compare(a, b)
	}
	return c.CompareStrings(a, b)
}

// compareDocs compares member by member: the rank of the values, then (for documents) the names, then the values; a document that
// is a prefix of the other comes first.
func compareDocs(a, b []byte, c StringComparer, named bool) int {
	ia, ib := Over(a), Over(b)
	for {
		na, nb := ia.Next(), ib.Next()
		if !na || !nb {
			switch {
			case na:
				return 1
			case nb:
				return -1
			}
			return 0
		}
		if d := cmp.Compare(ranks[byte(ia.val.Type)], ranks[byte(ib.val.Type)]); d != 0 {
			return d
		}
		if named {
			if d := bytes.Compare(ia.key, ib.key); d != 0 {
				return d
			}
		}
		if d := CompareWith(ia.val, ib.val, c); d != 0 {
			return d
		}
	}
}

// compareBinary orders by length, subtype, bytes.
func compareBinary(a, b []byte) int {
	if len(a) < 5 || len(b) < 5 {
		return cmp.Compare(len(a), len(b))
	}
	if d := cmp.Compare(len(a), len(b)); d != 0 {
		return d
	}
	return bytes.Compare(a[4:], b[4:])
}

// comparePointers orders by the namespace's length, its text, then the id.
func comparePointers(a, b []byte) int {
	if len(a) < 4 || len(b) < 4 {
		return cmp.Compare(len(a), len(b))
	}
	if d := cmp.Compare(binary.LittleEndian.Uint32(a), binary.LittleEndian.Uint32(b)); d != 0 {
		return d
	}
	return bytes.Compare(a[4:], b[4:])
}

// Equal reports whether two values compare as equal: numbers by value whatever their types, documents member by member in order.
func Equal(a, b bson.RawValue) bool { return CompareWith(a, b, nil) == 0 }

// EqualWith is Equal under a collation.
func EqualWith(a, b bson.RawValue, c StringComparer) bool { return CompareWith(a, b, c) == 0 }

// Identical reports whether two values have the same type and the same bytes: the test by which an update is a no-op
// (mongo-engine.md §3.4).
func Identical(a, b bson.RawValue) bool {
	return a.Type == b.Type && bytes.Equal(a.Value, b.Value)
}
