package stage

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/accum"
	"regent/docdb/internal/expr"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// outputs compiles the output of $bucket and $bucketAuto; the default is {count: {$sum: 1}}.
func (c *compiler) outputs(v bson.RawValue, notObject mongoerr.Code) ([]string, []*accum.Spec, error) {
	if expr.Missing(v) {
		v = value.Doc(value.DocOf(value.Field{Name: "count", Value: value.Doc(value.DocOf(value.Field{Name: "$sum", Value: value.Int32(1)}))}))
	}
	if v.Type != bson.TypeEmbeddedDocument {
		return nil, nil, mongoerr.New(notObject, "The 'output' field must be an object, but found type: %s.", typeName(v))
	}
	var names []string
	var specs []*accum.Spec
	for it := expr.Each(v.Value); ; {
		n, a, ok := it.Next()
		if !ok {
			return names, specs, nil
		}
		if string(n) == "_id" {
			return nil, nil, mongoerr.New(15948, "a group's _id may only be specified once")
		}
		s, err := c.accumulator(string(n), a)
		if err != nil {
			return nil, nil, err
		}
		names, specs = append(names, string(n)), append(specs, s)
	}
}

// groupingBy checks that groupBy is a path or an expression.
func groupingBy(v bson.RawValue, code mongoerr.Code) error {
	ok := v.Type == bson.TypeString && text(v) != "" && text(v)[0] == '$'
	if v.Type == bson.TypeEmbeddedDocument {
		it := expr.Each(v.Value)
		n, _, some := it.Next()
		ok = some && len(n) > 0 && n[0] == '$'
	}
	if !ok {
		return mongoerr.New(code, "The 'groupBy' field must be defined as a $-prefixed path or an expression, but found: %s.", value.Show(v))
	}
	return nil
}

// compileBucket makes $bucket of $group, by the bucket that a value falls in, and $sort.
func compileBucket(c *compiler, _ string, spec bson.RawValue) ([]node, error) {
	if spec.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(40201, "Argument to $bucket stage must be an object, but found type: %s.", typeName(spec))
	}
	vs, err := arguments(spec, func(n string) error {
		return mongoerr.New(40197, "Unrecognized option to $bucket: %s.", n)
	}, "groupBy", "boundaries", "default", "output")
	if err != nil {
		return nil, err
	}
	if expr.Missing(vs[0]) || expr.Missing(vs[1]) {
		return nil, mongoerr.New(40198, "$bucket requires 'groupBy' and 'boundaries' to be specified.")
	}
	if err := groupingBy(vs[0], 40202); err != nil {
		return nil, err
	}
	if vs[1].Type != bson.TypeArray {
		return nil, mongoerr.New(40200, "The $bucket 'boundaries' field must be an array, but found type: %s.", typeName(vs[1]))
	}
	coll := c.env.collation()
	b := &bucketOf{coll: coll, hasDefault: !expr.Missing(vs[2])}
	for it := expr.Each(vs[1].Value); ; {
		_, v, ok := it.Next()
		if !ok {
			break
		}
		k, err := constant(c, v)
		if err != nil {
			return nil, mongoerr.New(40191, "The $bucket 'boundaries' field must be an array of constant values, but found value: %s.", value.Show(v))
		}
		if n := len(b.bounds); n > 0 {
			last := b.bounds[n-1]
			if value.Rank(last.Type) != value.Rank(k.Type) {
				return nil, mongoerr.New(40193, "All values in the the 'boundaries' option to $bucket must have the same type. Found conflicting types %s and %s.", typeName(last), typeName(k))
			}
			if expr.Compare(last, k, coll) >= 0 {
				return nil, mongoerr.New(40194, "The 'boundaries' option to $bucket must be sorted, but elements %d and %d are not in ascending order (%s is not less than %s).", n-1, n, value.Show(last), value.Show(k))
			}
		}
		b.bounds = append(b.bounds, k)
	}
	if len(b.bounds) < 2 {
		return nil, mongoerr.New(40192, "The $bucket 'boundaries' field must have at least 2 values, but found %d value(s).", len(b.bounds))
	}
	if b.hasDefault {
		if b.other, err = constant(c, vs[2]); err != nil {
			return nil, mongoerr.New(40195, "The $bucket 'default' field must be a constant, but found: %s.", value.Show(vs[2]))
		}
		low, high := b.bounds[0], b.bounds[len(b.bounds)-1]
		if value.Rank(b.other.Type) == value.Rank(low.Type) && expr.Compare(b.other, low, coll) >= 0 && expr.Compare(b.other, high, coll) < 0 {
			return nil, mongoerr.New(40199, "The $bucket 'default' field must be less than the lowest boundary or greater than or equal to the highest boundary.")
		}
	}
	if b.by, err = expr.Compile(vs[0], c.scope); err != nil {
		return nil, err
	}
	names, specs, err := c.outputs(vs[3], 40196)
	if err != nil {
		return nil, err
	}
	s, err := compileSort(c, "$sort", value.Doc(value.DocOf(value.Field{Name: "_id", Value: value.Int32(1)})))
	return []node{&group{id: b, names: names, specs: specs}, s}, err
}

