package command

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

var deleteStatement = []Arg{
	{Name: "q", Kind: object, Required: true}, {Name: "limit", Kind: integer, Required: true}, {Name: "collation", Kind: object},
	{Name: "hint", Kind: hintValue},
}

func deleteCommand(c *call) error {
	name, err := c.collName()
	if err != nil {
		return err
	}
	coll, err := c.collection(name)
	if err != nil {
		return err
	}
	ctx, cancel := c.deadline()
	defer cancel()
	ordered := c.on("ordered", true)
	if err := c.checkStatements("deletes", deleteStatement); err != nil {
		return err
	}
	c.alone = c.sync() && c.statements("deletes") == 1
	n := 0
	var errs []writeError
	var retried []int32
	err = c.each("deletes", func(i int, doc bson.Raw) (bool, error) {
		stmt := c.stmtID(i)
		if r := c.already(stmt); r != nil {
			n += int(r.n)
			retried = append(retried, stmt)
			return true, nil
		}
		c.e.ops.delete.Add(1)
		k, err := c.deleteOne(ctx, coll, stmt, doc)
		n += k
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
	if c.sync() && c.txn == nil && n > 0 && !c.synced {
		if err := c.e.st.Sync(); err != nil {
			return err
		}
	}
	c.int32("n", n)
	c.appendRetried(retried)
	c.appendWriteErrors(errs)
	if c.txn != nil && len(errs) > 0 {
		c.txn.abort()
	}
	return nil
}

func (c *call) deleteOne(ctx context.Context, coll *store.Collection, stmt int32, doc bson.Raw) (int, error) {
	var args [8]bson.RawValue
	if err := parseStatement("delete.deletes", deleteStatement, doc, args[:]); err != nil {
		return 0, malformed{err}
	}
	limit, ok := value.Integer(args[1])
	if !ok || limit != 0 && limit != 1 {
		return 0, malformed{mongoerr.New(mongoerr.FailedToParse, "The limit field in delete objects must be 0 or 1. Got %s", value.Show(args[1]))}
	}
	if limit == 0 && c.hasTxn && c.txn == nil {
		return 0, mongoerr.New(mongoerr.InvalidOptions, "Cannot use retryable writes with limit=0")
	}
	collation, _ := args[2].DocumentOK()
	filter := args[0].Document()
	if len(filter) == 0 {
		filter = emptyDoc
	}
	q, err := c.compileQuery(coll, filter, collation, args[3], c.doc("let"))
	if err != nil {
		return 0, err
	}
	if coll == nil {
		return 0, nil
	}
	if limit == 1 {
		found, err := c.withOne(ctx, coll, q, c.alone, func(u *store.Unit, t target) error {
			if err := u.Delete(t.id, t.doc); err != nil {
				return err
			}
			c.remember(u, retryStmt{first: stmt, count: 1, n: 1})
			return nil
		})
		if found {
			return 1, err
		}
		return 0, err
	}
	n := 0
	err = c.withMany(ctx, coll, q, func(u *store.Unit, t target) error {
		if err := u.Delete(t.id, t.doc); err != nil {
			return err
		}
		n++
		return nil
	})
	return n, err
}

// parseStatement reads a statement of an update or delete by a table of its fields.
func parseStatement(where string, table []Arg, doc bson.Raw, out []bson.RawValue) error {
	it := value.Over(doc)
	for it.Next() {
		i := -1
		for k := range table {
			if table[k].Name == it.Key() {
				i = k
			}
		}
		if i < 0 {
			return mongoerr.New(40415, "BSON field '%s.%s' is an unknown field.", where, it.Key())
		}
		if out[i].Type != 0 {
			return mongoerr.New(40413, "BSON field '%s.%s' is a duplicate field", where, it.Key())
		}
		v := it.Value()
		if v.Type == bson.TypeNull && table[i].Kind != anyValue {
			continue
		}
		if !table[i].Kind.accepts(v) {
			return wrongType(where+"."+it.Key(), v, table[i].Kind)
		}
		out[i] = v
	}
	for i := range table {
		if table[i].Required && out[i].Type == 0 {
			return mongoerr.New(40414, "BSON field '%s.%s' is missing but a required field", where, table[i].Name)
		}
	}
	return nil
}
