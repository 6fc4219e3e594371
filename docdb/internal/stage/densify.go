package stage

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// MaxDensified bounds how many documents one $densify makes; beyond it the error is 5897900.
const MaxDensified = 500_000

// densify is $densify.
type densify struct {
	path  []string
	field string
	by    [][]string
	byDot []string
	step  bson.RawValue
	n     int64 // of a step with a unit
	unit  expr.Unit
	dated bool
	kind  string // full, partition, bounds
	low   bson.RawValue
	high  bson.RawValue
}

func compileDensify(c *compiler, _ string, spec bson.RawValue) (*densify, error) {
	if spec.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(5733401, "The $densify stage specification must be an object, found %s", typeName(spec))
	}
	vs, err := arguments(spec, func(n string) error {
		return mongoerr.New(40415, "BSON field '$densify.%s' is an unknown field.", n)
	}, "field", "partitionByFields", "range")
	if err != nil {
		return nil, err
	}
	for i, n := range []string{"field", "", "range"} {
		if n != "" && expr.Missing(vs[i]) {
			return nil, mongoerr.New(40414, "BSON field '$densify.%s' is missing but a required field", n)
		}
	}
	if vs[0].Type != bson.TypeString || vs[2].Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(mongoerr.TypeMismatch, "BSON fields '$densify.field' and '$densify.range' must be a string and an object")
	}
	d := &densify{field: text(vs[0])}
	if strings.HasPrefix(d.field, "$") {
		return nil, mongoerr.New(mongoerr.FailedToParse, "$densify 'field' must not begin with '$': %s", d.field)
	}
	if d.path, err = expr.SplitPath(d.field); err != nil {
		return nil, err
	}
	if !expr.Missing(vs[1]) {
		if vs[1].Type != bson.TypeArray {
			return nil, mongoerr.New(mongoerr.TypeMismatch, "BSON field '$densify.partitionByFields' is the wrong type '%s', expected type 'array'", typeName(vs[1]))
		}
		for _, v := range value.Elements(vs[1].Value) {
			p, err := expr.SplitPath(text(v))
			if err != nil {
				return nil, err
			}
			if text(v) == d.field || strings.HasPrefix(text(v), d.field+".") || strings.HasPrefix(d.field, text(v)+".") {
				return nil, mongoerr.New(8993000, "BSON field '$densify.partitionByFields' contains the field that is being densified, or a part of it: %s", text(v))
			}
			d.by, d.byDot = append(d.by, p), append(d.byDot, text(v))
		}
	}
	return d, d.parseRange(vs[2])
}

func (d *densify) parseRange(spec bson.RawValue) error {
	vs, err := arguments(spec, func(n string) error {
		return mongoerr.New(40415, "BSON field '$densify.range.%s' is an unknown field.", n)
	}, "step", "bounds", "unit")
	if err != nil {
		return err
	}
	if expr.Missing(vs[0]) || expr.Missing(vs[1]) {
		return mongoerr.New(40414, "BSON field '$densify.range' requires 'step' and 'bounds'")
	}
	d.step = vs[0]
	if f, ok := expr.Number(d.step); !ok || !(f > 0) {
		return mongoerr.New(5733401, "The step parameter in a range satement must be a strictly positive numeric value")
	}
	if !expr.Missing(vs[2]) {
		d.dated = true
		if d.unit, err = expr.ParseUnit(text(vs[2])); err != nil {
			return err
		}
		var ok bool
		if d.n, ok = isInt(d.step); !ok {
			return mongoerr.New(6586400, "The step parameter in a range statement must be a whole number when densifying a date range")
		}
	}
	switch b := vs[1]; b.Type {
	case bson.TypeString:
		if d.kind = text(b); d.kind != "full" && d.kind != "partition" {
			return mongoerr.New(5946802, "Bounds string must either be 'full' or 'partition'")
		}
		if d.kind == "partition" && len(d.by) == 0 {
			return mongoerr.New(5733408, "$densify may not specify bounds of 'partition' without partitionByFields")
		}
	case bson.TypeArray:
		d.kind = "bounds"
		if value.Count(b.Value) != 2 {
			return mongoerr.New(5733403, "A bounding array in a range statement must have exactly two elements")
		}
		d.low, d.high = value.Index(b.Value, 0), value.Index(b.Value, 1)
		for _, v := range []bson.RawValue{d.low, d.high} {
			if d.dated != (v.Type == bson.TypeDateTime) || !d.dated && !value.IsNumber(v) {
				return mongoerr.New(5733402, "A bounding array must contain either both dates or both numeric types, as the unit has it")
			}
		}
		if value.Compare(d.low, d.high) >= 0 {
			return mongoerr.New(5733403, "the bounds of $densify must be ascending")
		}
	default:
		return mongoerr.New(5733401, "The bounds in a range statement must be the string 'full' or 'partition', or an ascending array of two elements")
	}
	return nil
}

func (d *densify) deps(x *expr.Deps) bool {
	x.AddPath(d.field)
	for _, p := range d.byDot {
		x.AddPath(p)
	}
	return false
}

func (d *densify) open(r *run, src source) (source, error) {
	fields := []value.Field{}
	if d.kind != "full" || len(d.by) == 0 {
		for _, p := range d.byDot {
			fields = append(fields, value.Field{Name: p, Value: value.Int32(1)})
		}
	}
	fields = append(fields, value.Field{Name: d.field, Value: value.Int32(1)})
	keys, err := expr.ParseSortKeys(value.DocOf(fields...), r.env.collation())
	if err != nil {
		return nil, err
	}
	return &densifying{d: d, src: src, sorter: newSorter(r, "$densify", keys, 0), parts: map[string]*progress{}, coll: r.env.collation()}, nil
}

