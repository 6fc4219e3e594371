package data

import (
	"bytes"
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/internal/rule"
)

// interrupted is a database error at one of the documents of a change.
type interrupted struct {
	error
	at int // how many documents were changed before it
}

func (e *interrupted) Unwrap() error { return e.error }

// changeAtomically judges and changes in one transaction. A database error in the
// middle (a duplicate key) takes the transaction back as a whole. MongoDB, asked for
// the same in one command, leaves the documents before it changed, and so does the
// protocol (client-api.md §1.17, insertMany): those are then judged and changed in a
// transaction of their own. A refusal leaves nothing.
func (r *request) changeAtomically(c change) (changed, error) {
	var failed error
	for attempt := 1; ; attempt++ {
		var out changed
		err := r.atomically(func(ctx context.Context) (err error) {
			out, err = r.changeJudged(ctx, c)
			return err
		})
		var stuck *interrupted
		switch {
		case errors.As(err, &stuck) && stuck.at > 0 && r.args.transaction == "" && attempt < r.s.limits.Attempts:
			c.first, failed = stuck.at, err // fewer each time
		case err == nil && failed != nil:
			return changed{}, failed
		default:
			return out, err
		}
	}
}

// targets finds the documents that a write means: those that match the query,
// the filters, and are visible. Acting on them goes by _id, in the same
// transaction.
func (r *request) targets(ctx context.Context, query, sort bson.Raw, multi bool) ([]rule.Target, error) {
	if r.query.None {
		return nil, nil
	}
	opts := options.Find()
	if len(sort) > 5 {
		opts.SetSort(sort)
	}
	if !multi && (r.access == nil || r.query.Exact) {
		opts.SetLimit(1)
	}
	if err := tune(r, opts); err != nil {
		return nil, err
	}
	cursor, err := r.coll.Find(ctx, r.selected(query), opts)
	if err != nil {
		return nil, err
	}
	defer cursor.Close(context.WithoutCancel(ctx))
	var out []rule.Target
	b := r.writeBudget("the set of documents to change")
	for cursor.Next(ctx) {
		d := append(bson.Raw(nil), cursor.Current...)
		t, ok := rule.Target{Before: d, Shown: d, Whole: true}, true
		if r.access != nil {
			if t, ok, err = r.access.Match(d); err != nil {
				return nil, err
			}
		}
		if !ok {
			continue
		}
		if err := b.take(d); err != nil {
			return nil, err
		}
		if out = append(out, t); !multi {
			break
		}
	}
	return out, cursor.Err()
}

// byID matches one document by the _id that was judged.
func byID(id bson.RawValue) bson.Raw {
	return documentOf("_id", documentOrNull(documentOf("$eq", id)))
}

func idOf(d bson.Raw) (bson.RawValue, error) {
	id, err := d.LookupErr("_id")
	if err != nil {
		return id, mongoFault("a document without _id cannot be changed")
	}
	return id, nil
}

// changeJudged finds the documents, changes them by _id, reads what became of
// them and judges that. ctx is inside a transaction; an error takes all back.
func (r *request) changeJudged(ctx context.Context, c change) (changed, error) {
	targets, err := r.targets(ctx, c.query, c.sort, c.multi)
	if err != nil {
		return changed{}, err
	}
	if len(targets) == 0 {
		if c.upsert && c.first == 0 {
			return r.upsertNew(ctx, c)
		}
		return changed{}, nil
	}
	out := changed{}
	if c.first > 0 {
		targets = targets[:min(len(targets), c.first)]
	}
	for len(targets) > 0 {
		n := min(len(targets), 500)
		after, err := r.apply(ctx, c, targets[:n])
		if err != nil {
			return changed{}, out.interrupted(err)
		}
		for i, t := range targets[:n] {
			if err := r.permitUpdate(c, t, after[i]); err != nil {
				return changed{}, err
			}
			out.matched++
			if !bytes.Equal(t.Before, after[i]) {
				out.modified++
			}
			switch {
			case c.wantBefore:
				out.document = t.Shown
			case c.wantAfter && r.access == nil:
				out.document = after[i]
			case c.wantAfter:
				if out.document, err = r.access.Read(after[i]); err != nil {
					return changed{}, err
				}
			}
		}
		targets = targets[n:]
	}
	return out, nil
}

// interrupted adds to a database error at one document how many were changed before.
func (out changed) interrupted(err error) error {
	if !byDatabase(err) {
		return err
	}
	at := int(out.matched)
	var bulk mongo.BulkWriteException
	if errors.As(err, &bulk) && len(bulk.WriteErrors) > 0 {
		at += bulk.WriteErrors[0].Index
	}
	return &interrupted{err, at}
}

