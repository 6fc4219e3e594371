package expr

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
)

func conditionalOperators() []operator {
	return []operator{
		{name: "$cond", compile: compileCond, help: "one of two expressions, by a condition"},
		{name: "$ifNull", compile: compileIfNull, help: "the first operand that is neither null nor missing, else the last"},
		{name: "$switch", compile: compileSwitch, help: "the expression of the first case that is true"},
	}
}

// choice is $cond and $switch: pairs of condition and result, then the default.
type choice struct {
	conds, results []Expr
	otherwise      Expr
}

// Eval implements Expr.
func (s *choice) Eval(env *Env) (bson.RawValue, error) {
	for i, c := range s.conds {
		v, err := c.Eval(env)
		if err != nil {
			return v, err
		}
		if Truthy(v) {
			return s.results[i].Eval(env)
		}
	}
	if s.otherwise == nil {
		if len(s.conds) > 0 {
			return Null, mongoerr.New(40066, "$switch could not find a matching branch for an input, and no default was specified.")
		}
		return Null, mongoerr.New(40069, "One cannot execute a switch statement where all the cases evaluate to false without a default.")
	}
	return s.otherwise.Eval(env)
}

// Deps implements Expr.
func (s *choice) Deps(d *Deps) {
	for i := range s.conds {
		s.conds[i].Deps(d)
		s.results[i].Deps(d)
	}
	if s.otherwise != nil {
		s.otherwise.Deps(d)
	}
}

// simplify takes out the cases that are decided already.
func (s *choice) simplify() Expr {
	out := &choice{otherwise: s.otherwise}
	for i, c := range s.conds {
		v, ok := Constant(c)
		switch {
		case ok && !Truthy(v):
			continue
		case ok:
			out.otherwise = s.results[i]
			if len(out.conds) == 0 {
				return out.otherwise
			}
			return out
		}
		out.conds = append(out.conds, c)
		out.results = append(out.results, s.results[i])
	}
	if len(out.conds) == 0 && out.otherwise != nil {
		return out.otherwise
	}
	return out
}

func compileCond(c *compiler, name string, arg bson.RawValue) (Expr, error) {
	var es []Expr
	var err error
	if arg.Type == bson.TypeEmbeddedDocument {
		vs, err := named(arg, nil, func(f string) error {
			return mongoerr.New(17083, "Unrecognized parameter to $cond: %s", f)
		}, "if", "then", "else")
		if err != nil {
			return nil, err
		}
		for i, f := range []string{"if", "then", "else"} {
			if Missing(vs[i]) {
				return nil, mongoerr.New(mongoerr.Code(17080+i), "Missing '%s' parameter to $cond", f)
			}
		}
		es, err = c.all(vs)
		if err != nil {
			return nil, err
		}
	} else {
		if es, err = c.arguments(arg); err != nil {
			return nil, err
		}
		if len(es) != 3 {
			return nil, mongoerr.New(16020, "Expression $cond takes exactly 3 arguments. %d were passed in.", len(es))
		}
	}
	return (&choice{conds: es[:1], results: es[1:2], otherwise: es[2]}).simplify(), nil
}

func compileSwitch(c *compiler, name string, arg bson.RawValue) (Expr, error) {
	vs, err := named(arg, mongoerr.New(40060, "$switch requires an object as an argument, found: %s", typeName(arg)), func(f string) error {
		return mongoerr.New(40067, "$switch found an unknown argument: %s", f)
	}, "branches", "default")
	if err != nil {
		return nil, err
	}
	s := &choice{}
	if s.otherwise, err = c.optional(vs[1]); err != nil {
		return nil, err
	}
	if !Missing(vs[0]) && vs[0].Type != bson.TypeArray {
		return nil, mongoerr.New(40061, "$switch expected an array for 'branches', found: %s", typeName(vs[0]))
	}
	for it := Each(vs[0].Value); ; {
		_, b, ok := it.Next()
		if !ok {
			break
		}
		parts, err := named(b, mongoerr.New(40062, "$switch expected each branch to be an object, found: %s", typeName(b)), func(f string) error {
			return mongoerr.New(40063, "$switch found an unknown argument to a branch: %s", f)
		}, "case", "then")
		if err != nil {
			return nil, err
		}
		if Missing(parts[0]) {
			return nil, mongoerr.New(40064, "$switch requires each branch have a 'case' expression")
		}
		if Missing(parts[1]) {
			return nil, mongoerr.New(40065, "$switch requires each branch have a 'then' expression.")
		}
		es, err := c.all(parts)
		if err != nil {
			return nil, err
		}
		s.conds, s.results = append(s.conds, es[0]), append(s.results, es[1])
	}
	if len(s.conds) == 0 {
		return nil, mongoerr.New(40068, "$switch requires at least one branch.")
	}
	return s.simplify(), nil
}

type ifNull struct{ args []Expr }

func compileIfNull(c *compiler, name string, arg bson.RawValue) (Expr, error) {
	es, err := c.arguments(arg)
	if err != nil {
		return nil, err
	}
	if len(es) < 2 {
		return nil, mongoerr.New(1257300, "$ifNull needs at least two arguments, had: %d", len(es))
	}
	var keep []Expr
	for i, e := range es {
		v, ok := Constant(e)
		if ok && Nullish(v) && i < len(es)-1 {
			continue
		}
		keep = append(keep, e)
		if ok {
			break
		}
	}
	if len(keep) == 1 {
		return keep[0], nil
	}
	return &ifNull{keep}, nil
}

// Eval implements Expr.
func (n *ifNull) Eval(env *Env) (v bson.RawValue, err error) {
	for _, e := range n.args {
		if v, err = e.Eval(env); err != nil || !Nullish(v) {
			return v, err
		}
	}
	return v, nil
}

// Deps implements Expr.
func (n *ifNull) Deps(d *Deps) {
	for _, e := range n.args {
		e.Deps(d)
	}
}
