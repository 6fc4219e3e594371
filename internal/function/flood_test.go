package function

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
	"regent/internal/caller"
	"regent/internal/function/wire"
)

// TestFloods asks for more than the server could hold at once: reads, requests
// and writes of one call, each thousandfold. The server holds no more of them
// than the call may have.
func TestFloods(t *testing.T) {
	const size = 4 << 20
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, size))
		w.(http.Flusher).Flush()
		time.Sleep(50 * time.Millisecond)
	}))
	defer server.Close()
	backend := &fakeBackend{data: func(_ context.Context, _ caller.Caller, _, action string, _ bson.Raw) (bson.RawValue, error) {
		if action == "insertOne" {
			time.Sleep(50 * time.Millisecond)
			return value(bson.D{{Key: "insertedId", Value: 1}}), nil
		}
		v := value(bson.D{{Key: "text", Value: string(make([]byte, size))}})
		time.Sleep(50 * time.Millisecond)
		return v, nil
	}}
	r := mustStart(t, Config{Limits: Limits{Time: 2 * time.Second, CallMemory: 100 << 20}, Outbound: Outbound{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}})
	d := mustDeploy(t, r, backend, map[string]string{
		"reads":    `exports = () => { const c = context.services.get('mongodb-atlas').db('d').collection('c'); for (let i = 0; i < 1000; i++) c.findOne({}); }`,
		"requests": `exports = (url) => { for (let i = 0; i < 1000; i++) context.http.get({ url }); }`,
		"writes":   `exports = () => { const c = context.services.get('mongodb-atlas').db('d').collection('c'), s = 'x'.repeat(4 << 20); for (let i = 0; i < 1000; i++) c.insertOne({ s }); }`,
	}, func(a *app.App) {
		a.DataSources = []*app.DataSource{{Name: "mongodb-atlas", Type: "mongodb-atlas"}}
	})
	for _, name := range []string{"reads", "requests", "writes"} {
		t.Run(name, func(t *testing.T) {
			runtime.GC()
			var peak atomic.Uint64
			stop, stopped := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(stopped)
				for {
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					peak.Store(max(peak.Load(), m.HeapAlloc))
					select {
					case <-stop:
						return
					case <-time.After(20 * time.Millisecond):
					}
				}
			}()
			_, err := d.Call(context.Background(), caller.Caller{}, name, []bson.RawValue{value(server.URL)})
			close(stop)
			<-stopped
			t.Logf("at most %d MB in the server: %v", peak.Load()>>20, err)
			if peak.Load() > 1<<30 {
				t.Errorf("the server held %d MB", peak.Load()>>20)
			}
		})
	}
}

// TestUntrustedHost asks as a host would that does not keep to what hosts ask
// for at once: the server holds two of the largest messages, and no third.
func TestUntrustedHost(t *testing.T) {
	r := mustStart(t, Config{})
	block := make(chan struct{})
	d := mustDeploy(t, r, &fakeBackend{data: func(context.Context, caller.Caller, string, string, bson.Raw) (bson.RawValue, error) {
		<-block
		return value(nil), nil
	}}, nil)
	x := d.execution(context.Background(), caller.Caller{}, "f", bson.RawValue{})
	m := wire.OperationMessage{Kind: "data", Service: "mongodb-atlas", Action: "insertOne", Argument: bson.Raw(value(bson.D{{Key: "a", Value: string(make([]byte, wire.MaxBody-100))}}).Value)}
	done := make(chan struct{}, 3)
	reply := func(bson.RawValue, *wire.Failure) { done <- struct{}{} }
	for i := range 2 {
		if err := x.operation(context.Background(), m, reply); err != nil {
			t.Fatalf("operation %d: %v", i, err)
		}
	}
	if err := x.operation(context.Background(), m, reply); err == nil {
		t.Error("a third message was taken")
	}
	close(block)
	<-done
	<-done
}

// TestEndedCallAsksNothing ends a call that has asked for much: what was not
// begun is not done any more.
func TestEndedCallAsksNothing(t *testing.T) {
	backend := &fakeBackend{data: func(context.Context, caller.Caller, string, string, bson.Raw) (bson.RawValue, error) {
		time.Sleep(20 * time.Millisecond)
		return value(nil), nil
	}}
	r := mustStart(t, Config{Limits: Limits{Time: 300 * time.Millisecond}})
	d := mustDeploy(t, r, backend, map[string]string{
		"flood": `exports = () => { const c = context.services.get('mongodb-atlas').db('d').collection('c'); for (let i = 0; i < 1000; i++) c.insertOne({ i }); for (;;); }`,
	}, func(a *app.App) {
		a.DataSources = []*app.DataSource{{Name: "mongodb-atlas", Type: "mongodb-atlas"}}
	})
	if _, err := d.Call(context.Background(), caller.Caller{}, "flood", nil); err == nil {
		t.Error("no error")
	}
	before := len(backend.log())
	time.Sleep(300 * time.Millisecond)
	if after := len(backend.log()); after > before+maxActing {
		t.Errorf("%d operations were done when the call ended, %d later", before, after)
	}
}
