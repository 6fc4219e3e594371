package data

import (
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/internal/rule"
)

// Actions that only system functions perform.

func (r *request) dbAggregate() (bson.RawValue, error) {
	if r.args.pipeline.Type == 0 {
		return bson.RawValue{}, invalid("the argument \"pipeline\" is missing")
	}
	stages, err := elements(r.args.pipeline, "pipeline")
	if err != nil {
		return bson.RawValue{}, err
	}
	ctx, _, err := r.session()
	if err != nil {
		return bson.RawValue{}, err
	}
	ctx, cancel := r.timed(ctx)
	defer cancel()
	return r.pipeline(ctx, r.coll.Database(), stages)
}

func (r *request) getCollectionNames() (bson.RawValue, error) {
	names, err := r.coll.Database().ListCollectionNames(r.ctx, bson.D{})
	if err != nil {
		return bson.RawValue{}, err
	}
	out := newList()
	for _, name := range names {
		if !rule.Reserved(r.args.database, name) {
			out.value(stringValue(name))
		}
	}
	return out.end(), nil
}

func (r *request) getDBNames() (bson.RawValue, error) {
	client, err := r.s.cfg.Database(r.service)
	if err != nil {
		return bson.RawValue{}, err
	}
	names, err := client.ListDatabaseNames(r.ctx, bson.D{})
	if err != nil {
		return bson.RawValue{}, err
	}
	out := newList()
	for _, name := range names {
		if !rule.Reserved(name, "") {
			out.value(stringValue(name))
		}
	}
	return out.end(), nil
}

func stringValue(s string) bson.RawValue {
	return bson.RawValue{Type: bson.TypeString, Value: bsoncore.AppendString(nil, s)}
}

// command runs a database command built from its first field and options.
func (r *request) command(name string, more func(dst []byte) []byte) error {
	ctx, _, err := r.session()
	if err != nil {
		return err
	}
	ctx, cancel := r.timed(ctx)
	defer cancel()
	cmd := object(func(dst []byte) []byte {
		dst = bsoncore.AppendStringElement(dst, name, r.args.collection)
		if more != nil {
			dst = more(dst)
		}
		return dst
	})
	return r.coll.Database().RunCommand(ctx, bson.Raw(cmd.Value)).Err()
}

func (r *request) createCollection() (bson.RawValue, error) {
	return null, r.command("create", func(dst []byte) []byte {
		if len(r.args.options) > 5 {
			dst = append(dst, r.args.options[4:len(r.args.options)-1]...)
		}
		return dst
	})
}

func (r *request) dropCollection() (bson.RawValue, error) {
	err := r.coll.Drop(r.ctx)
	return bson.RawValue{Type: bson.TypeBoolean, Value: []byte{1}}, err
}

// createIndex answers with the index's name.
func (r *request) createIndex() (bson.RawValue, error) {
	if len(r.args.keys) <= 5 {
		return bson.RawValue{}, invalid("the argument \"keys\" is missing")
	}
	name := r.args.name
	if v, err := r.args.options.LookupErr("name"); name == "" && err == nil {
		name, _ = v.StringValueOK()
	}
	if name == "" {
		elems, err := r.args.keys.Elements()
		if err != nil {
			return bson.RawValue{}, invalid("the keys are not a valid document")
		}
		for i, e := range elems {
			if i > 0 {
				name += "_"
			}
			v := e.Value()
			part, isText := v.StringValueOK()
			if n, ok := wholeNumber(v); ok {
				part = itoa(int(n))
			} else if !isText {
				return bson.RawValue{}, invalid("the direction of key %q must be a number or a name", e.Key())
			}
			name += e.Key() + "_" + part
		}
	}
	err := r.command("createIndexes", func(dst []byte) []byte {
		index := object(func(dst []byte) []byte {
			dst = appendValue(dst, "key", documentOrNull(r.args.keys))
			dst = bsoncore.AppendStringElement(dst, "name", name)
			if elems, err := r.args.options.Elements(); err == nil {
				for _, e := range elems {
					if e.Key() != "name" && e.Key() != "key" {
						dst = append(dst, e...)
					}
				}
			}
			return dst
		})
		l := newList()
		l.value(index)
		return appendValue(dst, "indexes", l.end())
	})
	return stringValue(name), err
}

func (r *request) dropIndex() (bson.RawValue, error) {
	if r.args.name == "" {
		return bson.RawValue{}, invalid("the argument \"name\" is missing")
	}
	return null, r.command("dropIndexes", func(dst []byte) []byte {
		return bsoncore.AppendStringElement(dst, "index", r.args.name)
	})
}

func (r *request) listIndexes() (bson.RawValue, error) {
	cursor, err := r.coll.Indexes().List(r.ctx)
	if err != nil {
		return bson.RawValue{}, err
	}
	defer cursor.Close(r.ctx)
	out := newList()
	for cursor.Next(r.ctx) {
		out.document(cursor.Current)
	}
	return out.end(), cursor.Err()
}
