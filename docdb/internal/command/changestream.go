package command

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"io"
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

// position is a place in the oplog: behind the entry (ts, seq). With invalidate it is behind the invalidate event that follows it, with
// a fragment behind that part of an event that $changeStreamSplitLargeEvent has split.
type position struct {
	ts         uint64
	seq        uint32
	invalidate bool
	fragment   uint16
}

// passed reports whether nothing up to time ts is behind the position.
func (p position) passed(ts uint64) bool { return p.ts > ts || p.ts == ts && p.seq == lastSeq }

const lastSeq = 1<<32 - 1

// token writes a position as a resume token: {_data: hex of [time 8][sequence 4][version 1][invalidate 1]}, and [fragment 2] if there is
// one. Tokens sort as positions do and stay valid over restarts.
func (p position) token(dst []byte) []byte {
	b := binary.BigEndian.AppendUint64(nil, p.ts)
	b = binary.BigEndian.AppendUint32(b, p.seq)
	b = append(b, 1, 0)
	if p.invalidate {
		b[13] = 1
	}
	if p.fragment != 0 {
		b = binary.BigEndian.AppendUint16(b, p.fragment)
	}
	i, dst := bsoncore.AppendDocumentStart(dst)
	dst = bsoncore.AppendStringElement(dst, "_data", strings.ToUpper(hex.EncodeToString(b)))
	dst, _ = bsoncore.AppendDocumentEnd(dst, i)
	return dst
}

func parseToken(v bson.RawValue) (position, error) {
	d, ok := v.DocumentOK()
	if !ok {
		return position{}, mongoerr.New(mongoerr.TypeMismatch, "BSON field '$changeStream.resumeAfter' is the wrong type '%s', expected type 'object'", value.TypeName(v.Type))
	}
	s, ok := value.Text(value.Lookup(d, "_data"))
	if !ok {
		return position{}, mongoerr.New(40647, "Bad resume token: _data of missing or of wrong type %s", bson.Raw(d))
	}
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 14 && len(b) != 16 || b[12] != 1 {
		return position{}, mongoerr.New(mongoerr.InvalidResumeToken, "Invalid resume token: %s", s)
	}
	p := position{ts: binary.BigEndian.Uint64(b), seq: binary.BigEndian.Uint32(b[8:]), invalidate: b[13] == 1}
	if len(b) == 16 {
		p.fragment = binary.BigEndian.Uint16(b[14:])
	}
	return p, nil
}

// changeStream gives the events of a collection, a database or everything as documents.
type changeStream struct {
	c        *call // detached
	db, coll string
	cluster  bool
	w        *store.Watcher
	pos      position // everything up to here has been read
	shown    position // the last event that was given out
	skip     position // the fragment of an event that the stream begins behind
	it       *store.OplogIter
	upTo     uint64
	pending  []bson.Raw // events that the pipeline has made of the last entry
	after    []bson.Raw // events that follow the last entry: invalidate
	pipe     *stage.Pipeline
	early    *match.Matcher // nil: nothing can be left out before its event is made
	outline  []byte         // memory for the document that early looks at
	finished bool           // an invalidate has been given out
	ending   bool           // an invalidate is among the events to give out
	later    error          // a failure to report at the next getMore

	fullDocument string
	before       string
	expanded     bool
}

// openChangeStream answers an aggregate whose first stage is $changeStream.
func (c *call) openChangeStream(ns, name string, spec bson.RawValue, stages []bson.Raw, batch int64) error {
	if c.txn != nil {
		return mongoerr.New(mongoerr.OperationNotSupportedInTransaction, "Operation not permitted in transaction :: caused by :: $changeStream")
	}
	if c.readLevel != "" && c.readLevel != "majority" {
		return mongoerr.New(mongoerr.InvalidOptions, "$changeStream cannot run with a readConcern other than 'majority', or in a multi-document transaction. Current readConcern: %s", c.readLevel)
	}
	s := &changeStream{c: c.detached(), db: c.db, coll: name, fullDocument: "default", before: "off"}
	start, err := s.options(spec)
	if err != nil {
		return err
	}
	if coll := c.e.st.Collection(c.db, name); coll != nil && coll.Def().View {
		return mongoerr.New(mongoerr.CommandNotSupportedOnView, "Namespace %s is a view, not a collection", ns)
	}
	switch {
	case s.cluster && (c.db != "admin" || name != ""):
		return mongoerr.New(mongoerr.InvalidOptions, "A $changeStream with 'allChangesForCluster:true' may only be opened on the 'admin' database, and with no collection name; found %s", ns)
	case !s.cluster && (c.db == "admin" || c.db == "local" || c.db == "config"):
		return mongoerr.New(mongoerr.InvalidNamespace, "$changeStream may not be opened on the internal %s database", c.db)
	case strings.HasPrefix(name, "system."):
		return mongoerr.New(mongoerr.InvalidNamespace, "$changeStream may not be opened on the internal %s collection", ns)
	}
	if s.cluster {
		s.db = ""
	}
	q, err := s.c.compileQuery(nil, nil, c.doc("collation"), bson.RawValue{}, c.doc("let"))
	if err != nil {
		return err
	}
	if len(stages) > 0 {
		env := s.c.stageEnv(q, name)
		env.Context = stage.ChangeStream
		if s.pipe, err = stage.Compile(stages, env); err != nil {
			return err
		}
		if s.early, err = s.compileEarly(stages[0]); err != nil {
			return err
		}
	}
	wants, err := s.compileWants(stages)
	if err != nil {
		return err
	}
	s.w = c.e.st.Watch(s.db, name, wants)
	if s.pos.ts == 0 {
		s.pos = position{ts: max(c.e.st.Visible(), c.e.st.Applied()), seq: lastSeq}
	} else if err := s.resume(start); err != nil {
		s.w.Close()
		return err
	}
	s.shown = s.pos
	cur := &cursor{ns: ns, coll: name, src: s, limit: -1, tailable: true, awaits: true, events: s}
	return c.openCursor(c.ctx, cur, batch, false)
}

