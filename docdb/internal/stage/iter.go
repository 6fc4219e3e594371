package stage

import (
	"context"
	"errors"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/budget"
	"regent/docdb/internal/expr"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// MaxDocumentBytes bounds a document that leaves a pipeline: 16 MiB and 16 KiB, as MongoDB has it. The error is 10334.
const MaxDocumentBytes = 16<<20 + 16<<10

// MaxDepth bounds how deeply a document that leaves a pipeline nests; the error is 15 Overflow.
const MaxDepth = 200

// Iter is a stream of documents. Next returns io.EOF at the end. A document is valid until the following Next or Close.
type Iter interface {
	Next(ctx context.Context) (bson.Raw, error)
	Close() error
}

// MetaIter is an Iter whose documents have metadata ($meta: text score, record id, …).
type MetaIter interface {
	Iter
	// Meta is the metadata of the document that Next returned last; nil when it has none.
	Meta() *expr.Meta
}

// Sink takes in the documents of a part of a stream, in their order.
type Sink = interface {
	// Add takes in a document, and the members of it that were asked for; all are valid until Add returns. It reports whether the
	// sink has room for more.
	Add(doc bson.Raw, found []value.Found) (more bool, err error)
}

// Sharer is an Iter that may hand its documents, with their members of some names, to several sinks at once. It makes the sinks with begin, and gives each to merge, in the
// order of the stream, when its part is over. When merge does not want more, or there is nothing to share out, Share returns, and
// Next goes on with the first document that has not been merged.
type Sharer interface {
	Iter
	Share(ctx context.Context, fields []string, begin func() Sink, merge func(Sink) (more bool, err error)) error
}

// row is a document on its way, with its metadata.
type row struct {
	doc  bson.Raw
	meta *expr.Meta
}

// source is a stream of rows between stages. A row is valid until the following next or close; io.EOF ends it.
type source interface {
	next(ctx context.Context) (row, error)
	close() error
}

// input makes an Iter a source.
type input struct {
	it   Iter
	meta MetaIter
}

func newInput(it Iter) source {
	m, _ := it.(MetaIter)
	return &input{it, m}
}

func (s *input) next(ctx context.Context) (row, error) {
	d, err := s.it.Next(ctx)
	if err != nil {
		return row{}, err
	}
	if s.meta != nil {
		return row{d, s.meta.Meta()}, nil
	}
	return row{doc: d}, nil
}

func (s *input) close() error { return s.it.Close() }

// output makes a source an Iter and watches the size of documents.
type output struct {
	src    source
	meta   *expr.Meta
	done   error
	live   *liveContext
	memory *budget.Ledger
	deep   bool // the pipeline is long enough to nest documents too deeply
}

// Next implements Iter.
func (o *output) Next(ctx context.Context) (bson.Raw, error) {
	if o.done != nil {
		return nil, o.done
	}
	o.live.Context = ctx
	r, err := o.src.next(ctx)
	if err == nil && len(r.doc) > MaxDocumentBytes {
		err = mongoerr.New(mongoerr.BSONObjectTooLarge, "BSONObj size: %d (0x%X) is invalid. Size must be between 0 and %d(16MB)", len(r.doc), len(r.doc), MaxDocumentBytes)
		o.done = err
	}
	if err != nil {
		if errors.Is(err, io.EOF) {
			o.done = io.EOF
		}
		return nil, err
	}
	if o.deep && value.Depth(r.doc) > MaxDepth {
		o.done = mongoerr.New(mongoerr.Overflow, "a document of the pipeline nests deeper than %d levels", MaxDepth)
		return nil, o.done
	}
	o.meta = r.meta
	return r.doc, nil
}

// Meta implements MetaIter.
func (o *output) Meta() *expr.Meta { return o.meta }

// Close implements Iter.
func (o *output) Close() error {
	defer o.memory.Close()
	return o.src.close()
}

// Documents returns an Iter over documents in memory.
func Documents(docs ...bson.Raw) Iter { return &documents{docs: docs} }

type documents struct {
	docs []bson.Raw
	at   int
}

func (d *documents) Next(ctx context.Context) (bson.Raw, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if d.at == len(d.docs) {
		return nil, io.EOF
	}
	d.at++
	return d.docs[d.at-1], nil
}

func (d *documents) Close() error { return nil }

// All reads an Iter to its end, copies what it returns, and closes it.
func All(ctx context.Context, it Iter) (docs []bson.Raw, err error) {
	defer func() {
		if e := it.Close(); err == nil {
			err = e
		}
	}()
	for {
		d, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err != nil {
			return docs, err
		}
		docs = append(docs, append(bson.Raw(nil), d...))
	}
}
