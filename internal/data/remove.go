package data

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// removeDirect lets the database find and delete in one command.
func (r *request) removeDirect(ctx context.Context, query bson.Raw, multi bool) (int64, error) {
	var (
		res *mongo.DeleteResult
		err error
	)
	if multi {
		opts := options.DeleteMany()
		if err = tune(r, opts); err == nil {
			res, err = r.coll.DeleteMany(ctx, r.judged(query), opts)
		}
	} else {
		opts := options.DeleteOne()
		if err = tune(r, opts); err == nil {
			res, err = r.coll.DeleteOne(ctx, r.judged(query), opts)
		}
	}
	if err != nil {
		return 0, err
	}
	return res.DeletedCount, nil
}

// removeJudged judges the documents and deletes exactly those, by _id. ctx is
// inside a transaction.
func (r *request) removeJudged(ctx context.Context, query, sort bson.Raw, multi bool) (int64, bson.Raw, error) {
	targets, err := r.targets(ctx, query, sort, multi)
	if err != nil || len(targets) == 0 {
		return 0, nil, err
	}
	shown := targets[0].Shown
	for _, t := range targets {
		if r.access == nil {
			break
		}
		if err := r.access.Delete(t); err != nil {
			return 0, nil, err
		}
	}
	removed := int64(0)
	for len(targets) > 0 {
		n := min(len(targets), 1000)
		in := newList()
		for _, t := range targets[:n] {
			id, err := idOf(t.Before)
			if err != nil {
				return 0, nil, err
			}
			in.value(id)
		}
		res, err := r.coll.DeleteMany(ctx, documentOf("_id", documentOrNull(documentOf("$in", in.end()))))
		if err != nil {
			return 0, nil, err
		}
		removed += res.DeletedCount
		targets = targets[n:]
	}
	return removed, shown, nil
}
