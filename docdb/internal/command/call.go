package command

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
	"regent/docdb/internal/wire"
)

// client is the server's side of one connection.
type client struct {
	e        *Engine
	id       int32
	local    bool
	host     string
	remote   string
	metadata bool
	appName  string
	login    login
	op       operation
	docs     docMemory
}

// docMemory is memory for a document that is changed, before and after: valid until the command ends, or changes another one.
type docMemory struct{ before, after []byte }

// keepDocument bounds what a connection keeps of it.
const keepDocument = 64 << 10

func (d *docMemory) trim() {
	if cap(d.before) > keepDocument || cap(d.after) > keepDocument {
		*d = docMemory{}
	}
}

// call is one command while it is run.
type call struct {
	e   *Engine
	c   *client
	cmd *Command
	ctx *opContext
	req *wire.Request
	// name is how the command was spelt; target its value (a collection's name, mostly).
	name   string
	target bson.RawValue
	db     string
	hasDB  bool
	args   []bson.RawValue // by the command's table
	given  uint64          // the arguments that there are, null ones too
	seq    *wire.Sequence

	lsid            bson.Raw
	txnNumber       int64
	hasTxn          bool
	inTxn           bool
	startTxn        bool
	readLevel       string
	atTime          uint64
	hasWriteConcern bool
	lazy            bool // w: 0
	journal         bool
	noJournal       bool // j: false
	wcError         *mongoerr.Error
	api             struct{ version, strict, options bool }
	maxTime         time.Duration
	comment         bson.RawValue

	sess *session
	txn  *transaction
	// fixed is the snapshot that all reads of an aggregation share.
	fixed   *store.SnapshotView
	fixedAt uint64

	// watching says that a getMore is one of a change stream.
	watching bool

	// alone says that the command has one statement, whose unit is committed durably; synced that this has happened.
	alone, synced bool

	// labelsGiven says that the error has its labels from a fail point, which are not added to.
	labelsGiven bool

	// running is the context for what goes on evaluating between requests: see runningContext. nil until it is needed.
	running *runningContext

	out []byte // the reply document so far, without its end
	// large is what the change of large documents takes of the memory for queries.
	large int64
	// whole says that a batch must not end early for want of room, as there will be no other.
	whole bool
	// bare leaves out ok and the times: the reply is complete.
	end bool
}

// Trusted reports whether the connection may do more than log in.
func (cl *client) Trusted() bool {
	if cl.local || cl.login.name != "" {
		return true
	}
	any, err := cl.e.HasUsers()
	return err == nil && !any
}

// Close implements wire.Client.
func (cl *client) Close() {
	cl.e.clients.Delete(cl)
	cl.e.conns.Add(-1)
}

// Serve implements wire.Client.
func (cl *client) Serve(ctx context.Context, r *wire.Request, dst []byte) (reply []byte, end bool) {
	e := cl.e
	e.ops.requests.Add(1)
	both := &struct {
		call
		opContext
	}{call: call{e: e, c: cl, req: r}}
	c := &both.call
	c.ctx = &both.opContext
	c.ctx.parent = ctx
	defer c.ctx.end()
	defer c.pause()
	defer cl.op.end()
	defer cl.docs.trim()
	defer func() { e.memory.Give(c.large) }()
	start := len(dst)
	_, c.out = bsoncore.AppendDocumentStart(dst)
	err := c.run()
	if err != nil {
		if errors.Is(err, errClose) {
			return dst[:start], true
		}
		c.out = append(c.out[:start], 0, 0, 0, 0)
		c.appendError(err)
	} else {
		if c.wcError != nil && c.cmd.Write {
			i, b := bsoncore.AppendDocumentElementStart(c.out, "writeConcernError")
			b = bsoncore.AppendInt32Element(b, "code", int32(c.wcError.Code))
			b = bsoncore.AppendStringElement(b, "codeName", c.wcError.Name)
			b = bsoncore.AppendStringElement(b, "errmsg", c.wcError.Message)
			c.out, _ = bsoncore.AppendDocumentEnd(b, i)
		}
		c.out = bsoncore.AppendDoubleElement(c.out, "ok", 1)
	}
	c.appendTimes()
	out, _ := bsoncore.AppendDocumentEnd(c.out, int32(start))
	c.tally(len(out) - start)
	return out, c.end
}

