package expr

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
)

func stringOperators() []operator {
	return []operator{
		{name: "$concat", max: -1, eval: concat, help: "strings one after another"},
		{name: "$indexOfBytes", min: 2, max: 4, eval: indexOf("$indexOfBytes"), help: "byte position of a substring, or -1"},
		{name: "$indexOfCP", min: 2, max: 4, eval: indexOf("$indexOfCP"), help: "code point position of a substring, or -1"},
		{name: "$trim", compile: compileTrim, help: "without white space, or given characters, at both ends"},
		{name: "$ltrim", compile: compileTrim, help: "without white space, or given characters, at the start"},
		{name: "$rtrim", compile: compileTrim, help: "without white space, or given characters, at the end"},
		{name: "$replaceOne", compile: compileReplace, help: "with the first occurrence of a string replaced"},
		{name: "$replaceAll", compile: compileReplace, help: "with every occurrence of a string replaced"},
		{name: "$split", min: 2, max: 2, eval: split, help: "array of the parts between a separator"},
		{name: "$strLenBytes", min: 1, max: 1, eval: strLenBytes, help: "length in bytes"},
		{name: "$strLenCP", min: 1, max: 1, eval: strLenCP, help: "length in code points"},
		{name: "$strcasecmp", min: 2, max: 2, eval: strcasecmp, help: "-1, 0 or 1, ignoring the case of ASCII letters"},
		{name: "$substr", min: 3, max: 3, eval: substrBytes("$substr"), help: "substring by bytes ($substrBytes)"},
		{name: "$substrBytes", min: 3, max: 3, eval: substrBytes("$substrBytes"), help: "substring by bytes"},
		{name: "$substrCP", min: 3, max: 3, eval: substrCP, help: "substring by code points"},
		{name: "$toLower", min: 1, max: 1, eval: changeCase('A', 'Z'), help: "with ASCII letters in lower case"},
		{name: "$toUpper", min: 1, max: 1, eval: changeCase('a', 'z'), help: "with ASCII letters in upper case"},
	}
}

func concat(env *Env, a []bson.RawValue) (bson.RawValue, error) {
	n := 5
	for _, v := range a {
		if Nullish(v) {
			return Null, nil
		}
		if v.Type != bson.TypeString {
			return Null, mongoerr.New(16702, "$concat only supports strings, not %s", typeName(v))
		}
		n += len(stringBytes(v))
	}
	if err := env.reserve(n); err != nil {
		return Null, err
	}
	b := env.alloc(n)[:4]
	le.PutUint32(b, uint32(n-4))
	for _, v := range a {
		b = append(b, stringBytes(v)...)
	}
	return bson.RawValue{Type: bson.TypeString, Value: append(b, 0)}, nil
}

// text is what operators that take anything printable see of a value: strings as they are, numbers, dates and timestamps
// printed, null and missing as nothing.
func text(env *Env, v bson.RawValue) ([]byte, error) {
	switch v.Type {
	case bson.TypeString, bson.TypeSymbol, bson.TypeJavaScript:
		return stringBytes(v), nil
	case 0, bson.TypeNull, bson.TypeUndefined:
		return nil, nil
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return []byte(formatNumber(v)), nil
	case bson.TypeDateTime:
		return []byte(formatISO(int64(le.Uint64(v.Value)))), nil
	case bson.TypeTimestamp:
		return []byte(formatTimestamp(v)), nil
	}
	return nil, mongoerr.New(16007, "can't convert from BSON type %s to String", typeName(v))
}

