package plan

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/keys"
	"regent/docdb/internal/value"
)

// condition narrows down the values of one path. Every document that matches the filter has at least one key of path in ivs
// (or, where it is not in an index for being sparse, exists is false).
type condition struct {
	path string
	ivs  []interval
	// eq are the values of an equality or $in, for hashed indexes; nil for other conditions.
	eq []bson.RawValue
	// exists says that a document that matches has the path.
	exists bool
	// text says that the intervals were made with the query's collation and hold only under it.
	text bool
	// scope numbers the $elemMatch that the condition stands in; 0 for none. value says that it is on the elements themselves.
	scope int
	value bool
	// exact says that a document without arrays on the path matches if and only if its key is in ivs.
	exact bool
	// scalar says that no document or array is among the values (for wildcard indexes).
	scalar bool
}

// conjunction is what a filter says, as far as indexes can use it.
type conjunction struct {
	conds []condition
	ors   [][]*conjunction
	// whole says that the conditions are all that the filter says.
	whole bool
}

// maxConditions bounds the work of planning; what is beyond is left to the matcher.
const maxConditions = 200

type analyzer struct {
	coll   keys.Collator
	scopes int
	n      int
}

func analyze(filter bson.Raw, coll keys.Collator) *conjunction {
	a := &analyzer{coll: coll}
	c := &conjunction{whole: true}
	a.filter(filter, c, "", 0, 0)
	return c
}

func (a *analyzer) filter(f bson.Raw, c *conjunction, prefix string, scope, depth int) {
	if depth > 50 {
		c.whole = false
		return
	}
	it := value.Over(f)
	for it.Next() {
		key, v := it.Key(), it.Value()
		if strings.HasPrefix(key, "$") {
			switch key {
			case "$and":
				docs := value.Over(v.Value)
				for v.Type == bson.TypeArray && docs.Next() {
					if d := docs.Value(); d.Type == bson.TypeEmbeddedDocument {
						a.filter(d.Value, c, prefix, scope, depth+1)
					}
				}
			case "$or":
				c.whole = false
				if v.Type != bson.TypeArray || prefix != "" {
					continue
				}
				var branches []*conjunction
				docs := value.Over(v.Value)
				for docs.Next() {
					b := &conjunction{whole: true}
					if d := docs.Value(); d.Type == bson.TypeEmbeddedDocument {
						a.filter(d.Value, b, "", 0, depth+1)
					}
					branches = append(branches, b)
				}
				if len(branches) == 1 {
					c.conds = append(c.conds, branches[0].conds...)
					c.ors = append(c.ors, branches[0].ors...)
				} else if len(branches) > 0 {
					c.ors = append(c.ors, branches)
				}
			case "$comment":
			default:
				c.whole = false
			}
			continue
		}
		path := strings.Clone(key)
		if prefix != "" {
			path = prefix + "." + path
		}
		a.field(path, v, c, scope, depth)
	}
}

func operators(v bson.RawValue) bool {
	if v.Type != bson.TypeEmbeddedDocument {
		return false
	}
	it := value.Over(v.Value)
	if !it.Next() || !strings.HasPrefix(it.Key(), "$") {
		return false
	}
	return it.Key() != "$ref" && it.Key() != "$id" && it.Key() != "$db"
}

func (a *analyzer) add(c *conjunction, n condition) {
	if a.n++; a.n > maxConditions {
		c.whole = false
		return
	}
	n.ivs = normalize(n.ivs)
	c.conds = append(c.conds, n)
}

