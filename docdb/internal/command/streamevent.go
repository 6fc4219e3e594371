package command

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

// command names the command that an entry tells of.
func command(e *store.Entry) string {
	o, _ := e.Lookup("o").DocumentOK()
	s, _ := value.Text(value.Lookup(o, "cmd"))
	return s
}

// invalidates reports whether an entry ends the stream.
func (s *changeStream) invalidates(e *store.Entry) bool {
	if s.cluster {
		return false
	}
	if t, _ := value.Text(e.Lookup("t")); t != store.OpCommand {
		return false
	}
	switch command(e) {
	case "drop", "rename": // to the watched name, too
		return s.coll != ""
	case "dropDatabase":
		return s.coll == ""
	}
	return false
}

func (s *changeStream) invalidateEvent(e *store.Entry) bson.Raw {
	i, b := bsoncore.AppendDocumentStart(nil)
	b = bsoncore.AppendDocumentElement(b, "_id", position{ts: e.Time, seq: e.Seq, invalidate: true}.token(nil))
	b = bsoncore.AppendStringElement(b, "operationType", "invalidate")
	b = bsoncore.AppendTimestampElement(b, "clusterTime", uint32(e.Time>>32), uint32(e.Time))
	b = value.Append(b, "wallTime", e.Lookup("w"))
	b, _ = bsoncore.AppendDocumentEnd(b, i)
	return b
}

// event makes the change event of an entry and runs the pipeline on it.
func (s *changeStream) event(ctx context.Context, e *store.Entry) error {
	doc, err := s.describe(e)
	if err != nil || doc == nil {
		return err
	}
	if s.invalidates(e) {
		s.after = append(s.after, s.invalidateEvent(e))
		s.ending = true
	}
	return s.filter(ctx, doc)
}

// describe makes the event's document; nil for entries that this stream does not show.
func (s *changeStream) describe(e *store.Entry) (bson.Raw, error) {
	kind, _ := value.Text(e.Lookup("t"))
	db, _ := value.Text(e.Lookup("db"))
	name, _ := value.Text(e.Lookup("n"))
	o, _ := e.Lookup("o").DocumentOK()
	op := operationTypes[kind]
	if kind == store.OpCommand {
		op = command(e)
		switch op {
		case "drop", "rename", "dropDatabase":
		case "create", "createIndexes", "dropIndexes", "modify":
			if !s.expanded {
				return nil, nil
			}
		default:
			return nil, nil
		}
	}
	i, b := bsoncore.AppendDocumentStart(make([]byte, 0, 256+len(e.Raw)))
	b = append(b, byte(bson.TypeEmbeddedDocument))
	b = append(b, "_id\x00"...)
	b = position{ts: e.Time, seq: e.Seq}.token(b)
	b = bsoncore.AppendStringElement(b, "operationType", op)
	b = bsoncore.AppendTimestampElement(b, "clusterTime", uint32(e.Time>>32), uint32(e.Time))
	if s.expanded && name != "" {
		b = value.Append(b, "collectionUUID", e.Lookup("u"))
	}
	b = value.Append(b, "wallTime", e.Lookup("w"))
	if l := e.Lookup("l"); l.Type != 0 {
		b = value.Append(b, "lsid", l)
		b = value.Append(b, "txnNumber", e.Lookup("x"))
	}
	if kind != store.OpCommand {
		full, err := s.fullOf(e, kind, db, name, o)
		if err != nil {
			return nil, err
		}
		if full.Type != 0 {
			b = value.Append(b, "fullDocument", full)
		}
	}
	j, b := bsoncore.AppendDocumentElementStart(b, "ns")
	b = bsoncore.AppendStringElement(b, "db", db)
	if name != "" {
		b = bsoncore.AppendStringElement(b, "coll", name)
	}
	b, _ = bsoncore.AppendDocumentEnd(b, j)
	switch {
	case op == "rename":
		j, b2 := bsoncore.AppendDocumentElementStart(b, "to")
		b2 = value.Append(b2, "db", value.Lookup(o, "db"))
		b2 = value.Append(b2, "coll", value.Lookup(o, "name"))
		b, _ = bsoncore.AppendDocumentEnd(b2, j)
		if s.expanded {
			j, b2 := bsoncore.AppendDocumentElementStart(b, "operationDescription")
			k, b2 := bsoncore.AppendDocumentElementStart(b2, "to")
			b2 = value.Append(b2, "db", value.Lookup(o, "db"))
			b2 = value.Append(b2, "coll", value.Lookup(o, "name"))
			b2, _ = bsoncore.AppendDocumentEnd(b2, k)
			if t := value.Lookup(o, "dropTarget"); t.Type != 0 {
				b2 = value.Append(b2, "dropTarget", t)
			}
			b, _ = bsoncore.AppendDocumentEnd(b2, j)
		}
	case kind == store.OpCommand && s.expanded:
		b = appendOperation(b, o)
	}
	if k := e.Lookup("k"); k.Type != 0 {
		b = value.Append(b, "documentKey", k)
	}
	if d := e.Lookup("d"); d.Type != 0 && kind == store.OpUpdate {
		b = s.appendDescription(b, d.Value)
	}
	if s.before != "off" && kind != store.OpCommand && kind != store.OpInsert {
		v := e.Lookup("b")
		if v.Type == 0 {
			if s.before == "required" {
				return nil, noImage("pre-image", e)
			}
			v = bson.RawValue{Type: bson.TypeNull}
		}
		b = value.Append(b, "fullDocumentBeforeChange", v)
	}
	b, _ = bsoncore.AppendDocumentEnd(b, i)
	return b, nil
}

