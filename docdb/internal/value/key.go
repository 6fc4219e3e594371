package value

import (
	"encoding/binary"
	"math"
	"math/big"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// AppendKey appends bytes that are equal for two values exactly if the values compare as equal: 1, 1L, 1.0 and NumberDecimal("1.00")
// have one key. It serves $group, distinct, $addToSet and sets; the bytes do not sort, and are not for storage.
func AppendKey(dst []byte, v bson.RawValue) []byte { return AppendKeyWith(dst, v, nil) }

// AppendKeyParts is AppendKeyWith for a value in parts.
func AppendKeyParts(dst []byte, t bson.Type, v []byte, c StringComparer) []byte {
	switch {
	case t == bson.TypeString && c == nil && len(v) >= 5:
		// The length that the value begins with counts its closing zero.
		dst = append(dst, rankText)
		return appendSized(dst, v[4:len(v)-1])
	case t == bson.TypeInt32 && len(v) == 4:
		dst = append(dst, rankNumber, keyInt)
		return binary.LittleEndian.AppendUint64(dst, uint64(int64(int32(binary.LittleEndian.Uint32(v)))))
	}
	return AppendKeyWith(dst, bson.RawValue{Type: t, Value: v}, c)
}

// AppendKeyWith is AppendKey under a collation.
func AppendKeyWith(dst []byte, v bson.RawValue, c StringComparer) []byte {
	r := ranks[byte(v.Type)]
	dst = append(dst, r)
	switch r {
	case rankNumber:
		return appendNumberKey(dst, v)
	case rankText:
		return appendTextKey(dst, textBytes(v), c)
	case rankDoc:
		return appendDocKey(dst, v.Value, c, true)
	case rankArray:
		return appendDocKey(dst, v.Value, c, false)
	case rankCodeScope:
		code, scope := codeParts(v)
		return appendDocKey(appendSized(dst, code), scope, c, true)
	case rankCode:
		return appendSized(dst, textBytes(v))
	}
	// All others are equal by their bytes, which are of fixed length, or carry it.
	return append(dst, v.Value...)
}

func appendSized(dst, b []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(b)))
	return append(dst, b...)
}

func appendTextKey(dst, s []byte, c StringComparer) []byte {
	if c == nil {
		return appendSized(dst, s)
	}
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = c.AppendStringKey(dst, s)
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

// appendDocKey closes the members with a byte that is no rank.
func appendDocKey(dst, doc []byte, c StringComparer, named bool) []byte {
	it := Over(doc)
	for it.Next() {
		if named {
			dst = append(dst, 0xfe)
			dst = append(dst, it.key...)
			dst = append(dst, 0)
		}
		dst = AppendKeyWith(dst, it.val, c)
	}
	return append(dst, 0xff)
}

// The forms of a number's key. A number takes the first form that it fits, so that equal numbers of different types meet.
const (
	keyInt     = 'i' // an integer of 64 bits
	keyDouble  = 'd' // any other number that a double holds exactly; also the infinities and NaN
	keyDecimal = 'm' // the rest: coefficient without trailing zeros, and exponent
)

func appendNumberKey(dst []byte, v bson.RawValue) []byte {
	if n, exact := Integer(v); exact {
		return binary.LittleEndian.AppendUint64(append(dst, keyInt), uint64(n))
	}
	f, _ := Float64(v)
	if v.Type == bson.TypeDecimal128 {
		d := decimalOf(v)
		if d.kind == decFinite && (math.IsInf(f, 0) || toDecimalExact(Double(f)).Cmp(d) != 0) {
			return appendDecimalKey(append(dst, keyDecimal), d)
		}
	}
	if f != f {
		f = math.NaN() // one of the many bit patterns
	}
	return binary.LittleEndian.AppendUint64(append(dst, keyDouble), math.Float64bits(f))
}

func appendDecimalKey(dst []byte, d Decimal) []byte {
	c, exp := d.Parts()
	for c.Sign() != 0 {
		q, r := c.QuoRem(c, bigTen, new(big.Int))
		if r.Sign() != 0 {
			c.Mul(q, bigTen).Add(c, r)
			break
		}
		c, exp = q, exp+1
	}
	sign := byte('+')
	if d.neg {
		sign = '-'
	}
	dst = append(dst, sign)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(int32(exp)))
	return appendSized(dst, c.Bytes())
}
