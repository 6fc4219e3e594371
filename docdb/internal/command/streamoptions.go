package command

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// streamOption is a field of $changeStream. Those that say where the stream starts exclude each other.
type streamOption struct {
	Documented
	values []string // what a text may be
	starts bool
	read   func(s *changeStream, o *streamOption, v bson.RawValue) error
}

var streamOptions = []streamOption{
	{Documented: Documented{Name: "fullDocument", Help: "the document beside an update, as it is now (updateLookup) or was then (whenAvailable, required)"},
		values: []string{"default", "updateLookup", "whenAvailable", "required"}, read: func(s *changeStream, o *streamOption, v bson.RawValue) error { return o.text(v, &s.fullDocument) }},
	{Documented: Documented{Name: "fullDocumentBeforeChange", Help: "the document before the change, where the collection keeps images"},
		values: []string{"off", "whenAvailable", "required"}, read: func(s *changeStream, o *streamOption, v bson.RawValue) error { return o.text(v, &s.before) }},
	{Documented: Documented{Name: "resumeAfter", Help: "goes on behind an event"}, starts: true, read: (*changeStream).resumeAt},
	{Documented: Documented{Name: "startAfter", Help: "goes on behind an event, an invalidate too"}, starts: true, read: (*changeStream).resumeAt},
	{Documented: Documented{Name: "startAtOperationTime", Help: "starts at a time of the oplog"}, starts: true, read: (*changeStream).startAt},
	{Documented: Documented{Name: "allChangesForCluster", Help: "every database, on admin"}, read: func(s *changeStream, o *streamOption, v bson.RawValue) error { return o.flag(v, &s.cluster) }},
	{Documented: Documented{Name: "showExpandedEvents", Help: "create, createIndexes, dropIndexes, modify, too"}, read: func(s *changeStream, o *streamOption, v bson.RawValue) error { return o.flag(v, &s.expanded) }},
	{Documented: Documented{Name: "showMigrationEvents", Refused: true}},
	{Documented: Documented{Name: "showSystemEvents", Refused: true}},
	{Documented: Documented{Name: "allowToRunOnConfigDB", Refused: true}},
	{Documented: Documented{Name: "allowToRunOnSystemNS", Refused: true}},
}

// StreamOptions are the fields of $changeStream.
func StreamOptions() []Documented {
	var list []Documented
	for _, o := range streamOptions {
		d := o.Documented
		if o.values != nil {
			d.Help += ": " + strings.Join(o.values, ", ")
		}
		list = append(list, d)
	}
	return list
}

func (o *streamOption) text(v bson.RawValue, to *string) error {
	t, ok := value.Text(v)
	if !ok {
		return wrongType("$changeStream."+o.Name, v, textValue)
	}
	i := slices.Index(o.values, t)
	if i < 0 {
		return mongoerr.New(mongoerr.BadValue, "Enumeration value '%s' for field '$changeStream.%s' is not a valid value.", t, o.Name)
	}
	*to = o.values[i]
	return nil
}

func (o *streamOption) flag(v bson.RawValue, to *bool) error {
	if !flag.accepts(v) {
		return wrongType("$changeStream."+o.Name, v, flag)
	}
	*to = value.Truthy(v)
	return nil
}

// resumeAt takes a token.
func (s *changeStream) resumeAt(o *streamOption, v bson.RawValue) (err error) {
	if s.pos, err = parseToken(v); err != nil {
		return err
	}
	if s.pos.ts == 0 {
		s.pos.ts = 1
	}
	if o.Name == "resumeAfter" && s.pos.invalidate {
		return mongoerr.New(mongoerr.InvalidResumeToken, "Attempting to resume a change stream using 'resumeAfter' is not allowed from an invalidate notification.")
	}
	return nil
}

// startAt takes a time.
func (s *changeStream) startAt(o *streamOption, v bson.RawValue) error {
	if v.Type != bson.TypeTimestamp {
		return mongoerr.New(mongoerr.TypeMismatch, "BSON field '$changeStream.%s' is the wrong type '%s', expected type 'timestamp'", o.Name, value.TypeName(v.Type))
	}
	t, i := v.Timestamp()
	ts := uint64(t)<<32 | uint64(i)
	s.pos = position{ts: max(ts, 2) - 1, seq: lastSeq}
	return nil
}
