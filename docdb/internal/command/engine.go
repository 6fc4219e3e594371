package command

import (
	"context"
	"crypto/rand"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/budget"
	"regent/docdb/internal/store"
	"regent/docdb/internal/wire"
)

// Version is the MongoDB version whose behaviour is claimed.
const (
	Version      = "8.0.4"
	versionMajor = 8
	versionPatch = 4
	maxWire      = 25
)

// SetName is the name of the replica set whose only member this is.
const SetName = "docdb"

// Options are an engine's settings. Zero values mean the defaults.
type Options struct {
	// Now is the clock; default time.Now.
	Now func() time.Time
	// CursorTimeout ends cursors that nobody asks outside sessions; default 10 minutes.
	CursorTimeout time.Duration
	// SessionTimeout ends sessions that nobody uses; default 30 minutes.
	SessionTimeout time.Duration
	// TransactionTimeout aborts transactions that last longer; default 60 seconds.
	TransactionTimeout time.Duration
	// TTLInterval is how often expired documents are removed; default 60 seconds.
	TTLInterval time.Duration
	// MaxCursors bounds the open cursors; default 10,000.
	MaxCursors int
	// MaxSessions bounds the sessions; default 100,000.
	MaxSessions int
	// MaxConnections is how many connections the server takes, for serverStatus; default 10,000.
	MaxConnections int
	// SortBytes bounds what a sort without an index holds in memory; default 100 MiB.
	SortBytes int
	// QueryBytes bounds what the stages of all queries hold together; default 512 MiB.
	QueryBytes int64
	// TempDir is where sorts and groups spill to; default the system's.
	TempDir string
	// TestCommands enables configureFailPoint.
	TestCommands bool
	// Log is told of background errors.
	Log func(format string, args ...any)
}

func (o *Options) defaults() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.CursorTimeout == 0 {
		o.CursorTimeout = 10 * time.Minute
	}
	if o.SessionTimeout == 0 {
		o.SessionTimeout = 30 * time.Minute
	}
	if o.TransactionTimeout == 0 {
		o.TransactionTimeout = 60 * time.Second
	}
	if o.TTLInterval == 0 {
		o.TTLInterval = 60 * time.Second
	}
	if o.MaxCursors == 0 {
		o.MaxCursors = 10_000
	}
	if o.MaxSessions == 0 {
		o.MaxSessions = 100_000
	}
	if o.MaxConnections == 0 {
		o.MaxConnections = 10_000
	}
	if o.SortBytes == 0 {
		o.SortBytes = 100 << 20
	}
	if o.QueryBytes == 0 {
		o.QueryBytes = 512 << 20
	}
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
}

// Engine answers commands. It is safe for concurrent use.
type Engine struct {
	st       *store.Store
	opts     Options
	table    []Command
	commands map[string]*Command
	// pointArgs are the arguments of find that findPoint knows.
	pointArgs uint64
	started   time.Time
	process   bson.ObjectID
	// host is the address that hello names.
	host string

	sessions sessions
	cursors  cursors
	ops      counters
	fail     failpoints
	auth     authState
	conns    atomic.Int64
	connID   atomic.Int32
	nextOp   atomic.Int32
	clients  sync.Map // of *client: the connections
	// memory is what queries hold: the rows of their stages, and documents between two batches.
	memory *budget.Budget

	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// New makes an engine over a store. Close it before the store.
func New(st *store.Store, opts Options) *Engine {
	opts.defaults()
	e := &Engine{st: st, opts: opts, started: opts.Now(), process: bson.NewObjectID(), host: "docdb:27017"}
	e.commands = map[string]*Command{}
	e.table = Commands()
	for i := range e.table {
		c := &e.table[i]
		e.commands[c.Name] = c
		for _, a := range c.Aliases {
			e.commands[a] = c
		}
	}
	e.pointArgs = e.commands["find"].bits("filter", "sort", "projection", "skip", "limit", "batchSize", "singleBatch")
	e.memory = budget.New(opts.QueryBytes, opts.QueryBytes+opts.QueryBytes/2)
	e.sessions.init(e)
	e.cursors.init(e)
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.done.Add(1)
	go e.background()
	return e
}

// Stop interrupts the commands that wait; new ones are refused.
func (e *Engine) Stop() { e.cancel() }

// Close ends cursors, sessions and transactions. Commands that run are interrupted.
func (e *Engine) Close() {
	e.cancel()
	e.done.Wait()
	e.sessions.close()
	e.cursors.closeAll()
}

// NewClient makes the server's side of a connection. A local client is in this process and needs no login.
func (e *Engine) NewClient(remote net.Addr, local bool, host string) wire.Client {
	e.conns.Add(1)
	c := &client{e: e, id: e.connID.Add(1), local: local, host: host}
	e.clients.Store(c, nil)
	if remote != nil {
		c.remote = remote.String()
	}
	return c
}

// background ends what has been idle for too long.
func (e *Engine) background() {
	defer e.done.Done()
	sweep := time.NewTicker(time.Second)
	ttl := time.NewTicker(e.opts.TTLInterval)
	defer sweep.Stop()
	defer ttl.Stop()
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-sweep.C:
			e.sessions.sweep()
			e.cursors.sweep()
		case <-ttl.C:
			if err := e.expireDocuments(e.ctx); err != nil {
				e.opts.Log("docdb: removing expired documents: %v", err)
			}
		}
	}
}

// counters are serverStatus' opcounters.
type counters struct {
	insert, query, update, delete, getmore, command atomic.Int64
	requests, bytesIn, bytesOut                     atomic.Int64
}

func randomID() int64 {
	var b [8]byte
	for {
		rand.Read(b[:])
		var n uint64
		for _, c := range b {
			n = n<<8 | uint64(c)
		}
		if n &= 1<<63 - 1; n != 0 {
			return int64(n)
		}
	}
}

// MemoryUsed is what queries hold of QueryBytes.
func (e *Engine) MemoryUsed() int64 { return e.memory.Used() }

// Load counts what is open.
func (e *Engine) Load() (connections, cursors, sessions int) {
	return int(e.conns.Load()), e.cursors.count(), e.sessions.count()
}
