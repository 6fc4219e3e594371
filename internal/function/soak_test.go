package function

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
	"regent/internal/caller"
)

// soakFunctions are what the soak mixes: each leaves something behind if
// anything can be left behind.
var soakFunctions = map[string]string{
	"add":     `exports = (a, b) => a + b;`,
	"bson":    `exports = () => ({ id: BSON.ObjectId(), d: new Date(), l: BSON.Long(1), u: EJSON.parse('{"a":{"$numberLong":"5"}}') });`,
	"data":    `exports = async () => { const c = context.services.get('mongodb-atlas').db('d').collection('soak'); return (await c.find({}).toArray()).length + context.functions.execute('add', 1, 2); };`,
	"forgets": `exports = () => { const c = context.services.get('mongodb-atlas').db('d').collection('none'); for (let i = 0; i < 20; i++) c.findOne({ i }); setTimeout(() => {}, 60000); };`,
	"session": `exports = async () => { const s = context.services.get('mongodb-atlas').startSession(); s.startTransaction(); await context.services.get('mongodb-atlas').db('d').collection('none').findOne({}, { session: s }); };`,
	"memory":  `exports = () => { const a = []; for (let i = 0; i < 20000; i++) a.push({ i, s: 'x' + i }); return a.length; };`,
	"throws":  `exports = async () => { await null; console.log('about to fail', { a: 1 }); throw new Error('x'); };`,
	"crypto":  `exports = () => require('crypto').createHash('sha256').update(Buffer.alloc(10000)).digest('hex');`,
	"timers":  `exports = () => new Promise(r => setTimeout(() => r(new Intl.NumberFormat('de-DE').format(1234.5)), 5));`,
	"http":    `exports = async (a, b, url) => { const r = await fetch(url + '/echo', { method: 'POST', body: 'x'.repeat(50000) }); return (await r.text()).length + (await context.http.get({ url: url + '/json' })).statusCode; };`,
	"socket":  `exports = (a, b, url) => new Promise((ok, no) => { const u = new URL(url), s = require('net').connect(Number(u.port), u.hostname, () => s.write('GET /json HTTP/1.0\r\n\r\n')); s.on('data', d => ok(d.length > 0)); s.on('error', no); });`,
}

// soakActs are those of them that ask the server for something: when their host
// is killed through the function that overruns, they may have begun to act.
var soakActs = []string{"data", "forgets", "session", "http", "socket"}

// lostWithHost is the error of a call that its host took along.
const lostWithHost = "the function was ended because its host process overran through another call; it had already begun to act and was not run again"

