package expr

import (
	"context"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
)

// MaxDepth bounds the nesting of an expression. BSON itself is bounded at 200 levels by the wire layer.
const MaxDepth = 200

// Expr is a compiled expression.
type Expr interface {
	// Eval evaluates over the document that env was reset to. See the package documentation for how long the result lives.
	Eval(env *Env) (bson.RawValue, error)
	// Deps adds what the expression reads to d.
	Deps(d *Deps)
}

// Compile compiles an expression. Parts that do not depend on a document are evaluated now; when such a part fails, its error
// is left to evaluation, so that a branch never taken never fails.
func Compile(v bson.RawValue, scope *Scope) (Expr, error) {
	return newCompiler(scope).operand(v)
}

// Constant returns the value of an expression that does not depend on the document.
func Constant(e Expr) (bson.RawValue, bool) {
	c, ok := e.(*constant)
	if !ok {
		return bson.RawValue{}, false
	}
	return c.v, true
}

// FieldPath returns the dotted path that an expression reads from the document when it is nothing but a field path ("$a.b").
func FieldPath(e Expr) (string, bool) {
	p, ok := e.(*path)
	if !ok || p.from == fromSlot || len(p.parts) == 0 {
		return "", false
	}
	return strings.Join(p.parts, "."), true
}

// IsOperator reports whether name ("$add") is an expression operator.
func IsOperator(name string) bool { return operators()[name] != nil }

func newCompiler(scope *Scope) *compiler { return &compiler{ops: operators(), scope: scope} }

// compiler is the state of compiling one expression.
type compiler struct {
	ops   map[string]*operator
	scope *Scope
	depth int
}

// within returns a compiler for a part that sees scope.
func (c *compiler) within(scope *Scope) *compiler {
	return &compiler{ops: c.ops, scope: scope, depth: c.depth}
}

// constant is an expression whose value is known.
type constant struct{ v bson.RawValue }

// Eval implements Expr.
func (c *constant) Eval(*Env) (bson.RawValue, error) { return c.v, nil }

// Deps implements Expr.
func (c *constant) Deps(*Deps) {}

// Const returns an expression that is always v.
func Const(v bson.RawValue) Expr { return &constant{v} }

// operand compiles any value in an expression's place.
func (c *compiler) operand(v bson.RawValue) (Expr, error) {
	c.depth++
	defer func() { c.depth-- }()
	if c.depth > MaxDepth {
		return nil, mongoerr.New(mongoerr.Overflow, "expression nests deeper than %d levels", MaxDepth)
	}
	switch v.Type {
	case bson.TypeString:
		if s := stringBytes(v); len(s) > 0 && s[0] == '$' {
			return c.reference(string(s))
		}
	case bson.TypeEmbeddedDocument:
		return c.document(v)
	case bson.TypeArray:
		return c.array(v)
	}
	return &constant{v}, nil
}

// reference compiles "$path" and "$$variable.path".
func (c *compiler) reference(s string) (Expr, error) {
	if s == "$" {
		return nil, mongoerr.New(16872, "'$' by itself is not a valid FieldPath")
	}
	if strings.IndexByte(s, 0) >= 0 {
		return nil, mongoerr.New(16419, "field path must not contain embedded null characters")
	}
	if s[1] != '$' {
		parts, err := SplitPath(s[1:])
		if err != nil {
			return nil, err
		}
		if b := c.scope.find("CURRENT"); b != nil {
			return c.variable(b, parts), nil
		}
		return c.documentPath(fromCurrent, parts), nil
	}
	name, rest, dotted := strings.Cut(s[2:], ".")
	if name == "" {
		return nil, mongoerr.New(mongoerr.FailedToParse, "empty variable names are not allowed")
	}
	if c0 := name[0]; !(c0 >= 'a' && c0 <= 'z' || c0 >= 'A' && c0 <= 'Z' || c0 >= 0x80) {
		return nil, mongoerr.New(mongoerr.FailedToParse, "'%s' starts with an invalid character for a variable name", name)
	}
	if err := validVariableRest(name); err != nil {
		return nil, err
	}
	var parts []string
	if dotted {
		var err error
		if parts, err = SplitPath(rest); err != nil {
			return nil, err
		}
	}
	if b := c.scope.find(name); b != nil {
		return c.variable(b, parts), nil
	}
	switch name {
	case "ROOT":
		return c.documentPath(fromRoot, parts), nil
	case "CURRENT":
		return c.documentPath(fromCurrent, parts), nil
	}
	v, err := c.scope.constant(name)
	if err != nil {
		return nil, err
	}
	return pathOf(v, parts), nil
}