// byDatabase tells whether the deployment refused to write something: not a refusal by
// rules, not a conflict with somebody else, not a failure to reach it.
func byDatabase(err error) bool {
	var (
		bulk    mongo.BulkWriteException
		write   mongo.WriteException
		command mongo.CommandError
	)
	switch {
	case Transient(err):
		return false
	case errors.As(err, &bulk):
		return len(bulk.WriteErrors) > 0
	case errors.As(err, &write):
		return len(write.WriteErrors) > 0
	}
	return errors.As(err, &command) && command.Code != 0
}

func (r *request) permitUpdate(c change, t rule.Target, after bson.Raw) error {
	if r.access == nil {
		return nil
	}
	if c.kind == pipeline && !t.Whole {
		return &rule.Refusal{Operation: "update", Reason: "a pipeline could copy fields that may not be read"}
	}
	if err := r.access.Update(t, after); err != nil {
		return err
	}
	return r.access.Validate(t.Before, after)
}

// apply changes the targets by _id and gives the documents that result, in the
// same order.
func (r *request) apply(ctx context.Context, c change, targets []rule.Target) ([]bson.Raw, error) {
	ids := make([]bson.RawValue, len(targets))
	for i, t := range targets {
		var err error
		if ids[i], err = idOf(t.Before); err != nil {
			return nil, err
		}
	}
	if len(targets) == 1 {
		filter := byID(ids[0])
		if positional(c.update) {
			// The query says which array element is meant.
			filter = rule.And(filter, c.query)
		}
		d, err := r.findAndChange(ctx, c, filter, nil, true, false)
		if err == nil && d == nil {
			err = mongoFault("the document was changed meanwhile")
		}
		return []bson.Raw{d}, err
	}
	models := make([]mongo.WriteModel, len(targets))
	in := newList()
	for i, id := range ids {
		filter := byID(id)
		if positional(c.update) {
			filter = rule.And(filter, c.query)
		}
		if c.kind == replacement {
			models[i] = mongo.NewReplaceOneModel().SetFilter(filter).SetReplacement(bson.Raw(c.update.Value))
		} else {
			m := mongo.NewUpdateOneModel().SetFilter(filter).SetUpdate(c.document())
			if c.arrayFilters != nil {
				m.SetArrayFilters(c.arrayFilters)
			}
			models[i] = m
		}
		in.value(id)
	}
	if _, err := r.coll.BulkWrite(ctx, models); err != nil {
		return nil, err
	}
	cursor, err := r.coll.Find(ctx, documentOf("_id", documentOrNull(documentOf("$in", in.end()))))
	if err != nil {
		return nil, err
	}
	defer cursor.Close(context.WithoutCancel(ctx))
	found := make(map[string]bson.Raw, len(targets))
	key := func(id bson.RawValue) string { return string(rune(id.Type)) + string(id.Value) }
	for cursor.Next(ctx) {
		d := append(bson.Raw(nil), cursor.Current...)
		id, err := idOf(d)
		if err != nil {
			return nil, err
		}
		found[key(id)] = d
	}
	if err := cursor.Err(); err != nil {
		return nil, err
	}
	after := make([]bson.Raw, len(targets))
	for i, id := range ids {
		if after[i] = found[key(id)]; after[i] == nil {
			return nil, mongoFault("a document was changed meanwhile")
		}
	}
	return after, nil
}

var matchesNothing = documentOf("$nor", func() bson.RawValue {
	l := newList()
	l.document(emptyDocument)
	return l.end()
}())

// upsertNew lets the database build the document that an upsert inserts from
// query and update, and judges it as the insert that it is. The query is joined
// with a condition that nothing meets, so that a document which the caller
// cannot see is never changed instead.
func (r *request) upsertNew(ctx context.Context, c change) (changed, error) {
	d, err := r.findAndChange(ctx, c, rule.And(c.query, matchesNothing), nil, true, true)
	if err != nil {
		return changed{}, err
	}
	if d == nil {
		return changed{}, errors.New("the upsert gave no document")
	}
	id, err := idOf(d)
	if err != nil {
		return changed{}, err
	}
	supplied := mentionsID(bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: c.query}) || mentionsID(c.update)
	if err := r.permitInsert(d, !supplied); err != nil {
		return changed{}, err
	}
	out := changed{upsertedID: id}
	if c.wantAfter {
		out.document = d
		if r.access != nil {
			if out.document, err = r.access.Read(d); err != nil {
				return changed{}, err
			}
		}
	}
	return out, nil
}