// constant evaluates an expression that must not read the document.
func constant(c *compiler, v bson.RawValue) (bson.RawValue, error) {
	e, err := expr.Compile(v, c.scope)
	if err != nil {
		return v, err
	}
	k, ok := expr.Constant(e)
	if !ok {
		return v, mongoerr.New(mongoerr.BadValue, "the value must be a constant: %s", value.Show(v))
	}
	return k, nil
}

// bucketOf is the expression that answers the lower bound of a value's bucket.
type bucketOf struct {
	by         expr.Expr
	bounds     []bson.RawValue
	other      bson.RawValue
	hasDefault bool
	coll       value.StringComparer
}

// Eval implements expr.Expr.
func (b *bucketOf) Eval(env *expr.Env) (bson.RawValue, error) {
	v, err := b.by.Eval(env)
	if err != nil {
		return v, err
	}
	i, exact := slices.BinarySearchFunc(b.bounds, v, func(bound, v bson.RawValue) int { return expr.Compare(bound, v, b.coll) })
	if !exact {
		i--
	}
	if i >= 0 && i < len(b.bounds)-1 {
		return b.bounds[i], nil
	}
	if b.hasDefault {
		return b.other, nil
	}
	return v, mongoerr.New(40066, "$switch could not find a matching branch for an input, and no default was specified: $bucket has no bucket for %s.", value.Show(v))
}

// Deps implements expr.Expr.
func (b *bucketOf) Deps(d *expr.Deps) { b.by.Deps(d) }

// bucketAuto is $bucketAuto: the documents sorted by a value, cut into about equal parts.
type bucketAuto struct {
	by      expr.Expr
	n       int64
	names   []string
	specs   []*accum.Spec
	rounder *series
}

func compileBucketAuto(c *compiler, _ string, spec bson.RawValue) (*bucketAuto, error) {
	if spec.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(40240, "The argument to $bucketAuto must be an object, but found type: %s.", typeName(spec))
	}
	vs, err := arguments(spec, func(n string) error {
		return mongoerr.New(40245, "Unrecognized option to $bucketAuto: %s.", n)
	}, "groupBy", "buckets", "output", "granularity")
	if err != nil {
		return nil, err
	}
	if expr.Missing(vs[0]) || expr.Missing(vs[1]) {
		return nil, mongoerr.New(40246, "$bucketAuto requires 'groupBy' and 'buckets' to be specified.")
	}
	if err := groupingBy(vs[0], 40239); err != nil {
		return nil, err
	}
	if !value.IsNumber(vs[1]) {
		return nil, mongoerr.New(40241, "The $bucketAuto 'buckets' field must be a numeric value, but found type: %s.", typeName(vs[1]))
	}
	b := &bucketAuto{}
	var ok bool
	if b.n, ok = isInt(vs[1]); !ok || b.n != int64(int32(b.n)) {
		return nil, mongoerr.New(40242, "The $bucketAuto 'buckets' field must be representable as a 32-bit integer, but found %s.", value.Show(vs[1]))
	}
	if b.n <= 0 {
		return nil, mongoerr.New(40243, "The $bucketAuto 'buckets' field must be greater than 0, but found: %d.", b.n)
	}
	if !expr.Missing(vs[3]) {
		if vs[3].Type != bson.TypeString {
			return nil, mongoerr.New(40261, "The $bucketAuto 'granularity' field must be a string, but found type: %s.", typeName(vs[3]))
		}
		if b.rounder = seriesOf(text(vs[3])); b.rounder == nil {
			return nil, mongoerr.New(40257, "Unknown rounding granularity '%s'", text(vs[3]))
		}
	}
	if b.by, err = expr.Compile(vs[0], c.scope); err != nil {
		return nil, err
	}
	b.names, b.specs, err = c.outputs(vs[2], 40244)
	return b, err
}

func (b *bucketAuto) deps(d *expr.Deps) bool {
	b.by.Deps(d)
	for _, s := range b.specs {
		s.Deps(d)
	}
	return true
}

// keyField holds the sorted value beside the document while $bucketAuto sorts.
const (
	keyField = "k"
	docField = "d"
)

func (b *bucketAuto) open(r *run, src source) (source, error) {
	keys, err := expr.ParseSortKeys(value.DocOf(value.Field{Name: "w.k", Value: value.Int32(1)}), r.env.collation())
	if err != nil {
		return nil, err
	}
	return &bucketing{b: b, r: r, src: src, env: r.expressions(), sorter: newSorter(r, "$bucketAuto", keys, 0)}, nil
}

type bucketing struct {
	b      *bucketAuto
	r      *run
	src    source
	env    *expr.Env
	sorter *sorter
	out    source
	total  int64
	made   int64
	ahead  *pair
	low    bson.RawValue // of the next bucket, under a granularity
}

