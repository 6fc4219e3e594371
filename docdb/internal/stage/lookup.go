package stage

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// lookup is $lookup: by equality of a local and a foreign field, by a pipeline with variables, or both.
type lookup struct {
	as      []string
	from    *foreign
	local   []string // nil without localField
	path    string   // foreignField
	vars    []expr.Expr
	derived []derived // equalities that the sub-pipeline's $expr asks of the foreign collection
	filter  bson.Raw  // what its first $match asks by itself
	reads   expr.Deps
	// same says that the sub-pipeline depends on nothing of the document: it is run once.
	same bool
	// unwinding is the $unwind of the same path behind it: rows are given out as they are found, and no array is built.
	unwinding *unwind
}

// derived is {$expr: {$eq: ["$path", <expression of variables>]}}, which an index on path can help with.
type derived struct {
	path string
	with expr.Expr
}

func compileLookup(c *compiler, _ string, spec bson.RawValue) (*lookup, error) {
	if spec.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(mongoerr.FailedToParse, "the $lookup stage specification must be an object, but found %s", typeName(spec))
	}
	vs, err := arguments(spec, func(n string) error {
		return mongoerr.New(mongoerr.FailedToParse, "unknown argument to $lookup: %s", n)
	}, "from", "as", "localField", "foreignField", "let", "pipeline")
	if err != nil {
		return nil, err
	}
	from, as, local, foreignField, let, pipeline := vs[0], vs[1], vs[2], vs[3], vs[4], vs[5]
	l := &lookup{}
	for i, n := range []string{"as", "localField", "foreignField"} {
		if v := vs[i+1]; !expr.Missing(v) && v.Type != bson.TypeString {
			return nil, mongoerr.New(mongoerr.FailedToParse, "$lookup argument '%s' must be a string, found %s: %s", n, typeName(v), value.Show(v))
		}
	}
	if expr.Missing(as) {
		return nil, mongoerr.New(mongoerr.FailedToParse, "must specify 'as' field for a $lookup")
	}
	if l.as, err = expr.SplitPath(text(as)); err != nil {
		return nil, err
	}
	if expr.Missing(local) != expr.Missing(foreignField) {
		return nil, mongoerr.New(mongoerr.FailedToParse, "$lookup requires both or neither of 'localField' and 'foreignField' to be specified")
	}
	if expr.Missing(pipeline) {
		if expr.Missing(local) {
			return nil, mongoerr.New(mongoerr.FailedToParse, "$lookup requires either 'pipeline' or both 'localField' and 'foreignField' to be specified")
		}
		if !expr.Missing(let) {
			return nil, mongoerr.New(mongoerr.FailedToParse, "$lookup with a 'let' argument must also specify 'pipeline'")
		}
	}
	if !expr.Missing(local) {
		if l.local, err = expr.SplitPath(text(local)); err != nil {
			return nil, err
		}
		if _, err = expr.SplitPath(text(foreignField)); err != nil {
			return nil, err
		}
		l.path = text(foreignField)
		l.reads.AddPath(text(local))
	}
	var stages []bson.Raw
	if !expr.Missing(pipeline) {
		if stages, err = Split(pipeline); err != nil {
			return nil, err
		}
	}
	scope, err := c.variables(let, &l.vars, &l.reads)
	if err != nil {
		return nil, err
	}
	var ns Namespace
	if expr.Missing(from) {
		if len(stages) == 0 || expr.Missing(expr.Lookup(stages[0], "$documents")) {
			return nil, mongoerr.New(mongoerr.FailedToParse, "must specify 'pipeline' with $documents as its first stage when 'from' is empty")
		}
		ns = Namespace{c.env.DB, ""}
	} else if ns, err = c.collectionName(from, "$lookup argument 'from'"); err != nil {
		return nil, err
	}
	l.derive(c, stages, scope)
	l.same = l.local == nil && len(l.vars) == 0 && c.env.AllowDiskUse
	for _, st := range stages {
		for _, op := range []string{"$rand", "$sample", "$sampleRate"} {
			if mentions(value.Doc(st), op) {
				l.same = false
			}
		}
	}
	l.from, err = c.foreignOf(ns, stages, inLookup, scope)
	return l, err
}

