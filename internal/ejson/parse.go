package ejson

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// maxDecimalText bounds a decimal's text: the driver's reader takes time that
// grows with the square of its length, and 34 digits are all it keeps.
const maxDecimalText = 2048

// parser reads JSON text, which is valid UTF-8, and appends BSON.
type parser struct {
	text []byte
	pos  int
}

func (p *parser) errorf(format string, args ...any) error {
	return fmt.Errorf("invalid JSON at byte %d: %s", p.pos, fmt.Sprintf(format, args...))
}

func (p *parser) space() {
	for p.pos < len(p.text) {
		switch p.text[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

// value appends the value at pos, without its type byte or name.
func (p *parser) value(dst []byte, depth int) (bson.Type, []byte, error) {
	p.space()
	if p.pos == len(p.text) {
		return 0, dst, p.errorf("unexpected end")
	}
	switch c := p.text[p.pos]; {
	case c == '{':
		return p.object(dst, depth+1)
	case c == '[':
		dst, err := p.array(dst, depth+1)
		return bson.TypeArray, dst, err
	case c == '"':
		at := len(dst)
		dst = append(dst, 0, 0, 0, 0)
		dst, err := p.string(dst)
		dst = append(dst, 0)
		binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
		return bson.TypeString, dst, err
	case c == 't':
		return bson.TypeBoolean, append(dst, 1), p.word("true")
	case c == 'f':
		return bson.TypeBoolean, append(dst, 0), p.word("false")
	case c == 'n':
		return bson.TypeNull, dst, p.word("null")
	case c == '-' || c >= '0' && c <= '9':
		return p.number(dst)
	default:
		return 0, dst, p.errorf("unexpected %q", c)
	}
}

func (p *parser) word(w string) error {
	if len(p.text)-p.pos < len(w) || string(p.text[p.pos:p.pos+len(w)]) != w {
		return p.errorf("unexpected %q", p.text[p.pos])
	}
	p.pos += len(w)
	return nil
}

// number reads a plain number: int32 or int64 where it is integral and fits,
// double otherwise.
func (p *parser) number(dst []byte) (bson.Type, []byte, error) {
	start := p.pos
	digits := func() bool {
		from := p.pos
		for p.pos < len(p.text) && p.text[p.pos] >= '0' && p.text[p.pos] <= '9' {
			p.pos++
		}
		return p.pos > from
	}
	integral := true
	if p.text[p.pos] == '-' {
		p.pos++
	}
	first := p.pos
	if !digits() || p.text[first] == '0' && p.pos > first+1 {
		return 0, dst, p.errorf("malformed number")
	}
	if p.pos < len(p.text) && p.text[p.pos] == '.' {
		p.pos++
		integral = false
		if !digits() {
			return 0, dst, p.errorf("malformed number")
		}
	}
	if p.pos < len(p.text) && (p.text[p.pos] == 'e' || p.text[p.pos] == 'E') {
		p.pos++
		integral = false
		if p.pos < len(p.text) && (p.text[p.pos] == '+' || p.text[p.pos] == '-') {
			p.pos++
		}
		if !digits() {
			return 0, dst, p.errorf("malformed number")
		}
	}
	s := string(p.text[start:p.pos])
	if integral {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			if n >= math.MinInt32 && n <= math.MaxInt32 {
				return bson.TypeInt32, binary.LittleEndian.AppendUint32(dst, uint32(n)), nil
			}
			return bson.TypeInt64, binary.LittleEndian.AppendUint64(dst, uint64(n)), nil
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, dst, p.errorf("number %s is out of range", s)
	}
	return bson.TypeDouble, binary.LittleEndian.AppendUint64(dst, math.Float64bits(f)), nil
}

// string appends the decoded string at pos.
func (p *parser) string(dst []byte) ([]byte, error) {
	p.pos++ // the quote
	for {
		start := p.pos
		for p.pos < len(p.text) {
			c := p.text[p.pos]
			if c == '"' || c == '\\' || c < 0x20 {
				break
			}
			p.pos++
		}
		dst = append(dst, p.text[start:p.pos]...)
		if p.pos == len(p.text) {
			return dst, p.errorf("a string without an end")
		}
		switch p.text[p.pos] {
		case '"':
			p.pos++
			return dst, nil
		case '\\':
			var err error
			if dst, err = p.escape(dst); err != nil {
				return dst, err
			}
		default:
			return dst, p.errorf("a control character in a string")
		}
	}
}

// escape appends what the backslash sequence at pos stands for.
func (p *parser) escape(dst []byte) ([]byte, error) {
	if p.pos+1 >= len(p.text) {
		return dst, p.errorf("a string without an end")
	}
	c := p.text[p.pos+1]
	p.pos += 2
	switch c {
	case '"', '\\', '/':
		return append(dst, c), nil
	case 'b':
		return append(dst, '\b'), nil
	case 'f':
		return append(dst, '\f'), nil
	case 'n':
		return append(dst, '\n'), nil
	case 'r':
		return append(dst, '\r'), nil
	case 't':
		return append(dst, '\t'), nil
	case 'u':
		r, err := p.hex4()
		if err != nil {
			return dst, err
		}
		if utf16.IsSurrogate(r) {
			if p.pos+1 < len(p.text) && p.text[p.pos] == '\\' && p.text[p.pos+1] == 'u' {
				p.pos += 2
				low, err := p.hex4()
				if err != nil {
					return dst, err
				}
				if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
					return utf8.AppendRune(dst, pair), nil
				}
				// Two halves that are no pair: one replacement each.
				dst = utf8.AppendRune(dst, utf8.RuneError)
				if utf16.IsSurrogate(low) {
					low = utf8.RuneError
				}
				return utf8.AppendRune(dst, low), nil
			}
			r = utf8.RuneError
		}
		return utf8.AppendRune(dst, r), nil
	}
	return dst, p.errorf("unknown escape \\%c", c)
}

func (p *parser) hex4() (rune, error) {
	if len(p.text)-p.pos < 4 {
		return 0, p.errorf("malformed \\u escape")
	}
	n, err := strconv.ParseUint(string(p.text[p.pos:p.pos+4]), 16, 32)
	if err != nil {
		return 0, p.errorf("malformed \\u escape")
	}
	p.pos += 4
	return rune(n), nil
}

// key appends the member name at pos as a C string.
func (p *parser) key(dst []byte) ([]byte, error) {
	if p.pos == len(p.text) || p.text[p.pos] != '"' {
		return dst, p.errorf("expected a member name")
	}
	at := len(dst)
	dst, err := p.string(dst)
	if err != nil {
		return dst, err
	}
	for _, c := range dst[at:] {
		if c == 0 {
			return dst, p.errorf("a NUL in a member name")
		}
	}
	dst = append(dst, 0)
	p.space()
	if p.pos == len(p.text) || p.text[p.pos] != ':' {
		return dst, p.errorf("expected ':'")
	}
	p.pos++
	return dst, nil
}

// object appends a document, or the value that a wrapper such as {"$oid": …}
// stands for.
func (p *parser) object(dst []byte, depth int) (bson.Type, []byte, error) {
	if depth > MaxDepth {
		return 0, dst, ErrTooDeep
	}
	open := p.pos
	p.pos++
	p.space()
	if p.pos < len(p.text)-1 && p.text[p.pos] == '"' && p.text[p.pos+1] == '$' {
		if wrapper := p.wrapperName(); wrapper != "" {
			return p.wrapped(dst, wrapper, open, depth)
		}
	}
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	if p.pos < len(p.text) && p.text[p.pos] == '}' {
		p.pos++
	} else {
		for {
			p.space()
			typeAt := len(dst)
			dst = append(dst, 0)
			var err error
			if dst, err = p.key(dst); err != nil {
				return 0, dst, err
			}
			var t bson.Type
			if t, dst, err = p.value(dst, depth); err != nil {
				return 0, dst, err
			}
			dst[typeAt] = byte(t)
			p.space()
			if p.pos == len(p.text) {
				return 0, dst, p.errorf("an object without an end")
			}
			c := p.text[p.pos]
			p.pos++
			if c == '}' {
				break
			}
			if c != ',' {
				p.pos--
				return 0, dst, p.errorf("expected ',' or '}'")
			}
		}
	}
	dst = append(dst, 0)
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at))
	return bson.TypeEmbeddedDocument, dst, nil
}

