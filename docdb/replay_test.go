package docdb_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// replica is what a database looks like to somebody who knows its change events only: documents by collection and _id.
type replica struct {
	db    string
	colls map[string]map[string]bson.D
	// last is the token of the last event; tokens have to grow.
	last string
}

func newReplica(db string) *replica { return &replica{db: db, colls: map[string]map[string]bson.D{}} }

type changeEvent struct {
	ID struct {
		Data string `bson:"_data"`
	} `bson:"_id"`
	Op string `bson:"operationType"`
	NS struct {
		Coll string `bson:"coll"`
	} `bson:"ns"`
	To struct {
		DB   string `bson:"db"`
		Coll string `bson:"coll"`
	} `bson:"to"`
	Key struct {
		ID bson.RawValue `bson:"_id"`
	} `bson:"documentKey"`
	Full bson.D `bson:"fullDocument"`
	Desc struct {
		Updated   bson.D   `bson:"updatedFields"`
		Removed   []string `bson:"removedFields"`
		Truncated []struct {
			Field string `bson:"field"`
			Size  int    `bson:"newSize"`
		} `bson:"truncatedArrays"`
	} `bson:"updateDescription"`
}

// apply does what an event says. An event that does not fit what came before it is an error: something was left out or came twice.
func (r *replica) apply(raw bson.Raw) error {
	var e changeEvent
	if err := bson.Unmarshal(raw, &e); err != nil {
		return err
	}
	if e.ID.Data <= r.last {
		return fmt.Errorf("the token does not grow: %s after %s", raw, r.last)
	}
	r.last = e.ID.Data
	docs := r.colls[e.NS.Coll]
	key := e.Key.ID.String()
	_, there := docs[key]
	switch e.Op {
	case "insert":
		if there {
			return fmt.Errorf("inserted twice: %s", raw)
		}
		if docs == nil {
			docs = map[string]bson.D{}
			r.colls[e.NS.Coll] = docs
		}
		docs[key] = e.Full
	case "replace":
		if !there {
			return fmt.Errorf("replaced before it was inserted: %s", raw)
		}
		docs[key] = e.Full
	case "update":
		if !there {
			return fmt.Errorf("updated before it was inserted: %s", raw)
		}
		d := docs[key]
		for _, t := range e.Desc.Truncated {
			if err := setPath(&d, t.Field, func(v any, ok bool) (any, bool) { return v.(bson.A)[:t.Size:t.Size], true }); err != nil {
				return fmt.Errorf("%w: %s", err, raw)
			}
		}
		for _, f := range e.Desc.Updated {
			if err := setPath(&d, f.Key, func(any, bool) (any, bool) { return f.Value, true }); err != nil {
				return fmt.Errorf("%w: %s", err, raw)
			}
		}
		for _, f := range e.Desc.Removed {
			if err := setPath(&d, f, func(any, bool) (any, bool) { return nil, false }); err != nil {
				return fmt.Errorf("%w: %s", err, raw)
			}
		}
		docs[key] = d
	case "delete":
		if !there {
			return fmt.Errorf("deleted before it was inserted: %s", raw)
		}
		delete(docs, key)
	case "drop":
		delete(r.colls, e.NS.Coll)
	case "dropDatabase":
		if len(r.colls) > 0 {
			return fmt.Errorf("collections are left when the database goes: %d", len(r.colls))
		}
	case "rename":
		delete(r.colls, e.NS.Coll)
		if e.To.DB == r.db && docs != nil {
			r.colls[e.To.Coll] = docs
		} else if e.To.DB == r.db {
			delete(r.colls, e.To.Coll)
		}
	case "invalidate":
	default:
		return fmt.Errorf("an event of type %q", e.Op)
	}
	return nil
}

// setPath changes what is at a dotted path: f gets the present value and gives the new one, or false to remove it.
func setPath(d *bson.D, path string, f func(v any, ok bool) (any, bool)) error {
	head, rest, more := strings.Cut(path, ".")
	for i := range *d {
		e := &(*d)[i]
		if e.Key != head {
			continue
		}
		if more {
			return setIn(&e.Value, rest, f)
		}
		v, keep := f(e.Value, true)
		if !keep {
			*d = append((*d)[:i:i], (*d)[i+1:]...)
			return nil
		}
		n := append(bson.D(nil), *d...)
		n[i].Value = v
		*d = n
		return nil
	}
	if more {
		return fmt.Errorf("no field %q to go into", head)
	}
	if v, keep := f(nil, false); keep {
		*d = append((*d)[:len(*d):len(*d)], bson.E{Key: head, Value: v})
	}
	return nil
}

