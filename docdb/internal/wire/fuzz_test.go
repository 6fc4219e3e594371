package wire

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// echo answers every request with {ok: 1}.
type echo struct{ closed chan struct{} }

func (e *echo) Serve(_ context.Context, r *Request, dst []byte) ([]byte, bool) {
	b, _ := bson.Marshal(bson.D{{Key: "ok", Value: 1.0}})
	return append(dst, b...), false
}

func (e *echo) Close() { close(e.closed) }

func message(op uint32, body []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(16+len(body)))
	b = append(b, 1, 0, 0, 0, 0, 0, 0, 0)
	return append(binary.LittleEndian.AppendUint32(b, op), body...)
}

func opMsgOf(flags uint32, sections ...[]byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, flags)
	for _, s := range sections {
		b = append(b, s...)
	}
	return message(opMsg, b)
}

var emptySection = []byte{0, 5, 0, 0, 0, 0}

// FuzzFraming sends bytes to a connection: every one is answered, waited for or closed, and none does harm.
func FuzzFraming(f *testing.F) {
	f.Add(opMsgOf(0, emptySection))
	f.Add(opMsgOf(1<<16, emptySection))
	f.Add(opMsgOf(flagMoreToCome, emptySection))
	f.Add(opMsgOf(flagChecksum, emptySection, []byte{1, 2, 3, 4}))
	f.Add(opMsgOf(0, emptySection, append([]byte{1, 15, 0, 0, 0}, "docs\x00\x05\x00\x00\x00\x00"...)))
	f.Add(message(opQuery, append([]byte{0, 0, 0, 0}, "admin.$cmd\x00\x00\x00\x00\x00\xff\xff\xff\xff\x05\x00\x00\x00\x00"...)))
	f.Add(message(opCompressed, []byte{1, 2, 3}))
	f.Add([]byte{255, 255, 255, 127})
	f.Fuzz(func(t *testing.T, data []byte) {
		e := &echo{closed: make(chan struct{})}
		p := NewPipes(64<<20).New(e, nil)
		p.Write(data)
		p.SetReadDeadline(time.Now().Add(time.Millisecond))
		io.Copy(io.Discard, p)
		p.Close()
		select {
		case <-e.closed:
		case <-time.After(time.Second):
			t.Fatal("the connection does not end")
		}
	})
}

func TestTruncatedAndOversizedMessagesCloseTCP(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{NewClient: func(_, _ net.Addr) Client { return &echo{closed: make(chan struct{})} }}
	go s.Serve(ln)
	defer s.Close()
	for name, b := range map[string][]byte{
		"length too small": {5, 0, 0, 0, 0, 0, 0, 0},
		"length too large": {0, 0, 0, 0x7f},
		"unknown opcode":   message(9, nil),
		"unknown flag":     opMsgOf(1<<5, emptySection),
		"two bodies":       opMsgOf(0, emptySection, emptySection),
		"no body":          opMsgOf(0),
	} {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c.Write(b)
		c.SetReadDeadline(time.Now().Add(2 * time.Second))
		if n, err := c.Read(make([]byte, 10)); err != io.EOF || n != 0 {
			t.Errorf("%s: %d bytes, %v; want the end of the connection", name, n, err)
		}
		c.Close()
	}
	// Two requests in one packet get two answers; one that wants none gets none.
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	one := opMsgOf(0, emptySection)
	c.Write(append(append(append([]byte(nil), one...), opMsgOf(flagMoreToCome, emptySection)...), one...))
	c.SetReadDeadline(time.Now().Add(2 * time.Second))
	want := 2 * (16 + 4 + 1 + 17)
	got, _ := io.ReadAtLeast(c, make([]byte, 1000), want)
	if got != want {
		t.Errorf("%d bytes of answers, want %d", got, want)
	}
}
