package stage

import (
	"context"
	"io"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/mongoerr"
)

// writeBatch bounds how many documents, and writeBytes how many bytes, are written at once.
const (
	writeBatch = 1000
	writeBytes = 8 << 20
)

// outStage is $out.
type outStage struct{ ns Namespace }

func compileOut(c *compiler, _ string, spec bson.RawValue) (*outStage, error) {
	o := &outStage{Namespace{DB: c.env.DB}}
	switch spec.Type {
	case bson.TypeString:
		o.ns.Collection = text(spec)
	case bson.TypeEmbeddedDocument:
		vs, err := arguments(spec, func(n string) error {
			return mongoerr.New(40415, "BSON field '$out.%s' is an unknown field.", n)
		}, "db", "coll", "timeseries")
		if err != nil {
			return nil, err
		}
		if !expr.Missing(vs[2]) {
			return nil, mongoerr.New(mongoerr.InvalidOptions, "$out to a time series collection is not supported: this server has none")
		}
		for i, n := range []string{"db", "coll"} {
			if expr.Nullish(vs[i]) {
				return nil, mongoerr.New(40414, "BSON field '$out.%s' is missing but a required field", n)
			}
			if vs[i].Type != bson.TypeString {
				return nil, mongoerr.New(mongoerr.TypeMismatch, "BSON field '$out.%s' is the wrong type '%s', expected type 'string'", n, typeName(vs[i]))
			}
		}
		o.ns = Namespace{text(vs[0]), text(vs[1])}
	default:
		return nil, mongoerr.New(16990, "$out only supports a string or object argument, but found %s", typeName(spec))
	}
	if o.ns.Collection == "" || o.ns.DB == "" {
		return nil, mongoerr.New(mongoerr.InvalidNamespace, "Invalid $out target namespace, %s.%s", o.ns.DB, o.ns.Collection)
	}
	if restricted(o.ns.DB) {
		return nil, mongoerr.New(31321, "Can't $out to internal database: %s", o.ns.DB)
	}
	if strings.HasPrefix(o.ns.Collection, "system.") {
		return nil, mongoerr.New(17385, "Can't $out to special collection: %s", o.ns.Collection)
	}
	if c.env.Collections == nil {
		return nil, mongoerr.New(mongoerr.IllegalOperation, "other collections cannot be written here")
	}
	return o, nil
}

func restricted(db string) bool { return db == "admin" || db == "local" || db == "config" }

func (o *outStage) deps(d *expr.Deps) bool { return false }

func (o *outStage) open(r *run, src source) (source, error) {
	if err := r.env.Collections.CheckTarget(r.ctx, "$out", o.ns); err != nil {
		return nil, err
	}
	return &writing{src: src, run: func(ctx context.Context, src source) error {
		w, err := r.env.Collections.Replace(ctx, o.ns)
		if err != nil {
			return err
		}
		if err := batches(ctx, src, func(docs []bson.Raw) error { return w.Insert(ctx, docs) }); err != nil {
			w.Abort()
			return err
		}
		return w.Commit(ctx)
	}}, nil
}

// batches reads a source to its end and hands on copies of its documents by batches.
func batches(ctx context.Context, src source, write func([]bson.Raw) error) error {
	var docs []bson.Raw
	bytes := 0
	for {
		r, err := src.next(ctx)
		if drained(err) {
			break
		}
		if err != nil {
			return err
		}
		if len(r.doc) > MaxDocumentBytes {
			return mongoerr.New(mongoerr.BSONObjectTooLarge, "a document of %d bytes is too large to be written", len(r.doc))
		}
		docs = append(docs, slices.Clone(r.doc))
		if bytes += len(r.doc); len(docs) == writeBatch || bytes > writeBytes {
			if err := write(docs); err != nil {
				return err
			}
			docs, bytes = nil, 0
		}
	}
	if len(docs) == 0 {
		return nil
	}
	return write(docs)
}

// writing writes everything at the first pull and gives out nothing.
type writing struct {
	src  source
	run  func(ctx context.Context, src source) error
	done bool
}

func (s *writing) next(ctx context.Context) (row, error) {
	if !s.done {
		s.done = true
		if err := s.run(ctx, s.src); err != nil {
			return row{}, err
		}
	}
	return row{}, io.EOF
}

func (s *writing) close() error { return s.src.close() }
