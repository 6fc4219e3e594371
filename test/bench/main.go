// Command bench measures Regent against a bare net/http server that answers the
// same requests with the same bytes, both driven by the same client in the same
// run, so that the ratios mean something on any machine:
//
//	go run ./test/bench                 # every scenario, 3 s each
//	go run ./test/bench -d 1s -only find,insert
//	go run ./test/bench -only attacks   # log-ins beside hostile functions
//
// -only computing, cold and attacks name the measurements of functions that
// follow the table.
//
// It prints a Markdown table: requests a second and latencies at 1 and 16
// connections, the ratio to the bare server, and the server's memory.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "bare" {
		serveBare()
		return
	}
	duration := flag.Duration("d", 3*time.Second, "time for each measurement")
	only := flag.String("only", "", "only scenarios whose name contains this, or one of these with commas between")
	binary := flag.String("binary", "", "a built regent; default: build one")
	flag.Parse()
	if err := run(*duration, *only, *binary); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(duration time.Duration, only, binary string) error {
	dir, err := os.MkdirTemp("", "regent-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if binary == "" {
		binary = filepath.Join(dir, "regent")
		build := exec.Command("go", "build", "-o", binary, "./cmd/regent")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return err
		}
	}
	appDir := filepath.Join(dir, "app")
	if err := writeApp(appDir); err != nil {
		return err
	}
	// A binary that was just built comes from the disk at its first start.
	if err := exec.Command(binary, "--version").Run(); err != nil {
		return err
	}
	// The bench's own app has dozens of hostile functions besides; a start is
	// measured with the example.
	example, err := start(binary, "examples/todo", "todo-kxqwm", filepath.Join(dir, "example"))
	if err != nil {
		return err
	}
	example.stop()
	regent, err := start(binary, appDir, appID, filepath.Join(dir, "data"))
	if err != nil {
		return err
	}
	defer regent.stop()
	bare, err := startBare()
	if err != nil {
		return err
	}
	defer bare.stop()

	world, err := prepare(regent.url)
	if err != nil {
		return err
	}
	fmt.Printf("%s, %s, %d cores, %s; started to first answer in %d ms on an empty data folder\n\n",
		time.Now().Format("2006-01-02"), runtime.Version(), runtime.NumCPU(), cpuModel(), example.startup.Milliseconds())
	var adding float64
	fmt.Println("| scenario | connections | requests/s | p50 ms | p99 ms | bare requests/s | ratio | server RSS MB |")
	fmt.Println("|---|---|---|---|---|---|---|---|")
	for _, sc := range scenarios(world) {
		if !wanted(sc.name, only) {
			continue
		}
		answer, err := sc.answer(regent.url)
		if err != nil {
			return fmt.Errorf("%s: %w", sc.name, err)
		}
		if err := bare.load(answer); err != nil {
			return err
		}
		for _, connections := range []int{1, 16} {
			b, err := measure(bare.url, sc, connections, duration)
			if err != nil {
				return fmt.Errorf("%s on the bare server: %w", sc.name, err)
			}
			m, err := measure(regent.url, sc, connections, duration)
			if err != nil {
				return fmt.Errorf("%s: %w", sc.name, err)
			}
			if strings.HasPrefix(sc.name, "function") {
				adding = m.rate
			}
			fmt.Printf("| %s | %d | %.0f | %.2f | %.2f | %.0f | %.0f%% | %d |\n", sc.name, connections,
				m.rate, ms(m.p50), ms(m.p99), b.rate, 100*m.rate/b.rate, rss(regent.cmd.Process.Pid))
		}
	}
	if adding > 0 {
		if err := measureHalf(world, regent.url, bare, adding, duration); err != nil {
			return err
		}
	}
	if wanted("e-mail login", only) {
		if err := measureHash(world, regent, duration); err != nil {
			return err
		}
	}
	for _, m := range []struct {
		name    string
		measure func() error
	}{
		{"computing", func() error { return measureHeavy(world, regent.url) }},
		{"cold", func() error { return measureCold(world, regent.url, appDir) }},
		{"attacks", func() error { return measureAttacks(world, regent.url, 2*duration) }},
	} {
		if wanted(m.name, only) {
			if err := m.measure(); err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
		}
	}
	return nil
}

