package keys

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Show writes an ascending encoding in the notation of MongoDB's messages. Numbers have lost their type: 1, 1L and 1.0 are shown as 1.
// collated says that texts are keys of a collation. The key may end early, as bounds of prefixes do; what is no key is shown as bytes.
func Show(b []byte, collated bool) string {
	s := shower{rest: b, collated: collated}
	s.value()
	if s.bad || len(s.rest) > 0 {
		return "x" + hex.EncodeToString(b)
	}
	return s.out.String()
}

// shower reads a key from its start.
type shower struct {
	out      strings.Builder
	rest     []byte
	collated bool
	bad      bool
}

func (s *shower) take(n int) []byte {
	if len(s.rest) < n {
		s.bad = true
		return make([]byte, n)
	}
	b := s.rest[:n]
	s.rest = s.rest[n:]
	return b
}

// text reads escaped bytes, up to their end or that of the key.
func (s *shower) text() string {
	var b []byte
	for len(s.rest) > 0 {
		c := s.take(1)[0]
		if c == 0 {
			if s.take(1)[0] == 0x01 {
				break
			}
		}
		b = append(b, c)
	}
	return string(b)
}

func (s *shower) quoted() {
	t := s.text()
	switch {
	case s.collated:
		fmt.Fprintf(&s.out, "CollationKey(0x%x)", t)
	case utf8.ValidString(t):
		s.out.WriteString(`"` + t + `"`)
	default:
		fmt.Fprintf(&s.out, "x%x", t)
	}
}

func (s *shower) value() {
	if len(s.rest) == 0 {
		s.bad = true
		return
	}
	switch t := s.take(1)[0]; t {
	case byteMinKey:
		s.out.WriteString("MinKey")
	case byteUndefined:
		s.out.WriteString("undefined")
	case byteNull:
		s.out.WriteString("null")
	case byteNaN:
		s.out.WriteString("nan")
	case byteNumber:
		s.number()
	case byteString:
		s.quoted()
	case byteObject:
		s.members("{ ", " }", true)
	case byteArray:
		s.members("[ ", " ]", false)
	case byteBinary:
		n := binary.BigEndian.Uint32(s.take(4))
		sub := s.take(1)[0]
		if int64(n) > int64(len(s.rest)) {
			s.bad = true
			return
		}
		fmt.Fprintf(&s.out, "BinData(%d, %s)", sub, base64.StdEncoding.EncodeToString(s.take(int(n))))
	case byteObjectID:
		fmt.Fprintf(&s.out, "ObjectId('%x')", s.take(12))
	case byteFalse:
		s.out.WriteString("false")
	case byteTrue:
		s.out.WriteString("true")
	case byteDate:
		fmt.Fprintf(&s.out, "new Date(%d)", int64(binary.BigEndian.Uint64(s.take(8))^(1<<63)))
	case byteTimestamp:
		n := binary.BigEndian.Uint64(s.take(8))
		fmt.Fprintf(&s.out, "Timestamp(%d, %d)", n>>32, uint32(n))
	case byteRegex:
		p := s.text()
		s.out.WriteString("/" + p + "/" + s.text())
	case byteDBPointer:
		ns := s.text()
		fmt.Fprintf(&s.out, "DBRef('%s', %x)", ns, s.take(12))
	case byteCode:
		s.out.WriteString(s.text())
	case byteCodeScope:
		fmt.Fprintf(&s.out, "CodeWScope( %s, ", s.text())
		s.members("{ ", " }", true)
		s.out.WriteString(")")
	case byteMaxKey:
		s.out.WriteString("MaxKey")
	default:
		s.bad = true
	}
}

// members are those of an object or array, up to the zero behind them.
func (s *shower) members(open, end string, named bool) {
	start := s.out.Len()
	s.out.WriteString(open)
	n := 0
	for ; len(s.rest) > 0 && s.rest[0] != 0 && !s.bad; n++ {
		if n > 0 {
			s.out.WriteString(", ")
		}
		if named {
			s.take(1)
			s.out.WriteString(s.text() + ": ")
		}
		s.value()
	}
	if len(s.rest) > 0 {
		s.take(1)
	}
	if n == 0 {
		text := s.out.String()[:start] + strings.TrimSpace(open) + strings.TrimSpace(end)
		s.out.Reset()
		s.out.WriteString(text)
		return
	}
	s.out.WriteString(end)
}

func (s *shower) number() {
	bits := binary.BigEndian.Uint64(s.take(8))
	if bits>>63 != 0 {
		bits &^= 1 << 63
	} else {
		bits = ^bits
	}
	f := math.Float64frombits(bits)
	if s.take(1)[0] == 0 {
		s.out.WriteString(showFloat(f))
		return
	}
	b := append([]byte(nil), s.take(18)...)
	sign := ""
	// The floor of a number between -1 and 0 that is no double is negative, too.
	if math.Signbit(f) {
		Invert(b)
		sign = "-"
	}
	exp := int(binary.BigEndian.Uint16(b)) - 20000
	digits := new(big.Int).SetBytes(b[2:]).String()
	for len(digits) > 1 && strings.HasSuffix(digits, "0") {
		digits, exp = digits[:len(digits)-1], exp+1
	}
	switch point := len(digits) + exp; {
	case exp >= 0 && point <= 34:
		digits += strings.Repeat("0", exp)
	case exp < 0 && point > 0:
		digits = digits[:point] + "." + digits[point:]
	case exp < 0 && point > -6:
		digits = "0." + strings.Repeat("0", -point) + digits
	default:
		digits += "E" + strconv.Itoa(exp)
	}
	s.out.WriteString(sign + digits)
}

func showFloat(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case math.Abs(f) < 1<<53 && f == math.Trunc(f):
		return strconv.FormatInt(int64(f), 10)
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}
