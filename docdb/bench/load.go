package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// result is a measured rate with its latencies.
type result struct {
	rate     float64
	p50, p99 time.Duration
}

func (r result) String() string {
	return fmt.Sprintf("%.0f/s (p50 %s, p99 %s)", r.rate, short(r.p50), short(r.p99))
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
	)
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
	return result{float64(len(latencies)) / d.Seconds(), latencies[len(latencies)/2], latencies[len(latencies)*99/100]}, nil
}

// best is the median time of op over about d, after one run that doesn't count.
func best(d time.Duration, op func() error) (time.Duration, error) {
	var times []time.Duration
	for end := time.Now().Add(d); len(times) < 4 || time.Now().Before(end); {
		began := time.Now()
		if err := op(); err != nil {
			return 0, err
		}
		times = append(times, time.Since(began))
	}
	times = times[1:]
	slices.Sort(times)
	return times[len(times)/2], nil
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
	return best(200*time.Millisecond, func() error {
		if _, err := f.Write(page); err != nil {
			return err
		}
		return f.Sync()
	})
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
