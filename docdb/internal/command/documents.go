package command

import (
	"context"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/docdb/internal/budget"
	"regent/docdb/internal/match"
	"regent/docdb/internal/plan"
	"regent/docdb/internal/stage"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

// filtered is a scan's documents that match.
type filtered struct {
	scan    *plan.Scan
	m       *match.Matcher
	release func()
	// budget counts what the scan holds, which is last, by memory; n is the number of documents.
	budget  *budget.Budget
	memory  budget.Share
	n, last int
}

func (f *filtered) Next(ctx context.Context) (bson.Raw, error) {
	doc, err := f.scan.Next(ctx)
	if err == nil {
		err = f.look(len(doc))
	}
	return doc, err
}

// look counts a document's size now and then, a large one's always.
func (f *filtered) look(doc int) error {
	if f.n++; f.n&countedDocs != 0 && doc <= largeDoc {
		return nil
	}
	return f.count(doc)
}

// largeDoc is the size from which on every document is counted against what queries may hold; of others one in countedDocs+1 is looked at.
const (
	largeDoc    = 32 << 10
	countedDocs = 127
)

// count counts what the scan holds: its document, or the block that it lies in, and what it has read ahead.
func (f *filtered) count(doc int) error {
	n := doc + f.scan.Held()
	if n < f.last/2 {
		f.memory.Release()
	}
	f.last = n
	if f.memory.Ledger == nil {
		f.memory.Ledger = f.budget.Ledger()
	}
	if !f.memory.Need(n) {
		return errOpenCursors(f.memory.Most())
	}
	return nil
}

// AppendNext implements appender.
func (f *filtered) AppendNext(ctx context.Context, dst []byte) ([]byte, error) {
	out, err := f.scan.AppendNext(ctx, dst)
	if n := len(out) - len(dst); err == nil {
		err = f.look(n)
	}
	return out, err
}

// Share implements stage.Sharer.
func (f *filtered) Share(ctx context.Context, fields []string, begin func() stage.Sink, merge func(stage.Sink) (bool, error)) error {
	if f.m == nil {
		return nil // one _id is asked for: nothing to share out
	}
	find := f.m.Finder(fields)
	if find == nil {
		return nil
	}
	return f.scan.Share(ctx, plan.Finder{Fields: len(fields), Match: find.Match}, begin, merge)
}

// RecordID is the record of the last document.
func (f *filtered) RecordID() store.RecordID { return f.scan.ID() }

func (f *filtered) Close() error {
	f.memory.Release()
	err := f.scan.Close()
	if f.release != nil {
		f.release()
		f.release = nil
	}
	return err
}

// skipping leaves out the first documents.
type skipping struct {
	src stream
	n   int64
}

func (s *skipping) Next(ctx context.Context) (bson.Raw, error) {
	for ; s.n > 0; s.n-- {
		if _, err := s.src.Next(ctx); err != nil {
			return nil, err
		}
	}
	return s.src.Next(ctx)
}

func (s *skipping) Close() error { return s.src.Close() }

// projected applies a projection.
type projected struct {
	src stream
	p   *projection
}

func (p *projected) Next(ctx context.Context) (bson.Raw, error) {
	d, err := p.src.Next(ctx)
	if err != nil {
		return nil, err
	}
	return p.p.of(p.src, d)
}

func (p *projected) Close() error { return p.src.Close() }

// decorated adds the record id ($recordId), or leaves only the key of the index that was used.
type decorated struct {
	src       stream
	returnKey bool
}

func (s *decorated) Next(ctx context.Context) (bson.Raw, error) {
	d, err := s.src.Next(ctx)
	if err != nil {
		return nil, err
	}
	if s.returnKey {
		return keyOnly(s.src, d), nil
	}
	r := recordOf(s.src)
	i, out := bsoncore.AppendDocumentStart(nil)
	out = append(out, d[4:len(d)-1]...)
	out = bsoncore.AppendInt64Element(out, "$recordId", int64(r))
	out, _ = bsoncore.AppendDocumentEnd(out, i)
	return out, nil
}

func (s *decorated) Close() error { return s.src.Close() }

// recordOf finds the record of a stream's last document through what is wrapped around the scan; 0 after a sort.
func recordOf(s stream) store.RecordID {
	for {
		switch x := s.(type) {
		case *filtered:
			return x.RecordID()
		case *nearest:
			return x.RecordID()
		case *scored:
			s = x.src
		case *skipping:
			s = x.src
		case *projected:
			s = x.src
		default:
			return 0
		}
	}
}

// keyOnly gives the fields of the index that the scan used.
func keyOnly(s stream, d bson.Raw) bson.Raw {
	for {
		switch x := s.(type) {
		case *filtered:
			ix := x.scan.Index()
			if ix == nil {
				return emptyDoc
			}
			i, out := bsoncore.AppendDocumentStart(nil)
			for _, f := range ix.Keys.Fields {
				if v := value.Get(d, f.Parts); v.Type != 0 {
					out = value.Append(out, f.Path, v)
				}
			}
			out, _ = bsoncore.AppendDocumentEnd(out, i)
			return out
		case *skipping:
			s = x.src
		case *projected:
			s = x.src
		default:
			return emptyDoc
		}
	}
}

// collect reads a stream to its end; for results that are known to be small.
func collect(ctx context.Context, s stream) ([]bson.Raw, error) {
	defer s.Close()
	var out []bson.Raw
	for {
		d, err := s.Next(ctx)
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, append(bson.Raw(nil), d...))
	}
}