func indexOf(op string) func(*Env, []bson.RawValue) (bson.RawValue, error) {
	byBytes := op == "$indexOfBytes"
	codes := [2]mongoerr.Code{40093, 40094}
	if byBytes {
		codes = [2]mongoerr.Code{40091, 40092}
	}
	return func(env *Env, a []bson.RawValue) (bson.RawValue, error) {
		if Nullish(a[0]) {
			return Null, nil
		}
		if a[0].Type != bson.TypeString {
			return Null, mongoerr.New(codes[0], "%s requires a string as the first argument, found: %s", op, typeName(a[0]))
		}
		if a[1].Type != bson.TypeString {
			return Null, mongoerr.New(codes[1], "%s requires a string as the second argument, found: %s", op, typeName(a[1]))
		}
		s, sub := stringBytes(a[0]), stringBytes(a[1])
		length := len(s)
		if !byBytes {
			length = utf8.RuneCount(s)
		}
		bounds := [2]int{0, length}
		for i, v := range a[2:] {
			n, ok := int32Of(v)
			if !ok {
				return Null, mongoerr.New(40096, "%s requires an integral %s index, found a value of type: %s, with value: %s", op, []string{"starting", "ending"}[i], typeName(v), show(v))
			}
			if n < 0 {
				return Null, mongoerr.New(40097, "%s requires a nonnegative %s index, found: %d", op, []string{"start", "ending"}[i], n)
			}
			bounds[i] = n
		}
		start, end := bounds[0], min(bounds[1], length)
		if start > end || start > length {
			return env.Int32(-1), nil
		}
		if byBytes {
			if i := bytes.Index(s[start:end], sub); i >= 0 {
				return env.Int32(int32(start + i)), nil
			}
			return env.Int32(-1), nil
		}
		from, to := cpOffset(s, start), cpOffset(s, end)
		if i := bytes.Index(s[from:to], sub); i >= 0 {
			return env.Int32(int32(start + utf8.RuneCount(s[from:from+i]))), nil
		}
		return env.Int32(-1), nil
	}
}

// cpOffset returns the byte offset of the n-th code point of s, or its length.
func cpOffset(s []byte, n int) int {
	at := 0
	for ; n > 0 && at < len(s); n-- {
		_, w := utf8.DecodeRune(s[at:])
		at += w
	}
	return at
}

// whitespace is what $trim removes by default.
const whitespace = "\x00 \t\n\v\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"

func compileTrim(c *compiler, name string, arg bson.RawValue) (Expr, error) {
	vs, err := named(arg, mongoerr.New(50696, "%s only supports an object as an argument, found %s", name, typeName(arg)), func(f string) error {
		return mongoerr.New(50694, "%s found an unknown argument: %s", name, f)
	}, "input", "chars")
	if err != nil {
		return nil, err
	}
	if Missing(vs[0]) {
		return nil, mongoerr.New(50695, "%s requires an 'input' field", name)
	}
	es, err := c.all(vs)
	if err != nil {
		return nil, err
	}
	return namedOf(es, func(env *Env, es []Expr) (bson.RawValue, error) {
		in, err := es[0].Eval(env)
		if err != nil {
			return in, err
		}
		if Nullish(in) {
			return Null, nil
		}
		if in.Type != bson.TypeString {
			return Null, mongoerr.New(50699, "%s requires its input to be a string, got %s (of type %s) instead.", name, show(in), typeName(in))
		}
		cut := whitespace
		if es[1] != nil {
			chars, err := es[1].Eval(env)
			if err != nil {
				return chars, err
			}
			if Nullish(chars) {
				return Null, nil
			}
			if chars.Type != bson.TypeString {
				return Null, mongoerr.New(50700, "%s requires 'chars' to be a string, got %s (of type %s) instead.", name, show(chars), typeName(chars))
			}
			cut = string(stringBytes(chars))
		}
		s := stringBytes(in)
		if name != "$rtrim" {
			s = bytes.TrimLeft(s, cut)
		}
		if name != "$ltrim" {
			s = bytes.TrimRight(s, cut)
		}
		return buildString(env, s)
	}), nil
}

