package rule

import (
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
)

// Bounds of one expression; beyond them it is reported and false.
const (
	maxDepth = 100     // nested operators, documents, path parts
	maxNodes = 100_000 // comparisons and operators
)

// compiler turns extended JSON into a typed tree. Whatever it does not know
// becomes a problem with file and JSON path, and the expression is false: there
// is no silent truth.
type compiler struct {
	app      *app.App
	kind     Kind
	src      app.Source
	problems []app.Problem
	nodes    int
	failed   bool
}

// CompileExpression compiles one expression. A zero raw value is not an
// expression; callers decide what absence means. a gives %%values and
// %%environment and may be nil.
func CompileExpression(a *app.App, raw bson.RawValue, kind Kind, src app.Source) (*Expr, []app.Problem) {
	c := &compiler{app: a, kind: kind, src: src}
	n := c.expression(raw, "", 0)
	if c.failed {
		return &Expr{node: constant(false), broken: true}, c.problems
	}
	return &Expr{node: n, literal: raw.Type == bson.TypeBoolean}, c.problems
}

func (c *compiler) problem(at, format string, args ...any) {
	c.failed = true
	if len(c.problems) >= 20 {
		return
	}
	src := c.src
	src.Path += at
	c.problems = append(c.problems, src.Warn("%s; this expression is false", fmt.Sprintf(format, args...)))
}

func (c *compiler) warn(at, format string, args ...any) {
	src := c.src
	src.Path += at
	p := src.Warn(format, args...)
	if len(c.problems) < 20 && !slices.Contains(c.problems, p) {
		c.problems = append(c.problems, p)
	}
}

func (c *compiler) count(at string, depth int) bool {
	if depth > maxDepth {
		c.problem("", "the expression nests more than %d levels", maxDepth)
		return false
	}
	if c.nodes++; c.nodes > maxNodes {
		c.problem("", "the expression has more than %d parts", maxNodes)
		return false
	}
	return !c.failed || len(c.problems) < 20
}

// expression compiles a whole expression: a boolean or an object.
func (c *compiler) expression(v bson.RawValue, at string, depth int) node {
	if !c.count(at, depth) {
		return constant(false)
	}
	switch v.Type {
	case bson.TypeBoolean:
		return constant(v.Boolean())
	case bson.TypeString:
		s := v.StringValue()
		switch s {
		case "true", "false":
			c.warn(at, "the string %q stands for a boolean; write %s without quotes", s, s)
			return constant(s == "true")
		}
		if strings.HasPrefix(s, "%%") {
			o, ok := c.expand(s[2:], at)
			if !ok {
				return constant(false)
			}
			return c.compare(o, opEq, literal(boolValue(true)))
		}
	case bson.TypeEmbeddedDocument:
		nodes := []node{}
		it := newIter(v.Value)
		for it.next() {
			key := string(it.key)
			nodes = append(nodes, c.pair(key, it.value, at+"."+key, depth+1))
		}
		return all(nodes)
	}
	c.problem(at, "an expression is a boolean or an object, not %s", typeName(v.Type))
	return constant(false)
}

// pair compiles one key of an expression object.
func (c *compiler) pair(key string, v bson.RawValue, at string, depth int) node {
	if !c.count(at, depth) {
		return constant(false)
	}
	switch {
	case strings.HasPrefix(key, "%%"):
		left, ok := c.expand(key[2:], at)
		if !ok {
			return constant(false)
		}
		if left.src == srcLiteral && left.text == "" {
			return c.truth(left.literal.Boolean(), v, at, depth)
		}
		return c.condition(left, v, at, depth)
	case strings.HasPrefix(key, "%") || strings.HasPrefix(key, "$"):
		switch name := key[1:]; name {
		case "and", "or", "nor":
			return c.junction(name, v, at, func(v bson.RawValue, at string) node { return c.expression(v, at, depth+1) })
		case "not":
			return negate(c.expression(v, at, depth+1))
		case "function":
			f, ok := c.function(v, at, depth)
			if !ok {
				return constant(false)
			}
			return c.compare(f, opEq, literal(boolValue(true)))
		default:
			c.unknownOperator(key, at)
			return constant(false)
		}
	}
	c.fieldLookalike(key, v, at)
	left := &operand{src: srcRoot, text: key, dep: onRoot}
	switch c.kind {
	case Service:
		left.src, left.dep = srcArgs, onArgs
	case Call:
		c.problem(at, "the field %q: there is no document here", key)
		return constant(false)
	}
	path, ok := c.path(key, at)
	if !ok {
		return constant(false)
	}
	left.path = path
	return c.condition(left, v, at, depth)
}

