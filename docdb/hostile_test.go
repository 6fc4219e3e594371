package docdb_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/docdb"
)

// listen serves a new database on loopback.
func listen(t *testing.T, o docdb.Options) (*docdb.DB, string) {
	t.Helper()
	db, err := docdb.Open(t.TempDir(), o)
	must(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	done := make(chan error, 1)
	go func() { done <- db.Serve(ln) }()
	t.Cleanup(func() {
		must(t, db.Close())
		<-done
	})
	return db, ln.Addr().String()
}

// CloseWrite says that the client sends no more.
func (r rawConn) CloseWrite() { r.Conn.(*net.TCPConn).CloseWrite() }

func tcp(t *testing.T, addr string) rawConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(30 * time.Second))
	return rawConn{c}
}

// ended reports whether the server has closed a connection.
func ended(c net.Conn) bool {
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	_, err := c.Read(make([]byte, 1))
	var ne net.Error
	return err != nil && !(errors.As(err, &ne) && ne.Timeout())
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestHostileClient does what a client must not do, over TCP: the server closes the connection or answers with an error, its memory stays
// within bounds, and an honest client is served meanwhile.
func TestHostileClient(t *testing.T) {
	_, addr := listen(t, docdb.Options{MessageTime: 300 * time.Millisecond, MaxBuffered: 32 << 20, MaxConnections: 300, MaxCursors: 50, MaxSessions: 50})
	honest := tcp(t, addr)
	honest.run(t, "app", bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "_id", Value: 2}}}}})
	before := heap()
	stillServes := func(t *testing.T) {
		t.Helper()
		honest.SetDeadline(time.Now().Add(30 * time.Second))
		if n := honest.run(t, "app", bson.D{{Key: "count", Value: "c"}}).Lookup("n").AsInt64(); n < 1 {
			t.Fatal(n)
		}
		grown := heap() - before
		for wait := 0; grown > 96<<20 && wait < 200; wait++ { // what was being answered is let go of
			time.Sleep(50 * time.Millisecond)
			grown = heap() - before
		}
		if grown > 96<<20 {
			t.Fatalf("%d MiB more are held", grown>>20)
		}
	}
	head := func(n uint32, op uint32) []byte {
		b := binary.LittleEndian.AppendUint32(nil, n)
		b = append(b, 1, 0, 0, 0, 0, 0, 0, 0)
		return binary.LittleEndian.AppendUint32(b, op)
	}

	t.Run("half a message", func(t *testing.T) {
		for _, b := range [][]byte{{1}, head(1000, 2013), append(head(1000, 2013), make([]byte, 500)...)} {
			c := tcp(t, addr)
			c.Write(b)
			if !ended(c) {
				t.Errorf("%d bytes: the server waits for the rest", len(b))
			}
		}
		stillServes(t)
	})
	t.Run("a byte at a time", func(t *testing.T) {
		c := tcp(t, addr)
		body, _ := bson.Marshal(bson.D{{Key: "ping", Value: 1}, {Key: "$db", Value: "admin"}})
		for _, b := range opMsg(body, 0) {
			if _, err := c.Write([]byte{b}); err != nil {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		if !ended(c) {
			t.Error("the server waits for as long as the client likes")
		}
		stillServes(t)
	})
	t.Run("large messages on many connections", func(t *testing.T) {
		for i := 0; i < 20; i++ {
			c := tcp(t, addr)
			c.Write(head(48_000_000, 2013))
			c.Write(make([]byte, 4<<20))
		}
		stillServes(t)
	})
	t.Run("a length without a message", func(t *testing.T) {
		for _, n := range []uint32{0, 15, 48_000_001, 1 << 31, 1<<32 - 1} {
			c := tcp(t, addr)
			c.Write(head(n, 2013))
			if !ended(c) {
				t.Errorf("length %d is waited for", n)
			}
		}
		stillServes(t)
	})
	t.Run("noise", func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		ops := []uint32{2013, 2004, 2012, 2010, 1, 0, 2001, 2002, 2005, 2006, 2007}
		body, _ := bson.Marshal(bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: bson.D{{Key: "a", Value: bson.D{{Key: "$gt", Value: 1}}}}}, {Key: "$db", Value: "app"}})
		for i := 0; i < 150; i++ {
			c := tcp(t, addr)
			b := make([]byte, r.IntN(300))
			for k := range b {
				b[k] = byte(r.Uint32())
			}
			b = append(head(uint32(16+len(b)), ops[r.IntN(len(ops))]), b...)
			if i%2 == 0 { // a command with some of its bytes changed
				b = opMsg(body, 0)
				for range 1 + r.IntN(6) {
					b[16+r.IntN(len(b)-16)] = byte(r.Uint32())
				}
			}
			c.Write(b)
			c.CloseWrite()
			// What it answers does not matter, but it must come to an end.
			if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%x is waited for", b)
			}
		}
		stillServes(t)
	})
	t.Run("answers that nobody reads", func(t *testing.T) {
		for i := range 24 {
			honest.run(t, "app", bson.D{{Key: "insert", Value: "large"}, {Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: i}, {Key: "s", Value: strings.Repeat("x", 1<<20)}}}}})
		}
		ask, _ := bson.Marshal(bson.D{{Key: "find", Value: "large"}, {Key: "batchSize", Value: 1000}, {Key: "singleBatch", Value: true}, {Key: "$db", Value: "app"}})
		var idle []rawConn
		for range 30 {
			c := tcp(t, addr)
			idle = append(idle, c)
			for range 20 {
				c.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
				if _, err := c.Write(opMsg(ask, 0)); err != nil {
					break
				}
			}
		}
		for _, c := range idle {
			c.Read(make([]byte, 1)) // the first answer is on its way, or has been given up
		}
		stillServes(t)
	})
	t.Run("compressed", func(t *testing.T) {
		// OP_COMPRESSED that was not agreed on, and says that it holds two gigabytes.
		b := binary.LittleEndian.AppendUint32(nil, 2013)
		b = binary.LittleEndian.AppendUint32(b, 1<<31-1)
		b = append(b, 2)
		b = append(b, make([]byte, 100)...)
		c := tcp(t, addr)
		c.Write(append(head(uint32(16+len(b)), 2012), b...))
		if !ended(c) {
			t.Error("the connection goes on")
		}
		stillServes(t)
	})
	t.Run("deep nesting", func(t *testing.T) {
		for _, depth := range []int{90, 120, 5000, 100_000} {
			doc := []byte{5, 0, 0, 0, 0}
			for i := 0; i < depth && len(doc) < 15<<20; i++ {
				d := binary.LittleEndian.AppendUint32(nil, uint32(len(doc)+4+1+2+1))
				d = append(append(append(d, 3, 'a', 0), doc...), 0)
				doc = d
				if depth > 5000 && i > 9000 {
					break
				}
			}
			for _, cmd := range []bson.D{
				{{Key: "insert", Value: "deep"}, {Key: "documents", Value: bson.A{bson.Raw(doc)}}},
				{{Key: "find", Value: "c"}, {Key: "filter", Value: bson.D{{Key: "x", Value: bson.Raw(doc)}}}},
				{{Key: "aggregate", Value: "c"}, {Key: "pipeline", Value: bson.A{bson.D{{Key: "$project", Value: bson.D{{Key: "x", Value: bson.D{{Key: "$literal", Value: bson.Raw(doc)}}}}}}}}, {Key: "cursor", Value: bson.D{}}},
			} {
				c := tcp(t, addr)
				r, err := c.exchange("app", cmd)
				if err != nil {
					t.Fatalf("depth %d: %v", depth, err)
				}
				code, _ := answerCode(r)
				if depth > 200 && code == 0 {
					t.Errorf("depth %d: %s", depth, r)
				}
			}
		}
		stillServes(t)
	})
	t.Run("cursors", func(t *testing.T) {
		c := tcp(t, addr)
		refused := 0
		for i := 0; i < 100; i++ {
			if n := c.code(t, "app", bson.D{{Key: "find", Value: "c"}, {Key: "batchSize", Value: 1}}); n != 0 {
				refused++
			}
		}
		if refused != 50 {
			t.Errorf("%d of 100 cursors are refused, want 50", refused)
		}
		stillServes(t)
	})
	t.Run("sessions", func(t *testing.T) {
		c := tcp(t, addr)
		refused := 0
		for i := 0; i < 100; i++ {
			id := binary.BigEndian.AppendUint64(make([]byte, 8), uint64(i))
			if n := c.code(t, "app", bson.D{{Key: "count", Value: "c"}, {Key: "lsid", Value: bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: id}}}}}); n == 261 {
				refused++
			}
		}
		if refused != 50 {
			t.Errorf("%d of 100 sessions are refused, want 50", refused)
		}
		stillServes(t)
	})
	t.Run("connections", func(t *testing.T) {
		n := 0
		for i := 0; i < 400; i++ {
			c, err := net.DialTimeout("tcp", addr, 5*time.Second)
			if err != nil {
				break
			}
			defer c.Close()
			c.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
			if _, err := c.Read(make([]byte, 1)); errors.Is(err, io.EOF) || strings.Contains(fmt.Sprint(err), "reset") {
				n++
			}
		}
		if n < 50 {
			t.Errorf("%d of 400 connections are refused", n)
		}
		stillServes(t)
	})
}

