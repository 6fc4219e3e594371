package command

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

var updateStatement = []Arg{
	{Name: "q", Kind: object, Required: true}, {Name: "u", Kind: updateValue, Required: true}, {Name: "c", Kind: object},
	{Name: "multi", Kind: flag}, {Name: "upsert", Kind: flag}, {Name: "collation", Kind: object}, {Name: "arrayFilters", Kind: array},
	{Name: "hint", Kind: hintValue}, {Name: "sort", Kind: object},
}

// updateResult is what one statement has done.
type updateResult struct {
	n, modified int
	upserted    bson.RawValue // the _id of a new document
}

func updateCommand(c *call) error {
	name, err := c.collName()
	if err != nil {
		return err
	}
	ctx, cancel := c.deadline()
	defer cancel()
	ordered := c.on("ordered", true)
	if err := c.checkStatements("updates", updateStatement); err != nil {
		return err
	}
	c.alone = c.sync() && c.statements("updates") == 1
	var total updateResult
	var errs []writeError
	var retried []int32
	type up struct {
		i  int
		id bson.RawValue
	}
	var ups []up
	add := func(i int, r updateResult) {
		total.n += r.n
		total.modified += r.modified
		if r.upserted.Type != 0 {
			ups = append(ups, up{i, r.upserted})
		}
	}
	err = c.each("updates", func(i int, doc bson.Raw) (bool, error) {
		stmt := c.stmtID(i)
		if r := c.already(stmt); r != nil {
			add(i, updateResult{int(r.n), int(r.modified), r.upserted})
			retried = append(retried, stmt)
			return true, nil
		}
		c.e.ops.update.Add(1)
		r, err := c.updateStatement(ctx, name, stmt, doc)
		add(i, r)
		if err != nil {
			m := c.asWriteError(err)
			if m == nil {
				return false, err
			}
			errs = append(errs, writeError{i, m})
			return !ordered && c.txn == nil, nil
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	if c.sync() && c.txn == nil && total.n > 0 && !c.synced {
		if err := c.e.st.Sync(); err != nil {
			return err
		}
	}
	c.int32("n", total.n)
	c.int32("nModified", total.modified)
	if len(ups) > 0 {
		a, b := bsoncore.AppendArrayElementStart(c.out, "upserted")
		for k, u := range ups {
			j, d := value.BeginIndexed(b, bson.TypeEmbeddedDocument, k)
			d = bsoncore.AppendInt32Element(d, "index", int32(u.i))
			d = value.Append(d, "_id", u.id)
			b = value.End(d, j)
		}
		c.out, _ = bsoncore.AppendArrayEnd(b, a)
	}
	c.appendRetried(retried)
	c.appendWriteErrors(errs)
	if c.txn != nil && len(errs) > 0 {
		c.txn.abort()
	}
	return nil
}

// updateSpec is an update with what surrounds it, compiled.
type updateSpec struct {
	q        *query
	u        *updater
	multi    bool
	upsert   bool
	validate bool
}

func (c *call) updateStatement(ctx context.Context, name string, stmt int32, doc bson.Raw) (updateResult, error) {
	var args [12]bson.RawValue
	if err := parseStatement("update.updates", updateStatement, doc, args[:]); err != nil {
		return updateResult{}, malformed{err}
	}
	coll, err := c.collection(name)
	if err != nil {
		return updateResult{}, err
	}
	spec := updateSpec{multi: value.Truthy(args[3]) && args[3].Type != 0, upsert: value.Truthy(args[4]) && args[4].Type != 0, validate: !c.on("bypassDocumentValidation", false)}
	collation, _ := args[5].DocumentOK()
	if spec.q, err = c.compileQuery(coll, args[0].Document(), collation, args[7], c.doc("let")); err != nil {
		return updateResult{}, err
	}
	constants, _ := args[2].DocumentOK()
	if constants != nil && args[1].Type != bson.TypeArray {
		return updateResult{}, mongoerr.New(51198, "Constant values may only be specified for pipeline updates")
	}
	if spec.u, err = c.compileUpdate(args[1], args[6], spec.q, constants); err != nil {
		return updateResult{}, err
	}
	if spec.multi && spec.u.replaces {
		return updateResult{}, mongoerr.New(mongoerr.FailedToParse, "multi update is not supported for replacement-style update")
	}
	if s, ok := args[8].DocumentOK(); ok {
		if spec.multi {
			return updateResult{}, mongoerr.New(mongoerr.FailedToParse, "Cannot specify sort with multi=true")
		}
		if err := spec.q.setSort(s); err != nil {
			return updateResult{}, err
		}
	}
	if spec.multi && c.hasTxn && c.txn == nil {
		return updateResult{}, mongoerr.New(mongoerr.InvalidOptions, "Cannot use retryable writes with multi=true")
	}
	spec.q.wantPosition = spec.u.positional
	if spec.multi {
		return c.updateMany(ctx, name, coll, &spec, stmt)
	}
	r, _, _, err := c.updateOne(ctx, name, coll, &spec, func(u *store.Unit, r updateResult, _, _ bson.Raw) {
		c.remember(u, retryStmt{first: stmt, count: 1, n: int32(r.n), modified: int32(r.modified), upserted: value.Clone(r.upserted)})
	})
	return r, err
}

// updateOne changes the first document, or inserts one. done is called inside the unit, before it is committed, with the document
// before (nil for an insert) and after.
func (c *call) updateOne(ctx context.Context, name string, coll *store.Collection, spec *updateSpec, done func(u *store.Unit, r updateResult, before, after bson.Raw)) (r updateResult, before, after bson.Raw, err error) {
	for try := 0; ; try++ {
		if coll != nil {
			found, err := c.withOne(ctx, coll, spec.q, c.alone, func(u *store.Unit, t target) error {
				out, err := c.change(u, spec, t)
				if err != nil {
					return err
				}
				r = updateResult{n: 1}
				if out.modified {
					r.modified = 1
				}
				before, after = t.doc, out.doc
				if done != nil {
					done(u, r, before, after)
				}
				return nil
			})
			if err != nil {
				return updateResult{}, nil, nil, err
			}
			if found {
				return r, before, after, nil
			}
		}
		if !spec.upsert {
			return updateResult{}, nil, nil, nil
		}
		doc, err := spec.u.newDocument(spec.q)
		if err != nil {
			return updateResult{}, nil, nil, err
		}
		if doc, err = withID(nil, doc); err != nil {
			return updateResult{}, nil, nil, err
		}
		if err := checkStored(doc, "update"); err != nil {
			return updateResult{}, nil, nil, err
		}
		if coll, err = c.ensure(name); err != nil {
			return updateResult{}, nil, nil, err
		}
		r = updateResult{n: 1, upserted: value.Clone(value.Lookup(doc, "_id"))}
		err = c.insertOne(ctx, coll, doc, spec.validate, func(u *store.Unit) {
			if done != nil {
				done(u, r, nil, doc)
			}
		})
		var dup *store.DuplicateKeyError
		if errors.As(err, &dup) && c.txn == nil && try < 10 && c.nowMatches(coll, spec.q, dup.Found) {
			// Another writer has inserted what the filter asks for in the meantime: it is updated instead.
			continue
		}
		if errors.Is(err, store.ErrCollectionGone) && try < 10 {
			continue
		}
		if err != nil {
			return updateResult{}, nil, nil, err
		}
		return r, nil, doc, nil
	}
}

// nowMatches reports whether a record matches the query now.
func (c *call) nowMatches(coll *store.Collection, q *query, id store.RecordID) bool {
	v, err := c.e.st.Present().Get(coll.RecordKey(nil, id), nil)
	if err != nil {
		return false
	}
	ok, err := q.matcher().Match(bson.Raw(v))
	return ok && err == nil
}

// insertOne inserts one document in a unit of its own.
func (c *call) insertOne(ctx context.Context, coll *store.Collection, doc bson.Raw, validate bool, done func(*store.Unit)) error {
	for {
		u, err := c.begin(coll, true)
		if err != nil {
			return err
		}
		if u.Def().Capped && int64(len(doc)) > u.Def().MaxSize {
			u.Rollback()
			return mongoerr.New(mongoerr.BadValue, "object to insert exceeds cappedMaxSize")
		}
		_, err = u.Insert(doc, validate)
		if err == nil {
			done(u)
			_, err = u.Commit(c.alone)
			c.synced = c.synced || c.alone
			return err
		}
		u.Rollback()
		if _, held := store.Held(err); !held {
			return err
		}
		if err := c.wait(ctx, err); err != nil {
			return err
		}
	}
}

// change applies an update to one document inside a unit.
func (c *call) change(u *store.Unit, spec *updateSpec, t target) (updated, error) {
	out, err := spec.u.apply(t.doc, t.pos)
	if err != nil || !out.modified {
		return out, err
	}
	if err := checkStored(out.doc, "update"); err != nil {
		return out, err
	}
	how := store.Change{Replace: out.replace, Validate: spec.validate}
	if !out.replace {
		var size int
		how.Description, size = describeUpdate(t.doc, out.doc)
		how.Replace = size > len(out.doc) && spec.u.pipeline
	}
	return out, u.Update(t.id, t.doc, out.doc, how)
}

// updateMany changes every document that matches, each once.
func (c *call) updateMany(ctx context.Context, name string, coll *store.Collection, spec *updateSpec, stmt int32) (updateResult, error) {
	var r updateResult
	if coll != nil {
		err := c.withMany(ctx, coll, spec.q, func(u *store.Unit, t target) error {
			out, err := c.change(u, spec, t)
			if err != nil {
				return err
			}
			r.n++
			if out.modified {
				r.modified++
			}
			return nil
		})
		if err != nil || r.n > 0 {
			return r, err
		}
	}
	if !spec.upsert {
		return r, nil
	}
	r, _, _, err := c.updateOne(ctx, name, coll, spec, nil)
	return r, err
}
