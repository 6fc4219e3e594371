package oracle

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
)

// Matches tells whether a write sees a stored document at all.
func (o *Oracle) Matches(doc bson.D) bool {
	if !o.Selected(doc) {
		return false
	}
	e := stored(doc)
	r := o.role(e)
	if r == nil {
		return false
	}
	if _, ok := o.readAs(r, doc, e); ok {
		return true
	}
	// Nothing to see, but perhaps something to write.
	if r.Read.Type != 0 || !o.passesFilter(r, e) {
		return false
	}
	e.this, e.prev = missing{}, missing{}
	mode := o.writeMode(r, stored(doc))
	return mode == 2 || mode == 1 && (o.grants(addRule(r), "write", e) || o.anyWritable(r.Fields, e))
}

func (o *Oracle) anyWritable(fields bson.Raw, e env) bool {
	if fields == nil {
		return false
	}
	elems, _ := fields.Elements()
	for _, f := range elems {
		own := f.Value().Document()
		if o.grants(decode(f.Value()).(bson.D), "write", e) {
			return true
		}
		if inner, err := own.LookupErr("fields"); err == nil && o.anyWritable(inner.Document(), e) {
			return true
		}
	}
	return false
}

// Update tells whether a change of a matched document is permitted.
func (o *Oracle) Update(before, after bson.D) bool {
	r := o.role(stored(before))
	e := env{after, before, after, before}
	if r.HasDocFilters {
		gate := e
		gate.root, gate.prevRoot = before, before
		if !o.orTrue(r.DocFilterWrite, gate) || !o.orTrue(r.DocFilterWrite, e) {
			return false
		}
	}
	switch o.writeMode(r, e) {
	case 2:
		return true
	case 1:
		return o.mayWriteFields(r, before, after, "", e)
	}
	return false
}

// Insert tells whether a new document is permitted.
func (o *Oracle) Insert(doc bson.D, generatedID bool) bool {
	e := env{doc, missing{}, doc, missing{}}
	r := o.role(e)
	if r == nil || r.HasDocFilters && !o.orTrue(r.DocFilterWrite, e) {
		return false
	}
	skip := ""
	if generatedID {
		skip = "_id"
	}
	switch o.writeMode(r, e) {
	case 0:
		return false
	case 1:
		if !o.mayWriteFields(r, missing{}, doc, skip, e) {
			return false
		}
	}
	return o.orTrue(r.Insert, e)
}

// Delete tells whether a matched document may be deleted.
func (o *Oracle) Delete(doc bson.D) bool {
	e := stored(doc)
	r := o.role(e)
	if r.HasDocFilters && !o.orTrue(r.DocFilterWrite, e) || !o.orTrue(r.Delete, e) {
		return false
	}
	if !o.Choices.DeleteNeedsWrite {
		return true
	}
	switch o.writeMode(r, e) {
	case 2:
		return true
	case 1:
		return o.mayWriteFields(r, doc, missing{}, "", e)
	}
	return false
}

// writeMode: 0 nothing, 1 by field, 2 everything.
func (o *Oracle) writeMode(r *app.Role, e env) int {
	granted, defined := o.permission(r.Write, e)
	switch {
	case granted:
		return 2
	case !defined, r.Write.Type == bson.TypeBoolean && o.Choices.WriteFalseFallsThrough:
		return 1
	}
	return 0
}

func (o *Oracle) mayWriteFields(r *app.Role, before, after any, skip string, e env) bool {
	for _, name := range names(before, after) {
		b, a := field(before, name), field(after, name)
		if name == skip || identical(a, b) {
			continue
		}
		if !o.mayWrite(fieldRule(r.Fields, name), addRule(r), b, a, e) {
			return false
		}
	}
	return true
}

func (o *Oracle) mayWrite(own, additional bson.D, before, after any, e env) bool {
	e.this, e.prev = after, before
	if own == nil {
		return o.grants(additional, "write", e)
	}
	if o.grants(own, "write", e) {
		return true
	}
	inner, ok := nested(own)
	return ok && o.mayWriteInside(inner, before, after, e)
}

func (o *Oracle) mayWriteInside(rules bson.D, before, after any, e env) bool {
	isDocument := func(v any) bool {
		switch v.(type) {
		case missing, bson.D:
			return true
		}
		return false
	}
	if isDocument(before) && isDocument(after) {
		for _, name := range names(before, after) {
			b, a := field(before, name), field(after, name)
			if identical(a, b) {
				continue
			}
			var own bson.D
			for _, r := range rules {
				if r.Key == name {
					own = r.Value.(bson.D)
				}
			}
			if own == nil || !o.mayWrite(own, nil, b, a, e) {
				return false
			}
		}
		return true
	}
	x, okx := before.(bson.A)
	y, oky := after.(bson.A)
	if !okx || !oky || len(x) != len(y) {
		return false
	}
	for i := range x {
		if !identical(x[i], y[i]) && !o.mayWriteInside(rules, x[i], y[i], e) {
			return false
		}
	}
	return true
}
