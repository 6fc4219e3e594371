package command

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/update"
	"regent/docdb/internal/value"
)

// updater is a compiled update with the command's clock.
type updater struct {
	c          *call
	u          *update.Update
	replaces   bool
	pipeline   bool
	positional bool
}

// updated is the outcome for one document.
type updated struct {
	doc      bson.Raw
	modified bool
	replace  bool
}

// compileUpdate compiles an update with its array filters, under the query's collation and variables.
func (c *call) compileUpdate(u, arrayFilters bson.RawValue, q *query, constants bson.Raw) (*updater, error) {
	opts := update.Options{Match: matchOptions(q.strings(), q.scope, q.exprOpts)}
	if arrayFilters.Type == bson.TypeArray {
		for _, f := range value.Elements(arrayFilters.Value) {
			d, ok := f.DocumentOK()
			if !ok {
				return nil, mongoerr.New(mongoerr.TypeMismatch, "BSON field 'arrayFilters' holds a '%s', expected type 'object'", value.TypeName(f.Type))
			}
			opts.ArrayFilters = append(opts.ArrayFilters, d)
		}
	}
	opts.Pipeline = c.pipelineUpdate(q, constants)
	compiled, err := update.Compile(u, opts)
	if err != nil {
		return nil, err
	}
	return &updater{c: c, u: compiled, replaces: compiled.Kind() == update.Replacement, pipeline: compiled.Kind() == update.Pipeline, positional: compiled.NeedsPosition()}, nil
}

func (u *updater) context(pos int) update.Context {
	return update.Context{Position: pos, Now: u.c.e.opts.Now(), Timestamp: func() (uint32, uint32) {
		t := u.c.e.st.Tick()
		return uint32(t >> 32), uint32(t)
	}}
}

// apply changes a document; the result is valid until the next call.
func (u *updater) apply(doc bson.Raw, pos int) (updated, error) {
	cx := u.context(pos)
	cx.Into = u.c.c.docs.after
	r, err := u.u.Apply(doc, cx)
	if r.Modified && u.u.Kind() == update.Operators {
		u.c.c.docs.after = r.Doc
	}
	return updated{r.Doc, r.Modified, u.replaces}, err
}

// newDocument makes the document of an upsert.
func (u *updater) newDocument(q *query) (bson.Raw, error) {
	return u.u.Upsert(q.filter, u.context(-1), bson.NewObjectID)
}
