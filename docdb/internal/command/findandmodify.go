package command

import (
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

// findAndModify changes or removes one document and answers with it.
func findAndModify(c *call) error {
	name, err := c.collName()
	if err != nil {
		return err
	}
	remove, upsert, newDoc := c.on("remove", false), c.on("upsert", false), c.on("new", false)
	update := c.arg("update")
	switch {
	case remove && update.Type != 0:
		return mongoerr.New(mongoerr.FailedToParse, "Cannot specify both an update and remove=true")
	case remove && upsert:
		return mongoerr.New(mongoerr.FailedToParse, "Cannot specify both upsert=true and remove=true")
	case remove && newDoc:
		return mongoerr.New(mongoerr.FailedToParse, "Cannot specify both new=true and remove=true; 'remove' always returns the deleted document")
	case remove && c.arg("arrayFilters").Type != 0:
		return mongoerr.New(mongoerr.FailedToParse, "Cannot specify arrayFilters and remove=true")
	case !remove && update.Type == 0:
		return mongoerr.New(mongoerr.FailedToParse, "Either an update or remove=true must be specified")
	}
	if r := c.already(0); r != nil {
		// The stored reply has everything but ok.
		c.out = append(c.out, r.reply[4:len(r.reply)-1]...)
		c.appendRetried([]int32{0})
		return nil
	}
	coll, err := c.collection(name)
	if err != nil {
		return err
	}
	ctx, cancel := c.deadline()
	defer cancel()
	q, err := c.query(coll, "query")
	if err != nil {
		return err
	}
	if err := c.sorted(q, "sort"); err != nil {
		return err
	}
	proj, err := c.projection(q, c.doc("fields"))
	if err != nil {
		return err
	}
	c.alone = c.sync()
	var reply bson.Raw
	// answer makes the reply inside the unit, so that a retry gets the same one.
	answer := func(u *store.Unit, r updateResult, shown bson.Raw, pos int) error {
		i, b := bsoncore.AppendDocumentStart(nil)
		j, b := bsoncore.AppendDocumentElementStart(b, "lastErrorObject")
		b = bsoncore.AppendInt32Element(b, "n", int32(r.n))
		if !remove {
			b = bsoncore.AppendBooleanElement(b, "updatedExisting", r.n > 0 && r.upserted.Type == 0)
			if r.upserted.Type != 0 {
				b = value.Append(b, "upserted", r.upserted)
			}
		}
		b, _ = bsoncore.AppendDocumentEnd(b, j)
		if shown == nil {
			b = bsoncore.AppendNullElement(b, "value")
		} else {
			if proj != nil {
				var err error
				if shown, err = proj.apply(shown, pos); err != nil {
					return err
				}
			}
			b = bsoncore.AppendDocumentElement(b, "value", bsoncore.Document(shown))
		}
		b, _ = bsoncore.AppendDocumentEnd(b, i)
		reply = b
		if u != nil {
			c.remember(u, retryStmt{first: 0, count: 1, n: int32(r.n), modified: int32(r.modified), reply: reply})
		}
		return nil
	}
	if remove {
		c.e.ops.delete.Add(1)
		found := false
		if coll != nil {
			q.wantPosition = proj != nil && proj.needsMatch()
			found, err = c.withOne(ctx, coll, q, c.alone, func(u *store.Unit, t target) error {
				if err := u.Delete(t.id, t.doc); err != nil {
					return err
				}
				return answer(u, updateResult{n: 1}, t.doc, t.pos)
			})
			if err != nil {
				return during("Plan executor error during findAndModify", err)
			}
		}
		if !found {
			err = answer(nil, updateResult{}, nil, -1)
		}
	} else {
		c.e.ops.update.Add(1)
		spec := updateSpec{q: q, upsert: upsert, validate: !c.on("bypassDocumentValidation", false)}
		if spec.u, err = c.compileUpdate(update, c.arg("arrayFilters"), q, nil); err != nil {
			return err
		}
		q.wantPosition = spec.u.positional
		var failed error
		var r updateResult
		r, _, _, err = c.updateOne(ctx, name, coll, &spec, func(u *store.Unit, r updateResult, before, after bson.Raw) {
			shown := before
			if newDoc {
				shown = after
			}
			failed = answer(u, r, shown, -1)
		})
		if err == nil {
			err = failed
		}
		if err == nil && r.n == 0 {
			err = answer(nil, updateResult{}, nil, -1)
		}
	}
	if err != nil {
		return during("Plan executor error during findAndModify", err)
	}
	if c.sync() && c.txn == nil && !c.synced {
		if err := c.e.st.Sync(); err != nil {
			return err
		}
	}
	c.out = append(c.out, reply[4:len(reply)-1]...)
	return nil
}
