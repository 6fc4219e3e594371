package function

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"regent/internal/app"
	"regent/internal/caller"
	"regent/internal/fault"
)

// TestConcurrencyLimit fills an app's places and its queue: the next call is
// refused with the settings and their values.
func TestConcurrencyLimit(t *testing.T) {
	r := mustStart(t, Config{})
	d := mustDeploy(t, r, nil, map[string]string{"wait": `exports = () => new Promise(r => setTimeout(r, 60000))`}, func(a *app.App) {
		a.Settings = app.DefaultSettings()
		a.Settings.FunctionConcurrency, a.Settings.FunctionQueue = 2, 1
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 3)
	for range 3 {
		go func() { _, err := d.Call(ctx, caller.Caller{}, "wait", nil); ended <- err }()
	}
	for range 1000 {
		if len(d.places) == 2 && d.waiting.Load() == 1 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	_, err := d.Call(context.Background(), caller.Caller{}, "wait", nil)
	wantCode(t, err, fault.FunctionExecutionError, 429, "too many function calls at once (function_concurrency = 2, function_queue = 1)")
	cancel()
	for range 3 {
		if err := <-ended; err == nil {
			t.Error("a call whose caller has gone succeeded")
		}
	}
}

// TestWaitingArguments fills the queue with large arguments: the server takes no
// more of them than it says.
func TestWaitingArguments(t *testing.T) {
	d := &Deployment{limits: Limits{Waiting: 1000}, places: make(chan struct{})}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for range maxWaitingBytes / (16 << 20) {
		go func() { _, _ = d.place(ctx, 16<<20) }()
	}
	for d.waitingBytes.Load() < maxWaitingBytes {
		time.Sleep(time.Millisecond)
	}
	_, err := d.place(ctx, 16<<20)
	wantCode(t, err, fault.FunctionExecutionError, 429, "function_queue = 1000")
	if n := d.waitingBytes.Load(); n > maxWaitingBytes {
		t.Errorf("%d bytes wait", n)
	}
}

// unprepared makes this test's program one whose main lacks its first call.
const unprepared = "REGENT_TEST_UNPREPARED"

// TestUnprepared embeds the runtime in a program that cannot become a host.
func TestUnprepared(t *testing.T) {
	if os.Getenv(unprepared) != "" {
		r, err := Start(Config{})
		if err == nil {
			r.Close()
		}
		t.Fatalf("Start: %v", err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run", "^TestUnprepared$")
	cmd.Env = append(os.Environ(), unprepared+"=1")
	out, _ := cmd.CombinedOutput()
	if !strings.Contains(string(out), "Start: functions need function-host processes: call regent.MaybeRunFunctionHost() first in main()") {
		t.Errorf("%s", out)
	}
}

// TestMemoryInsideBuiltin lets memory grow within one built-in function, which
// the engine does not interrupt: the host is ended at the call's limit, long
// before its own, and what ran beside is run again.
func TestMemoryInsideBuiltin(t *testing.T) {
	r := mustStart(t, Config{Hosts: 1, Limits: Limits{CallMemory: 64 << 20, HostMemory: 3 << 30}})
	d := mustDeploy(t, r, nil, map[string]string{
		"grows": `exports = () => JSON.stringify(Array(1e5).fill('\\u0001'.repeat(1e4))).length`,
		"waits": `exports = () => new Promise(ok => setTimeout(ok, 500, 'fine'))`,
	}, func(a *app.App) {
		a.Settings = app.DefaultSettings()
		a.Settings.FunctionMemoryMB = 64
	})
	beside := make(chan error, 1)
	go func() {
		v, err := d.Call(context.Background(), caller.Caller{}, "waits", nil)
		if err == nil && v.StringValue() != "fine" {
			err = errors.New(v.String())
		}
		beside <- err
	}()
	_, err := d.Call(context.Background(), caller.Caller{}, "grows", nil)
	wantCode(t, err, fault.FunctionExecutionError, 400, "memory limit exceeded (function_memory_mb = 64)")
	if err := <-beside; err != nil {
		t.Errorf("the call beside: %v", err)
	}
}