// variables compiles a let argument; the values of the scope's variables so far come first in a run's vars.
func (c *compiler) variables(let bson.RawValue, vars *[]expr.Expr, reads *expr.Deps) (*expr.Scope, error) {
	scope := c.scope
	if expr.Missing(let) {
		return scope, nil
	}
	if let.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(mongoerr.FailedToParse, "the 'let' argument must be an object, but found %s", typeName(let))
	}
	for it := expr.Each(let.Value); ; {
		n, v, ok := it.Next()
		if !ok {
			return scope, nil
		}
		if err := expr.ValidVariable(string(n)); err != nil {
			return nil, err
		}
		e, err := expr.Compile(v, c.scope)
		if err != nil {
			return nil, err
		}
		e.Deps(reads)
		*vars = append(*vars, e)
		scope, _ = scope.Define(string(n))
	}
}

// derive reads the sub-pipeline's first $match: what the foreign collection can answer by itself, and equalities of its fields with
// variables. The $match stays where it is; this only narrows what is looked at.
func (l *lookup) derive(c *compiler, stages []bson.Raw, scope *expr.Scope) {
	if len(stages) == 0 {
		return
	}
	filter := expr.Lookup(stages[0], "$match")
	if filter.Type != bson.TypeEmbeddedDocument {
		return
	}
	l.filter, _ = splitFilter(filter.Value)
	if len(l.filter) <= 5 {
		l.filter = nil
	}
	if e := expr.Lookup(filter.Value, "$expr"); !expr.Missing(e) {
		l.derived = equalities(e, scope)
	}
}

// equalities finds in an expression that has to be true the equalities of a field with what does not depend on the document.
func equalities(e bson.RawValue, scope *expr.Scope) (out []derived) {
	if e.Type != bson.TypeEmbeddedDocument {
		return nil
	}
	it := expr.Each(e.Value)
	op, args, ok := it.Next()
	if !ok || args.Type != bson.TypeArray {
		return nil
	}
	switch string(op) {
	case "$and":
		for it := expr.Each(args.Value); ; {
			_, v, ok := it.Next()
			if !ok {
				return out
			}
			out = append(out, equalities(v, scope)...)
		}
	case "$eq":
		if value.Count(args.Value) != 2 {
			return nil
		}
		a, b := value.Index(args.Value, 0), value.Index(args.Value, 1)
		for range 2 {
			x, err1 := expr.Compile(a, scope)
			y, err2 := expr.Compile(b, scope)
			if err1 != nil || err2 != nil {
				return nil
			}
			path, field := expr.FieldPath(x)
			var d expr.Deps
			y.Deps(&d)
			if field && !d.Whole && len(d.Paths) == 0 && len(d.Meta) == 0 && !d.Volatile {
				return []derived{{path, y}}
			}
			a, b = b, a
		}
	}
	return nil
}

// filter is the filter that an equality asks of a collection: every document that satisfies the one satisfies the other. ok is
// false for values that equality in a filter takes otherwise.
func (d derived) filter(env *expr.Env) (f bson.Raw, ok bool, err error) {
	v, err := d.with.Eval(env)
	if err != nil {
		return nil, false, err
	}
	switch v.Type {
	case 0, bson.TypeNull, bson.TypeUndefined, bson.TypeArray, bson.TypeRegex:
		return nil, false, nil
	}
	return value.DocOf(value.Field{Name: d.path, Value: value.Doc(value.DocOf(value.Field{Name: "$eq", Value: v}))}), true, nil
}

func (l *lookup) deps(d *expr.Deps) bool {
	for p := range l.reads.Paths {
		d.AddPath(p)
	}
	if l.reads.Whole {
		d.Whole = true
	}
	return false
}

func (l *lookup) open(r *run, src source) (source, error) {
	s := &looking{l: l, r: r, src: src, env: r.expressions(), room: r.env.held()}
	if l.from.pipe.NeedsSource() {
		if err := l.from.resolve(r.ctx); err != nil {
			return nil, err
		}
	}
	if l.path != "" && l.from.view == nil && l.from.pipe.NeedsSource() {
		s.hash = !r.env.Collections.Indexed(r.ctx, l.from.base, l.path, r.env.CollationSpec)
	}
	return s, nil
}

