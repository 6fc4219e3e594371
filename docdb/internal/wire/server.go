package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"regent/docdb/internal/budget"
)

// Client is the server's side of one connection: its metadata, who it is.
type Client interface {
	// Serve answers a request by appending one document to dst. It must not keep any of the request's bytes. With close the
	// connection ends (after the answer, if there is one).
	Serve(ctx context.Context, r *Request, dst []byte) (reply []byte, close bool)
	// Close is called once, when the connection has ended.
	Close()
}

// firstBuffer is the buffer that a connection begins with, nextBuffer the least when that is too small, keepBuffer the largest that a
// quiet one keeps, freeBuffer the largest that nobody counts. There may be thousands of connections that do nothing but wait in a change
// stream.
const (
	firstBuffer = 512
	nextBuffer  = 4 << 10
	freeBuffer  = 16 << 10
	keepBuffer  = 256 << 10
)

// writeTime is how long a client may take to accept an answer, at least.
const writeTime = 10 * time.Minute

// crowdedTime is how long a client may take to accept each 256 KiB of an answer when there are too many large ones.
const crowdedTime = 2 * time.Second

// guest is a Client that says whether it may be trusted with room and time: one that still has to log in may not.
type guest interface{ Trusted() bool }

// Bounds on connections that still have to log in: the size of a message, and the time for each.
const (
	guestMessage = freeBuffer
	guestTime    = time.Minute
)

// replyIDs are ids of answers; nobody looks at them.
var replyIDs atomic.Uint32

// answer handles one whole message and appends the framed reply, if there is one, to dst.
func answer(ctx context.Context, c Client, r *Request, msg, dst []byte) (out []byte, end bool) {
	if err := r.parse(msg); err != nil {
		return dst, true
	}
	start := len(dst)
	dst = r.beginReply(dst)
	header := len(dst)
	dst, end = c.Serve(ctx, r, dst)
	if r.NoReply || len(dst) == header {
		return dst[:start], end
	}
	return endReply(dst, start, replyIDs.Add(1)), end
}

// Server serves TCP connections until it is closed.
type Server struct {
	// NewClient makes the server's side of a connection.
	NewClient func(remote, local net.Addr) Client
	// MaxConnections bounds the number of open connections; default 10,000. One more is closed at once.
	MaxConnections int
	// MaxBuffered bounds the bytes of what is being received on all connections together, and of what is being answered as much again
	// (beyond freeBuffer for each); default 512 MiB. A connection that would pass it by what it sends is closed. Answers end early or
	// wait (see Request.TakeRoom), and when there are many they must be taken in their stride (crowdedTime); a connection whose answer
	// would pass twice as much is closed.
	MaxBuffered int64
	// MessageTime is how long a message may take to arrive once it has begun; default 2 minutes.
	MessageTime time.Duration

	once               sync.Once
	received, answered *budget.Budget

	mu     sync.Mutex
	conns  map[net.Conn]context.CancelFunc
	lns    map[net.Listener]struct{}
	closed bool
	wg     sync.WaitGroup
}

// Serve accepts connections until the listener or the server is closed.
func (s *Server) Serve(ln net.Listener) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return net.ErrClosed
	}
	if s.lns == nil {
		s.lns, s.conns = map[net.Listener]struct{}{}, map[net.Conn]context.CancelFunc{}
	}
	s.lns[ln] = struct{}{}
	s.mu.Unlock()
	for {
		c, err := ln.Accept()
		if err != nil {
			s.mu.Lock()
			closed := s.closed
			delete(s.lns, ln)
			s.mu.Unlock()
			if closed {
				return nil
			}
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				continue
			}
			return err
		}
		ctx, cancel := context.WithCancel(context.Background())
		limit := s.MaxConnections
		if limit == 0 {
			limit = 10_000
		}
		s.mu.Lock()
		if s.closed || len(s.conns) >= limit {
			s.mu.Unlock()
			cancel()
			c.Close()
			continue
		}
		s.conns[c] = cancel
		s.wg.Add(1)
		s.mu.Unlock()
		go s.run(ctx, cancel, c)
	}
}

func (s *Server) run(ctx context.Context, cancel context.CancelFunc, c net.Conn) {
	client := s.NewClient(c.RemoteAddr(), c.LocalAddr())
	defer s.wg.Done()
	defer func() {
		cancel()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
		c.Close()
		client.Close()
	}()
	if t, ok := c.(*net.TCPConn); ok {
		t.SetNoDelay(true)
		t.SetKeepAlivePeriod(time.Minute)
	}
	s.once.Do(func() {
		most := s.MaxBuffered
		if most == 0 {
			most = 512 << 20
		}
		s.received, s.answered = budget.New(most, most), budget.New(most, 2*most)
	})
	rd := &reader{conn: c, buf: make([]byte, 0, firstBuffer), time: s.MessageTime, room: room{b: s.received, free: freeBuffer}}
	if rd.time == 0 {
		rd.time = 2 * time.Minute
	}
	defer rd.room.give()
	wr := &writer{conn: c, room: room{b: s.answered, free: freeBuffer}}
	defer wr.room.give()
	op := &watched{Context: ctx, cancel: cancel, r: rd}
	g, _ := client.(guest)
	var out []byte
	r := Request{room: &wr.room}
	for ctx.Err() == nil {
		msg, err := rd.message(ctx, g != nil && !g.Trusted())
		if err != nil || ctx.Err() != nil {
			return
		}
		var end bool
		out, end = answer(op, client, &r, msg, out[:0])
		op.stop()
		rd.consume()
		if err := wr.deliver(out); err != nil || end {
			return
		}
		if cap(out) > freeBuffer && (cap(out) > keepBuffer || !s.answered.Ample()) {
			out = nil
			wr.room.give()
		}
	}
}