// errClose ends the connection without an answer; only failpoints use it.
var errClose = errors.New("close the connection")

// run finds the command, parses it and runs it in its session.
func (c *call) run() (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.e.opts.Log("docdb: command %q failed inside: %v\n%s", c.name, p, debug.Stack())
			err = mongoerr.New(mongoerr.InternalError, "internal error in command '%s'", c.name)
			if c.txn != nil {
				c.txn.abort()
			}
			if c.sess != nil {
				c.sess.leave(c)
			}
		}
	}()
	body := c.req.Body
	if err := value.Validate(body, 210); err != nil {
		return mongoerr.New(mongoerr.InvalidBSON, "%v", err)
	}
	it := value.Over(body)
	if !it.Next() {
		return mongoerr.New(mongoerr.CommandNotFound, "no such command: ''")
	}
	cmd := c.e.commands[it.Key()]
	if cmd == nil {
		c.name = string(append([]byte(nil), it.Key()...))
		return mongoerr.New(mongoerr.CommandNotFound, "no such command: '%s'", c.name)
	}
	c.cmd, c.name = cmd, cmd.Name
	if it.Key() != cmd.Name {
		for _, a := range cmd.Aliases {
			if a == it.Key() {
				c.name = a
			}
		}
	}
	if c.req.Legacy {
		if !cmd.Legacy {
			return mongoerr.New(352, "Unsupported OP_QUERY command: %s. The client driver may require an upgrade.", c.name)
		}
		c.db = c.req.DB
	}
	if cmd.Refused {
		return mongoerr.New(mongoerr.CommandNotSupported, "docdb does not support the command '%s'", c.name)
	}
	if err := c.parse(body); err != nil {
		return err
	}
	c.c.op.begin(c)
	if err := c.checkAPI(); err != nil {
		return err
	}
	if err := c.checkConcerns(); err != nil {
		return err
	}
	if c.db == "" && !c.hasDB {
		return mongoerr.New(40571, "OP_MSG requests require a $db argument")
	}
	if err := validDB(c.db); err != nil {
		return err
	}
	if cmd.Admin && c.db != "admin" {
		return mongoerr.New(mongoerr.Unauthorized, "%s may only be run against the admin database.", c.name)
	}
	if !cmd.Open {
		if err := c.authorize(); err != nil {
			return err
		}
	}
	if cmd.TestOnly && !c.e.opts.TestCommands {
		return mongoerr.New(mongoerr.CommandNotFound, "no such command: '%s'", c.name)
	}
	if err := c.failpoint(); err != nil {
		if c.inTxn && !c.labelsGiven && cmd.Name != "commitTransaction" && cmd.Name != "abortTransaction" && !errors.Is(err, errClose) {
			err = c.labelled(err)
		}
		return err
	}
	if c.e.ctx.Err() != nil {
		return mongoerr.New(mongoerr.ShutdownInProgress, "the server is shutting down")
	}
	if c.lsid == nil {
		if c.hasTxn {
			return mongoerr.New(mongoerr.InvalidOptions, "Transaction number requires a session ID to also be specified")
		}
		if c.inTxn {
			return mongoerr.New(mongoerr.InvalidOptions, "'autocommit' field requires a transaction number to also be specified")
		}
		return c.translate(cmd.Run(c))
	}
	if c.inTxn && !c.hasTxn {
		return mongoerr.New(mongoerr.InvalidOptions, "'autocommit' field requires a transaction number to also be specified")
	}
	if c.startTxn && !c.inTxn {
		return mongoerr.New(mongoerr.InvalidOptions, "'startTransaction' field requires 'autocommit' field to also be specified")
	}
	if c.inTxn && !cmd.InTransaction {
		return mongoerr.New(mongoerr.OperationNotSupportedInTransaction, "Cannot run '%s' in a multi-document transaction.", c.name)
	}
	if cmd.NoSession || cmd.Open && !c.c.Trusted() {
		return c.translate(cmd.Run(c))
	}
	if err := c.enterSession(); err != nil {
		return err
	}
	err = c.translate(cmd.Run(c))
	if err != nil && c.txn != nil && cmd.Name != "commitTransaction" && cmd.Name != "abortTransaction" {
		c.txn.abort()
		err = c.labelled(err)
	}
	c.sess.leave(c)
	return err
}

