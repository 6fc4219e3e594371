package command

import (
	"bytes"
	"context"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/keys"
	"regent/docdb/internal/match"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/plan"
	"regent/docdb/internal/sortkey"
	"regent/docdb/internal/stage"
	"regent/docdb/internal/store"
	"regent/docdb/internal/text"
	"regent/docdb/internal/value"
)

func find(c *call) error {
	c.e.ops.query.Add(1)
	name, err := c.collName()
	if err != nil {
		return err
	}
	ns := c.db + "." + name
	skip, err := c.count("skip", 0, 0)
	if err != nil {
		return err
	}
	limit, err := c.count("limit", 0, 0)
	if err != nil {
		return err
	}
	batch, err := c.count("batchSize", 0, defaultBatch)
	if err != nil {
		return err
	}
	single := c.on("singleBatch", false)
	if limit == 0 {
		limit = -1
	}
	coll := c.e.st.Collection(c.db, name)
	if coll != nil && coll.Def().View {
		return c.findView(coll, skip, limit, batch, single)
	}
	if done, err := c.findPoint(ns, coll, skip, limit, batch); done || err != nil {
		return err
	}
	ctx, cancel := c.deadline()
	defer cancel()
	q, err := c.query(coll, "filter")
	if err != nil {
		return err
	}
	if q.near() && c.txn != nil {
		return mongoerr.New(mongoerr.OperationNotSupportedInTransaction, "geoNear is not supported in a transaction")
	}
	if err := c.sorted(q, "sort"); err != nil {
		return err
	}
	for _, b := range [...]struct {
		name string
		to   *bson.Raw
	}{{"min", &q.min}, {"max", &q.max}} {
		if d := c.doc(b.name); len(d) > 5 {
			*b.to = append(bson.Raw(nil), d...)
		}
	}
	proj, err := c.projection(q, c.doc("projection"))
	if err != nil {
		return err
	}
	tailable, awaits := c.on("tailable", false), c.on("awaitData", false)
	if awaits && !tailable {
		return mongoerr.New(mongoerr.FailedToParse, "Cannot set 'awaitData' without also setting 'tailable'")
	}
	if tailable {
		if single {
			return mongoerr.New(mongoerr.FailedToParse, "Cannot use tailable option with the 'singleBatch' option")
		}
		return c.findTailable(ctx, ns, coll, q, proj, skip, limit, batch, awaits)
	}
	if coll == nil {
		if c.txn != nil {
			c.txn.begin()
		}
		return c.emptyCursor(ns)
	}
	src, atTime, err := c.open(ctx, coll, q, openOptions{skip: skip, limit: limit, batch: batch})
	if err != nil {
		return err
	}
	if proj != nil {
		src = &projected{src: src, p: proj}
	}
	if c.on("showRecordId", false) || c.on("returnKey", false) {
		src = &decorated{src: src, returnKey: c.on("returnKey", false)}
	}
	cur := &cursor{ns: ns, coll: name, src: src, on: coll, limit: limit, noTimeout: c.on("noCursorTimeout", false), atTime: atTime}
	return c.openCursor(ctx, cur, batch, single)
}

// query is a compiled filter with what else decides which documents are found and in which order.
type query struct {
	filter       bson.Raw
	m            *match.Matcher // nil until it is needed, where it cannot fail to compile; see matcher
	onlyID       bool           // the filter asks for one _id and nothing else
	collation    bson.Raw       // nil: simple
	comparer     keyedComparer
	scope        *expr.Scope
	let          []stage.Variable
	exprOpts     expr.Options
	hint         bson.RawValue
	sort         bson.Raw
	sortBy       []plan.SortField // nil when an index cannot give the order
	natural      int
	min, max     bson.Raw
	special      *specialSearch
	geo          []plan.GeoCondition
	text         *text.Search
	noDisk       bool // a sort may not use the disk
	wantPosition bool // the positional operator needs the element that matched
	// fields are the top-level members that are wanted of the documents; nil for all.
	fields []string
}

// query compiles the filter in the named argument, and the hint, collation and variables beside it.
func (c *call) query(coll *store.Collection, name string) (*query, error) {
	return c.compileQuery(coll, c.doc(name), c.doc("collation"), c.arg("hint"), c.doc("let"))
}

