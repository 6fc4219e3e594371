// Package collation compares strings by the rules of a language, as MongoDB's collation option says (mongo-engine.md §2.3).
package collation
