package realm

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Collection is a collection of a MongoDB service whose documents decode into
// T: a struct with bson tags, bson.M, bson.D, or bson.Raw.
//
// Filters, updates, projections and sort orders are documents: bson.M, bson.D,
// or structs with bson tags. A nil filter matches everything.
//
// Common errors of all operations: [ErrMongoDB] with the database's text,
// [ErrNoMatchingRule], [ErrServiceNotFound], [ErrLoggedOut].
type Collection[T any] struct {
	user                    *User
	service, database, name string
}

// CollectionOf returns the collection of that name with documents of type T:
//
//	type Todo struct {
//		ID   bson.ObjectID `bson:"_id,omitempty"`
//		Text string        `bson:"text"`
//	}
//	todos := realm.CollectionOf[Todo](user.MongoClient("mongodb-atlas").Database("todo"), "items")
//
// No request is made.
func CollectionOf[T any](db *Database, name string) *Collection[T] {
	return &Collection[T]{user: db.mongodb.user, service: db.mongodb.service, database: db.name, name: name}
}

// Name returns the name of the collection.
func (c *Collection[T]) Name() string { return c.name }

// DatabaseName returns the name of the collection's database.
func (c *Collection[T]) DatabaseName() string { return c.database }

// ServiceName returns the name of the collection's service.
func (c *Collection[T]) ServiceName() string { return c.service }

// argument starts the one argument of every action (client-api.md §1.17).
func (c *Collection[T]) argument() bson.D {
	return bson.D{{Key: "database", Value: c.database}, {Key: "collection", Value: c.name}}
}

// action makes one call; fields come after database and collection.
func action[R, T any](ctx context.Context, c *Collection[T], name string, fields bson.D) (R, error) {
	return callAs[R](ctx, c.user, c.service, name, []any{append(c.argument(), fields...)})
}

// orEmpty sends nil as an empty document.
func orEmpty(filter any) any {
	if filter == nil {
		return bson.D{}
	}
	return filter
}

// add appends an optional field unless it is absent.
func add(fields bson.D, key string, value any) bson.D {
	switch v := value.(type) {
	case nil:
		return fields
	case bool:
		if !v {
			return fields
		}
	case int64:
		if v == 0 {
			return fields
		}
		value = int(v) // an int32 on the wire if it fits, as realm-web sends it
	}
	return append(fields, bson.E{Key: key, Value: value})
}

// errSortOrder keeps a map from turning into a random sort order.
var errSortOrder = errors.New("realm: a sort order by several fields needs a bson.D: a map has no order")

// addSort appends a sort order.
func addSort(fields bson.D, sort any) (bson.D, error) {
	if sort == nil {
		return fields, nil
	}
	if v := reflect.ValueOf(sort); v.Kind() == reflect.Map && v.Len() > 1 {
		return nil, errSortOrder
	}
	return add(fields, "sort", sort), nil
}

// one returns the options of a call that takes none or one.
func one[O any](opts []O) (O, error) {
	var o O
	switch len(opts) {
	case 0:
		return o, nil
	case 1:
		return opts[0], nil
	}
	return o, fmt.Errorf("realm: %d %T given, want one at most", len(opts), o)
}

// found turns the protocol's null into ErrNoDocuments.
func found[T any](doc *T, err error) (T, error) {
	if err == nil && doc == nil {
		err = ErrNoDocuments
	}
	if err != nil {
		var zero T
		return zero, err
	}
	return *doc, nil
}
