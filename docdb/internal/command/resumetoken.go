package command

import (
	"encoding/binary"
	"encoding/hex"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/docdb/internal/mongoerr"
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
