package function

import (
	"context"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/caller"
	"regent/internal/function/wire"
)

// falseHost is a host that does not keep to what hosts do: frames are handled as
// if they came from it.
type falseHost struct {
	*hostProcess
	call    *pendingCall
	backend *fakeBackend
	block   chan struct{} // closed: operations of data end
}

// newFalseHost has one call, number 1, whose operations of data end when the
// test does, or when it closes block.
func newFalseHost(t *testing.T, limits Limits) *falseHost {
	f := &falseHost{block: make(chan struct{})}
	f.backend = &fakeBackend{data: func(context.Context, caller.Caller, string, string, bson.Raw) (bson.RawValue, error) {
		<-f.block
		return value(nil), nil
	}}
	r := &Runtime{cfg: Config{Limits: limits}.withDefaults()}
	d := &Deployment{runtime: r, limits: r.cfg.Limits, backend: f.backend}
	t.Cleanup(func() {
		select {
		case <-f.block:
		default:
			close(f.block)
		}
	})
	f.hostProcess = &hostProcess{conn: wire.NewConn(nowhere{}), calls: map[uint64]*pendingCall{}, log: r.cfg.Logger}
	f.call = f.add(d, 1)
	return f
}

func (f *falseHost) add(d *Deployment, id uint64) *pendingCall {
	c := &pendingCall{id: id, ctx: context.Background(), outcome: make(chan outcome, 1), run: d.execution(context.Background(), caller.Caller{}, "f", bson.RawValue{})}
	f.calls[id] = c
	return c
}

// nowhere is a connection that takes everything.
type nowhere struct{}

