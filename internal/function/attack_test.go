package function

import (
	"context"
	"os"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
	"regent/internal/caller"
)

// readAttacks reads the hostile scripts.
func readAttacks(t *testing.T) (names []string, code map[string]string) {
	t.Helper()
	text, err := os.ReadFile("testdata/attacks.hostile")
	if err != nil {
		t.Fatal(err)
	}
	code = map[string]string{}
	for _, l := range strings.Split(string(text), "\n") {
		if l == "" || l[0] == '#' {
			continue
		}
		name, body, _ := strings.Cut(l, ": ")
		names = append(names, name)
		code[name] = "exports = function () { " + body + " };"
	}
	return names, code
}

// TestAttacks runs every hostile script, several at once, beside a harmless
// function that must go on answering.
func TestAttacks(t *testing.T) {
	if testing.Short() {
		t.Skip("hostile scripts take their time")
	}
	names, code := readAttacks(t)
	code["harmless"] = `exports = (a, b) => a + b;`
	const limit = 700 * time.Millisecond
	r := mustStart(t, Config{Hosts: 2, Limits: Limits{Time: limit, CallMemory: 150 << 20, HostMemory: 600 << 20}})
	d := mustDeploy(t, r, &fakeBackend{}, code, func(a *app.App) {
		a.DataSources = []*app.DataSource{{Name: "mongodb-atlas", Type: "mongodb-atlas"}}
	})
	var stop atomic.Bool
	var slow, fine atomic.Int64
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for !stop.Load() {
			start := time.Now()
			v, err := d.Call(context.Background(), caller.Caller{}, "harmless", []bson.RawValue{value(int32(1)), value(int32(2))})
			if err != nil {
				t.Errorf("the harmless function failed: %v", err)
				return
			}
			if v.Int32() != 3 {
				t.Errorf("the harmless function gave %v", v)
			}
			if time.Since(start) > 5*time.Second {
				slow.Add(1)
			}
			fine.Add(1)
			time.Sleep(5 * time.Millisecond)
		}
	}()
	type outcome struct {
		name string
		took time.Duration
		text string
	}
	var mu sync.Mutex
	var outcomes []outcome
	places := make(chan struct{}, 4)
	var attacks sync.WaitGroup
	for _, n := range names {
		attacks.Add(1)
		places <- struct{}{}
		go func() {
			defer func() { <-places; attacks.Done() }()
			ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
			defer cancel()
			start := time.Now()
			_, err := d.Call(ctx, caller.Caller{}, n, nil)
			text := "it ended"
			if err != nil {
				text = err.Error()
			}
			mu.Lock()
			outcomes = append(outcomes, outcome{n, time.Since(start), text})
			mu.Unlock()
		}()
	}
	attacks.Wait()
	stop.Store(true)
	wg.Wait()
	sort.Slice(outcomes, func(i, j int) bool { return outcomes[i].name < outcomes[j].name })
	for _, o := range outcomes {
		t.Logf("%-22s %8s  %.110s", o.name, o.took.Round(time.Millisecond), o.text)
		if o.took > 15*time.Second {
			t.Errorf("%s took %s", o.name, o.took)
		}
	}
	t.Logf("harmless calls: %d, slower than 5 s: %d", fine.Load(), slow.Load())
	if fine.Load() < 20 || slow.Load() > 2 {
		t.Errorf("others suffered: %d calls, %d slow", fine.Load(), slow.Load())
	}
}
