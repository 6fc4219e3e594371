package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// hostileScripts are the scripts of the containment tests.
const hostileScripts = "internal/function/testdata/attacks.hostile"

// attackers is how many clients call hostile functions at once.
const attackers = 10

// attackSettings bound the hostile functions' time, so that one run sees many
// of them.
const attackSettings = `{"function_timeout": "2s"}`

// attackFiles are the hostile functions of the app directory, and their names.
func attackFiles() (files map[string]string, names []string, err error) {
	text, err := os.ReadFile(hostileScripts)
	if err != nil {
		return nil, nil, err
	}
	files = map[string]string{}
	for line := range strings.Lines(string(text)) {
		if strings.TrimSpace(line) == "" || line[0] == '#' {
			continue
		}
		head, code, _ := strings.Cut(line, ": ")
		name, _, _ := strings.Cut(head, " ")
		files["functions/"+name+".js"] = "exports = function () { " + strings.TrimSpace(code) + " };"
		names = append(names, name)
	}
	return files, names, nil
}

// attackRounds is how many times log-ins run alone and then beside attacks. A
// machine whose disk stops for 100 ms now and then gives a single round
// whatever p99 it likes; rounds in turn share such stops out evenly.
const attackRounds = 5

// measureAttacks prints how long log-ins take by themselves and while ten
// clients call one hostile function after the other.
func measureAttacks(w *world, url string, duration time.Duration) error {
	_, names, err := attackFiles()
	if err != nil {
		return err
	}
	fmt.Printf("\n| log-ins at a steady rate, %d rounds in turn | alone: p50, p99 ms | beside %d attacks: p50, p99 ms | p99 ratio | ratio of each round |\n|---|---|---|---|---|\n", attackRounds, attackers)
	for _, c := range []struct {
		scenario    string
		connections int
		rate        float64
	}{{"anonymous login", 8, 100}, {"e-mail login", 4, 8}} {
		var sc scenario
		for _, s := range scenarios(w) {
			if s.name == c.scenario {
				sc = s
			}
		}
		var alone, beside []time.Duration
		var calls int64
		var ratios []string
		for range attackRounds {
			a, err := measurePaced(url, sc, c.connections, c.rate, duration)
			if err != nil {
				return err
			}
			ctx, stop := context.WithCancel(context.Background())
			done := attack(ctx, w, url, names)
			b, err := measurePaced(url, sc, c.connections, c.rate, duration)
			stop()
			calls += done()
			if err != nil {
				return err
			}
			alone, beside = append(alone, a.latencies...), append(beside, b.latencies...)
			ratios = append(ratios, fmt.Sprintf("%.1f", float64(b.p99)/float64(a.p99)))
		}
		a, b := summarize(alone, attackRounds*duration), summarize(beside, attackRounds*duration)
		fmt.Printf("| %s, %.0f/s (%d hostile calls ended) | %.1f, %.1f | %.1f, %.1f | %.1f | %s |\n", c.scenario, c.rate, calls,
			ms(a.p50), ms(a.p99), ms(b.p50), ms(b.p99), float64(b.p99)/float64(a.p99), strings.Join(ratios, ", "))
	}
	return nil
}

// attack calls hostile functions until ctx ends; the returned function waits
// for the callers and tells how many calls ended.
func attack(ctx context.Context, w *world, url string, names []string) func() int64 {
	var wg sync.WaitGroup
	var next, ended atomic.Int64
	for range attackers {
		wg.Go(func() {
			for ctx.Err() == nil {
				name := names[int(next.Add(1))%len(names)]
				r, err := request(ctx, "POST", url+callPath, w.access, fmt.Sprintf(`{"name":%q,"arguments":[]}`, name))
				if err != nil {
					return
				}
				res, err := http.DefaultClient.Do(r)
				if err != nil {
					continue // the end, or the server is to blame, which the log-ins show
				}
				res.Body.Close()
				ended.Add(1)
			}
		})
	}
	return func() int64 { wg.Wait(); return ended.Load() }
}

// measureCold prints the latency of the first call that a new deployment
// answers: the file is changed, and calls follow each other until one has the
// new answer.
func measureCold(w *world, url, appDir string) error {
	var times []time.Duration
	for version := 1; version <= 9; version++ {
		code := fmt.Sprintf("exports = function () { return 'version %d'; };", version)
		if err := os.WriteFile(filepath.Join(appDir, "functions/version.js"), []byte(code), 0o644); err != nil {
			return err
		}
		want := fmt.Sprintf("%q", fmt.Sprintf("version %d", version))
		for deadline := time.Now().Add(20 * time.Second); ; {
			r, err := request(contextBackground, "POST", url+callPath, w.access, `{"name":"version","arguments":[]}`)
			if err != nil {
				return err
			}
			began := time.Now()
			_, _, body, err := do(http.DefaultClient, r)
			took := time.Since(began)
			if err != nil {
				return err
			}
			if string(body) == want {
				times = append(times, took)
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("the changed function was not deployed: %s", body)
			}
			time.Sleep(time.Millisecond)
		}
	}
	slices.Sort(times)
	fmt.Printf("\nThe first call after a deployment, %d times: %.1f ms in the middle, %.1f ms at most.\n", len(times), ms(times[len(times)/2]), ms(times[len(times)-1]))
	return nil
}
