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

// change is an update of documents, by operators, pipeline or replacement.
type change struct {
	query        bson.Raw
	sort         bson.Raw
	update       bson.RawValue
	kind         updateKind
	arrayFilters []any
	upsert       bool
	multi        bool
	wantAfter    bool // the caller asks for the document after the change
	wantBefore   bool // or for the one before
}

// changed is what a change did.
type changed struct {
	matched, modified int64
	upsertedID        bson.RawValue // type 0: nothing was inserted

	// document is what a findOneAnd* answers with, readable parts only; nil for null.
	document bson.Raw
}

// newChange reads a change from arguments and judges its form.
func (r *request) newChange(query bson.Raw, update, arrayFilters bson.RawValue, upsert, multi bool) (change, error) {
	c := change{query: query, update: update, upsert: upsert, multi: multi}
	if c.query == nil {
		c.query = emptyDocument
	}
	var err error
	if c.kind, err = classify(update, r.access != nil); err != nil {
		return c, err
	}
	if arrayFilters.Type != 0 {
		list, err := elements(arrayFilters, "arrayFilters")
		if err != nil {
			return c, err
		}
		for _, f := range list {
			if r.access != nil {
				if err := checkQuery(f, 0, nil); err != nil {
					return c, err
				}
			}
			c.arrayFilters = append(c.arrayFilters, f)
		}
	}
	if r.access == nil {
		return c, nil
	}
	if err := noDuplicatesAt(update.Type, update.Value, 0); err != nil {
		return c, err
	}
	paths, refused := r.strict()
	if err := checkQuery(c.query, 0, paths); err != nil {
		return c, err
	}
	return c, refusedPath(*refused)
}

// change performs a change on what the caller may see, under roles and schema.
func (r *request) change(c change) (changed, error) {
	direct := r.access == nil && !(c.multi && c.kind == replacement) ||
		r.access != nil && r.query.Exact && r.query.Update && !r.query.None && r.access.Namespace().Schema() == nil &&
			!positional(c.update) && !(c.multi && c.kind == replacement)
	if direct && (r.access == nil || !c.upsert) {
		// Roles are exactly a query here and permit any change: one round trip does
		// both, the check and the act, on the same document.
		ctx, held, err := r.session()
		if err != nil {
			return changed{}, err
		}
		ctx, cancel := r.timed(ctx)
		defer cancel()
		out, err := r.changeDirect(ctx, c)
		if err != nil {
			held.giveUp(ctx)
		}
		return out, err
	}
	out, err := r.changeAtomically(c)
	if c.upsert && err != nil && mongo.IsDuplicateKeyError(err) && r.args.transaction == "" {
		// Two upserts raced, or the document appeared meanwhile: now it is there.
		return r.changeAtomically(c)
	}
	return out, err
}

func (r *request) changeAtomically(c change) (out changed, err error) {
	err = r.atomically(func(ctx context.Context) error {
		out, err = r.changeJudged(ctx, c)
		return err
	})
	return out, err
}

// changeDirect lets the database find and change in one command.
func (r *request) changeDirect(ctx context.Context, c change) (changed, error) {
	filter := r.judged(c.query)
	if c.wantAfter || c.wantBefore {
		d, err := r.findAndChange(ctx, c, filter, c.sort, c.wantAfter, c.upsert)
		if err != nil || d == nil {
			return changed{}, err
		}
		if r.access != nil {
			if d, err = r.access.Read(d); err != nil {
				return changed{}, err
			}
		}
		return changed{matched: 1, document: d}, nil
	}
	var (
		res *mongo.UpdateResult
		err error
	)
	switch {
	case c.kind == replacement:
		opts := options.Replace().SetUpsert(c.upsert)
		if err = tune(r, opts); err == nil {
			res, err = r.coll.ReplaceOne(ctx, filter, bson.Raw(c.update.Value), opts)
		}
	case c.multi:
		opts := options.UpdateMany().SetUpsert(c.upsert)
		if c.arrayFilters != nil {
			opts.SetArrayFilters(c.arrayFilters)
		}
		if err = tune(r, opts); err == nil {
			res, err = r.coll.UpdateMany(ctx, filter, c.document(), opts)
		}
	default:
		opts := options.UpdateOne().SetUpsert(c.upsert)
		if c.arrayFilters != nil {
			opts.SetArrayFilters(c.arrayFilters)
		}
		if err = tune(r, opts); err == nil {
			res, err = r.coll.UpdateOne(ctx, filter, c.document(), opts)
		}
	}
	if err != nil {
		return changed{}, err
	}
	out := changed{matched: res.MatchedCount, modified: res.ModifiedCount}
	if res.UpsertedCount > 0 {
		out.upsertedID, err = raw(res.UpsertedID)
	}
	return out, err
}

// document is the update as the driver takes it: a document or a pipeline.
func (c change) document() any {
	if c.kind != pipeline {
		return bson.Raw(c.update.Value)
	}
	stages, _ := elements(c.update, "update") // classify has looked
	if stages == nil {
		stages = []bson.Raw{}
	}
	return stages
}

// tunable is what the driver's operations take alike; most take a let, too.
type tunable[T any] interface {
	SetCollation(*options.Collation) T
	SetHint(any) T
}

// tune passes on the options that only functions of the system may give.
func tune[T tunable[T]](r *request, opts T) error {
	if len(r.args.collation) > 5 {
		c, err := collationOf(r.args.collation)
		if err != nil {
			return err
		}
		opts.SetCollation(c)
	}
	if r.args.hint.Type != 0 {
		opts.SetHint(r.args.hint)
	}
	if len(r.args.let) > 5 {
		with, ok := any(opts).(interface{ SetLet(any) T })
		if !ok {
			return invalid("this operation takes no let")
		}
		with.SetLet(r.args.let)
	}
	return nil
}

// findAndChange changes one document and gives it, nil when none matched.
func (r *request) findAndChange(ctx context.Context, c change, filter, sort bson.Raw, after, upsert bool) (bson.Raw, error) {
	which := options.Before
	if after {
		which = options.After
	}
	var res *mongo.SingleResult
	if c.kind == replacement {
		opts := options.FindOneAndReplace().SetReturnDocument(which).SetUpsert(upsert)
		if len(sort) > 5 {
			opts.SetSort(sort)
		}
		if err := tune(r, opts); err != nil {
			return nil, err
		}
		res = r.coll.FindOneAndReplace(ctx, filter, bson.Raw(c.update.Value), opts)
	} else {
		opts := options.FindOneAndUpdate().SetReturnDocument(which).SetUpsert(upsert)
		if len(sort) > 5 {
			opts.SetSort(sort)
		}
		if c.arrayFilters != nil {
			opts.SetArrayFilters(c.arrayFilters)
		}
		if err := tune(r, opts); err != nil {
			return nil, err
		}
		res = r.coll.FindOneAndUpdate(ctx, filter, c.document(), opts)
	}
	d, err := res.Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, nil
	}
	return d, err
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
		if c.upsert {
			return r.upsertNew(ctx, c)
		}
		return changed{}, nil
	}
	out := changed{}
	for len(targets) > 0 {
		n := min(len(targets), 500)
		after, err := r.apply(ctx, c, targets[:n])
		if err != nil {
			return changed{}, err
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
