package function

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/internal/app"
	"regent/internal/caller"
	"regent/internal/fault"
	"regent/internal/function/wire"
)

// Execution is a finished execution, for the log.
type Execution struct {
	App       string
	Function  string
	Caller    caller.Caller // as whom it was called
	System    bool          // ran as the system user
	Started   time.Time
	Duration  time.Duration
	Memory    int64         // bytes that it used, as far as they can be told apart; 0: not known
	Arguments bson.RawValue // array; zero when disable_arg_logs is set
	Lines     []Line        // console output
	Err       error         // nil when it succeeded
	Stack     string        // of the error, in the user's files
}

// Line is one line that a function wrote to its console.
type Line struct {
	Time  time.Time
	Level string // info, warn, error, debug
	Text  string
}

// execution is one call on its way through a host. It holds what the host must
// not: on whose behalf the call runs.
type execution struct {
	runtime    *Runtime
	deployment *Deployment
	ctx        context.Context
	name       string
	caller     caller.Caller // the authenticated caller
	args       bson.RawValue
	mode       wire.Mode
	script     string
	started    time.Time
	memory     int64 // of the attempt that counts

	mu         sync.Mutex
	identities []caller.Caller // by the number that the host uses; 0 is the call's own
	lines      []Line
	sessions   map[string]*transaction
	flying     int
	sockets    socketTable

	acting   chan struct{} // places for operations that are done at once
	asked    held          // operations that are not done
	outcomes held          // outcomes that are on their way to the host
}

func (x *execution) timeLimit() time.Duration {
	limit := x.deployment.limits.Time
	if deadline, ok := x.ctx.Deadline(); ok {
		if left := time.Until(deadline); left < limit {
			return max(left, 0)
		}
	}
	return limit
}

// message is the body by which a host is given the call: a wire.CallMessage,
// written by hand because every call pays for it.
func (x *execution) message(alone bool) []byte {
	i, b := bsoncore.AppendDocumentStart(make([]byte, 0, 512+len(x.args.Value)))
	b = bsoncore.AppendInt64Element(b, "d", x.deployment.id)
	b = bsoncore.AppendStringElement(b, "f", x.name)
	b = bsoncore.AppendValueElement(b, "a", bsoncore.Value{Type: bsoncore.Type(x.args.Type), Data: x.args.Value})
	if x.caller.User != nil {
		b = bsoncore.AppendDocumentElement(b, "u", bsoncore.Document(userDocument(x.caller.User)))
	}
	if x.caller.Request != nil {
		b = bsoncore.AppendDocumentElement(b, "r", bsoncore.Document(requestDocument(x.caller.Request)))
	}
	if x.identities[0].System {
		b = bsoncore.AppendBooleanElement(b, "s", true)
	}
	if x.mode != wire.ModeCall {
		b = bsoncore.AppendInt32Element(b, "m", int32(x.mode))
	}
	if x.script != "" {
		b = bsoncore.AppendStringElement(b, "x", x.script)
	}
	b = bsoncore.AppendInt64Element(b, "t", x.timeLimit().Milliseconds())
	if alone {
		b = bsoncore.AppendBooleanElement(b, "alone", true)
	}
	b, _ = bsoncore.AppendDocumentEnd(b, i)
	return b
}

// reset forgets what an attempt left that is repeated.
func (x *execution) reset() {
	x.end()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.identities = x.identities[:1]
	x.lines = nil
	x.sockets.reopen()
}

// end releases what the call opened and left open.
func (x *execution) end() {
	x.abortTransactions()
	x.sockets.closeAll()
}

func (x *execution) addLine(m wire.LogMessage) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.lines) <= x.deployment.limits.ConsoleLines {
		x.lines = append(x.lines, Line{Time: time.Now(), Level: cut(m.Level, 16), Text: cut(m.Text, max(x.deployment.limits.ConsoleBytes+len("…"), 128))})
	}
}

// identity is the caller behind the number that a host gave.
func (x *execution) identity(n int32) (caller.Caller, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if n < 0 || int(n) >= len(x.identities) {
		return caller.Caller{}, false
	}
	return x.identities[n], true
}

