package rule

import (
	"go.mongodb.org/mongo-driver/v2/bson"
)

// role is one compiled role. A nil expression is an absent permission, which
// differs from false (app-services.md §5.3).
type role struct {
	name    string
	apply   *Expr
	read    *Expr
	write   *Expr
	insert  *Expr
	delete  *Expr
	search  *Expr
	filter  bool // document_filters is there
	filterR *Expr
	filterW *Expr
	fields  fieldTree
}

// readMode is what a role grants of a document.
type readMode uint8

const (
	readNothing readMode = iota
	readFields
	readWhole
)

// optional evaluates a permission that defaults to true.
func (e *Env) optional(x *Expr, name string) (bool, error) {
	if x == nil {
		return true, nil
	}
	ok, err := x.eval(e)
	e.notePermission(name, x, ok)
	return ok, err
}

// passesReadFilter is step 2 of the read decision (app-services.md §5.4) with
// the choice HalfDocumentFilters.
func (r *role) passesReadFilter(e *Env) (bool, error) {
	if !r.filter {
		return true, nil
	}
	ok, err := e.optional(r.filterR, "document_filters.read")
	if ok || err != nil || r.filterW == nil {
		return ok, err
	}
	return e.optional(r.filterW, "document_filters.write")
}

// readMode is the read decision (app-services.md §5.4) without search.
func (r *role) readMode(e *Env) (readMode, error) {
	if ok, err := r.passesReadFilter(e); !ok || err != nil {
		return readNothing, err
	}
	if r.read != nil {
		ok, err := r.read.eval(e)
		e.notePermission("read", r.read, ok)
		if ok || err != nil {
			return readWhole, err
		}
	}
	if r.write != nil {
		ok, err := r.write.eval(e)
		e.notePermission("write", r.write, ok)
		if ok || err != nil {
			return readWhole, err
		}
	}
	if r.read != nil {
		e.note("read is defined and false, and write is not true: the document is denied")
		return readNothing, nil
	}
	e.note("neither read nor write decides: field by field")
	return readFields, nil
}

// writeMode is what a role grants for changing a document.
type writeMode uint8

const (
	writeNothing writeMode = iota
	writeFields
	writeWhole
)

// writeMode is steps 1 and 3 of the write decision (app-services.md §5.5).
func (r *role) writeMode(e *Env, c *Choices) (writeMode, string, error) {
	if r.write == nil {
		return writeFields, "", nil
	}
	ok, err := r.write.eval(e)
	e.notePermission("write", r.write, ok)
	if err != nil {
		return writeNothing, "", err
	}
	if ok {
		return writeWhole, "", nil
	}
	if r.write.literal && c.WriteFalseFallsThrough {
		return writeFields, "", nil
	}
	return writeNothing, "write is false", nil
}

// update judges a change from before to after, both in e.
func (r *role) update(e *Env, c *Choices, before, after bson.Raw) (reason string, err error) {
	if r.filterW != nil {
		// The gate holds for the document as it was and as it becomes.
		e.Root, e.PrevRoot = before, before
		ok, err := e.optional(r.filterW, "document_filters.write")
		e.Root = after
		if err != nil || !ok {
			return "document_filters.write is false for the document before the change", err
		}
		if ok, err = e.optional(r.filterW, "document_filters.write"); err != nil || !ok {
			return "document_filters.write is false for the document after the change", err
		}
	}
	e.Root, e.PrevRoot = after, before
	mode, reason, err := r.writeMode(e, c)
	if err != nil || mode != writeFields {
		return reason, err
	}
	name, no, err := r.fields.refusedField(before, after, "", e)
	if no {
		return "the field " + name + " may not be written", err
	}
	return "", err
}

// insertion judges a new document, which is e.Root. skip is "_id" when the
// identifier was not supplied by the caller.
func (r *role) insertion(e *Env, c *Choices, doc bson.Raw, skip string) (reason string, err error) {
	if ok, err := e.optional(r.filterW, "document_filters.write"); err != nil || !ok {
		return "document_filters.write is false", err
	}
	mode, reason, err := r.writeMode(e, c)
	if err != nil || mode == writeNothing {
		return reason, err
	}
	if mode == writeFields {
		name, no, err := r.fields.refusedField(nil, doc, skip, e)
		if err != nil {
			return "", err
		}
		if no {
			return "the field " + name + " may not be written", nil
		}
	}
	if ok, err := e.optional(r.insert, "insert"); err != nil || !ok {
		return "insert is false", err
	}
	return "", nil
}

// deletion judges removing doc, which is e.Root and e.PrevRoot.
func (r *role) deletion(e *Env, c *Choices, doc bson.Raw) (reason string, err error) {
	if ok, err := e.optional(r.filterW, "document_filters.write"); err != nil || !ok {
		return "document_filters.write is false", err
	}
	if ok, err := e.optional(r.delete, "delete"); err != nil || !ok {
		return "delete is false", err
	}
	if !c.DeleteNeedsWrite {
		return "", nil
	}
	mode, reason, err := r.writeMode(e, c)
	if err != nil || mode != writeFields {
		return reason, err
	}
	// Removing a document writes every field that it has.
	name, no, err := r.fields.refusedField(doc, nil, "", e)
	if no {
		return "the field " + name + " may not be written, and deleting needs write on all fields", err
	}
	return "", err
}

// anyWritable tells whether some field of doc, or a field that it may get, can
// be written by field rules.
func (r *role) anyWritable(e *Env, c *Choices) (bool, error) {
	mode, _, err := r.writeMode(e, c)
	if err != nil || mode != writeFields {
		return mode == writeWhole, err
	}
	if ok, err := grants(r.fields.addWrite, e, bson.RawValue{}, bson.RawValue{}); ok || err != nil {
		return ok, err
	}
	return anyWritable(r.fields.fields, e)
}

func anyWritable(fields map[string]*fieldRule, e *Env) (bool, error) {
	for _, f := range fields {
		if ok, err := grants(f.write, e, bson.RawValue{}, bson.RawValue{}); ok || err != nil {
			return ok, err
		}
		if ok, err := anyWritable(f.nested, e); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}
