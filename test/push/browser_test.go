package push

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"regent/internal/push/pushtest"
	"regent/test/server"
	"regent/test/web"
)

// worker is the service worker of docs/push.md.
const worker = `self.addEventListener("push", (e) => {
  const { notification = {}, data } = e.data.json();
  e.waitUntil(self.registration.showNotification(notification.title ?? "", { ...notification, data }));
});`

// TestBrowser registers headless Chromium for Web Push, sends to it through a
// push service with TLS, and has the browser itself decrypt and show the message.
func TestBrowser(t *testing.T) {
	web.Install(t)
	chromium := web.Chromium(t)
	browsers := pushtest.NewBrowsers()
	defer browsers.Close()

	dir := t.TempDir()
	authority := filepath.Join(dir, "authority.pem")
	if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: browsers.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	appDir := filepath.Join(dir, "app")
	for file, text := range map[string]string{
		"root_config.json":         `{"app_id":"webbed-abcde","config_version":20210101,"name":"webbed"}`,
		"regent.json":              `{"http_allow_private":true}`,
		"auth/providers.json":      `{"anon-user":{"name":"anon-user","type":"anon-user","disabled":false}}`,
		"services/web/config.json": `{"name":"web","type":"webpush","config":{"vapidSubject":"mailto:admin@example.com"}}`,
	} {
		name := filepath.Join(appDir, file)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := server.Start(t, server.Options{Dirs: []string{appDir}, Env: []string{"SSL_CERT_FILE=" + authority}})
	var key struct{ Key string }
	if err := json.Unmarshal([]byte(command(t, s, "push", "key", "--json")), &key); err != nil {
		t.Fatal(err)
	}
	browsers.VAPIDKey, browsers.Contact = key.Key, "mailto:admin@example.com"

	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>push</title>")
	})
	mux.HandleFunc("GET /worker.js", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(w, worker)
	})
	mux.HandleFunc("GET /send", func(w http.ResponseWriter, r *http.Request) {
		command(t, s, "push", "send", `{"all":true,"notification":{"title":"Hello"},"data":{"n":1}}`, "--wait")
	})
	mux.HandleFunc("GET /message", func(w http.ResponseWriter, r *http.Request) {
		for _, m := range browsers.Received() {
			fmt.Fprint(w, m.Text)
		}
	})
	page := httptest.NewServer(mux)
	defer page.Close()
	t.Log(web.Node(t, "push.mjs", "REGENT_URL="+s.URL, "REGENT_APP_ID=webbed-abcde", "PAGE_URL="+page.URL, "ENDPOINT="+browsers.Adopt("chromium"),
		"MESSAGE_URL="+page.URL+"/message", "SEND_URL="+page.URL+"/send", "REGENT_CHROMIUM="+chromium))
	if p := browsers.Problems(); p != nil {
		t.Error(p)
	}
}
