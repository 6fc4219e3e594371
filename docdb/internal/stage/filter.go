package stage

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/match"
	"regent/docdb/internal/value"
)

// filter compiles the filter of a $match. Its $expr is evaluated with the Env that env returns, which has to be reset to the
// document before.
func (c *compiler) filter(filter bson.Raw, env func() *expr.Env, reads *expr.Deps) (*match.Matcher, error) {
	opts := c.env.Match
	opts.Collation = c.env.collation()
	opts.Expr = func(v bson.RawValue) (func(bson.Raw) (bool, error), error) {
		e, err := expr.Compile(v, c.scope)
		if err != nil {
			return nil, err
		}
		e.Deps(reads)
		return func(bson.Raw) (bool, error) {
			r, err := e.Eval(env())
			return err == nil && expr.Truthy(r), err
		}, nil
	}
	if opts.Rand == nil {
		opts.Rand = c.scope.Options().Rand
	}
	m, err := match.Compile(filter, opts)
	if err != nil {
		return nil, err
	}
	filterDeps(m.Root(), reads)
	return m, nil
}

// filterDeps adds the fields that a filter reads.
func filterDeps(n match.Node, d *expr.Deps) {
	var children []match.Node
	switch n := n.(type) {
	case *match.And:
		children = n.Children
	case *match.Or:
		children = n.Children
	case *match.Nor:
		children = n.Children
	case *match.Not:
		children = []match.Node{n.Child}
	case *match.Expr, *match.Constant, *match.Sample:
	default:
		p := match.PathOf(n)
		if len(p) == 0 {
			d.Whole = true
			return
		}
		d.AddPath(p.String())
	}
	for _, c := range children {
		filterDeps(c, d)
	}
}

// splitFilter parts the filter of a sub-pipeline's first $match into what another collection can answer by itself, and whether
// anything is left: $expr may use variables and stays behind.
func splitFilter(filter bson.Raw) (own bson.Raw, rest bool) {
	d := newDoc(nil)
	for it := expr.Each(filter); ; {
		name, v, ok := it.Next()
		if !ok {
			return d.done(), rest
		}
		if string(name) == "$expr" || len(name) > 0 && name[0] == '$' && mentions(v, "$expr") {
			rest = true
			continue
		}
		d.add(string(name), v)
	}
}

// mentions reports whether a member anywhere in v has the name.
func mentions(v bson.RawValue, name string) bool {
	if !value.IsDoc(v) && !value.IsArray(v) {
		return false
	}
	for it := expr.Each(v.Value); ; {
		n, m, ok := it.Next()
		if !ok {
			return false
		}
		if string(n) == name || mentions(m, name) {
			return true
		}
	}
}
