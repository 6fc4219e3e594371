package match

import (
	"sync/atomic"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/value"
)

// maxOnePass is the most different fields that a conjunction looks for in one pass over a document.
const maxOnePass = 8

// onePass is what a conjunction knows to evaluate its conditions in one pass over the document, whatever the order of its fields.
type onePass struct {
	names  *value.Names
	checks [][]check // by name
	rest   []Node    // conditions that are not on a field
}

// check is a condition on a field. For a comparison with the value of the field itself plain is set: it needs no walk along a path
// unless the value is an array.
type check struct {
	fieldNode
	plain *Compare
}

func newCheck(f fieldNode) check {
	c, ok := f.(*Compare)
	if !ok || len(c.Path) != 1 {
		c = nil
	}
	return check{f, c}
}

// holds decides the condition for a value given in parts, type 0 for a missing one.
func (c *check) holds(t bson.Type, v []byte) (bool, error) {
	if c.plain != nil && t == c.plain.Value.Type {
		if ok, decided := c.plain.quick(v); decided {
			return ok, nil
		}
	}
	f := bson.RawValue{Type: t, Value: v}
	if c.plain != nil && t != bson.TypeArray {
		return c.plain.test(f)
	}
	return c.evalField(nil, f)
}

// lazyPass makes a onePass of a condition that turns out to be evaluated on many documents: for a few it is not worth it.
type lazyPass struct {
	made  atomic.Pointer[onePass]
	calls atomic.Int32
}

// someCalls are as many documents as are looked at before the onePass is made.
const someCalls = 8

// noPass is made of a condition for which one pass saves nothing.
var noPass = &onePass{}

// of counts an evaluation of n on a document, and gives the onePass to do it with, or nil.
func (l *lazyPass) of(n Node) *onePass {
	switch p := l.made.Load(); p {
	case noPass:
	case nil:
		if l.calls.Add(1) == someCalls {
			l.made.Store(passOf(n))
		}
	default:
		return p
	}
	return nil
}

func passOf(n Node) *onePass {
	conds := []Node{n}
	if and, ok := n.(*And); ok {
		conds = and.Children
	}
	p := newOnePass(conds)
	if p == nil || len(conds) == 1 && len(p.rest) > 0 {
		return noPass
	}
	return p
}

// newOnePass groups conditions by field; nil where that saves nothing.
func newOnePass(conds []Node) *onePass {
	p := &onePass{}
	var names []string
	for _, c := range conds {
		f, ok := c.(fieldNode)
		name := ""
		if ok {
			name, ok = f.first()
		}
		if !ok {
			p.rest = append(p.rest, c)
			continue
		}
		at := -1
		for i := range names {
			if names[i] == name {
				at = i
			}
		}
		if at < 0 {
			at = len(names)
			names = append(names, name)
			p.checks = append(p.checks, nil)
		}
		p.checks[at] = append(p.checks[at], newCheck(f))
	}
	if len(names) == 0 || len(names) > maxOnePass || len(p.rest) > 0 && len(p.rest) >= len(conds)-1 {
		return nil
	}
	p.names = value.NewNames(names...)
	return p
}

// eval checks each condition when its field comes by, and at the end those whose fields are missing.
func (p *onePass) eval(doc []byte) (bool, error) {
	seen, all := uint32(0), uint32(1)<<len(p.checks)-1
	m := value.Members(doc)
	for seen != all {
		i, t, v := m.Find(p.names)
		if i < 0 {
			if ok, err := missing(p.checks, seen); !ok || err != nil {
				return false, err
			}
			break
		}
		if seen&(1<<i) != 0 {
			continue // a second member of the name; the first one counts
		}
		seen |= 1 << i
		for j := range p.checks[i] {
			if ok, err := p.checks[i][j].holds(t, v); !ok || err != nil {
				return false, err
			}
		}
	}
	for _, c := range p.rest {
		if ok, err := c.eval(nil, value.Doc(doc)); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// missing checks the conditions on fields that the document does not have.
func missing(checks [][]check, seen uint32) (bool, error) {
	for i := range checks {
		if seen&(1<<i) != 0 {
			continue
		}
		for j := range checks[i] {
			if ok, err := checks[i][j].holds(0, nil); !ok || err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

func (n *Compare) first() (string, bool) { return firstOf(n.Path) }
func (n *Compare) evalField(s *state, f bson.RawValue) (bool, error) {
	return walkField(s, f, n.Path, value.ElementsAndWhole, n)
}

func (n *In) first() (string, bool) { return firstOf(n.Path) }
func (n *In) evalField(s *state, f bson.RawValue) (bool, error) {
	return walkField(s, f, n.Path, value.ElementsAndWhole, n)
}

func (n *Regex) first() (string, bool) { return firstOf(n.Path) }
func (n *Regex) evalField(s *state, f bson.RawValue) (bool, error) {
	return walkField(s, f, n.Path, value.ElementsAndWhole, n)
}

func (n *Exists) first() (string, bool) { return firstOf(n.Path) }
func (n *Exists) evalField(s *state, f bson.RawValue) (bool, error) {
	return walkField(s, f, n.Path, value.ElementsAndWhole, n)
}

func (n *Type) first() (string, bool) { return firstOf(n.Path) }
func (n *Type) evalField(s *state, f bson.RawValue) (bool, error) {
	return walkField(s, f, n.Path, value.ElementsAndWhole, n)
}

func (n *Size) first() (string, bool) { return firstOf(n.Path) }
func (n *Size) evalField(s *state, f bson.RawValue) (bool, error) {
	return walkField(s, f, n.Path, value.Whole, n)
}

func (n *Mod) first() (string, bool) { return firstOf(n.Path) }
func (n *Mod) evalField(s *state, f bson.RawValue) (bool, error) {
	return walkField(s, f, n.Path, value.ElementsAndWhole, n)
}

func (n *Bits) first() (string, bool) { return firstOf(n.Path) }
func (n *Bits) evalField(s *state, f bson.RawValue) (bool, error) {
	return walkField(s, f, n.Path, value.ElementsAndWhole, n)
}

func (n *Geo) first() (string, bool) { return firstOf(n.Path) }
func (n *Geo) evalField(s *state, f bson.RawValue) (bool, error) {
	return walkField(s, f, n.Path, value.Whole, n)
}

func (n *Not) first() (string, bool) {
	if c, ok := n.Child.(fieldNode); ok {
		return c.first()
	}
	return "", false
}

func (n *Not) evalField(_ *state, f bson.RawValue) (bool, error) {
	ok, err := n.Child.(fieldNode).evalField(nil, f)
	return !ok && err == nil, err
}
