package function

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/caller"
	"regent/internal/function/wire"
)

// socket is one connection that a call opened. Reads hold the lock, so that a
// handshake can wait for one that is under way.
type socket struct {
	conn    net.Conn
	reading sync.Mutex
}

// socketTable holds the sockets that one call opened.
type socketTable struct {
	mu   sync.Mutex
	open map[int32]*socket
	next int32
	over bool
}

func (t *socketTable) add(c net.Conn, limit int) (int32, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return 0, errors.New("the call has ended")
	}
	if len(t.open) >= limit {
		return 0, fmt.Errorf("more than %d open sockets at once in one call", limit)
	}
	if t.open == nil {
		t.open = map[int32]*socket{}
	}
	t.next++
	t.open[t.next] = &socket{conn: c}
	return t.next, nil
}

func (t *socketTable) get(id int32) (*socket, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.open[id]; c != nil {
		return c, nil
	}
	return nil, errors.New("the socket is closed")
}

// current is the socket's connection, which a handshake may have replaced.
func (t *socketTable) current(s *socket) net.Conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	return s.conn
}

func (t *socketTable) replace(s *socket, c net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.conn = c
	if t.over {
		c.Close()
	}
}

func (t *socketTable) close(id int32) {
	t.mu.Lock()
	c := t.open[id]
	delete(t.open, id)
	t.mu.Unlock()
	if c != nil {
		t.current(c).Close()
	}
}

func (t *socketTable) closeAll() {
	t.mu.Lock()
	open := t.open
	t.open, t.over = nil, true
	t.mu.Unlock()
	for _, c := range open {
		t.current(c).Close()
	}
}

func (t *socketTable) reopen() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = false
}

// socketRequest is the argument of every socket operation.
type socketRequest struct {
	ID         int32  `bson:"id"`
	Host       string `bson:"host"`
	Port       int    `bson:"port"`
	TLS        bool   `bson:"tls"`
	ServerName string `bson:"servername"`
	Insecure   bool   `bson:"insecure"`
	Data       []byte `bson:"data"`
}

// socketIdle is how long a socket may be silent.
const socketIdle = 2 * time.Minute

// readSize is the largest piece that one read gives.
const readSize = 64 << 10

// net does one operation on a socket: connect, read, write, starttls, close.
// Addresses are held to the same policy as HTTP.
func (x *execution) net(ctx context.Context, _ caller.Caller, m wire.OperationMessage) (bson.RawValue, error) {
	var q socketRequest
	if err := bson.Unmarshal(m.Argument, &q); err != nil {
		return bson.RawValue{}, visible(err)
	}
	v, err := x.socket(ctx, m.Action, &q)
	if err != nil {
		return v, visible(err)
	}
	return v, nil
}

func (x *execution) socket(ctx context.Context, action string, q *socketRequest) (bson.RawValue, error) {
	switch action {
	case "connect":
		return x.connect(ctx, q)
	case "close":
		x.sockets.close(q.ID)
		return bson.RawValue{}, nil
	}
	s, err := x.sockets.get(q.ID)
	if err != nil {
		return bson.RawValue{}, err
	}
	switch action {
	case "read":
		return x.read(s)
	case "write":
		c := x.sockets.current(s)
		_ = c.SetWriteDeadline(time.Now().Add(socketIdle))
		_, err := c.Write(q.Data)
		return bson.RawValue{}, err
	case "starttls":
		return x.startTLS(ctx, s, q)
	}
	return bson.RawValue{}, fmt.Errorf("no socket operation %s", action)
}

func (x *execution) read(s *socket) (bson.RawValue, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	c := x.sockets.current(s)
	b := make([]byte, readSize)
	_ = c.SetReadDeadline(time.Now().Add(socketIdle))
	n, err := c.Read(b)
	if n > 0 {
		return binaryValue(b[:n]), nil
	}
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		return bson.RawValue{}, nil // null: the end
	}
	return bson.RawValue{}, err
}

// startTLS makes a connection secure. A read that is under way is ended first:
// what comes next belongs to the handshake.
func (x *execution) startTLS(ctx context.Context, s *socket, q *socketRequest) (bson.RawValue, error) {
	c := x.sockets.current(s)
	_ = c.SetReadDeadline(time.Now())
	s.reading.Lock()
	defer s.reading.Unlock()
	_ = c.SetDeadline(time.Time{})
	t := tls.Client(c, &tls.Config{ServerName: q.ServerName, InsecureSkipVerify: q.Insecure})
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		return bson.RawValue{}, err
	}
	x.sockets.replace(s, t)
	return x.describe(t, q.ID), nil
}

