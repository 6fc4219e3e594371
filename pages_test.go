package regent_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"regent"
)

// The outbox holds links that let in. It opens in a browser on this machine and
// nowhere else: not through a proxy, and not for a page elsewhere that points a name
// of its own at this machine.
func TestOutboxIsLocal(t *testing.T) {
	srv, err := regent.Open(t.Context(), regent.Config{Dirs: []string{filepath.Join("examples", "todo")}, DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close(t.Context())
	get := func(change func(*http.Request)) int {
		r := httptest.NewRequest("GET", "http://localhost:8080/outbox", nil)
		r.RemoteAddr = "127.0.0.1:50000"
		change(r)
		w := httptest.NewRecorder()
		srv.ServeHTTP(w, r)
		return w.Code
	}
	header := func(name string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, "127.0.0.1") }
	}
	for name, c := range map[string]struct {
		change func(*http.Request)
		status int
	}{
		"OK":                {func(*http.Request) {}, http.StatusOK},
		"OKAddress":         {func(r *http.Request) { r.Host = "127.0.0.1:8080" }, http.StatusOK},
		"OKv6":              {func(r *http.Request) { r.Host, r.RemoteAddr = "[::1]:8080", "[::1]:50000" }, http.StatusOK},
		"ErrOtherMachine":   {func(r *http.Request) { r.RemoteAddr = "192.0.2.1:50000" }, http.StatusNotFound},
		"ErrOtherName":      {func(r *http.Request) { r.Host = "localhost.example.com:8080" }, http.StatusNotFound},
		"ErrProxy":          {header("X-Forwarded-For"), http.StatusNotFound},
		"ErrProxyHost":      {header("X-Forwarded-Host"), http.StatusNotFound},
		"ErrProxyForwarded": {header("Forwarded"), http.StatusNotFound},
		"ErrProxyVia":       {header("Via"), http.StatusNotFound},
		"ErrProxyRealIP":    {header("X-Real-Ip"), http.StatusNotFound},
		"ErrProxyHTTP10":    {func(r *http.Request) { r.ProtoMajor, r.ProtoMinor = 1, 0 }, http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			if status := get(c.change); status != c.status {
				t.Errorf("status %d, want %d", status, c.status)
			}
		})
	}
}
