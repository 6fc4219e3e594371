package stage

import (
	"context"
	"io"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/accum"
	"regent/docdb/internal/expr"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

func windowStages() []definition {
	return []definition{
		{"$setWindowFields", "fields computed over neighbouring documents", 0, single(compileWindowFields)},
		{"$densify", "documents that fill gaps in a sequence", 0, single(compileDensify)},
		{"$fill", "values for null and missing fields", 0, compileFill},
	}
}

// windowFields is $setWindowFields.
type windowFields struct {
	by     expr.Expr // nil for one partition
	sort   *expr.SortKeys
	sortBy bson.Raw
	tree   *field
	outs   []*windowOutput
}

// windowOutput is one computed field. Its value is given to the tree of fields by way of slot.
type windowOutput struct {
	path  string
	f     windowFunc
	value bson.RawValue
}

// Eval implements expr.Expr: the value computed for the current row.
func (o *windowOutput) Eval(*expr.Env) (bson.RawValue, error) { return o.value, nil }

// Deps implements expr.Expr.
func (o *windowOutput) Deps(d *expr.Deps) { o.f.deps(d) }

// windowFunc computes a value for every row of a partition.
type windowFunc interface {
	values(p *part) ([]bson.RawValue, error)
	deps(d *expr.Deps)
}

// part is a partition: its rows in order, with their sort keys.
type part struct {
	ctx  context.Context
	rows []row
	keys [][]bson.RawValue
	env  *expr.Env
	sort *expr.SortKeys
	coll value.StringComparer
}

// eval evaluates an expression over row i; the result is copied.
func (p *part) eval(e expr.Expr, i int) (bson.RawValue, error) {
	p.env.ResetMeta(p.rows[i].doc, p.rows[i].meta)
	v, err := e.Eval(p.env)
	if err != nil {
		return v, err
	}
	return expr.Clone(v), nil
}

func compileWindowFields(c *compiler, name string, spec bson.RawValue) (*windowFields, error) {
	if spec.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(mongoerr.FailedToParse, "the $setWindowFields stage specification must be an object, found %s", typeName(spec))
	}
	vs, err := arguments(spec, func(n string) error {
		return mongoerr.New(40415, "BSON field '$setWindowFields.%s' is an unknown field.", n)
	}, "partitionBy", "sortBy", "output")
	if err != nil {
		return nil, err
	}
	w := &windowFields{tree: &field{}}
	if !expr.Missing(vs[0]) {
		if w.by, err = expr.Compile(vs[0], c.scope); err != nil {
			return nil, err
		}
	}
	if !expr.Missing(vs[1]) {
		if vs[1].Type != bson.TypeEmbeddedDocument {
			return nil, mongoerr.New(mongoerr.TypeMismatch, "BSON field '$setWindowFields.sortBy' is the wrong type '%s', expected type 'object'", typeName(vs[1]))
		}
		if len(vs[1].Value) > 5 {
			if w.sort, err = expr.ParseSortKeys(vs[1].Value, c.env.collation()); err != nil {
				return nil, err
			}
			w.sortBy = vs[1].Value
		}
	}
	if expr.Missing(vs[2]) {
		return nil, mongoerr.New(40414, "BSON field '$setWindowFields.output' is missing but a required field")
	}
	if vs[2].Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(mongoerr.TypeMismatch, "BSON field '$setWindowFields.output' is the wrong type '%s', expected type 'object'", typeName(vs[2]))
	}
	t := &treeParser{c: c, stage: name, root: w.tree, how: set}
	for it := expr.Each(vs[2].Value); ; {
		n, v, ok := it.Next()
		if !ok {
			return w, nil
		}
		o := &windowOutput{path: string(n)}
		if o.f, err = c.windowFunc(string(n), v, w); err != nil {
			return nil, err
		}
		leaf, err := t.place(o.path)
		if err != nil {
			return nil, err
		}
		leaf.value = o
		for at, parts := w.tree, strings.Split(o.path, "."); ; parts = parts[1:] {
			at.computes = true
			if len(parts) == 0 {
				break
			}
			_, at = at.find([]byte(parts[0]))
		}
		w.outs = append(w.outs, o)
	}
}

