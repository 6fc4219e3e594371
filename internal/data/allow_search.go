package data

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/fault"
)

// unnamedPaths are the parts of $search that look at fields without saying which in
// a form that can be judged.
var unnamedPaths = map[string]bool{"queryString": true, "moreLikeThis": true, "wildcard": true}

// searchPaths gives the collector the fields that a $search or $vectorSearch looks at:
// everything under path, the keys of sort, and the filter of $vectorSearch. Where they
// are collected (strict_filters), a search that does not name them is refused.
func searchPaths(v bson.RawValue, under string, paths pathCollector) error {
	if paths == nil {
		return nil
	}
	if name, ok := v.StringValueOK(); ok {
		if under == "path" || under == "defaultPath" {
			paths(name)
		}
		return nil
	}
	if v.Type != bson.TypeEmbeddedDocument && v.Type != bson.TypeArray {
		return nil
	}
	elems, err := bson.Raw(v.Value).Elements()
	if err != nil {
		return invalid("the search is not a valid document")
	}
	for _, e := range elems {
		key, below := e.Key(), e.Key()
		switch {
		case v.Type == bson.TypeArray:
			below = under
		case unnamedPaths[key]:
			// The operator wildcard has a path; the path {wildcard} is one itself.
			if key != "wildcard" || under == "path" {
				return fault.New(fault.InvalidParameter, "a search by %s does not name the fields that it looks at (strict_filters)", key)
			}
		case under == "path": // {value, multi}
			below = "path"
		case under == "sort":
			paths(key)
		case under == "" && key == "filter":
			if d, ok := e.Value().DocumentOK(); ok {
				if err := checkQuery(d, 0, paths); err != nil {
					return err
				}
			}
		}
		if under == "path" && key == "multi" {
			continue // the name of an analyzer
		}
		if err := searchPaths(e.Value(), below, paths); err != nil {
			return err
		}
	}
	return nil
}
