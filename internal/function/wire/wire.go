// Package wire is the border between the server and its function hosts: frames
// over a socket pair, and nothing else. Bodies are BSON, so no Go value is
// ever shared and neither side trusts the other's memory.
//
//	┌──────────┬──────┬──────────┬───────────┬──────────────┐
//	│ length 4 │ kind │ call 8   │ op 4      │ body         │   little endian;
//	└──────────┴──────┴──────────┴───────────┴──────────────┘   length counts what follows it
//
// A call is identified by its number; an operation that a call asks for (data,
// HTTP, …) by the call's number and its own. The server attaches identities:
// nothing in a frame from a host says who asks.
package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Kind says what a frame is for.
type Kind byte

// The kinds. S→H is from the server to a host.
const (
	Configure Kind = iota + 1 // S→H first frame: limits of the host
	Ready                     // H→S the host can take calls
	Deploy                    // S→H an app's programs and values
	Undeploy                  // S→H forget a deployment
	Call                      // S→H run a function
	Cancel                    // S→H stop a call, nobody waits for it
	Reply                     // S→H outcome of an operation
	Operation                 // H→S a call asks for data, HTTP, …
	Result                    // H→S outcome of a call
	Log                       // H→S one console line of a call
	Compile                   // S→H check and translate one function (compiler processes only)
	Compiled                  // H→S its outcome
	Bundle                    // S→H bundle the packages of an app (compiler processes only)
	Bundled                   // H→S the bundle
	Overrun                   // H→S a call passed its memory limit and does not stop: end the host; call 0 when it is not known which
)

// MaxBody is the largest body of a frame in bytes: arguments, results and the
// outcome of one operation are each smaller.
const MaxBody = 64 << 20

// ErrTooLarge is returned for bodies above MaxBody; the connection stays usable.
var ErrTooLarge = fmt.Errorf("message larger than %d bytes", MaxBody)

// ErrClosed is returned after Close or the first failure.
var ErrClosed = errors.New("function host connection is closed")

const header = 4 + 1 + 8 + 4

// Frame is one message.
type Frame struct {
	Kind Kind
	Call uint64
	Op   uint32
	Body []byte
}

// Conn sends and receives frames. Send may be used by many goroutines at once,
// Receive by one.
//
// Writes are combined: the first sender writes, and whoever comes meanwhile
// leaves its frame for it, so a busy connection makes few large writes and an
// idle one needs no goroutine hand-over.
type Conn struct {
	rwc io.ReadWriteCloser
	r   *bufio.Reader

	mu      sync.Mutex
	room    sync.Cond // signalled when pending was taken or the connection failed
	pending []byte
	spare   []byte
	writing bool
	err     error
}

// maxPending bounds what waits for a slow reader; senders block above it.
const maxPending = 8 << 20

// NewConn returns a Conn on rwc.
func NewConn(rwc io.ReadWriteCloser) *Conn {
	c := &Conn{rwc: rwc, r: bufio.NewReaderSize(rwc, 64<<10)}
	c.room.L = &c.mu
	return c
}

// Send sends f. It returns once the frame is written or left to a sender that
// is writing now.
func (c *Conn) Send(f Frame) error {
	if len(f.Body) > MaxBody {
		return ErrTooLarge
	}
	c.mu.Lock()
	for c.err == nil && c.writing && len(c.pending) > maxPending {
		c.room.Wait()
	}
	if c.err != nil {
		c.mu.Unlock()
		return ErrClosed
	}
	b := c.pending
	b = binary.LittleEndian.AppendUint32(b, uint32(header-4+len(f.Body)))
	b = append(b, byte(f.Kind))
	b = binary.LittleEndian.AppendUint64(b, f.Call)
	b = binary.LittleEndian.AppendUint32(b, f.Op)
	c.pending = append(b, f.Body...)
	if c.writing {
		c.mu.Unlock()
		return nil
	}
	c.writing = true
	for len(c.pending) > 0 && c.err == nil {
		b, c.pending = c.pending, c.spare[:0]
		c.room.Broadcast()
		c.mu.Unlock()
		_, err := c.rwc.Write(b)
		c.mu.Lock()
		if cap(b) > 1<<20 {
			b = nil
		}
		c.spare = b
		if err != nil && c.err == nil {
			c.err = err
		}
	}
	c.writing = false
	err := c.err
	c.room.Broadcast()
	c.mu.Unlock()
	if err != nil {
		return ErrClosed
	}
	return nil
}

// Receive returns the next frame; its body belongs to the caller.
func (c *Conn) Receive() (Frame, error) {
	var h [header]byte
	if _, err := io.ReadFull(c.r, h[:]); err != nil {
		return Frame{}, err
	}
	n := binary.LittleEndian.Uint32(h[:])
	if n < header-4 || n > header-4+MaxBody {
		return Frame{}, fmt.Errorf("frame of %d bytes: %w", n, ErrTooLarge)
	}
	f := Frame{
		Kind: Kind(h[4]),
		Call: binary.LittleEndian.Uint64(h[5:]),
		Op:   binary.LittleEndian.Uint32(h[13:]),
	}
	f.Body = make([]byte, n-(header-4))
	if _, err := io.ReadFull(c.r, f.Body); err != nil {
		return Frame{}, err
	}
	return f, nil
}

// Close ends the connection; blocked senders and the receiver return.
func (c *Conn) Close() error {
	c.mu.Lock()
	if c.err == nil {
		c.err = ErrClosed
	}
	c.room.Broadcast()
	c.mu.Unlock()
	return c.rwc.Close()
}
