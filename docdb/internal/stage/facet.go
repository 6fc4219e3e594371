package stage

import (
	"context"
	"errors"
	"io"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/mongoerr"
)

// facet is $facet: several pipelines over the same documents, one document of their results.
type facet struct {
	names []string
	pipes []*Pipeline
}

// sub returns the Env of a pipeline inside this one.
func (c *compiler) sub(where Context) *Env {
	e := *c.env
	e.Context = where
	e.depth++
	return &e
}

func compileFacet(c *compiler, _ string, spec bson.RawValue) (*facet, error) {
	if spec.Type != bson.TypeEmbeddedDocument || len(spec.Value) <= 5 {
		return nil, mongoerr.New(40169, "the $facet specification must be a non-empty object")
	}
	f := &facet{}
	for it := expr.Each(spec.Value); ; {
		n, v, ok := it.Next()
		if !ok {
			return f, nil
		}
		name := string(n)
		if _, err := expr.SplitPath(name); err != nil {
			return nil, err
		}
		if slices.Contains([]byte(name), '.') {
			return nil, mongoerr.New(16412, "FieldPath field names may not contain '.'. Consider using $getField or $setField.")
		}
		if v.Type != bson.TypeArray {
			return nil, mongoerr.New(40170, "arguments to $facet must be arrays, %s is type %s", name, typeName(v))
		}
		stages, err := Split(v)
		if err != nil {
			return nil, mongoerr.New(40171, "elements of arrays in $facet spec must be non-empty objects, %s argument contained an element of another type", name)
		}
		p, err := compilePipeline(stages, c.sub(inFacet), c.scope)
		if err != nil {
			return nil, err
		}
		f.names, f.pipes = append(f.names, name), append(f.pipes, p)
	}
}

func (f *facet) open(r *run, src source) (source, error) { return &faceting{f: f, r: r, src: src}, nil }

func (f *facet) deps(d *expr.Deps) bool {
	for _, p := range f.pipes {
		if !p.deps(d) {
			d.Whole = true
		}
	}
	return true
}

type faceting struct {
	f    *facet
	r    *run
	src  source
	done bool
}

// next gathers the input once (to disk beyond the limit) and runs each pipeline over it.
func (s *faceting) next(ctx context.Context) (row, error) {
	if s.done {
		return row{}, io.EOF
	}
	s.done = true
	store := newRowStore(s.r.env, "$facet")
	defer store.close()
	for {
		r, err := s.src.next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = store.add(r)
		}
		if err != nil {
			return row{}, err
		}
	}
	d := newDoc(nil)
	for i, p := range s.f.pipes {
		in, err := store.reader()
		if err != nil {
			return row{}, err
		}
		a, err := collect(ctx, p, &run{ctx: ctx, env: p.env, vars: s.r.vars}, in, "$facet")
		if err != nil {
			return row{}, err
		}
		d.add(s.f.names[i], a)
	}
	out := d.done()
	if len(out) > expr.MaxValueBytes {
		return row{}, mongoerr.New(mongoerr.BSONObjectTooLarge, "the document of $facet has %d bytes, more than a document may have", len(out))
	}
	return row{doc: out}, nil
}

func (s *faceting) close() error { return s.src.close() }

// collect runs a pipeline and returns the array of its documents.
func collect(ctx context.Context, p *Pipeline, r *run, in source, stage string) (bson.RawValue, error) {
	src, err := p.start(r, in)
	if err != nil {
		in.close()
		return bson.RawValue{}, err
	}
	defer src.close()
	a := append([]byte(nil), 0, 0, 0, 0)
	var number [20]byte
	for i := 0; ; i++ {
		o, err := src.next(ctx)
		if errors.Is(err, io.EOF) {
			return bson.RawValue{Type: bson.TypeArray, Value: finish(a, 0)}, nil
		}
		if err != nil {
			return bson.RawValue{}, err
		}
		a = appendMember(a, appendInt(number[:0], i), bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: o.doc})
		if len(a) > expr.MaxValueBytes {
			return bson.RawValue{}, mongoerr.New(4031700, "the documents that %s puts into one document exceed %d bytes", stage, expr.MaxValueBytes)
		}
	}
}

// rowStore keeps rows to be read several times: in memory, and in a file beyond the limit.
type rowStore struct {
	env   *Env
	stage string
	rows  []row
	arena []byte
	bytes int
	file  *spillFile
	count int
	mem   held
}

func newRowStore(env *Env, stage string) *rowStore {
	return &rowStore{env: env, stage: stage, mem: env.held()}
}

func (s *rowStore) add(r row) error {
	s.count++
	fits := true
	if s.file == nil {
		var err error
		if fits, err = s.mem.fits(s.bytes); err != nil {
			return err
		}
	}
	if !fits {
		f, err := newSpillFile(s.env, s.stage)
		if err != nil {
			return err
		}
		s.file = f
	}
	if s.file != nil {
		return s.file.write(r)
	}
	if cap(s.arena)-len(s.arena) < len(r.doc) {
		s.arena = make([]byte, 0, max(64<<10, len(r.doc)))
	}
	at := len(s.arena)
	s.arena = append(s.arena, r.doc...)
	s.rows = append(s.rows, row{s.arena[at:len(s.arena):len(s.arena)], cloneMeta(r.meta)})
	s.bytes += len(r.doc) + rowOverhead
	return nil
}

// reader reads all rows from the start. One reader at a time.
func (s *rowStore) reader() (source, error) {
	if s.file != nil {
		if s.file.w != nil {
			if err := s.file.rewind(); err != nil {
				return nil, err
			}
		} else if err := s.file.restart(); err != nil {
			return nil, err
		}
		s.file.rows = s.count - len(s.rows)
	}
	return &storeReader{s: s}, nil
}

func (s *rowStore) close() {
	if s.file != nil {
		s.file.close()
	}
	s.rows = nil
	s.mem.release()
}

type storeReader struct {
	s  *rowStore
	at int
}

func (r *storeReader) next(ctx context.Context) (row, error) {
	if r.at&0x3ff == 0 {
		if err := ctx.Err(); err != nil {
			return row{}, err
		}
	}
	if r.at < len(r.s.rows) {
		r.at++
		return r.s.rows[r.at-1], nil
	}
	if r.s.file == nil {
		return row{}, io.EOF
	}
	return r.s.file.read()
}

func (r *storeReader) close() error { return nil }
