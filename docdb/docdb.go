package docdb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/docdb/internal/command"
	"regent/docdb/internal/store"
	"regent/docdb/internal/wire"
)

// ErrLocked is what Open's error is when another process has the folder open.
var ErrLocked = store.ErrLocked

// ErrNeedUser is what Serve's error is for an address that other machines reach while there is no user.
var ErrNeedUser = errors.New("docdb: refusing to listen beyond loopback without a user; make one first")

// ErrClosed is the error of a database that has been closed.
var ErrClosed = errors.New("docdb: the database is closed")

// Options are a database's settings. Zero values mean the defaults.
type Options struct {
	// CacheBytes bounds the caches of disk blocks and of single documents, which grow as they are used; default a sixteenth of the machine's memory (or of what its
	// control group allows), at least 64 MiB and at most 512 MiB.
	CacheBytes int64
	// OplogBytes and OplogAge bound the history that change streams resume from; default 1 GiB and 7 days.
	OplogBytes int64
	OplogAge   time.Duration
	// MaxConnections bounds the connections of Serve; default 10,000. MessageTime is how long a message may take to arrive; default 2 minutes.
	MaxConnections int
	MessageTime    time.Duration
	// MaxBuffered bounds the bytes of large messages that the connections of Serve receive at the same time, those that they answer with,
	// and both again for the connections in memory. Beyond it batches are smaller and who asks for a single large document waits, and so does
	// who sends one in memory; over TCP such a connection ends. Default a sixteenth of the machine's memory (or of what its control group
	// allows), at least 64 MiB and at most 512 MiB.
	MaxBuffered int64
	// QueryBytes bounds what sorts, groups and other stages hold in memory, of all queries together. Beyond it those that can use temporary
	// files long before their own limit of 100 MiB, and others fail with 146 ExceededMemoryLimit. Default an eighth of the machine's
	// memory, at least 128 MiB and at most 1 GiB.
	QueryBytes int64
	// MaxCursors and MaxSessions bound what is open; default 10,000 and 100,000.
	MaxCursors, MaxSessions int
	// ReserveBytes is the room on the disk below which inserts and updates are refused with OutOfDiskSpace (14031) until there is more;
	// default a twentieth of the disk, at least 96 MiB (a quarter of a disk of less than 384 MiB) and at most 256 MiB; negative for none.
	ReserveBytes int64
	// TestCommands enables the command configureFailPoint.
	TestCommands bool
	// TTLInterval is how often expired documents are removed; default 60 seconds.
	TTLInterval time.Duration
	// TransactionTimeout aborts transactions that last longer; default 60 seconds.
	TransactionTimeout time.Duration
	// TempDir is where large sorts and groups spill to; default a folder inside the database's.
	TempDir string
	// Log is told of errors in the background; default none.
	Log func(format string, args ...any)
	// Now is the clock, for tests; default time.Now.
	Now func() time.Time

	// fs is the file system, for tests.
	fs vfs.FS
	// sortBytes bounds what a sort or a group holds in memory, for tests.
	sortBytes int
	// memtableBytes is how much is written before it goes to a data file, for tests.
	memtableBytes uint64
	// transactionsBytes bounds the writes of all open transactions, with their change events.
	transactionsBytes int64
}

// Bounds of what is buffered and of what queries hold, and the parts of the memory that they are by default.
const (
	bufferedPart, minBuffered, maxBuffered = 16, 64 << 20, 512 << 20
	queryPart, minQuery, maxQuery          = 8, 128 << 20, 1 << 30
)

// memory sets the bounds that depend on the machine's memory.
func (o *Options) memory() {
	_, usable := store.Memory()
	if o.MaxBuffered == 0 {
		o.MaxBuffered = min(max(usable/bufferedPart, minBuffered), maxBuffered)
	}
	if o.QueryBytes == 0 {
		o.QueryBytes = min(max(usable/queryPart, minQuery), maxQuery)
	}
	if o.transactionsBytes == 0 {
		o.transactionsBytes = 2 * min(max(usable/queryPart, minQuery), maxQuery)
	}
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	dir    string
	opts   Options
	st     *store.Store
	engine *command.Engine
	server wire.Server
	wires  *wire.Pipes

	mu     sync.Mutex
	closed bool
	pipes  map[*wire.Pipe]struct{}
}

