package jsonfile

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is the deepest nesting that Parse accepts.
const MaxDepth = 200

// MaxValues is the greatest number of values in one file. It bounds the memory
// of a file that consists of brackets.
const MaxValues = 500_000

// SyntaxError says where a file stops being JSON.
type SyntaxError struct {
	Line, Column int // from 1
	Message      string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
}

// Parse reads one JSON value. Its only errors are *SyntaxError.
func Parse(text []byte) (*Document, error) {
	if bytes.HasPrefix(text, []byte{0xFF, 0xFE}) || bytes.HasPrefix(text, []byte{0xFE, 0xFF}) {
		return nil, &SyntaxError{1, 1, "the file is UTF-16: save it as UTF-8"}
	}
	text = bytes.TrimPrefix(text, []byte("\xEF\xBB\xBF"))
	p := &parser{text: text, noted: map[string]bool{}}
	root, err := p.document()
	if err != nil {
		return nil, err
	}
	return &Document{Text: text, Root: root, Notes: p.notes}, nil
}

type parser struct {
	text   []byte
	at     int
	values int
	notes  []Note
	noted  map[string]bool
}

func (p *parser) document() (Node, error) {
	if err := p.space(); err != nil {
		return Node{}, err
	}
	if p.at == len(p.text) {
		return Node{}, p.fail("the file is empty: expected a JSON value")
	}
	root, err := p.value(0)
	if err != nil {
		return Node{}, err
	}
	if err := p.space(); err != nil {
		return Node{}, err
	}
	if p.at < len(p.text) {
		return Node{}, p.fail("unexpected %s after the end of the value", p.here())
	}
	return root, nil
}

func (p *parser) fail(format string, args ...any) error {
	return p.failAt(p.at, format, args...)
}

func (p *parser) failAt(offset int, format string, args ...any) error {
	line, column := position(p.text, lineStarts(p.text), offset)
	return &SyntaxError{line, column, fmt.Sprintf(format, args...)}
}

func (p *parser) note(offset int, sort, format string, args ...any) {
	if !p.noted[sort] {
		p.noted[sort] = true
		p.notes = append(p.notes, Note{offset, fmt.Sprintf(format, args...), sort != "twice"})
	}
}

// here describes what stands at the reader's place, for messages.
func (p *parser) here() string {
	if p.at >= len(p.text) {
		return "end of file"
	}
	r, _ := utf8.DecodeRune(p.text[p.at:])
	return "character " + strconv.QuoteRune(r)
}

// space skips white space and comments.
func (p *parser) space() error {
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			p.at++
		case c == '/' && bytes.HasPrefix(p.text[p.at:], []byte("//")):
			p.note(p.at, "comment", "comments are not JSON; Regent reads past them, other tools may not")
			if end := bytes.IndexByte(p.text[p.at:], '\n'); end >= 0 {
				p.at += end
			} else {
				p.at = len(p.text)
			}
		case c == '/' && bytes.HasPrefix(p.text[p.at:], []byte("/*")):
			p.note(p.at, "comment", "comments are not JSON; Regent reads past them, other tools may not")
			end := bytes.Index(p.text[p.at+2:], []byte("*/"))
			if end < 0 {
				return p.fail("the comment that starts here does not end")
			}
			p.at += end + 4
		default:
			return nil
		}
	}
	return nil
}

func (p *parser) value(depth int) (Node, error) {
	if depth > MaxDepth {
		return Node{}, p.fail("nested too deeply: at most %d levels are allowed", MaxDepth)
	}
	if p.values++; p.values > MaxValues {
		return Node{}, p.fail("too many values: at most %d are allowed in one file", MaxValues)
	}
	if p.at >= len(p.text) {
		return Node{}, p.fail("unexpected end of file: expected a value")
	}
	switch c := p.text[p.at]; {
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.array(depth)
	case c == '"':
		at := p.at
		s, err := p.str()
		return Node{Kind: String, Offset: at, Text: s}, err
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	}
	for _, word := range [...]struct {
		text string
		kind Kind
	}{{"true", Bool}, {"false", Bool}, {"null", Null}} {
		if bytes.HasPrefix(p.text[p.at:], []byte(word.text)) {
			n := Node{Kind: word.kind, Offset: p.at, Text: word.text}
			p.at += len(word.text)
			return n, nil
		}
	}
	return Node{}, p.fail("unexpected %s: expected a value", p.here())
}

func (p *parser) object(depth int) (Node, error) {
	n := Node{Kind: Object, Offset: p.at}
	places := map[string]int{}
	p.at++
	for {
		if err := p.space(); err != nil {
			return n, err
		}
		if p.at < len(p.text) && p.text[p.at] == '}' {
			p.at++
			return n, nil
		}
		if p.at >= len(p.text) || p.text[p.at] != '"' {
			return n, p.fail("unexpected %s: expected a key in double quotes or }", p.here())
		}
		m := Member{KeyOffset: p.at}
		var err error
		if m.Key, err = p.str(); err != nil {
			return n, err
		}
		if strings.IndexByte(m.Key, 0) >= 0 {
			return n, p.failAt(m.KeyOffset, "a key may not contain the character U+0000")
		}
		if err := p.space(); err != nil {
			return n, err
		}
		if p.at >= len(p.text) || p.text[p.at] != ':' {
			return n, p.fail("unexpected %s: expected a colon after the key %q", p.here(), m.Key)
		}
		p.at++
		if err := p.space(); err != nil {
			return n, err
		}
		if m.Value, err = p.value(depth + 1); err != nil {
			return n, err
		}
		if i, twice := places[m.Key]; twice {
			p.note(m.KeyOffset, "twice", "the key %q is there twice: the last one counts", m.Key)
			n.Members[i] = m
		} else {
			places[m.Key] = len(n.Members)
			n.Members = append(n.Members, m)
		}
		more, err := p.comma('}')
		if err != nil {
			return n, err
		}
		if !more {
			return n, nil
		}
	}
}

