package command

import (
	"bytes"
	"errors"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

// create makes a collection or a view.
func create(c *call) error {
	name, err := c.collName()
	if err != nil {
		return err
	}
	if err := creatable(c.db, name); err != nil {
		return err
	}
	for _, a := range []string{"timeseries", "clusteredIndex", "encryptedFields"} {
		if c.arg(a).Type != 0 {
			return mongoerr.New(mongoerr.InvalidOptions, "docdb does not support collections with '%s'", a)
		}
	}
	for _, a := range []string{"storageEngine", "indexOptionDefaults"} {
		if len(c.doc(a)) > 5 {
			return mongoerr.New(mongoerr.InvalidOptions, "docdb has no storage options: '%s' must be empty", a)
		}
	}
	for _, a := range []string{"flags", "temp"} {
		if c.on(a, false) {
			return mongoerr.New(mongoerr.InvalidOptions, "docdb does not support '%s'", a)
		}
	}
	if !c.on("autoIndexId", true) {
		return mongoerr.New(mongoerr.InvalidOptions, "every collection has an index on _id: 'autoIndexId' cannot be false")
	}
	if d := c.doc("idIndex"); d != nil {
		if k, _ := value.Lookup(d, "key").DocumentOK(); !sameKey(k, idKey) {
			return mongoerr.New(mongoerr.BadValue, "The field 'key' for an _id index must be {_id: 1}, but got %s", value.ShowDoc(k))
		}
	}
	if c.arg("expireAfterSeconds").Type != 0 {
		return mongoerr.New(mongoerr.InvalidOptions, "'expireAfterSeconds' is only supported on time-series collections and clustered collections")
	}
	options := bson.D{}
	var collation bson.Raw
	if d := c.doc("collation"); d != nil {
		_, full, err := fullCollation(d)
		if err != nil {
			return err
		}
		if full != nil {
			collation = full
			options = append(options, bson.E{Key: "collation", Value: full})
		}
	}
	if c.arg("viewOn").Type != 0 {
		viewOn := c.str("viewOn")
		if viewOn == "" {
			return mongoerr.New(mongoerr.BadValue, "'viewOn' cannot be empty")
		}
		return c.createView(name, viewOn, collation, options)
	}
	if c.arg("pipeline").Type != 0 {
		return mongoerr.New(mongoerr.InvalidOptions, "'pipeline' requires 'viewOn' to also be specified")
	}
	capped, err := c.cappedOptions()
	if err != nil {
		return err
	}
	options = append(options, capped...)
	v, err := validatorOptions(c, c.arg("validator"), c.arg("validationLevel"), c.arg("validationAction"))
	if err != nil {
		return err
	}
	options = append(options, v...)
	if d := c.doc("changeStreamPreAndPostImages"); d != nil {
		if err := c.checkImages(d); err != nil {
			return err
		}
		options = append(options, bson.E{Key: "changeStreamPreAndPostImages", Value: d})
	}
	return c.createAs(store.NewCollection{DB: c.db, Name: name, ID: idIndex(collation)}, options)
}

// checkImages checks the argument changeStreamPreAndPostImages.
func (c *call) checkImages(d bson.Raw) error {
	var args [1]bson.RawValue
	return parseStatement(c.cmd.Name+".changeStreamPreAndPostImages", []Arg{{Name: "enabled", Kind: boolean, Required: true}}, d, args[:])
}

var idKey = value.DocOf(value.Field{Name: "_id", Value: value.Int32(1)})

func (c *call) createAs(n store.NewCollection, options bson.D) error {
	raw, err := bson.Marshal(options)
	if err != nil {
		return err
	}
	n.Options = raw
	if other, ok := c.e.st.DatabaseLike(c.db); ok {
		return mongoerr.New(13297, "db already exists with different case already have: [%s] trying to create [%s]", other, c.db)
	}
	coll, err := c.make(n)
	if errors.Is(err, store.ErrNamespaceExists) {
		d := coll.Def()
		if bytes.Equal(d.Options, raw) && d.View == n.View {
			return nil
		}
		what := "collection"
		if d.View {
			what = "view"
		}
		return mongoerr.New(mongoerr.NamespaceExists, "namespace %s.%s already exists, but with different options, as a %s: %s", n.DB, n.Name, what, d.Options)
	}
	return err
}

// createView makes a view after its pipeline has been compiled.
func (c *call) createView(name, on string, collation bson.Raw, options bson.D) error {
	for _, a := range []string{"capped", "size", "max", "validator", "validationLevel", "validationAction", "changeStreamPreAndPostImages", "storageEngine", "indexOptionDefaults", "idIndex", "autoIndexId"} {
		if c.arg(a).Type != 0 {
			return mongoerr.New(mongoerr.InvalidOptions, "option not supported on a view: %s", a)
		}
	}
	if err := validColl(c.db, on); err != nil {
		return err
	}
	pipeline := c.arg("pipeline")
	if pipeline.Type == 0 {
		pipeline = bson.RawValue{Type: bson.TypeArray, Value: emptyDoc}
	}
	if err := c.checkView(name, on, pipeline, collation); err != nil {
		return err
	}
	options = append(bson.D{{Key: "viewOn", Value: on}, {Key: "pipeline", Value: pipeline}}, options...)
	return c.createAs(store.NewCollection{DB: c.db, Name: name, View: true}, options)
}

// maxViewDepth bounds views on views.
const maxViewDepth = 20

// cappedOptions checks capped, size and max. Sizes are rounded up to 256 bytes.
func (c *call) cappedOptions() (bson.D, error) {
	size, max := c.arg("size"), c.arg("max")
	if !c.on("capped", false) {
		if size.Type != 0 {
			return nil, mongoerr.New(mongoerr.InvalidOptions, "The 'size' option is only allowed on capped collections")
		}
		if max.Type != 0 {
			return nil, mongoerr.New(mongoerr.InvalidOptions, "The 'max' option is only allowed on capped collections")
		}
		return nil, nil
	}
	if size.Type == 0 {
		return nil, mongoerr.New(mongoerr.InvalidOptions, "the 'size' field is required when 'capped' is true")
	}
	n, err := cappedSize(size)
	if err != nil {
		return nil, err
	}
	out := bson.D{{Key: "capped", Value: true}, {Key: "size", Value: n}}
	if max.Type != 0 {
		m, err := cappedMax(max)
		if err != nil {
			return nil, err
		}
		if m > 0 {
			out = append(out, bson.E{Key: "max", Value: m})
		}
	}
	return out, nil
}

func cappedMax(v bson.RawValue) (int64, error) {
	n, err := whole(v, "max")
	if err == nil && n >= 1<<31 {
		err = mongoerr.New(mongoerr.BadValue, "max in a capped collection must be < 2^31 or not set")
	}
	return n, err
}

func cappedSize(v bson.RawValue) (int64, error) {
	n, err := whole(v, "size")
	if err != nil {
		return 0, err
	}
	if n < 1 || n > 1<<50 {
		return 0, mongoerr.New(51024, "BSON field 'size' value must be >= 1 and <= 1125899906842624, actual value '%d'", n)
	}
	return (n + 255) / 256 * 256, nil
}

// validatorOptions checks a validator and how it is to be applied.
func validatorOptions(c *call, validator, level, action bson.RawValue) (bson.D, error) {
	var out bson.D
	if validator.Type != 0 {
		if c.db == "admin" || c.db == "local" || c.db == "config" {
			return nil, mongoerr.New(mongoerr.InvalidOptions, "Document validators are not allowed on collections in the %s database", c.db)
		}
		out = append(out, bson.E{Key: "validator", Value: validator})
	}
	if level.Type != 0 {
		switch s := level.StringValue(); s {
		case "off", "strict", "moderate":
		default:
			return nil, mongoerr.New(mongoerr.BadValue, "Enumeration value '%s' for field '%s.validationLevel' is not a valid value.", s, c.cmd.Name)
		}
		out = append(out, bson.E{Key: "validationLevel", Value: level})
	}
	if action.Type != 0 {
		switch s := action.StringValue(); s {
		case "error", "warn":
		default:
			return nil, mongoerr.New(mongoerr.BadValue, "Enumeration value '%s' for field '%s.validationAction' is not a valid value.", s, c.cmd.Name)
		}
		out = append(out, bson.E{Key: "validationAction", Value: action})
	}
	if validator.Type != 0 {
		if level.Type == 0 {
			out = append(out, bson.E{Key: "validationLevel", Value: "strict"})
		}
		if action.Type == 0 {
			out = append(out, bson.E{Key: "validationAction", Value: "error"})
		}
	}
	return out, nil
}

// drop removes a collection or view; one that is not there is no error.
func drop(c *call) error {
	name, err := c.collName()
	if err != nil {
		return err
	}
	coll := c.e.st.Collection(c.db, name)
	if coll == nil {
		return nil
	}
	if strings.HasPrefix(name, "system.") && name != "system.js" && name != "system.profile" && name != "system.views" {
		return mongoerr.New(mongoerr.IllegalOperation, "can't drop system collection %s.%s", c.db, name)
	}
	n := len(coll.Def().Indexes)
	if err := c.e.st.Drop(coll); err != nil && !errors.Is(err, store.ErrCollectionGone) {
		return err
	}
	if !coll.Def().View {
		c.int32("nIndexesWas", n)
	}
	c.string("ns", c.db+"."+name)
	return nil
}

func dropDatabase(c *call) error {
	if n, ok := value.Float64(c.target); !ok || n != 1 {
		return mongoerr.New(mongoerr.IllegalOperation, "have to pass 1 as db parameter")
	}
	if c.db == "admin" || c.db == "local" || c.db == "config" {
		return mongoerr.New(mongoerr.IllegalOperation, "Dropping the '%s' database is prohibited.", c.db)
	}
	dropped, err := c.e.st.DropDatabase(c.db)
	if err != nil {
		return err
	}
	if dropped {
		c.string("dropped", c.db)
	}
	return nil
}

// splitNS splits "db.collection".
func splitNS(v bson.RawValue, field string) (db, coll string, err error) {
	s, ok := v.StringValueOK()
	if !ok {
		return "", "", mongoerr.New(mongoerr.TypeMismatch, "BSON field '%s' is the wrong type '%s', expected type 'string'", field, value.TypeName(v.Type))
	}
	db, coll, ok = strings.Cut(s, ".")
	if !ok || coll == "" {
		return "", "", mongoerr.New(mongoerr.InvalidNamespace, "Invalid namespace specified '%s'", s)
	}
	if err := validDB(db); err != nil {
		return "", "", err
	}
	return db, coll, validColl(db, coll)
}

func renameCollection(c *call) error {
	db, name, err := splitNS(c.target, "renameCollection.renameCollection")
	if err != nil {
		return err
	}
	toDB, to, err := splitNS(c.arg("to"), "renameCollection.to")
	if err != nil {
		return err
	}
	if err := creatable(toDB, to); err != nil {
		return err
	}
	if c.on("stayTemp", false) {
		return mongoerr.New(mongoerr.InvalidOptions, "docdb has no temporary collections: 'stayTemp' cannot be true")
	}
	coll := c.e.st.Collection(db, name)
	if coll == nil {
		return mongoerr.New(mongoerr.NamespaceNotFound, "Source collection %s.%s does not exist", db, name)
	}
	if coll.Def().View {
		return mongoerr.New(mongoerr.CommandNotSupportedOnView, "cannot rename view: %s.%s", db, name)
	}
	if db == toDB && name == to {
		return mongoerr.New(mongoerr.IllegalOperation, "Can't rename a collection to itself")
	}
	if t := c.e.st.Collection(toDB, to); t != nil && t.Def().View {
		return mongoerr.New(mongoerr.NamespaceExists, "a view already exists with the name %s.%s", toDB, to)
	}
	err = c.e.st.Rename(coll, toDB, to, c.on("dropTarget", false))
	switch {
	case errors.Is(err, store.ErrNamespaceExists):
		return mongoerr.New(mongoerr.NamespaceExists, "target namespace exists")
	case errors.Is(err, store.ErrCollectionGone):
		return mongoerr.New(mongoerr.NamespaceNotFound, "Source collection %s.%s does not exist", db, name)
	}
	return err
}
