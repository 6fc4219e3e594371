package store

import (
	"bytes"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/keys"
	"regent/docdb/internal/value"
)

// Language is what the store needs from the query language to keep indexes; the engine provides it.
type Language interface {
	// Collator compiles a collation document; nil for the simple collation.
	Collator(collation bson.Raw) (keys.Collator, error)
	// Filter compiles the filter of a partial index.
	Filter(filter, collation bson.Raw) (func(doc bson.Raw) (bool, error), error)
	// Terms compiles the key generator of a text or geo index.
	Terms(spec bson.Raw) (func(doc []byte) ([][]byte, error), error)
	// Included compiles the wildcardProjection of a wildcard index; nil includes every path.
	Included(projection bson.Raw) (func(path string) bool, error)
	// Validator compiles a collection's validator from its options; nil where there is none.
	Validator(options bson.Raw) (Validator, error)
}

// Validator checks a document before it is stored. old is nil for an insert.
type Validator func(old, doc bson.Raw) error

// Index is one index of a collection. It does not change, but for the multikey bits, which are only ever set.
type Index struct {
	ID   uint32
	Name string
	// Spec is the whole specification as listIndexes shows it; Key its key pattern.
	Spec, Key bson.Raw
	Unique    bool
	Sparse    bool
	Hidden    bool
	// PrepareUnique refuses new duplicates without being unique yet.
	PrepareUnique bool
	// ExpireAfter is the TTL in seconds, or -1.
	ExpireAfter int64
	// Partial is the partialFilterExpression, Collation the collation document; nil where there is none.
	Partial, Collation bson.Raw
	// Covers says whether a document is in a partial index; nil for an index of all documents.
	Covers func(doc bson.Raw) (bool, error)
	// Keys extracts keys.
	Keys keys.Spec
	// Built is the time from which on snapshots hold all the entries.
	Built uint64

	prefix   []byte
	upper    []byte
	rules    int
	multikey *multikey
	use      *indexUse
}

// multikey are the fields through whose paths some document has an array: seen before the first such document is applied, stored
// once the catalogue says so. written is what its last entry has, under the store's commit lock.
type multikey struct {
	seen, stored atomic.Uint64
	written      uint64
}

// Prefix is what all keys of the index begin with.
func (ix *Index) Prefix() []byte { return ix.prefix }

// Upper is the end of the index's keys.
func (ix *Index) Upper() []byte { return ix.upper }

// Multikey has a bit for each field through whose path some document has, or had, an array.
func (ix *Index) Multikey() uint64 { return ix.multikey.seen.Load() }

// untouched reports whether two documents have the same keys because the members that the keys are made of are the same.
func (ix *Index) untouched(a, b bson.Raw) bool {
	if ix.Covers != nil || ix.Keys.Terms != nil {
		return false
	}
	for i := range ix.Keys.Fields {
		f := &ix.Keys.Fields[i]
		if f.Kind != keys.Plain && f.Kind != keys.Hashed {
			return false
		}
		x, y := value.Lookup(a, f.Parts[0]), value.Lookup(b, f.Parts[0])
		if x.Type != y.Type || !bytes.Equal(x.Value, y.Value) {
			return false
		}
	}
	return true
}

// exclusive reports whether a key may be that of one document only.
func (ix *Index) exclusive() bool { return ix.Unique || ix.PrepareUnique }

// IsID reports whether this is the index on _id.
func (ix *Index) IsID() bool { return ix.Name == "_id_" }

// RecordOf gives the record that an entry of the index points to.
func (ix *Index) RecordOf(key, value []byte) RecordID {
	if ix.Unique {
		return recordIDOf(value)
	}
	return recordIDOf(key[len(key)-8:])
}

// FieldKeys is the part of an entry's key that its fields made.
func (ix *Index) FieldKeys(key []byte) []byte {
	if ix.Unique {
		return key[len(ix.prefix):]
	}
	return key[len(ix.prefix) : len(key)-8]
}