// windowFunc compiles {$function: argument, window: {…}}.
func (c *compiler) windowFunc(path string, v bson.RawValue, w *windowFields) (windowFunc, error) {
	if v.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(mongoerr.FailedToParse, "The field '%s' must be an object", path)
	}
	var op string
	var arg, bounds bson.RawValue
	for it := expr.Each(v.Value); ; {
		n, a, ok := it.Next()
		if !ok {
			break
		}
		switch {
		case string(n) == "window":
			bounds = a
		case len(n) > 0 && n[0] == '$' && op == "":
			op, arg = string(n), a
		default:
			return nil, mongoerr.New(mongoerr.FailedToParse, "Window function found an unknown argument: %s", n)
		}
	}
	if op == "" {
		return nil, mongoerr.New(mongoerr.FailedToParse, "Expected a $-prefixed window function in the field '%s'", path)
	}
	if f := positional(op); f != nil {
		if !expr.Missing(bounds) {
			return nil, mongoerr.New(5371601, "Window function %s does not accept a 'window' field", op)
		}
		return f(c, op, arg, w)
	}
	win, err := c.window(bounds, w)
	if err != nil {
		return nil, err
	}
	if f := windowed(op); f != nil {
		return f(c, op, arg, w, win)
	}
	if !accum.Is(op) {
		return nil, mongoerr.New(mongoerr.FailedToParse, "Unrecognized window function, %s", op)
	}
	s, err := accum.Compile(op, arg, c.scope)
	if err != nil {
		return nil, err
	}
	return &accumulated{op: op, spec: s, win: win}, nil
}

func (w *windowFields) deps(d *expr.Deps) bool {
	if w.by != nil {
		w.by.Deps(d)
	}
	if w.sort != nil {
		w.sort.Deps(d)
	}
	for _, o := range w.outs {
		o.f.deps(d)
	}
	return false
}

func (w *windowFields) open(r *run, src source) (source, error) {
	s := &windowing{w: w, r: r, src: src, env: r.expressions()}
	fields := []value.Field{}
	if w.by != nil {
		fields = append(fields, value.Field{Name: "p.k", Value: value.Int32(1)})
	}
	for it := expr.Each(w.sortBy); ; {
		n, v, ok := it.Next()
		if !ok {
			break
		}
		name := "d." + string(n)
		if v.Type == bson.TypeEmbeddedDocument {
			name = string(n)
		}
		fields = append(fields, value.Field{Name: name, Value: v})
	}
	if len(fields) > 0 {
		keys, err := expr.ParseSortKeys(value.DocOf(fields...), r.env.collation())
		if err != nil {
			return nil, err
		}
		s.sorter = newSorter(r, "$setWindowFields", keys, 0)
	}
	return s, nil
}

// windowing sorts its input by partition and order, holds one partition at a time, and gives its rows out.
type windowing struct {
	w      *windowFields
	r      *run
	src    source
	env    *expr.Env
	mem    held // of the part
	sorter *sorter
	in     source // wrapped rows in order
	ahead  *wrapped
	part   *part
	vals   [][]bson.RawValue
	at     int
	buf    []byte
	wrap   []byte
	ended  bool
}

// wrapped is a row with the value of its partition.
type wrapped struct {
	key bson.RawValue
	row row
}

func (s *windowing) next(ctx context.Context) (row, error) {
	for s.part == nil || s.at == len(s.part.rows) {
		if s.ended {
			return row{}, io.EOF
		}
		if err := s.load(ctx); err != nil {
			return row{}, err
		}
	}
	r := s.part.rows[s.at]
	for i, o := range s.w.outs {
		o.value = s.vals[i][s.at]
	}
	s.at++
	s.env.ResetMeta(r.doc, r.meta)
	var err error
	if s.buf, err = s.w.tree.apply(s.env, s.buf[:0], r.doc, set); err != nil {
		return row{}, err
	}
	return row{s.buf, r.meta}, nil
}

