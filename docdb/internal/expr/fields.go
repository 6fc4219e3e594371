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

// List gives the names of the members.
func (f *Fields) List() []string { return f.list }

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
	return g.Type, g.Value, true
}

// Gather finds the fields in the document that the Env was reset to.
func (e *Env) Gather(f *Fields) {
	n := len(f.list)
	if n == 0 {
		return
	}
	if cap(e.room) < n {
		e.room = make([]value.Found, n, maxFields)
	}
	found := e.room[:n]
	clear(found)
	seen, all := uint32(0), uint32(1)<<n-1
	for m := value.Members(e.root.Value); seen != all; {
		i, t, v := m.Find(f.names)
		if i < 0 {
			break
		}
		if seen&(1<<i) == 0 {
			seen |= 1 << i
			found[i] = value.Found{Type: t, Value: v}
		}
	}
	e.Gathered(f, found)
}

// Gathered tells what the fields are in the document that the Env was reset to, in the order of List.
func (e *Env) Gathered(f *Fields, found []value.Found) { e.fields, e.tops = f, found }
