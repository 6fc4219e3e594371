// Package e2e tests the built binary from the outside: with the unmodified
// realm-web, with a browser, with SIGKILL.
package e2e

import (
	"os"
	"testing"

	"regent/test/server"
	"regent/test/web"
)

func TestMain(m *testing.M) { server.Main(m) }

// todoID is the app id in examples/todo.
const todoID = "todo-kxqwm"

// TestSDK runs one session of everything an app does through realm-web.
func TestSDK(t *testing.T) {
	web.Install(t)
	s := server.Start(t, server.Options{})
	t.Log(web.Node(t, "sdk.mjs", "REGENT_URL="+s.URL, "REGENT_APP_ID="+todoID))
}

// TestPage uses the example's page in headless Chromium.
func TestPage(t *testing.T) {
	web.Install(t)
	chromium := web.Chromium(t)
	s := server.Start(t, server.Options{})
	web.Node(t, "page.mjs", "REGENT_URL="+s.URL, "REGENT_CHROMIUM="+chromium, "REGENT_SHOT="+os.Getenv("REGENT_SHOT"))
}
