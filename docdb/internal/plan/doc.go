// Package plan decides how the documents for a filter are found: by _id, by the ranges of an index, by several indexes for the
// branches of an $or, or by walking the collection.
//
// It reads the filter for conditions that an index can narrow down, and never relies on them being complete or exact: what a plan
// finds is always a superset, and the caller matches every document against the whole filter, unless the plan says that its ranges
// are exact. What has to hold for a result to be right is only this: no document that matches lies outside the ranges. The rules
// for arrays (an index with more than one key per document), sparse and partial indexes and collations are there for that; see
// conditions.go and choose.go.
//
// A walk of the collection with a filter is shared out among the processors once it has gone on for a while; see ahead.go.
package plan