// progress is how far a partition has been filled.
type progress struct {
	next bson.RawValue // the next value that has to be there
	by   []bson.RawValue
}

// densifying sorts its input by partition and field and puts documents into the gaps. With bounds "full" over partitions the rows
// come by field alone, and each partition has its own progress.
type densifying struct {
	d      *densify
	src    source
	sorter *sorter
	in     source
	coll   value.StringComparer
	parts  map[string]*progress
	order  []*progress
	queue  []bson.Raw // documents to give out before going on
	cur    *progress
	held   row
	holds  bool
	made   int
	min    bson.RawValue
	max    bson.RawValue
	ended  bool
}

func (s *densifying) next(ctx context.Context) (row, error) {
	if s.in == nil {
		for {
			r, err := s.src.next(ctx)
			if drained(err) {
				break
			}
			if err == nil {
				err = s.sorter.add(r)
			}
			if err != nil {
				return row{}, err
			}
		}
		var err error
		if s.in, err = s.sorter.finish(); err != nil {
			return row{}, err
		}
	}
	for {
		if len(s.queue) > 0 {
			d := s.queue[0]
			s.queue = s.queue[1:]
			return row{doc: d}, nil
		}
		if s.holds {
			s.holds = false
			return s.held, nil
		}
		if s.ended {
			return row{}, io.EOF
		}
		if err := ctx.Err(); err != nil {
			return row{}, err
		}
		r, err := s.in.next(ctx)
		if drained(err) {
			s.ended = true
			if err := s.finish(); err != nil {
				return row{}, err
			}
			continue
		}
		if err != nil {
			return row{}, err
		}
		if err := s.take(r); err != nil {
			return row{}, err
		}
	}
}

// take fills the gap before a row, and holds the row.
func (s *densifying) take(r row) error {
	v := value.Get(r.doc, s.d.path)
	s.held, s.holds = row{slices.Clone(r.doc), cloneMeta(r.meta)}, true
	if expr.Nullish(v) {
		return nil
	}
	if s.d.dated != (v.Type == bson.TypeDateTime) || !s.d.dated && !value.IsNumber(v) {
		return mongoerr.New(5733201, "PathArray found: Densify field type must be numeric, or a date with a unit; found %s", typeName(v))
	}
	v = expr.Clone(v)
	var key []byte
	by := make([]bson.RawValue, len(s.d.by))
	for i, p := range s.d.by {
		by[i] = expr.Clone(value.Get(r.doc, p))
		if by[i].Type == bson.TypeArray {
			return mongoerr.New(5733404, "$densify cannot partition by an array")
		}
		key = value.AppendKeyWith(key, by[i], s.coll)
	}
	if expr.Missing(s.min) || value.Compare(v, s.min) < 0 {
		s.min = v
	}
	if expr.Missing(s.max) || value.Compare(v, s.max) > 0 {
		s.max = v
	}
	p := s.parts[string(key)]
	if p == nil {
		p = &progress{by: by}
		switch s.d.kind {
		case "bounds":
			p.next = s.d.low
		case "full":
			// Rows come by value: the first of all is the least.
			p.next = s.min
		default:
			p.next = v
		}
		s.parts[string(key)] = p
		s.order = append(s.order, p)
		if s.d.kind != "full" && s.cur != nil && len(s.d.by) > 0 {
			// The partition before is over.
			if err := s.close1(s.cur); err != nil {
				return err
			}
		}
	}
	s.cur = p
	stop := v
	if s.d.kind == "bounds" && value.Compare(s.d.high, v) < 0 {
		stop = s.d.high
	}
	if err := s.fill(p, stop, false); err != nil {
		return err
	}
	if value.Compare(p.next, v) == 0 {
		return s.advance(p)
	}
	return nil
}

// fill queues documents for p from its next value up to stop, and stop itself when inclusive.
func (s *densifying) fill(p *progress, stop bson.RawValue, inclusive bool) error {
	for {
		c := value.Compare(p.next, stop)
		if c > 0 || c == 0 && !inclusive {
			return nil
		}
		if s.made++; s.made > MaxDensified {
			return mongoerr.New(5897900, "Generated %d documents in $densify, which is over the limit of %d", s.made, MaxDensified)
		}
		var doc []byte = slices.Clone(emptyDocument)
		for i, path := range s.d.by {
			doc = setDeep(nil, doc, path, p.by[i])
		}
		s.queue = append(s.queue, setDeep(nil, doc, s.d.path, p.next))
		if err := s.advance(p); err != nil {
			return err
		}
	}
}

func (s *densifying) advance(p *progress) error {
	if s.d.dated {
		ms, _ := value.Millis(p.next)
		ms, err := expr.AddUnits(ms, s.d.unit, s.d.n, time.UTC)
		p.next = value.Date(ms)
		return err
	}
	sum, overflow := value.Add(p.next, s.d.step)
	if overflow || value.Compare(sum, p.next) <= 0 {
		return mongoerr.New(5897900, "the step of $densify does not reach the next value")
	}
	p.next = sum
	return nil
}

// close1 fills what is left of a partition that has ended.
func (s *densifying) close1(p *progress) error {
	if s.d.kind == "bounds" {
		return s.fill(p, s.d.high, false)
	}
	return nil
}

func (s *densifying) finish() error {
	switch {
	case s.d.kind == "full":
		for _, p := range s.order {
			if err := s.fill(p, s.max, true); err != nil {
				return err
			}
		}
	case s.cur != nil:
		return s.close1(s.cur)
	case s.d.kind == "bounds" && len(s.d.by) == 0:
		return s.fill(&progress{next: s.d.low}, s.d.high, false)
	}
	return nil
}

func (s *densifying) close() error {
	s.sorter.close()
	return s.src.close()
}
