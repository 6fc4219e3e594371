package command

import (
	"sort"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/match"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

// filterDocs keeps what matches the filter argument.
func (c *call) filterDocs(docs []bson.Raw) ([]bson.Raw, error) {
	f := c.doc("filter")
	if f == nil {
		return docs, nil
	}
	m, err := match.Compile(f, matchOptions(nil, nil, expr.Options{Now: c.e.opts.Now()}))
	if err != nil {
		return nil, err
	}
	var out []bson.Raw
	for _, d := range docs {
		ok, err := m.Match(d)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, d)
		}
	}
	return out, nil
}

func (c *call) cursorBatch() (int64, error) {
	d := c.doc("cursor")
	if d == nil {
		return -1, nil
	}
	return cursorBatchSize(d)
}

func listCollections(c *call) error {
	nameOnly := c.on("nameOnly", false)
	batch, err := c.cursorBatch()
	if err != nil {
		return err
	}
	var docs []bson.Raw
	views := false
	for _, coll := range c.e.st.Collections(c.db) {
		d := coll.Def()
		views = views || d.View
		raw, err := bson.Marshal(collectionInfo(coll, d))
		if err != nil {
			return err
		}
		docs = append(docs, raw)
	}
	if views && c.e.st.Collection(c.db, "system.views") == nil {
		raw, err := bson.Marshal(bson.D{{Key: "name", Value: "system.views"}, {Key: "type", Value: "collection"}, {Key: "options", Value: bson.D{}},
			{Key: "info", Value: bson.D{{Key: "readOnly", Value: false}}}, {Key: "idIndex", Value: idIndex(nil)}})
		if err != nil {
			return err
		}
		docs = append(docs, raw)
	}
	if docs, err = c.filterDocs(docs); err != nil {
		return err
	}
	if nameOnly {
		for i, d := range docs {
			if docs[i], err = bson.Marshal(bson.D{{Key: "name", Value: d.Lookup("name")}, {Key: "type", Value: d.Lookup("type")}}); err != nil {
				return err
			}
		}
	}
	return c.listCursor(c.db+".$cmd.listCollections", docs, batch)
}

func collectionInfo(coll *store.Collection, d *store.Def) bson.D {
	kind := "collection"
	if d.View {
		kind = "view"
	}
	out := bson.D{{Key: "name", Value: d.Name}, {Key: "type", Value: kind}, {Key: "options", Value: d.Options}}
	info := bson.D{{Key: "readOnly", Value: d.View}}
	if !d.View {
		info = append(info, bson.E{Key: "uuid", Value: bson.Binary{Subtype: 4, Data: coll.UUID[:]}})
	}
	out = append(out, bson.E{Key: "info", Value: info})
	if !d.View {
		out = append(out, bson.E{Key: "idIndex", Value: d.Indexes[0].Spec})
	}
	return out
}

func listDatabases(c *call) error {
	nameOnly := c.on("nameOnly", false)
	var docs []bson.Raw
	for _, name := range c.e.st.Databases() {
		var size int64
		empty := true
		for _, coll := range c.e.st.Collections(name) {
			size += collectionBytes(c.e.st, coll)
			empty = empty && coll.Count() == 0
		}
		d := bson.D{{Key: "name", Value: name}, {Key: "sizeOnDisk", Value: size}, {Key: "empty", Value: empty}}
		raw, err := bson.Marshal(d)
		if err != nil {
			return err
		}
		docs = append(docs, raw)
	}
	sort.SliceStable(docs, func(i, j int) bool {
		return docs[i].Lookup("name").StringValue() < docs[j].Lookup("name").StringValue()
	})
	docs, err := c.filterDocs(docs)
	if err != nil {
		return err
	}
	list := bson.A{}
	var total int64
	for _, d := range docs {
		total += d.Lookup("sizeOnDisk").Int64()
		if nameOnly {
			list = append(list, bson.D{{Key: "name", Value: d.Lookup("name")}})
			continue
		}
		list = append(list, d)
	}
	c.value("databases", list)
	if !nameOnly {
		c.int64("totalSize", total)
		c.int64("totalSizeMb", total>>20)
	}
	return nil
}

// collectionBytes is what a collection and its indexes take on disk, and at least the size of its documents.
func collectionBytes(st *store.Store, coll *store.Collection) int64 {
	if coll.Def().View {
		return 0
	}
	lo, hi := coll.Bounds()
	n := max(int64(st.DiskUsage(lo, hi)), coll.Size())
	for _, ix := range coll.Def().Indexes {
		n += int64(st.DiskUsage(ix.Prefix(), ix.Upper()))
	}
	return n
}

func listIndexes(c *call) error {
	name, err := c.collName()
	if err != nil {
		return err
	}
	coll, err := c.collection(name)
	if err != nil {
		return err
	}
	if c.on("includeIndexBuildInfo", false) && c.on("includeBuildUUIDs", false) {
		return mongoerr.New(mongoerr.InvalidOptions, "The includeBuildUUIDs flag and includeIndexBuildInfo flag cannot both be set to true")
	}
	batch, err := c.cursorBatch()
	if err != nil {
		return err
	}
	if coll == nil {
		return mongoerr.New(mongoerr.NamespaceNotFound, "ns does not exist: %s.%s", c.db, name)
	}
	var docs []bson.Raw
	for _, ix := range coll.Def().Indexes {
		spec := ix.Spec
		if c.on("includeIndexBuildInfo", false) {
			// Indexes are listed when they are built, so that there is no build to tell of.
			spec = value.DocOf(value.Field{Name: "spec", Value: value.Doc(spec)})
		}
		docs = append(docs, spec)
	}
	return c.listCursor(c.db+"."+name, docs, batch)
}