// TestStrangers connects to a server that has a user, without logging in.
func TestStrangers(t *testing.T) {
	db, addr := listen(t, docdb.Options{MaxSessions: 3})
	must(t, db.CreateUser("ann", "secret"))
	for _, cmd := range []bson.D{
		{{Key: "find", Value: "c"}}, {{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{}}}}, {{Key: "listDatabases", Value: 1}}, {{Key: "serverStatus", Value: 1}},
		{{Key: "usersInfo", Value: 1}}, {{Key: "createUser", Value: "eve"}, {Key: "pwd", Value: "x"}, {Key: "roles", Value: bson.A{}}}, {{Key: "getParameter", Value: "*"}}, {{Key: "hostInfo", Value: 1}},
		{{Key: "killAllSessions", Value: bson.A{}}}, {{Key: "getMore", Value: int64(1)}, {Key: "collection", Value: "c"}}, {{Key: "listCommands", Value: 1}}, {{Key: "explain", Value: bson.D{{Key: "find", Value: "c"}}}},
		{{Key: "endSessions", Value: bson.A{}}}, {{Key: "startSession", Value: 1}}, {{Key: "getLog", Value: "global"}}, {{Key: "commitTransaction", Value: 1}},
	} {
		if code := tcp(t, addr).code(t, "admin", cmd); code != 13 {
			t.Errorf("%s without a login: code %d", cmd[0].Key, code)
		}
	}
	for _, name := range []string{"hello", "isMaster", "ping", "buildInfo", "connectionStatus", "whatsmyuri", "logout"} {
		tcp(t, addr).run(t, "admin", bson.D{{Key: name, Value: 1}})
	}
	// Sessions of strangers do not fill the table.
	c := tcp(t, addr)
	for i := 0; i < 20; i++ {
		id := binary.BigEndian.AppendUint64(make([]byte, 8), uint64(i))
		c.run(t, "admin", bson.D{{Key: "ping", Value: 1}, {Key: "lsid", Value: bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: id}}}}})
	}
	if s := db.Stats().Sessions; s != 0 {
		t.Errorf("strangers have %d sessions", s)
	}
	// Nor do their messages take room.
	c.Write(opMsg(make([]byte, 100<<10), 0)[:200])
	if !ended(c) {
		t.Error("a stranger's large message is received")
	}
	// A wrong password and an unknown user get the same answer, and the longer they try the longer it takes.
	login := func(user, password string) error {
		client, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + addr + "/?directConnection=true").SetAuth(options.Credential{Username: user, Password: password}))
		must(t, err)
		defer client.Disconnect(ctx(t))
		return client.Database("app").RunCommand(ctx(t), bson.D{{Key: "count", Value: "c"}}).Err()
	}
	must(t, login("ann", "secret"))
	wrong, unknown := login("ann", "guess"), login("bob", "guess")
	if wrong == nil || unknown == nil || !strings.Contains(wrong.Error(), "Authentication failed") || wrong.Error() != unknown.Error() {
		t.Errorf("%v\n%v", wrong, unknown)
	}
	start := time.Now()
	for i := 0; i < 2; i++ {
		login("ann", "guess")
	}
	if d := time.Since(start); d < 400*time.Millisecond {
		t.Errorf("the third and fourth wrong passwords are answered within %v", d)
	}
	must(t, login("ann", "secret"))
}

// TestBeyondLoopback listens where other machines reach.
func TestBeyondLoopback(t *testing.T) {
	db, _ := open(t)
	ln, err := net.Listen("tcp", "0.0.0.0:0")
	must(t, err)
	if err := db.Serve(ln); !errors.Is(err, docdb.ErrNeedUser) {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp", ln.Addr().String()); err == nil {
		t.Fatal("the listener is open")
	}
	must(t, db.CreateUser("ann", "secret"))
	ln, err = net.Listen("tcp", "0.0.0.0:0")
	must(t, err)
	go db.Serve(ln)
	if code := tcp(t, fmt.Sprintf("127.0.0.1:%d", ln.Addr().(*net.TCPAddr).Port)).code(t, "app", bson.D{{Key: "count", Value: "c"}}); code != 13 {
		t.Fatal(code)
	}
}