func (a *analyzer) field(path string, v bson.RawValue, c *conjunction, scope, depth int) {
	if scope != 0 && numericPart(path) {
		// Inside $elemMatch a number is a position in an array in the array, for which there is no key.
		c.whole = false
		return
	}
	if !operators(v) {
		if v.Type == bson.TypeRegex {
			p, o, _ := value.RegexParts(v)
			a.regex(path, p, o, c, scope)
			return
		}
		a.equal(path, []bson.RawValue{v}, c, scope, false)
		return
	}
	it := value.Over(v.Value)
	var pattern, options string
	hasRegex := false
	for it.Next() {
		arg := it.Value()
		switch it.Key() {
		case "$eq":
			if arg.Type == bson.TypeRegex {
				a.equal(path, []bson.RawValue{arg}, c, scope, false)
				continue
			}
			a.equal(path, []bson.RawValue{arg}, c, scope, false)
		case "$in":
			if arg.Type != bson.TypeArray {
				c.whole = false
				continue
			}
			a.equal(path, value.Elements(arg.Value), c, scope, true)
		case "$gt", "$gte", "$lt", "$lte":
			a.compare(path, it.Key(), arg, c, scope)
		case "$exists":
			if value.Truthy(arg) {
				a.add(c, condition{path: path, ivs: []interval{full}, exists: true, scope: scope})
			} else {
				a.add(c, condition{path: path, ivs: []interval{nullInterval()}, scope: scope})
			}
			c.whole = false
		case "$regex":
			hasRegex = true
			if p, o, ok := value.RegexParts(arg); ok {
				pattern, options = p, options+o
			} else if s, ok := value.Text(arg); ok {
				pattern = s
			}
		case "$options":
			if s, ok := value.Text(arg); ok {
				options += s
			}
		case "$mod":
			a.add(c, condition{path: path, ivs: []interval{typeInterval(bson.TypeDouble)}, exists: true, scope: scope, scalar: true})
			c.whole = false
		case "$all":
			c.whole = false
			if arg.Type != bson.TypeArray {
				continue
			}
			for _, e := range value.Elements(arg.Value) {
				switch {
				case e.Type == bson.TypeRegex:
				case operators(e):
					a.field(path, e, c, scope, depth+1)
				default:
					a.equal(path, []bson.RawValue{e}, c, scope, false)
				}
			}
		case "$elemMatch":
			c.whole = false
			if arg.Type != bson.TypeEmbeddedDocument || depth > 50 {
				continue
			}
			a.scopes++
			s := a.scopes
			if operators(arg) && !logical(arg.Value) {
				n := len(c.conds)
				// {$elemMatch: {$elemMatch: …}} and arrays in arrays have no keys of their own.
				inner := &conjunction{}
				a.field(path, arg, inner, 0, depth+1)
				for _, x := range inner.conds {
					if x.scope == 0 && x.exists && elementary(arg.Value) {
						x.scope, x.value, x.exact = s, true, false
						c.conds = append(c.conds, x)
					}
				}
				_ = n
				continue
			}
			a.filter(arg.Value, c, path, s, depth+1)
		default:
			c.whole = false
		}
	}
	if hasRegex {
		a.regex(path, pattern, options, c, scope)
	}
}

// logical reports whether an $elemMatch holds $and, $or or $nor and so is about members.
func logical(d []byte) bool {
	it := value.Over(d)
	for it.Next() {
		switch it.Key() {
		case "$and", "$or", "$nor", "$expr", "$where":
			return true
		}
	}
	return false
}

// elementary reports whether a value $elemMatch compares elements with plain values only. An element that is an array itself is one
// key as a whole, but a comparison inside $elemMatch sees its elements.
func elementary(d []byte) bool {
	it := value.Over(d)
	for it.Next() {
		switch it.Key() {
		case "$eq", "$gt", "$gte", "$lt", "$lte", "$in":
		default:
			return false
		}
	}
	return true
}

func numericPart(path string) bool {
	for _, p := range strings.Split(path, ".") {
		if p != "" && p[0] >= '0' && p[0] <= '9' {
			return true
		}
	}
	return false
}

// equal is a condition of equality with one of several values, among them regular expressions when in is set.
func (a *analyzer) equal(path string, vals []bson.RawValue, c *conjunction, scope int, in bool) {
	n := condition{path: path, exists: true, scope: scope, exact: true, scalar: true}
	for _, v := range vals {
		switch v.Type {
		case bson.TypeNull, bson.TypeUndefined:
			if numericPart(path) {
				// The number is a name, too, that a document in an array can lack; an index has the key of the position only.
				c.whole = false
				return
			}
			n.ivs = append(n.ivs, nullInterval())
			n.exists, n.exact, n.scalar = false, false, false
			n.eq = append(n.eq, v)
		case bson.TypeRegex:
			n.exact = false
			if in {
				p, o, _ := value.RegexParts(v)
				n.ivs = append(n.ivs, a.regexIntervals(p, o)...)
				n.text = true
				continue
			}
			n.ivs = append(n.ivs, pointInterval(v, a.coll))
		case bson.TypeArray:
			// The array as an element of an array is one key; an equal array has the keys of its elements.
			n.exact, n.scalar, n.text = false, false, true
			n.ivs = append(n.ivs, pointInterval(v, a.coll))
			first := value.Index(v.Value, 0)
			if first.Type == 0 {
				first = bson.RawValue{Type: bson.TypeUndefined}
			}
			n.ivs = append(n.ivs, pointInterval(first, a.coll))
			n.eq = nil
			// A hashed index holds no arrays, so nothing to add there.
			n.eq = append(n.eq, v)
		default:
			if v.Type == bson.TypeString || v.Type == bson.TypeSymbol || v.Type == bson.TypeEmbeddedDocument {
				n.text = true
			}
			if v.Type == bson.TypeEmbeddedDocument {
				n.scalar = false
			}
			n.ivs = append(n.ivs, pointInterval(v, a.coll))
			n.eq = append(n.eq, v)
		}
	}
	if len(n.eq) != len(vals) {
		n.eq = nil
	}
	if n.ivs == nil {
		n.ivs = []interval{}
	}
	a.add(c, n)
}

