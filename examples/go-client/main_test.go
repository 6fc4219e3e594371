package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"regent/test/server"
)

func TestMain(m *testing.M) { server.Main(m) }

// lines are written by watch and read by the test.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// TestSession is what a person would type, on the example app.
func TestSession(t *testing.T) {
	s := server.Start(t, server.Options{})
	users := filepath.Join(t.TempDir(), "users.json")
	typed := func(line string) string {
		t.Helper()
		var out bytes.Buffer
		err := run(t.Context(), append([]string{"-url", s.URL, "-users", users}, strings.Fields(line)...), &out)
		if err != nil {
			return "error: " + err.Error()
		}
		return strings.TrimRight(out.String(), "\n")
	}
	for _, step := range [][2]string{
		{"whoami", "nobody"},
		{"list", "nothing to do"},
		{"add Buy milk", ""},
		{"add Read Ada's notes", ""},
		{"list", "  1 [ ] Buy milk\n  2 [ ] Read Ada's notes"},
		{"done 2", ""},
		{"rm 1", ""},
		{"rm 7", "error: want a number from 1 to 1, as in the list"},
		{"", "  1 [x] Read Ada's notes"},
		{"register ada@example.com secret1", "this list is now ada@example.com's; the web page opens it, too"},
		{"register ada@example.com secret1", "error: ada@example.com has an account already: login ada@example.com PASSWORD"},
		{"logout", ""},
		{"login ada@example.com wrong", "error: wrong e-mail address or password"},
		{"login ada@example.com secret1", ""},
		{"list", "  1 [x] Read Ada's notes"},
		{"nonsense", `error: unknown command "nonsense"`},
	} {
		if got := typed(step[0]); got != step[1] {
			t.Errorf("%s: got %q, want %q", step[0], got, step[1])
		}
	}
	if got := typed("summary"); !strings.HasSuffix(got, " 0 open, 1 done") {
		t.Errorf("summary: %q", got)
	}
	if got := typed("whoami"); !strings.HasPrefix(got, "ada@example.com, user ") || strings.Contains(got, "<nil>") {
		t.Errorf("whoami: %q", got)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out := make(lines, 16)
	done := make(chan error, 1)
	go func() { done <- run(ctx, []string{"-url", s.URL, "-users", users, "watch"}, out) }()
	if got := <-out; got != "watching; Ctrl-C ends it\n" {
		t.Errorf("watch: %q", got)
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for shown := false; !shown; {
		select {
		case got := <-out:
			if shown = true; got != "insert   [ ] Dance\n" {
				t.Errorf("watch: %q", got)
			}
		case <-tick.C: // until the stream is open
			typed("add Dance")
		case <-ctx.Done():
			t.Fatal("watch showed nothing")
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("watch ended with %v", err)
	}
}
