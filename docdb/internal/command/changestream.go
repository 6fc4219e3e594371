package command

import (
	"context"
	"io"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/match"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/stage"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

const lastSeq = 1<<32 - 1

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