func (c *call) compileQuery(coll *store.Collection, filter, collationSpec bson.Raw, hint bson.RawValue, let bson.Raw) (*query, error) {
	if filter == nil {
		filter = emptyDoc
	}
	q := &query{filter: append(bson.Raw(nil), filter...), hint: hint}
	if err := c.setCollation(q, coll, collationSpec); err != nil {
		return nil, err
	}
	t := c.e.st.Applied()
	q.exprOpts = expr.Options{Collation: q.strings(), Now: c.e.opts.Now(), ClusterTime: bson.Timestamp{T: uint32(t >> 32), I: uint32(t)}}
	q.scope = expr.NewScope(q.exprOpts)
	if let != nil {
		var err error
		if q.let, err = stage.EvaluateLet(let, q.exprOpts); err != nil {
			return nil, err
		}
		for _, v := range q.let {
			q.scope = q.scope.Fix(v.Name, v.Value)
		}
	}
	if q.onlyID = onlyID(q.filter); q.onlyID {
		return q, nil
	}
	var err error
	opts := matchOptions(q.strings(), q.scope, q.exprOpts)
	opts.Text = noText
	if coll != nil {
		opts.Text = q.textCompiler(coll)
	}
	if q.m, err = match.Compile(q.filter, opts); err != nil {
		return nil, err
	}
	if q.text != nil && q.hint.Type != 0 {
		return nil, mongoerr.New(mongoerr.BadValue, "text and hint not allowed in same query")
	}
	return q, q.findSpecial()
}

// onlyID reports whether a filter asks for one _id and nothing else.
func onlyID(filter bson.Raw) bool {
	it := value.Over(filter)
	return it.Next() && it.Key() == "_id" && pointValue(it.Value()) && !it.Next()
}

// matcher is the compiled filter.
func (q *query) matcher() *match.Matcher {
	if q.m == nil {
		m, err := match.Compile(q.filter, match.Options{Collation: q.strings()})
		if err != nil {
			panic(err) // equality with a plain value compiles
		}
		q.m = m
	}
	return q.m
}

// setCollation decides on the collation: the command's, else the collection's.
func (c *call) setCollation(q *query, coll *store.Collection, spec bson.Raw) error {
	if spec == nil && coll != nil {
		spec = coll.Def().Collation
	}
	if spec == nil {
		return nil
	}
	cmp, full, err := fullCollation(spec)
	if err != nil {
		return err
	}
	if cmp != nil {
		q.comparer, q.collation = cmp, full
	}
	return nil
}

var emptyDoc = bson.Raw{5, 0, 0, 0, 0}

// sorted takes the sort order from an argument.
func (c *call) sorted(q *query, name string) error {
	return q.setSort(c.doc(name))
}

func (q *query) setSort(s bson.Raw) error {
	if len(s) <= 5 {
		return nil
	}
	by, err := sortkey.Compile(s, sortkey.Options{Collation: q.strings()})
	if err != nil {
		return err
	}
	if q.natural = by.Natural; q.natural != 0 {
		return nil
	}
	q.sort = append(bson.Raw(nil), s...)
	if by.NeedsMeta() {
		return nil
	}
	for _, p := range by.Parts {
		q.sortBy = append(q.sortBy, plan.SortField{Path: p.Field, Desc: p.Desc})
	}
	return nil
}

// hinted finds the index that a hint names: nil and natural for $natural.
func hinted(d *store.Def, hint bson.RawValue) (ix *store.Index, natural int, err error) {
	switch hint.Type {
	case 0:
		return nil, 0, nil
	case bson.TypeString:
		if s := hint.StringValue(); s != "" {
			if ix := d.Index(s); ix != nil && !ix.Hidden {
				return ix, 0, nil
			}
			return nil, 0, mongoerr.New(mongoerr.BadValue, "error processing query: planner returned error: hint provided does not correspond to an existing index")
		}
		return nil, 0, nil
	case bson.TypeEmbeddedDocument:
		if len(hint.Value) <= 5 {
			return nil, 0, nil
		}
		if v := value.Lookup(hint.Value, "$natural"); v.Type != 0 {
			f, _ := value.Float64(v)
			if f < 0 {
				return nil, -1, nil
			}
			return nil, 1, nil
		}
		for _, ix := range d.Indexes {
			if sameKey(ix.Key, hint.Value) && !ix.Hidden {
				return ix, 0, nil
			}
		}
		return nil, 0, mongoerr.New(mongoerr.BadValue, "error processing query: planner returned error: hint provided does not correspond to an existing index")
	}
	return nil, 0, mongoerr.New(mongoerr.FailedToParse, "hint must be a string or an object")
}

