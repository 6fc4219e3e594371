package stage

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/mongoerr"
)

// serverStages report on the server; the engine makes their documents (Collections.Special).
func serverStages() []definition {
	return []definition{
		{"$collStats", "statistics of the collection", mustBeFirst | notInFacet | makesRows, special(collStats)},
		{"$indexStats", "use of each index of the collection", mustBeFirst | notInFacet | makesRows, special(emptyObject(28803))},
		{"$planCacheStats", "the plan cache", mustBeFirst | notInFacet | makesRows, special(object)},
		{"$currentOp", "operations in progress (on admin)", mustBeFirst | notInFacet | makesRows | collectionless, special(object)},
		{"$listLocalSessions", "sessions of this server", mustBeFirst | notInFacet | makesRows | collectionless, special(object)},
		{"$listSessions", "sessions (on config.system.sessions)", mustBeFirst | notInFacet | makesRows, special(object)},
		{"$listCatalog", "the catalog", mustBeFirst | notInFacet | makesRows | eitherWay, special(object)},
		{"$listClusterCatalog", "the catalog", mustBeFirst | notInFacet | makesRows | eitherWay, special(object)},
		{"$querySettings", "query settings", mustBeFirst | notInFacet | makesRows | collectionless, special(object)},
		{"$changeStream", "changes as they happen; run by the server itself", mustBeFirst | notInFacet | makesRows | eitherWay, func(*compiler, string, bson.RawValue) ([]node, error) {
			return nil, mongoerr.New(40573, "$changeStream is not allowed here: it is the first stage of an aggregate command's pipeline only")
		}},
		{"$changeStreamSplitLargeEvent", "splits events beyond 16 MB", perEvent, single(compileSplit)},
	}
}

func object(name string, spec bson.RawValue) error {
	if spec.Type != bson.TypeEmbeddedDocument {
		return mongoerr.New(mongoerr.FailedToParse, "%s must take an object, but found: %s", name, typeName(spec))
	}
	return nil
}

func emptyObject(code mongoerr.Code) func(string, bson.RawValue) error {
	return func(name string, spec bson.RawValue) error {
		if spec.Type != bson.TypeEmbeddedDocument || len(spec.Value) > 5 {
			return mongoerr.New(code, "The %s stage specification must be an empty object", name)
		}
		return nil
	}
}

func collStats(name string, spec bson.RawValue) error {
	if spec.Type != bson.TypeEmbeddedDocument {
		return mongoerr.New(5447000, "$collStats must take a nested object but found: %s", typeName(spec))
	}
	for it := expr.Each(spec.Value); ; {
		n, v, ok := it.Next()
		if !ok {
			return nil
		}
		switch string(n) {
		case "latencyStats", "storageStats", "count", "queryExecStats", "operationStats":
			if v.Type == bson.TypeNull {
				continue
			}
			if v.Type != bson.TypeEmbeddedDocument {
				return mongoerr.New(mongoerr.TypeMismatch, "BSON field '$collStats.%s' is the wrong type '%s', expected type 'object'", n, typeName(v))
			}
			if err := collStatsOption(string(n), v); err != nil {
				return err
			}
		default:
			return mongoerr.New(40415, "BSON field '$collStats.%s' is an unknown field.", n)
		}
	}
}

// collStatsOption checks what a part of $collStats may have.
func collStatsOption(name string, v bson.RawValue) error {
	for it := expr.Each(v.Value); ; {
		n, _, ok := it.Next()
		switch {
		case !ok || name == "storageStats" || name == "operationStats":
			return nil
		case name != "latencyStats":
			return mongoerr.New(31170, "%s field must be empty", name)
		case string(n) != "histograms":
			return mongoerr.New(40415, "BSON field '$collStats.latencyStats.%s' is an unknown field.", n)
		}
	}
}

// specialStage opens what the engine has under a stage's name.
type specialStage struct {
	name string
	spec bson.RawValue
	env  *Env
}

