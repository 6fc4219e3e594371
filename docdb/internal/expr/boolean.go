package expr

import (
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"
)

func booleanOperators() []operator {
	return []operator{
		{name: "$and", compile: compileLogic, help: "true when no operand is false, null, 0 or missing; stops at the first that is"},
		{name: "$or", compile: compileLogic, help: "true when some operand is neither false, null, 0 nor missing; stops at the first"},
		{name: "$not", min: 1, max: 1, help: "the opposite", eval: func(_ *Env, a []bson.RawValue) (bson.RawValue, error) {
			return Bool(!Truthy(a[0])), nil
		}},
	}
}

// Truthy says how a value counts as a condition: missing, null, undefined, false and every zero are false, all else is true.
func Truthy(v bson.RawValue) bool {
	switch v.Type {
	case 0, bson.TypeNull, bson.TypeUndefined:
		return false
	case bson.TypeBoolean:
		return len(v.Value) > 0 && v.Value[0] != 0
	case bson.TypeInt32, bson.TypeInt64:
		for _, b := range v.Value {
			if b != 0 {
				return true
			}
		}
		return false
	case bson.TypeDouble:
		return math.Float64frombits(le.Uint64(v.Value)) != 0
	case bson.TypeDecimal128:
		n, _ := numberOf(v)
		return !isZero(n)
	}
	return true
}

// logic is $and (stop at false) and $or (stop at true).
type logic struct {
	args []Expr
	stop bool
}

func compileLogic(c *compiler, name string, arg bson.RawValue) (Expr, error) {
	es, err := c.arguments(arg)
	if err != nil {
		return nil, err
	}
	l := &logic{stop: name == "$or"}
	for _, e := range es {
		v, ok := Constant(e)
		switch {
		case !ok:
			l.args = append(l.args, e)
		case Truthy(v) == l.stop && len(l.args) == 0:
			return &constant{Bool(l.stop)}, nil
		case Truthy(v) == l.stop:
			l.args = append(l.args, e)
		}
	}
	if len(l.args) == 0 {
		return &constant{Bool(!l.stop)}, nil
	}
	return l, nil
}

// Eval implements Expr.
func (l *logic) Eval(env *Env) (bson.RawValue, error) {
	for _, e := range l.args {
		v, err := e.Eval(env)
		if err != nil {
			return v, err
		}
		if Truthy(v) == l.stop {
			return Bool(l.stop), nil
		}
	}
	return Bool(!l.stop), nil
}

// Deps implements Expr.
func (l *logic) Deps(d *Deps) {
	for _, e := range l.args {
		e.Deps(d)
	}
}

// Conjuncts returns the operands of an $and, or e alone.
func Conjuncts(e Expr) []Expr {
	if l, ok := e.(*logic); ok && !l.stop {
		return l.args
	}
	return []Expr{e}
}