func (p *parser) array(dst []byte, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return dst, ErrTooDeep
	}
	p.pos++
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	p.space()
	if p.pos < len(p.text) && p.text[p.pos] == ']' {
		p.pos++
	} else {
		for i := 0; ; i++ {
			typeAt := len(dst)
			dst = append(dst, 0)
			dst = strconv.AppendInt(dst, int64(i), 10)
			dst = append(dst, 0)
			t, out, err := p.value(dst, depth)
			if dst = out; err != nil {
				return dst, err
			}
			dst[typeAt] = byte(t)
			p.space()
			if p.pos == len(p.text) {
				return dst, p.errorf("an array without an end")
			}
			c := p.text[p.pos]
			p.pos++
			if c == ']' {
				break
			}
			if c != ',' {
				p.pos--
				return dst, p.errorf("expected ',' or ']'")
			}
		}
	}
	dst = append(dst, 0)
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at))
	return dst, nil
}

// wrapperName returns the member name at pos when it is one of Extended JSON's.
func (p *parser) wrapperName() string {
	rest := p.text[p.pos+1:]
	for i, c := range rest {
		if c == '"' {
			switch name := string(rest[:i]); name {
			case "$oid", "$numberInt", "$numberLong", "$numberDouble", "$date",
				"$numberDecimal", "$binary", "$uuid", "$code", "$scope", "$timestamp", "$regularExpression",
				"$dbPointer", "$minKey", "$maxKey", "$undefined", "$symbol":
				return name
			}
			return ""
		}
		if i > 20 {
			break
		}
	}
	return ""
}

