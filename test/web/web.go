// Package web runs the JavaScript side of the end-to-end tests: scripts with
// the unmodified realm-web under Node, and pages in headless Chromium.
package web

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Dir is the folder of package.json and the scripts.
func Dir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}

// Missing skips a test that needs something which is not installed, and says
// what to install; where CI is set nothing may be missing.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("missing: %s", what)
	}
	t.Skipf("skipped: %s", what)
}

var install struct {
	sync.Once
	err error
	out []byte
}

// Install makes sure that the npm packages of the lock file are there.
func Install(t testing.TB) {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			Missing(t, "Node.js 18 or newer with npm is needed (https://nodejs.org, or apt-get install nodejs npm)")
		}
	}
	install.Do(func() {
		// Test processes of several packages run at once; one installs.
		lock, err := os.OpenFile(filepath.Join(os.TempDir(), "regent-npm.lock"), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			install.err = err
			return
		}
		defer lock.Close()
		if install.err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); install.err != nil {
			return
		}
		if installed() {
			return
		}
		cmd := exec.Command("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error")
		cmd.Dir = Dir()
		install.out, install.err = cmd.CombinedOutput()
	})
	if install.err != nil {
		t.Fatalf("npm ci in test/web: %v\n%s", install.err, install.out)
	}
}

// installed says whether node_modules is at least as new as the lock file.
func installed() bool {
	lock, err := os.Stat(filepath.Join(Dir(), "package-lock.json"))
	if err != nil {
		return false
	}
	mark, err := os.Stat(filepath.Join(Dir(), "node_modules", ".package-lock.json"))
	return err == nil && !mark.ModTime().Before(lock.ModTime())
}

// Chromium returns the path of a Chromium or Chrome.
func Chromium(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	Missing(t, "Chromium is needed (apt-get install chromium)")
	return ""
}

// Node runs a script of test/web/scripts and returns what it printed. The test
// fails when the script does.
func Node(t testing.TB, script string, env ...string) string {
	t.Helper()
	Install(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", filepath.Join("scripts", script))
	cmd.Dir = Dir()
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return strings.TrimSpace(string(out))
}