// truth compiles what stands under %%true or %%false: a nested expression, or
// operators on the constant, or a value to compare it with.
func (c *compiler) truth(want bool, v bson.RawValue, at string, depth int) node {
	d, isDoc := v.DocumentOK()
	if !isDoc || operatorKeys(d) && !logical(d) {
		if s, isText := v.StringValueOK(); !isDoc && v.Type != bson.TypeBoolean && !(isText && strings.HasPrefix(s, "%%")) {
			c.warn(at, "a constant is compared with %s: the two are never equal", describeValue(v))
		}
		return c.condition(literal(boolValue(want)), v, at, depth)
	}
	n := c.expression(v, at, depth+1)
	if want {
		return n
	}
	return negate(n)
}

// operatorKeys tells whether a document's first key is an operator.
func operatorKeys(d bson.Raw) bool {
	it := newIter(d)
	return it.next() && isOperator(string(it.key))
}

func isOperator(key string) bool {
	return len(key) > 1 && (key[0] == '$' || key[0] == '%' && key[1] != '%')
}

// logical tells whether a document's first key joins whole expressions.
func logical(d bson.Raw) bool {
	it := newIter(d)
	if !it.next() {
		return false
	}
	switch string(it.key)[1:] {
	case "and", "or", "nor", "not":
		return true
	}
	return false
}

// condition compiles what a key is compared with.
func (c *compiler) condition(left *operand, v bson.RawValue, at string, depth int) node {
	if !c.count(at, depth) {
		return constant(false)
	}
	d, isDoc := v.DocumentOK()
	if !isDoc || !operatorKeys(d) || isExtendedJSON(d) {
		right, ok := c.operand(v, at, depth)
		if !ok {
			return constant(false)
		}
		return c.compare(left, opEq, right)
	}
	var nodes []node
	it := newIter(d)
	for it.next() {
		key := string(it.key)
		at := at + "." + key
		if !isOperator(key) {
			c.problem(at, "the field %q stands beside operators", key)
			return constant(false)
		}
		nodes = append(nodes, c.operation(left, key, it.value, at, depth+1))
	}
	if len(nodes) > 1 {
		for _, k := range []string{"function", "stringToOid", "oidToString", "stringToUuid", "uuidToString"} {
			for _, p := range []string{"%", "$"} {
				if _, ok := lookup(d, p+k); ok {
					c.problem(at, "%s%s gives a value and cannot stand beside other operators", p, k)
					return constant(false)
				}
			}
		}
	}
	return all(nodes)
}

// comparisons is the table of operators that compare; negated ones are the
// negation of their positive form.
var comparisons = map[string]struct {
	op      operator
	negated bool
}{
	"eq": {opEq, false}, "ne": {opEq, true}, "gt": {opGt, false}, "gte": {opGte, false},
	"lt": {opLt, false}, "lte": {opLte, false}, "in": {opIn, false}, "nin": {opIn, true},
}

