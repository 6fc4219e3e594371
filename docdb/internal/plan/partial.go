package plan

import (
	"bytes"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/store"
)

// implied reports whether every document that matches is in a partial index: each condition of the index's filter has one in the query
// whose values lie within.
func implied(r *Request, c *conjunction, ix *store.Index) bool {
	if !bytes.Equal(r.Collation, ix.Collation) {
		return false
	}
	p := analyze(ix.Partial, ix.Keys.Collator)
	return implies(c, p, ix.Partial)
}

func implies(c, p *conjunction, filter bson.Raw) bool {
	if len(p.ors) > 0 || !simplePartial(filter) {
		return false
	}
	for _, want := range p.conds {
		found := false
		for _, have := range c.conds {
			if have.path != want.path || have.scope != 0 && have.value {
				continue
			}
			if want.exists && !have.exists {
				continue
			}
			if within(have.ivs, want.ivs) {
				found = true
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}

// simplePartial reports whether a partial filter is made of conditions whose intervals say all of it.
func simplePartial(f bson.Raw) bool {
	els, err := f.Elements()
	if err != nil {
		return false
	}
	for _, e := range els {
		switch k := e.Key(); {
		case k == "$and":
			arr, ok := e.Value().ArrayOK()
			if !ok {
				return false
			}
			vals, _ := arr.Values()
			for _, v := range vals {
				d, ok := v.DocumentOK()
				if !ok || !simplePartial(d) {
					return false
				}
			}
		case strings.HasPrefix(k, "$"):
			return false
		case operators(e.Value()):
			ops, _ := e.Value().Document().Elements()
			for _, o := range ops {
				switch o.Key() {
				case "$eq", "$gt", "$gte", "$lt", "$lte", "$in":
					switch o.Value().Type {
					case bson.TypeNull, bson.TypeEmbeddedDocument, bson.TypeMinKey, bson.TypeMaxKey, bson.TypeRegex, bson.TypeUndefined:
						return false
					case bson.TypeArray:
						if o.Key() != "$in" {
							return false
						}
						vals, _ := o.Value().Array().Values()
						for _, v := range vals {
							if v.Type == bson.TypeArray || v.Type == bson.TypeRegex || v.Type == bson.TypeNull {
								return false
							}
						}
					}
				case "$exists":
					if b, ok := o.Value().BooleanOK(); ok && !b {
						return false
					}
				default:
					return false
				}
			}
		default:
			switch e.Value().Type {
			case bson.TypeNull, bson.TypeArray, bson.TypeRegex, bson.TypeUndefined:
				return false
			}
		}
	}
	return true
}
