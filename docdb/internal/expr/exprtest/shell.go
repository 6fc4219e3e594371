// Package exprtest reads values as one types them in a MongoDB shell, for test cases kept as text:
//
//	{a: 1, b: "x", c: ISODate("2024-01-02T03:04:05Z"), d: NumberDecimal("1.50"), e: /^x/i, f: 2.0, g: NumberLong(7)}
//
// Whole numbers are ints (longs when they do not fit), numbers with a point are doubles.
package exprtest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Value reads one value.
func Value(text string) (v bson.RawValue, err error) {
	p := &parser{s: text}
	defer func() {
		if r := recover(); r != nil {
			msg, ok := r.(syntaxError)
			if !ok {
				panic(r)
			}
			err = fmt.Errorf("%s at %d in %s", string(msg), p.i, text)
		}
	}()
	x := p.value()
	p.space()
	if p.i < len(p.s) {
		p.fail("text after the value")
	}
	t, b, err := bson.MarshalValue(x)
	return bson.RawValue{Type: t, Value: b}, err
}

// Doc reads a document.
func Doc(text string) (bson.Raw, error) {
	v, err := Value(text)
	if err != nil {
		return nil, err
	}
	d, ok := v.DocumentOK()
	if !ok {
		return nil, fmt.Errorf("no document: %s", text)
	}
	return d, nil
}

// Must reads one value and panics when it cannot.
func Must(text string) bson.RawValue {
	v, err := Value(text)
	if err != nil {
		panic(err)
	}
	return v
}

type syntaxError string

type parser struct {
	s string
	i int
}

func (p *parser) fail(why string) { panic(syntaxError(why)) }

func (p *parser) space() {
	for p.i < len(p.s) && strings.IndexByte(" \t\r\n", p.s[p.i]) >= 0 {
		p.i++
	}
}

func (p *parser) peek() byte {
	p.space()
	if p.i >= len(p.s) {
		p.fail("the text ends early")
	}
	return p.s[p.i]
}

func (p *parser) expect(c byte) {
	if p.peek() != c {
		p.fail("expected " + string(c))
	}
	p.i++
}

func (p *parser) value() any {
	switch c := p.peek(); {
	case c == '{':
		p.i++
		d := bson.D{}
		for p.peek() != '}' {
			if strings.HasPrefix(p.s[p.i:], "...") {
				p.i += 3
				d = append(d, bson.E{Key: others, Value: bson.MinKey{}})
				continue
			}
			var key string
			if c := p.peek(); c == '"' || c == '\'' {
				key = p.str()
			} else {
				key = p.word()
			}
			p.expect(':')
			d = append(d, bson.E{Key: key, Value: p.value()})
			if p.peek() == ',' {
				p.i++
			}
		}
		p.i++
		return d
	case c == '[':
		p.i++
		a := bson.A{}
		for p.peek() != ']' {
			a = append(a, p.value())
			if p.peek() == ',' {
				p.i++
			}
		}
		p.i++
		return a
	case c == '"' || c == '\'':
		return p.str()
	case c == '/':
		p.i++
		var b strings.Builder
		for p.i < len(p.s) && p.s[p.i] != '/' {
			if p.s[p.i] == '\\' && p.i+1 < len(p.s) && p.s[p.i+1] == '/' {
				p.i++
			}
			b.WriteByte(p.s[p.i])
			p.i++
		}
		p.expect('/')
		start := p.i
		for p.i < len(p.s) && p.s[p.i] >= 'a' && p.s[p.i] <= 'z' {
			p.i++
		}
		return bson.Regex{Pattern: b.String(), Options: p.s[start:p.i]}
	case c == '-' || c == '+' || c >= '0' && c <= '9':
		return p.number()
	}
	return p.name()
}

func (p *parser) str() string {
	q := p.peek()
	p.i++
	var b strings.Builder
	for ; ; p.i++ {
		if p.i >= len(p.s) {
			p.fail("a string does not end")
		}
		c := p.s[p.i]
		if c == q {
			p.i++
			return b.String()
		}
		if c != '\\' {
			b.WriteByte(c)
			continue
		}
		p.i++
		switch p.s[p.i] {
		case 'n':
			b.WriteByte('\n')
		case 't':
			b.WriteByte('\t')
		case '0':
			b.WriteByte(0)
		case 'u':
			n, err := strconv.ParseUint(p.s[p.i+1:p.i+5], 16, 32)
			if err != nil {
				p.fail("bad \\u")
			}
			b.WriteRune(rune(n))
			p.i += 4
		default:
			b.WriteByte(p.s[p.i])
		}
	}
}

