package rule

import (
	"bytes"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// pushed is an expression as a MongoDB query. The query matches at least every
// document for which the expression is true; exact says that it matches no
// other. Queries take part in decisions only as far as that holds: documents
// that come back are judged again by the expression itself.
type pushed struct {
	kind  pushKind
	query []byte // a document, for pushQuery
	exact bool
}

type pushKind uint8

const (
	pushAll   pushKind = iota // every document
	pushNone                  // no document
	pushQuery                 // the documents that query matches
)

var (
	anything  = pushed{kind: pushAll, exact: false} // what is not expressible
	everybody = pushed{kind: pushAll, exact: true}
	nobody    = pushed{kind: pushNone, exact: true}
)

func exactly(b bool) pushed {
	if b {
		return everybody
	}
	return nobody
}

func (c constant) query(*Env) pushed { return exactly(bool(c)) }

func (a *allOf) query(e *Env) pushed {
	parts := make([]pushed, 0, len(a.nodes))
	for _, n := range a.nodes {
		parts = append(parts, n.query(e))
	}
	return and(parts...)
}

func (a *anyOf) query(e *Env) pushed {
	parts := make([]pushed, 0, len(a.nodes))
	for _, n := range a.nodes {
		parts = append(parts, n.query(e))
	}
	return or(parts...)
}

func (n *negation) query(e *Env) pushed {
	before := e.failed
	q := n.inner.query(e)
	if e.failed != before {
		// Whether the failing part is reached depends on the document.
		return anything
	}
	return complement(q)
}

func (p *presence) query(e *Env) pushed {
	if p.dep&onDocument == 0 {
		return exactly(p.eval(e))
	}
	want, ok := p.want.value(e).BooleanOK()
	if p.want.dep&onDocument != 0 || !ok {
		return anything
	}
	if len(p.left.path) == 0 && (p.left.src == srcRoot || p.left.src == srcPrevRoot) {
		return exactly(want) // the document itself is there
	}
	name, ok := queryPath(p.left)
	if !ok {
		return anything
	}
	return fieldQuery(name, "$exists", boolValue(want))
}

func (c *condition) query(e *Env) pushed {
	if c.dep&onDocument == 0 {
		return exactly(c.eval(e))
	}
	name, ok := queryPath(c.left)
	if !ok || c.right.dep&onDocument != 0 {
		return anything
	}
	r := c.right.value(e)
	if isMissing(r) || c.op == opIn && r.Type != bson.TypeArray {
		if c.op == opIn {
			e.failed++
		}
		return nobody
	}
	switch c.op {
	case opEq:
		return equalityQuery(name, r)
	case opIn:
		return listQuery(name, r)
	}
	switch classOf(r.Type) {
	case classNumber:
		if isNaN(r) {
			return anything
		}
	case classString, classDate, classObjectID, classBool:
	default:
		return anything
	}
	return fieldQuery(name, [...]string{opGt: "$gt", opGte: "$gte", opLt: "$lt", opLte: "$lte"}[c.op], r)
}

// queryPath is a document operand as a field of a query. On reads the previous
// document is the stored one.
func queryPath(o *operand) (string, bool) {
	if o.src != srcRoot && o.src != srcPrevRoot || len(o.path) == 0 {
		return "", false
	}
	for _, p := range o.path {
		// At the end of a path that names an array's element MongoDB does not look
		// into it, rules do.
		if _, index := arrayIndex(p); index || strings.HasPrefix(p, "$") {
			return "", false
		}
	}
	if len(o.path) == 1 {
		return o.path[0], true
	}
	return strings.Join(o.path, "."), true
}

func equalityQuery(name string, r bson.RawValue) pushed {
	switch r.Type {
	case bson.TypeNull:
		// {f: null} would match documents without f.
		return fieldQuery(name, "$type", bson.RawValue{Type: bson.TypeInt32, Value: bsoncore.AppendInt32(nil, int32(bson.TypeNull))})
	case bson.TypeArray:
		// The array itself, or one of its elements: $in alone would also match
		// arrays that merely share an element, so this only narrows.
		q := or(listQuery(name, r), fieldQuery(name, "$eq", r))
		q.exact = false
		return q
	case bson.TypeRegex, bson.TypeEmbeddedDocument, bson.TypeMinKey, bson.TypeMaxKey, bson.TypeUndefined, bson.TypeDBPointer, bson.TypeCodeWithScope:
		// Comparison inside documents differs in details (null, regex): judge here.
		return anything
	}
	if isNaN(r) {
		return anything
	}
	return fieldQuery(name, "$eq", r)
}

func listQuery(name string, r bson.RawValue) pushed {
	null, n := false, 0
	index, list := bsoncore.AppendArrayStart(nil)
	for it := newIter(r.Value); it.next(); {
		switch it.value.Type {
		case bson.TypeNull:
			null = true
			continue
		case bson.TypeRegex, bson.TypeEmbeddedDocument, bson.TypeArray, bson.TypeUndefined, bson.TypeMinKey, bson.TypeMaxKey, bson.TypeDBPointer, bson.TypeCodeWithScope:
			return anything
		}
		if isNaN(it.value) {
			return anything
		}
		list = appendElement(list, arrayKey(n), it.value)
		n++
	}
	list, _ = bsoncore.AppendArrayEnd(list, index)
	q := nobody
	if n > 0 {
		q = fieldQuery(name, "$in", bson.RawValue{Type: bson.TypeArray, Value: list})
	}
	if null {
		q = or(q, equalityQuery(name, bson.RawValue{Type: bson.TypeNull}))
	}
	return q
}

// fieldQuery is {name: {op: v}}. The value stands behind an operator, where
// MongoDB never reads it as anything but a value.
func fieldQuery(name, op string, v bson.RawValue) pushed {
	i, dst := bsoncore.AppendDocumentStart(make([]byte, 0, 24+len(name)+len(v.Value)))
	j, dst := bsoncore.AppendDocumentElementStart(dst, name)
	dst = appendElement(dst, op, v)
	dst, _ = bsoncore.AppendDocumentEnd(dst, j)
	dst, _ = bsoncore.AppendDocumentEnd(dst, i)
	return pushed{kind: pushQuery, query: dst, exact: true}
}

// and joins conditions: superset of superset stays one, a part that cannot be
// expressed is left out.
func and(parts ...pushed) pushed {
	r := everybody
	var queries [][]byte
	for _, p := range parts {
		if p.kind == pushNone {
			return nobody
		}
		r.exact = r.exact && p.exact
		if p.kind == pushQuery {
			queries = append(queries, p.query)
		}
	}
	return r.with("$and", queries)
}

func or(parts ...pushed) pushed {
	r := nobody
	var queries [][]byte
	for _, p := range parts {
		switch {
		case p.kind == pushAll && p.exact:
			return everybody
		case p.kind == pushAll:
			// It might still meet an exact "all" further on.
			r.kind, r.exact = pushAll, false
		case p.kind == pushQuery:
			queries = append(queries, p.query)
			r.exact = r.exact && p.exact
		}
	}
	if r.kind == pushAll {
		return r
	}
	return r.with("$or", queries)
}

// with gives r the junction of queries as its query. Roles often ask the same of
// a document twice, in apply_when and in a filter, for reading and for writing.
func (r pushed) with(op string, queries [][]byte) pushed {
	if n := len(queries); n > 1 && n <= maxCompared {
		queries = distinct(queries)
	}
	switch len(queries) {
	case 0:
		return r
	case 1:
		r.kind, r.query = pushQuery, queries[0]
		return r
	}
	r.kind, r.query = pushQuery, junctionQuery(op, queries)
	return r
}

// maxCompared bounds the queries that are compared with each other.
const maxCompared = 32

// distinct leaves out queries that stand there already, byte by byte.
func distinct(queries [][]byte) [][]byte {
	kept := queries[:0]
	for _, q := range queries {
		if !slices.ContainsFunc(kept, func(k []byte) bool { return bytes.Equal(k, q) }) {
			kept = append(kept, q)
		}
	}
	return kept
}

func junctionQuery(op string, queries [][]byte) []byte {
	i, dst := bsoncore.AppendDocumentStart(nil)
	j, dst := bsoncore.AppendArrayElementStart(dst, op)
	for n, q := range queries {
		dst = bsoncore.AppendDocumentElement(dst, arrayKey(n), q)
	}
	dst, _ = bsoncore.AppendArrayEnd(dst, j)
	dst, _ = bsoncore.AppendDocumentEnd(dst, i)
	return dst
}

// complement is the query for the documents where p is false. A superset's
// complement would leave documents out, so only exact queries have one.
func complement(p pushed) pushed {
	switch {
	case !p.exact:
		return anything
	case p.kind == pushAll:
		return nobody
	case p.kind == pushNone:
		return everybody
	}
	return pushed{kind: pushQuery, query: junctionQuery("$nor", [][]byte{p.query}), exact: true}
}

// And joins MongoDB queries with $and; nil and empty ones are left out.
func And(queries ...bson.Raw) bson.Raw {
	var parts [][]byte
	for _, q := range queries {
		if len(q) > 5 {
			parts = append(parts, q)
		}
	}
	switch len(parts) {
	case 0:
		return emptyDocument
	case 1:
		return parts[0]
	}
	if flat := flattened(parts); flat != nil {
		return flat
	}
	return junctionQuery("$and", parts)
}

// flattened joins queries about different fields into one document, which means
// the same as $and and is simpler to plan; nil when they cannot be.
func flattened(parts [][]byte) bson.Raw {
	size, fields := 5, 0
	for i, p := range parts {
		size += len(p)
		for it := newIter(p); it.next(); fields++ {
			if fields > 16 || len(it.key) == 0 || it.key[0] == '$' {
				return nil
			}
			for _, other := range parts[:i] {
				if _, taken := lookup(other, string(it.key)); taken {
					return nil
				}
			}
		}
	}
	index, dst := bsoncore.AppendDocumentStart(make([]byte, 0, size))
	// The caller's own query, which comes last, is often the more selective one.
	for i := len(parts) - 1; i >= 0; i-- {
		dst = append(dst, parts[i][4:len(parts[i])-1]...)
	}
	dst, _ = bsoncore.AppendDocumentEnd(dst, index)
	return bson.Raw(dst)
}

var emptyDocument = bson.Raw{5, 0, 0, 0, 0}
