package keys

import (
	"fmt"
	"strings"
)

// Kind says how a field of an index is keyed.
type Kind uint8

// The kinds of index field.
const (
	Plain    Kind = iota // ascending or descending values
	Hashed               // a hash of the value
	Wildcard             // every path below Path, each with its name
	Text                 // terms of the strings of the document
	Geo                  // cells of a position (2d, 2dsphere)
)

// Field is one field of an index.
type Field struct {
	Path  string
	Parts []string
	Desc  bool
	Kind  Kind
}

// NewField makes a field of a dotted path.
func NewField(path string, desc bool, kind Kind) Field {
	return Field{Path: path, Parts: strings.Split(path, "."), Desc: desc, Kind: kind}
}

// Spec is what key extraction has to know of an index.
type Spec struct {
	Fields []Field
	// Collator compares strings; nil is the simple binary collation.
	Collator Collator
	// Sparse leaves out keys whose fields are all missing.
	Sparse bool
	// Terms gives the keys of a text or geo field for a document; nil where there is no such field.
	Terms func(doc []byte) ([][]byte, error)
	// Included says whether a path takes part in a wildcard index; nil means every path below the field.
	Included func(path string) bool
}

// WildcardAt is the position of the wildcard field, or -1.
func (s *Spec) WildcardAt() int {
	for i := range s.Fields {
		if s.Fields[i].Kind == Wildcard {
			return i
		}
	}
	return -1
}

// Under is the path that a wildcard field has everything below of; "" for the whole document.
func (f *Field) Under() string {
	return strings.TrimSuffix(strings.TrimSuffix(f.Path, "$**"), ".")
}

// Reaches reports whether a wildcard field has the values of a path.
func (s *Spec) Reaches(at int, path string) bool {
	under := s.Fields[at].Under()
	if under != "" && path != under && !strings.HasPrefix(path, under+".") {
		return false
	}
	return s.Included == nil || s.Included(path)
}

// Simple reports whether every field is keyed by its plain values.
func (s *Spec) Simple() bool {
	for _, f := range s.Fields {
		if f.Kind != Plain {
			return false
		}
	}
	return true
}

// ParallelArraysError says that two fields of one key are arrays that are not one array.
type ParallelArraysError struct{ A, B string }

func (e *ParallelArraysError) Error() string {
	return fmt.Sprintf("cannot index parallel arrays [%s] [%s]", lastPart(e.A), lastPart(e.B))
}

func lastPart(p string) string { return p[strings.LastIndexByte(p, '.')+1:] }

// HashedArrayError says that a hashed field holds an array (16766).
type HashedArrayError struct{ Path string }

func (e *HashedArrayError) Error() string {
	return "hashed indexes do not currently support array values. Found array at path: " + e.Path
}

// WildcardArrayError says that a field beside a wildcard holds an array, or goes through one (7246301).
type WildcardArrayError struct{ Path string }

func (e *WildcardArrayError) Error() string {
	return "a compound wildcard index holds no arrays in its other fields. Found array at path: " + e.Path
}

// AmbiguousPathError says that a numeric part of an indexed path is both a position and a member's name (16746).
type AmbiguousPathError struct{ Path, Part string }

func (e *AmbiguousPathError) Error() string {
	return fmt.Sprintf("Ambiguous field name found in array (do not use numeric field names in embedded elements in an array), field: '%s' for path: %s", e.Part, e.Path)
}
