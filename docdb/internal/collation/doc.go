// Package collation compares strings by the rules of a language, as MongoDB's collation option says (mongo-engine.md §2.3).
//
// Weights come from golang.org/x/text/collate. Comparison and keys use the same bytes, so that an index, a sort and an equality under
// one collation can never disagree. A nil *Collation is the simple collation: comparison of bytes.
package collation
