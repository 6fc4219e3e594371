// Package npm installs what tests need from npm, by the lock file of a folder.
package npm

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// Missing skips a test that needs something which is not installed, and says
// what to install; where CI is set nothing may be missing.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("missing: %s", what)
	}
	t.Skipf("skipped: %s", what)
}

// installs has one func() error for each folder; a process installs once.
var installs sync.Map

// Install makes sure that the packages of a folder's lock file are there.
func Install(t testing.TB, dir string) {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			Missing(t, "Node.js 20.19 or newer with npm is needed (https://nodejs.org, or apt-get install nodejs npm)")
		}
	}
	once, _ := installs.LoadOrStore(dir, sync.OnceValue(func() error { return install(dir) }))
	if err := once.(func() error)(); err != nil {
		t.Fatal(err)
	}
}

func install(dir string) error {
	// Test processes of several packages run at once; one installs.
	lock, err := os.OpenFile(filepath.Join(os.TempDir(), "regent-npm.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil || installed(dir) {
		return err
	}
	cmd := exec.Command("npm", "ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci in %s: %w\n%s", dir, err, out)
	}
	return nil
}

// installed says whether node_modules is at least as new as the lock file.
func installed(dir string) bool {
	lock, err := os.Stat(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return false
	}
	mark, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json"))
	return err == nil && !mark.ModTime().Before(lock.ModTime())
}
