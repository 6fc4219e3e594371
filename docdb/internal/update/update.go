// Package update compiles and applies updates: operator documents, replacements and pipelines (mongo-engine.md §2.2, §3.5).
//
// Documents stay raw: an update copies the bytes that it does not touch.
package update

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/match"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// Bounds of updates.
const (
	// MaxDocument is the largest document that an update may leave, in bytes; a larger one fails with BSONObjectTooLarge (17419).
	MaxDocument = 16 << 20
	// MaxPadding is the most nulls that a path may add to an array; beyond that CannotBackfillArray.
	MaxPadding = 1_500_000
	// MaxPathParts is the most parts that a path may have.
	MaxPathParts = 200
)

const tooLarge mongoerr.Code = 17419

// Options are what an update needs from its surroundings.
type Options struct {
	// ArrayFilters are the filter documents of $[identifier].
	ArrayFilters []bson.Raw
	// Match serves conditions within the update: $pull and array filters. Its collation also compares in $addToSet, $pullAll, $min,
	// $max and $push's $sort.
	Match match.Options
	// Pipeline compiles an update given as an array of stages. Without it pipeline updates are refused.
	Pipeline func(stages bson.RawValue) (func(doc bson.Raw) (bson.Raw, error), error)
	// ReplaceOnly refuses operators and pipelines, for callers that mean a replacement.
	ReplaceOnly bool
}

// Kind says of which kind an update is.
type Kind uint8

// The kinds of updates.
const (
	Operators Kind = iota
	Replacement
	Pipeline
)

// Update is a compiled update. It is safe for concurrent use.
type Update struct {
	kind        Kind
	root        *node
	paths       []string
	deep        bool // may nest a document deeply, so that the result's depth is checked
	replacement bson.Raw
	pipeline    func(doc bson.Raw) (bson.Raw, error)
	collation   value.StringComparer
}

// Context is what one application of an update depends on.
type Context struct {
	// Position is the array index that $ stands for, as match.Matcher.MatchPosition returns it; -1 for none.
	Position int
	// Insert is set when the update makes a new document, which is when $setOnInsert acts.
	Insert bool
	// Now is the time for $currentDate.
	Now time.Time
	// Timestamp returns a new cluster time for $currentDate: {$type: "timestamp"} and empty timestamps in replacements. nil takes
	// Now with increment 1.
	Timestamp func() (t, i uint32)
	// Into is memory that the result of operators may take.
	Into []byte
}

// Result is the outcome of an update.
type Result struct {
	// Doc is the new document. It shares memory with the old one only if Modified is false.
	Doc bson.Raw
	// Modified tells whether the document's bytes changed.
	Modified bool
}

// Compile compiles an update: a document of operators, a replacement document, or an array of pipeline stages. It copies its
// arguments. Errors carry MongoDB's codes and texts.
func Compile(u bson.RawValue, opts Options) (*Update, error) {
	switch u.Type {
	case bson.TypeArray:
		return compilePipeline(u, opts)
	case bson.TypeEmbeddedDocument:
	default:
		return nil, mongoerr.New(mongoerr.FailedToParse, "Update argument must be either an object or an array")
	}
	own := bson.Raw(append([]byte(nil), u.Value...))
	it := value.Over(own)
	if it.Next() && len(it.Key()) > 0 && it.Key()[0] == '$' && !opts.ReplaceOnly {
		return compileOperators(own, opts)
	}
	return compileReplacement(own, opts)
}

func compilePipeline(u bson.RawValue, opts Options) (*Update, error) {
	if opts.ReplaceOnly {
		return nil, mongoerr.New(mongoerr.FailedToParse, "the replace operation document must not be a pipeline")
	}
	if len(opts.ArrayFilters) > 0 {
		return nil, mongoerr.New(mongoerr.FailedToParse, "arrayFilters may not be specified for pipeline-syle updates")
	}
	if opts.Pipeline == nil {
		return nil, mongoerr.New(mongoerr.NotImplemented, "pipeline updates are not allowed in this context")
	}
	f, err := opts.Pipeline(value.Clone(u))
	if err != nil {
		return nil, err
	}
	return &Update{kind: Pipeline, pipeline: f, deep: true}, nil
}

func compileReplacement(doc bson.Raw, opts Options) (*Update, error) {
	if len(opts.ArrayFilters) > 0 {
		return nil, mongoerr.New(mongoerr.FailedToParse, "arrayFilters may not be specified for replacement-style updates")
	}
	it := value.Over(doc)
	for it.Next() {
		if name := it.Key(); len(name) > 0 && name[0] == '$' {
			return nil, mongoerr.New(mongoerr.DollarPrefixedFieldName, "The dollar ($) prefixed field '%s' in '%s' is not allowed in the context of an update's replacement document. Consider using an aggregation pipeline with $replaceWith.", name, name)
		}
	}
	if it.Bad() {
		return nil, mongoerr.New(mongoerr.InvalidBSON, "invalid BSON in an update")
	}
	return &Update{kind: Replacement, replacement: doc, deep: value.Depth(doc) > value.MaxStoredDepth/2-2}, nil
}