func setIn(v *any, path string, f func(v any, ok bool) (any, bool)) error {
	switch t := (*v).(type) {
	case bson.D:
		err := setPath(&t, path, f)
		*v = t
		return err
	case bson.A:
		var i int
		head, rest, more := strings.Cut(path, ".")
		if _, err := fmt.Sscan(head, &i); err != nil {
			return fmt.Errorf("no index %q", head)
		}
		t = append(bson.A(nil), t...)
		for len(t) <= i {
			t = append(t, nil)
		}
		*v = t
		if more {
			return setIn(&t[i], rest, f)
		}
		t[i], _ = f(t[i], true)
		return nil
	}
	return fmt.Errorf("nothing to go into at %q", path)
}

// follow opens a stream behind the replica's last event (or from the beginning), and applies what has happened until now.
func (r *replica) follow(c context.Context, client *mongo.Client) (events int, err error) {
	o := options.ChangeStream().SetBatchSize(1000).SetMaxAwaitTime(time.Millisecond)
	if r.last == "" {
		o.SetStartAtOperationTime(&bson.Timestamp{T: 1, I: 1})
	} else {
		o.SetStartAfter(bson.D{{Key: "_data", Value: r.last}})
	}
	s, err := client.Database(r.db).Watch(c, mongo.Pipeline{}, o)
	if err != nil {
		return 0, err
	}
	defer s.Close(c)
	for s.TryNext(c) {
		events++
		if err := r.apply(s.Current); err != nil {
			return events, err
		}
	}
	return events, s.Err()
}

// compare says how the replica differs from the database, or "".
func (r *replica) compare(c context.Context, client *mongo.Client) (string, error) {
	db := client.Database(r.db)
	names, err := db.ListCollectionNames(c, bson.D{{Key: "type", Value: "collection"}})
	if err != nil {
		return "", err
	}
	seen := map[string]bool{}
	for _, name := range names {
		if strings.HasPrefix(name, "system.") {
			continue
		}
		seen[name] = true
		cur, err := db.Collection(name).Find(c, bson.D{})
		if err != nil {
			return "", err
		}
		n := 0
		for cur.Next(c) {
			n++
			want, ok := r.colls[name][cur.Current.Lookup("_id").String()]
			if !ok {
				return fmt.Sprintf("%s: no event has told of %s", name, cur.Current), nil
			}
			var got bson.D
			if err := bson.Unmarshal(cur.Current, &got); err != nil {
				return "", err
			}
			if !sameFields(got, want) {
				a, _ := bson.MarshalExtJSON(want, true, false)
				return fmt.Sprintf("%s: the document is %s, the events make it %s", name, cur.Current, a), nil
			}
		}
		if err := cur.Err(); err != nil {
			return "", err
		}
		if n != len(r.colls[name]) {
			return fmt.Sprintf("%s: %d documents, %d by the events", name, n, len(r.colls[name])), nil
		}
	}
	for name, docs := range r.colls {
		if !seen[name] && len(docs) > 0 {
			return fmt.Sprintf("%s: gone, but not by the events", name), nil
		}
	}
	return "", nil
}

// sameFields compares documents without regard to the order of their fields, which events do not tell.
func sameFields(a, b bson.D) bool { return canonical(a) == canonical(b) }

func canonical(v any) string {
	switch t := v.(type) {
	case bson.D:
		m := make([]string, len(t))
		for i, e := range t {
			m[i] = fmt.Sprintf("%q:%s", e.Key, canonical(e.Value))
		}
		slices.Sort(m)
		return "{" + strings.Join(m, ",") + "}"
	case bson.A:
		m := make([]string, len(t))
		for i, e := range t {
			m[i] = canonical(e)
		}
		return "[" + strings.Join(m, ",") + "]"
	}
	return fmt.Sprintf("%T %v", v, v)
}
