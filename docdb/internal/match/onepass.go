package match

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/value"
)

// maxOnePass is the most different fields that a conjunction looks for in one pass over a document.
const maxOnePass = 8

// onePass is what a conjunction knows to evaluate its conditions in one pass over the document, whatever the order of its fields.
type onePass struct {
	names  []string
	checks [][]fieldNode // by name
	rest   []Node        // conditions that are not on a field
}

// prepare groups a conjunction's conditions by field, if that saves passes.
func (n *And) prepare() {
	if n.fields != nil || len(n.Children) < 2 {
		return
	}
	p := &onePass{}
	for _, c := range n.Children {
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
		for i := range p.names {
			if p.names[i] == name {
				at = i
			}
		}
		if at < 0 {
			at = len(p.names)
			p.names = append(p.names, name)
			p.checks = append(p.checks, nil)
		}
		p.checks[at] = append(p.checks[at], f)
	}
	if len(p.names) >= 1 && len(p.names) <= maxOnePass && len(p.rest) < len(n.Children)-1 {
		n.fields = p
	}
}

// eval checks each condition when its field comes by, and at the end those whose fields are missing.
func (p *onePass) eval(doc []byte) (bool, error) {
	var seen [maxOnePass]bool
	m := value.Members(doc)
	for left := len(p.names); left > 0; {
		i, v := m.Find(p.names)
		if i < 0 {
			break
		}
		if seen[i] {
			continue // a second member of the name; the first one counts
		}
		seen[i] = true
		left--
		for _, c := range p.checks[i] {
			if ok, err := c.evalField(nil, v); !ok || err != nil {
				return false, err
			}
		}
	}
	for i := range p.names {
		if seen[i] {
			continue
		}
		for _, c := range p.checks[i] {
			if ok, err := c.evalField(nil, bson.RawValue{}); !ok || err != nil {
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
