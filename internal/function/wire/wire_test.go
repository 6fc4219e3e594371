package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"testing"
)

func pair(t *testing.T) (*Conn, *Conn) {
	t.Helper()
	a, b := net.Pipe()
	x, y := NewConn(a), NewConn(b)
	t.Cleanup(func() { x.Close(); y.Close() })
	return x, y
}

// TestManySenders checks that combined writes keep every frame whole and each
// sender's frames in order.
func TestManySenders(t *testing.T) {
	a, b := pair(t)
	const senders, each = 8, 200
	var wg sync.WaitGroup
	for s := range senders {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range each {
				body := bytes.Repeat([]byte{byte(s)}, i*7)
				if err := a.Send(Frame{Kind: Reply, Call: uint64(s), Op: uint32(i), Body: body}); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	next := [senders]uint32{}
	for range senders * each {
		f, err := b.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if f.Kind != Reply || f.Op != next[f.Call] || len(f.Body) != int(f.Op)*7 {
			t.Fatalf("frame %d of sender %d: op %d, %d bytes", next[f.Call], f.Call, f.Op, len(f.Body))
		}
		next[f.Call]++
		for _, x := range f.Body {
			if x != byte(f.Call) {
				t.Fatal("a body holds another's bytes")
			}
		}
	}
	wg.Wait()
}

func TestTooLarge(t *testing.T) {
	a, b := pair(t)
	if err := a.Send(Frame{Body: make([]byte, MaxBody+1)}); !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
	go func() { _ = a.Send(Frame{Kind: Ready}) }()
	if f, err := b.Receive(); err != nil || f.Kind != Ready {
		t.Fatalf("%v %v", f, err)
	}
}

// TestBadLength checks that a length from the other side is not believed.
func TestBadLength(t *testing.T) {
	for _, n := range []uint32{0, 12, header - 4 + MaxBody + 1, 1<<32 - 1} {
		a, b := net.Pipe()
		go func() {
			var h [header]byte
			binary.LittleEndian.PutUint32(h[:], n)
			_, _ = a.Write(h[:])
		}()
		if _, err := NewConn(b).Receive(); err == nil {
			t.Errorf("length %d was accepted", n)
		}
		a.Close()
		b.Close()
	}
}

func TestClosed(t *testing.T) {
	a, b := pair(t)
	b.Close()
	a.Close()
	if err := a.Send(Frame{Kind: Ready}); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if _, err := b.Receive(); err == nil {
		t.Error("received from a closed connection")
	}
}
