package rule

import (
	"context"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Kind says where an expression stands, which decides what it may look at.
type Kind uint8

// The kinds of expression.
const (
	Document Kind = iota // roles: bare keys are fields of the document
	Validate             // validate in a schema: as Document, %%this is the validated value
	Call                 // filters' apply_when, can_evaluate: there is no document
	Service              // rules of third-party services: bare keys are %%args
)

func (k Kind) describe() string {
	switch k {
	case Document:
		return "a role of a collection"
	case Validate:
		return "a schema's validate"
	case Service:
		return "a rule of a service"
	}
	return "an expression without a document"
}

// Expr is a compiled expression: immutable, safe for concurrent use.
type Expr struct {
	node    node
	broken  bool // it did not compile and is false
	literal bool // it is written as a plain boolean
}

// Eval evaluates the expression. What cannot be evaluated (a throwing function,
// a conversion of garbage) is false. The error is only that ctx ended.
func (x *Expr) Eval(ctx context.Context, env *Env) (bool, error) {
	if c, ok := x.node.(constant); ok {
		return bool(c), nil
	}
	env.ctx = ctx
	return x.eval(env)
}

// eval is Eval for an Env that carries its context already.
func (x *Expr) eval(e *Env) (bool, error) {
	if c, ok := x.node.(constant); ok {
		return bool(c), nil
	}
	r := x.node.eval(e)
	if e.err != nil {
		return false, e.err
	}
	return r, nil
}

// Constant tells whether the expression is the same for everybody, and what.
func (x *Expr) Constant() (value, ok bool) {
	c, ok := x.node.(constant)
	return bool(c), ok
}

// Broken tells whether the expression did not compile. It is false then.
func (x *Expr) Broken() bool { return x.broken }

// String gives the expression in a readable form.
func (x *Expr) String() string { return x.node.String() }

type operator uint8

const (
	opEq operator = iota
	opIn
	opGt
	opGte
	opLt
	opLte
	opExists
)

var operatorNames = [...]string{"=", "in", ">", ">=", "<", "<=", "exists"}

// node is a part of an expression's tree.
type node interface {
	eval(e *Env) bool
	depends() dependency
	query(e *Env) pushed
	String() string
}

type constant bool

func (c constant) eval(*Env) bool      { return bool(c) }
func (c constant) depends() dependency { return 0 }
func (c constant) String() string      { return fmt.Sprint(bool(c)) }

type allOf struct {
	nodes []node
	dep   dependency
}

// eval is false when one part is, whatever could not be evaluated beside it;
// else it cannot be evaluated when one part cannot.
func (a *allOf) eval(e *Env) bool {
	start := e.failed
	unknown := false
	for _, n := range a.nodes {
		before := e.failed
		if n.eval(e) {
			continue
		}
		if e.failed == before {
			e.failed = start
			return false
		}
		unknown = true
	}
	return !unknown
}
func (a *allOf) depends() dependency { return a.dep }
func (a *allOf) String() string      { return join(a.nodes, " and ") }

type anyOf struct {
	nodes []node
	dep   dependency
}

// eval is true when one part is, whatever could not be evaluated beside it.
func (a *anyOf) eval(e *Env) bool {
	start := e.failed
	for _, n := range a.nodes {
		if n.eval(e) {
			e.failed = start
			return true
		}
	}
	return false
}
func (a *anyOf) depends() dependency { return a.dep }
func (a *anyOf) String() string      { return join(a.nodes, " or ") }

// negation is false, not true, when its inside could not be evaluated: a
// throwing function must not grant by being negated.
type negation struct{ inner node }

func (n *negation) eval(e *Env) bool {
	before := e.failed
	r := n.inner.eval(e)
	return !r && e.failed == before // a part that is true has reset it
}
func (n *negation) depends() dependency { return n.inner.depends() }
func (n *negation) String() string      { return "not (" + n.inner.String() + ")" }

// condition compares what its left side reaches with its right side.
type condition struct {
	left  *operand
	op    operator
	right *operand
	dep   dependency
}

func (c *condition) eval(e *Env) bool {
	r := c.right.value(e)
	if isMissing(r) {
		// Nothing compares with a missing value. A list that is not there cannot
		// be searched, in either direction.
		if c.op == opIn {
			e.failed++
		}
		return false
	}
	if c.op == opIn && r.Type != bson.TypeArray {
		e.failed++
		return false
	}
	t := comparison{op: c.op, right: r}
	ok := t.any(c.left.base(e), c.left.path)
	e.noteCondition(c, r, ok)
	return ok
}
func (c *condition) depends() dependency { return c.dep }
func (c *condition) String() string {
	return c.left.String() + " " + operatorNames[c.op] + " " + c.right.String()
}

// presence tells whether its operand has a value, or has none.
type presence struct {
	left *operand
	want *operand
	dep  dependency
}

func (p *presence) eval(e *Env) bool {
	w := p.want.value(e)
	want, ok := w.BooleanOK()
	if !ok {
		e.failed++
		return false
	}
	t := comparison{op: opExists}
	return t.any(p.left.base(e), p.left.path) == want
}
func (p *presence) depends() dependency { return p.dep }
func (p *presence) String() string {
	return p.left.String() + " exists = " + p.want.String()
}

func join(nodes []node, sep string) string {
	parts := make([]string, len(nodes))
	for i, n := range nodes {
		parts[i] = n.String()
	}
	return "(" + strings.Join(parts, sep) + ")"
}
