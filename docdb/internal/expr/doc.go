// Package expr compiles and evaluates aggregation expressions: the values inside $project, $group, $match's $expr, pipeline
// updates and find projections.
//
// An expression is compiled once (Compile) and evaluated for each document (Expr.Eval) against an Env. Documents stay raw BSON:
// a field path reads the bytes it needs and decodes nothing. Results are raw values as well; those that had to be built live in
// the Env's arena.
//
// Lifetime: a value returned by Eval points into the document, into a constant of the expression or into the Env's arena. It is
// valid until the Env is reset for the next document; who keeps it longer copies it (Clone).
//
// "Missing" (no such field, or $$REMOVE) is the zero bson.RawValue and is distinct from null.
//
// Error codes are MongoDB's own (reference: mongo-engine.md §1.4, §2.6, §3.4).
package expr
