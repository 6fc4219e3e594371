package command

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

// validDB checks a database's name (mongo-engine.md §3.6).
func validDB(name string) error {
	if name == "" || len(name) > 63 || strings.ContainsAny(name, "/\\. \"$*<>:|?\x00") {
		if name == "$external" {
			return nil
		}
		return mongoerr.New(mongoerr.InvalidNamespace, "Invalid database name: '%s'", name)
	}
	return nil
}

// collName gives the collection that a command is about, and refuses names that no collection can have.
func (c *call) collName() (string, error) {
	s, ok := c.target.StringValueOK()
	if !ok {
		return "", mongoerr.New(mongoerr.InvalidNamespace, "collection name has invalid type %s", value.TypeName(c.target.Type))
	}
	return s, validColl(c.db, s)
}

// elsewhere are collections of MongoDB's own whose contents docdb does not keep in a collection. An empty answer would be a lie: mongodump
// would leave out users without a word.
var elsewhere = map[string]string{
	"local.oplog.rs":     "docdb keeps its history for change streams only and has no collection local.oplog.rs: dump without --oplog, or use `regent docdb backup`, which copies one moment",
	"admin.system.users": "docdb keeps users apart from collections: usersInfo lists them, createUser makes them",
	"admin.system.roles": "docdb has no roles of its own: every user may do everything",
}

func validColl(db, s string) error {
	if db == "local" || db == "admin" {
		if why := elsewhere[db+"."+s]; why != "" {
			return mongoerr.New(mongoerr.CommandNotSupported, "%s", why)
		}
	}
	if s == "" || strings.ContainsRune(s, 0) || s[0] == '.' || strings.Contains(s, "..") || s[len(s)-1] == '.' && len(s) == 1 {
		return mongoerr.New(mongoerr.InvalidNamespace, "Invalid namespace specified '%s.%s'", db, s)
	}
	return nil
}

// creatable checks the name of a collection that is to be made.
func creatable(db, s string) error {
	if err := validColl(db, s); err != nil {
		return err
	}
	switch {
	case strings.ContainsRune(s, '$'):
		return mongoerr.New(mongoerr.InvalidNamespace, "Invalid collection name: %s", s)
	case strings.HasPrefix(s, "system.") && s != "system.js" && s != "system.views" && s != "system.profile" && !strings.HasPrefix(s, "system.buckets."):
		return mongoerr.New(mongoerr.InvalidNamespace, "Invalid system namespace: %s.%s", db, s)
	case len(db)+1+len(s) > 255:
		return mongoerr.New(mongoerr.InvalidNamespace, "Fully qualified namespace is too long. Namespace: %s.%s Max: 255", db, s)
	}
	return nil
}

// collection finds the collection of a command; nil when there is none. A view is refused with 166.
func (c *call) collection(name string) (*store.Collection, error) {
	coll := c.e.st.Collection(c.db, name)
	if coll != nil && coll.Def().View {
		return nil, mongoerr.New(mongoerr.CommandNotSupportedOnView, "Namespace %s.%s is a view, not a collection", c.db, name)
	}
	return coll, nil
}

// idIndex is the specification of the index on _id.
func idIndex(collation bson.Raw) bson.Raw {
	d := bson.D{{Key: "v", Value: int32(2)}, {Key: "key", Value: bson.D{{Key: "_id", Value: int32(1)}}}, {Key: "name", Value: "_id_"}}
	if collation != nil {
		d = append(d, bson.E{Key: "collation", Value: collation})
	}
	b, err := bson.Marshal(d)
	if err != nil {
		panic(err)
	}
	return b
}

// ensure finds the collection that is written to, and makes it when there is none.
func (c *call) ensure(name string) (*store.Collection, error) {
	if coll, err := c.collection(name); coll != nil || err != nil {
		return coll, err
	}
	if err := creatable(c.db, name); err != nil {
		return nil, err
	}
	if other, ok := c.e.st.DatabaseLike(c.db); ok {
		return nil, mongoerr.New(13297, "db already exists with different case already have: [%s] trying to create [%s]", other, c.db)
	}
	coll, err := c.make(store.NewCollection{DB: c.db, Name: name, ID: idIndex(nil)})
	if err == store.ErrNamespaceExists {
		return c.collection(name)
	}
	if err != nil {
		return nil, err
	}
	return coll, nil
}

// make makes a collection or view, in the command's transaction if it has one.
func (c *call) make(n store.NewCollection) (*store.Collection, error) {
	if c.txn != nil {
		return c.txn.begin().Create(n)
	}
	return c.e.st.Create(n)
}
