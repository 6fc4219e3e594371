package command

// Documented is a name of a table that the documentation is generated from. Refused ones are known by name only.
type Documented struct {
	Name, Help string
	Refused    bool
}

// plugins are the kinds of indexes that a key pattern names by a string.
var plugins = []Documented{
	{Name: "text", Help: "the words of strings, for $text"},
	{Name: "2dsphere", Help: "GeoJSON and legacy points on the sphere, for $geoWithin, $geoIntersects, $near, $nearSphere, $geoNear"},
	{Name: "2d", Help: "legacy points on a plane, for $geoWithin, $near, $geoNear"},
	{Name: "hashed", Help: "equality by a hash of the value; no arrays"},
}

// IndexKinds are what a field of a key pattern may say.
func IndexKinds() []Documented {
	list := []Documented{
		{Name: "1, -1", Help: "ascending or descending, alone or with others (up to 32 fields); several keys for a document where there are arrays"},
		{Name: "$**", Help: "wildcard: every path of the document but _id (which a wildcardProjection may name), or with a.$** every path below a; once in a pattern, beside other fields if it does not reach them and they hold no arrays"},
	}
	return append(list, plugins...)
}

// indexOption is a field of an index's specification. One that is refused may be a relic, which ignoreUnknownIndexOptions leaves out.
type indexOption struct {
	Documented
	relic bool
}

var indexOptions = []indexOption{
	{Documented: Documented{Name: "key", Help: "the key pattern"}},
	{Documented: Documented{Name: "name", Help: "the index's name"}},
	{Documented: Documented{Name: "ns", Help: "the namespace, as old tools send it; not looked at"}},
	{Documented: Documented{Name: "v", Help: "the version, 1 or 2; every index is 2"}},
	{Documented: Documented{Name: "unique", Help: "no two documents with an equal key; null and missing are equal"}},
	{Documented: Documented{Name: "prepareUnique", Help: "no new duplicates, before collMod makes the index unique"}},
	{Documented: Documented{Name: "sparse", Help: "without documents that have none of the fields"}},
	{Documented: Documented{Name: "hidden", Help: "kept, but not used for queries"}},
	{Documented: Documented{Name: "background", Help: "kept and shown; builds never hold up readers"}},
	{Documented: Documented{Name: "expireAfterSeconds", Help: "documents go so long after the field's date, the earliest of an array"}},
	{Documented: Documented{Name: "partialFilterExpression", Help: "only documents that match"}},
	{Documented: Documented{Name: "collation", Help: "strings are ordered and equal by a collation"}},
	{Documented: Documented{Name: "wildcardProjection", Help: "the paths that a $** index has, or leaves out"}},
	{Documented: Documented{Name: "weights", Help: "how much the words of a field count in a text index"}},
	{Documented: Documented{Name: "default_language", Help: "the language of a text index"}},
	{Documented: Documented{Name: "language_override", Help: "the field that names a document's language, for a text index"}},
	{Documented: Documented{Name: "textIndexVersion", Help: "3"}},
	{Documented: Documented{Name: "2dsphereIndexVersion", Help: "2 or 3"}},
	{Documented: Documented{Name: "bits", Help: "the precision of a 2d index"}},
	{Documented: Documented{Name: "min", Help: "the lower bound of a 2d index"}},
	{Documented: Documented{Name: "max", Help: "the upper bound of a 2d index"}},
	{Documented: Documented{Name: "storageEngine", Refused: true}, relic: true},
	{Documented: Documented{Name: "dropDups", Refused: true}, relic: true},
	{Documented: Documented{Name: "clustered", Refused: true}},
	{Documented: Documented{Name: "bucketSize", Refused: true}},
	{Documented: Documented{Name: "columnstoreProjection", Refused: true}},
}

// IndexOptions are the fields of an index's specification.
func IndexOptions() []Documented {
	var list []Documented
	for _, o := range indexOptions {
		list = append(list, o.Documented)
	}
	return list
}
