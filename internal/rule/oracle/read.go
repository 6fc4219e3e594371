package oracle

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
)

// Read gives what the user may read of a stored document.
func (o *Oracle) Read(doc bson.D) (bson.D, bool) {
	e := stored(doc)
	r := o.role(e)
	if r == nil {
		return nil, false
	}
	return o.readAs(r, doc, e)
}

// Whole tells whether a document that the user may read is readable as a whole,
// whatever fields it has.
func (o *Oracle) Whole(doc bson.D) bool {
	e := stored(doc)
	r := o.role(e)
	read, _ := o.permission(r.Read, e)
	write, _ := o.permission(r.Write, e)
	return (read || write) && o.passesFilter(r, e)
}

func (o *Oracle) passesFilter(r *app.Role, e env) bool {
	if !r.HasDocFilters || o.orTrue(r.DocFilterRead, e) {
		return true
	}
	granted, _ := o.permission(r.DocFilterWrite, e)
	return granted
}

func (o *Oracle) readAs(r *app.Role, doc bson.D, e env) (bson.D, bool) {
	if !o.passesFilter(r, e) {
		return nil, false
	}
	read, readDefined := o.permission(r.Read, e)
	write, _ := o.permission(r.Write, e)
	switch {
	case read || write:
		return doc, true
	case readDefined:
		return nil, false
	}
	out := bson.D{}
	for _, f := range doc {
		if v, ok := o.readField(fieldRule(r.Fields, f.Key), addRule(r), f.Value, e); ok {
			out = append(out, bson.E{Key: f.Key, Value: v})
		}
	}
	return out, len(out) > 0
}

// fieldRule is {read, write, fields} of a listed field, nil for others.
func fieldRule(fields bson.Raw, name string) bson.D {
	if fields == nil {
		return nil
	}
	v, err := fields.LookupErr(name)
	if err != nil {
		return nil
	}
	return decode(v).(bson.D)
}

func addRule(r *app.Role) bson.D {
	if r.AdditionalFields == nil {
		return bson.D{}
	}
	return decode(bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: r.AdditionalFields}).(bson.D)
}

func (o *Oracle) grants(rule bson.D, what string, e env) bool {
	for _, p := range rule {
		if p.Key == what {
			return o.truth(p.Value, e)
		}
	}
	return false
}

func nested(rule bson.D) (bson.D, bool) {
	for _, p := range rule {
		if p.Key == "fields" {
			inner := p.Value.(bson.D)
			return inner, len(inner) > 0 // none listed is as good as no fields
		}
	}
	return nil, false
}

func (o *Oracle) readField(own, additional bson.D, v any, e env) (any, bool) {
	e.this, e.prev = v, v
	if own == nil {
		return v, o.grants(additional, "read", e) || o.grants(additional, "write", e)
	}
	if o.grants(own, "read", e) || o.grants(own, "write", e) {
		return v, true
	}
	inner, ok := nested(own)
	if !ok {
		return nil, false
	}
	return o.readInside(inner, v, e)
}

func (o *Oracle) readInside(rules bson.D, v any, e env) (any, bool) {
	switch x := v.(type) {
	case bson.D:
		out := bson.D{}
		for _, f := range x {
			for _, r := range rules {
				if r.Key == f.Key {
					if v, ok := o.readField(r.Value.(bson.D), nil, f.Value, e); ok {
						out = append(out, bson.E{Key: f.Key, Value: v})
					}
				}
			}
		}
		return out, len(out) > 0
	case bson.A:
		out := bson.A{}
		for _, item := range x {
			if v, ok := o.readInside(rules, item, e); ok {
				out = append(out, v)
			}
		}
		return out, len(out) > 0
	}
	return nil, false
}