// appendOperation appends operationDescription: what an entry's command was told, the options of a new collection among it.
func appendOperation(dst []byte, o bson.Raw) []byte {
	j, b := bsoncore.AppendDocumentElementStart(dst, "operationDescription")
	start := len(b)
	var before bson.RawValue
	for it := value.Over(o); it.Next(); {
		switch v := it.Value(); it.Key() {
		case "cmd":
		case "before":
			before = v
		case "options":
			for opt := value.Over(v.Value); opt.Next(); {
				b = value.Append(b, opt.Key(), opt.Value())
			}
		default:
			b = value.Append(b, it.Key(), v)
		}
	}
	if len(b) == start {
		return dst // nothing to tell
	}
	b, _ = bsoncore.AppendDocumentEnd(b, j)
	if before.Type == bson.TypeEmbeddedDocument {
		b = value.Append(b, "stateBeforeChange", before)
	}
	return b
}

// appendDescription appends updateDescription; disambiguatedPaths is one of the expanded members.
func (s *changeStream) appendDescription(b []byte, d bson.Raw) []byte {
	j, b := bsoncore.AppendDocumentElementStart(b, "updateDescription")
	paths := value.EmptyDoc
	it := value.Over(d)
	for it.Next() {
		if it.Key() == "disambiguatedPaths" {
			paths = it.Value()
			continue
		}
		b = value.Append(b, it.Key(), it.Value())
	}
	if s.expanded {
		b = value.Append(b, "disambiguatedPaths", paths)
	}
	b, _ = bsoncore.AppendDocumentEnd(b, j)
	return b
}

func noImage(what string, e *store.Entry) error {
	return mongoerr.New(mongoerr.NoMatchingDocument, "Change stream was configured to require a %s for all update, delete and replace events, but the %s was not found for event: %s", what, what, e.Lookup("k")).WithLabels(mongoerr.LabelNonResumableChangeStream)
}

// fullOf gives the event's fullDocument: what was stored for inserts and replacements, and for updates as the option says.
func (s *changeStream) fullOf(e *store.Entry, kind, db, name string, o bson.Raw) (bson.RawValue, error) {
	switch kind {
	case store.OpInsert, store.OpReplace:
		return value.Doc(o), nil
	case store.OpUpdate:
	default:
		return bson.RawValue{}, nil
	}
	null := bson.RawValue{Type: bson.TypeNull}
	switch s.fullDocument {
	case "updateLookup":
		coll := s.c.e.st.Collection(db, name)
		k, _ := e.Lookup("k").DocumentOK()
		if coll == nil || coll.Def().View {
			return null, nil
		}
		view := s.c.e.st.Snapshot()
		defer view.Close()
		rid, err := store.FindID(view, coll.Def(), value.Lookup(k, "_id"))
		if err == store.ErrNotFound {
			return null, nil
		}
		if err != nil {
			return null, err
		}
		v, err := view.Get(coll.RecordKey(nil, rid), nil)
		if err == store.ErrNotFound {
			return null, nil
		}
		if err != nil {
			return null, err
		}
		return value.Doc(v), nil
	case "whenAvailable", "required":
		if v := e.Lookup("a"); v.Type != 0 {
			return v, nil
		}
		if s.fullDocument == "required" {
			return null, noImage("post-image", e)
		}
		return null, nil
	}
	return bson.RawValue{}, nil
}
