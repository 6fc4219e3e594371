package expr

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
)

func variableOperators() []operator {
	return []operator{
		{name: "$let", compile: compileLet, help: "an expression with variables of its own"},
		{name: "$literal", compile: compileLiteral, help: "a value that is not looked into"},
		{name: "$const", compile: compileLiteral, help: "a value that is not looked into ($literal)"},
		{name: "$rand", compile: compileRand, help: "a random number from 0 to 1"},
		{name: "$meta", compile: compileMeta, help: "metadata of the document: textScore, sortKey, geoNearDistance, …"},
	}
}

// refusedOperators are known by name and answered with a reason.
func refusedOperators() []operator {
	refuse := func(name string, code mongoerr.Code, why string) operator {
		return operator{name: name, help: "refused: " + why, compile: func(*compiler, string, bson.RawValue) (Expr, error) {
			return nil, mongoerr.New(code, "%s is not supported: %s", name, why)
		}}
	}
	return []operator{
		refuse("$function", mongoerr.NotImplemented, "this server runs no JavaScript in expressions"),
		refuse("$accumulator", mongoerr.NotImplemented, "this server runs no JavaScript in expressions"),
		refuse("$where", mongoerr.NotImplemented, "this server runs no JavaScript in expressions"),
		refuse("$toHashedIndexKey", mongoerr.NotImplemented, "hashed keys of this server are its own"),
		refuse("$encStrStartsWith", mongoerr.NotImplemented, "queryable encryption is not available"),
		refuse("$encStrEndsWith", mongoerr.NotImplemented, "queryable encryption is not available"),
		refuse("$encStrContains", mongoerr.NotImplemented, "queryable encryption is not available"),
		refuse("$encStrNormalizedEq", mongoerr.NotImplemented, "queryable encryption is not available"),
	}
}

// let evaluates an expression with variables bound.
type let struct {
	slots []int
	vars  []Expr
	in    Expr
}

func compileLet(c *compiler, name string, arg bson.RawValue) (Expr, error) {
	vs, err := named(arg, mongoerr.New(16874, "$let only supports an object as its argument"), func(f string) error {
		return mongoerr.New(16875, "Unrecognized parameter to $let: %s", f)
	}, "vars", "in")
	if err != nil {
		return nil, err
	}
	if Missing(vs[0]) {
		return nil, mongoerr.New(16876, "Missing 'vars' parameter to $let")
	}
	if Missing(vs[1]) {
		return nil, mongoerr.New(16877, "Missing 'in' parameter to $let")
	}
	if vs[0].Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(10065, "invalid parameter: expected an object (vars)")
	}
	l := &let{}
	inner := c.scope
	for it := Each(vs[0].Value); ; {
		n, v, ok := it.Next()
		if !ok {
			break
		}
		if err := ValidVariable(string(n)); err != nil {
			return nil, err
		}
		e, err := c.operand(v)
		if err != nil {
			return nil, err
		}
		var slot int
		inner, slot = inner.Define(string(n))
		l.slots, l.vars = append(l.slots, slot), append(l.vars, e)
	}
	if l.in, err = c.within(inner).operand(vs[1]); err != nil {
		return nil, err
	}
	if _, ok := l.in.(*constant); ok {
		return l.in, nil
	}
	return l, nil
}

// Eval implements Expr.
func (l *let) Eval(env *Env) (bson.RawValue, error) {
	// All values first: their own inner variables use the same slots.
	base := len(env.stack)
	for _, e := range l.vars {
		v, err := e.Eval(env)
		if err != nil {
			env.stack = env.stack[:base]
			return v, err
		}
		env.stack = append(env.stack, v)
	}
	for i, slot := range l.slots {
		env.Bind(slot, env.stack[base+i])
	}
	env.stack = env.stack[:base]
	return l.in.Eval(env)
}

// Deps implements Expr.
func (l *let) Deps(d *Deps) {
	for _, e := range l.vars {
		e.Deps(d)
	}
	l.in.Deps(d)
}

func compileLiteral(_ *compiler, _ string, arg bson.RawValue) (Expr, error) {
	return &constant{arg}, nil
}

// random is $rand.
type random struct{ f func() float64 }

func compileRand(c *compiler, name string, arg bson.RawValue) (Expr, error) {
	if arg.Type != bson.TypeEmbeddedDocument && arg.Type != bson.TypeArray || count(arg.Value) != 0 {
		return nil, mongoerr.New(3040501, "$rand does not currently accept arguments")
	}
	return &random{c.scope.opts.Rand}, nil
}

// Eval implements Expr.
func (r *random) Eval(env *Env) (bson.RawValue, error) { return env.Double(r.f()), nil }

// Deps implements Expr.
func (r *random) Deps(d *Deps) { d.Volatile = true }

// meta reads one kind of metadata.
type meta struct{ name string }

func compileMeta(c *compiler, name string, arg bson.RawValue) (Expr, error) {
	if arg.Type != bson.TypeString {
		return nil, mongoerr.New(17307, "$meta only supports string arguments")
	}
	m := &meta{string(stringBytes(arg))}
	if m.of(&Meta{}) == nil {
		return nil, mongoerr.New(17308, "Unsupported argument to $meta: %s", m.name)
	}
	return m, nil
}

func (m *meta) of(x *Meta) *bson.RawValue {
	switch m.name {
	case "textScore":
		return &x.TextScore
	case "geoNearDistance":
		return &x.GeoDistance
	case "geoNearPoint":
		return &x.GeoPoint
	case "sortKey":
		return &x.SortKey
	case "indexKey":
		return &x.IndexKey
	case "recordId":
		return &x.RecordID
	case "randVal":
		return &x.RandVal
	case "searchScore":
		return &x.SearchScore
	case "searchHighlights":
		return &x.HighlightSet
	}
	return nil
}

// Eval implements Expr.
func (m *meta) Eval(env *Env) (bson.RawValue, error) {
	if env.meta == nil {
		return bson.RawValue{}, nil
	}
	return *m.of(env.meta), nil
}

// Deps implements Expr.
func (m *meta) Deps(d *Deps) { d.AddMeta(m.name) }
