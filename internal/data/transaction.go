package data

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// atomically runs do in one transaction and commits it unless do fails. Write
// conflicts run it again, a bounded number of times. Inside a transaction that a
// function holds, do joins that one; its failure then ends it, so that nothing
// of a refused change remains.
func (r *request) atomically(do func(ctx context.Context) error) error {
	ctx, held, err := r.session()
	if err != nil {
		return err
	}
	if held != nil {
		if err := do(ctx); err != nil {
			held.giveUp(ctx)
			return err
		}
		return nil
	}
	ctx, cancel := r.timed(ctx)
	defer cancel()
	session, err := r.coll.Database().Client().StartSession()
	if err != nil {
		return err
	}
	defer session.EndSession(context.WithoutCancel(ctx))
	for attempt := 1; ; attempt++ {
		err := once(ctx, session, do)
		if err == nil || !Transient(err) || attempt == r.s.limits.Attempts {
			return err
		}
		// Somebody else won. Their transaction is short; give it that time.
		pause := time.Duration(1+rand.IntN(1<<min(attempt, 6))) * time.Millisecond
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// once is one attempt.
func once(ctx context.Context, session *mongo.Session, do func(ctx context.Context) error) error {
	if err := session.StartTransaction(); err != nil {
		return err
	}
	inside := mongo.NewSessionContext(ctx, session)
	if err := do(inside); err != nil {
		_ = session.AbortTransaction(context.WithoutCancel(inside))
		return err
	}
	return commit(inside, session)
}

// Scope holds the transactions that one function call opened.
type Scope struct {
	mu   sync.Mutex
	open map[string]*openTransaction
	done bool
}

type scopeKey struct{}

// WithScope gives a context in which a function call may open transactions. The
// caller ends the scope when the call ends.
func WithScope(ctx context.Context) (context.Context, *Scope) {
	s := &Scope{open: map[string]*openTransaction{}}
	return context.WithValue(ctx, scopeKey{}, s), s
}

// End aborts what is still open. The scope opens nothing afterwards.
func (s *Scope) End() {
	s.mu.Lock()
	open := s.open
	s.open, s.done = nil, true
	s.mu.Unlock()
	for _, t := range open {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		t.end(ctx, (*mongo.Session).AbortTransaction)
		cancel()
	}
}

func (s *Scope) remove(id string) *openTransaction {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.open[id]
	delete(s.open, id)
	return t
}

// openTransaction is a transaction that a function holds.
type openTransaction struct {
	scope   *Scope
	id      string
	service string
	session *mongo.Session
	commit  time.Duration // that a commit may take; 0: as long as the call
}

// giveUp ends the transaction after a failure; a nil one is none.
func (t *openTransaction) giveUp(ctx context.Context) {
	if t != nil && t.scope.remove(t.id) != nil {
		t.end(context.WithoutCancel(ctx), (*mongo.Session).AbortTransaction)
	}
}

func (t *openTransaction) end(ctx context.Context, how func(*mongo.Session, context.Context) error) error {
	err := how(t.session, ctx)
	t.session.EndSession(ctx)
	return err
}

// giveUp ends the function's transaction, when the request is part of one, and
// passes the error on.
func (r *request) giveUp(err error) error {
	if r.args.transaction != "" {
		if ctx, t, e := r.session(); e == nil {
			t.giveUp(ctx)
		}
	}
	return err
}

func findTransaction(ctx context.Context, id, service string) (*openTransaction, error) {
	s, _ := ctx.Value(scopeKey{}).(*Scope)
	if s == nil {
		return nil, invalid("transactions belong to functions")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.open[id]
	if t == nil || t.service != service {
		return nil, errEnded
	}
	return t, nil
}

var errEnded = mongoFault("the transaction has ended")

func (r *request) startTransaction() (bson.RawValue, error) {
	s, _ := r.ctx.Value(scopeKey{}).(*Scope)
	if s == nil {
		return bson.RawValue{}, invalid("transactions belong to functions")
	}
	opts, commit, err := r.transactionOptions()
	if err != nil {
		return bson.RawValue{}, err
	}
	client, err := r.s.cfg.Database(r.service)
	if err != nil {
		return bson.RawValue{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return bson.RawValue{}, invalid("the function has ended")
	}
	if len(s.open) >= r.s.limits.Transactions {
		return bson.RawValue{}, mongoFault("a function may hold %d open transactions at once", r.s.limits.Transactions)
	}
	session, err := client.StartSession()
	if err != nil {
		return bson.RawValue{}, err
	}
	if err := session.StartTransaction(opts); err != nil {
		session.EndSession(r.ctx)
		return bson.RawValue{}, err
	}
	t := &openTransaction{scope: s, id: bson.NewObjectID().Hex(), service: r.service, session: session, commit: commit}
	s.open[t.id] = t
	return object(func(dst []byte) []byte { return bsoncore.AppendStringElement(dst, "transaction", t.id) }), nil
}

func (r *request) commitTransaction() (bson.RawValue, error) {
	t, err := findTransaction(r.ctx, r.args.transaction, r.service)
	if err != nil {
		return bson.RawValue{}, err
	}
	if t.scope.remove(t.id) == nil {
		return bson.RawValue{}, errEnded
	}
	ctx := r.ctx
	if t.commit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t.commit)
		defer cancel()
	}
	return null, t.end(mongo.NewSessionContext(ctx, t.session), func(s *mongo.Session, ctx context.Context) error { return commit(ctx, s) })
}

// abortTransaction ends a transaction; one that a failure has ended already
// needs it no more, but functions ask for it all the same.
func (r *request) abortTransaction() (bson.RawValue, error) {
	t, err := findTransaction(r.ctx, r.args.transaction, r.service)
	if errors.Is(err, errEnded) {
		return null, nil
	}
	if err != nil {
		return bson.RawValue{}, err
	}
	t.giveUp(mongo.NewSessionContext(r.ctx, t.session))
	return null, nil
}