// labelled adds TransientTransactionError to what a driver may answer by running the transaction again.
func (c *call) labelled(err error) error {
	m := mongoerr.As(err)
	switch m.Code {
	case mongoerr.WriteConflict, mongoerr.LockTimeout, mongoerr.SnapshotUnavailable, mongoerr.NoSuchTransaction:
	default:
		if !retryable(m.Code) {
			return m
		}
	}
	if !m.HasLabel(mongoerr.LabelTransientTransaction) {
		return m.WithLabels(mongoerr.LabelTransientTransaction)
	}
	return m
}

// translate turns the errors of the store and of contexts into MongoDB's.
func (c *call) translate(err error) error {
	if err == nil {
		return nil
	}
	var m *mongoerr.Error
	if errors.As(err, &m) || errors.Is(err, errClose) {
		return err
	}
	switch {
	case errors.Is(err, store.ErrWriteConflict), errors.Is(err, store.ErrNeedLock):
		return mongoerr.New(mongoerr.WriteConflict, "Caused by :: Write conflict during plan execution and yielding is disabled. :: Please retry your operation or multi-document transaction.")
	case errors.Is(err, store.ErrLockTimeout):
		return mongoerr.New(mongoerr.LockTimeout, "Unable to acquire the lock of the catalogue within a max lock request timeout of '5ms' milliseconds.")
	case errors.Is(err, store.ErrCollectionGone):
		return mongoerr.New(mongoerr.QueryPlanKilled, "collection dropped")
	case errors.Is(err, store.ErrTransactionTooLarge):
		return mongoerr.New(mongoerr.TransactionTooLarge, "Total size of all transaction operations must be less than the limit: %v", err)
	case errors.Is(err, store.ErrTransactionsFull):
		return mongoerr.New(mongoerr.WriteConflict, "Caused by :: %v", err)
	case errors.Is(err, store.ErrTransactionDone):
		return mongoerr.New(mongoerr.NoSuchTransaction, "Transaction %d has been aborted.", c.txnNumber)
	case errors.Is(err, context.DeadlineExceeded):
		return mongoerr.New(mongoerr.MaxTimeMSExpired, "operation exceeded time limit")
	case errors.Is(err, context.Canceled):
		if c.e.ctx.Err() != nil {
			return mongoerr.New(mongoerr.InterruptedAtShutdown, "interrupted at shutdown")
		}
		return mongoerr.New(mongoerr.Interrupted, "operation was interrupted")
	}
	if k := keyError(err); k != nil {
		return k
	}
	if d := diskError(err); d != nil {
		return d
	}
	c.e.opts.Log("docdb: command %q: %v", c.name, err)
	return mongoerr.New(mongoerr.InternalError, "%v", err)
}

// during puts in front of an error's message what was being done, where MongoDB does.
func during(what string, err error) error {
	if k := keyError(err); k != nil {
		err = k
	}
	var m *mongoerr.Error
	if err != nil && errors.As(err, &m) {
		return m.Prefix(what + " :: caused by :: ")
	}
	return err
}

// diskError is the error of a disk that is full or broken, or of a damaged file; nil for others.
func diskError(err error) *mongoerr.Error {
	var d *store.DiskError
	switch {
	case errors.As(err, &d) && d.Full(), errors.Is(err, store.ErrDiskLow):
		return mongoerr.New(mongoerr.OutOfDiskSpace, "%v", err)
	case errors.As(err, &d):
		return mongoerr.New(mongoerr.FileStreamFailed, "%v", err)
	case store.IsCorruption(err):
		return mongoerr.New(mongoerr.FileStreamFailed, "%v", store.Damaged(err))
	}
	return nil
}