func compileReplace(c *compiler, name string, arg bson.RawValue) (Expr, error) {
	vs, err := named(arg, mongoerr.New(51751, "%s requires an object as an argument, found: %s", name, typeName(arg)), func(f string) error {
		return mongoerr.New(51750, "%s found an unknown argument: %s", name, f)
	}, "input", "find", "replacement")
	if err != nil {
		return nil, err
	}
	for i, f := range []string{"input", "find", "replacement"} {
		if Missing(vs[i]) {
			return nil, mongoerr.New([]mongoerr.Code{51749, 51748, 51747}[i], "%s requires '%s' to be specified", name, f)
		}
	}
	es, err := c.all(vs)
	if err != nil {
		return nil, err
	}
	return namedOf(es, func(env *Env, es []Expr) (bson.RawValue, error) {
		var a [3]bson.RawValue
		null := false
		for i, e := range es {
			var err error
			if a[i], err = e.Eval(env); err != nil {
				return Null, err
			}
			if Nullish(a[i]) {
				null = true
			} else if a[i].Type != bson.TypeString {
				return Null, mongoerr.New([]mongoerr.Code{10503904, 10503901, 10503902}[i], "%s requires that '%s' be a string, found: %s", name, []string{"input", "find", "replacement"}[i], show(a[i]))
			}
		}
		if null {
			return Null, nil
		}
		in, find, repl := stringBytes(a[0]), stringBytes(a[1]), stringBytes(a[2])
		n := 1
		if name == "$replaceAll" {
			n = bytes.Count(in, find)
		}
		if err := env.reserve(len(in) + n*max(0, len(repl)-len(find)) + 5); err != nil {
			return Null, err
		}
		return buildString(env, bytes.Replace(in, find, repl, n))
	}), nil
}

func split(env *Env, a []bson.RawValue) (bson.RawValue, error) {
	if Nullish(a[0]) || Nullish(a[1]) {
		return Null, nil
	}
	if a[0].Type != bson.TypeString {
		return Null, mongoerr.New(40085, "$split requires an expression that evaluates to a string as a first argument, found: %s", typeName(a[0]))
	}
	if a[1].Type == bson.TypeRegex {
		return Null, mongoerr.New(10503900, "$split by a regular expression is not supported: the separator must be a string")
	}
	if a[1].Type != bson.TypeString {
		return Null, mongoerr.New(10503900, "$split requires an expression that evaluates to a string as a second argument, found: %s", typeName(a[1]))
	}
	s, sep := stringBytes(a[0]), stringBytes(a[1])
	if len(sep) == 0 {
		return Null, mongoerr.New(40087, "$split requires a non-empty separator")
	}
	base := len(env.stack)
	defer func() { env.stack = env.stack[:base] }()
	for {
		i := bytes.Index(s, sep)
		part := s
		if i >= 0 {
			part = s[:i]
		}
		v, err := buildString(env, part)
		if err != nil {
			return v, err
		}
		env.stack = append(env.stack, v)
		if i < 0 {
			return env.Array(env.stack[base:])
		}
		s = s[i+len(sep):]
	}
}

func strLenBytes(env *Env, a []bson.RawValue) (bson.RawValue, error) {
	if a[0].Type != bson.TypeString {
		return Null, mongoerr.New(34473, "$strLenBytes requires a string argument, found: %s", typeName(a[0]))
	}
	return env.Int32(int32(len(stringBytes(a[0])))), nil
}

func strLenCP(env *Env, a []bson.RawValue) (bson.RawValue, error) {
	if a[0].Type != bson.TypeString {
		return Null, mongoerr.New(34471, "$strLenCP requires a string argument, found: %s", typeName(a[0]))
	}
	return env.Int32(int32(utf8.RuneCount(stringBytes(a[0])))), nil
}

func strcasecmp(env *Env, a []bson.RawValue) (bson.RawValue, error) {
	x, err := text(env, a[0])
	if err != nil {
		return Null, err
	}
	y, err := text(env, a[1])
	if err != nil {
		return Null, err
	}
	return env.Int32(int32(bytes.Compare(upperASCII(x), upperASCII(y)))), nil
}

