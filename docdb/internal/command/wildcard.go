package command

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/keys"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// checkWildcard checks the key pattern and the options of a wildcard index. Beside other fields (MongoDB 7.0) the wildcard may not reach
// them: $** needs a wildcardProjection then.
func checkWildcard(key bson.Raw, options bson.D) error {
	var projection bson.Raw
	for _, o := range options {
		switch o.Key {
		case "unique", "sparse", "expireAfterSeconds", "prepareUnique":
			return mongoerr.New(mongoerr.CannotCreateIndex, "Index type 'wildcard' does not support the %s option", o.Key)
		case "wildcardProjection":
			projection = o.Value.(bson.RawValue).Value
		}
	}
	if projection != nil && value.Lookup(key, "$**").Type == 0 {
		return mongoerr.New(mongoerr.FailedToParse, "The 'wildcardProjection' option is only allowed when 'key' is {\"$**\": ±1}")
	}
	if value.Count(key) == 1 {
		return nil
	}
	if projection == nil && value.Lookup(key, "$**").Type != 0 {
		return mongoerr.New(mongoerr.CannotCreateIndex, "The wildcardProjection of a compound wildcard index on '$**' must leave out its other fields: %s", value.ShowDoc(key))
	}
	field := keys.NewField(wildcardOf(key), false, keys.Wildcard)
	r := reachOf(projection)
	it := value.Over(key)
	for it.Next() {
		if path := it.Key(); path != field.Path && (beneath(path, field.Under()) || beneath(field.Under(), path)) && (projection == nil || r.touches(path)) {
			return mongoerr.New(mongoerr.CannotCreateIndex, "The wildcard of a compound index reaches its field '%s': %s", path, value.ShowDoc(key))
		}
	}
	return nil
}

// wildcardOf is the wildcard field of a key pattern.
func wildcardOf(key bson.Raw) string {
	it := value.Over(key)
	for it.Next() {
		if isWildcard(it.Key()) {
			return strings.Clone(it.Key())
		}
	}
	return ""
}

func isWildcard(path string) bool { return path == "$**" || strings.HasSuffix(path, ".$**") }

// beneath reports whether a path is another one or below it; everything is below the empty path.
func beneath(path, of string) bool {
	return of == "" || path == of || strings.HasPrefix(path, of+".")
}

// reach is what a wildcardProjection lets in: the paths, or all others; _id only where the projection says so.
type reach struct {
	include, id bool
	paths       []string
}

func reachOf(projection bson.Raw) reach {
	var r reach
	r.read(projection, "")
	return r
}

func (r *reach) read(d bson.Raw, prefix string) {
	it := value.Over(d)
	for it.Next() {
		path, v := prefix+it.Key(), it.Value()
		switch {
		case v.Type == bson.TypeEmbeddedDocument:
			r.read(v.Value, path+".")
		case path == "_id":
			r.id = value.Truthy(v)
			r.include = r.include || r.id && value.Count(d) == 1
		default:
			r.include = value.Truthy(v)
			r.paths = append(r.paths, path)
		}
	}
}

// covers reports whether the wildcard has the values of a path.
func (r *reach) covers(path string) bool {
	if beneath(path, "_id") {
		return r.id
	}
	return slices.ContainsFunc(r.paths, func(p string) bool { return beneath(path, p) }) == r.include
}

// touches reports whether the wildcard has values of a path, or below it.
func (r *reach) touches(path string) bool {
	return r.covers(path) || r.include && slices.ContainsFunc(r.paths, func(p string) bool { return beneath(p, path) })
}
