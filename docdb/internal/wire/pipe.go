package wire

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// Pipe is a driver's end of an in-memory connection. There is no goroutine on the other end: a request is answered inside the
// driver's Read, so an operation costs no switch between goroutines. Close and a deadline in the past interrupt what is being
// answered; the answer (an error, then) is there for the next Read.
type Pipe struct {
	client Client

	mu     sync.Mutex
	cond   sync.Cond
	in     []byte // requests that have not been answered
	out    []byte // the answer, from pos on not yet read
	pos    int
	room   *[]byte // where the memory of out came from
	busy   bool
	op     *opContext
	closed bool
	done   bool // client.Close has been called
	read   time.Time
	write  time.Time
	timer  *time.Timer
	req    Request
	onEnd  func(*Pipe)
}

// NewPipe makes a connection to client; onEnd, if not nil, is called once when it has ended.
func NewPipe(client Client, onEnd func(*Pipe)) *Pipe {
	p := &Pipe{client: client, onEnd: onEnd}
	p.cond.L = &p.mu
	return p
}

// Write takes a request, or a part of one. One that wants no answer is run at once.
func (p *Pipe) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, net.ErrClosed
	}
	if !p.write.IsZero() && !time.Now().Before(p.write) {
		return 0, os.ErrDeadlineExceeded
	}
	if p.busy {
		// An interrupted answer is still being made from p.in, which must not move.
		p.in = append(p.in[:len(p.in):len(p.in)], b...)
	} else {
		p.in = append(p.in, b...)
	}
	for !p.busy && p.complete() && isNoReply(p.in) {
		p.serve()
	}
	p.cond.Broadcast()
	return len(b), nil
}

// complete reports whether a whole message is waiting; a malformed one counts.
func (p *Pipe) complete() bool {
	if len(p.in) < 4 {
		return false
	}
	n, err := messageLength(p.in)
	return err != nil || len(p.in) >= n
}

// serve answers the first waiting message; the caller holds mu, which is given up meanwhile.
func (p *Pipe) serve() {
	n, err := messageLength(p.in)
	if err != nil {
		p.closed = true
		p.finish()
		return
	}
	msg := p.in[:n:n]
	op := &opContext{deadline: p.read}
	p.busy, p.op = true, op
	if p.room == nil {
		p.room = answers.Get().(*[]byte)
	}
	out := (*p.room)[:0]
	p.mu.Unlock()
	out, end := answer(op, p.client, &p.req, msg, out)
	op.end()
	p.mu.Lock()
	p.busy, p.op = false, nil
	p.out, p.pos = out, 0
	p.req = Request{}
	rest := copy(p.in, p.in[n:])
	p.in = p.in[:rest]
	if rest == 0 && cap(p.in) > keepBuffer {
		p.in = nil
	}
	if end || p.closed {
		p.closed = true
		p.finish()
	}
	p.cond.Broadcast()
}

// Read gives the answer, making it first if a request is waiting.
func (p *Pipe) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if !p.read.IsZero() && !time.Now().Before(p.read) {
			return 0, os.ErrDeadlineExceeded
		}
		if p.pos < len(p.out) {
			n := copy(b, p.out[p.pos:])
			p.pos += n
			if p.pos == len(p.out) {
				p.giveRoom()
			}
			return n, nil
		}
		if p.closed {
			return 0, io.EOF
		}
		if !p.busy && p.complete() {
			p.serve()
			continue
		}
		p.wakeAt(p.read)
		p.cond.Wait()
	}
}

// answers are buffers for what pipes answer. They are shared because the one that was read last is in the processor's caches.
var answers = sync.Pool{New: func() any { return new([]byte) }}

// giveRoom gives up the buffer of an answer that has been read; the caller holds mu.
func (p *Pipe) giveRoom() {
	if cap(p.out) <= keepBuffer {
		*p.room = p.out[:0]
		answers.Put(p.room)
	}
	p.room, p.out, p.pos = nil, nil, 0
}

// wakeAt wakes whoever waits when the deadline is over; the caller holds mu.
func (p *Pipe) wakeAt(t time.Time) {
	if p.timer != nil || t.IsZero() {
		return
	}
	p.timer = time.AfterFunc(time.Until(t), func() {
		p.mu.Lock()
		p.cond.Broadcast()
		p.mu.Unlock()
	})
}

// Close ends the connection and interrupts what is being answered.
func (p *Pipe) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Stop()
	}
	p.closed = true
	if p.busy {
		p.op.interrupt(context.Canceled)
	} else {
		p.finish()
	}
	p.cond.Broadcast()
	return nil
}

// Wait returns when no request is being answered any more; after Close.
func (p *Pipe) Wait() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.busy {
		p.cond.Wait()
	}
}

// finish closes the other end, once; the caller holds mu.
func (p *Pipe) finish() {
	if p.done {
		return
	}
	p.done = true
	p.in = nil
	p.client.Close()
	if p.onEnd != nil {
		go p.onEnd(p)
	}
}

// LocalAddr and RemoteAddr name the connection.
func (p *Pipe) LocalAddr() net.Addr { return pipeAddr{} }

// RemoteAddr implements net.Conn.
func (p *Pipe) RemoteAddr() net.Addr { return pipeAddr{} }

// SetDeadline implements net.Conn.
func (p *Pipe) SetDeadline(t time.Time) error {
	p.mu.Lock()
	p.write = t
	p.mu.Unlock()
	return p.SetReadDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (p *Pipe) SetReadDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.read = t
	if p.busy {
		p.op.setDeadline(t)
	}
	// Only a Read that waits needs a timer, and it makes one itself.
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	p.cond.Broadcast()
	return nil
}

// SetWriteDeadline implements net.Conn.
func (p *Pipe) SetWriteDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.write = t
	return nil
}

type pipeAddr struct{}

func (pipeAddr) Network() string { return "docdb" }
func (pipeAddr) String() string  { return "docdb:27017" }

// opContext is the context of one request. It makes a channel and a timer only for who waits.
type opContext struct {
	mu       sync.Mutex
	deadline time.Time
	err      error
	done     chan struct{}
	timer    *time.Timer
}

func (o *opContext) Deadline() (time.Time, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.deadline, !o.deadline.IsZero()
}

func (o *opContext) Done() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.done == nil {
		o.done = make(chan struct{})
		if o.err != nil {
			close(o.done)
		}
		o.arm()
	}
	return o.done
}

// arm starts the timer if somebody waits; the caller holds mu.
func (o *opContext) arm() {
	if o.timer != nil {
		o.timer.Stop()
		o.timer = nil
	}
	if o.done != nil && o.err == nil && !o.deadline.IsZero() {
		o.timer = time.AfterFunc(time.Until(o.deadline), func() { o.interrupt(context.DeadlineExceeded) })
	}
}

func (o *opContext) Err() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil && !o.deadline.IsZero() && !time.Now().Before(o.deadline) {
		return context.DeadlineExceeded
	}
	return o.err
}

func (o *opContext) Value(any) any { return nil }

func (o *opContext) setDeadline(t time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.deadline = t
	o.arm()
}

func (o *opContext) interrupt(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return
	}
	o.err = err
	if o.done != nil {
		close(o.done)
	}
}

func (o *opContext) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.timer != nil {
		o.timer.Stop()
	}
}
