package stage

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/accum"
	"regent/docdb/internal/value"
)

// partShare is the part of $group's memory that one sink may take.
const partShare = 16

// share has the input's documents grouped in parts, by several processors, if it can be shared out and all accumulators can be
// merged. Parts are merged in the order of the input, so that groups come in the order of their first documents and $first, $last and
// $push see what they would have seen. Sums add up to the same in parts (expr.Sum).
func (s *grouping) share(ctx context.Context) error {
	in, ok := s.src.(*input)
	if !ok || !s.g.merges || in.meta != nil || s.mem.share.Tight() {
		return nil
	}
	src, ok := in.it.(Sharer)
	if !ok {
		return nil
	}
	limit := s.mem.limit
	begin := func() Sink {
		p := &groupPart{limit: limit / partShare}
		p.g, p.r, p.env, p.coll, p.index = s.g, s.r, s.r.expressions(), s.coll, map[string]int{}
		return p
	}
	return src.Share(ctx, s.g.fields.List(), begin, func(sink Sink) (bool, error) {
		if err := s.merge(&sink.(*groupPart).grouping); err != nil {
			return false, err
		}
		err := s.bounded()
		return !s.full, err
	})
}

// groupPart groups the documents of a part of the input.
type groupPart struct {
	grouping
	limit int
}

// Add implements Sink.
func (p *groupPart) Add(doc bson.Raw, found []value.Found) (more bool, err error) {
	p.env.Reset(doc)
	p.env.Gathered(&p.g.fields, found)
	i, err := p.find()
	if err == nil {
		err = p.add(i)
	}
	return p.bytes < p.limit, err
}

// merge takes in the groups of a later part.
func (s *grouping) merge(p *grouping) error {
	for i := range p.groups {
		g := &p.groups[i]
		at, known := s.index[g.key]
		if !known {
			s.index[g.key] = len(s.groups)
			s.groups = append(s.groups, *g)
			s.bytes += s.g.cost(g.key)
			for _, a := range g.accs {
				s.bytes += a.Held()
				s.held += a.Held()
			}
			continue
		}
		for j, a := range s.groups[at].accs {
			before := a.Held()
			if err := a.(accum.Merger).Merge(g.accs[j]); err != nil {
				return err
			}
			s.bytes += a.Held() - before
			s.held += a.Held() - before
		}
	}
	return nil
}
