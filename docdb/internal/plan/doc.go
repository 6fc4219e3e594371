// Package plan decides how the documents for a filter are found: by _id, by the ranges of an index, by several indexes for the
// branches of an $or, or by walking the collection.
//
// It reads the filter for conditions that an index can narrow down, and never relies on them being complete or exact: what a plan
// finds is always a superset, and the caller matches every document against the whole filter, unless the plan says that its ranges
// are exact. What has to hold for a result to be right is only this: no document that matches lies outside the ranges. The rules
// for arrays (an index with more than one key per document), sparse and partial indexes and collations are there for that; see
// conditions.go for what a filter says, use.go for what becomes of it in one index, and choose.go for the choice among them.
//
// A walk of the collection with a filter is shared out among the processors once it has gone on for a while (ahead.go), for a stage
// that can take documents in parts from its beginning (share.go). What an index points to is read in batches (fetch.go).
// Both take what they read from the store's caches where it is at hand: packs of documents that lie together, and single documents.
package plan
