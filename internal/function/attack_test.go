package function

import (
	"context"
	"os"
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

// attack is one hostile script and what is to stop it.
type attack struct {
	name, by, code string
}

// readAttacks reads the hostile scripts.
func readAttacks(t *testing.T) (all []attack) {
	t.Helper()
	text, err := os.ReadFile("testdata/attacks.hostile")
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(text)) {
		if l == "\n" || l[0] == '#' {
			continue
		}
		head, code, _ := strings.Cut(l, ": ")
		name, by, _ := strings.Cut(head, " ")
		all = append(all, attack{name, by, "exports = function () { " + strings.TrimSpace(code) + " };"})
	}
	return all
}

// stoppedBy gives texts of which the error of an attack has one.
var stoppedBy = map[string][]string{
	"time":   {"function_timeout = 700ms"},
	"memory": {"function_memory_mb = 150", "--function-host-memory-mb = 600", "message larger than", "function_result_size"},
	"once":   {"memory limit exceeded by "},
	"limit":  {"memory limit exceeded (function_memory_mb = 150)"},
	"depth":  {"function_call_depth = 10000"},
	"timers": {"more than 10000 timers"},
	"value":  {"circular or nested deeper than 200 levels"},
	"size":   {"is larger than"},
	"stack":  {"the stack of the function's host is full"},
	"begun":  {"had already begun to act and was not run again"},

	"inflated": {"unpacks to more than"},
}

// atOnce is how many attacks run together.
const atOnce = 10

// TestAttacks runs every hostile script, ten at once, beside a harmless function
// that must go on answering. What memory stops gets more time than it needs,
// however busy the machine is, so that it is memory that stops it.
func TestAttacks(t *testing.T) {
	if testing.Short() {
		t.Skip("hostile scripts take their time")
	}
	attacks := readAttacks(t)
	code := map[string]string{"harmless": `exports = (a, b) => a + b;`}
	for _, a := range attacks {
		code[a.name] = a.code
	}
	r := mustStart(t, Config{Hosts: 2, Limits: Limits{CallMemory: 150 << 20, HostMemory: 600 << 20}})
	deploy := func(limit time.Duration) *Deployment {
		return mustDeploy(t, r, &fakeBackend{}, code, func(a *app.App) {
			a.DataSources = []*app.DataSource{{Name: "mongodb-atlas", Type: "mongodb-atlas"}}
			a.Settings = app.DefaultSettings()
			a.Settings.FunctionTimeout, a.Settings.FunctionMemoryMB, a.Settings.FunctionCallDepth = limit, 150, 10_000
		})
	}
	hasty, patient := deploy(700*time.Millisecond), deploy(2*time.Minute)
	var fine atomic.Int64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
			v, err := patient.Call(context.Background(), caller.Caller{}, "harmless", []bson.RawValue{value(int32(1)), value(int32(2))})
			if err != nil || v.Int32() != 3 {
				t.Errorf("the harmless function: %v %v", v, err)
				return
			}
			fine.Add(1)
		}
	}()
	outcomes := make([]error, len(attacks))
	took := make([]time.Duration, len(attacks))
	var wg sync.WaitGroup
	next := make(chan int)
	for range atOnce {
		wg.Go(func() {
			for i := range next {
				d := patient
				if slices.Contains(strings.Split(attacks[i].by, "/"), "time") {
					d = hasty
				}
				start := time.Now()
				_, outcomes[i] = d.Call(context.Background(), caller.Caller{}, attacks[i].name, nil)
				took[i] = time.Since(start)
			}
		})
	}
	for i := range attacks {
		next <- i
	}
	close(next)
	wg.Wait()
	close(stop)
	<-stopped
	for i, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			t.Logf("%s: %.120v", took[i].Round(time.Millisecond), outcomes[i])
			checkStopped(t, a, outcomes[i])
		})
	}
	t.Logf("%d harmless calls meanwhile", fine.Load())
	if fine.Load() < 20 {
		t.Errorf("others suffered: only %d calls", fine.Load())
	}
}

func checkStopped(t *testing.T, a attack, err error) {
	t.Helper()
	if a.by == "ends" {
		if err != nil {
			t.Errorf("it ended with: %v", err)
		}
		return
	}
	if err == nil {
		t.Error("it was not stopped")
		return
	}
	for by := range strings.SplitSeq(a.by, "/") {
		if len(stoppedBy[by]) == 0 {
			t.Fatalf("unknown outcome %q", by)
		}
		if contains(err.Error(), stoppedBy[by]...) {
			return
		}
	}
	t.Errorf("it was not stopped by %s but: %v", a.by, err)
}
