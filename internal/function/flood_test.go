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

// TestEndedCallAsksNothing ends a call that has asked for much: what was not
// begun is not done any more.
func TestEndedCallAsksNothing(t *testing.T) {
	begun, release := make(chan struct{}, 1000), make(chan struct{})
	backend := &fakeBackend{data: func(context.Context, caller.Caller, string, string, bson.Raw) (bson.RawValue, error) {
		begun <- struct{}{}
		<-release
		return value(nil), nil
	}}
	r := mustStart(t, Config{Limits: Limits{Time: time.Second}})
	d := mustDeploy(t, r, backend, map[string]string{
		"flood": `exports = () => { const c = context.services.get('mongodb-atlas').db('d').collection('c'); for (let i = 0; i < 1000; i++) c.insertOne({ i }); for (;;); }`,
	}, func(a *app.App) {
		a.DataSources = []*app.DataSource{{Name: "mongodb-atlas", Type: "mongodb-atlas"}}
	})
	ended := make(chan error, 1)
	go func() { _, err := d.Call(context.Background(), caller.Caller{}, "flood", nil); ended <- err }()
	for range maxActing {
		<-begun
	}
	if err := <-ended; err == nil {
		t.Error("no error")
	}
	close(release)
	for r.asked.Load() > 0 {
		time.Sleep(time.Millisecond)
	}
	if n := len(backend.log()); n != maxActing {
		t.Errorf("%d operations were done, want the %d that had begun", n, maxActing)
	}
}
