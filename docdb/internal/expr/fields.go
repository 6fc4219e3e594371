package expr

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/value"
)

// maxFields is how many members are found in one pass; paths below others are looked up one by one.
const maxFields = 16

// Fields are the top-level members that the expressions of a stage read. They are noted while the expressions are compiled
// (Scope.Noting), and found in one pass over each document (Env.Gather) instead of one pass for each path.
type Fields struct {
	list  []string
	names *value.Names
}

// note gives the number of a member, counted from 1; 0 when there are too many.
func (f *Fields) note(name string) int {
	if f == nil {
		return 0
	}
	i := slices.Index(f.list, name)
	if i < 0 {
		if len(f.list) == maxFields {
			return 0
		}
		i = len(f.list)
		f.list = append(f.list, name)
		f.names = value.NewNames(f.list...)
	}
	return i + 1
}

// gathered is a member of the present document, in parts: a RawValue is more than registers take.
type gathered struct {
	t bson.Type
	v []byte
}

// Noted is a field that is found by Gather; the zero Noted is none.
type Noted struct {
	fields *Fields
	top    int
}

// NotedField returns the field that an expression is, when it is nothing but a top-level one that was noted.
func NotedField(e Expr) Noted {
	if p, ok := e.(*path); ok && p.top > 0 && len(p.parts) == 1 {
		return Noted{p.fields, p.top}
	}
	return Noted{}
}

// Find gives the field's value in parts, type 0 for a missing one; ok is false when Gather has not looked for it.
func (n Noted) Find(e *Env) (t bson.Type, v []byte, ok bool) {
	if n.top == 0 || e.fields != n.fields {
		return 0, nil, false
	}
	g := &e.tops[n.top-1]
	return g.t, g.v, true
}

// Gather finds the fields in the document that the Env was reset to.
func (e *Env) Gather(f *Fields) {
	n := len(f.list)
	if n == 0 {
		return
	}
	if cap(e.tops) < n {
		e.tops = make([]gathered, n, maxFields)
	}
	e.tops = e.tops[:n]
	clear(e.tops)
	e.fields = f
	seen, all := uint32(0), uint32(1)<<n-1
	for m := value.Members(e.root.Value); seen != all; {
		i, t, v := m.Find(f.names)
		if i < 0 {
			return
		}
		if seen&(1<<i) == 0 {
			seen |= 1 << i
			e.tops[i] = gathered{t, v}
		}
	}
}