func (a *analyzer) compare(path, op string, v bson.RawValue, c *conjunction, scope int) {
	n := condition{path: path, exists: true, scope: scope, exact: true, scalar: true}
	switch v.Type {
	case bson.TypeNull, bson.TypeUndefined:
		if op == "$gte" || op == "$lte" {
			a.equal(path, []bson.RawValue{v}, c, scope, false)
			return
		}
		c.whole = false
		return
	case bson.TypeMinKey, bson.TypeMaxKey, bson.TypeArray, bson.TypeRegex:
		c.whole = false
		return
	case bson.TypeString, bson.TypeSymbol:
		n.text = true
	case bson.TypeEmbeddedDocument:
		n.text, n.scalar, n.exact = true, false, false
	}
	if value.IsNaN(v) {
		n.ivs = []interval{typeInterval(v.Type)}
		n.exact = false
		a.add(c, n)
		return
	}
	i := typeInterval(v.Type)
	b := keys.AppendValue(nil, v, a.coll)
	switch op {
	case "$gt":
		i.lo = endpoint{b: b, after: true}
	case "$gte":
		i.lo = endpoint{b: b}
	case "$lt":
		i.hi = endpoint{b: b}
	case "$lte":
		i.hi = endpoint{b: b, after: true}
	}
	if value.IsNumber(v) && (op == "$lt" || op == "$lte") {
		// NaN sorts first among the numbers and is less than none of them.
		i.lo = endpoint{b: keys.AppendValue(nil, bson.RawValue{Type: bson.TypeDouble, Value: []byte{0, 0, 0, 0, 0, 0, 0xf0, 0xff}}, nil)}
	}
	n.ivs = []interval{i}
	a.add(c, n)
}

func (a *analyzer) regex(path, pattern, options string, c *conjunction, scope int) {
	c.whole = false
	a.add(c, condition{path: path, ivs: a.regexIntervals(pattern, options), exists: true, scope: scope, text: true, scalar: true})
}

// regexIntervals are the strings that begin as the pattern demands, and the pattern itself as a value.
func (a *analyzer) regexIntervals(pattern, options string) []interval {
	self := pointInterval(value.Regex(pattern, options), nil)
	if a.coll != nil {
		return []interval{typeInterval(bson.TypeString), self}
	}
	prefix := literalPrefix(pattern, options)
	if prefix == "" {
		return []interval{typeInterval(bson.TypeString), self}
	}
	// Up to the least string that does not begin so: no character of UTF-8 ends in the greatest byte.
	last := len(prefix) - 1
	if prefix[last] == 0xFF {
		return []interval{typeInterval(bson.TypeString), self}
	}
	next := prefix[:last] + string([]byte{prefix[last] + 1})
	return []interval{{endpoint{b: keys.AppendValue(nil, value.String(prefix), nil)}, endpoint{b: keys.AppendValue(nil, value.String(next), nil)}}, self}
}

// literalPrefix gives the text that every match of a pattern anchored with ^ begins with; "" when there is none.
func literalPrefix(pattern, options string) string {
	if strings.Trim(options, "su") != "" || !strings.HasPrefix(pattern, "^") || strings.ContainsAny(pattern, "|") {
		return ""
	}
	var out []byte
	p := pattern[1:]
	for i := 0; i < len(p); i++ {
		ch := p[i]
		if strings.IndexByte(`.[](){}*+?^$\`, ch) >= 0 || ch == 0 {
			if ch == '*' || ch == '?' || ch == '{' {
				// The character before may be absent.
				if len(out) > 0 {
					out = trimRune(out)
				}
			}
			return string(out)
		}
		out = append(out, ch)
	}
	return string(out)
}

func trimRune(b []byte) []byte {
	i := len(b) - 1
	for i > 0 && b[i]&0xC0 == 0x80 {
		i--
	}
	return b[:i]
}