func (c *call) appendError(err error) {
	m := mongoerr.As(err)
	c.out = bsoncore.AppendDoubleElement(c.out, "ok", 0)
	c.out = bsoncore.AppendStringElement(c.out, "errmsg", m.Message)
	c.out = bsoncore.AppendInt32Element(c.out, "code", int32(m.Code))
	c.out = bsoncore.AppendStringElement(c.out, "codeName", m.Name)
	if m.KeyPattern != nil {
		c.out = bsoncore.AppendDocumentElement(c.out, "keyPattern", bsoncore.Document(m.KeyPattern))
	}
	if m.KeyValue != nil {
		c.out = bsoncore.AppendDocumentElement(c.out, "keyValue", bsoncore.Document(m.KeyValue))
	}
	if m.ErrInfo != nil {
		c.out = bsoncore.AppendDocumentElement(c.out, "errInfo", bsoncore.Document(m.ErrInfo))
	}
	if changesState(m.Code) {
		c.value("topologyVersion", c.e.topologyVersion())
	}
	labels := m.Labels
	if c.labelsGiven {
		c.appendLabels(labels)
		return
	}
	if c.hasTxn && (!c.inTxn || c.cmd != nil && (c.cmd.Name == "commitTransaction" || c.cmd.Name == "abortTransaction")) && retryable(m.Code) {
		labels = append(labels[:len(labels):len(labels)], mongoerr.LabelRetryableWrite)
	}
	if resumable(m.Code) && c.watches() && !m.HasLabel(mongoerr.LabelResumableChangeStream) {
		labels = append(labels[:len(labels):len(labels)], mongoerr.LabelResumableChangeStream)
	}
	c.appendLabels(labels)
}

func (c *call) appendLabels(labels []string) {
	if len(labels) == 0 {
		return
	}
	i, b := bsoncore.AppendArrayElementStart(c.out, "errorLabels")
	for j, l := range labels {
		b = bsoncore.AppendStringElement(b, fmt.Sprint(j), l)
	}
	c.out, _ = bsoncore.AppendArrayEnd(b, i)
}

// retryable lists the codes after which a driver sends a retryable write again (mongo-engine.md §1.4).
func retryable(code mongoerr.Code) bool {
	switch code {
	case 6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436:
		return true
	}
	return false
}

// watches reports whether the command reads a change stream.
func (c *call) watches() bool {
	if c.cmd == nil {
		return false
	}
	if c.cmd.Name == "getMore" {
		// One that has not got as far as its cursor may have failed on purpose.
		id, _ := c.target.Int64OK()
		cur := c.e.cursors.get(id)
		return c.watching || cur != nil && cur.events != nil
	}
	if c.cmd.Name != "aggregate" {
		return false
	}
	first, _ := value.Index(c.arg("pipeline").Value, 0).DocumentOK()
	return value.Lookup(first, "$changeStream").Type != 0
}

// resumable lists the codes after which a driver opens a change stream again, from where it was (mongo-engine.md §1.4).
func resumable(code mongoerr.Code) bool {
	switch code {
	case 63, 133, 134, 150, 234, 13388:
		return true
	}
	return retryable(code)
}

var zeroHash [20]byte

// appendTimes adds the operation's time and the cluster's.
func (c *call) appendTimes() {
	t := c.e.st.Applied()
	i, b := bsoncore.AppendDocumentElementStart(c.out, "$clusterTime")
	b = bsoncore.AppendTimestampElement(b, "clusterTime", uint32(t>>32), uint32(t))
	j, b := bsoncore.AppendDocumentElementStart(b, "signature")
	b = bsoncore.AppendBinaryElement(b, "hash", 0, zeroHash[:])
	b = bsoncore.AppendInt64Element(b, "keyId", 0)
	b, _ = bsoncore.AppendDocumentEnd(b, j)
	b, _ = bsoncore.AppendDocumentEnd(b, i)
	c.out = bsoncore.AppendTimestampElement(b, "operationTime", uint32(t>>32), uint32(t))
}

// Short forms for replies.

func (c *call) int32(key string, n int) { c.out = bsoncore.AppendInt32Element(c.out, key, int32(n)) }
func (c *call) int64(key string, n int64) {
	c.out = bsoncore.AppendInt64Element(c.out, key, n)
}
func (c *call) string(key, s string)    { c.out = bsoncore.AppendStringElement(c.out, key, s) }
func (c *call) bool(key string, b bool) { c.out = bsoncore.AppendBooleanElement(c.out, key, b) }

// value appends any Go value that BSON knows; for replies that are not on a hot path.
func (c *call) value(key string, v any) {
	t, b, err := bson.MarshalValue(v)
	if err != nil {
		panic(err)
	}
	c.out = bsoncore.AppendValueElement(c.out, key, bsoncore.Value{Type: bsoncore.Type(t), Data: b})
}

// fields appends the members of a document.
func (c *call) fields(d bson.D) {
	for _, e := range d {
		c.value(e.Key, e.Value)
	}
}