func special(check func(name string, spec bson.RawValue) error) func(*compiler, string, bson.RawValue) ([]node, error) {
	return func(c *compiler, name string, spec bson.RawValue) ([]node, error) {
		if err := check(name, spec); err != nil {
			return nil, err
		}
		if c.env.Collections == nil {
			return nil, mongoerr.New(mongoerr.IllegalOperation, "%s cannot be used here", name)
		}
		return []node{&specialStage{name, spec, c.env}}, nil
	}
}

func (n *specialStage) deps(*expr.Deps) bool { return true }

func (n *specialStage) open(r *run, src source) (source, error) {
	if err := src.close(); err != nil {
		return nil, err
	}
	it, err := n.env.Collections.Special(r.ctx, n.name, Namespace{n.env.DB, n.env.Collection}, n.spec)
	if err != nil {
		return nil, err
	}
	return newInput(it), nil
}

// split is $changeStreamSplitLargeEvent: events beyond 16 MiB go out as fragments {_id, splitEvent: {fragment, of}, fields…}. The number
// of the fragment, four hexadecimal digits, is added to the resume token, so that a stream can go on behind each of them.
type split struct{ max int }

func compileSplit(c *compiler, _ string, spec bson.RawValue) (*split, error) {
	if c.env.Context != ChangeStream {
		return nil, mongoerr.New(mongoerr.IllegalOperation, "$changeStreamSplitLargeEvent can only be used in a $changeStream pipeline")
	}
	if spec.Type != bson.TypeEmbeddedDocument || len(spec.Value) > 5 {
		return nil, mongoerr.New(7182800, "$changeStreamSplitLargeEvent spec should be an empty object")
	}
	return &split{16 << 20}, nil
}

func (n *split) deps(*expr.Deps) bool { return false }

func (n *split) open(_ *run, src source) (source, error) {
	return &splitting{max: n.max, src: src}, nil
}

type splitting struct {
	max   int
	src   source
	parts []bson.Raw
}

func (s *splitting) next(ctx context.Context) (row, error) {
	if len(s.parts) == 0 {
		r, err := s.src.next(ctx)
		if err != nil || len(r.doc) <= s.max {
			return r, err
		}
		if s.parts, err = fragments(r.doc, s.max); err != nil {
			return row{}, err
		}
	}
	p := s.parts[0]
	s.parts = s.parts[1:]
	return row{doc: p}, nil
}

func (s *splitting) close() error { return s.src.close() }

// fragments spreads an event's members over documents of at most max bytes.
func fragments(event []byte, max int) ([]bson.Raw, error) {
	const head = 256 // room for splitEvent
	var groups [][]byte
	token, ok := expr.Lookup(expr.Lookup(event, "_id").Value, "_data").StringValueOK()
	if !ok {
		return nil, mongoerr.New(7182501, "an event without its resume token cannot be split")
	}
	var cur docBuilder
	begin := func() {
		cur = newDoc(nil)
		id := newDoc(nil)
		data := fmt.Sprintf("%s%04X", token, len(groups)+1)
		id.add("_data", bson.RawValue{Type: bson.TypeString, Value: bsoncore.AppendString(nil, data)})
		cur.add("_id", bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: id.done()})
	}
	begin()
	fresh := len(cur.b)
	for it := expr.Each(event); ; {
		n, v, ok := it.Next()
		if !ok {
			break
		}
		if string(n) == "_id" {
			continue
		}
		need := len(n) + len(v.Value) + 2
		if fresh+need+head > max {
			return nil, mongoerr.New(7182500, "the change event's field %s is too large to be split", n)
		}
		if len(cur.b)+need+head > max {
			groups = append(groups, cur.b)
			begin()
		}
		cur.add(string(n), v)
	}
	groups = append(groups, cur.b)
	var out []bson.Raw
	for i, g := range groups {
		d := docBuilder{g}
		info := newDoc(nil)
		info.add("fragment", bson.RawValue{Type: bson.TypeInt32, Value: []byte{byte(i + 1), byte((i + 1) >> 8), 0, 0}})
		info.add("of", bson.RawValue{Type: bson.TypeInt32, Value: []byte{byte(len(groups)), byte(len(groups) >> 8), 0, 0}})
		d.add("splitEvent", bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: info.done()})
		out = append(out, d.done())
	}
	return out, nil
}