// Open opens the database in a folder, and makes both if they are not there. It fails with ErrLocked when another process has it.
func Open(dir string, opts Options) (*DB, error) {
	opts.memory()
	st, err := store.Open(dir, command.Language{Now: opts.Now}, store.Options{
		CacheBytes: opts.CacheBytes, OplogBytes: opts.OplogBytes, OplogAge: opts.OplogAge, Now: opts.Now, Log: opts.Log,
		ReserveBytes: opts.ReserveBytes, TransactionsBytes: opts.transactionsBytes, MemtableBytes: opts.memtableBytes, FS: opts.fs,
	})
	if err != nil {
		return nil, err
	}
	temp := opts.TempDir
	if temp == "" {
		temp = filepath.Join(dir, "tmp")
		os.RemoveAll(temp)
		if err := os.MkdirAll(temp, 0o700); err != nil {
			st.Close()
			return nil, fmt.Errorf("docdb: folder %s: %w", dir, err)
		}
	}
	db := &DB{dir: dir, opts: opts, st: st, pipes: map[*wire.Pipe]struct{}{}}
	db.engine = command.New(st, command.Options{
		Now: opts.Now, Log: opts.Log, TestCommands: opts.TestCommands, TTLInterval: opts.TTLInterval, TransactionTimeout: opts.TransactionTimeout, TempDir: temp,
		MaxCursors: opts.MaxCursors, MaxSessions: opts.MaxSessions, MaxConnections: opts.MaxConnections, SortBytes: opts.sortBytes, QueryBytes: opts.QueryBytes,
	})
	db.server.MaxConnections, db.server.MaxBuffered, db.server.MessageTime = opts.MaxConnections, opts.MaxBuffered, opts.MessageTime
	db.wires = wire.NewPipes(opts.MaxBuffered)
	db.server.NewClient = func(remote, local net.Addr) wire.Client {
		return db.engine.NewClient(remote, false, local.String())
	}
	return db, nil
}

// Close ends all connections, in memory and over TCP, and closes the folder.
func (db *DB) Close() error {
	db.mu.Lock()
	if db.closed {
		db.mu.Unlock()
		return nil
	}
	db.closed = true
	pipes := db.pipes
	db.pipes = nil
	db.mu.Unlock()
	db.engine.Stop()
	for p := range pipes {
		p.Close()
	}
	for p := range pipes {
		p.Wait()
	}
	db.server.Close()
	db.engine.Close()
	return db.st.Close()
}

// Dialer is the ContextDialer of an in-memory client; see ClientOptions.
type Dialer struct{ db *DB }

// Dialer makes connections to the database in memory, whatever address they are asked for. They need no login.
func (db *DB) Dialer() *Dialer { return &Dialer{db} }

// DialContext implements options.ContextDialer.
func (d *Dialer) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	db := d.db
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return nil, ErrClosed
	}
	p := db.wires.New(db.engine.NewClient(nil, true, ""), func(p *wire.Pipe) {
		db.mu.Lock()
		delete(db.pipes, p)
		db.mu.Unlock()
	})
	db.pipes[p] = struct{}{}
	return p, nil
}

// ClientOptions are options with which mongo.Connect reaches the database in memory.
func (db *DB) ClientOptions() *options.ClientOptions {
	return options.Client().ApplyURI("mongodb://docdb:27017/?directConnection=true").SetDialer(db.Dialer())
}

// Serve answers drivers that connect to a listener, until the listener or the database is closed. A listener that other machines reach is
// refused with ErrNeedUser as long as there is no user (see CreateUser); with a user, every connection has to log in.
func (db *DB) Serve(ln net.Listener) error {
	if err := db.MayServe(ln.Addr()); err != nil {
		ln.Close()
		return err
	}
	return db.server.Serve(ln)
}

// MayServe says whether Serve would refuse an address, which a program may want to know before it says that it listens there.
func (db *DB) MayServe(addr net.Addr) error {
	if loopback(addr) {
		return nil
	}
	any, err := db.engine.HasUsers()
	if err == nil && !any {
		err = fmt.Errorf("%w (%s)", ErrNeedUser, addr)
	}
	return err
}

func loopback(a net.Addr) bool {
	switch t := a.(type) {
	case *net.TCPAddr:
		return t.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	}
	return false
}

// CreateUser makes a user of database admin, or gives the present one a new password. From the first user on, TCP connections log in.
func (db *DB) CreateUser(name, password string) error {
	return db.engine.MakeUser("admin", name, password, []any{rootRole}, nil)
}