// sameKey compares two key patterns: the same fields in the same order with the same kinds.
func sameKey(a, b bson.Raw) bool {
	x, y := value.Over(a), value.Over(b)
	for {
		n, m := x.Next(), y.Next()
		if n != m {
			return false
		}
		if !n {
			return true
		}
		if x.Key() != y.Key() || !value.Equal(x.Value(), y.Value()) {
			return false
		}
	}
}

// makePlan chooses how to find the query's documents.
func (c *call) makePlan(d *store.Def, q *query, snapshot uint64) (*plan.Plan, error) {
	r := &plan.Request{Def: d, Filter: q.filter, Collation: q.collation, Collator: q.collator(), Natural: q.natural, Min: q.min, Max: q.max, Snapshot: snapshot, Geo: q.geo}
	if q.text != nil {
		r.Text = q.text.Tokens()
		if r.Text == nil {
			r.Text = [][]byte{}
		}
	}
	if q.sort != nil {
		r.Sort = q.sortBy
		if r.Sort == nil {
			r.Sort = []plan.SortField{{Path: "\x00"}} // an order that no index gives
		}
	}
	ix, natural, err := hinted(d, q.hint)
	if err != nil {
		return nil, err
	}
	r.Hint = ix
	if natural != 0 {
		r.Natural = natural
	}
	if (q.min != nil || q.max != nil) && ix == nil {
		return nil, mongoerr.New(51173, "When using min()/max() a hint of which index to use must be provided")
	}
	if q.min != nil || q.max != nil {
		if ix.Keys.WildcardAt() >= 0 {
			return nil, mongoerr.New(51174, "The index chosen is not compatible with min/max")
		}
		for _, b := range []bson.Raw{q.min, q.max} {
			if b != nil && !sameFields(b, ix.Key) {
				return nil, mongoerr.New(51174, "The index chosen is not compatible with min/max")
			}
		}
		if q.min != nil && q.max != nil && bytes.Compare(plan.KeyOf(ix, q.min), plan.KeyOf(ix, q.max)) >= 0 {
			return nil, mongoerr.New(51175, "The value provided for min() does not come before the value provided for max()")
		}
	}
	p := plan.Make(r)
	if ix != nil && p.Index != ix && p.Stage != plan.Nothing {
		if p = plan.Whole(d, ix, r); p == nil {
			return nil, mongoerr.New(mongoerr.BadValue, "error processing query: planner returned error: hint provided cannot be used for this query")
		}
	}
	return p, nil
}

func sameFields(a, b bson.Raw) bool {
	x, y := value.Over(a), value.Over(b)
	for {
		n, m := x.Next(), y.Next()
		if n != m {
			return false
		}
		if !n {
			return true
		}
		if x.Key() != y.Key() {
			return false
		}
	}
}

// openOptions are what open does beyond filtering.
type openOptions struct {
	skip, limit int64
	// batch is how many documents are wanted at once, 0 where that is not known.
	batch    int64
	unsorted bool
}

// expected is how many documents will be read of a stream in order, as far as there are so many.
func (o *openOptions) expected() int64 {
	n := o.batch
	if o.limit >= 0 && (n == 0 || o.limit < n) {
		n = o.limit
	}
	return n + o.skip
}

