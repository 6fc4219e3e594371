package match

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/value"
)

// Finder matches documents and finds some of their top-level members in the same pass. It is safe for concurrent use.
type Finder struct {
	names  *value.Names // those of fields first, then others that there are conditions on
	fields int
	checks [][]check // by name
	rest   []Node
}

// maxFound is the most names that a Finder looks for at once.
const maxFound = 30

// Finder makes a Finder of the filter for the members of some names; nil when there are too many.
func (m *Matcher) Finder(fields []string) *Finder {
	p := passOf(m.root)
	f := &Finder{fields: len(fields), rest: p.rest, checks: make([][]check, len(fields))}
	names := slices.Clone(fields)
	if p == noPass {
		f.rest = []Node{m.root}
	} else {
		for i := range p.checks {
			at := slices.Index(names, p.names.Name(i))
			if at < 0 {
				at = len(names)
				names = append(names, p.names.Name(i))
				f.checks = append(f.checks, nil)
			}
			f.checks[at] = p.checks[i]
		}
	}
	if len(names) > maxFound {
		return nil
	}
	f.names = value.NewNames(names...)
	return f
}

// Match reports whether the document satisfies the filter, and if it does, what its members are: found has one for each name. It
// follows the layout that it has learned from documents before.
func (f *Finder) Match(doc bson.Raw, found []value.Found, layout *value.Layout) (bool, error) {
	seen, all := uint32(0), uint32(1)<<len(f.checks)-1
	var m value.Named
	layout.Follow(&m, doc)
	for seen != all {
		i, t, v := m.Find(f.names)
		if i < 0 {
			break
		}
		if seen&(1<<i) != 0 {
			continue
		}
		seen |= 1 << i
		if i < f.fields {
			found[i] = value.Found{Type: t, Value: v}
		}
		for j := range f.checks[i] {
			if ok, err := f.checks[i][j].holds(t, v); !ok || err != nil {
				return false, err
			}
		}
	}
	if seen == all {
		layout.Learn(&m, f.names)
	} else {
		for i := range found {
			if seen&(1<<i) == 0 {
				found[i] = value.Found{}
			}
		}
		if ok, err := missing(f.checks, seen); !ok || err != nil {
			return false, err
		}
	}
	for _, c := range f.rest {
		if ok, err := c.eval(nil, value.Doc(doc)); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}
