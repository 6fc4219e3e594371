package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// watchQuiet is how long a directory must rest before a change is told: an
	// editor writes a file in several steps, a deployment many files.
	watchQuiet = 150 * time.Millisecond
	// watchLongest is how long a change is kept back while others follow.
	watchLongest = 2 * time.Second
	// MaxWatchedDirs bounds the folders of one app that are watched.
	MaxWatchedDirs = 10_000
)

// Watcher tells of changes in an app directory until it is closed.
type Watcher struct {
	dir     string
	notify  *fsnotify.Watcher
	changed func()
	done    sync.WaitGroup
}

// Watch calls changed after files of an app directory were written, made,
// renamed or removed, new folders included. Calls never overlap. What cannot
// change the app is not told: version control, the copies that editors make,
// files below node_modules (only npm's .package-lock.json counts, which it
// writes last) and the files of hosting, which are served from where they are.
func Watch(dir string, changed func()) (*Watcher, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watching %s: %w", dir, err)
	}
	w := &Watcher{dir: abs, notify: notify, changed: changed}
	if err := w.addTree(abs); err != nil {
		return nil, errors.Join(fmt.Errorf("watching %s: %w", dir, err), notify.Close())
	}
	w.done.Add(1)
	go w.run()
	return w, nil
}

// Close ends the watching. It waits for a call of changed that is under way;
// afterwards there is none.
func (w *Watcher) Close() error {
	err := w.notify.Close()
	w.done.Wait()
	return err
}

func (w *Watcher) run() {
	defer w.done.Done()
	quiet := time.NewTimer(0)
	<-quiet.C
	defer quiet.Stop()
	var first time.Time // of the changes that are kept back; zero: none
	touch := func() {
		now := time.Now()
		if first.IsZero() {
			first = now
		}
		quiet.Reset(max(0, min(watchQuiet, watchLongest-now.Sub(first))))
	}
	for {
		select {
		case event, ok := <-w.notify.Events:
			if !ok {
				return
			}
			if w.counts(event) {
				touch()
			}
		case err, ok := <-w.notify.Errors:
			if !ok {
				return
			}
			// Events were lost: something has changed, and folders may be new.
			if errors.Is(err, fsnotify.ErrEventOverflow) {
				w.addTree(w.dir)
				touch()
			}
		case <-quiet.C:
			first = time.Time{}
			w.changed()
		}
	}
}

// counts says whether an event can change the app, and watches new folders.
func (w *Watcher) counts(event fsnotify.Event) bool {
	if event.Op == fsnotify.Chmod {
		return false
	}
	rel, err := filepath.Rel(w.dir, event.Name)
	if err != nil || !watchedFile(filepath.ToSlash(rel)) {
		return false
	}
	if event.Has(fsnotify.Create) {
		if info, err := os.Lstat(event.Name); err == nil && info.IsDir() {
			w.addTree(event.Name) // a folder that vanished again needs no watch
		}
	}
	return true
}

// addTree watches a folder and those in it. Files that are there already when
// a new folder is watched are part of the change that its creation is.
func (w *Watcher) addTree(dir string) error {
	watched := len(w.notify.WatchList())
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && path == dir:
			return err
		case err != nil || !d.IsDir():
			return nil
		}
		rel, err := filepath.Rel(w.dir, path)
		if err != nil {
			return err
		}
		if rel = filepath.ToSlash(rel); rel != "." && !watchedFile(rel) {
			return fs.SkipDir
		}
		if watched >= MaxWatchedDirs {
			return fmt.Errorf("more than %d folders", MaxWatchedDirs)
		}
		watched++
		if err := w.notify.Add(path); err != nil && path == dir {
			return err
		}
		if d.Name() == "node_modules" {
			return fs.SkipDir
		}
		return nil
	})
}

// watchedFile says whether a file or folder of the app, by its name with
// slashes, can change it.
func watchedFile(rel string) bool {
	parts := strings.Split(rel, "/")
	for i, part := range parts {
		last := i == len(parts)-1
		switch {
		case part == "node_modules" && !last:
			return parts[i+1] == ".package-lock.json" && i+2 == len(parts)
		case strings.HasPrefix(part, ".") && part != ".mdb":
			return false
		case part == "files" && i == 1 && parts[0] == "hosting":
			return last
		}
	}
	name := parts[len(parts)-1]
	return !strings.HasSuffix(name, "~") && !strings.HasSuffix(name, ".tmp") && !strings.HasSuffix(name, ".swp") &&
		!strings.HasPrefix(name, "#") && !strings.HasSuffix(name, ".un~") && name != "4913"
}
