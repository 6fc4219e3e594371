package match

// Operator is a query operator, for the table of what is supported.
type Operator struct {
	Name, Help string
	// Field tells that the operator stands under a field name; others stand in place of one.
	Field bool
}

// OperatorTable returns the query operators by kind.
func OperatorTable() []Operator {
	return []Operator{
		{"$eq", "equal", true}, {"$ne", "not equal", true}, {"$gt", "greater", true}, {"$gte", "greater or equal", true},
		{"$lt", "less", true}, {"$lte", "less or equal", true}, {"$in", "equal to one of a list, or matching one of its expressions", true},
		{"$nin", "not $in", true},
		{"$and", "all conditions", false}, {"$or", "one of the conditions", false}, {"$nor", "none of the conditions", false},
		{"$not", "not the condition", true},
		{"$exists", "the field is there", true}, {"$type", "the value is of a type", true},
		{"$all", "an array has all values", true}, {"$elemMatch", "one element satisfies all conditions", true}, {"$size", "an array's length", true},
		{"$mod", "the remainder of a division", true}, {"$regex", "a regular expression matches; $options i, m, s, x, u", true}, {"$options", "options of $regex", true},
		{"$expr", "an aggregation expression is true", false}, {"$jsonSchema", "the document satisfies a JSON Schema", false},
		{"$text", "full-text search", false}, {"$comment", "a remark", false}, {"$sampleRate", "by chance", false},
		{"$alwaysTrue", "every document", false}, {"$alwaysFalse", "no document", false},
		{"$bitsAllSet", "all bits are 1", true}, {"$bitsAllClear", "all bits are 0", true}, {"$bitsAnySet", "one of the bits is 1", true}, {"$bitsAnyClear", "one of the bits is 0", true},
		{"$geoWithin", "within a region", true}, {"$geoIntersects", "shares a point with a shape", true}, {"$near", "by distance from a point", true}, {"$nearSphere", "by distance on the sphere", true},
	}
}
