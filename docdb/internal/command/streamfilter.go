package command

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/docdb/internal/match"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/stage"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

// compileEarly gives the matcher of a pipeline's first stage when that asks for nothing but the operation and the namespace: who
// watches a few collections of a busy database pays for no event that is thrown away.
func (s *changeStream) compileEarly(first bson.Raw) (*match.Matcher, error) {
	filter, ok := value.Lookup(first, "$match").DocumentOK()
	if !ok {
		return nil, nil
	}
	it := value.Over(filter)
	for it.Next() {
		if k := it.Key(); k != "operationType" && k != "ns.coll" && k != "ns.db" {
			return nil, nil
		}
	}
	q, err := s.c.compileQuery(nil, filter, s.c.doc("collation"), bson.RawValue{}, s.c.doc("let"))
	if err != nil {
		return nil, err
	}
	return q.matcher(), nil
}

// compileWants gives what the store asks before it wakes the stream; nil where the stream has to look at every entry itself. The matcher
// is one of its own, for it is asked while the stream runs.
func (s *changeStream) compileWants(stages []bson.Raw) (func(d *store.Def, kind string) bool, error) {
	if s.early == nil {
		return nil, nil
	}
	m, err := s.compileEarly(stages[0])
	if err != nil {
		return nil, err
	}
	var buf []byte
	return func(d *store.Def, kind string) bool {
		op := operationTypes[kind]
		if op == "" {
			return true
		}
		buf = outline(buf[:0], op, value.String(d.DB), value.String(d.Name))
		ok, err := m.Match(buf)
		return ok || err != nil // the stream reports the error
	}, nil
}

// outline writes what of an event early looks at.
func outline(b []byte, op string, db, name bson.RawValue) []byte {
	i, b := bsoncore.AppendDocumentStart(b)
	b = bsoncore.AppendStringElement(b, "operationType", op)
	j, b := bsoncore.AppendDocumentElementStart(b, "ns")
	b = value.Append(b, "db", db)
	b = value.Append(b, "coll", name)
	b, _ = bsoncore.AppendDocumentEnd(b, j)
	b, _ = bsoncore.AppendDocumentEnd(b, i)
	return b
}

// leftOut reports whether the pipeline's first stage drops the entry's event. Commands may end the stream, and are left to it.
func (s *changeStream) leftOut(e *store.Entry) (bool, error) {
	kind, _ := value.Text(e.Lookup("t"))
	op := operationTypes[kind]
	if s.early == nil || op == "" {
		return false, nil
	}
	s.outline = outline(s.outline[:0], op, e.Lookup("db"), e.Lookup("n"))
	ok, err := s.early.Match(s.outline)
	return !ok, err
}

// inScope reports whether an entry belongs to what is watched. A rename belongs to both its names.
func (s *changeStream) inScope(e *store.Entry) bool {
	db, _ := value.Text(e.Lookup("db"))
	name, _ := value.Text(e.Lookup("n"))
	if s.covers(db, name) {
		return true
	}
	if t, _ := value.Text(e.Lookup("t")); t != store.OpCommand || command(e) != "rename" {
		return false
	}
	o, _ := e.Lookup("o").DocumentOK()
	db, _ = value.Text(value.Lookup(o, "db"))
	name, _ = value.Text(value.Lookup(o, "name"))
	return s.covers(db, name)
}

// covers reports whether a collection is watched.
func (s *changeStream) covers(db, name string) bool {
	switch {
	case strings.HasPrefix(name, "system."):
		return false
	case s.cluster:
		return db != "admin" && db != "local" && db != "config"
	case s.coll == "":
		return db == s.db
	}
	return db == s.db && name == s.coll
}

// filter runs the pipeline on one event.
func (s *changeStream) filter(ctx context.Context, doc bson.Raw) error {
	if s.pipe == nil {
		s.pending = append(s.pending, doc)
	} else {
		out, err := stage.All(ctx, s.pipe.Run(ctx, stage.Documents(doc)))
		if err != nil {
			return err
		}
		for _, d := range out {
			s.pending = append(s.pending, append(bson.Raw(nil), d...))
		}
	}
	if s.skip.fragment != 0 {
		s.pending = slices.DeleteFunc(s.pending, func(d bson.Raw) bool {
			p, err := parseToken(value.Lookup(d, "_id"))
			return err == nil && p.ts == s.skip.ts && p.seq == s.skip.seq && p.fragment <= s.skip.fragment
		})
		s.skip = position{}
	}
	for _, d := range s.pending {
		if len(d) > maxDocument+16<<10 {
			s.pending = nil
			return mongoerr.New(mongoerr.BSONObjectTooLarge, "the event is %d bytes long, more than a document may have; use $changeStreamSplitLargeEvent", len(d)).WithLabels(mongoerr.LabelNonResumableChangeStream)
		}
	}
	return nil
}
