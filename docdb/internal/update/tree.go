package update

import (
	"cmp"
	"slices"
	"strings"

	"regent/docdb/internal/match"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// node is a place in the documents that an update changes: either an operation, or places below. All operators of an update
// form one tree, so that two of them on one path are found out, and a document is rewritten in one pass.
//
// Below a node are either names (and the positional $), or elements of an array chosen by $[] and $[identifier], never both:
// MongoDB calls such a mixture a conflict.
type node struct {
	op       operation
	children []child // in the order in which new fields are appended
	position *node   // the child called $
	elements []element
}

type child struct {
	name string
	n    *node
}

// element is a $[] (filter nil) or a $[identifier] with its filter.
type element struct {
	id     string
	filter *match.Matcher
	n      *node
}

// operation changes one value.
type operation interface {
	// apply returns the new value of a field: old itself to leave it, a missing value to remove it.
	apply(r *run, old rawValue) (rawValue, error)
	// creates reports whether the operation makes a field that is missing.
	creates(r *run) bool
}

// compareNames orders new fields: numbers by value and before all else, the rest by bytes.
func compareNames(a, b string) int {
	ia, na := value.ArrayIndex(a)
	ib, nb := value.ArrayIndex(b)
	switch {
	case na && nb:
		return cmp.Compare(ia, ib)
	case na:
		return -1
	case nb:
		return 1
	}
	return strings.Compare(a, b)
}

func (n *node) child(name string) *node {
	for i := range n.children {
		if n.children[i].name == name {
			return n.children[i].n
		}
	}
	return nil
}

func (n *node) add(name string, c *node) {
	at, _ := slices.BinarySearchFunc(n.children, name, func(c child, name string) int { return compareNames(c.name, name) })
	n.children = slices.Insert(n.children, at, child{name, c})
}

// insert puts an operation at a path below n.
func (n *node) insert(path value.Path, op operation, filters map[string]*match.Matcher) error {
	conflict := func(depth int) error {
		at := path[:depth]
		if depth == 0 {
			at = path[:1]
		}
		return mongoerr.New(mongoerr.ConflictingUpdateOperators, "Updating the path '%s' would create a conflict at '%s'", path, at)
	}
	for i, part := range path {
		if n.op != nil {
			return conflict(i)
		}
		var next *node
		id, isElements := elementsID(part)
		switch {
		case isElements:
			if len(n.children) > 0 || n.position != nil {
				return conflict(i)
			}
			for _, e := range n.elements {
				if e.id == id {
					next = e.n
				}
			}
			if next == nil {
				next = &node{}
				n.elements = append(n.elements, element{id, filters[id], next})
			}
		case len(n.elements) > 0:
			return conflict(i)
		case part == "$":
			if n.position == nil {
				n.position = &node{}
			}
			next = n.position
		default:
			if next = n.child(part); next == nil {
				next = &node{}
				n.add(part, next)
			}
		}
		n = next
	}
	if n.op != nil || len(n.children) > 0 || n.position != nil || len(n.elements) > 0 {
		return conflict(len(path))
	}
	n.op = op
	return nil
}

// elementsID recognises $[] (id "") and $[id].
func elementsID(part string) (id string, ok bool) {
	if strings.HasPrefix(part, "$[") && strings.HasSuffix(part, "]") {
		return part[2 : len(part)-1], true
	}
	return "", false
}

// merged joins two trees that turn out to be for the same place.
func merged(a, b *node, at string) (*node, error) {
	conflict := mongoerr.New(mongoerr.ConflictingUpdateOperators, "Update created a conflict at '%s'", at)
	if a.op != nil || b.op != nil || (len(a.elements) > 0) != (len(b.elements) > 0) {
		return nil, conflict
	}
	out := &node{position: a.position, children: slices.Clone(a.children), elements: slices.Clone(a.elements)}
	var err error
	if b.position != nil {
		if out.position == nil {
			out.position = b.position
		} else if out.position, err = merged(out.position, b.position, at+".$"); err != nil {
			return nil, err
		}
	}
	for _, c := range b.children {
		i := slices.IndexFunc(out.children, func(o child) bool { return o.name == c.name })
		if i < 0 {
			out.add(c.name, c.n)
			continue
		}
		m, err := merged(out.children[i].n, c.n, at+"."+c.name)
		if err != nil {
			return nil, err
		}
		out.children[i].n = m
	}
	for _, e := range b.elements {
		i := slices.IndexFunc(out.elements, func(o element) bool { return o.id == e.id })
		if i < 0 {
			out.elements = append(out.elements, e)
			continue
		}
		m, err := merged(out.elements[i].n, e.n, at+".$["+e.id+"]")
		if err != nil {
			return nil, err
		}
		out.elements[i].n = m
	}
	return out, nil
}

// creates reports whether something below n makes missing fields.
func (n *node) creates(r *run) bool {
	if n.op != nil {
		return n.op.creates(r)
	}
	if n.position != nil || len(n.elements) > 0 {
		return true
	}
	for _, c := range n.children {
		if c.n.creates(r) {
			return true
		}
	}
	return false
}

func (n *node) usesPosition() bool {
	if n.position != nil {
		return true
	}
	for _, c := range n.children {
		if c.n.usesPosition() {
			return true
		}
	}
	for _, e := range n.elements {
		if e.n.usesPosition() {
			return true
		}
	}
	return false
}
