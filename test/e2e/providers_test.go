package e2e

import (
	"path/filepath"
	"testing"

	"regent/test/server"
	"regent/test/web"
)

const jwtKey = "a signing key of at least thirty-two characters"

// TestProviders logs in by custom function and custom JWT, with secrets from
// the environment.
func TestProviders(t *testing.T) {
	web.Install(t)
	s := server.Start(t, server.Options{
		Dirs: []string{filepath.Join("testdata", "providers")},
		Env:  []string{"REGENT_SECRET_jwtKey=" + jwtKey, "REGENT_SECRET_shopCode=letmein"},
	})
	web.Node(t, "providers.mjs", "REGENT_URL="+s.URL, "REGENT_JWT_KEY="+jwtKey)
}