func upperASCII(b []byte) []byte {
	out := make([]byte, len(b))
	for i, c := range b {
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		out[i] = c
	}
	return out
}

func changeCase(from, to byte) func(*Env, []bson.RawValue) (bson.RawValue, error) {
	return func(env *Env, a []bson.RawValue) (bson.RawValue, error) {
		s, err := text(env, a[0])
		if err != nil {
			return Null, err
		}
		v, err := buildString(env, s)
		if err != nil {
			return v, err
		}
		b := v.Value[4 : len(v.Value)-1]
		for i, c := range b {
			if c >= from && c <= to {
				b[i] = c ^ 0x20
			}
		}
		return v, nil
	}
}

// bounds reads the start and length of a substring, cutting fractions off.
func integral(v bson.RawValue) int {
	n, ok := numberOf(v)
	if !ok {
		return 0
	}
	switch f := n.double(); {
	case n.isInt():
		return int(n.i)
	case f >= 1<<31:
		return 1 << 31
	case f <= -1<<31:
		return -1 << 31
	case f != f:
		return 0
	default:
		return int(f)
	}
}

func substrBytes(op string) func(*Env, []bson.RawValue) (bson.RawValue, error) {
	return func(env *Env, a []bson.RawValue) (bson.RawValue, error) {
		s, err := text(env, a[0])
		if err != nil {
			return Null, err
		}
		if !isNumber(a[1]) {
			return Null, mongoerr.New(16034, "%s:  starting index must be a numeric type (is BSON type %s)", op, typeName(a[1]))
		}
		if !isNumber(a[2]) {
			return Null, mongoerr.New(16035, "%s:  length must be a numeric type (is BSON type %s)", op, typeName(a[2]))
		}
		start, length := integral(a[1]), integral(a[2])
		if start < 0 {
			return Null, mongoerr.New(50752, "%s:  starting index must be non-negative (got: %d)", op, start)
		}
		if start > len(s) {
			return buildString(env, "")
		}
		if start < len(s) && continuation(s[start]) {
			return Null, mongoerr.New(28656, "%s:  Invalid range, starting index is a UTF-8 continuation byte.", op)
		}
		end := len(s)
		if length >= 0 && length < len(s)-start {
			end = start + length
		}
		if end < len(s) && continuation(s[end]) {
			return Null, mongoerr.New(28657, "%s:  Invalid range, ending index is in the middle of a UTF-8 character.", op)
		}
		return buildString(env, s[start:end])
	}
}

func continuation(b byte) bool { return b&0xc0 == 0x80 }

func substrCP(env *Env, a []bson.RawValue) (bson.RawValue, error) {
	s, err := text(env, a[0])
	if err != nil {
		return Null, err
	}
	if !isNumber(a[1]) {
		return Null, mongoerr.New(34450, "$substrCP: starting index must be a numeric type (is BSON type %s)", typeName(a[1]))
	}
	start, ok := int32Of(a[1])
	if !ok {
		return Null, mongoerr.New(34451, "$substrCP: starting index cannot be represented as a 32-bit integral value: %s", show(a[1]))
	}
	if !isNumber(a[2]) {
		return Null, mongoerr.New(34452, "$substrCP: length must be a numeric type (is BSON type %s)", typeName(a[2]))
	}
	length, ok := int32Of(a[2])
	if !ok {
		return Null, mongoerr.New(34453, "$substrCP: length cannot be represented as a 32-bit integral value: %s", show(a[2]))
	}
	if length < 0 {
		return Null, mongoerr.New(34454, "$substrCP: length must be a nonnegative integer.")
	}
	if start < 0 {
		return Null, mongoerr.New(34455, "$substrCP: the starting index must be nonnegative integer.")
	}
	from := cpOffset(s, start)
	to := from + cpOffset(s[from:], length)
	return buildString(env, strings.ToValidUTF8(string(s[from:to]), "\ufffd"))
}