func (x *execution) connect(ctx context.Context, q *socketRequest) (bson.RawValue, error) {
	if q.Port < 1 || q.Port > 65535 {
		return bson.RawValue{}, fmt.Errorf("port %d does not exist", q.Port)
	}
	c, err := x.deployment.outbound.dial(ctx, "tcp", net.JoinHostPort(q.Host, strconv.Itoa(q.Port)))
	if err != nil {
		return bson.RawValue{}, err
	}
	if q.TLS {
		name := q.ServerName
		if name == "" {
			name = q.Host
		}
		t := tls.Client(c, &tls.Config{ServerName: name, InsecureSkipVerify: q.Insecure})
		ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
		defer cancel()
		if err := t.HandshakeContext(ctx); err != nil {
			c.Close()
			return bson.RawValue{}, err
		}
		c = t
	}
	id, err := x.sockets.add(c, x.deployment.limits.Sockets)
	if err != nil {
		c.Close()
		return bson.RawValue{}, err
	}
	return x.describe(c, id), nil
}

func (x *execution) describe(c net.Conn, id int32) bson.RawValue {
	host, port, _ := net.SplitHostPort(c.RemoteAddr().String())
	n, _ := strconv.Atoi(port)
	d := bson.D{{Key: "id", Value: id}, {Key: "remoteAddress", Value: host}, {Key: "remotePort", Value: int32(n)}}
	if t, ok := c.(*tls.Conn); ok {
		s := t.ConnectionState()
		d = append(d, bson.E{Key: "protocol", Value: tls.VersionName(s.Version)}, bson.E{Key: "cipher", Value: tls.CipherSuiteName(s.CipherSuite)})
	}
	return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: wire.Marshal(d)}
}

func binaryValue(b []byte) bson.RawValue {
	raw := bson.Raw(wire.Marshal(bson.D{{Key: "v", Value: bson.Binary{Data: b}}}))
	return raw.Lookup("v")
}

// visible marks an error of the network as one that the function may see.
func visible(err error) error {
	return &networkError{err}
}

// networkError is an error of the network, which is the function's to see.
type networkError struct{ err error }

func (e *networkError) Error() string { return e.err.Error() }
func (e *networkError) Unwrap() error { return e.err }

// dns resolves names.
func (x *execution) dns(ctx context.Context, _ caller.Caller, m wire.OperationMessage) (bson.RawValue, error) {
	var q struct {
		Name string `bson:"name"`
	}
	if err := bson.Unmarshal(m.Argument, &q); err != nil {
		return bson.RawValue{}, visible(err)
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	out, err := x.resolve(ctx, m.Action, q.Name)
	if err != nil {
		return bson.RawValue{}, visible(err)
	}
	raw := bson.Raw(wire.Marshal(bson.D{{Key: "v", Value: out}}))
	return raw.Lookup("v"), nil
}

func (x *execution) resolve(ctx context.Context, kind, name string) (bson.A, error) {
	out := bson.A{}
	r := x.deployment.outbound.names
	switch kind {
	case "lookup", "A", "AAAA":
		all, err := x.deployment.outbound.lookup(ctx, name)
		if err != nil {
			return nil, err
		}
		for _, a := range all {
			if kind == "lookup" || a.Is4() == (kind == "A") {
				out = append(out, a.String())
			}
		}
		return out, nil
	case "MX":
		all, err := r.LookupMX(ctx, name)
		if err != nil {
			return nil, err
		}
		for _, m := range all {
			out = append(out, bson.D{{Key: "exchange", Value: trimDot(m.Host)}, {Key: "priority", Value: int32(m.Pref)}})
		}
		return out, nil
	case "TXT":
		all, err := r.LookupTXT(ctx, name)
		if err != nil {
			return nil, err
		}
		for _, t := range all {
			out = append(out, bson.A{t})
		}
		return out, nil
	case "CNAME":
		c, err := r.LookupCNAME(ctx, name)
		if err != nil {
			return nil, err
		}
		return bson.A{trimDot(c)}, nil
	case "NS":
		all, err := r.LookupNS(ctx, name)
		if err != nil {
			return nil, err
		}
		for _, n := range all {
			out = append(out, trimDot(n.Host))
		}
		return out, nil
	case "SRV":
		_, all, err := r.LookupSRV(ctx, "", "", name)
		if err != nil {
			return nil, err
		}
		for _, s := range all {
			out = append(out, bson.D{{Key: "name", Value: trimDot(s.Target)}, {Key: "port", Value: int32(s.Port)}, {Key: "priority", Value: int32(s.Priority)}, {Key: "weight", Value: int32(s.Weight)}})
		}
		return out, nil
	}
	return nil, fmt.Errorf("dns cannot resolve %s records", kind)
}

func trimDot(s string) string {
	if n := len(s); n > 1 && s[n-1] == '.' {
		return s[:n-1]
	}
	return s
}