// wrapped appends the value of the wrapper object that opens at open. The
// common ones are read here, all others by the driver.
func (p *parser) wrapped(dst []byte, name string, open, depth int) (bson.Type, []byte, error) {
	start := *p
	if t, out, ok := p.quick(dst, name); ok {
		return t, out, nil
	}
	*p = start
	if t, out, ok := p.doubled(dst, name, depth); ok {
		return t, out, nil
	}
	*p = parser{text: start.text, pos: open}
	if err := p.skip(depth); err != nil {
		return 0, dst, err
	}
	object := p.text[open:p.pos]
	if name == "$numberDecimal" && len(object) > maxDecimalText {
		return 0, dst, p.errorf("$numberDecimal is longer than %d bytes", maxDecimalText)
	}
	text := make([]byte, 0, len(object)+6)
	text = append(text, `{"v":`...)
	text = append(text, object...)
	text = append(text, '}')
	var d bson.Raw
	if err := bson.UnmarshalExtJSON(text, false, &d); err != nil {
		return 0, dst, fmt.Errorf("invalid Extended JSON at byte %d: %w", open, err)
	}
	v, err := d.LookupErr("v")
	if err != nil {
		return 0, dst, fmt.Errorf("invalid Extended JSON at byte %d: %w", open, err)
	}
	return v.Type, append(dst, v.Value...), nil
}

