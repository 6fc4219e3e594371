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

// sample is $sample: a reservoir, given out in random order.
type sample struct{ n int64 }

func compileSample(_ *compiler, _ string, spec bson.RawValue) (*sample, error) {
	if spec.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(28745, "the $sample stage specification must be an object")
	}
	vs, err := arguments(spec, func(n string) error {
		return mongoerr.New(28748, "unrecognized option to $sample: %s", n)
	}, "size")
	if err != nil {
		return nil, err
	}
	if expr.Missing(vs[0]) {
		return nil, mongoerr.New(28749, "$sample stage must specify a size")
	}
	f, ok := expr.Number(vs[0])
	if !ok {
		return nil, mongoerr.New(28746, "size argument to $sample must be a number")
	}
	if !(f >= 1) {
		return nil, mongoerr.New(28747, "size argument to $sample must be a positive integer")
	}
	return &sample{int64(min(f, 1<<40))}, nil
}

func (n *sample) open(r *run, src source) (source, error) {
	return &sampling{n: n.n, r: r, src: src}, nil
}
func (n *sample) deps(*expr.Deps) bool { return false }

type sampling struct {
	n    int64
	r    *run
	src  source
	rows []row
	mem  held
	read bool
	at   int
}

func (s *sampling) next(ctx context.Context) (row, error) {
	if !s.read {
		if err := s.gather(ctx); err != nil {
			return row{}, err
		}
		s.read = true
	}
	if s.at == len(s.rows) {
		return row{}, io.EOF
	}
	s.at++
	return s.rows[s.at-1], nil
}

func (s *sampling) gather(ctx context.Context) error {
	s.mem = s.r.env.held()
	bytes, over := 0, mongoerr.New(mongoerr.QueryExceededMemoryLimitNoDiskUseAllowed, "Exceeded memory limit of %d bytes for $sample; ask for fewer documents", s.mem.limit)
	for seen := 0; ; seen++ {
		r, err := s.src.next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if seen&0x3ff == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		at := len(s.rows)
		if int64(at) == s.n {
			if at = s.r.env.intn(seen + 1); at >= len(s.rows) {
				continue
			}
			bytes -= len(s.rows[at].doc) + rowOverhead
		} else {
			s.rows = append(s.rows, row{})
		}
		s.rows[at] = row{slices.Clone(r.doc), cloneMeta(r.meta)}
		bytes += len(r.doc) + rowOverhead
		if err := s.mem.bounded(bytes, over); err != nil {
			return err
		}
	}
	for i := len(s.rows) - 1; i > 0; i-- {
		j := s.r.env.intn(i + 1)
		s.rows[i], s.rows[j] = s.rows[j], s.rows[i]
	}
	return nil
}

func (s *sampling) close() error {
	s.rows = nil
	s.mem.release()
	return s.src.close()
}
