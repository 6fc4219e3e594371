package data

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

func (r *request) updateOne() (bson.RawValue, error)  { return r.updateResult(false, false) }
func (r *request) updateMany() (bson.RawValue, error) { return r.updateResult(true, false) }
func (r *request) replaceOne() (bson.RawValue, error) { return r.updateResult(false, true) }

func (r *request) updateResult(multi, replace bool) (bson.RawValue, error) {
	c, err := r.newChange(r.args.query, r.args.update, r.args.filters, r.args.upsert, multi)
	if err != nil {
		return bson.RawValue{}, err
	}
	if replace && c.kind != replacement {
		return bson.RawValue{}, mongoFault("the replace operation document must not contain atomic operators")
	}
	out, err := r.change(c)
	if err != nil {
		return bson.RawValue{}, err
	}
	// Exactly these keys: SDKs' tests compare the whole object.
	return object(func(dst []byte) []byte {
		dst = bsoncore.AppendInt32Element(dst, "matchedCount", count32(out.matched))
		dst = bsoncore.AppendInt32Element(dst, "modifiedCount", count32(out.modified))
		if out.upsertedID.Type != 0 {
			dst = appendValue(dst, "upsertedId", out.upsertedID)
		}
		return dst
	}), nil
}

func (r *request) findOneAndUpdate() (bson.RawValue, error) { return r.findAnd(false) }

// findOneAndReplace without a replacement is what realm-web sends for
// findOneAndDelete. The caller means a delete, so delete rules decide
// (design.md, compatibility decisions).
func (r *request) findOneAndReplace() (bson.RawValue, error) {
	if r.args.update.Type == 0 {
		return r.findOneAndDelete()
	}
	return r.findAnd(true)
}

func (r *request) findAnd(replace bool) (bson.RawValue, error) {
	proj, err := r.projections()
	if err != nil {
		return bson.RawValue{}, err
	}
	c, err := r.newChange(r.args.query, r.args.update, r.args.filters, r.args.upsert, false)
	if err != nil {
		return bson.RawValue{}, err
	}
	if replace && c.kind != replacement {
		return bson.RawValue{}, mongoFault("the replace operation document must not contain atomic operators")
	}
	if err := r.checkResultSort(); err != nil {
		return bson.RawValue{}, err
	}
	c.sort = r.args.sort
	c.wantAfter, c.wantBefore = r.args.returnNew, !r.args.returnNew
	out, err := r.change(c)
	if err != nil || out.document == nil {
		return null, err
	}
	d, err := projected(out.document, proj)
	return documentOrNull(d), err
}

func (r *request) checkResultSort() error {
	if r.access == nil || len(r.args.sort) <= 5 {
		return nil
	}
	paths, refused := r.strict()
	if err := checkSort(r.args.sort, paths); err != nil {
		return err
	}
	return refusedPath(*refused)
}

func (r *request) deleteOne() (bson.RawValue, error)  { return r.deleteResult(false) }
func (r *request) deleteMany() (bson.RawValue, error) { return r.deleteResult(true) }

func (r *request) deleteResult(multi bool) (bson.RawValue, error) {
	if err := r.checkRead(); err != nil {
		return bson.RawValue{}, err
	}
	n, _, err := r.remove(r.args.query, nil, multi)
	if err != nil {
		return bson.RawValue{}, err
	}
	return object(func(dst []byte) []byte { return bsoncore.AppendInt32Element(dst, "deletedCount", count32(n)) }), nil
}

func (r *request) findOneAndDelete() (bson.RawValue, error) {
	proj, err := r.projections()
	if err != nil {
		return bson.RawValue{}, err
	}
	if err := r.checkRead(); err != nil {
		return bson.RawValue{}, err
	}
	_, d, err := r.remove(r.args.query, r.args.sort, false)
	if err != nil || d == nil {
		return null, err
	}
	d, err = projected(d, proj)
	return documentOrNull(d), err
}

// remove deletes what matches and is visible; shown is what the caller may read
// of the one document when sort or one document was asked for.
func (r *request) remove(query, sort bson.Raw, multi bool) (n int64, shown bson.Raw, err error) {
	if r.query.None {
		return 0, nil, nil
	}
	if r.action != "findOneAndDelete" && r.action != "findOneAndReplace" && len(sort) == 0 && (r.access == nil || r.query.Exact && r.query.Delete) {
		ctx, held, err := r.session()
		if err != nil {
			return 0, nil, err
		}
		ctx, cancel := r.timed(ctx)
		defer cancel()
		if n, err = r.removeDirect(ctx, query, multi); err != nil {
			held.giveUp(ctx)
		}
		return n, nil, err
	}
	err = r.atomically(func(ctx context.Context) error {
		n, shown, err = r.removeJudged(ctx, query, sort, multi)
		return err
	})
	return n, shown, err
}
