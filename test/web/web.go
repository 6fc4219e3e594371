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
	"testing"
	"time"

	"regent/test/npm"
)

// Dir is the folder of package.json and the scripts.
func Dir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}

// Install makes sure that the npm packages of the lock file are there.
func Install(t testing.TB) {
	t.Helper()
	npm.Install(t, Dir())
}

// Chromium returns the path of a Chromium or Chrome.
func Chromium(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	npm.Missing(t, "Chromium is needed (apt-get install chromium)")
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
