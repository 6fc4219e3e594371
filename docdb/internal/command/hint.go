package command

import (
	"bytes"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/plan"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

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
	return samePattern(a, b, func(x, y bson.RawValue) bool { return value.Equal(x, y) })
}

// sameFields compares the fields of two key patterns and their order.
func sameFields(a, b bson.Raw) bool {
	return samePattern(a, b, func(_, _ bson.RawValue) bool { return true })
}

// samePattern walks two key patterns side by side.
func samePattern(a, b bson.Raw, sameKind func(x, y bson.RawValue) bool) bool {
	x, y := value.Over(a), value.Over(b)
	for {
		n, m := x.Next(), y.Next()
		if n != m {
			return false
		}
		if !n {
			return true
		}
		if x.Key() != y.Key() || !sameKind(x.Value(), y.Value()) {
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
