package function

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/caller"
	"regent/internal/fault"
	"regent/internal/function/wire"
)

// transaction is a transaction that a function opened. The function knows it
// by a number of its own, so that it need not wait for the data service's;
// operations of one transaction are done one after the other, in their order.
type transaction struct {
	queue chan func()
	as    caller.Caller
	id    bson.RawValue // the data service's
	svc   string
	open  bool
	err   error
}

// maxTransactions bounds the transactions of one call that are not over.
const maxTransactions = 100

// queueTransaction queues an operation that belongs to a transaction.
func (x *execution) queueTransaction(m wire.OperationMessage, run func()) bool {
	id, ok := m.Argument.Lookup("transaction").StringValueOK()
	if !ok {
		return false
	}
	x.mu.Lock()
	if x.sessions == nil {
		x.sessions = map[string]*transaction{}
	}
	t := x.sessions[id]
	if t == nil {
		if m.Action != "startTransaction" || len(x.sessions) >= maxTransactions {
			x.mu.Unlock()
			return false // data() refuses it
		}
		t = &transaction{queue: make(chan func(), 2*x.deployment.limits.Operations+100), svc: m.Service}
		x.sessions[id] = t
		go func() {
			for f := range t.queue {
				f()
			}
		}()
	}
	select {
	case t.queue <- run:
		x.mu.Unlock()
	default:
		x.mu.Unlock()
		return false
	}
	return true
}

// data does one operation of the data service.
func (x *execution) data(ctx context.Context, as caller.Caller, m wire.OperationMessage) (bson.RawValue, error) {
	backend := x.deployment.backend
	local, ok := m.Argument.Lookup("transaction").StringValueOK()
	if !ok {
		return backend.Data(ctx, as, m.Service, m.Action, m.Argument)
	}
	x.mu.Lock()
	t := x.sessions[local]
	x.mu.Unlock()
	if t == nil {
		return bson.RawValue{}, fault.New(fault.FunctionExecutionError, "the transaction does not exist or is over")
	}
	switch m.Action {
	case "startTransaction":
		arg := without(m.Argument, "transaction", bson.RawValue{})
		v, err := backend.Data(ctx, as, m.Service, m.Action, arg)
		if err != nil {
			t.err = err
			return v, err
		}
		d, _ := v.DocumentOK()
		id, err := d.LookupErr("transaction")
		if err != nil {
			t.err = errors.New("the data service gave no transaction")
			return v, t.err
		}
		x.mu.Lock()
		t.id, t.as, t.open = id, as, true
		x.mu.Unlock()
		return bson.RawValue{}, nil
	case "commitTransaction", "abortTransaction":
		defer x.forget(local, t)
		x.mu.Lock()
		open := t.open
		t.open = false
		x.mu.Unlock()
		if !open {
			return bson.RawValue{}, t.failed()
		}
		return backend.Data(ctx, as, m.Service, m.Action, without(m.Argument, "transaction", t.id))
	}
	if !t.open {
		return bson.RawValue{}, t.failed()
	}
	return backend.Data(ctx, as, m.Service, m.Action, without(m.Argument, "transaction", t.id))
}

// forget lets go of a transaction that is over; what was asked for under its
// name and is still in its queue is refused.
func (x *execution) forget(local string, t *transaction) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.sessions[local] == t {
		delete(x.sessions, local)
		close(t.queue)
	}
}

func (t *transaction) failed() error {
	if t.err != nil {
		return t.err
	}
	return fault.New(fault.FunctionExecutionError, "the transaction does not exist or is over")
}

// abortTransactions ends what a call left open.
func (x *execution) abortTransactions() {
	x.mu.Lock()
	sessions := x.sessions
	x.sessions = nil
	x.mu.Unlock()
	for _, t := range sessions {
		t.queue <- func() {
			if !t.open {
				return
			}
			t.open = false
			ctx, cancel := context.WithTimeout(context.WithoutCancel(x.ctx), 10*time.Second)
			defer cancel()
			arg := wire.Marshal(bson.D{{Key: "transaction", Value: t.id}})
			_, _ = x.deployment.backend.Data(ctx, t.as, t.svc, "abortTransaction", arg)
		}
		close(t.queue)
	}
}

// without copies doc with key replaced by value, or left out when value is zero.
func without(doc bson.Raw, key string, value bson.RawValue) bson.Raw {
	elements, err := doc.Elements()
	if err != nil {
		return doc
	}
	d := bson.D{}
	for _, e := range elements {
		if e.Key() != key {
			d = append(d, bson.E{Key: e.Key(), Value: e.Value()})
		}
	}
	if value.Type != 0 {
		d = append(d, bson.E{Key: key, Value: value})
	}
	return wire.Marshal(d)
}
