// Package wire frames MongoDB's messages: OP_MSG, and the OP_QUERY with which drivers say hello (mongo-engine.md §1.1). A
// connection is a TCP one, served by a goroutine, or an in-memory one, served by whoever reads from it.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// MaxMessageSize is the size of the largest message, as hello announces it.
const MaxMessageSize = 48_000_000

// Overhead is what an answer has besides its document.
const Overhead = headerSize + 5

const (
	headerSize = 16

	opReply      = 1
	opQuery      = 2004
	opCompressed = 2012
	opMsg        = 2013

	flagChecksum        = 1 << 0
	flagMoreToCome      = 1 << 1
	flagExhaustAllowed  = 1 << 16
	requiredFlags       = 0xFFFF
	knownRequired       = flagChecksum | flagMoreToCome
	maxSequencesPerBody = 8
)

// Request is a command as it came. Its bytes are valid until the answer has been made.
type Request struct {
	// Body is the command document. Legacy says that it came as OP_QUERY, in database DB.
	Body   bson.Raw
	Legacy bool
	DB     string
	// Sequences are the document sequences beside the body.
	Sequences []Sequence
	// Size is the length of the whole message; 0 where there was none.
	Size int
	// NoReply says that the sender does not listen.
	NoReply bool

	id   uint32
	seq  [2]Sequence
	room *room // of the answer; nil without a bound
}

// Sequence is a list of documents outside the body, one after the other.
type Sequence struct {
	Name string
	Docs []byte
}

// ErrMalformed marks a message that breaks the framing; the connection has to end.
var ErrMalformed = errors.New("malformed message")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// messageLength gives the length of the message that b begins with.
func messageLength(b []byte) (int, error) {
	n := int(int32(binary.LittleEndian.Uint32(b)))
	if n < headerSize || n > MaxMessageSize {
		return 0, malformed("length %d is not between %d and %d", n, headerSize, MaxMessageSize)
	}
	return n, nil
}

// parse reads a whole message into r.
func (r *Request) parse(msg []byte) error {
	*r = Request{Size: len(msg), room: r.room, id: binary.LittleEndian.Uint32(msg[4:])}
	switch op := binary.LittleEndian.Uint32(msg[12:]); op {
	case opMsg:
		return r.parseMsg(msg[headerSize:])
	case opQuery:
		return r.parseQuery(msg[headerSize:])
	case opCompressed:
		return malformed("OP_COMPRESSED without a compressor agreed on")
	default:
		return malformed("opcode %d", op)
	}
}

func (r *Request) parseMsg(b []byte) error {
	if len(b) < 5 {
		return malformed("OP_MSG of %d bytes", len(b))
	}
	flags := binary.LittleEndian.Uint32(b)
	b = b[4:]
	if unknown := flags & requiredFlags &^ knownRequired; unknown != 0 {
		return malformed("flags %#x", unknown)
	}
	if flags&flagChecksum != 0 {
		if len(b) < 4 {
			return malformed("no checksum")
		}
		b = b[:len(b)-4]
	}
	r.NoReply = flags&flagMoreToCome != 0
	r.Sequences = r.seq[:0]
	for len(b) > 0 {
		kind := b[0]
		b = b[1:]
		if len(b) < 4 {
			return malformed("section is cut off")
		}
		n := int(int32(binary.LittleEndian.Uint32(b)))
		if n < 5 || n > len(b) {
			return malformed("section of %d bytes", n)
		}
		switch kind {
		case 0:
			if r.Body != nil {
				return malformed("two bodies")
			}
			r.Body = bson.Raw(b[:n:n])
		case 1:
			sec := b[4:n]
			z := indexZero(sec)
			if z < 0 {
				return malformed("document sequence without a name")
			}
			if len(r.Sequences) == maxSequencesPerBody {
				return malformed("more than %d document sequences", maxSequencesPerBody)
			}
			s := Sequence{Name: string(sec[:z]), Docs: sec[z+1:]}
			for _, o := range r.Sequences {
				if o.Name == s.Name {
					return malformed("document sequence %q twice", s.Name)
				}
			}
			for d := s.Docs; len(d) > 0; {
				if len(d) < 5 {
					return malformed("document sequence is cut off")
				}
				m := int(int32(binary.LittleEndian.Uint32(d)))
				if m < 5 || m > len(d) {
					return malformed("document of %d bytes in a sequence", m)
				}
				d = d[m:]
			}
			r.Sequences = append(r.Sequences, s)
		default:
			return malformed("section kind %d", kind)
		}
		b = b[n:]
	}
	if r.Body == nil {
		return malformed("no body")
	}
	return nil
}

func (r *Request) parseQuery(b []byte) error {
	if len(b) < 4 {
		return malformed("OP_QUERY of %d bytes", len(b))
	}
	b = b[4:]
	z := indexZero(b)
	if z < 0 || len(b) < z+1+8+5 {
		return malformed("OP_QUERY is cut off")
	}
	ns := string(b[:z])
	b = b[z+9:]
	n := int(int32(binary.LittleEndian.Uint32(b)))
	if n < 5 || n > len(b) {
		return malformed("query of %d bytes", n)
	}
	const suffix = ".$cmd"
	if len(ns) <= len(suffix) || ns[len(ns)-len(suffix):] != suffix {
		return malformed("OP_QUERY on %q: only commands are answered", ns)
	}
	r.Legacy, r.DB, r.Body = true, ns[:len(ns)-len(suffix)], bson.Raw(b[:n:n])
	if q, ok := r.Body.Lookup("$query").DocumentOK(); ok {
		r.Body = q
	}
	return nil
}

func indexZero(b []byte) int {
	for i, c := range b {
		if c == 0 {
			return i
		}
	}
	return -1
}

// beginReply appends the header of an answer to r; endReply completes it after the document has been appended.
func (r *Request) beginReply(dst []byte) []byte {
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, r.id)
	if r.Legacy {
		dst = binary.LittleEndian.AppendUint32(dst, opReply)
		dst = append(dst, 8, 0, 0, 0) // AwaitCapable
		dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
		dst = append(dst, 0, 0, 0, 0)
		return append(dst, 1, 0, 0, 0)
	}
	dst = binary.LittleEndian.AppendUint32(dst, opMsg)
	return append(dst, 0, 0, 0, 0, 0)
}

func endReply(dst []byte, start int, id uint32) []byte {
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start))
	binary.LittleEndian.PutUint32(dst[start+4:], id)
	return dst
}
