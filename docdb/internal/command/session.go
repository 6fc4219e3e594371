package command

import (
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

// sessions are the logical sessions by id. A session begins when it is first used.
type sessions struct {
	e  *Engine
	mu sync.Mutex
	m  map[string]*session
}

// session is one logical session. mu is held while a command with a transaction number runs, so that a repeated one waits for the
// first.
type session struct {
	id   string
	lsid bson.Raw
	used atomic.Int64 // unix milliseconds
	mu   sync.Mutex
	// number is the highest transaction number seen.
	number int64
	// retry is what the retryable write of that number has done so far; loaded says that the store has been asked.
	retry  *retryRecord
	loaded bool
	txn    *transaction
	snap   *sessionSnapshot
	dead   bool
}

// sessionSnapshot is what reads with level snapshot outside transactions share.
type sessionSnapshot struct {
	at   uint64
	view *store.SnapshotView
	refs atomic.Int32 // the session's and those of open cursors
}

func (s *sessionSnapshot) release() {
	if s != nil && s.refs.Add(-1) == 0 {
		s.view.Close()
	}
}

func (s *sessions) init(e *Engine) { s.e, s.m = e, map[string]*session{} }

// sessionID checks an lsid and gives the session's key: its id and, after a login, the user.
func sessionID(lsid bson.Raw) ([]byte, error) {
	it := value.Over(lsid)
	var id []byte
	for it.Next() {
		switch it.Key() {
		case "id":
			sub, b, ok := value.BinaryParts(it.Value())
			if !ok {
				return nil, wrongType("OperationSessionInfo.lsid.id", it.Value(), uuid)
			}
			if sub != 4 || len(b) != 16 {
				return nil, mongoerr.New(mongoerr.InvalidUUID, "uuid must be a 16-byte binary field with UUID (4) subtype")
			}
			id = b
		case "uid": // a SHA-256 of the user
			if _, b, ok := value.BinaryParts(it.Value()); !ok || len(b) != 32 {
				return nil, mongoerr.New(mongoerr.TypeMismatch, "BSON field 'OperationSessionInfo.lsid.uid' is not a digest of 32 bytes")
			}
		case "txnUUID":
			if _, b, ok := value.BinaryParts(it.Value()); !ok || len(b) != 16 {
				return nil, mongoerr.New(mongoerr.InvalidUUID, "BSON field 'OperationSessionInfo.lsid.txnUUID' is not a UUID")
			}
		case "txnNumber":
			if it.Value().Type != bson.TypeInt64 {
				return nil, mongoerr.New(mongoerr.TypeMismatch, "BSON field 'OperationSessionInfo.lsid.txnNumber' is the wrong type '%s', expected type 'long'", value.TypeName(it.Value().Type))
			}
		default:
			return nil, mongoerr.New(40415, "BSON field 'OperationSessionInfo.lsid.%s' is an unknown field.", it.Key())
		}
	}
	if id == nil {
		return nil, mongoerr.New(40414, "BSON field 'OperationSessionInfo.lsid.id' is missing but a required field")
	}
	return id, nil
}

func (s *sessions) get(id []byte, lsid bson.Raw, user string, now time.Time) (*session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ss *session
	if user == "" {
		ss = s.m[string(id)]
	} else {
		ss = s.m[string(id)+user]
	}
	if ss == nil {
		if len(s.m) >= s.e.opts.MaxSessions {
			return nil, mongoerr.New(261, "cannot add session: the limit of %d sessions has been reached", s.e.opts.MaxSessions)
		}
		ss = &session{id: string(id) + user, lsid: append(bson.Raw(nil), lsid...), number: -1}
		s.m[ss.id] = ss
	}
	ss.used.Store(now.UnixMilli())
	return ss, nil
}

// enterSession finds the command's session and, where the command has a transaction number, its transaction or retry record.
func (c *call) enterSession() error {
	id, err := sessionID(c.lsid)
	if err != nil {
		return err
	}
	now := c.e.opts.Now()
	ss, err := c.e.sessions.get(id, c.lsid, c.c.login.key(), now)
	if err != nil {
		return err
	}
	c.sess = ss
	if !c.hasTxn {
		return nil
	}
	ss.mu.Lock()
	if err := c.enterNumber(ss); err != nil {
		ss.mu.Unlock()
		c.sess = nil
		return err
	}
	return nil
}

func (c *call) enterNumber(ss *session) error {
	// A result that is known but not durable must not be given out as an acknowledgement.
	if err := c.e.st.Alive(); err != nil {
		return c.translate(err)
	}
	if err := ss.load(c.e); err != nil {
		return err
	}
	if c.txnNumber < ss.number {
		return mongoerr.New(mongoerr.TransactionTooOld, "Cannot start transaction %d on session %x because a newer transaction with txnNumber %d has already started on this session.", c.txnNumber, ss.id, ss.number)
	}
	if c.inTxn {
		return c.enterTransaction(ss)
	}
	if !c.cmd.Retryable {
		return mongoerr.New(50768, "txnNumber may only be provided for multi-document transactions and retryable write commands. autocommit:false was not provided, and %s is not a retryable write command.", c.name)
	}
	if c.txnNumber > ss.number {
		ss.endTransaction()
		ss.number, ss.retry = c.txnNumber, nil
	} else if ss.txn != nil {
		return mongoerr.New(mongoerr.ConflictingOperationInProgress, "Cannot use transaction number %d for a retryable write: it is a multi-document transaction", c.txnNumber)
	}
	if ss.retry == nil {
		ss.retry = &retryRecord{number: c.txnNumber}
	}
	return nil
}

// keepRetry is the size up to which the results of a session's last retryable write are kept in memory; larger ones are read again
// when they are asked for.
const keepRetry = 4 << 10

// leave gives the session back after a command.
func (ss *session) leave(c *call) {
	if c.hasTxn && c.sess != nil {
		c.sess = nil
		if ss.retry.size() > keepRetry {
			ss.retry, ss.loaded = nil, false
		}
		ss.mu.Unlock()
	}
}

func (ss *session) endTransaction() {
	if ss.txn != nil {
		ss.txn.abort()
		ss.txn = nil
	}
}

// load reads what the store knows about the session's last retryable write.
func (ss *session) load(e *Engine) error {
	if ss.loaded {
		return nil
	}
	r, err := loadRetry(e.st, ss.id)
	if err == store.ErrNotFound {
		ss.loaded = true
		return nil
	}
	if err != nil {
		return err
	}
	if r.number > ss.number || r.number == ss.number && ss.txn == nil && ss.retry == nil {
		ss.number, ss.retry = r.number, r
	}
	ss.loaded = true
	return nil
}

// end drops everything the session has; the caller has taken it out of the map.
func (s *sessions) end(ss *session) {
	ss.mu.Lock()
	ss.endTransaction()
	ss.snap.release()
	ss.snap = nil
	ss.dead = true
	ss.mu.Unlock()
	s.e.cursors.endSession(ss)
}

// remove ends a session by its key.
func (s *sessions) remove(id string) {
	s.mu.Lock()
	ss := s.m[id]
	delete(s.m, id)
	s.mu.Unlock()
	if ss != nil {
		s.end(ss)
		s.e.st.DropSession([]byte(id))
	}
}

// sweep ends idle sessions and transactions that are over their time.
func (s *sessions) sweep() {
	now := s.e.opts.Now()
	old := now.Add(-s.e.opts.SessionTimeout).UnixMilli()
	var idle []*session
	var late []*session
	s.mu.Lock()
	for id, ss := range s.m {
		if ss.used.Load() < old {
			delete(s.m, id)
			idle = append(idle, ss)
			continue
		}
		late = append(late, ss)
	}
	s.mu.Unlock()
	for _, ss := range idle {
		s.end(ss)
	}
	for _, ss := range late {
		if !ss.mu.TryLock() {
			continue
		}
		if t := ss.txn; t != nil && t.state == txnOpen && now.After(t.deadline) {
			t.abort()
		}
		ss.mu.Unlock()
	}
}

func (s *sessions) close() {
	s.mu.Lock()
	m := s.m
	s.m = map[string]*session{}
	s.mu.Unlock()
	for _, ss := range m {
		s.end(ss)
	}
}

// count is the number of sessions.
func (s *sessions) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.m)
}
