package match

import (
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/value"
)

// BitTest says what Bits asks of the bits.
type BitTest uint8

// The tests on bits.
const (
	AllSet BitTest = iota
	AllClear
	AnySet
	AnyClear
)

// bitTests are the operators by name.
var bitTests = map[string]BitTest{
	"$bitsAllSet": AllSet, "$bitsAllClear": AllClear, "$bitsAnySet": AnySet, "$bitsAnyClear": AnyClear,
}

// Bits tests bits of a number or of binary data. Numbers are read as 64-bit two's complement; bit 0 is the lowest.
type Bits struct {
	Path value.Path
	Test BitTest
	// Positions are the bits to test.
	Positions []uint32
}

func (n *Bits) eval(s *state, v bson.RawValue) (bool, error) {
	return walk(s, v, n.Path, value.ElementsAndWhole, n)
}

func (n *Bits) test(v bson.RawValue) (bool, error) {
	var set func(bit uint32) bool
	if _, data, ok := value.BinaryParts(v); ok {
		set = func(bit uint32) bool {
			i := int(bit / 8)
			return i < len(data) && data[i]>>(bit%8)&1 == 1
		}
	} else if i, exact := value.Integer(v); exact {
		set = func(bit uint32) bool { return i>>min(bit, 63)&1 == 1 }
	} else {
		return false, nil
	}
	for _, p := range n.Positions {
		switch on := set(p); {
		case n.Test == AllSet && !on, n.Test == AllClear && on:
			return false, nil
		case n.Test == AnySet && on, n.Test == AnyClear && !on:
			return true, nil
		}
	}
	return n.Test == AllSet || n.Test == AllClear, nil
}

// parseBits reads the operand: a mask (number or binary) or an array of positions.
func parseBits(op string, v bson.RawValue) ([]uint32, error) {
	var out []uint32
	switch {
	case value.IsNumber(v):
		n, exact := value.Integer(v)
		if !exact {
			return nil, bad("Expected an integer: %s: %s", op, value.Show(v))
		}
		if n < 0 {
			return nil, bad("Expected a non-negative number in: %s: %s", op, value.Show(v))
		}
		for i := range uint32(64) {
			if n>>i&1 == 1 {
				out = append(out, i)
			}
		}
	case v.Type == bson.TypeBinary:
		_, data, _ := value.BinaryParts(v)
		for i, b := range data {
			for j := range uint32(8) {
				if b>>j&1 == 1 {
					out = append(out, uint32(i)*8+j)
				}
			}
		}
	case v.Type == bson.TypeArray:
		it := value.Over(v.Value)
		for it.Next() {
			if !value.IsNumber(it.Value()) {
				return nil, bad("Failed to parse bit position. Expected a number in: %s: %s", it.Key(), value.Show(it.Value()))
			}
			n, exact := value.Integer(it.Value())
			if !exact {
				return nil, bad("Failed to parse bit position. Expected an integer: %s: %s", it.Key(), value.Show(it.Value()))
			}
			if n < 0 {
				return nil, bad("bit positions must be >= 0 but got: %s: %d", it.Key(), n)
			}
			if n > math.MaxInt32 {
				return nil, bad("bit positions cannot be represented as a 32-bit signed integer: %s: %d", it.Key(), n)
			}
			out = append(out, uint32(n))
		}
	default:
		return nil, bad("%s takes an Array, a number, or a BinData but received: %s: %s", op, op, value.Show(v))
	}
	return out, nil
}

// modOperand reads a number for $mod, cut to an integer; NaN, infinities and what int64 cannot hold have none.
func modOperand(v bson.RawValue) (int64, bool) {
	f, isNumber := value.Float64(v)
	if !isNumber || f != f || f >= 1<<63 && v.Type != bson.TypeInt64 || f < -(1<<63) {
		return 0, false
	}
	n, _ := value.Truncated(v)
	return n, true
}
