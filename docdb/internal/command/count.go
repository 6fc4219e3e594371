package command

import (
	"context"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/docdb/internal/budget"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

func count(c *call) error {
	name, err := c.collName()
	if err != nil {
		return err
	}
	skip, err := c.count("skip", 0, 0)
	if err != nil {
		return err
	}
	limit := int64(0)
	if v := c.arg("limit"); v.Type != 0 {
		if limit, err = whole(v, "limit"); err != nil {
			return err
		}
		if limit < 0 {
			limit = -limit
		}
	}
	coll := c.e.st.Collection(c.db, name)
	if coll != nil && coll.Def().View {
		return c.countView(coll, skip, limit)
	}
	ctx, cancel := c.deadline()
	defer cancel()
	q, err := c.query(coll, "query")
	if err != nil {
		return err
	}
	n, err := c.countMatching(ctx, coll, q, skip, limit)
	if err != nil {
		return err
	}
	c.appendCount(n)
	return nil
}

// appendCount writes n as an int32 when it fits.
func (c *call) appendCount(n int64) {
	if n == int64(int32(n)) {
		c.int32("n", int(n))
	} else {
		c.int64("n", n)
	}
}

// countMatching counts from the collection's own count, from the keys of an index where they decide, or by reading.
func (c *call) countMatching(ctx context.Context, coll *store.Collection, q *query, skip, limit int64) (int64, error) {
	if coll == nil {
		return 0, nil
	}
	n := int64(0)
	if len(q.filter) <= 5 && q.hint.Type == 0 {
		n = coll.Count()
		if c.txn != nil {
			d, _ := c.txn.begin().Counts(coll)
			n += d
		}
		if n -= skip; n < 0 {
			n = 0
		}
		if limit > 0 && n > limit {
			n = limit
		}
		return n, nil
	}
	d, view, at, release, err := c.view(coll)
	if err != nil {
		return 0, err
	}
	defer release()
	p, err := c.makePlan(d, q, at)
	if err != nil {
		return 0, err
	}
	use(coll, p)
	sc, err := p.Open(coll, view)
	if err != nil {
		return 0, err
	}
	defer sc.Close()
	sc.Where(q.matcher().Match, []string{})
	for limit == 0 || n < limit+skip {
		if p.Exact {
			_, err = sc.NextKey(ctx)
		} else {
			_, err = sc.Next(ctx)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, err
		}
		n++
	}
	if n -= skip; n < 0 {
		n = 0
	}
	return n, nil
}

// distinctOverhead is about what a value that has been seen costs beside its key.
const distinctOverhead = 48

func distinct(c *call) error {
	name, err := c.collName()
	if err != nil {
		return err
	}
	key := c.str("key")
	if key == "" {
		return mongoerr.New(mongoerr.BadValue, "The 'key' of distinct cannot be empty")
	}
	coll := c.e.st.Collection(c.db, name)
	ctx, cancel := c.deadline()
	defer cancel()
	var src stream
	var q *query
	var atTime uint64
	if coll != nil && coll.Def().View {
		if src, q, err = c.distinctView(ctx, coll); err != nil {
			return err
		}
	} else {
		if q, err = c.query(coll, "query"); err != nil {
			return err
		}
		if coll != nil {
			q.fields = topLevel([]string{key})
			if src, atTime, err = c.open(ctx, coll, q, openOptions{limit: -1}); err != nil {
				return err
			}
		}
	}
	a, out := bsoncore.AppendArrayElementStart(c.out, "values")
	c.out = out
	start := len(c.out)
	if src != nil {
		defer src.Close()
		seen := map[string]struct{}{}
		path := value.ParsePath(key)
		var kb []byte
		n, keyBytes := 0, 0
		held := budget.Share{Ledger: c.e.memory.Ledger()}
		defer held.Release()
		for {
			doc, err := src.Next(ctx)
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
			if err := c.wholeRoom(ctx, len(c.out)+len(doc)); err != nil {
				return err
			}
			value.Each(doc, path, value.ElementsOnly, func(v bson.RawValue, _ int) bool {
				if v.Type == 0 {
					return false
				}
				kb = value.AppendKeyWith(kb[:0], v, q.strings())
				if _, dup := seen[string(kb)]; !dup {
					seen[string(kb)] = struct{}{}
					keyBytes += len(kb)
					c.out = value.AppendIndexed(c.out, n, v)
					n++
				}
				return false
			})
			if len(c.out)-start > maxDocument {
				return mongoerr.New(17217, "distinct too big, 16mb cap")
			}
			if !held.Hold(keyBytes + n*distinctOverhead) {
				return mongoerr.New(mongoerr.ExceededMemoryLimit, "queries hold more than %d bytes together; try again", c.e.memory.Most())
			}
		}
	}
	c.out, _ = bsoncore.AppendArrayEnd(c.out, a)
	if atTime != 0 {
		c.out = bsoncore.AppendTimestampElement(c.out, "atClusterTime", uint32(atTime>>32), uint32(atTime))
	}
	return nil
}
