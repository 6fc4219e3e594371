package function

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"regent/internal/app"
)

// TestPackageMemory requires a package whose program takes more than a call may
// have: it is the deployment's, and not counted to the call that needs it first.
func TestPackageMemory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "node_modules")
	var code strings.Builder
	const functions = 40_000
	for i := range functions {
		fmt.Fprintf(&code, "exports.f%d = function (a, b) { return { sum: a + b + %d, text: 'x' + a }; };\n", i, i)
	}
	if err := os.MkdirAll(filepath.Join(dir, "large"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "large", "index.js"), []byte(code.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	r := mustStart(t, Config{Limits: Limits{CallMemory: 24 << 20}})
	d := mustDeploy(t, r, nil, map[string]string{"f": `exports = () => { const p = require('large'); return [Object.keys(p).length, p.f7(1, 2).sum]; }`}, func(a *app.App) {
		a.Dependencies = app.Dependencies{Dir: dir}
	})
	if got, err := call(t, d, "f"); err != nil || got != fmt.Sprintf(`[{"$numberInt":"%d"},{"$numberInt":"10"}]`, functions) {
		t.Errorf("%s %v", got, err)
	}
}
