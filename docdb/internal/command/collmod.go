package command

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

// collMod changes a collection's options or those of an index.
func collMod(c *call) error {
	name, err := c.collName()
	if err != nil {
		return err
	}
	coll := c.e.st.Collection(c.db, name)
	if coll == nil {
		return mongoerr.New(mongoerr.NamespaceNotFound, "ns does not exist: %s.%s", c.db, name)
	}
	d := coll.Def()
	var options bson.D
	if err := bson.Unmarshal(d.Options, &options); err != nil {
		return err
	}
	set := func(key string, v any) {
		for i := range options {
			if options[i].Key == key {
				options[i].Value = v
				return
			}
		}
		options = append(options, bson.E{Key: key, Value: v})
	}
	if d.View {
		return c.modifyView(coll, d, set, &options)
	}
	if c.arg("viewOn").Type != 0 || c.arg("pipeline").Type != 0 {
		return mongoerr.New(mongoerr.InvalidOptions, "collMod: 'viewOn' and 'pipeline' need a view")
	}
	if c.arg("expireAfterSeconds").Type != 0 {
		return mongoerr.New(mongoerr.InvalidOptions, "'expireAfterSeconds' is only supported on time-series collections and clustered collections")
	}
	if c.on("dryRun", false) {
		return mongoerr.New(mongoerr.CommandNotSupported, "docdb does not support collMod's 'dryRun'")
	}
	specs := map[string]bson.Raw{}
	var reply bson.D
	if in := c.doc("index"); in != nil {
		if reply, err = modifyIndex(d, in, specs); err != nil {
			return err
		}
	}
	v, err := validatorOptions(c, c.arg("validator"), c.arg("validationLevel"), c.arg("validationAction"))
	if err != nil {
		return err
	}
	for _, e := range v {
		if c.arg(e.Key).Type != 0 || !find2(options, e.Key) {
			set(e.Key, e.Value)
		}
	}
	if im := c.doc("changeStreamPreAndPostImages"); im != nil {
		if err := c.checkImages(im); err != nil {
			return err
		}
		set("changeStreamPreAndPostImages", im)
	}
	for _, k := range []struct {
		arg, option string
		check       func(bson.RawValue) (int64, error)
	}{{"cappedSize", "size", cappedSize}, {"cappedMax", "max", cappedMax}} {
		a := c.arg(k.arg)
		if a.Type == 0 {
			continue
		}
		if !d.Capped {
			return mongoerr.New(mongoerr.InvalidOptions, "collMod: '%s' needs a capped collection", k.arg)
		}
		n, err := k.check(a)
		if err != nil {
			return err
		}
		set(k.option, n)
	}
	raw, err := bson.Marshal(options)
	if err != nil {
		return err
	}
	ctx, cancel := c.deadline()
	defer cancel()
	if err := c.e.st.Modify(ctx, coll, raw, specs, c.modified(), stateBefore(coll, d, reply)); err != nil {
		if k := keyError(err); k != nil && k.Code == mongoerr.DuplicateKey {
			return mongoerr.New(mongoerr.CannotConvertIndexToUnique, "Cannot convert the index to unique. Please resolve conflicting documents before running collMod again. %s", k.Message)
		}
		return err
	}
	c.fields(reply)
	return nil
}

// modified is what the command asks for, as its change event tells it.
func (c *call) modified() bson.D {
	var out bson.D
	for _, a := range c.cmd.Args {
		if v := c.arg(a.Name); v.Type != 0 {
			out = append(out, bson.E{Key: a.Name, Value: v})
		}
	}
	return out
}

// stateBefore is what the change event tells of the collection as it was, and of the index by what the reply says of it.
func stateBefore(coll *store.Collection, d *store.Def, reply bson.D) bson.D {
	options := bson.D{{Key: "uuid", Value: bson.Binary{Subtype: 4, Data: coll.UUID[:]}}}
	for it := value.Over(d.Options); it.Next(); {
		options = append(options, bson.E{Key: it.Key(), Value: it.Value()})
	}
	out := bson.D{{Key: "collectionOptions", Value: options}}
	var index bson.D
	for _, e := range reply {
		if name, ok := strings.CutSuffix(e.Key, "_old"); ok {
			index = append(index, bson.E{Key: name, Value: e.Value})
		}
	}
	if index != nil {
		out = append(out, bson.E{Key: "indexOptions", Value: index})
	}
	return out
}

func (c *call) modifyView(coll *store.Collection, d *store.Def, set func(string, any), options *bson.D) error {
	for _, a := range []string{"index", "validator", "validationLevel", "validationAction", "changeStreamPreAndPostImages", "cappedSize", "cappedMax", "expireAfterSeconds", "dryRun"} {
		if c.arg(a).Type != 0 {
			return mongoerr.New(mongoerr.InvalidOptions, "option not supported on a view: %s", a)
		}
	}
	on, pipeline := c.str("viewOn"), c.arg("pipeline")
	if on == "" || pipeline.Type == 0 {
		return mongoerr.New(mongoerr.InvalidOptions, "Must specify both 'viewOn' and 'pipeline' when modifying a view")
	}
	if err := c.checkView(d.Name, on, pipeline, d.Collation); err != nil {
		return err
	}
	set("viewOn", on)
	set("pipeline", pipeline)
	raw, err := bson.Marshal(*options)
	if err != nil {
		return err
	}
	return c.e.st.Modify(c.ctx, coll, raw, nil, nil, nil)
}

