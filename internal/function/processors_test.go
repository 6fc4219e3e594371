//go:build linux

package function

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"regent/internal/caller"
)

// TestCrowd has hosts with long calls use parts of a processor, each for some
// ticks.
func TestCrowd(t *testing.T) {
	type stretch struct {
		ticks   int
		percent int // of a processor
		want    bool
	}
	for name, stretches := range map[string][]stretch{
		"waiting calls":    {{100, 20, false}},
		"a computing call": {{1, 100, true}, {29, 0, true}, {1, 0, false}},
		"many on one":      {{1, 60, true}, {100, 30, true}, {29, 20, true}, {1, 30, true}, {29, 0, true}, {1, 0, false}},
	} {
		var c crowd
		for i, s := range stretches {
			for tick := range s.ticks {
				if got := c.see(crowdTick*time.Duration(s.percent)/100, crowdTick); got != s.want {
					t.Errorf("%s, stretch %d, tick %d: %v, want %v", name, i, tick, got, s.want)
				}
			}
		}
	}
}

// TestComputingHostsLeaveAProcessor checks that hosts, those that start later too,
// lose a processor while a function computes and not while one waits, and have it
// again afterwards.
func TestComputingHostsLeaveAProcessor(t *testing.T) {
	var ours unix.CPUSet
	if err := unix.SchedGetaffinity(0, &ours); err != nil || ours.Count() < 2 {
		t.Skip("one processor")
	}
	r := mustStart(t, Config{Hosts: 2})
	d := mustDeploy(t, r, nil, map[string]string{
		"wait":    `exports = () => new Promise(done => setTimeout(done, 500))`,
		"compute": `exports = () => { for (;;); }`,
	})
	// confined tells whether all threads of all hosts, or none, have less than we.
	confined := func() (all, none bool) {
		all, none = true, true
		for _, h := range r.living() {
			dir := fmt.Sprintf("/proc/%d/task", h.cmd.Process.Pid)
			tasks, _ := os.ReadDir(dir)
			for _, task := range tasks {
				tid, _ := strconv.Atoi(task.Name())
				var set unix.CPUSet
				if unix.SchedGetaffinity(tid, &set) != nil {
					continue
				}
				if set.Count() < ours.Count() {
					none = false
				} else {
					all = false
				}
			}
		}
		return all, none
	}
	eventually := func(what string, ok func() bool) {
		t.Helper()
		for range 2000 {
			if ok() {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Fatal(what)
	}
	waiting := make(chan error)
	wait := func() {
		_, err := d.Call(context.Background(), caller.Caller{}, "wait", nil)
		waiting <- err
	}
	// A host's first call may compute for long: it compiles.
	for range 2 {
		go wait()
	}
	for range 2 {
		if err := <-waiting; err != nil {
			t.Fatal(err)
		}
	}
	eventually("the hosts have less than all processors at the beginning", func() bool { _, none := confined(); return none })
	go wait()
	for done := false; !done; {
		select {
		case err := <-waiting:
			if err != nil {
				t.Fatal(err)
			}
			done = true
		case <-time.After(20 * time.Millisecond):
			if _, none := confined(); !none {
				t.Fatal("a call that waits took a processor from the hosts")
			}
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	computing := make(chan struct{})
	go func() {
		defer close(computing)
		_, _ = d.Call(ctx, caller.Caller{}, "compute", nil)
	}()
	eventually("a computing call left no processor to the server", func() bool { all, _ := confined(); return all })
	victim := r.living()[0]
	if n, _ := victim.running(); n > 0 {
		victim = r.living()[1]
	}
	victim.kill(nil)
	<-victim.gone
	eventually("no host took the place of one that was killed", func() bool { return len(r.living()) >= 2 })
	if all, _ := confined(); !all {
		t.Error("a host that started while a function computed has all processors")
	}
	stop()
	<-computing
	eventually("the hosts have less than all processors after the computing", func() bool { _, none := confined(); return none })
}