func (p *parser) word() string {
	p.space()
	start := p.i
	for p.i < len(p.s) && (p.s[p.i] == '_' || p.s[p.i] == '$' || p.s[p.i] == '.' || p.s[p.i] >= '0' && p.s[p.i] <= '9' || p.s[p.i] >= 'a' && p.s[p.i] <= 'z' || p.s[p.i] >= 'A' && p.s[p.i] <= 'Z' || p.s[p.i] >= 0x80) {
		p.i++
	}
	if p.i == start {
		p.fail("expected a name")
	}
	return p.s[start:p.i]
}

func (p *parser) number() any {
	start := p.i
	p.i++
	if strings.HasPrefix(p.s[p.i:], "Infinity") {
		p.i += len("Infinity")
	}
	for p.i < len(p.s) && (p.s[p.i] >= '0' && p.s[p.i] <= '9' || strings.IndexByte(".eE", p.s[p.i]) >= 0 || strings.IndexByte("+-", p.s[p.i]) >= 0 && strings.IndexByte("eE", p.s[p.i-1]) >= 0) {
		p.i++
	}
	t := p.s[start:p.i]
	if n, err := strconv.ParseInt(t, 10, 64); err == nil {
		if n == int64(int32(n)) {
			return int32(n)
		}
		return n
	}
	f, err := strconv.ParseFloat(t, 64)
	if err != nil {
		p.fail("bad number " + t)
	}
	return f
}

// argument reads the argument of NumberLong("1") and the like, as text.
func (p *parser) argument() string {
	p.expect('(')
	var s string
	if c := p.peek(); c == '"' || c == '\'' {
		s = p.str()
	} else {
		end := strings.IndexByte(p.s[p.i:], ')')
		if end < 0 {
			p.fail("expected )")
		}
		s = strings.TrimSpace(p.s[p.i : p.i+end])
		p.i += end
	}
	p.expect(')')
	return s
}

func (p *parser) name() any {
	switch w := p.word(); w {
	case "true":
		return true
	case "false":
		return false
	case "null":
		return bson.Null{}
	case "undefined":
		return bson.Undefined{}
	case "any", "absent":
		return bson.DBPointer{DB: w}
	case "NaN":
		f, _ := strconv.ParseFloat("NaN", 64)
		return f
	case "Infinity":
		f, _ := strconv.ParseFloat("Inf", 64)
		return f
	case "MinKey":
		return bson.MinKey{}
	case "MaxKey":
		return bson.MaxKey{}
	case "NumberInt", "NumberLong", "Long", "Int32":
		n, err := strconv.ParseInt(p.argument(), 10, 64)
		if err != nil {
			p.fail("bad integer")
		}
		if w == "NumberInt" || w == "Int32" {
			return int32(n)
		}
		return n
	case "Double":
		f, err := strconv.ParseFloat(p.argument(), 64)
		if err != nil {
			p.fail("bad double")
		}
		return f
	case "NumberDecimal", "Decimal128":
		d, err := bson.ParseDecimal128(p.argument())
		if err != nil {
			p.fail("bad decimal")
		}
		return d
	case "ISODate", "Date":
		a := p.argument()
		if ms, err := strconv.ParseInt(a, 10, 64); err == nil && len(a) != 4 {
			return bson.DateTime(ms)
		}
		for _, l := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02"} {
			if t, err := time.Parse(l, a); err == nil {
				return bson.NewDateTimeFromTime(t)
			}
		}
		p.fail("bad date")
	case "ObjectId":
		id, err := bson.ObjectIDFromHex(p.argument())
		if err != nil {
			p.fail("bad ObjectId")
		}
		return id
	case "Timestamp":
		t, i, _ := strings.Cut(p.argument(), ",")
		tn, err1 := strconv.ParseUint(strings.TrimSpace(t), 10, 32)
		in, err2 := strconv.ParseUint(strings.TrimSpace(i), 10, 32)
		if err1 != nil || err2 != nil {
			p.fail("bad timestamp")
		}
		return bson.Timestamp{T: uint32(tn), I: uint32(in)}
	case "BinData":
		sub, data, _ := strings.Cut(p.argument(), ",")
		n, err := strconv.ParseUint(sub, 10, 8)
		if err != nil {
			p.fail("bad subtype")
		}
		return bson.Binary{Subtype: byte(n), Data: []byte(strings.Trim(strings.TrimSpace(data), `"'`))}
	case "Symbol":
		return bson.Symbol(p.argument())
	case "Code":
		return bson.JavaScript(p.argument())
	default:
		p.fail("unknown word " + w)
	}
	return nil
}
