package command

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

func (c *call) scale() (int64, error) {
	n, err := c.count("scale", 1, 1)
	return n, err
}

// storageStats measures a collection, sizes divided by scale.
func storageStats(st *store.Store, coll *store.Collection, scale int64) bson.D {
	d := coll.Def()
	n, size := coll.Count(), coll.Size()
	lo, hi := coll.Bounds()
	disk := int64(st.DiskUsage(lo, hi))
	sizes, total := bson.D{}, int64(0)
	for _, ix := range d.Indexes {
		b := int64(st.DiskUsage(ix.Prefix(), ix.Upper()))
		total += b
		sizes = append(sizes, bson.E{Key: ix.Name, Value: b / scale})
	}
	out := bson.D{{Key: "size", Value: size / scale}, {Key: "count", Value: n}}
	if n > 0 {
		out = append(out, bson.E{Key: "avgObjSize", Value: size / n})
	}
	out = append(out, bson.E{Key: "numOrphanDocs", Value: int32(0)}, bson.E{Key: "storageSize", Value: disk / scale}, bson.E{Key: "freeStorageSize", Value: int64(0)}, bson.E{Key: "capped", Value: d.Capped})
	if d.Capped {
		out = append(out, bson.E{Key: "max", Value: d.MaxDocs}, bson.E{Key: "maxSize", Value: d.MaxSize / scale})
	}
	return append(out, bson.E{Key: "nindexes", Value: int32(len(d.Indexes))}, bson.E{Key: "indexDetails", Value: bson.D{}}, bson.E{Key: "indexBuilds", Value: bson.A{}},
		bson.E{Key: "totalIndexSize", Value: total / scale}, bson.E{Key: "totalSize", Value: (disk + total) / scale}, bson.E{Key: "indexSizes", Value: sizes}, bson.E{Key: "scaleFactor", Value: scale})
}

func collStats(c *call) error {
	name, err := c.collName()
	if err != nil {
		return err
	}
	scale, err := c.scale()
	if err != nil {
		return err
	}
	coll, err := c.collection(name)
	if err != nil {
		return err
	}
	c.string("ns", c.db+"."+name)
	if coll == nil {
		c.fields(bson.D{{Key: "size", Value: int64(0)}, {Key: "count", Value: int64(0)}, {Key: "numOrphanDocs", Value: int32(0)}, {Key: "storageSize", Value: int64(0)},
			{Key: "totalSize", Value: int64(0)}, {Key: "nindexes", Value: int32(0)}, {Key: "totalIndexSize", Value: int64(0)}, {Key: "indexDetails", Value: bson.D{}},
			{Key: "indexSizes", Value: bson.D{}}, {Key: "scaleFactor", Value: scale}})
		return nil
	}
	c.fields(storageStats(c.e.st, coll, scale))
	return nil
}

func dbStats(c *call) error {
	scale, err := c.scale()
	if err != nil {
		return err
	}
	var colls, views, docs, size, disk, indexes, indexSize int64
	for _, coll := range c.e.st.Collections(c.db) {
		d := coll.Def()
		if d.View {
			views++
			continue
		}
		colls++
		docs += coll.Count()
		size += coll.Size()
		lo, hi := coll.Bounds()
		disk += int64(c.e.st.DiskUsage(lo, hi))
		for _, ix := range d.Indexes {
			indexes++
			indexSize += int64(c.e.st.DiskUsage(ix.Prefix(), ix.Upper()))
		}
	}
	avg := 0.0
	if docs > 0 {
		avg = float64(size) / float64(docs)
	}
	s := float64(scale)
	total, used := c.e.st.DiskSpace()
	c.fields(bson.D{{Key: "db", Value: c.db}, {Key: "collections", Value: colls}, {Key: "views", Value: views}, {Key: "objects", Value: docs}, {Key: "avgObjSize", Value: avg},
		{Key: "dataSize", Value: float64(size) / s}, {Key: "storageSize", Value: float64(disk) / s}, {Key: "indexes", Value: indexes}, {Key: "indexSize", Value: float64(indexSize) / s},
		{Key: "totalSize", Value: float64(disk+indexSize) / s}, {Key: "scaleFactor", Value: scale}, {Key: "fsUsedSize", Value: float64(used) / s}, {Key: "fsTotalSize", Value: float64(total) / s}})
	return nil
}

func dataSize(c *call) error {
	db, name, err := splitNS(c.target, "dataSize.dataSize")
	if err != nil {
		return err
	}
	if c.arg("min").Type != 0 || c.arg("max").Type != 0 || c.arg("keyPattern").Type != 0 {
		return mongoerr.New(mongoerr.CommandNotSupported, "docdb measures whole collections: dataSize without min, max and keyPattern")
	}
	coll := c.e.st.Collection(db, name)
	var n, size int64
	if coll != nil {
		n, size = coll.Count(), coll.Size()
	}
	c.fields(bson.D{{Key: "size", Value: size}, {Key: "numObjects", Value: n}, {Key: "millis", Value: int32(0)}, {Key: "estimate", Value: value.Truthy(c.arg("estimate")) && c.arg("estimate").Type != 0}})
	return nil
}

func validate(c *call) error {
	name, err := c.collName()
	if err != nil {
		return err
	}
	coll, err := c.collection(name)
	if err != nil {
		return err
	}
	if coll == nil {
		return mongoerr.New(mongoerr.NamespaceNotFound, "Collection '%s.%s' does not exist to validate.", c.db, name)
	}
	if c.on("repair", false) {
		return mongoerr.New(mongoerr.CommandNotSupported, "docdb does not support validate's 'repair'")
	}
	if c.on("metadata", false) {
		if c.on("full", false) || c.on("checkBSONConformance", false) {
			return mongoerr.New(mongoerr.InvalidOptions, "Running the validate command with both { metadata: true } and { full: true } or { checkBSONConformance: true } is not supported.")
		}
		c.fields(bson.D{{Key: "ns", Value: c.db + "." + name}, {Key: "nIndexes", Value: int32(len(coll.Def().Indexes))}, {Key: "valid", Value: true}, {Key: "repaired", Value: false},
			{Key: "warnings", Value: bson.A{}}, {Key: "errors", Value: bson.A{}}})
		return nil
	}
	ctx, cancel := c.deadline()
	defer cancel()
	r, err := c.e.st.Check(ctx, coll, nil)
	if err != nil {
		return err
	}
	problems := bson.A{}
	for _, p := range r.Problems {
		problems = append(problems, p)
	}
	perIndex := bson.D{}
	for _, ix := range coll.Def().Indexes {
		perIndex = append(perIndex, bson.E{Key: ix.Name, Value: r.Keys[ix.Name]})
	}
	c.fields(bson.D{{Key: "ns", Value: c.db + "." + name}, {Key: "nInvalidDocuments", Value: int32(r.Invalid)}, {Key: "nrecords", Value: r.Documents}, {Key: "nIndexes", Value: int32(len(coll.Def().Indexes))},
		{Key: "keysPerIndex", Value: perIndex}, {Key: "indexDetails", Value: bson.D{}}, {Key: "valid", Value: len(r.Problems) == 0}, {Key: "repaired", Value: false},
		{Key: "warnings", Value: bson.A{}}, {Key: "errors", Value: problems}, {Key: "extraIndexEntries", Value: bson.A{}}, {Key: "missingIndexEntries", Value: bson.A{}}, {Key: "corruptRecords", Value: bson.A{}}})
	return nil
}
