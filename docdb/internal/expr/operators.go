package expr

import (
	"slices"
	"strings"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
)

// operator is a row of the table of expression operators.
type operator struct {
	name   string
	family string
	help   string
	// min and max bound the number of operands of a strict operator; max < 0 means any number.
	min, max int
	// eval computes a strict operator from its operands' values.
	eval func(env *Env, a []bson.RawValue) (bson.RawValue, error)
	// compile compiles an operator that is not strict or has named arguments.
	compile func(c *compiler, name string, arg bson.RawValue) (Expr, error)
	// make builds an operator whose evaluation depends on the scope (collation).
	make func(c *compiler) func(env *Env, a []bson.RawValue) (bson.RawValue, error)
}

// Operator describes an expression operator to readers of the documentation.
type Operator struct {
	Name, Family, Help string
}

// Operators lists every expression operator by family and name.
func Operators() []Operator {
	var out []Operator
	for _, op := range operators() {
		out = append(out, Operator{op.name, op.family, op.help})
	}
	slices.SortFunc(out, func(a, b Operator) int {
		if c := strings.Compare(a.Family, b.Family); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out
}

// operators is the table, by name.
var operators = sync.OnceValue(func() map[string]*operator {
	table := map[string]*operator{}
	for _, f := range []struct {
		name string
		ops  []operator
	}{
		{"arithmetic", arithmeticOperators()},
		{"trigonometry", trigonometryOperators()},
		{"bit", bitOperators()},
		{"array", arrayOperators()},
		{"boolean", booleanOperators()},
		{"comparison", comparisonOperators()},
		{"conditional", conditionalOperators()},
		{"date", dateOperators()},
		{"string", stringOperators()},
		{"regex", regexOperators()},
		{"type", typeOperators()},
		{"object", objectOperators()},
		{"set", setOperators()},
		{"accumulator", accumulatorOperators()},
		{"variable", variableOperators()},
		{"refused", refusedOperators()},
	} {
		for _, op := range f.ops {
			op.family = f.name
			table[op.name] = &op
		}
	}
	return table
})

// operator compiles {name: arg}.
func (c *compiler) operator(name string, arg bson.RawValue) (Expr, error) {
	op := c.ops[name]
	if op == nil {
		return nil, mongoerr.New(mongoerr.InvalidPipelineOperator, "Unrecognized expression '%s'", name)
	}
	if op.compile != nil {
		return op.compile(c, name, arg)
	}
	es, err := c.arguments(arg)
	if err != nil {
		return nil, err
	}
	if err := arity(op, len(es)); err != nil {
		return nil, err
	}
	eval := op.eval
	if op.make != nil {
		eval = op.make(c)
	}
	return strictOf(eval, es), nil
}

// strictOf applies eval to the values of es, folding constants.
func strictOf(eval func(*Env, []bson.RawValue) (bson.RawValue, error), es []Expr) Expr {
	n := &strict{eval, es}
	if allConstant(es) {
		return fold(n)
	}
	return n
}

// arguments compiles the operands of a strict operator: the elements of an array, or a single operand.
func (c *compiler) arguments(arg bson.RawValue) ([]Expr, error) {
	if arg.Type == bson.TypeArray {
		return c.operands(arg)
	}
	e, err := c.operand(arg)
	return []Expr{e}, err
}

func arity(op *operator, n int) error {
	switch {
	case op.min == op.max && n != op.min:
		return mongoerr.New(16020, "Expression %s takes exactly %d arguments. %d were passed in.", op.name, op.min, n)
	case op.max >= 0 && (n < op.min || n > op.max):
		return mongoerr.New(28667, "Expression %s takes at least %d arguments, and at most %d, but %d were passed in.", op.name, op.min, op.max, n)
	case op.max < 0 && n < op.min:
		return mongoerr.New(28667, "Expression %s takes at least %d arguments, but %d were passed in.", op.name, op.min, n)
	}
	return nil
}

// strict is an operator that evaluates all of its operands first.
type strict struct {
	eval func(*Env, []bson.RawValue) (bson.RawValue, error)
	args []Expr
}

// Eval implements Expr.
func (s *strict) Eval(env *Env) (bson.RawValue, error) {
	base := len(env.stack)
	for _, e := range s.args {
		v, err := e.Eval(env)
		if err != nil {
			env.stack = env.stack[:base]
			return v, err
		}
		env.stack = append(env.stack, v)
	}
	v, err := s.eval(env, env.stack[base:len(env.stack):len(env.stack)])
	env.stack = env.stack[:base]
	return v, err
}

// Deps implements Expr.
func (s *strict) Deps(d *Deps) {
	for _, e := range s.args {
		e.Deps(d)
	}
}

// named reads the named arguments of an operator ({$filter: {input: …, cond: …}}): nonObject is the error for an argument that is
// no document; unknown, given the field, the error for one that the operator does not have.
func named(arg bson.RawValue, nonObject error, unknown func(field string) error, fields ...string) ([]bson.RawValue, error) {
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, nonObject
	}
	out := make([]bson.RawValue, len(fields))
	for it := Each(arg.Value); ; {
		name, v, ok := it.Next()
		if !ok {
			return out, nil
		}
		i := slices.Index(fields, string(name))
		if i < 0 {
			return nil, unknown(string(name))
		}
		out[i] = v
	}
}

// optional compiles v, or answers nil when it is missing.
func (c *compiler) optional(v bson.RawValue) (Expr, error) {
	if Missing(v) {
		return nil, nil
	}
	return c.operand(v)
}

// all compiles every value; missing ones become nil.
func (c *compiler) all(vs []bson.RawValue) ([]Expr, error) {
	es := make([]Expr, len(vs))
	for i, v := range vs {
		e, err := c.optional(v)
		if err != nil {
			return nil, err
		}
		es[i] = e
	}
	return es, nil
}

// evalOr evaluates e, or answers v when there is none.
func evalOr(env *Env, e Expr, v bson.RawValue) (bson.RawValue, error) {
	if e == nil {
		return v, nil
	}
	return e.Eval(env)
}

// namedExpr is an operator with named arguments: nil for those not given. It folds as strict operators do.
type namedExpr struct {
	args []Expr
	eval func(env *Env, args []Expr) (bson.RawValue, error)
}

// Eval implements Expr.
func (n *namedExpr) Eval(env *Env) (bson.RawValue, error) { return n.eval(env, n.args) }

// Deps implements Expr.
func (n *namedExpr) Deps(d *Deps) {
	for _, e := range n.args {
		if e != nil {
			e.Deps(d)
		}
	}
}

func namedOf(args []Expr, eval func(env *Env, args []Expr) (bson.RawValue, error)) Expr {
	n := &namedExpr{args, eval}
	for _, e := range args {
		if e == nil {
			continue
		}
		if _, ok := e.(*constant); !ok {
			return n
		}
	}
	return fold(n)
}

// typeName is the name of a value's type as error messages give it.
func typeName(v bson.RawValue) string {
	switch v.Type {
	case 0:
		return "missing"
	case bson.TypeDouble:
		return "double"
	case bson.TypeString:
		return "string"
	case bson.TypeEmbeddedDocument:
		return "object"
	case bson.TypeArray:
		return "array"
	case bson.TypeBinary:
		return "binData"
	case bson.TypeUndefined:
		return "undefined"
	case bson.TypeObjectID:
		return "objectId"
	case bson.TypeBoolean:
		return "bool"
	case bson.TypeDateTime:
		return "date"
	case bson.TypeNull:
		return "null"
	case bson.TypeRegex:
		return "regex"
	case bson.TypeDBPointer:
		return "dbPointer"
	case bson.TypeJavaScript:
		return "javascript"
	case bson.TypeSymbol:
		return "symbol"
	case bson.TypeCodeWithScope:
		return "javascriptWithScope"
	case bson.TypeInt32:
		return "int"
	case bson.TypeTimestamp:
		return "timestamp"
	case bson.TypeInt64:
		return "long"
	case bson.TypeDecimal128:
		return "decimal"
	case bson.TypeMinKey:
		return "minKey"
	case bson.TypeMaxKey:
		return "maxKey"
	}
	return "unknown"
}
