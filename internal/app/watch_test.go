package app_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"regent/internal/app"
)

func TestWatch(t *testing.T) {
	defer goleak.VerifyNone(t)
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("values/a.json", "{}")
	write("functions/node_modules/x/index.js", "1")
	write("hosting/files/index.html", "1")
	write(".git/HEAD", "1")
	changed := make(chan struct{}, 100)
	w, err := app.Watch(dir, func() { changed <- struct{}{} })
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	told := func(what string, want bool) {
		t.Helper()
		wait := 5 * time.Second
		if !want {
			wait = 400 * time.Millisecond
		}
		select {
		case <-changed:
			if !want {
				t.Errorf("%s is told", what)
			}
		case <-time.After(wait):
			if want {
				t.Errorf("%s is not told", what)
			}
		}
	}
	drain := func() {
		for len(changed) > 0 {
			<-changed
		}
	}
	for _, name := range []string{".git/HEAD", "functions/node_modules/x/index.js", "hosting/files/index.html", "values/a.json~", "values/.a.json.swp", "values/4913"} {
		write(name, "2")
	}
	if err := os.Chmod(filepath.Join(dir, "values/a.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	told("noise", false)

	for range 20 {
		write("values/a.json", "[]")
	}
	told("a file that is written", true)
	time.Sleep(400 * time.Millisecond)
	// One is usual; a busy machine may let the directory rest between writes.
	if more := len(changed); more > 10 {
		t.Errorf("20 writes of a file are told %d times", more+1)
	}
	drain()

	write("data_sources/mongodb-atlas/d/c/rules.json", "{}")
	told("a file in new folders", true)
	time.Sleep(400 * time.Millisecond)
	drain()
	write("data_sources/mongodb-atlas/d/c/rules.json", "[]")
	told("a file in folders that were new", true)

	write("functions/node_modules/.package-lock.json", "{}")
	told("an installation of packages", true)

	if err := os.Rename(filepath.Join(dir, "values/a.json"), filepath.Join(dir, "values/b.json")); err != nil {
		t.Fatal(err)
	}
	told("a file that is renamed", true)
	if err := os.RemoveAll(filepath.Join(dir, "data_sources")); err != nil {
		t.Fatal(err)
	}
	told("a folder that is removed", true)

	if err := w.Close(); err != nil {
		t.Error(err)
	}
	drain()
	write("values/c.json", "{}")
	told("a change after Close", false)
}

// TestWatchDoesNotStarve changes files without a rest.
func TestWatchDoesNotStarve(t *testing.T) {
	dir := t.TempDir()
	changed := make(chan struct{}, 100)
	w, err := app.Watch(dir, func() { changed <- struct{}{} })
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	stop := time.After(10 * time.Second)
	for {
		if err := os.WriteFile(filepath.Join(dir, "a.json"), []byte(time.Now().String()), 0o644); err != nil {
			t.Fatal(err)
		}
		select {
		case <-changed:
			return
		case <-stop:
			t.Fatal("the change is not told while others follow")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func TestWatchMissing(t *testing.T) {
	if _, err := app.Watch(filepath.Join(t.TempDir(), "none"), func() {}); err == nil {
		t.Error("a folder that is not there is watched")
	}
}