// quick reads {"$oid":"…"}, {"$numberInt":"…"} and their like in their usual
// form; ok is false for anything else, well-formed or not.
func (p *parser) quick(dst []byte, name string) (_ bson.Type, _ []byte, ok bool) {
	p.pos += len(name) + 2
	p.space()
	if p.pos == len(p.text) || p.text[p.pos] != ':' {
		return 0, dst, false
	}
	p.pos++
	p.space()
	if name == "$date" {
		// {"$date":{"$numberLong":"…"}}
		if p.pos == len(p.text) || p.text[p.pos] != '{' {
			return 0, dst, false
		}
		p.pos++
		p.space()
		const inner = `"$numberLong"`
		if len(p.text)-p.pos < len(inner) || string(p.text[p.pos:p.pos+len(inner)]) != inner {
			return 0, dst, false
		}
		t, dst, ok := p.quick(dst, "$numberLong")
		if !ok || t != bson.TypeInt64 {
			return 0, dst, false
		}
		return bson.TypeDateTime, dst, p.closing()
	}
	if p.pos == len(p.text) || p.text[p.pos] != '"' {
		return 0, dst, false
	}
	p.pos++
	from := p.pos
	for p.pos < len(p.text) && p.text[p.pos] != '"' && p.text[p.pos] != '\\' {
		p.pos++
	}
	if p.pos == len(p.text) || p.text[p.pos] != '"' {
		return 0, dst, false
	}
	s := p.text[from:p.pos]
	p.pos++
	switch name {
	case "$oid":
		var id [12]byte
		if len(s) != 24 {
			return 0, dst, false
		}
		if _, err := hex.Decode(id[:], s); err != nil {
			return 0, dst, false
		}
		return bson.TypeObjectID, append(dst, id[:]...), p.closing()
	case "$numberInt":
		n, err := strconv.ParseInt(string(s), 10, 32)
		return bson.TypeInt32, binary.LittleEndian.AppendUint32(dst, uint32(n)), err == nil && p.closing()
	case "$numberLong":
		n, err := strconv.ParseInt(string(s), 10, 64)
		return bson.TypeInt64, binary.LittleEndian.AppendUint64(dst, uint64(n)), err == nil && p.closing()
	case "$numberDouble":
		if len(s) == 0 || s[0] != '-' && (s[0] < '0' || s[0] > '9') {
			return 0, dst, false
		}
		f, err := strconv.ParseFloat(string(s), 64)
		return bson.TypeDouble, binary.LittleEndian.AppendUint64(dst, math.Float64bits(f)), err == nil && !math.IsInf(f, 0) && p.closing()
	}
	return 0, dst, false
}

// doubled reads {"$minKey":…}, {"$maxKey":…} and {"$timestamp":…} whose numbers
// are wrapped once more, {"$minKey":{"$numberInt":"1"}}: realm-web serialises
// arguments twice (client-api.md §1.16.1).
func (p *parser) doubled(dst []byte, name string, depth int) (_ bson.Type, _ []byte, ok bool) {
	if name != "$minKey" && name != "$maxKey" && name != "$timestamp" || depth >= MaxDepth {
		return 0, dst, false
	}
	p.pos += len(name) + 2
	p.space()
	if p.pos == len(p.text) || p.text[p.pos] != ':' {
		return 0, dst, false
	}
	p.pos++
	t, inner, err := p.value(nil, depth+1)
	if err != nil || !p.closing() {
		return 0, dst, false
	}
	v := bson.RawValue{Type: t, Value: inner}
	if name != "$timestamp" {
		one, ok := v.AsInt64OK()
		if !ok || one != 1 {
			return 0, dst, false
		}
		if name == "$minKey" {
			return bson.TypeMinKey, dst, true
		}
		return bson.TypeMaxKey, dst, true
	}
	d, ok := v.DocumentOK()
	if !ok {
		return 0, dst, false
	}
	elems, err := d.Elements()
	if err != nil || len(elems) != 2 || elems[0].Key() != "t" || elems[1].Key() != "i" {
		return 0, dst, false
	}
	var part [2]uint32
	for i := range part {
		n, ok := elems[i].Value().AsInt64OK()
		if !ok || n < 0 || n > math.MaxUint32 {
			return 0, dst, false
		}
		part[i] = uint32(n)
	}
	dst = binary.LittleEndian.AppendUint32(dst, part[1])
	return bson.TypeTimestamp, binary.LittleEndian.AppendUint32(dst, part[0]), true
}

// closing passes a closing brace.
func (p *parser) closing() bool {
	p.space()
	if p.pos < len(p.text) && p.text[p.pos] == '}' {
		p.pos++
		return true
	}
	return false
}

// skip passes the object at pos, brackets and strings balanced, so that what is
// handed to the driver is bounded in depth.
func (p *parser) skip(depth int) error {
	level := 0
	for p.pos < len(p.text) {
		switch p.text[p.pos] {
		case '{', '[':
			if level++; depth+level > MaxDepth {
				return ErrTooDeep
			}
		case '}', ']':
			level--
		case '"':
			for p.pos++; p.pos < len(p.text) && p.text[p.pos] != '"'; p.pos++ {
				if p.text[p.pos] == '\\' {
					p.pos++
				}
			}
		}
		p.pos++
		if level == 0 {
			if p.pos > len(p.text) {
				break
			}
			return nil
		}
	}
	p.pos = len(p.text)
	return p.errorf("an object without an end")
}
