package update

import (
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

type rawValue = bson.RawValue

// run is one application of a tree of operations to a document.
type run struct {
	Context
	doc       bson.Raw
	collation value.StringComparer
	changed   bool
	path      []string // where the walk is, for messages
}

func (r *run) at() string { return strings.Join(r.path, ".") }

// id shows the document's _id in messages, as MongoDB does: {_id: 1}, or {no id}.
func (r *run) id() string {
	id := value.Lookup(r.doc, "_id")
	if id.Type == 0 {
		return "{no id}"
	}
	return value.ShowElement("_id", id)
}

func (r *run) apply(root *node) (bson.Raw, error) {
	dst := r.Into[:0]
	if cap(dst) < len(r.doc) {
		dst = make([]byte, 0, len(r.doc)+64)
	}
	return r.document(dst, r.doc, root)
}

// document appends doc with the changes of n.
func (r *run) document(dst []byte, doc []byte, n *node) ([]byte, error) {
	n, err := r.resolve(n)
	if err != nil {
		return nil, err
	}
	start, dst := value.Begin(dst)
	var few uint64 // the children that were found, a bit each
	var many []bool
	if len(n.children) > 64 {
		many = make([]bool, len(n.children))
	}
	it := value.Over(doc)
	for it.Next() {
		i := -1
		for j := range n.children {
			if n.children[j].name == it.Key() {
				i = j
				break
			}
		}
		if i >= 0 && many == nil {
			if few>>i&1 == 1 {
				i = -1 // a repeated name; the first one counts
			} else {
				few |= 1 << i
			}
		} else if i >= 0 {
			if many[i] {
				i = -1
			} else {
				many[i] = true
			}
		}
		if i < 0 {
			dst = value.Append(dst, it.Key(), it.Value())
			continue
		}
		key := it.Key()
		r.path = append(r.path, key)
		mark := len(dst)
		dst = append(dst, 0)
		dst = append(append(dst, key...), 0)
		var t bson.Type
		if dst, t, err = r.value(dst, it.Value(), n.children[i].n); err != nil {
			return nil, err
		}
		if t == 0 {
			dst = dst[:mark]
		} else {
			dst[mark] = byte(t)
		}
		r.path = r.path[:len(r.path)-1]
	}
	for i := range n.children {
		if many == nil && few>>i&1 == 1 || many != nil && many[i] {
			continue
		}
		if dst, _, err = r.create(dst, n.children[i].name, n.children[i].n); err != nil {
			return nil, err
		}
	}
	return value.End(dst, start), nil
}

// resolve puts the index that $ stands for in its place.
func (r *run) resolve(n *node) (*node, error) {
	if n.position == nil {
		return n, nil
	}
	if r.Position < 0 {
		return nil, mongoerr.New(mongoerr.BadValue, "The positional operator did not find the match needed from the query.")
	}
	one := &node{children: []child{{strconv.Itoa(r.Position), n.position}}}
	return merged(&node{children: n.children}, one, r.at())
}

// value appends the changed bytes of v and returns their type, 0 for a value that is removed.
func (r *run) value(dst []byte, v rawValue, n *node) ([]byte, bson.Type, error) {
	var err error
	switch {
	case n.op != nil:
		out, err := n.op.apply(r, v)
		if err != nil {
			return nil, 0, err
		}
		if !value.Identical(v, out) {
			r.changed = true
		}
		return append(dst, out.Value...), out.Type, nil
	case len(n.elements) > 0:
		if v.Type != bson.TypeArray {
			return nil, 0, mongoerr.New(mongoerr.BadValue, "Cannot apply array updates to non-array element %s: %s", r.path[len(r.path)-1], value.Show(v))
		}
		dst, err = r.elements(dst, v.Value, n)
	case v.Type == bson.TypeEmbeddedDocument:
		dst, err = r.document(dst, v.Value, n)
	case v.Type == bson.TypeArray:
		dst, err = r.array(dst, v, n)
	default:
		if n, err = r.resolve(n); err != nil {
			return nil, 0, err
		}
		for _, c := range n.children {
			if c.n.creates(r) {
				return nil, 0, r.notViable(c.name, v)
			}
		}
		dst = append(dst, v.Value...)
	}
	return dst, v.Type, err
}

func (r *run) notViable(name string, parent rawValue) error {
	return mongoerr.New(mongoerr.PathNotViable, "Cannot create field '%s' in element %s", name, value.ShowElement(r.path[len(r.path)-1], parent))
}

// array appends an array whose elements are named by numbers.
func (r *run) array(dst []byte, arr rawValue, n *node) ([]byte, error) {
	n, err := r.resolve(n)
	if err != nil {
		return nil, err
	}
	for _, c := range n.children {
		if _, numeric := value.ArrayIndex(c.name); !numeric && c.n.creates(r) {
			if op, ok := c.n.op.(*renameOp); ok { // has a message of its own
				if _, err := op.apply(r, value.Missing); err != nil {
					return nil, err
				}
			}
			return nil, r.notViable(c.name, arr)
		}
	}
	start, dst := value.Begin(dst)
	it := value.Over(arr.Value)
	i, next := 0, 0
	for ; it.Next(); i++ {
		var c *node
		for ; next < len(n.children); next++ {
			k, numeric := value.ArrayIndex(n.children[next].name)
			if numeric && k > i {
				break
			}
			if numeric && k == i {
				c = n.children[next].n
				next++
				break
			}
		}
		if c == nil {
			dst = value.AppendIndexed(dst, i, it.Value())
			continue
		}
		if dst, err = r.element(dst, i, it.Value(), c); err != nil {
			return nil, err
		}
	}
	length := i
	for ; next < len(n.children); next++ {
		k, numeric := value.ArrayIndex(n.children[next].name)
		if !numeric || k < i {
			continue
		}
		c := n.children[next]
		if !c.n.creates(r) {
			continue
		}
		if k-length > MaxPadding {
			return nil, mongoerr.New(mongoerr.CannotBackfillArray, "can't backfill more than %d elements", MaxPadding)
		}
		mark := len(dst)
		pad := i
		for ; pad < k; pad++ {
			dst = value.AppendIndexed(dst, pad, value.Null)
		}
		var made bool
		if dst, made, err = r.create(dst, c.name, c.n); err != nil {
			return nil, err
		}
		if made {
			i = k + 1
		} else {
			dst = dst[:mark]
		}
	}
	return value.End(dst, start), nil
}

// element appends element i of an array with the changes of c. What is removed leaves null: elements do not shift.
func (r *run) element(dst []byte, i int, v rawValue, c *node) ([]byte, error) {
	name := strconv.Itoa(i)
	r.path = append(r.path, name)
	mark := len(dst)
	dst = append(dst, 0)
	dst = append(append(dst, name...), 0)
	dst, t, err := r.value(dst, v, c)
	if err != nil {
		return nil, err
	}
	r.path = r.path[:len(r.path)-1]
	if t == 0 {
		t = bson.TypeNull
	}
	dst[mark] = byte(t)
	return dst, nil
}

// elements appends an array with the changes of $[] and $[identifier].
func (r *run) elements(dst []byte, arr []byte, n *node) ([]byte, error) {
	start, dst := value.Begin(dst)
	it := value.Over(arr)
	for i := 0; it.Next(); i++ {
		var c *node
		for _, e := range n.elements {
			if e.filter != nil {
				ok, err := e.filter.Match(value.DocOf(value.Field{Name: e.id, Value: it.Value()}))
				if err != nil {
					return nil, err
				}
				if !ok {
					continue
				}
			}
			if c == nil {
				c = e.n
				continue
			}
			var err error
			if c, err = merged(c, e.n, r.at()+"."+strconv.Itoa(i)); err != nil {
				return nil, err
			}
		}
		if c == nil {
			dst = value.AppendIndexed(dst, i, it.Value())
			continue
		}
		var err error
		if dst, err = r.element(dst, i, it.Value(), c); err != nil {
			return nil, err
		}
	}
	return value.End(dst, start), nil
}

// create appends the missing field name as n makes it, nothing if n makes none.
func (r *run) create(dst []byte, name string, n *node) ([]byte, bool, error) {
	r.path = append(r.path, name)
	defer func() { r.path = r.path[:len(r.path)-1] }()
	if n.op != nil {
		v, err := n.op.apply(r, value.Missing)
		if err != nil || v.Type == 0 {
			return dst, false, err
		}
		r.changed = true
		return value.Append(dst, name, v), true, nil
	}
	if len(n.elements) > 0 {
		return nil, false, mongoerr.New(mongoerr.BadValue, "The path '%s' must exist in the document in order to apply array updates.", r.at())
	}
	n, err := r.resolve(n)
	if err != nil {
		return nil, false, err
	}
	mark := len(dst)
	start, dst := value.BeginElement(dst, bson.TypeEmbeddedDocument, name)
	any := false
	for _, c := range n.children {
		var made bool
		if dst, made, err = r.create(dst, c.name, c.n); err != nil {
			return nil, false, err
		}
		any = any || made
	}
	if !any {
		return dst[:mark], false, nil
	}
	return value.End(dst, start), true, nil
}