// Kind returns of which kind the update is.
func (u *Update) Kind() Kind { return u.kind }

// Paths returns the dotted paths that an operator update names, positional parts included as written; nil when the update may
// change any field.
func (u *Update) Paths() []string { return u.paths }

// NeedsPosition reports whether the update uses the positional operator $.
func (u *Update) NeedsPosition() bool { return u.root != nil && u.root.usesPosition() }

// Apply applies the update to a document.
func (u *Update) Apply(doc bson.Raw, cx Context) (Result, error) {
	var out bson.Raw
	var err error
	switch u.kind {
	case Operators:
		r := run{Context: cx, doc: doc, collation: u.collation}
		out, err = r.apply(u.root)
		if err == nil && !r.changed {
			return Result{Doc: doc}, nil
		}
	case Replacement:
		out, err = u.replace(doc, cx)
	case Pipeline:
		out, err = u.pipeline(doc)
		if err == nil {
			out, err = keepID(doc, out)
		}
	}
	if err != nil {
		return Result{}, err
	}
	if len(out) > MaxDocument {
		return Result{}, mongoerr.New(tooLarge, "Resulting document after update is larger than %d", MaxDocument)
	}
	if string(out) == string(doc) {
		return Result{Doc: doc}, nil
	}
	if u.deep && value.Depth(out) > value.MaxStoredDepth {
		return Result{}, mongoerr.New(mongoerr.Overflow, "Document exceeds maximum nested object depth: %d", value.MaxStoredDepth)
	}
	if u.kind == Operators {
		if err := sameID(doc, out); err != nil {
			return Result{}, err
		}
	}
	return Result{Doc: out, Modified: true}, nil
}

// replace puts the old _id before the fields of the replacement.
func (u *Update) replace(doc bson.Raw, cx Context) (bson.Raw, error) {
	old := value.Lookup(doc, "_id")
	id := value.Lookup(u.replacement, "_id")
	if old.Type != 0 && id.Type != 0 && !value.Equal(old, id) {
		return nil, mongoerr.New(mongoerr.ImmutableField, "After applying the update, the (immutable) field '_id' was found to have been altered to _id: %s", value.Show(id))
	}
	if old.Type == 0 {
		old = id
	}
	start, dst := value.Begin(make([]byte, 0, len(u.replacement)+len(old.Value)+8))
	if old.Type != 0 {
		dst = value.Append(dst, "_id", old)
	}
	it := value.Over(u.replacement)
	for it.Next() {
		v := it.Value()
		if it.Key() == "_id" {
			continue
		}
		if v.Type == bson.TypeTimestamp && value.Identical(v, value.Timestamp(0, 0)) {
			v = cx.timestamp()
		}
		dst = value.Append(dst, it.Key(), v)
	}
	return value.End(dst, start), nil
}

// keepID puts the old _id into a pipeline's result that has none, first if it is not, and refuses another one.
func keepID(doc, out bson.Raw) (bson.Raw, error) {
	old, id := value.Lookup(doc, "_id"), value.Lookup(out, "_id")
	if old.Type == 0 {
		return out, nil
	}
	if id.Type != 0 && !value.Equal(old, id) {
		return nil, mongoerr.New(mongoerr.ImmutableField, "Performing an update on the path '_id' would modify the immutable field '_id'")
	}
	return idFirst(out, old), nil
}

// idFirst returns doc with _id: id as its first member.
func idFirst(doc bson.Raw, id bson.RawValue) bson.Raw {
	it := value.Over(doc)
	if it.Next() && it.Key() == "_id" && value.Identical(it.Value(), id) {
		return doc
	}
	start, dst := value.Begin(make([]byte, 0, len(doc)+len(id.Value)+8))
	dst = value.Append(dst, "_id", id)
	it = value.Over(doc)
	for it.Next() {
		if it.Key() != "_id" {
			dst = value.Append(dst, it.Key(), it.Value())
		}
	}
	return value.End(dst, start)
}

// sameID refuses a change of _id (mongo-engine.md §3.5).
func sameID(doc, out bson.Raw) error {
	old := value.Lookup(doc, "_id")
	if old.Type == 0 {
		return nil
	}
	id := value.Lookup(out, "_id")
	if id.Type == 0 || !value.Equal(old, id) {
		return mongoerr.New(mongoerr.ImmutableField, "Performing an update on the path '_id' would modify the immutable field '_id'")
	}
	return nil
}

func (cx *Context) timestamp() bson.RawValue {
	if cx.Timestamp == nil {
		return value.Timestamp(uint32(cx.Now.Unix()), 1)
	}
	return value.Timestamp(cx.Timestamp())
}
