package plan

import (
	"bytes"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/keys"
	"regent/docdb/internal/store"
)

// between plans a scan of the hinted index from key min to key max.
func between(r *Request, ix *store.Index) *Plan {
	lo, hi := ix.Prefix(), ix.Upper()
	if r.Min != nil {
		lo = KeyOf(ix, r.Min)
	}
	if r.Max != nil {
		hi = KeyOf(ix, r.Max)
	}
	p := &Plan{Stage: IndexScan, Def: r.Def, Index: ix, Ranges: []Range{{lo, hi}}, Distinct: ix.Multikey() == 0, Limited: 1}
	if r.Sort == nil {
		p.Sorted = true
	} else if ix.Multikey() == 0 && bytes.Equal(r.Collation, ix.Collation) {
		p.Sorted, p.Reverse = order(r.Sort, ix.Keys.Fields, 0)
	}
	return p
}

// KeyOf gives the store's key for the values of an index's fields, in their order.
func KeyOf(ix *store.Index, vals bson.Raw) []byte {
	key := append([]byte(nil), ix.Prefix()...)
	els, _ := vals.Elements()
	for i, f := range ix.Keys.Fields {
		if i < len(els) {
			key = keys.AppendField(key, els[i].Value(), f.Desc, ix.Keys.Collator)
		}
	}
	return key
}

// Whole plans a scan of the whole hinted index, where its conditions do not narrow it down.
func Whole(d *store.Def, ix *store.Index, r *Request) *Plan {
	if len(ix.Keys.Fields) == 1 && ix.Keys.Fields[0].Kind != keys.Plain && ix.Keys.Fields[0].Kind != keys.Hashed {
		return nil
	}
	first := ix.Keys.Fields[0]
	return &Plan{Stage: IndexScan, Def: d, Index: ix, Ranges: []Range{{ix.Prefix(), ix.Upper()}}, Sorted: r.Sort == nil, Bounds: []Bound{{Path: first.Path, desc: first.Desc}}}
}