// scansBeforeHash is how many local documents are worth a scan of the foreign collection each, before a table of it is made.
const scansBeforeHash = 2

type looking struct {
	l   *lookup
	r   *run
	src source
	env *expr.Env
	buf []byte
	arr []byte

	// hash joins by a table of the foreign documents when no index serves the field: otherwise each local document would mean a scan.
	hash  bool
	asked int // local documents so far
	table *hashTable
	mem   held      // of the table
	room  held      // of large documents
	cache *rowStore // of a sub-pipeline that is the same for every document

	// The state of giving out rows one by one, under an $unwind.
	cur   row
	inner source
	at    int64
	idx   []byte
}

func (s *looking) next(ctx context.Context) (row, error) {
	if s.l.unwinding != nil {
		return s.unwound(ctx)
	}
	r, err := s.src.next(ctx)
	if err != nil {
		return r, err
	}
	in, err := s.matches(ctx, r)
	if err != nil {
		return row{}, err
	}
	defer in.close()
	s.arr = append(s.arr[:0], 0, 0, 0, 0)
	var number [20]byte
	for i := 0; ; i++ {
		d, err := in.next(ctx)
		if drained(err) {
			break
		}
		if err != nil {
			return row{}, err
		}
		s.arr = appendMember(s.arr, appendInt(number[:0], i), value.Doc(d.doc))
		if len(s.arr) > expr.MaxValueBytes {
			return row{}, mongoerr.New(4568, "Total size of documents in %s matching pipeline's $lookup stage exceeds %d bytes", s.l.from.ns.Collection, expr.MaxValueBytes)
		}
	}
	s.arr = finish(s.arr, 0)
	s.buf = setDeep(s.buf[:0], r.doc, s.l.as, value.Array(s.arr))
	out := row{s.buf, r.meta}
	if cap(s.buf) > keepBytes {
		s.buf, s.arr = nil, nil
		s.env.Release()
	}
	return out, nil
}

// unwound gives out a row for each foreign document, as $lookup and $unwind of its array would.
func (s *looking) unwound(ctx context.Context) (row, error) {
	u := s.l.unwinding
	emit := func(v, index bson.RawValue) row {
		s.buf = setDeep(s.buf[:0], s.cur.doc, s.l.as, v)
		if u.index == nil {
			return row{s.buf, s.cur.meta}
		}
		s.idx = setDeep(s.idx[:0], s.buf, u.index, index)
		return row{s.idx, s.cur.meta}
	}
	for {
		if s.inner != nil {
			d, err := s.inner.next(ctx)
			if err == nil {
				s.at++
				return emit(value.Doc(d.doc), value.Int64(s.at-1)), nil
			}
			s.inner.close()
			s.inner = nil
			if !drained(err) {
				return row{}, err
			}
			if s.at == 0 && u.preserve {
				return emit(bson.RawValue{}, expr.Null), nil
			}
		}
		r, err := s.src.next(ctx)
		if err != nil {
			return r, err
		}
		if err := s.room.copies(r, 2); err != nil {
			return row{}, err
		}
		s.cur, s.at = r, 0
		if s.inner, err = s.matches(ctx, r); err != nil {
			return row{}, err
		}
	}
}