// documentPath compiles a path that starts at the document.
func (c *compiler) documentPath(from base, parts []string) Expr {
	p := &path{from: from, parts: parts}
	if len(parts) > 0 {
		p.fields = c.scope.fields
		p.top = p.fields.note(parts[0])
	}
	return p
}

// variable compiles the use of a user variable.
func (c *compiler) variable(b *Scope, parts []string) Expr {
	if b.fixed {
		return pathOf(b.value, parts)
	}
	return &path{from: fromSlot, slot: b.slot, parts: parts}
}

// pathOf reads parts from a constant.
func pathOf(v bson.RawValue, parts []string) Expr {
	if len(parts) > 0 {
		env := NewEnv(context.Background())
		env.Bind(0, v)
		v, _ = (&path{from: fromSlot, parts: parts}).Eval(env)
		v = Clone(v)
	}
	return &constant{v}
}

// document compiles {$operator: …} or an object of expressions.
func (c *compiler) document(v bson.RawValue) (Expr, error) {
	it := Each(v.Value)
	name, arg, ok := it.Next()
	if !ok {
		return &constant{v}, nil
	}
	if len(name) > 0 && name[0] == '$' {
		if _, _, more := it.Next(); more {
			return nil, mongoerr.New(15983, "an object representing an expression must have exactly one field: %s", bson.Raw(v.Value))
		}
		return c.operator(string(name), arg)
	}
	o := &object{}
	folded := true
	for it = Each(v.Value); ; {
		name, arg, ok := it.Next()
		if !ok {
			break
		}
		switch {
		case len(name) == 0:
			return nil, mongoerr.New(15998, "FieldPath field names may not be empty strings.")
		case name[0] == '$':
			return nil, mongoerr.New(16410, "FieldPath field names may not start with '$'. Consider using $getField or $setField.")
		case strings.IndexByte(string(name), '.') >= 0:
			return nil, mongoerr.New(16412, "FieldPath field names may not contain '.'. Consider using $getField or $setField.")
		}
		for _, n := range o.names {
			if string(n) == string(name) {
				return nil, mongoerr.New(16406, "duplicate field name specified in object literal: %s", bson.Raw(v.Value))
			}
		}
		e, err := c.operand(arg)
		if err != nil {
			return nil, err
		}
		if _, ok := e.(*constant); !ok {
			folded = false
		}
		o.names = append(o.names, append([]byte(nil), name...))
		o.values = append(o.values, e)
	}
	if folded {
		return fold(o), nil
	}
	return o, nil
}

// object is {a: <expression>, …}.
type object struct {
	names  [][]byte
	values []Expr
}

// Eval implements Expr.
func (o *object) Eval(env *Env) (bson.RawValue, error) {
	var few [8]member
	ms := few[:0]
	for i, e := range o.values {
		v, err := e.Eval(env)
		if err != nil {
			return v, err
		}
		ms = append(ms, member{o.names[i], v})
	}
	return env.object(ms)
}

// Deps implements Expr.
func (o *object) Deps(d *Deps) {
	for _, e := range o.values {
		e.Deps(d)
	}
}

func (c *compiler) array(v bson.RawValue) (Expr, error) {
	es, err := c.operands(v)
	if err != nil {
		return nil, err
	}
	a := &array{es}
	if allConstant(es) {
		return fold(a), nil
	}
	return a, nil
}

// operands compiles each element of an array.
func (c *compiler) operands(v bson.RawValue) ([]Expr, error) {
	var es []Expr
	for it := Each(v.Value); ; {
		_, el, ok := it.Next()
		if !ok {
			return es, nil
		}
		e, err := c.operand(el)
		if err != nil {
			return nil, err
		}
		es = append(es, e)
	}
}

// array is [<expression>, …].
type array struct{ values []Expr }

// Eval implements Expr.
func (a *array) Eval(env *Env) (bson.RawValue, error) {
	base := len(env.stack)
	defer func() { env.stack = env.stack[:base] }()
	for _, e := range a.values {
		v, err := e.Eval(env)
		if err != nil {
			return v, err
		}
		env.stack = append(env.stack, v)
	}
	return env.Array(env.stack[base:])
}

// Deps implements Expr.
func (a *array) Deps(d *Deps) {
	for _, e := range a.values {
		e.Deps(d)
	}
}

func allConstant(es []Expr) bool {
	for _, e := range es {
		if _, ok := e.(*constant); !ok {
			return false
		}
	}
	return true
}

// fold evaluates an expression of constants; one that fails is kept as it is.
func fold(e Expr) Expr {
	v, err := e.Eval(NewEnv(context.Background()))
	if err != nil {
		return e
	}
	return &constant{Clone(v)}
}
