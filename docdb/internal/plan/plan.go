package plan

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/keys"
	"regent/docdb/internal/store"
)

// Request says what documents are wanted.
type Request struct {
	Def    *store.Def
	Filter bson.Raw
	// Collation is the query's collation document (nil: simple), Collator what it compiles to.
	Collation bson.Raw
	Collator  keys.Collator
	// Sort is nil when no order is wanted, or when an index cannot give it.
	Sort []SortField
	// Hint is the index to use, Natural says to walk the collection (-1: from its end).
	Hint    *store.Index
	Natural int
	// Min and Max bound the keys of the hinted index.
	Min, Max bson.Raw
	// Geo are the geographic conditions that all results satisfy.
	Geo []GeoCondition
	// Text are the tokens of a $text of which every result has one; nil without a $text.
	Text [][]byte
	// Snapshot is the time of the view that is read; indexes built later are not used.
	Snapshot uint64
}

// GeoCondition gives the ranges of tokens, in order, in which a geo index has the documents that satisfy a condition.
type GeoCondition struct {
	Path   string
	Ranges func(ix *store.Index, path string) []Range
}

// Stage is the kind of a plan.
type Stage string

// The kinds of plan.
const (
	CollScan  Stage = "COLLSCAN"
	IndexScan Stage = "IXSCAN"
	Union     Stage = "OR"
	Nothing   Stage = "EOF"
)

// Range is a range of keys of the store, [Low, High).
type Range struct{ Low, High []byte }

// Plan is how documents are found.
type Plan struct {
	Stage Stage
	Def   *store.Def
	// Index and Ranges are for IndexScan; the ranges are in the index's order and do not overlap.
	Index  *store.Index
	Ranges []Range
	// Bounds describe the ranges, field by field, for explain.
	Bounds []Bound
	// Reverse walks from the end.
	Reverse bool
	// Sorted says that the documents come in the wanted order.
	Sorted bool
	// Distinct says that no document can come twice.
	Distinct bool
	// Exact says that every key in the ranges belongs to a document that matches, so that counting needs no documents.
	Exact bool
	// Branches are the plans of Union.
	Branches []*Plan
	// Limited is the number of fields that ranges narrow down.
	Limited int
}
