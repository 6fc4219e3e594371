package data

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// projection is a find projection of inclusions, exclusions and literal values
// (client-api.md §1.17), applied to what a user may read, never before.
type projection struct {
	exclude bool
	root    *projectionNode
}

// projectionNode is one level of names.
type projectionNode struct {
	keep     *bool // leaf: included or excluded
	literal  *bson.RawValue
	children []*projectionNode
	names    []string
}

func (n *projectionNode) child(name string) *projectionNode {
	for i, x := range n.names {
		if x == name {
			return n.children[i]
		}
	}
	return nil
}

// compileProjection reads a projection. It is nil for an empty one; simple is
// false when it needs the database ($slice, $elemMatch, expressions).
func compileProjection(d bson.Raw) (p *projection, simple bool, err error) {
	if len(d) <= 5 {
		return nil, true, nil
	}
	p = &projection{root: &projectionNode{}}
	var included, excluded, id int
	if simple, err = p.add(p.root, d, "", &included, &excluded, &id, 0); err != nil || !simple {
		return nil, simple, err
	}
	if included > 0 && excluded > 0 {
		return nil, true, mongoFault("Cannot mix inclusion and exclusion in a projection")
	}
	p.exclude = excluded > 0 || included == 0 && id < 0
	if !p.exclude && id == 0 {
		yes := true
		p.root.names = append(p.root.names, "_id")
		p.root.children = append(p.root.children, &projectionNode{keep: &yes})
	}
	return p, true, nil
}

func (p *projection) add(at *projectionNode, d bson.Raw, prefix string, included, excluded, id *int, depth int) (bool, error) {
	if depth > maxQueryDepth {
		return false, errDepth
	}
	elems, err := d.Elements()
	if err != nil {
		return false, invalid("the projection is not a valid document")
	}
	for _, e := range elems {
		key, v := e.Key(), e.Value()
		if key == "" || strings.HasPrefix(key, "$") || strings.Contains(key, ".$") {
			return false, nil
		}
		node := at
		for _, part := range strings.Split(key, ".") {
			if part == "" {
				return false, mongoFault("FieldPath field names may not be empty strings.")
			}
			if node.keep != nil || node.literal != nil {
				return false, mongoFault("Path collision at %s%s", prefix, key)
			}
			next := node.child(part)
			if next == nil {
				next = &projectionNode{}
				node.names, node.children = append(node.names, part), append(node.children, next)
			}
			node = next
		}
		if node.keep != nil || node.literal != nil || len(node.children) > 0 && v.Type != bson.TypeEmbeddedDocument {
			return false, mongoFault("Path collision at %s%s", prefix, key)
		}
		keep, isFlag := flag(v)
		switch {
		case isFlag:
			node.keep = &keep
			switch {
			case prefix+key == "_id":
				*id = map[bool]int{true: 1, false: -1}[keep]
			case keep:
				*included++
			default:
				*excluded++
			}
		case v.Type == bson.TypeEmbeddedDocument:
			if len(v.Value) <= 5 {
				return false, mongoFault("An empty sub-projection is not a valid value. Found empty object at path")
			}
			if simple, err := p.add(node, v.Document(), prefix+key+".", included, excluded, id, depth+1); err != nil || !simple {
				return simple, err
			}
		case v.Type == bson.TypeString && strings.HasPrefix(v.StringValue(), "$"), v.Type == bson.TypeArray:
			return false, nil
		default:
			node.literal = &v
			*included++
		}
	}
	return true, nil
}

// flag reads what includes or excludes: booleans and numbers.
func flag(v bson.RawValue) (keep, ok bool) {
	switch v.Type {
	case bson.TypeBoolean:
		return v.Boolean(), true
	case bson.TypeInt32, bson.TypeInt64:
		return v.AsInt64() != 0, true
	case bson.TypeDouble:
		return v.Double() != 0, true
	case bson.TypeDecimal128:
		return !v.Decimal128().IsZero(), true
	}
	return false, false
}

// apply gives the projected document.
func (p *projection) apply(d bson.Raw) (bson.Raw, error) {
	if p == nil {
		return d, nil
	}
	return p.document(make([]byte, 0, len(d)), p.root, d)
}

func (p *projection) document(dst []byte, n *projectionNode, d bson.Raw) ([]byte, error) {
	index, dst := bsoncore.AppendDocumentStart(dst)
	elems, err := d.Elements()
	if err != nil {
		return dst, err
	}
	for _, e := range elems {
		c := n.child(e.Key())
		switch {
		case c == nil:
			if p.exclude {
				dst = append(dst, e...)
			}
		case c.literal != nil:
		case c.keep != nil:
			if *c.keep {
				dst = append(dst, e...)
			}
		default:
			if dst, err = p.value(dst, e.Key(), c, e.Value()); err != nil {
				return dst, err
			}
		}
	}
	if dst, err = appendLiterals(dst, n, d); err != nil {
		return dst, err
	}
	return bsoncore.AppendDocumentEnd(dst, index)
}

// appendLiterals adds the literal values, and the documents that hold them where
// the document has none.
func appendLiterals(dst []byte, n *projectionNode, d bson.Raw) ([]byte, error) {
	for i, c := range n.children {
		switch {
		case c.literal != nil:
			dst = appendValue(dst, n.names[i], *c.literal)
		case c.keep == nil && hasLiteral(c):
			if d != nil && d.Lookup(n.names[i]).Type == bson.TypeEmbeddedDocument {
				continue
			}
			index, sub := bsoncore.AppendDocumentElementStart(dst, n.names[i])
			sub, err := appendLiterals(sub, c, nil)
			if err != nil {
				return dst, err
			}
			if dst, err = bsoncore.AppendDocumentEnd(sub, index); err != nil {
				return dst, err
			}
		}
	}
	return dst, nil
}

func hasLiteral(n *projectionNode) bool {
	for _, c := range n.children {
		if c.literal != nil || hasLiteral(c) {
			return true
		}
	}
	return false
}

// value projects inside a field: documents, and the documents of arrays.
func (p *projection) value(dst []byte, key string, n *projectionNode, v bson.RawValue) ([]byte, error) {
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		return p.document(bsoncore.AppendHeader(dst, bsoncore.TypeEmbeddedDocument, key), n, v.Value)
	case bson.TypeArray:
		index, dst := bsoncore.AppendArrayElementStart(dst, key)
		items, err := v.Array().Values()
		if err != nil {
			return dst, err
		}
		l := &list{dst: dst, index: index}
		for _, item := range items {
			switch item.Type {
			case bson.TypeEmbeddedDocument, bson.TypeArray:
				if l.dst, err = p.value(l.dst, itoa(l.n), n, item); err != nil {
					return l.dst, err
				}
				l.n++
			default:
				if p.exclude {
					l.value(item)
				}
			}
		}
		return l.end().Value, nil
	}
	if p.exclude {
		return appendValue(dst, key, v), nil
	}
	return dst, nil
}
