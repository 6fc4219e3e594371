package function

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
	"regent/internal/caller"
)

// TestSoak runs mixed functions for as long as REGENT_SOAK says and checks that
// the memory of the hosts stays flat.
func TestSoak(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("REGENT_SOAK"))
	if err != nil {
		t.Skip("set REGENT_SOAK to a duration, as in REGENT_SOAK=10m")
	}
	r := mustStart(t, Config{Hosts: 2, Limits: Limits{Time: 10 * time.Second}})
	backend := newMemoryBackend()
	d := mustDeploy(t, r, backend, map[string]string{
		"add":    `exports = (a, b) => a + b;`,
		"bson":   `exports = () => ({ id: BSON.ObjectId(), d: new Date(), l: BSON.Long(1) });`,
		"data":   `exports = async () => { const c = context.services.get('mongodb-atlas').db('d').collection('soak'); return (await c.find({}).toArray()).length + context.functions.execute('add', 1, 2); };`,
		"memory": `exports = () => { const a = []; for (let i = 0; i < 20000; i++) a.push({ i, s: 'x' + i }); return a.length; };`,
		"throws": `exports = async () => { await null; console.log('about to fail', { a: 1 }); throw new Error('x'); };`,
		"crypto": `exports = () => require('crypto').createHash('sha256').update(Buffer.alloc(10000)).digest('hex');`,
		"timers": `exports = () => new Promise(r => setTimeout(() => r(new Intl.NumberFormat('de-DE').format(1234.5)), 5));`,
	}, func(a *app.App) {
		a.DataSources = []*app.DataSource{{Name: "mongodb-atlas", Type: "mongodb-atlas"}}
	})
	names := []string{"add", "bson", "data", "memory", "throws", "crypto", "timers"}
	for i := range 100 {
		backend.collections["soak"] = append(backend.collections["soak"], bson.Raw(value(bson.D{{Key: "_id", Value: i}, {Key: "n", Value: int64(i)}}).Value))
	}
	stop := time.Now().Add(length)
	var wg sync.WaitGroup
	var mu sync.Mutex
	counts := map[string]int{}
	for w := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := w; time.Now().Before(stop); i++ {
				name := names[i%len(names)]
				_, err := d.Call(context.Background(), caller.Caller{}, name, []bson.RawValue{value(int32(1)), value(int32(2))})
				if (err != nil) != (name == "throws") {
					t.Errorf("%s: %v", name, err)
					return
				}
				mu.Lock()
				counts[name]++
				mu.Unlock()
			}
		}()
	}
	var early, late int64
	for time.Now().Before(stop) {
		time.Sleep(length / 20)
		late = resident(t, r)
		if early == 0 && time.Until(stop) < length*3/4 {
			early = late
		}
		t.Logf("hosts hold %d MB", late>>20)
	}
	wg.Wait()
	t.Log(counts)
	if early > 0 && late > early*3/2+32<<20 {
		t.Errorf("memory grew from %d to %d MB", early>>20, late>>20)
	}
}

// resident is what the hosts hold in memory together.
func resident(t *testing.T, r *Runtime) (total int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.hosts {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", h.cmd.Process.Pid))
		if err != nil {
			t.Skip("no /proc: ", err)
		}
		var size, pages int64
		fmt.Sscan(strings.TrimSpace(string(text)), &size, &pages)
		total += pages * int64(os.Getpagesize())
	}
	return total
}
