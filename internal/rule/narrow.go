package rule

import "go.mongodb.org/mongo-driver/v2/bson"

// Query is what rules add to a request's own query.
type Query struct {
	// Filters is the query of the filters that apply. It narrows reads and writes.
	Filters bson.Raw

	// Visible matches at least the documents that the caller may read, and is
	// empty when that is not known.
	Visible bson.Raw

	None  bool // nothing is readable, whatever is stored
	Exact bool // Visible matches exactly the documents that are readable
	Whole bool // every readable document is readable as a whole

	Update bool // every visible document may be changed in any way
	Delete bool // every visible document may be deleted

	Projections []bson.Raw // of the filters that apply
}

// Query evaluates filters and turns roles into a query as far as that is exact.
func (a *Access) Query() (Query, error) {
	q := Query{}
	e := &a.env
	for _, f := range a.ns.filters {
		before := e.failed
		ok, err := f.apply.eval(e)
		if e.trace != nil {
			e.note("filter %q: apply_when is %t: %s", f.name, ok, f.apply)
		}
		if err != nil {
			return q, err
		}
		if !ok && e.failed != before {
			// Whether it narrows is not known (a function threw): denied.
			e.note("filter %q: apply_when cannot be evaluated: it matches nothing", f.name)
			e.failed = before
			q.Filters = And(q.Filters, matchesNothing)
			continue
		}
		if !ok {
			continue
		}
		q.Filters = And(q.Filters, f.rendered(e))
		if len(f.projection) > 5 {
			q.Projections = append(q.Projections, f.projection)
		}
	}
	if a.NoPushdown {
		return q, nil
	}
	var shows []pushed // what each role shows
	var earlier []pushed
	size := 0
	q.Whole, q.Update, q.Delete = true, true, true
	for _, r := range a.ns.roles {
		applies := r.apply.node.query(e)
		if applies.kind == pushNone {
			continue
		}
		readable, whole := r.readableQuery(e)
		q.Whole = q.Whole && whole
		q.Update = q.Update && r.static(e, false)
		q.Delete = q.Delete && r.static(e, true)
		show := and(append(append([]pushed{}, earlier...), applies, readable)...)
		if size += len(show.query); size > maxPushed {
			shows, q.Whole = []pushed{anything}, false
			break
		}
		shows = append(shows, show)
		if applies.kind == pushAll && applies.exact {
			break
		}
		// Documents of a role that reads everything are visible already.
		if readable.kind != pushAll || !readable.exact {
			earlier = append(earlier, complement(applies))
		}
	}
	if e.err != nil {
		return q, e.err
	}
	visible := or(shows...)
	if tooDeep(visible.query, 0) {
		visible = anything
	}
	q.None = visible.kind == pushNone
	q.Exact = visible.exact
	q.Visible = visible.query
	if !q.Exact {
		q.Update, q.Delete = false, false
	}
	return q, nil
}

// maxPushed bounds the role conditions in a query, in bytes, and maxPushedDepth
// their nesting; beyond that every document is judged here.
const (
	maxPushed      = 64 << 10
	maxPushedDepth = 60
)

func tooDeep(query []byte, depth int) bool {
	if depth > maxPushedDepth {
		return true
	}
	for it := newIter(query); it.next(); {
		if (it.value.Type == bson.TypeEmbeddedDocument || it.value.Type == bson.TypeArray) && tooDeep(it.value.Value, depth+1) {
			return true
		}
	}
	return false
}

// known evaluates an expression that does not look at documents.
func (e *Env) known(x *Expr, absent bool) (value, ok bool) {
	if x == nil {
		return absent, true
	}
	if x.node.depends()&onDocument != 0 {
		return false, false
	}
	return x.node.eval(e), true
}

func (e *Env) knownTrue(x *Expr, absent bool) bool {
	v, ok := e.known(x, absent)
	return v && ok
}

// static tells whether the role permits any update, or any delete, of every
// document that it applies to.
func (r *role) static(e *Env, deletion bool) bool {
	if !e.knownTrue(r.filterW, true) || !e.knownTrue(r.write, false) {
		return false
	}
	return !deletion || e.knownTrue(r.delete, true)
}

// readableQuery matches the documents that the role, where it applies, lets
// read. whole says that they are readable as a whole.
func (r *role) readableQuery(e *Env) (q pushed, whole bool) {
	gate := everybody
	if r.filter {
		if r.filterR != nil {
			gate = r.filterR.node.query(e)
			if r.filterW != nil {
				gate = or(gate, r.filterW.node.query(e))
			}
		}
	}
	write := nobody
	if r.write != nil {
		write = r.write.node.query(e)
	}
	if r.read != nil {
		return and(gate, or(r.read.node.query(e), write)), true
	}
	if write.kind == pushAll && write.exact {
		return gate, true
	}
	return and(gate, or(write, r.fields.visibleQuery(e))), false
}

// visibleQuery matches the documents of which field rules show something. Every
// document has an _id.
func (t *fieldTree) visibleQuery(e *Env) pushed {
	read, write := t.addRead, t.addWrite
	id := t.fields["_id"]
	if id != nil {
		read, write = id.read, id.write
	}
	if e.knownTrue(read, false) || e.knownTrue(write, false) {
		return everybody
	}
	possible := func(x *Expr) bool { v, ok := e.known(x, false); return v || !ok }
	if possible(t.addRead) || possible(t.addWrite) || anyReadable(t.fields, possible) {
		return anything
	}
	return nobody
}

func anyReadable(fields map[string]*fieldRule, possible func(*Expr) bool) bool {
	for _, f := range fields {
		if possible(f.read) || possible(f.write) || anyReadable(f.nested, possible) {
			return true
		}
	}
	return false
}
