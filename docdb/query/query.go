// Package query matches and projects documents outside of a database,
// with the embedded database's own language: change events, documents at hand.
// Operators that need a database ($text, $expr, $jsonSchema, geography) are
// refused by Compile.
package query

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/match"
)

// Filter is a compiled query, safe for concurrent use.
type Filter struct{ m *match.Matcher }

// Compile compiles a query. Errors have MongoDB's texts.
func Compile(q bson.Raw) (*Filter, error) {
	m, err := match.Compile(q, match.Options{})
	if err != nil {
		return nil, err
	}
	return &Filter{m}, nil
}

// Match tells whether a document matches.
func (f *Filter) Match(doc bson.Raw) (bool, error) { return f.m.Match(doc) }