// options reads the stage's fields; start says how pos was given.
func (s *changeStream) options(spec bson.RawValue) (start string, err error) {
	if spec.Type != bson.TypeEmbeddedDocument {
		return "", mongoerr.New(50808, "$changeStream stage expects a document as argument.")
	}
	it := value.Over(spec.Value)
	for it.Next() {
		k := it.Key()
		at := slices.IndexFunc(streamOptions, func(o streamOption) bool { return o.Name == k })
		if at < 0 {
			return "", mongoerr.New(40415, "BSON field '$changeStream.%s' is an unknown field.", k)
		}
		o := &streamOptions[at]
		if o.starts {
			if start != "" {
				return "", mongoerr.New(40674, "Only one of the following options are allowed on $changeStream: resumeAfter, startAfter, startAtOperationTime")
			}
			start = o.Name
		}
		v := it.Value()
		switch {
		case o.Refused:
			if !flag.accepts(v) {
				return "", wrongType("$changeStream."+o.Name, v, flag)
			}
			if value.Truthy(v) {
				return "", mongoerr.New(mongoerr.NotImplemented, "docdb does not implement $changeStream's '%s'", o.Name)
			}
		default:
			if err := o.read(s, o, v); err != nil {
				return "", err
			}
		}
	}
	return start, nil
}

// resume checks that the history since pos is complete, and finds the invalidate that may follow the entry at pos.
func (s *changeStream) resume(start string) error {
	st := s.c.e.st
	if first := st.OplogStart(); s.pos.ts+1 < first {
		return mongoerr.New(mongoerr.ChangeStreamHistoryLost, "Resume of change stream was not possible, as the resume point may no longer be in the oplog.").WithLabels(mongoerr.LabelNonResumableChangeStream)
	}
	if s.pos.fragment != 0 {
		// The event is made again, and what has been seen of it is left out.
		s.skip = s.pos
		s.pos.fragment = 0
		if s.pos.seq > 0 {
			s.pos.seq--
		} else {
			s.pos.ts, s.pos.seq = s.pos.ts-1, lastSeq
		}
		return nil
	}
	if s.pos.invalidate || start == "startAtOperationTime" || s.pos.seq == lastSeq {
		return nil
	}
	it, err := st.Oplog(s.pos.ts, 0, s.pos.ts)
	if err != nil {
		return err
	}
	defer it.Close()
	// The walk begins behind (ts, 0); the entry itself may be that.
	entries := it
	if s.pos.seq == 0 {
		it2, err := st.Oplog(s.pos.ts-1, lastSeq, s.pos.ts)
		if err != nil {
			return err
		}
		defer it2.Close()
		entries = it2
	}
	for entries.Next() {
		e := entries.Entry()
		if e.Seq == s.pos.seq && s.inScope(e) {
			if inval := s.invalidates(e); inval {
				s.after = append(s.after, s.invalidateEvent(e))
				s.ending = true
			}
		}
	}
	return nil
}

// Close implements stream.
func (s *changeStream) Close() error {
	s.w.Close()
	if s.it != nil {
		it := s.it
		s.it = nil
		return it.Close()
	}
	return nil
}

