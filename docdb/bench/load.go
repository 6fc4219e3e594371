package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// result is a measured rate with its latencies. cpu is the processor time that an operation took in this process, the client's part
// and the collector's included: on a busy machine it says more than the rate.
// server is the same for the server's process, where that is another.
type result struct {
	rate        float64
	p50, p99    time.Duration
	cpu, server time.Duration
	ops         int64
}

func (r result) String() string {
	s := fmt.Sprintf("%.0f/s (p50 %s, p99 %s)", r.rate, short(r.p50), short(r.p99)) + showCPU(r.cpu)
	if printCPU && r.server > 0 {
		s += fmt.Sprintf(" [server %s]", short(r.server))
	}
	return s
}

// printCPU is the flag -cpu.
var printCPU bool

func showCPU(d time.Duration) string {
	if !printCPU {
		return ""
	}
	return fmt.Sprintf(" [%s CPU]", short(d))
}

// used is the processor time that this process has used.
func used() time.Duration {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func short(d time.Duration) string {
	if d < time.Millisecond {
		return fmt.Sprintf("%.0f µs", float64(d)/float64(time.Microsecond))
	}
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// load runs op in n workers for a time, of which the first fifth doesn't count. i grows in each worker.
func load(n int, d time.Duration, op func(worker, i int) error) (result, error) {
	var (
		mu        sync.Mutex
		latencies []time.Duration
		failure   atomic.Pointer[error]
		wg        sync.WaitGroup
		all       atomic.Int64
	)
	before := used()
	warm := time.Now().Add(d / 5)
	end := warm.Add(d)
	for w := range n {
		wg.Go(func() {
			var mine []time.Duration
			for i := 0; failure.Load() == nil; i++ {
				began := time.Now()
				if began.After(end) {
					break
				}
				if err := op(w, i); err != nil {
					failure.CompareAndSwap(nil, &err)
					return
				}
				all.Add(1)
				if began.After(warm) {
					mine = append(mine, time.Since(began))
				}
			}
			mu.Lock()
			latencies = append(latencies, mine...)
			mu.Unlock()
		})
	}
	wg.Wait()
	if err := failure.Load(); err != nil {
		return result{}, *err
	}
	if len(latencies) == 0 {
		return result{}, fmt.Errorf("no operation finished in %v", d)
	}
	slices.Sort(latencies)
	total := all.Load()
	return result{rate: float64(len(latencies)) / d.Seconds(), p50: latencies[len(latencies)/2], p99: latencies[len(latencies)*99/100],
		cpu: (used() - before) / time.Duration(total), ops: total}, nil
}

// elapsed is the time that something takes, and its processor time.
type elapsed struct{ wall, cpu time.Duration }

func (e elapsed) String() string {
	return fmt.Sprintf("%.1f ms", float64(e.wall)/float64(time.Millisecond)) + showCPU(e.cpu)
}

// best is the median time of op over about d, after one run that doesn't count.
func best(d time.Duration, op func() error) (elapsed, error) {
	var times []time.Duration
	var before time.Duration
	for end := time.Now().Add(d); len(times) < 4 || time.Now().Before(end); {
		began := time.Now()
		if err := op(); err != nil {
			return elapsed{}, err
		}
		if times = append(times, time.Since(began)); len(times) == 1 {
			before = used()
		}
	}
	times = times[1:]
	cpu := (used() - before) / time.Duration(len(times))
	slices.Sort(times)
	return elapsed{times[len(times)/2], cpu}, nil
}

// syncCost is the median time of a synced write to the folder's disk.
func syncCost(dir string) (time.Duration, error) {
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	page := make([]byte, 4096)
	e, err := best(200*time.Millisecond, func() error {
		if _, err := f.Write(page); err != nil {
			return err
		}
		return f.Sync()
	})
	return e.wall, err
}

func cpuModel() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for l := range strings.Lines(string(b)) {
		if name, v, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return "unknown processor"
}
