package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"regent/docdb/internal/budget"
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
	// What in and out take beyond keepBuffer; hung says that the driver has closed its end and reads no more.
	received, answered room
	hung               bool
	hangUp             context.CancelFunc // of a Write that waits for room
}

// Pipes are what the in-memory connections of a database share.
type Pipes struct{ received, answered *budget.Budget }

// NewPipes has in-memory connections hold at most so many bytes of large requests, and as many of large answers. Who would pass that waits.
func NewPipes(most int64) *Pipes {
	return &Pipes{budget.New(most, 2*most), budget.New(most, 2*most)}
}

// New makes a connection to client; onEnd, if not nil, is called once when it has ended.
func (s *Pipes) New(client Client, onEnd func(*Pipe)) *Pipe {
	p := &Pipe{client: client, onEnd: onEnd, received: room{b: s.received, free: keepBuffer}, answered: room{b: s.answered, free: keepBuffer}}
	p.req.room = &p.answered
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
	if n := len(p.in) + len(b); !p.received.take(n) {
		if err := p.await(n); err != nil {
			return 0, err
		}
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

// await waits until there is room for a request of n bytes; the caller holds mu, which is given up meanwhile.
func (p *Pipe) await(n int) error {
	var c context.Context
	c, p.hangUp = context.WithCancel(context.Background())
	defer p.hangUp()
	if !p.write.IsZero() {
		var done context.CancelFunc
		c, done = context.WithDeadline(c, p.write)
		defer done()
	}
	more := room{b: p.received.b} // an interrupted answer may be made meanwhile, and give back what its request took
	p.mu.Unlock()
	err := more.wait(c, n)
	p.mu.Lock()
	p.received.held += more.held
	switch {
	case p.done || p.hung:
		p.received.give()
		return net.ErrClosed
	case errors.Is(err, context.DeadlineExceeded):
		return os.ErrDeadlineExceeded
	}
	return err
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
	p.answered.settle(cap(out))
	p.req = Request{room: &p.answered}
	rest := copy(p.in, p.in[n:])
	p.in = p.in[:rest]
	if rest == 0 {
		p.received.give()
		if cap(p.in) > keepBuffer {
			p.in = nil
		}
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
	p.answered.give()
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
	p.closed, p.hung = true, true
	if p.hangUp != nil {
		p.hangUp()
	}
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

// finish closes the other end, once, and forgets what nobody will read; the caller holds mu.
func (p *Pipe) finish() {
	if p.hung {
		p.room, p.out, p.pos = nil, nil, 0
		p.answered.give()
	}
	if p.done {
		return
	}
	p.done = true
	p.in = nil
	p.received.give()
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