// operationFunc does what a host asks for.
type operationFunc func(x *execution, ctx context.Context, as caller.Caller, m wire.OperationMessage) (bson.RawValue, error)

// operationOf is the table of what hosts may ask for; a method because the
// functions lead back to it.
func (x *execution) operationOf(kind string) operationFunc {
	return map[string]operationFunc{
		"data":  (*execution).data,
		"enter": (*execution).enter,
		"http":  (*execution).http,
		"net":   (*execution).net,
		"dns":   (*execution).dns,

		"thirdparty":     (*execution).thirdParty,
		packageOperation: (*execution).packageCode,
	}[kind]
}

// maxAsked bounds the bytes of one call's operations that are not done. A host
// asks for less (package host), so only one that cannot be trusted passes it.
const maxAsked = 2 * (wire.MaxBody + messageCost)

// operation starts what a host asks for and gives the outcome to reply. An
// error means that the host cannot be trusted any more.
func (x *execution) operation(ctx context.Context, m wire.OperationMessage, reply func(bson.RawValue, *wire.Failure)) error {
	as, ok := x.identity(m.As)
	if !ok {
		return fmt.Errorf("the host named an identity that the call does not have")
	}
	do := x.operationOf(m.Kind)
	if do == nil {
		reply(bson.RawValue{}, &wire.Failure{Name: "Error", Message: fmt.Sprintf("service '%s': %s services are not available in Regent", m.Service, m.Kind)})
		return nil
	}
	x.mu.Lock()
	x.flying++
	tooMany := x.flying > 2*x.deployment.limits.Operations+100
	x.mu.Unlock()
	if err := wire.Valid(bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: m.Argument}); len(m.Argument) > 0 && err != nil {
		return err
	}
	size := int64(len(m.Kind) + len(m.Service) + len(m.Action) + len(m.Argument) + messageCost)
	asked, crowded := x.asked.take(size, x.runtime.cfg.Limits.HostMemory)
	if tooMany || asked > maxAsked {
		return fmt.Errorf("the host sent more operations at once than the limit")
	}
	ctx = context.WithValue(ctx, nestedKey{}, nesting(ctx)+1)
	run := func() {
		defer func() {
			x.asked.release(size)
			x.mu.Lock()
			x.flying--
			x.mu.Unlock()
			// What a function asks for must never end the server.
			if p := recover(); p != nil {
				x.runtime.cfg.Logger.Error("operation of a function failed", "function", x.name, "kind", m.Kind, "action", m.Action, "panic", p, "stack", string(debug.Stack()))
				reply(bson.RawValue{}, &wire.Failure{Name: "Error", Message: "internal error in " + m.Kind + " " + m.Action})
			}
		}()
		if ctx.Err() != nil {
			return // the call has ended, nobody waits for it
		}
		if crowded {
			reply(bson.RawValue{}, failureOf(errCrowded(x.runtime.cfg.Limits.HostMemory)))
			return
		}
		v, err := do(x, ctx, as, m)
		defer x.outcomes.release(int64(len(v.Value)))
		if e := x.hold(len(v.Value)); err == nil {
			err = e
		}
		if err != nil {
			reply(bson.RawValue{}, failureOf(err))
			return
		}
		reply(v, nil)
	}
	// The order in which a transaction's operations were asked for is kept.
	if m.Kind == "data" && x.queueTransaction(m, run) {
		return nil
	}
	// A socket's read waits for the other side as long as it takes.
	if m.Kind == "data" || m.Kind == "http" {
		go func() {
			x.acting <- struct{}{}
			defer func() { <-x.acting }()
			run()
		}()
		return nil
	}
	go run()
	return nil
}

// packageOperation is by which a host asks for the program of a package. It
// acts on nothing, so a call that asked may still be run again.
const packageOperation = "package"

func (x *execution) packageCode(ctx context.Context, _ caller.Caller, m wire.OperationMessage) (bson.RawValue, error) {
	b, err := x.deployment.bundler.bundle(ctx, m.Action)
	if err != nil {
		return bson.RawValue{}, visible(err)
	}
	if b.Error != "" {
		return bson.RawValue{}, visible(errors.New(b.Error))
	}
	return bson.RawValue{Type: bson.TypeString, Value: bsoncore.AppendString(nil, b.Code)}, nil
}

