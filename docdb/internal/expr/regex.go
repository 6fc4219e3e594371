package expr

import (
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/regex"
)

func regexOperators() []operator {
	return []operator{
		{name: "$regexMatch", compile: compileRegex, help: "whether a regular expression matches"},
		{name: "$regexFind", compile: compileRegex, help: "the first match: {match, idx, captures}"},
		{name: "$regexFindAll", compile: compileRegex, help: "array of all matches"},
	}
}

// smallestMatch is the size of a match that has no text and no captures.
const smallestMatch = 41

func compileRegex(c *compiler, name string, arg bson.RawValue) (Expr, error) {
	vs, err := named(arg, mongoerr.New(51103, "%s expects an object of named arguments but found: %s", name, typeName(arg)), func(f string) error {
		return mongoerr.New(31024, "%s found an unknown argument: %s", name, f)
	}, "input", "regex", "options")
	if err != nil {
		return nil, err
	}
	if Missing(vs[0]) {
		return nil, mongoerr.New(31022, "%s requires 'input' parameter", name)
	}
	if Missing(vs[1]) {
		return nil, mongoerr.New(31023, "%s requires 'regex' parameter", name)
	}
	es, err := c.all(vs)
	if err != nil {
		return nil, err
	}
	r := &regexExpr{name: name}
	p, pok := Constant(es[1])
	o, ook := bson.RawValue{}, true
	if es[2] != nil {
		o, ook = Constant(es[2])
	}
	if pok && ook {
		// Compiled once; what is wrong with it is said now.
		if r.re, r.null, err = pattern(name, p, o); err != nil {
			return nil, err
		}
		r.fixed = true
	}
	return namedOf(es, r.eval), nil
}

type regexExpr struct {
	name  string
	re    *regex.Regexp
	null  bool
	fixed bool
}

// pattern makes a regular expression of the values of 'regex' and 'options'; null is true for a nullish pattern.
func pattern(name string, p, o bson.RawValue) (re *regex.Regexp, null bool, err error) {
	options := ""
	if !Nullish(o) {
		if o.Type != bson.TypeString {
			return nil, false, mongoerr.New(51106, "%s needs 'options' to be of type string", name)
		}
		options = string(stringBytes(o))
		if strings.IndexByte(options, 0) >= 0 {
			return nil, false, mongoerr.New(51110, "%s:  regex options string cannot contain a null byte", name)
		}
		for _, l := range options {
			if !strings.ContainsRune("imsxu", l) {
				return nil, false, mongoerr.New(51108, "%s invalid flag in regex options: %c", name, l)
			}
		}
	}
	text := ""
	switch p.Type {
	case bson.TypeRegex:
		b := string(p.Value)
		i := strings.IndexByte(b, 0)
		text = b[:i]
		if own := strings.TrimSuffix(b[i+1:], "\x00"); own != "" {
			if options != "" {
				return nil, false, mongoerr.New(51107, "%s found regex option(s) specified in both 'regex' and 'option' fields", name)
			}
			options = own
		}
	case bson.TypeString:
		text = string(stringBytes(p))
		if strings.IndexByte(text, 0) >= 0 {
			return nil, false, mongoerr.New(51109, "%s: regular expression cannot contain an embedded null byte", name)
		}
	default:
		if Nullish(p) {
			return nil, true, nil
		}
		return nil, false, mongoerr.New(51105, "%s needs 'regex' to be of type string or regex", name)
	}
	re, err = regex.Compile(text, options)
	if err != nil && mongoerr.CodeOf(err) == 51091 {
		err = mongoerr.New(51111, "Invalid Regex in %s: %s", name, mongoerr.As(err).Message)
	}
	return re, false, err
}

func (r *regexExpr) eval(env *Env, es []Expr) (bson.RawValue, error) {
	in, err := es[0].Eval(env)
	if err != nil {
		return in, err
	}
	re, null := r.re, r.null
	if !r.fixed {
		p, err := es[1].Eval(env)
		if err != nil {
			return p, err
		}
		o, err := evalOr(env, es[2], Null)
		if err != nil {
			return o, err
		}
		if re, null, err = pattern(r.name, p, o); err != nil {
			return Null, err
		}
	}
	if !Nullish(in) && in.Type != bson.TypeString {
		return Null, mongoerr.New(51104, "%s needs 'input' to be of type string", r.name)
	}
	if Nullish(in) || null {
		switch r.name {
		case "$regexMatch":
			return Bool(false), nil
		case "$regexFind":
			return Null, nil
		}
		return env.Array(nil)
	}
	s := string(stringBytes(in))
	switch r.name {
	case "$regexMatch":
		ok, err := re.MatchString(s)
		return Bool(ok), err
	case "$regexFind":
		m, err := re.Find(s, 0)
		if m == nil || err != nil {
			return Null, err
		}
		return env.match(s, m, utf8.RuneCountInString(s[:m[0]]))
	}
	all, err := re.FindAll(s, MaxValueBytes/smallestMatch+1)
	if err != nil {
		return Null, err
	}
	base := len(env.stack)
	defer func() { env.stack = env.stack[:base] }()
	size, at, idx := 0, 0, 0
	for _, m := range all {
		idx += utf8.RuneCountInString(s[at:m[0]])
		at = m[0]
		v, err := env.match(s, m, idx)
		if err != nil {
			return Null, err
		}
		if size += len(v.Value); size > MaxValueBytes {
			return Null, mongoerr.New(51151, "%s: the size of buffer to store output exceeded the 64MB limit", r.name)
		}
		env.stack = append(env.stack, v)
	}
	return env.Array(env.stack[base:])
}

// match builds {match, idx, captures} of a match that begins at the character idx.
func (e *Env) match(s string, m []int, idx int) (bson.RawValue, error) {
	text, err := e.String(s[m[0]:m[1]])
	if err != nil {
		return Null, err
	}
	captures := make([]bson.RawValue, 0, len(m)/2-1)
	for i := 2; i < len(m); i += 2 {
		c := Null
		if m[i] >= 0 {
			if c, err = e.String(s[m[i]:m[i+1]]); err != nil {
				return Null, err
			}
		}
		captures = append(captures, c)
	}
	list, err := e.Array(captures)
	if err != nil {
		return Null, err
	}
	return e.object([]member{{[]byte("match"), text}, {[]byte("idx"), e.Int32(int32(idx))}, {[]byte("captures"), list}})
}