// pull returns the next row in order of partition and sort; nil at the end.
func (s *windowing) pull(ctx context.Context) (*wrapped, error) {
	if s.ahead != nil {
		w := s.ahead
		s.ahead = nil
		return w, nil
	}
	if s.sorter == nil {
		r, err := s.src.next(ctx)
		if drained(err) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return &wrapped{row: row{slices.Clone(r.doc), cloneMeta(r.meta)}}, nil
	}
	if s.in == nil {
		if err := s.sort(ctx); err != nil {
			return nil, err
		}
	}
	r, err := s.in.next(ctx)
	if drained(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	doc := slices.Clone(r.doc)
	w := &wrapped{row: row{expr.Lookup(doc, docField).Value, cloneMeta(r.meta)}}
	if p := expr.Lookup(doc, "p"); !expr.Missing(p) {
		w.key = value.Index(expr.Lookup(p.Value, keyField).Value, 0)
	}
	return w, nil
}

func (s *windowing) sort(ctx context.Context) error {
	for {
		r, err := s.src.next(ctx)
		if drained(err) {
			break
		}
		if err != nil {
			return err
		}
		d := newDoc(s.wrap)
		if s.w.by != nil {
			s.env.ResetMeta(r.doc, r.meta)
			k, err := s.w.by.Eval(s.env)
			if err != nil {
				return err
			}
			if k.Type == bson.TypeArray {
				return mongoerr.New(mongoerr.TypeMismatch, "An expression used to partition cannot evaluate to value of type array")
			}
			if expr.Missing(k) {
				k = expr.Null
			}
			d.add("p", value.Doc(value.DocOf(value.Field{Name: keyField, Value: value.ArrayOf([]bson.RawValue{k})})))
		}
		d.add(docField, value.Doc(r.doc))
		s.wrap = d.done()
		if err := s.sorter.add(row{s.wrap, r.meta}); err != nil {
			return err
		}
	}
	var err error
	s.in, err = s.sorter.finish()
	return err
}

// load reads the next partition and computes its fields.
func (s *windowing) load(ctx context.Context) error {
	p := &part{ctx: ctx, env: s.env, sort: s.w.sort, coll: s.r.env.collation()}
	s.mem.release()
	s.mem = s.r.env.held()
	bytes, over := 0, mongoerr.New(mongoerr.ExceededMemoryLimit, "a partition of $setWindowFields needs more than %d bytes of memory; partition finer", s.mem.limit)
	var key bson.RawValue
	for {
		w, err := s.pull(ctx)
		if err != nil {
			return err
		}
		if w == nil {
			s.ended = true
			break
		}
		if len(p.rows) == 0 {
			key = w.key
		} else if expr.Compare(key, w.key, p.coll) != 0 {
			s.ahead = w
			break
		}
		p.rows = append(p.rows, w.row)
		bytes += len(w.row.doc) + rowOverhead
		if err := s.mem.bounded(bytes, over); err != nil {
			return err
		}
		if s.w.sort != nil {
			s.env.ResetMeta(w.row.doc, w.row.meta)
			ks, err := s.w.sort.Of(s.env, nil)
			if err != nil {
				return err
			}
			p.keys = append(p.keys, ks)
		}
	}
	s.part, s.at, s.vals = p, 0, s.vals[:0]
	for _, o := range s.w.outs {
		vs, err := o.f.values(p)
		if err != nil {
			return err
		}
		s.vals = append(s.vals, vs)
	}
	return nil
}

func (s *windowing) close() error {
	if s.sorter != nil {
		s.sorter.close()
	}
	s.part = nil
	s.mem.release()
	s.env.Release()
	return s.src.close()
}