// operation compiles one operator under a key.
func (c *compiler) operation(left *operand, key string, v bson.RawValue, at string, depth int) node {
	if !c.count(at, depth) {
		return constant(false)
	}
	name := key[1:]
	if x, ok := comparisons[name]; ok {
		right, ok := c.operand(v, at, depth)
		if !ok {
			return constant(false)
		}
		if x.op == opIn && right.src == srcLiteral && right.literal.Type != bson.TypeArray && right.text == "" {
			c.problem(at, "%s needs an array or an expansion to one", key)
			return constant(false)
		}
		n := c.compare(left, x.op, right)
		if x.negated {
			return negate(n)
		}
		return n
	}
	switch name {
	case "and", "or", "nor":
		return c.junction(name, v, at, func(v bson.RawValue, at string) node { return c.condition(left, v, at, depth+1) })
	case "not":
		return negate(c.condition(left, v, at, depth+1))
	case "exists":
		want, ok := c.operand(v, at, depth)
		if !ok {
			return constant(false)
		}
		if want.src == srcLiteral {
			switch classOf(want.literal.Type) {
			case classBool:
			case classNumber:
				want.literal = boolValue(!Equal(want.literal, bson.RawValue{Type: bson.TypeInt32, Value: make([]byte, 4)}))
			default:
				c.problem(at, "%s needs true or false", key)
				return constant(false)
			}
		}
		return c.fold(&presence{left: left, want: want, dep: left.dep | want.dep})
	case "function":
		f, ok := c.function(v, at, depth)
		if !ok {
			return constant(false)
		}
		return c.compare(left, opEq, f)
	}
	if conv, ok := conversions[name]; ok {
		o, ok := c.conversion(conv, v, at, depth)
		if !ok {
			return constant(false)
		}
		return c.compare(left, opEq, o)
	}
	c.unknownOperator(key, at)
	return constant(false)
}

func (c *compiler) unknownOperator(key, at string) {
	c.problem(at, "unknown operator %q (known: and or nor not eq ne gt gte lt lte in nin exists function stringToOid oidToString stringToUuid uuidToString, after %% or $)", key)
}

// junction compiles the list under and, or, nor.
func (c *compiler) junction(name string, v bson.RawValue, at string, each func(bson.RawValue, string) node) node {
	if v.Type != bson.TypeArray {
		c.problem(at, "%s needs an array", name)
		return constant(false)
	}
	nodes := []node{}
	i := 0
	for it := newIter(v.Value); it.next(); i++ {
		nodes = append(nodes, each(it.value, fmt.Sprintf("%s[%d]", at, i)))
	}
	switch {
	case len(nodes) == 0:
		// MongoDB refuses empty lists too: neither reading of them is safe to guess.
		c.problem(at, "%s needs at least one expression", name)
		return constant(false)
	case name == "and":
		return all(nodes)
	case name == "or":
		return either(nodes)
	}
	return negate(either(nodes))
}

func (c *compiler) compare(left *operand, op operator, right *operand) node {
	// Equality reads the same in both directions; a document path on the left
	// can become part of a query.
	if op == opEq && left.dep&onDocument == 0 && right.dep&onDocument != 0 && right.src < srcConvert {
		left, right = right, left
	}
	return c.fold(&condition{left: left, op: op, right: right, dep: left.dep | right.dep})
}

// fold evaluates at compile time what depends on nothing.
func (c *compiler) fold(n node) node {
	if n.depends() != 0 {
		return n
	}
	e := &Env{}
	if r := n.eval(e); e.failed == 0 {
		return constant(r)
	}
	// It can never be evaluated: keep it, so that its negation is false too.
	return n
}

func all(nodes []node) node {
	a := &allOf{}
	for _, n := range nodes {
		if v, ok := n.(constant); ok {
			if !v {
				return constant(false)
			}
			continue
		}
		a.nodes = append(a.nodes, n)
		a.dep |= n.depends()
	}
	switch len(a.nodes) {
	case 0:
		return constant(true)
	case 1:
		return a.nodes[0]
	}
	return a
}

func either(nodes []node) node {
	a := &anyOf{}
	for _, n := range nodes {
		if v, ok := n.(constant); ok {
			if v {
				return constant(true)
			}
			continue
		}
		a.nodes = append(a.nodes, n)
		a.dep |= n.depends()
	}
	switch len(a.nodes) {
	case 0:
		return constant(false)
	case 1:
		return a.nodes[0]
	}
	return a
}

func negate(n node) node {
	if v, ok := n.(constant); ok {
		return !v
	}
	return &negation{n}
}
