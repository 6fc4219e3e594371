package data

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// updateKind is how an update changes documents.
type updateKind uint8

const (
	replacement updateKind = iota
	operators
	pipeline
)

// classify tells what an update is, and refuses what users may not send. An
// update without operators replaces (client-api.md §1.17).
func classify(v bson.RawValue, user bool) (updateKind, error) {
	switch v.Type {
	case 0:
		return 0, invalid("the argument \"update\" is missing")
	case bson.TypeArray:
		items, err := elements(v, "update")
		if err != nil {
			return 0, err
		}
		for _, stage := range items {
			e, err := stage.IndexErr(0)
			if err != nil {
				return 0, mongoFault("a pipeline stage specification object must contain exactly one field.")
			}
			if user && !pipelineUpdateStages[e.Key()] {
				return 0, refuse("the stage", e.Key())
			}
		}
		if user {
			if err := checkExpressions(v, 0); err != nil {
				return 0, err
			}
		}
		return pipeline, nil
	case bson.TypeEmbeddedDocument:
	default:
		return 0, invalid("the argument \"update\" must be a document or a pipeline")
	}
	elems, err := v.Document().Elements()
	if err != nil {
		return 0, invalid("the update is not a valid document")
	}
	dollars := 0
	for _, e := range elems {
		key := e.Key()
		if !strings.HasPrefix(key, "$") {
			continue
		}
		dollars++
		if !updateOperators[key] {
			return 0, mongoFault("Unknown modifier: %s. Expected a valid update modifier or pipeline-style update specified as an array", key)
		}
		if user && e.Value().Type == bson.TypeEmbeddedDocument {
			if err := denyCode(e.Value(), 0); err != nil {
				return 0, err
			}
		}
	}
	switch dollars {
	case 0:
		return replacement, nil
	case len(elems):
		return operators, nil
	}
	return 0, mongoFault("the replace operation document must not contain atomic operators")
}

// positional tells whether an update uses the positional operator, whose
// meaning depends on the query.
func positional(update bson.RawValue) bool {
	d, ok := update.DocumentOK()
	if !ok {
		return false
	}
	ops, err := d.Elements()
	if err != nil {
		return false
	}
	for _, op := range ops {
		fields, ok := op.Value().DocumentOK()
		if !ok {
			continue
		}
		elems, err := fields.Elements()
		if err != nil {
			continue
		}
		for _, f := range elems {
			if strings.Contains(f.Key()+".", ".$.") {
				return true
			}
		}
	}
	return false
}

// mentionsID tells whether a value names _id at any depth.
func mentionsID(v bson.RawValue) bool {
	if v.Type != bson.TypeEmbeddedDocument && v.Type != bson.TypeArray {
		return false
	}
	elems, err := bson.Raw(v.Value).Elements()
	if err != nil {
		return true
	}
	for _, e := range elems {
		if e.Key() == "_id" || strings.HasPrefix(e.Key(), "_id.") || mentionsID(e.Value()) {
			return true
		}
	}
	return false
}

// noDuplicates refuses documents in which a name occurs twice: readers of such
// documents disagree about which one counts.
func noDuplicates(d bson.Raw) error { return noDuplicatesAt(bson.TypeEmbeddedDocument, d, 0) }

func noDuplicatesAt(t bson.Type, d bson.Raw, depth int) error {
	if depth > 2*maxQueryDepth {
		return errDepth
	}
	elems, err := d.Elements()
	if err != nil {
		return invalid("not a valid document")
	}
	var seen map[string]bool
	if len(elems) > 16 && t != bson.TypeArray {
		seen = make(map[string]bool, len(elems))
	}
	for i, e := range elems {
		switch {
		case t == bson.TypeArray:
		case seen != nil:
			if seen[e.Key()] {
				return invalid("the field %q occurs twice", e.Key())
			}
			seen[e.Key()] = true
		default:
			for _, o := range elems[:i] {
				if o.Key() == e.Key() {
					return invalid("the field %q occurs twice", e.Key())
				}
			}
		}
		if v := e.Value(); v.Type == bson.TypeEmbeddedDocument || v.Type == bson.TypeArray {
			if err := noDuplicatesAt(v.Type, v.Value, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}