// enter gives the host a number for the identity of an inner call whose
// function has run-as settings of its own (app-services.md §4.2).
func (x *execution) enter(ctx context.Context, as caller.Caller, m wire.OperationMessage) (bson.RawValue, error) {
	f := x.deployment.app.Function(m.Action)
	if f == nil {
		return bson.RawValue{}, fault.New(fault.FunctionNotFound, "function not found: '%s'", m.Action)
	}
	who, err := x.deployment.identity(ctx, as, x.caller, f, bson.RawValue{})
	if err != nil {
		return bson.RawValue{}, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	n, err := x.number(who)
	if err != nil {
		return bson.RawValue{}, err
	}
	raw := wire.Marshal(bson.D{{Key: "id", Value: int64(n)}, {Key: "system", Value: who.System}})
	return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: raw}, nil
}

// number gives the number of an identity, a new one if it is not among those of
// the call. A user who is read again is known as he is now.
func (x *execution) number(who caller.Caller) (int, error) {
	for n, known := range x.identities[1:] {
		if known.System == who.System && userID(known) == userID(who) {
			x.identities[n+1] = who
			return n + 1, nil
		}
	}
	if len(x.identities) > maxIdentities {
		return 0, fmt.Errorf("inner calls ran as more than %d users in one call", maxIdentities)
	}
	x.identities = append(x.identities, who)
	return len(x.identities) - 1, nil
}

func userID(c caller.Caller) string {
	if c.User == nil {
		return ""
	}
	return c.User.ID
}

// maxIdentities bounds as how many users the inner calls of one call run.
const maxIdentities = 1000

// identity is as whom a function runs: its own settings win, else it inherits.
// authenticated is the caller that context.user shows.
func (d *Deployment) identity(ctx context.Context, inherited, authenticated caller.Caller, f *app.Function, args bson.RawValue) (caller.Caller, error) {
	switch {
	case f.RunAsSystem:
		who := authenticated
		who.System = true
		return who, nil
	case f.RunAsUserID != "":
		return d.asUser(ctx, authenticated, f.RunAsUserID, f)
	case f.RunAsUserIDScript != "":
		v, err := d.runScript(ctx, authenticated, f, args)
		if err != nil {
			return caller.Caller{}, fmt.Errorf("run_as_user_id_script of function '%s': %w", f.Name, err)
		}
		if id, ok := v.StringValueOK(); ok && id != "" {
			return d.asUser(ctx, authenticated, id, f)
		}
		if doc, ok := v.DocumentOK(); ok {
			if system, _ := doc.Lookup("runAsSystem").BooleanOK(); system {
				who := authenticated
				who.System = true
				return who, nil
			}
		}
		return caller.Caller{}, fault.New(fault.FunctionExecutionError, "run_as_user_id_script of function '%s' must return a user id or {runAsSystem: true}", f.Name)
	}
	return inherited, nil
}

func (d *Deployment) asUser(ctx context.Context, authenticated caller.Caller, id string, f *app.Function) (caller.Caller, error) {
	u, err := d.backend.User(ctx, id)
	if err != nil {
		return caller.Caller{}, err
	}
	if u == nil {
		return caller.Caller{}, fault.New(fault.FunctionExecutionError, "function '%s' runs as user '%s', who does not exist", f.Name, id)
	}
	return caller.Caller{User: u, Request: authenticated.Request}, nil
}

func (d *Deployment) runScript(ctx context.Context, c caller.Caller, f *app.Function, args bson.RawValue) (bson.RawValue, error) {
	if args.Type != bson.TypeArray {
		args = bson.RawValue{Type: bson.TypeArray, Value: noDocument}
	}
	x := d.execution(ctx, c, f.Name, args)
	x.mode, x.script = wire.ModeScript, f.RunAsUserIDScript
	defer x.end()
	r, err := d.runtime.run(x)
	if err != nil {
		return bson.RawValue{}, err
	}
	if r.Failure != nil {
		return bson.RawValue{}, errorOf(r.Failure)
	}
	return r.Value, nil
}
