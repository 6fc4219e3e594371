package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"regent/internal/auth/password"
)

// hashRounds is how often the hash alone and log-ins take turns.
const hashRounds = 6

// measureHash prints what the password hash alone allows here, and what e-mail
// log-ins make of it. Both take turns, so that what else the machine does
// meanwhile slows them alike.
//
// The processor time of both is what a machine with others on it cannot falsify:
// the bench's own for the hash, the server's for a log-in.
func measureHash(w *world, server *process, duration time.Duration) error {
	h, err := password.New(password.Default, runtime.NumCPU(), password.DefaultWaiting, rand.Reader)
	if err != nil {
		return err
	}
	ctx := context.Background()
	hash, err := h.Hash(ctx, pass)
	if err != nil {
		return err
	}
	alone := turn{pid: os.Getpid(), workers: runtime.NumCPU(), do: func(int) error {
		_, _, err := h.Verify(ctx, hash, pass)
		return err
	}}
	const connections = 16
	transport := &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections, DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	var login scenario
	for _, sc := range scenarios(w) {
		if sc.name == "e-mail login" {
			login = sc
		}
	}
	logins := turn{pid: server.cmd.Process.Pid, workers: connections, do: func(worker int) error { return login.once(ctx, client, server.url, worker, 0) }}

	slice := max(duration/3, 500*time.Millisecond)
	for round := range hashRounds + 1 {
		for _, t := range []*turn{&alone, &logins} {
			if round == 0 {
				t.run(slice / 4) // warms up; does not count
				t.done, t.took, t.used = 0, 0, 0
			} else {
				t.run(slice)
			}
			if err := t.failure; err != nil {
				return err
			}
		}
	}
	fmt.Printf("\nThe password hash alone (%+v, %d at once) makes %.1f a second, e-mail log-ins over %d connections %.1f: %.0f %% of it (%d turns of %v each).\n",
		password.Default, alone.workers, alone.rate(), connections, logins.rate(), 100*logins.rate()/alone.rate(), hashRounds, slice)
	fmt.Printf("Processor time: %.1f ms a hash, %.1f ms a log-in in the server: %.0f %%.\n",
		ms(alone.cost()), ms(logins.cost()), 100*float64(alone.cost())/float64(logins.cost()))
	return nil
}

// turn is work that several workers repeat for a while, again and again.
type turn struct {
	workers int
	do      func(worker int) error
	pid     int // whose processor time it takes

	done    int64
	took    time.Duration
	used    time.Duration // of the processor
	failure error
}

// run repeats the work for a while. The time counts until the last worker has
// finished, as does what they finish.
func (t *turn) run(d time.Duration) {
	var wg sync.WaitGroup
	var n atomic.Int64
	var once sync.Once
	began, used := time.Now(), processorTime(t.pid)
	for worker := range t.workers {
		wg.Go(func() {
			for time.Since(began) < d {
				if err := t.do(worker); err != nil {
					once.Do(func() { t.failure = err })
					return
				}
				n.Add(1)
			}
		})
	}
	wg.Wait()
	t.took += time.Since(began)
	t.used += processorTime(t.pid) - used
	t.done += n.Load()
}

func (t *turn) rate() float64 { return float64(t.done) / t.took.Seconds() }

func (t *turn) cost() time.Duration { return t.used / time.Duration(max(t.done, 1)) }

// processorTime is what a process has used so far, exact to 10 ms.
func processorTime(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The name, in brackets, may hold anything; utime is the 12th field after it.
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	var user, system int64
	fmt.Sscan(fields[11], &user)
	fmt.Sscan(fields[12], &system)
	return time.Duration(user+system) * 10 * time.Millisecond
}