// open starts to read the documents of a query: from the transaction, from the session's snapshot, or from a new snapshot.
func (c *call) open(ctx context.Context, coll *store.Collection, q *query, o openOptions) (src stream, atTime uint64, err error) {
	d, view, snapshot, release, err := c.view(coll)
	if err != nil {
		return nil, 0, err
	}
	if c.readLevel == "snapshot" && c.txn == nil {
		atTime = snapshot
	}
	if q.special != nil {
		src, err = c.openSpecial(ctx, coll, d, view, q, release)
		if err != nil {
			release()
			return nil, 0, err
		}
		return c.finishOpen(src, q, o, q.sort == nil), atTime, nil
	}
	p, err := c.makePlan(d, q, snapshot)
	if err != nil {
		release()
		return nil, 0, err
	}
	use(coll, p)
	sc, err := p.Open(coll, view)
	if err != nil {
		release()
		return nil, 0, err
	}
	// Where the index alone has decided, there is nothing left to match.
	if !p.Exact && !q.matcher().Always() || q.fields != nil && p.Stage == plan.CollScan {
		sc.Where(q.matcher().Match, q.fields)
	}
	inOrder := p.Sorted || q.sort == nil
	if inOrder {
		sc.Expect(o.expected())
	}
	f := &filtered{scan: sc, m: q.m, release: release}
	src = f
	if q.text != nil {
		src = &scored{src: f, s: q.text}
	}
	return c.finishOpen(src, q, o, inOrder), atTime, nil
}

// finishOpen sorts and skips.
func (c *call) finishOpen(src stream, q *query, o openOptions, inOrder bool) stream {
	if !inOrder && !o.unsorted {
		n := int64(-1)
		if o.limit >= 0 {
			n = o.limit + o.skip
		}
		src = c.sortStream(src, q, n)
	}
	if o.skip > 0 {
		src = &skipping{src: src, n: o.skip}
	}
	return src
}

// view gives what a read of a collection sees, and how to let go of it.
func (c *call) view(coll *store.Collection) (d *store.Def, v store.View, at uint64, release func(), err error) {
	if c.txn != nil {
		tx := c.txn.begin()
		d, err := tx.Use(coll)
		if err != nil {
			return nil, nil, 0, nil, mongoerr.New(mongoerr.SnapshotUnavailable, "Unable to read from a snapshot due to pending collection catalog changes to collection '%s'; please retry the operation.", coll.Def().Namespace())
		}
		return d, tx, tx.Start, func() {}, nil
	}
	if c.fixed != nil {
		return coll.Def(), c.fixed, c.fixedAt, func() {}, nil
	}
	if c.readLevel == "snapshot" {
		return c.snapshotView(coll)
	}
	d, snap := coll.Read()
	return d, snap, 0, func() { snap.Close() }, nil
}

// snapshotView reads at the session's snapshot, which the first read with level snapshot takes; without a session, at one of its own.
func (c *call) snapshotView(coll *store.Collection) (*store.Def, store.View, uint64, func(), error) {
	s := c.sess
	if s == nil && c.atTime == 0 {
		view, at := c.e.st.SnapshotAt()
		if coll.Changed() > at {
			view.Close()
			return nil, nil, 0, nil, mongoerr.New(mongoerr.SnapshotUnavailable, "collection '%s' is being changed; please retry the operation", coll.Def().Namespace())
		}
		return coll.Def(), view, at, func() { view.Close() }, nil
	}
	if s == nil {
		return nil, nil, 0, nil, mongoerr.New(mongoerr.SnapshotUnavailable, "Read timestamp is not available; only a session keeps the snapshot of its last read")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.snap == nil || c.atTime == 0 {
		s.snap.release()
		view, at := c.e.st.SnapshotAt()
		s.snap = &sessionSnapshot{at: at, view: view}
		s.snap.refs.Store(1)
	}
	if c.atTime != 0 && c.atTime != s.snap.at || coll.Changed() > s.snap.at {
		return nil, nil, 0, nil, mongoerr.New(mongoerr.SnapshotUnavailable, "Read timestamp is not available; a session keeps the snapshot of its last read only")
	}
	snap := s.snap
	snap.refs.Add(1)
	return coll.Def(), snap.view, snap.at, snap.release, nil
}

// filtered is a scan's documents that match.
type filtered struct {
	scan    *plan.Scan
	m       *match.Matcher
	release func()
}

func (f *filtered) Next(ctx context.Context) (bson.Raw, error) { return f.scan.Next(ctx) }

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

// strings and collator are the comparer as others take it: really nil for the simple collation.
func (q *query) strings() value.StringComparer {
	if q.comparer == nil {
		return nil
	}
	return q.comparer
}

func (q *query) collator() keys.Collator {
	if q.comparer == nil {
		return nil
	}
	return q.comparer
}