// wanted reports whether a name contains one of the words of -only.
func wanted(name, only string) bool {
	for word := range strings.SplitSeq(only, ",") {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// result is one measurement.
type result struct {
	rate      float64
	p50, p99  time.Duration
	latencies []time.Duration // of every request, sorted
}

// measure drives a scenario over n connections.
func measure(url string, sc scenario, n int, duration time.Duration) (result, error) {
	return measurePaced(url, sc, n, 0, duration)
}

// measurePaced drives a scenario over n connections at a rate, 0 for as fast as
// it goes. Latencies of a paced run count from when a request was due.
func measurePaced(url string, sc scenario, n int, rate float64, duration time.Duration) (result, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: n, MaxConnsPerHost: n, DisableCompression: true}
	defer transport.CloseIdleConnections()
	httpClient := &http.Client{Transport: transport, Timeout: time.Minute}
	ctx, cancel := context.WithTimeout(context.Background(), duration+30*time.Second)
	defer cancel()
	var (
		mu        sync.Mutex
		latencies []time.Duration
		failure   atomic.Pointer[error]
		wg        sync.WaitGroup
	)
	// The first requests open connections and warm caches; they don't count.
	warm := time.Now().Add(duration / 5)
	end := warm.Add(duration)
	for w := range n {
		wg.Go(func() {
			var mine []time.Duration
			first := time.Now()
			for i := 0; ; i++ {
				began := time.Now()
				if rate > 0 {
					due := first.Add(time.Duration((float64(i) + float64(w)/float64(n)) * float64(n) / rate * float64(time.Second)))
					time.Sleep(time.Until(due))
					began = due
				}
				if began.After(end) || failure.Load() != nil {
					break
				}
				if err := sc.once(ctx, httpClient, url, w, i); err != nil {
					failure.CompareAndSwap(nil, &err)
					break
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
		return result{}, fmt.Errorf("no request finished in %v", duration)
	}
	return summarize(latencies, duration), nil
}

// summarize sorts the latencies of the requests that ended within duration.
func summarize(latencies []time.Duration, duration time.Duration) result {
	slices.Sort(latencies)
	return result{
		rate:      float64(len(latencies)) / duration.Seconds(),
		p50:       latencies[len(latencies)/2],
		p99:       latencies[len(latencies)*99/100],
		latencies: latencies,
	}
}

// process is a server under test.
type process struct {
	cmd     *exec.Cmd
	url     string
	startup time.Duration
}

func (p *process) stop() {
	p.cmd.Process.Signal(os.Interrupt)
	p.cmd.Wait()
}

// start boots regent on a port that was free a moment ago and waits for its
// first answer.
func start(binary, appDir, appID, data string) (*process, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	l.Close()
	p := &process{url: "http://" + addr}
	p.cmd = exec.Command(binary, "serve", "--listen", addr, "--data", data, "--log-level", "warn", appDir)
	p.cmd.Stderr = os.Stderr
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	for time.Since(began) < 20*time.Second {
		r, err := http.Get(p.url + "/api/client/v2.0/app/" + appID + "/location")
		if err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				p.startup = time.Since(began)
				return p, nil
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
	p.stop()
	return nil, fmt.Errorf("regent did not answer within 20 s")
}

// serveBare is the other side of the comparison: net/http, the same answer for
// every request. PUT /answer sets it.
func serveBare() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("http://" + l.Addr().String())
	var answer atomic.Pointer[recorded]
	answer.Store(&recorded{Status: 200})
	http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/answer" {
			var a recorded
			if err := json.Unmarshal(body, &a); err == nil {
				answer.Store(&a)
			}
			return
		}
		a := answer.Load()
		for name, value := range a.Header {
			w.Header()[name] = value
		}
		w.WriteHeader(a.Status)
		w.Write(a.Body)
	}))
}

// recorded is an answer that the bare server repeats.
type recorded struct {
	Status int
	Header http.Header
	Body   []byte
}

func startBare() (*process, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(exe, "bare")}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	line := make([]byte, 64)
	n, err := out.Read(line)
	if err != nil {
		return nil, err
	}
	p.url = strings.TrimSpace(string(line[:n]))
	return p, nil
}

func (p *process) load(a recorded) error {
	text, err := json.Marshal(a)
	if err != nil {
		return err
	}
	r, err := http.Post(p.url+"/answer", "application/json", bytes.NewReader(text))
	if err != nil {
		return err
	}
	return r.Body.Close()
}

// rss is a process's resident memory in MB, its children included.
func rss(pid int) int {
	total := 0
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join("/proc", e.Name(), "status"))
		if err != nil {
			continue
		}
		var kb int
		mine := e.Name() == fmt.Sprint(pid)
		for line := range strings.Lines(string(text)) {
			if v, ok := strings.CutPrefix(line, "PPid:"); ok && strings.TrimSpace(v) == fmt.Sprint(pid) {
				mine = true
			}
			if v, ok := strings.CutPrefix(line, "VmRSS:"); ok {
				fmt.Sscan(v, &kb)
			}
		}
		if mine {
			total += kb
		}
	}
	return total / 1024
}

func cpuModel() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(v, "\t :"))
		}
	}
	return runtime.GOARCH
}