// matches opens the foreign documents that belong to a row.
func (s *looking) matches(ctx context.Context, r row) (source, error) {
	s.env.ResetMeta(r.doc, r.meta)
	vars := slices.Clone(s.r.vars)
	for _, e := range s.l.vars {
		v, err := e.Eval(s.env)
		if err != nil {
			return nil, err
		}
		vars = append(vars, v)
	}
	var conds []bson.RawValue
	if s.l.filter != nil {
		conds = append(conds, value.Doc(s.l.filter))
	}
	if len(s.l.derived) > 0 {
		for i, v := range vars {
			s.env.Bind(i, v)
		}
		for _, d := range s.l.derived {
			f, ok, err := d.filter(s.env)
			if err != nil {
				return nil, err
			}
			if ok {
				conds = append(conds, value.Doc(f))
			}
		}
	}
	if s.l.local != nil {
		keys := localKeys(r.doc, s.l.local)
		if s.asked++; s.hash && s.asked > scansBeforeHash {
			return s.probe(ctx, keys, vars)
		}
		conds = append(conds, value.Doc(equalityFilter(s.l.path, keys)))
	}
	var filter bson.Raw
	switch len(conds) {
	case 0:
	case 1:
		filter = conds[0].Value
	default:
		filter = value.DocOf(value.Field{Name: "$and", Value: value.ArrayOf(conds)})
	}
	if !s.l.same {
		return s.l.from.run(s.r.ctx, filter, vars)
	}
	if s.cache == nil {
		in, err := s.l.from.run(s.r.ctx, filter, vars)
		if err != nil {
			return nil, err
		}
		defer in.close()
		s.cache = newRowStore(s.r.env, "$lookup")
		for {
			d, err := in.next(ctx)
			if drained(err) {
				break
			}
			if err == nil {
				err = s.cache.add(d)
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return s.cache.reader()
}

// localKeys are the values of the local field: an array's elements, null for a missing field.
func localKeys(doc []byte, path []string) []bson.RawValue {
	var out []bson.RawValue
	localValues(doc, path, &out)
	if len(out) == 0 {
		out = append(out, expr.Null)
	}
	return out
}

func localValues(doc []byte, path []string, out *[]bson.RawValue) {
	v := expr.Lookup(doc, path[0])
	rest := path[1:]
	switch {
	case len(rest) == 0 && v.Type == bson.TypeArray:
		// Nothing in an empty array: it stands for null, as a missing field does.
		*out = append(*out, value.Elements(v.Value)...)
	case len(rest) == 0 && v.Type != 0:
		*out = append(*out, v)
	case len(rest) == 0:
	case v.Type == bson.TypeEmbeddedDocument:
		localValues(v.Value, rest, out)
	case v.Type == bson.TypeArray:
		index, numeric := value.ArrayIndex(rest[0])
		i := 0
		for it := expr.Each(v.Value); ; i++ {
			_, el, ok := it.Next()
			if !ok {
				return
			}
			switch {
			case numeric && i == index && len(rest) == 1:
				if el.Type == bson.TypeArray {
					*out = append(*out, value.Elements(el.Value)...)
				} else {
					*out = append(*out, el)
				}
			case numeric && i == index && el.Type == bson.TypeEmbeddedDocument:
				localValues(el.Value, rest[1:], out)
			case el.Type == bson.TypeEmbeddedDocument:
				localValues(el.Value, rest, out)
			}
		}
	}
}

// equalityFilter is the filter for a field that equals one of keys. Regular expressions are values here, not patterns.
func equalityFilter(path string, keys []bson.RawValue) bson.Raw {
	eq := func(v bson.RawValue) bson.Raw {
		return value.DocOf(value.Field{Name: path, Value: value.Doc(value.DocOf(value.Field{Name: "$eq", Value: v}))})
	}
	if len(keys) == 1 {
		return eq(keys[0])
	}
	var plain, patterns []bson.RawValue
	for _, k := range keys {
		if k.Type == bson.TypeRegex {
			patterns = append(patterns, value.Doc(eq(k)))
		} else {
			plain = append(plain, k)
		}
	}
	in := value.DocOf(value.Field{Name: path, Value: value.Doc(value.DocOf(value.Field{Name: "$in", Value: value.ArrayOf(plain)}))})
	if len(patterns) == 0 {
		return in
	}
	return value.DocOf(value.Field{Name: "$or", Value: value.ArrayOf(append(patterns, value.Doc(in)))})
}

func (s *looking) close() error {
	if s.inner != nil {
		s.inner.close()
		s.inner = nil
	}
	if s.cache != nil {
		s.cache.close()
	}
	s.table = nil
	s.mem.release()
	s.room.release()
	s.env.Release()
	return s.src.close()
}