// reader reads whole messages from a connection.
type reader struct {
	conn net.Conn
	buf  []byte // what has been read
	used int    // the length of the message that was given out

	time time.Duration // for a message to arrive
	room room
}

// errCrowded: the connections together hold too much.
var errCrowded = errors.New("the messages being received and answered are too large together")

// writer writes answers to a connection.
type writer struct {
	conn  net.Conn
	until time.Time // the deadline of short answers
	room  room
}

// deliver writes an answer. A large one takes room until the client has taken it, so the client must not rest when there is little left.
func (w *writer) deliver(out []byte) error {
	if !w.room.settle(cap(out)) {
		return errCrowded
	}
	if len(out) <= freeBuffer {
		if len(out) == 0 {
			return nil
		}
		// Moving a deadline costs as much as the write of a short answer, so it is moved now and then.
		if now := time.Now(); w.until.Sub(now) < writeTime {
			w.until = now.Add(2 * writeTime)
			w.conn.SetWriteDeadline(w.until)
		}
		_, err := w.conn.Write(out)
		return err
	}
	w.until = time.Time{}
	for len(out) > 0 {
		begun, part := time.Now(), out[:min(len(out), keepBuffer)]
		out = out[len(part):]
		for len(part) > 0 {
			now := time.Now()
			w.conn.SetWriteDeadline(now.Add(crowdedTime))
			n, err := w.conn.Write(part)
			part = part[n:]
			if err == nil {
				continue
			}
			within := writeTime
			if w.room.b.Tight() {
				within = crowdedTime
			}
			if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begun) >= within {
				return err
			}
		}
	}
	return nil
}

// message gives the next message, valid until consume. A stranger's message has to be small and to come soon.
func (r *reader) message(ctx context.Context, stranger bool) ([]byte, error) {
	began := false
	within := func(d time.Duration) {
		began = true
		r.conn.SetReadDeadline(time.Now().Add(d))
		if ctx.Err() != nil {
			r.conn.SetReadDeadline(time.Unix(1, 0)) // the server closes
		}
	}
	if stranger {
		within(guestTime)
	}
	for len(r.buf) < 4 {
		if len(r.buf) > 0 && !began {
			within(r.time)
		}
		if err := r.fill(headerSize); err != nil {
			return nil, err
		}
	}
	n, err := messageLength(r.buf)
	if err != nil {
		return nil, err
	}
	if stranger && n > guestMessage {
		return nil, malformed("%d bytes before a login", n)
	}
	if len(r.buf) < n && !began {
		within(r.time)
	}
	if began {
		defer r.conn.SetReadDeadline(time.Time{})
	}
	for len(r.buf) < n {
		if err := r.fill(n); err != nil {
			return nil, err
		}
	}
	r.used = n
	return r.buf[:n], nil
}

// fill reads once, with room for a message of n bytes that grows with what really arrives.
func (r *reader) fill(n int) error {
	if room := cap(r.buf) - len(r.buf); room < n-len(r.buf) && room < 512 {
		size := max(2*cap(r.buf), nextBuffer)
		if size > n {
			size = max(n, nextBuffer)
		}
		if !r.room.take(size) {
			return errCrowded
		}
		b := make([]byte, len(r.buf), size)
		copy(b, r.buf)
		r.buf = b
	}
	m, err := r.conn.Read(r.buf[len(r.buf):cap(r.buf)])
	r.buf = r.buf[:len(r.buf)+m]
	if m > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

func (r *reader) consume() {
	rest := copy(r.buf, r.buf[r.used:])
	r.buf, r.used = r.buf[:rest], 0
	if rest == 0 && cap(r.buf) > freeBuffer && (cap(r.buf) > keepBuffer || !r.room.b.Ample()) {
		r.buf = make([]byte, 0, firstBuffer)
		r.room.give()
	}
}

// watched is the context of a connection's requests, one after the other: the connection's own, which ends, too, when the peer goes
// away. That is noticed only while a command waits (it asks for Done), through a read of a few bytes in the background.
type watched struct {
	context.Context
	cancel  context.CancelFunc
	r       *reader
	mu      sync.Mutex
	stopped chan struct{} // of the read in the background
}

// Done implements context.Context.
func (w *watched) Done() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped == nil {
		w.stopped = make(chan struct{})
		go w.peek(w.stopped)
	}
	return w.Context.Done()
}

// peek reads what comes next, so that the end of the connection is seen. The message being answered must not move, so what
// comes goes to memory of its own.
func (w *watched) peek(stopped chan<- struct{}) {
	defer close(stopped)
	var b [64]byte
	n, err := w.r.conn.Read(b[:])
	if n > 0 {
		w.r.buf = append(w.r.buf[:len(w.r.buf):len(w.r.buf)], b[:n]...)
		return
	}
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		return
	}
	w.cancel()
}

// stop ends the watch after a request has been answered.
func (w *watched) stop() {
	w.mu.Lock()
	stopped := w.stopped
	w.stopped = nil
	w.mu.Unlock()
	if stopped == nil {
		return
	}
	w.r.conn.SetReadDeadline(time.Unix(1, 0))
	<-stopped
	w.r.conn.SetReadDeadline(time.Time{})
}

// Close ends all connections and listeners and waits for what is running.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for ln := range s.lns {
		ln.Close()
	}
	for c, cancel := range s.conns {
		cancel()
		c.SetReadDeadline(time.Unix(1, 0))
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// Connections is the number of open connections.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// isNoReply looks at the flags of an OP_MSG.
func isNoReply(msg []byte) bool {
	return len(msg) >= headerSize+4 && binary.LittleEndian.Uint32(msg[12:]) == opMsg &&
		binary.LittleEndian.Uint32(msg[headerSize:])&flagMoreToCome != 0
}
