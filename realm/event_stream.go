package realm

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// streamEvent is one event of a server-sent event stream.
type streamEvent struct {
	name string // "" means message
	data []byte // unescaped
}

// eventStream reads server-sent events (client-api.md §1.18): lines end in LF
// or CRLF, comments begin with a colon, an empty line ends an event.
type eventStream struct {
	r *bufio.Reader
	// max bounds the data of one event, and one line, in bytes.
	max int64
	// lastID is the "id" of the latest complete event that had one.
	lastID string
	// onLine is called for each line, on comments with true.
	onLine func(comment bool)
}

func newEventStream(r io.Reader, max int64) *eventStream {
	return &eventStream{r: bufio.NewReaderSize(r, 16<<10), max: max, onLine: func(bool) {}}
}

// errEventTooLarge is returned for an event beyond the bound.
var errEventTooLarge = errors.New("event too large")

// next returns the next event that has data. At the end of the stream it is
// io.EOF; an event that the end cut off is dropped.
func (s *eventStream) next() (streamEvent, error) {
	var (
		ev      streamEvent
		id      string
		hasID   bool
		hasData bool
		data    []byte
	)
	for {
		line, err := s.line()
		if err != nil {
			return streamEvent{}, err
		}
		s.onLine(len(line) > 0 && line[0] == ':')
		if len(line) == 0 {
			if hasID {
				s.lastID = id
			}
			if hasData {
				ev.data = unescape(data)
				return ev, nil
			}
			ev, id, hasID = streamEvent{}, "", false
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "event":
			ev.name = string(value)
		case "data":
			if int64(len(data)+len(value)) > s.max {
				return streamEvent{}, fmt.Errorf("%w: more than %d bytes", errEventTooLarge, s.max)
			}
			if hasData {
				data = append(data, '\n')
			}
			data = append(data, value...)
			hasData = true
		case "id":
			if !strings.ContainsFunc(string(value), func(r rune) bool { return r < ' ' || r == 0x7f }) {
				id, hasID = string(value), true
			}
		}
	}
}

// line returns the next line without its end. The bytes are valid until the
// next call.
func (s *eventStream) line() ([]byte, error) {
	var long []byte
	for {
		part, err := s.r.ReadSlice('\n')
		if int64(len(long)+len(part)) > s.max+int64(len("data: \r\n")) {
			return nil, fmt.Errorf("%w: a line of more than %d bytes", errEventTooLarge, s.max)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			long = append(long, part...)
			continue
		}
		if err != nil {
			return nil, err
		}
		if long != nil {
			part = append(long, part...)
		}
		part = part[:len(part)-1]
		return bytes.TrimSuffix(part, []byte("\r")), nil
	}
}

// unescape undoes the server's escaping, which is not URL encoding: %25, %0A
// and %0D stand for percent, line feed and carriage return, and any other
// percent sign stands for itself.
func unescape(data []byte) []byte {
	if !bytes.Contains(data, []byte("%")) {
		return data
	}
	out := make([]byte, 0, len(data))
	for i := 0; i < len(data); i++ {
		if data[i] == '%' && i+2 < len(data) {
			switch string(data[i+1 : i+3]) {
			case "25":
				out = append(out, '%')
				i += 2
				continue
			case "0A", "0a":
				out = append(out, '\n')
				i += 2
				continue
			case "0D", "0d":
				out = append(out, '\r')
				i += 2
				continue
			}
		}
		out = append(out, data[i])
	}
	return out
}