func (p *parser) array(depth int) (Node, error) {
	n := Node{Kind: Array, Offset: p.at}
	p.at++
	for {
		if err := p.space(); err != nil {
			return n, err
		}
		if p.at < len(p.text) && p.text[p.at] == ']' {
			p.at++
			return n, nil
		}
		item, err := p.value(depth + 1)
		if err != nil {
			return n, err
		}
		n.Items = append(n.Items, item)
		more, err := p.comma(']')
		if err != nil {
			return n, err
		}
		if !more {
			return n, nil
		}
	}
}

// comma reads what follows a member or item: a comma (more is true) or the
// closing bracket, which it consumes. A comma before the closing bracket is noted.
func (p *parser) comma(closing byte) (more bool, err error) {
	if err := p.space(); err != nil {
		return false, err
	}
	if p.at < len(p.text) && p.text[p.at] == closing {
		p.at++
		return false, nil
	}
	if p.at >= len(p.text) || p.text[p.at] != ',' {
		return false, p.fail("unexpected %s: expected a comma or %c", p.here(), closing)
	}
	comma := p.at
	p.at++
	if err := p.space(); err != nil {
		return false, err
	}
	if p.at < len(p.text) && p.text[p.at] == closing {
		p.note(comma, "comma", "the comma before %c is not JSON; Regent reads past it, other tools may not", closing)
	}
	return true, nil
}

func (p *parser) number() (Node, error) {
	start := p.at
	digits := func() bool {
		from := p.at
		for p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9' {
			p.at++
		}
		return p.at > from
	}
	if p.text[p.at] == '-' {
		p.at++
	}
	first := p.at
	if !digits() {
		return Node{}, p.fail("unexpected %s: expected a digit", p.here())
	}
	if p.text[first] == '0' && p.at > first+1 {
		return Node{}, p.failAt(first, "a number may not start with 0")
	}
	if p.at < len(p.text) && p.text[p.at] == '.' {
		p.at++
		if !digits() {
			return Node{}, p.fail("unexpected %s: expected a digit after the point", p.here())
		}
	}
	if p.at < len(p.text) && p.text[p.at]|0x20 == 'e' {
		p.at++
		if p.at < len(p.text) && (p.text[p.at] == '+' || p.text[p.at] == '-') {
			p.at++
		}
		if !digits() {
			return Node{}, p.fail("unexpected %s: expected a digit of the exponent", p.here())
		}
	}
	text := string(p.text[start:p.at])
	if _, err := strconv.ParseFloat(text, 64); err != nil {
		return Node{}, p.failAt(start, "the number is too large for a double")
	}
	return Node{Kind: Number, Offset: start, Text: text}, nil
}

// str reads a string. Bytes that are not UTF-8 and lone surrogates become U+FFFD.
func (p *parser) str() (string, error) {
	start := p.at
	p.at++
	var b strings.Builder
	for {
		run := p.at
		for p.at < len(p.text) && p.text[p.at] >= ' ' && p.text[p.at] != '"' && p.text[p.at] != '\\' {
			p.at++
		}
		b.Write(bytes.ToValidUTF8(p.text[run:p.at], []byte("\uFFFD")))
		if p.at >= len(p.text) {
			return "", p.failAt(start, "the string that starts here does not end")
		}
		switch c := p.text[p.at]; {
		case c == '"':
			p.at++
			return b.String(), nil
		case c < ' ':
			if c == '\n' || c == '\r' {
				return "", p.failAt(start, "the string that starts here does not end on its line")
			}
			return "", p.fail("%s must be written with a backslash in a string", p.here())
		}
		if err := p.escape(&b); err != nil {
			return "", err
		}
	}
}

func (p *parser) escape(b *strings.Builder) error {
	p.at++ // the backslash
	if p.at >= len(p.text) {
		return p.fail("unexpected end of file after a backslash")
	}
	c := p.text[p.at]
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
		b.WriteByte("\"\\/\b\f\n\r\t"[i])
		p.at++
		return nil
	}
	if c != 'u' {
		return p.fail("unknown escape \\%c in a string", c)
	}
	r, ok := p.hex4(p.at + 1)
	if !ok {
		return p.fail("expected four hexadecimal digits after \\u")
	}
	p.at += 5
	if utf16.IsSurrogate(r) {
		second := rune(0)
		if bytes.HasPrefix(p.text[p.at:], []byte(`\u`)) {
			second, _ = p.hex4(p.at + 2)
		}
		if r = utf16.DecodeRune(r, second); r != utf8.RuneError {
			p.at += 6
		}
	}
	b.WriteRune(r)
	return nil
}

func (p *parser) hex4(at int) (rune, bool) {
	if at+4 > len(p.text) {
		return 0, false
	}
	v, err := strconv.ParseUint(string(p.text[at:at+4]), 16, 16)
	return rune(v), err == nil
}