// The rules by which an index's keys were made; they are stored beside the specification, so that an index goes on as it was begun.
const (
	// rulesFirst has the keys of _id in a wildcard index of the whole document.
	rulesFirst = iota
	// rulesWildcardID leaves them out unless a wildcardProjection names _id, as MongoDB does.
	rulesWildcardID
	rulesNow = rulesWildcardID
)

// newIndex makes an index from its specification.
func newIndex(id uint32, spec bson.Raw, arrays uint64, rules int, lang Language, now time.Time) (*Index, error) {
	ix := &Index{ID: id, Spec: spec, ExpireAfter: -1, rules: rules, multikey: new(multikey), use: &indexUse{since: now}}
	ix.multikey.seen.Store(arrays)
	ix.multikey.stored.Store(arrays)
	ix.prefix = appendIndexPrefix(nil, id)
	ix.upper = successor(ix.prefix)
	els, err := spec.Elements()
	if err != nil {
		return nil, fmt.Errorf("index specification: %w", err)
	}
	var wildcardProjection bson.Raw
	for _, e := range els {
		v := e.Value()
		switch e.Key() {
		case "name":
			ix.Name, _ = v.StringValueOK()
		case "key":
			ix.Key, _ = v.DocumentOK()
		case "unique":
			ix.Unique = truthy(v)
		case "sparse":
			ix.Sparse = truthy(v)
		case "hidden":
			ix.Hidden = truthy(v)
		case "prepareUnique":
			ix.PrepareUnique = truthy(v)
		case "expireAfterSeconds":
			if n, ok := v.AsInt64OK(); ok {
				ix.ExpireAfter = n
			}
		case "partialFilterExpression":
			ix.Partial, _ = v.DocumentOK()
		case "collation":
			ix.Collation, _ = v.DocumentOK()
		case "wildcardProjection":
			wildcardProjection, _ = v.DocumentOK()
		}
	}
	if ix.Name == "_id_" {
		ix.Unique = true
	}
	ix.Keys.Sparse = ix.Sparse
	if ix.Collation != nil {
		if ix.Keys.Collator, err = lang.Collator(ix.Collation); err != nil {
			return nil, err
		}
	}
	if ix.Partial != nil {
		if ix.Covers, err = lang.Filter(ix.Partial, ix.Collation); err != nil {
			return nil, err
		}
	}
	fields, err := ix.Key.Elements()
	if err != nil || len(fields) == 0 {
		return nil, fmt.Errorf("index %q has no key pattern", ix.Name)
	}
	special := false
	for _, f := range fields {
		path, kind, desc := f.Key(), keys.Plain, false
		if path == "_ftsx" && special {
			continue // it stands beside _fts in a text index's key and has no value of its own
		}
		if s, ok := f.Value().StringValueOK(); ok {
			switch s {
			case "hashed":
				kind = keys.Hashed
			case "text":
				kind, special = keys.Text, true
			case "2d", "2dsphere":
				kind, special = keys.Geo, true
			default:
				return nil, fmt.Errorf("index %q: unknown kind %q", ix.Name, s)
			}
		} else if d, ok := f.Value().AsFloat64OK(); ok {
			desc = d < 0
		}
		if kind == keys.Plain && (path == "$**" || len(path) > 4 && path[len(path)-4:] == ".$**") {
			kind = keys.Wildcard
		}
		ix.Keys.Fields = append(ix.Keys.Fields, keys.NewField(path, desc, kind))
		switch {
		case kind != keys.Wildcard:
		case wildcardProjection != nil:
			if ix.Keys.Included, err = lang.Included(wildcardProjection); err != nil {
				return nil, err
			}
		case path == "$**" && rules >= rulesWildcardID:
			ix.Keys.Included = func(path string) bool { return path != "_id" && !strings.HasPrefix(path, "_id.") }
		}
	}
	if special {
		if ix.Keys.Terms, err = lang.Terms(spec); err != nil {
			return nil, err
		}
	}
	return ix, nil
}

func truthy(v bson.RawValue) bool {
	if b, ok := v.BooleanOK(); ok {
		return b
	}
	n, ok := v.AsFloat64OK()
	return ok && n != 0
}
