package command

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

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
	q.exprOpts = expr.Options{Context: c.runs(), Collation: q.strings(), Now: c.e.opts.Now(), ClusterTime: bson.Timestamp{T: uint32(t >> 32), I: uint32(t)}}
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
	opts.Near, opts.Text = true, noText
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
		if q.text == nil && slices.ContainsFunc(by.Parts, func(p sortkey.Part) bool { return p.Meta == "textScore" }) {
			return noTextScore()
		}
		return nil
	}
	for _, p := range by.Parts {
		q.sortBy = append(q.sortBy, plan.SortField{Path: p.Field, Desc: p.Desc})
	}
	return nil
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