// Next implements stream: io.EOF says that there is nothing more now.
func (s *changeStream) Next(ctx context.Context) (bson.Raw, error) {
	if s.later != nil {
		err := s.later
		s.later = nil
		return nil, err
	}
	for {
		if len(s.pending) > 0 {
			d := s.pending[0]
			s.pending = s.pending[1:]
			if len(s.pending) == 0 && s.ending && len(s.after) == 0 {
				s.finished = true
			}
			if err := s.note(d); err != nil {
				return nil, err
			}
			return d, nil
		}
		if len(s.after) > 0 {
			e := s.after[0]
			s.after = s.after[1:]
			if err := s.filter(ctx, e); err != nil {
				return nil, err
			}
			if len(s.pending) == 0 && s.ending && len(s.after) == 0 {
				s.finished = true // the pipeline has left the invalidate out; the stream ends all the same
			}
			continue
		}
		if s.finished {
			return nil, io.EOF
		}
		if s.it == nil && !s.more() {
			return nil, io.EOF
		}
		if s.it == nil {
			s.upTo = s.c.e.st.Visible()
			if first := s.c.e.st.OplogStart(); s.pos.ts+1 < first {
				return nil, mongoerr.New(mongoerr.ChangeStreamHistoryLost, "the change stream has fallen behind the oplog").WithLabels(mongoerr.LabelNonResumableChangeStream)
			}
			it, err := s.c.e.st.Oplog(s.pos.ts, s.pos.seq, s.upTo)
			if err != nil {
				return nil, err
			}
			s.it = it
		}
		if !s.it.Next() {
			err := s.it.Close()
			s.it = nil
			if err != nil {
				return nil, err
			}
			s.pos = position{ts: s.upTo, seq: lastSeq}
			continue
		}
		if err := ctx.Err(); err != nil {
			s.it.Close()
			s.it = nil
			return nil, err
		}
		e := s.it.Entry()
		s.pos = position{ts: e.Time, seq: e.Seq}
		if !s.inScope(e) {
			continue
		}
		if out, err := s.leftOut(e); err != nil {
			return nil, err
		} else if out {
			continue
		}
		if err := s.event(ctx, e); err != nil {
			return nil, err
		}
	}
}

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

// operationTypes are the event names of the oplog's kinds of entries, but for commands, which have many.
var operationTypes = map[string]string{store.OpInsert: "insert", store.OpUpdate: "update", store.OpReplace: "replace", store.OpDelete: "delete"}

// more reports whether there may be entries to read; if there are none it moves the position up to the present.
func (s *changeStream) more() bool {
	visible := s.c.e.st.Visible()
	if s.pos.passed(visible) {
		return false
	}
	if s.pos.passed(s.w.Last()) {
		s.pos = position{ts: visible, seq: lastSeq}
		return false
	}
	return true
}

// Wait gives a channel that receives when there may be more, or says that there is already.
func (s *changeStream) Wait() (<-chan struct{}, bool) {
	if len(s.pending) > 0 || len(s.after) > 0 || s.finished || s.it != nil || s.later != nil {
		return nil, true
	}
	return s.w.Wake(), s.more()
}

// note remembers the token of an event that is given out, and refuses events without one.
func (s *changeStream) note(d bson.Raw) error {
	id := value.Lookup(d, "_id")
	p, err := parseToken(id)
	if err != nil {
		return mongoerr.New(mongoerr.ChangeStreamFatalError, "Encountered an event whose _id field, which contains the resume token, was modified by the pipeline. Modifying the _id field of an event makes it impossible to resume the stream from that point. Only transformations that retain the unmodified _id field are allowed.").WithLabels(mongoerr.LabelNonResumableChangeStream)
	}
	s.shown = p
	return nil
}

// inScope reports whether an entry belongs to what is watched.
func (s *changeStream) inScope(e *store.Entry) bool {
	db, _ := value.Text(e.Lookup("db"))
	name, _ := value.Text(e.Lookup("n"))
	if strings.HasPrefix(name, "system.") || strings.HasPrefix(name, "tmp.agg_out.") && !strings.HasPrefix(s.coll, "tmp.agg_out.") && s.coll != "" {
		return false
	}
	switch {
	case s.cluster:
		return db != "admin" && db != "local" && db != "config"
	case s.coll == "":
		return db == s.db
	}
	return db == s.db && name == s.coll
}

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
	case "drop", "rename":
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
		j, b2 := bsoncore.AppendDocumentElementStart(b, "operationDescription")
		it := value.Over(o)
		for it.Next() {
			if it.Key() != "cmd" {
				b2 = value.Append(b2, it.Key(), it.Value())
			}
		}
		b, _ = bsoncore.AppendDocumentEnd(b2, j)
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

// appendResume writes postBatchResumeToken: behind the last event given out, or behind all that has been read.
func (s *changeStream) appendResume(c *call) {
	p := s.pos
	if len(s.pending) > 0 || len(s.after) > 0 || s.finished {
		p = s.shown
	}
	if p.ts < s.shown.ts || p.ts == s.shown.ts && p.seq < s.shown.seq {
		p = s.shown
	}
	c.out = bsoncore.AppendDocumentElement(c.out, "postBatchResumeToken", p.token(nil))
}