type pair struct{ key, doc bson.RawValue }

func (s *bucketing) start(ctx context.Context) error {
	var buf []byte
	for {
		r, err := s.src.next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		s.env.ResetMeta(r.doc, r.meta)
		k, err := s.b.by.Eval(s.env)
		if err != nil {
			return err
		}
		if expr.Missing(k) {
			k = expr.Null
		}
		if s.b.rounder != nil {
			f, ok := expr.Number(k)
			if !ok {
				return mongoerr.New(40258, "$bucketAuto can specify a 'granularity' with numeric boundaries only, but found a value with type: %s", typeName(k))
			}
			if math.IsNaN(f) {
				return mongoerr.New(40259, "$bucketAuto can specify a 'granularity' with numeric boundaries only, but found a NaN")
			}
			if f < 0 {
				return mongoerr.New(40260, "$bucketAuto can specify a 'granularity' with non-negative numbers only, but found a negative number")
			}
		}
		// The value is held one array deeper, so that an array sorts as a whole.
		inner := newDoc(nil)
		inner.add(keyField, value.ArrayOf([]bson.RawValue{k}))
		d := newDoc(buf)
		d.add("w", value.Doc(inner.done()))
		d.add(docField, value.Doc(r.doc))
		buf = d.done()
		s.total++
		if err := s.sorter.add(row{doc: buf}); err != nil {
			return err
		}
	}
	var err error
	s.out, err = s.sorter.finish()
	return err
}

// read returns the next sorted pair, nil at the end.
func (s *bucketing) read(ctx context.Context) (*pair, error) {
	if s.ahead != nil {
		p := s.ahead
		s.ahead = nil
		return p, nil
	}
	r, err := s.out.next(ctx)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	doc := slices.Clone(r.doc)
	w := expr.Lookup(doc, "w")
	return &pair{value.Index(expr.Lookup(w.Value, keyField).Value, 0), expr.Lookup(doc, docField)}, nil
}

func (s *bucketing) next(ctx context.Context) (row, error) {
	if s.out == nil {
		if err := s.start(ctx); err != nil {
			return row{}, err
		}
	}
	first, err := s.read(ctx)
	if err != nil {
		return row{}, err
	}
	if first == nil || s.made == s.b.n {
		return row{}, io.EOF
	}
	// What is left is spread over the buckets that are left, as in rounding n·size.
	size := int64(math.Round(float64(s.total) / float64(s.b.n)))
	size = max(size, 1)
	last := s.made == s.b.n-1
	accs := make([]accum.Accumulator, len(s.b.specs))
	for i, sp := range s.b.specs {
		if accs[i], err = sp.New(expr.Null); err != nil {
			return row{}, err
		}
	}
	coll := s.r.env.collation()
	add := func(p *pair) error {
		s.env.Reset(p.doc.Value)
		for _, a := range accs {
			if err := a.Add(s.env); err != nil {
				return err
			}
		}
		return nil
	}
	low, high := first.key, first.key
	var bound *float64 // the granularity's upper bound
	for p, n := first, int64(0); ; n++ {
		if p == nil {
			break
		}
		stop := n >= size && !last && expr.Compare(p.key, high, coll) != 0
		if s.b.rounder != nil && n >= size && !last {
			if bound == nil {
				f, _ := expr.Number(high)
				up := s.b.rounder.up(f)
				bound = &up
			}
			f, _ := expr.Number(p.key)
			stop = f >= *bound
		}
		if stop {
			s.ahead = p
			break
		}
		if err := add(p); err != nil {
			return row{}, err
		}
		high = p.key
		if p, err = s.read(ctx); err != nil {
			return row{}, err
		}
	}
	s.made++
	if s.ahead != nil {
		high = s.ahead.key
	}
	if s.b.rounder != nil {
		low, high = s.rounded(low, high, bound)
	}
	id := newDoc(nil)
	id.add("min", low)
	id.add("max", high)
	d := newDoc(nil)
	d.add("_id", value.Doc(id.done()))
	s.env.Reset(emptyDocument)
	for i, a := range accs {
		v, err := a.Value(s.env)
		if err != nil {
			return row{}, err
		}
		d.add(s.b.names[i], v)
	}
	return row{doc: d.done()}, nil
}

// rounded puts a bucket's bounds on the granularity's series: each begins where the one before ended.
func (s *bucketing) rounded(low, high bson.RawValue, bound *float64) (bson.RawValue, bson.RawValue) {
	if expr.Missing(s.low) {
		f, _ := expr.Number(low)
		s.low = value.Double(s.b.rounder.down(f))
	}
	low = s.low
	if bound != nil {
		high = value.Double(*bound)
	} else {
		f, _ := expr.Number(high)
		high = value.Double(s.b.rounder.up(f))
	}
	s.low = high
	return low, high
}

func (s *bucketing) close() error {
	s.sorter.close()
	s.env.Release()
	return s.src.close()
}
