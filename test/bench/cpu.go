package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// heavy are functions that do nothing but compute; they are measured as a client
// sees them, beside Node running the same text.
var heavy = []struct{ name, body string }{
	{"fib(27)", `const fib = (n) => (n < 2 ? n : fib(n - 1) + fib(n - 2)); return fib(27);`},
	{"JSON of 100 KB, both ways", `const rows = []; for (let i = 0; i < 1000; i++) rows.push({ id: i, name: "name " + i, tags: ["a", "b"], nested: { on: true, value: i / 3 } });
const text = JSON.stringify(rows); return JSON.parse(text).length + text.length;`},
	{"sort of 100,000 numbers", `let x = 12345; const a = []; for (let i = 0; i < 100000; i++) { x = (x * 1103515245 + 12345) % 2147483648; a.push(x); } a.sort((p, q) => p - q); return a[50000];`},
}

// heavyFiles are their files in the app directory.
func heavyFiles() map[string]string {
	files := map[string]string{}
	for i, h := range heavy {
		files[fmt.Sprintf("functions/heavy%d.js", i)] = "exports = function () {\n" + h.body + "\n};"
	}
	return files
}

// measureHeavy prints the median of five calls beside Node's.
func measureHeavy(w *world, url string) error {
	fmt.Print("\n| function that only computes | ms, called through the API | Node, ms | factor |\n|---|---|---|---|\n")
	for i, h := range heavy {
		var times []time.Duration
		for range 5 {
			r, err := request(contextBackground, "POST", url+callPath, w.access, fmt.Sprintf(`{"name":"heavy%d","arguments":[]}`, i))
			if err != nil {
				return err
			}
			began := time.Now()
			if _, _, _, err := do(http.DefaultClient, r); err != nil {
				return err
			}
			times = append(times, time.Since(began))
		}
		slices.Sort(times)
		mine := ms(times[len(times)/2])
		node, err := nodeTime(h.body)
		if err != nil {
			fmt.Printf("| %s | %.1f | %v | |\n", h.name, mine, err)
			continue
		}
		fmt.Printf("| %s | %.1f | %.1f | %.1f |\n", h.name, mine, node, mine/node)
	}
	return nil
}

// nodeTime is the median of five calls in Node, in milliseconds.
func nodeTime(body string) (float64, error) {
	script := `const f = function () {` + body + `}; const t = []; for (let i = 0; i < 5; i++) { const b = performance.now(); f(); t.push(performance.now() - b); } t.sort((a, b) => a - b); console.log(JSON.stringify(t[2]));`
	out, err := exec.Command("node", "-e", script).Output()
	if err != nil {
		return 0, fmt.Errorf("no Node: %w", err)
	}
	var v float64
	return v, json.Unmarshal(bytes.TrimSpace(out), &v)
}

// measureHalf drives the adding function at half the rate that it reached and
// prints the latency that remains, beside that of the bare server at the same
// rate: what the machine and this program make of it.
func measureHalf(w *world, url string, bare *process, full float64, duration time.Duration) error {
	var sc scenario
	for _, s := range scenarios(w) {
		if strings.HasPrefix(s.name, "function") {
			sc = s
		}
	}
	m, err := measurePaced(url, sc, 16, full/2, duration)
	if err != nil {
		return err
	}
	answer, err := sc.answer(url)
	if err != nil {
		return err
	}
	if err := bare.load(answer); err != nil {
		return err
	}
	b, err := measurePaced(bare.url, sc, 16, full/2, duration)
	if err != nil {
		return err
	}
	fmt.Printf("\nThe adding function at half load (%.0f requests/s, 16 connections): p50 %.2f ms, p99 %.2f ms; the bare server at this rate: p50 %.2f ms, p99 %.2f ms.\n",
		m.rate, ms(m.p50), ms(m.p99), ms(b.p50), ms(b.p99))
	return nil
}