// modifyIndex makes the new specification of the index that collMod's index argument is about.
func modifyIndex(d *store.Def, in bson.Raw, specs map[string]bson.Raw) (bson.D, error) {
	var ix *store.Index
	it := value.Over(in)
	changes := map[string]bson.RawValue{}
	for it.Next() {
		v := it.Value()
		switch k := it.Key(); k {
		case "name":
			if ix != nil {
				return nil, mongoerr.New(mongoerr.InvalidOptions, "Cannot specify both key pattern and name.")
			}
			s, ok := v.StringValueOK()
			if !ok {
				return nil, wrongType("collMod.index.name", v, textValue)
			}
			if ix = d.Index(s); ix == nil {
				return nil, mongoerr.New(mongoerr.IndexNotFound, "cannot find index %s for ns %s", s, d.Namespace())
			}
		case "keyPattern":
			if ix != nil {
				return nil, mongoerr.New(mongoerr.InvalidOptions, "Cannot specify both key pattern and name.")
			}
			if v.Type != bson.TypeEmbeddedDocument {
				return nil, wrongType("collMod.index.keyPattern", v, object)
			}
			for _, x := range d.Indexes {
				if sameKey(x.Key, v.Value) {
					if ix != nil {
						return nil, mongoerr.New(mongoerr.AmbiguousIndexKeyPattern, "index keyPattern %s matches several indexes, identify by name instead", value.ShowDoc(v.Value))
					}
					ix = x
				}
			}
			if ix == nil {
				return nil, mongoerr.New(mongoerr.IndexNotFound, "cannot find index %s for ns %s", bson.Raw(v.Value), d.Namespace())
			}
		case "hidden", "unique", "prepareUnique":
			if !flag.accepts(v) {
				return nil, wrongType("collMod.index."+k, v, flag)
			}
			changes[k] = v
		case "expireAfterSeconds":
			changes[k] = v
		default:
			return nil, mongoerr.New(40415, "BSON field 'collMod.index.%s' is an unknown field.", k)
		}
	}
	if ix == nil {
		return nil, mongoerr.New(mongoerr.InvalidOptions, "Must specify either index name or key pattern.")
	}
	if len(changes) == 0 {
		return nil, mongoerr.New(mongoerr.InvalidOptions, "no expireAfterSeconds, hidden, unique, or prepareUnique field")
	}
	var spec bson.D
	if err := bson.Unmarshal(ix.Spec, &spec); err != nil {
		return nil, err
	}
	var reply bson.D
	put := func(key string, v any) {
		for i := range spec {
			if spec[i].Key == key {
				spec[i].Value = v
				return
			}
		}
		spec = append(spec, bson.E{Key: key, Value: v})
	}
	if v, ok := changes["expireAfterSeconds"]; ok {
		n, err := ttlSeconds(v)
		if err != nil {
			return nil, err
		}
		if ix.ExpireAfter >= 0 {
			reply = append(reply, bson.E{Key: "expireAfterSeconds_old", Value: ix.ExpireAfter})
		} else if len(ix.Keys.Fields) != 1 || ix.IsID() {
			return nil, mongoerr.New(mongoerr.InvalidOptions, "TTL indexes are single-field indexes, compound indexes do not support TTL")
		}
		reply = append(reply, bson.E{Key: "expireAfterSeconds_new", Value: n})
		put("expireAfterSeconds", n)
	}
	if v, ok := changes["hidden"]; ok {
		if ix.IsID() {
			return nil, mongoerr.New(mongoerr.BadValue, "can't hide _id index")
		}
		if b := value.Truthy(v); b != ix.Hidden {
			reply = append(reply, bson.E{Key: "hidden_old", Value: ix.Hidden}, bson.E{Key: "hidden_new", Value: b})
			put("hidden", b)
		}
	}
	if v, ok := changes["prepareUnique"]; ok {
		if b := value.Truthy(v); b != ix.PrepareUnique {
			reply = append(reply, bson.E{Key: "prepareUnique_old", Value: ix.PrepareUnique}, bson.E{Key: "prepareUnique_new", Value: b})
			put("prepareUnique", b)
		}
	}
	if v, ok := changes["unique"]; ok {
		if !value.Truthy(v) {
			return nil, mongoerr.New(mongoerr.BadValue, "collMod does not support converting an index to non-unique")
		}
		if !ix.Unique {
			if !ix.PrepareUnique {
				return nil, mongoerr.New(mongoerr.InvalidOptions, "Cannot make index unique with 'prepareUnique=false'. Run collMod to set it first.")
			}
			reply = append(reply, bson.E{Key: "unique_new", Value: true})
			out := spec[:0]
			for _, e := range spec {
				if e.Key != "prepareUnique" {
					out = append(out, e)
				}
			}
			spec = out
			put("unique", true)
		}
	}
	raw, err := bson.Marshal(spec)
	if err != nil {
		return nil, err
	}
	specs[ix.Name] = raw
	return reply, nil
}
