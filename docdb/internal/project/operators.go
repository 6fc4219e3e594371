package project

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/match"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// operator compiles the forms that only find's projections have; done is false for what is an expression.
func (c *compiler) operator(path value.Path, name string, arg, whole bson.RawValue) (done bool, err error) {
	if find := !c.opts.Stage && (name == "$slice" || name == "$elemMatch"); (find || name == "$meta") && value.Count(whole.Value) > 1 {
		return true, mongoerr.New(16410, "FieldPath field names may not start with '$'. Consider using $getField or $setField.")
	}
	switch name {
	case "$meta":
		return true, c.meta(path, arg)
	case "$slice":
		if c.opts.Stage {
			return false, nil
		}
		return c.slice(path, arg, whole)
	case "$elemMatch":
		if c.opts.Stage {
			return false, nil
		}
		return true, c.elemMatch(path, arg)
	}
	return false, nil
}

// metaNames are the computed values that a projection can show.
var metaNames = map[string]bool{
	"textScore": true, "randVal": true, "indexKey": true, "recordId": true, "sortKey": true, "geoNearDistance": true, "geoNearPoint": true,
	"searchScore": true, "searchHighlights": true, "vectorSearchScore": true,
}

func (c *compiler) meta(path value.Path, arg bson.RawValue) error {
	name, isText := value.Text(arg)
	if !isText {
		return mongoerr.New(17307, "$meta only supports string arguments")
	}
	if !metaNames[name] {
		return mongoerr.New(17308, "Unsupported argument to $meta: %s", name)
	}
	name = strings.Clone(name)
	c.neutral = true
	c.metas = append(c.metas, name)
	return c.add(path, &node{kind: meta, metaName: name})
}

func (c *compiler) slice(path value.Path, arg, whole bson.RawValue) (bool, error) {
	n := &node{kind: slice}
	switch {
	case value.IsNumber(arg):
		n.limit, _ = value.Truncated(arg)
		if n.limit < 0 {
			n.skip, n.limit = n.limit, -n.limit
		}
	case arg.Type == bson.TypeArray:
		list := value.Elements(arg.Value)
		if len(list) != 2 || !value.IsNumber(list[0]) {
			if len(list) < 2 || len(list) > 3 {
				return true, badSlice(whole, len(list))
			}
			return false, nil // the expression $slice
		}
		if !value.IsNumber(list[1]) {
			return true, mongoerr.New(28724, "$slice second argument must be a number, but is of type: %s", value.TypeName(list[1].Type))
		}
		n.skip, _ = value.Truncated(list[0])
		n.limit, _ = value.Truncated(list[1])
		if n.limit <= 0 {
			return true, mongoerr.New(28724, "First argument to $slice must be an array, but is of type: int. $slice limit must be positive")
		}
	default:
		return true, badSlice(whole, 1)
	}
	c.neutral = true
	return true, c.add(path, n)
}

func badSlice(whole bson.RawValue, n int) error {
	return mongoerr.New(28667, "Invalid $slice syntax. The given syntax %s did not match the find() syntax because :: Location31273: $slice only supports numbers and [skip, limit] arrays :: The given syntax did not match the expression $slice syntax. :: caused by :: Location28667: Expression $slice takes at least 2 arguments, and at most 3, but %d were passed in.", value.Show(whole), n)
}

func (c *compiler) elemMatch(path value.Path, arg bson.RawValue) error {
	if arg.Type != bson.TypeEmbeddedDocument {
		return mongoerr.New(31274, "elemMatch: Invalid argument, object required, but got %s", value.TypeName(arg.Type))
	}
	if len(path) > 1 {
		return mongoerr.New(31275, "Cannot use $elemMatch projection on a nested field")
	}
	if c.position != "" {
		return mongoerr.New(31255, "Cannot specify positional operator and $elemMatch.")
	}
	if c.mode == exclude {
		return mongoerr.New(mongoerr.InclusionInExclude, "Cannot use $elemMatch on field %s in an exclusion projection", path)
	}
	c.elem = true
	if err := c.say(path, include); err != nil {
		return err
	}
	// The condition is a query's $elemMatch; its position tells which element.
	cond := value.DocOf(value.Field{Name: path[0], Value: value.Doc(value.DocOf(value.Field{Name: "$elemMatch", Value: arg}))})
	opts := c.opts.Match
	opts.JSONSchema = func(bson.Raw) (func(bson.Raw) (bool, error), error) {
		return nil, mongoerr.New(mongoerr.QueryFeatureNotAllowed, "$jsonSchema is not allowed in this context")
	}
	m, err := match.Compile(cond, opts)
	if err != nil {
		return err
	}
	return c.add(path, &node{kind: elemMatch, matcher: m})
}

// sliced returns the part of an array that $slice names.
func (n *node) sliced(arr bson.RawValue) bson.RawValue {
	list := value.Elements(arr.Value)
	size := int64(len(list))
	from := n.skip
	if from < 0 {
		from = max(size+from, 0)
	}
	from = min(from, size)
	to := size
	if n.limit < size-from {
		to = from + n.limit
	}
	if n.skip == 0 && n.limit == 0 {
		to = from
	}
	return value.ArrayOf(list[from:to])
}