func (nowhere) Read([]byte) (int, error)    { select {} }
func (nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (nowhere) Close() error                { return nil }

// ask sends an operation of data.
func (f *falseHost) ask(call uint64, m wire.OperationMessage) error {
	if m.Kind == "" {
		m.Kind = "data"
	}
	return f.handle(wire.Frame{Kind: wire.Operation, Call: call, Op: 1, Body: wire.Marshal(m)})
}

// text is a document with a text of n bytes.
func text(n int) bson.Raw { return wire.Marshal(bson.D{{Key: "a", Value: strings.Repeat("x", n)}}) }

// deep is a document in n documents.
func deep(n int) bson.Raw {
	b := make([]byte, 0, 8*n+5)
	for i := range n {
		b = binary.LittleEndian.AppendUint32(b, uint32(5+8*(n-i)))
		b = append(b, byte(bson.TypeEmbeddedDocument), 'a', 0)
	}
	b = append(b, 5, 0, 0, 0, 0)
	return append(b, make([]byte, n)...)
}

// TestUntrustedHost sends what no host sends: the server ends the host, or takes
// no more of it than it would of any.
func TestUntrustedHost(t *testing.T) {
	const large = wire.MaxBody - 100
	t.Run("large operations", func(t *testing.T) {
		f := newFalseHost(t, Limits{})
		for i := range 2 {
			if err := f.ask(1, wire.OperationMessage{Argument: text(large)}); err != nil {
				t.Fatalf("operation %d: %v", i, err)
			}
		}
		if f.ask(1, wire.OperationMessage{Argument: text(large)}) == nil {
			t.Error("a third message was taken")
		}
	})
	t.Run("operations with long names", func(t *testing.T) {
		f := newFalseHost(t, Limits{})
		name := strings.Repeat("x", large)
		_, _ = f.ask(1, wire.OperationMessage{Action: name}), f.ask(1, wire.OperationMessage{Service: name})
		if f.ask(1, wire.OperationMessage{Action: name}) == nil {
			t.Error("a third message was taken")
		}
	})
	t.Run("many operations", func(t *testing.T) {
		f := newFalseHost(t, Limits{Operations: 100})
		n := 0
		for n < 10_000 && f.ask(1, wire.OperationMessage{}) == nil {
			n++
		}
		if n > 300 {
			t.Errorf("%d operations at once were taken", n)
		}
	})
	t.Run("operations of many calls", func(t *testing.T) {
		const most, calls = 20 << 20, 50
		f := newFalseHost(t, Limits{HostMemory: most})
		for id := uint64(1); id <= calls; id++ {
			f.add(f.call.run.deployment, id)
			for range 3 {
				if err := f.ask(id, wire.OperationMessage{Argument: text(3 << 20)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		// Those beyond are answered at once: nothing of them is kept.
		held := &f.call.run.runtime.asked
		for range 1000 {
			if held.Load() <= most+calls*smallShare {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if held.Load() > most+calls*smallShare {
			t.Errorf("the server holds %d MB", held.Load()>>20)
		}
	})
	t.Run("outcomes of many calls", func(t *testing.T) {
		f := newFalseHost(t, Limits{HostMemory: 100 << 20})
		large, small := f.call.run, f.add(f.call.run.deployment, 2).run
		if err := large.hold(90 << 20); err != nil {
			t.Fatal(err)
		}
		if err := small.hold(3 << 20); err != nil {
			t.Errorf("a small outcome: %v", err)
		}
		if err := large.hold(10 << 20); err == nil || !strings.Contains(err.Error(), "--function-host-memory-mb = 100") {
			t.Errorf("more than all may have: %v", err)
		}
		if err := small.hold(1 << 20); err != nil {
			t.Errorf("a small outcome beside it: %v", err)
		}
	})
	t.Run("console lines", func(t *testing.T) {
		f := newFalseHost(t, Limits{ConsoleLines: 10, ConsoleBytes: 100})
		for range 100 {
			if err := f.handle(wire.Frame{Kind: wire.Log, Call: 1, Body: wire.Marshal(wire.LogMessage{Level: strings.Repeat("l", 1<<20), Text: strings.Repeat("x", 1<<20)})}); err != nil {
				t.Fatal(err)
			}
		}
		size := 0
		for _, l := range f.call.run.lines {
			size += len(l.Text) + len(l.Level)
		}
		if len(f.call.run.lines) != 11 || size > 11*(128+16) {
			t.Errorf("%d lines of %d bytes are kept", len(f.call.run.lines), size)
		}
	})
	for name, argument := range map[string]bson.Raw{"deep": deep(5_000_000), "damaged": {9, 0, 0, 0, 3, 'a', 0, 99, 0}, "cut": {5, 0, 0}} {
		t.Run("an argument that is "+name, func(t *testing.T) {
			f := newFalseHost(t, Limits{})
			body := append([]byte(nil), wire.Marshal(wire.OperationMessage{Kind: "data"})...)
			body = append(body[:len(body)-1], append(append([]byte{byte(bson.TypeEmbeddedDocument), 'v', 0}, argument...), 0)...)
			binary.LittleEndian.PutUint32(body, uint32(len(body)))
			if f.handle(wire.Frame{Kind: wire.Operation, Call: 1, Op: 1, Body: body}) == nil {
				t.Error("it was taken")
			}
			if n := len(f.backend.log()); n > 0 {
				t.Errorf("%d operations were done", n)
			}
		})
	}
	for name, c := range map[string]struct {
		result wire.ResultMessage
		want   string
	}{
		"large":   {wire.ResultMessage{Value: value(strings.Repeat("x", 17<<20))}, "function_result_size"},
		"deep":    {wire.ResultMessage{Value: bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: deep(1_000_000)}}, "nests deeper"},
		"damaged": {wire.ResultMessage{Value: bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: []byte{12, 0, 0, 0, 16, 'a', 0, 1, 0, 0, 0, 7}}}, "damaged"},
		"failure": {wire.ResultMessage{Value: value(nil), Failure: &wire.Failure{Name: strings.Repeat("n", 1<<20), Message: strings.Repeat("m", 1<<20), Stack: strings.Repeat("s", 1<<20), Code: strings.Repeat("c", 1<<20), Labels: []string{strings.Repeat("l", 1<<20)}}}, "mmm"},
	} {
		t.Run("a result that is "+name, func(t *testing.T) {
			f := newFalseHost(t, Limits{ResultBytes: 16 << 20})
			if err := f.handle(wire.Frame{Kind: wire.Result, Call: 1, Body: wire.Marshal(c.result)}); err != nil {
				t.Fatal(err)
			}
			r := (<-f.call.outcome).result
			if r.Failure == nil || !strings.Contains(r.Failure.Message, c.want) {
				t.Fatalf("%.200v", r.Failure)
			}
			if e := r.Failure; len(e.Name)+len(e.Message)+len(e.Stack)+len(e.Code)+len(e.Labels) > maxMessage+maxStack+1000 {
				t.Errorf("the failure has a name of %d, a message of %d, a stack of %d bytes", len(e.Name), len(e.Message), len(e.Stack))
			}
		})
	}
	for name, frame := range map[string]wire.Frame{
		"an identity of nobody":   {Kind: wire.Operation, Call: 1, Body: wire.Marshal(wire.OperationMessage{Kind: "data", As: 1})},
		"a frame of the server's": {Kind: wire.Reply, Call: 1},
		"a body that is none":     {Kind: wire.Operation, Call: 1, Body: []byte("x")},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFalseHost(t, Limits{})
			if f.handle(frame) == nil || len(f.backend.log()) > 0 {
				t.Error("it was taken")
			}
		})
	}
	t.Run("a call that is another host's", func(t *testing.T) {
		f := newFalseHost(t, Limits{})
		if err := f.ask(7, wire.OperationMessage{}); err != nil || len(f.backend.log()) > 0 {
			t.Error("it was done")
		}
	})
}

// TestManyIdentities has inner calls run as a user again and again: the server
// keeps him once.
func TestManyIdentities(t *testing.T) {
	r := mustStart(t, Config{})
	d := mustDeploy(t, r, newMemoryBackend(), map[string]string{
		"as_one":   `exports = () => 1`,
		"sys_two":  `exports = () => context.runningAsSystem()`,
		"repeated": `exports = () => { let n = 0; for (let i = 0; i < 3000; i++) n += context.functions.execute('as_one') + context.functions.execute('sys_two'); return n; }`,
	}, describeApp(t))
	if got, err := call(t, d, "repeated"); err != nil || got != `{"$numberInt":"6000"}` {
		t.Errorf("%s %v", got, err)
	}
}