// TestSoak runs mixed functions for as long as REGENT_SOAK says, with a new
// deployment every few seconds, and checks that neither the hosts nor the
// server grow. Memory of a busy process goes up and down with its garbage. So
// after each of twenty stretches the load pauses until the hosts have cleaned
// up, and the trend is the slope of a line through what they hold then.
func TestSoak(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("REGENT_SOAK"))
	if err != nil {
		t.Skip("set REGENT_SOAK to a duration, as in REGENT_SOAK=10m")
	}
	server := testServer(t)
	r := mustStart(t, Config{Hosts: 2, Limits: Limits{Time: time.Minute}, Outbound: Outbound{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}})
	backend := newMemoryBackend()
	for i := range 100 {
		backend.collections["soak"] = append(backend.collections["soak"], bson.Raw(value(bson.D{{Key: "_id", Value: i}, {Key: "n", Value: int64(i)}}).Value))
	}
	deploy := func() *Deployment {
		return mustDeploy(t, r, backend, soakFunctions, func(a *app.App) {
			a.DataSources = []*app.DataSource{{Name: "mongodb-atlas", Type: "mongodb-atlas"}}
		})
	}
	impatient := mustDeploy(t, r, backend, map[string]string{"overruns": `exports = () => { for (;;); };`}, func(a *app.App) {
		a.Settings = app.DefaultSettings()
		a.Settings.FunctionTimeout = time.Second
	})
	var current atomic.Pointer[Deployment]
	current.Store(deploy())
	names := slices.Sorted(maps.Keys(soakFunctions))
	var over atomic.Bool
	var wg sync.WaitGroup
	var pause sync.RWMutex // held by calls for reading
	var mu sync.Mutex
	counts, spent := map[string]int{}, map[string]time.Duration{}
	var lost, overruns atomic.Int64
	const workers = 8
	for w := range workers {
		wg.Go(func() {
			for i := w; !over.Load(); i++ {
				name := names[i%len(names)]
				pause.RLock()
				began := time.Now()
				_, err := current.Load().Call(context.Background(), caller.Caller{User: testUser(t)}, name, []bson.RawValue{value(int32(1)), value(int32(2)), value(server.URL)})
				pause.RUnlock()
				switch {
				case err != nil && err.Error() == lostWithHost && slices.Contains(soakActs, name):
					lost.Add(1)
				case (err != nil) != (name == "throws"):
					t.Errorf("%s: %v", name, err)
					return
				}
				mu.Lock()
				counts[name]++
				spent[name] += time.Since(began)
				mu.Unlock()
			}
		})
	}
	wg.Go(func() {
		for !over.Load() {
			time.Sleep(min(5*time.Second, length/20))
			pause.RLock()
			old := current.Swap(deploy())
			pause.RUnlock()
			time.AfterFunc(3*time.Second, old.Close)
		}
	})
	wg.Go(func() {
		for !over.Load() {
			pause.RLock()
			overruns.Add(1)
			if _, err := impatient.Call(context.Background(), caller.Caller{}, "overruns", nil); err == nil || !strings.Contains(err.Error(), "function_timeout = 1s") {
				t.Errorf("overruns: %v", err)
			}
			pause.RUnlock()
			time.Sleep(min(15*time.Second, length/20))
		}
	})
	const stretches = 20
	var hosts, heap []float64
	highest := 0.0
	for s := range stretches {
		most := int64(0)
		for end := time.Now().Add(length / stretches); time.Now().Before(end); {
			most = max(most, resident(t, r))
			time.Sleep(length / stretches / 50)
		}
		highest = max(highest, float64(most)/(1<<20))
		pause.Lock()
		least := settled(t, r)
		pause.Unlock()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		hosts, heap = append(hosts, float64(least)/(1<<20)), append(heap, float64(m.HeapAlloc)/(1<<20))
		t.Logf("stretch %2d: hosts at most %3d MB, then %5.1f MB, the server's heap %5.1f MB, %d goroutines, %d descriptors", s+1, most>>20, hosts[s], heap[s], runtime.NumGoroutine(), descriptors())
	}
	over.Store(true)
	wg.Wait()
	t.Logf("%d calls were lost with hosts that %d calls overran", lost.Load(), overruns.Load())
	if lost.Load() > overruns.Load()*workers {
		t.Errorf("%d calls were lost, more than ran beside %d overruns", lost.Load(), overruns.Load())
	}
	for _, name := range names {
		t.Logf("%-8s %6d calls, %.1f ms on average", name, counts[name], float64(spent[name].Microseconds())/1000/float64(max(counts[name], 1)))
	}
	// The first quarter fills caches and pools. What Go keeps to describe a heap
	// does not shrink with it: a few hundredths of the largest that there was, which
	// a run sees late by chance.
	for _, c := range []struct {
		what  string
		least []float64
		floor float64 // MB that do not count
	}{{"the hosts", hosts[stretches/4:], 5 + highest/25}, {"the server's heap", heap[stretches/4:], 5}} {
		slope, mean := trend(c.least)
		grown := slope * float64(len(c.least)-1)
		t.Logf("%s: on average %.1f MB, trend %+.2f MB a stretch, %+.1f MB over %d stretches", c.what, mean, slope, grown, len(c.least))
		if grown > c.floor && grown > mean/5 {
			t.Errorf("%s grew by %.1f MB", c.what, grown)
		}
	}
}

// settled is what hosts hold that have had nothing to do for longer than they
// wait before they clean up, which on a busy machine takes its time.
func settled(t *testing.T, r *Runtime) int64 {
	least := int64(1 << 62)
	for same := 0; same < 12; {
		time.Sleep(500 * time.Millisecond)
		if now := resident(t, r); now < least-1<<20 {
			least, same = now, 0
		} else {
			same++
		}
	}
	return least
}

// trend is the slope of the straight line that fits best, and the mean.
func trend(y []float64) (slope, mean float64) {
	for _, v := range y {
		mean += v / float64(len(y))
	}
	middle := float64(len(y)-1) / 2
	var up, down float64
	for i, v := range y {
		up += (float64(i) - middle) * (v - mean)
		down += (float64(i) - middle) * (float64(i) - middle)
	}
	return up / down, mean
}

// descriptors counts what this process has open.
func descriptors() int {
	list, _ := os.ReadDir("/proc/self/fd")
	return len(list)
}

// resident is what the hosts hold in memory together.
func resident(t *testing.T, r *Runtime) (total int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.hosts {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", h.cmd.Process.Pid))
		if err != nil {
			continue // it has just ended
		}
		var size, pages int64
		fmt.Sscan(strings.TrimSpace(string(text)), &size, &pages)
		total += pages * int64(os.Getpagesize())
	}
	return total
}
