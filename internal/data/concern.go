package data

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

// concern is how far reads and writes reach into the deployment, where a
// function says so: of one operation, of a collection or a database, of a
// transaction. Zero fields are the connection's own.
type concern struct {
	read       *readconcern.ReadConcern
	write      *writeconcern.WriteConcern
	preference *readpref.ReadPref
	wait       time.Duration // for the write concern (wtimeout)
}

func (c *concern) given() bool { return c.read != nil || c.write != nil || c.preference != nil }

// concernTable lists the three options by their names. Each takes what the
// drivers take: a document, or the one word or number that matters.
var concernTable = map[string]struct {
	set  func(c *concern, v bson.RawValue) bool
	want string
}{
	"readConcern":    {(*concern).setRead, "a level, or {level}"},
	"writeConcern":   {(*concern).setWrite, "{w, j, wtimeout} with a w that is not 0: every write is answered"},
	"readPreference": {(*concern).setPreference, "primary, primaryPreferred, secondary, secondaryPreferred or nearest, or {mode}; tags are not available"},
}

func (c *concern) setRead(v bson.RawValue) bool {
	level, ok := only(v, "level").StringValueOK()
	switch level {
	case "local", "majority", "available", "linearizable", "snapshot":
	default:
		return false
	}
	c.read = &readconcern.ReadConcern{Level: level}
	return ok
}

func (c *concern) setWrite(v bson.RawValue) bool {
	w := &writeconcern.WriteConcern{}
	setW := func(v bson.RawValue) bool {
		if tag, ok := v.StringValueOK(); ok && tag != "" {
			w.W = tag
			return true
		}
		n, ok := wholeNumber(v)
		w.W = int(n)
		return ok && n > 0 && n <= 50
	}
	d, ok := v.DocumentOK()
	if !ok {
		c.write = w
		return setW(v)
	}
	elements, err := d.Elements()
	if err != nil {
		return false
	}
	for _, e := range elements {
		v, ok := e.Value(), false
		switch e.Key() {
		case "w":
			ok = setW(v)
		case "j", "journal":
			var j bool
			j, ok = v.BooleanOK()
			w.Journal = &j
		case "wtimeout", "wtimeoutMS":
			var n int64
			n, ok = wholeNumber(v)
			ok = ok && n >= 0 && n < 1<<31
			c.wait = time.Duration(n) * time.Millisecond
		}
		if !ok {
			return false
		}
	}
	if w.W != nil || w.Journal != nil {
		c.write = w
	}
	return true
}

func (c *concern) setPreference(v bson.RawValue) bool {
	name, ok := only(v, "mode").StringValueOK()
	mode, err := readpref.ModeFromString(name)
	if !ok || err != nil {
		return false
	}
	c.preference, err = readpref.New(mode)
	return err == nil
}

// only gives the member of a document that has no other, and anything else as it is.
func only(v bson.RawValue, key string) bson.RawValue {
	d, ok := v.DocumentOK()
	if !ok {
		return v
	}
	elements, err := d.Elements()
	if err != nil || len(elements) != 1 || elements[0].Key() != key {
		return bson.RawValue{}
	}
	return elements[0].Value()
}

// reach gives the request a collection with its concern.
func (r *request) reach() error {
	c := &r.args.concern
	if c.wait > 0 && (r.args.maxTime == 0 || c.wait < r.args.maxTime) {
		r.args.maxTime = c.wait
	}
	if !c.given() {
		return nil
	}
	if r.args.transaction != "" {
		return invalid("readConcern, writeConcern and readPreference are options of the transaction, not of an operation in it")
	}
	o := options.Database()
	if c.read != nil {
		o.SetReadConcern(c.read)
	}
	if c.write != nil {
		o.SetWriteConcern(c.write)
	}
	if c.preference != nil {
		o.SetReadPreference(c.preference)
	}
	key := r.coll.key
	db := r.coll.Database().Client().Database(key.database, o)
	r.coll = &collection{Collection: db.Collection(key.collection), key: key}
	return nil
}

// transactionOptions reads the options of startTransaction, and how long a
// commit may take; 0: as long as the call.
func (r *request) transactionOptions() (*options.TransactionOptionsBuilder, time.Duration, error) {
	o, commit := options.Transaction(), time.Duration(0)
	elements, err := r.args.options.Elements()
	if err != nil && len(r.args.options) > 0 {
		return nil, 0, invalid("the options are not a valid document")
	}
	var c concern
	for _, e := range elements {
		key, v := e.Key(), e.Value()
		if v.Type == bson.TypeNull || v.Type == bson.TypeUndefined {
			continue
		}
		if key == "maxCommitTimeMS" {
			n, ok := wholeNumber(v)
			if !ok || n < 0 || n >= 1<<31 {
				return nil, 0, invalid("the option %q of a transaction must be milliseconds", key)
			}
			commit = time.Duration(n) * time.Millisecond
			continue
		}
		x, ok := concernTable[key]
		if !ok {
			return nil, 0, invalid("unknown option %q of a transaction", key)
		}
		if !x.set(&c, v) {
			return nil, 0, invalid("the option %q of a transaction must be %s", key, x.want)
		}
	}
	if c.read != nil {
		o.SetReadConcern(c.read)
	}
	if c.write != nil {
		o.SetWriteConcern(c.write)
	}
	if c.preference != nil {
		if c.preference.Mode() != readpref.PrimaryMode {
			return nil, 0, invalid("the readPreference of a transaction must be primary")
		}
		o.SetReadPreference(c.preference)
	}
	if c.wait > 0 && (commit == 0 || c.wait < commit) {
		commit = c.wait
	}
	return o, commit, nil
}

// commit commits the session's transaction. Whether a commit whose answer was
// lost took place is unknown; asking for it again is safe, and tells.
func commit(ctx context.Context, session *mongo.Session) error {
	for attempt := 1; ; attempt++ {
		err := session.CommitTransaction(ctx)
		if err == nil || attempt == 3 || ctx.Err() != nil || !labeled(err, "UnknownTransactionCommitResult") {
			return err
		}
	}
}
