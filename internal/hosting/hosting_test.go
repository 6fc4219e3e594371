package hosting_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"regent/internal/app"
	"regent/internal/hosting"
)

func TestSite(t *testing.T) {
	outside := t.TempDir()
	dir := filepath.Join(outside, "files")
	for name, text := range map[string]string{
		"files/index.html":     "home",
		"files/a/index.html":   "a",
		"files/data.bin":       "0123456789",
		"files/page.xyz":       "x",
		"files/old.html":       "",
		"files/sub/no.txt":     "n",
		"files/style.css":      "body{}",
		"files/err/error.html": "oops",
		"secret.txt":           "secret",
	} {
		p := filepath.Join(outside, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	os.Symlink(filepath.Join(outside, "secret.txt"), filepath.Join(dir, "link.txt"))

	serve := func(h app.Hosting) http.Handler {
		h.Dir = dir
		s, err := hosting.New(&h)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	plain := serve(app.Hosting{Attributes: map[string]map[string]string{
		"/data.bin": {"Content-Type": "text/x-data", "Cache-Control": "max-age=5", "X-Other": "no"},
		"/old.html": {"Website-Redirect-Location": "/a/"},
	}})
	spa := serve(app.Hosting{DefaultResponseCode: 200, DefaultErrorPath: "/index.html"})
	errorPage := serve(app.Hosting{DefaultResponseCode: 404, DefaultErrorPath: "err/error.html"})

	for _, c := range []struct {
		name         string
		h            http.Handler
		method, path string
		status       int
		body         string
		header, want string
	}{
		{"Index", plain, "GET", "/", 200, "home", "Content-Type", "text/html; charset=utf-8"},
		{"Folder", plain, "GET", "/a/", 200, "a", "", ""},
		{"FolderWithoutSlash", plain, "GET", "/a", 302, "", "Location", "a/"},
		{"FolderWithoutIndex", plain, "GET", "/sub/", 404, "404 page not found\n", "", ""},
		{"Attributes", plain, "GET", "/data.bin", 200, "0123456789", "Content-Type", "text/x-data"},
		{"CacheControl", plain, "GET", "/data.bin", 200, "0123456789", "Cache-Control", "max-age=5"},
		{"UnknownAttribute", plain, "GET", "/data.bin", 200, "0123456789", "X-Other", ""},
		{"Redirect", plain, "GET", "/old.html", 301, "", "Location", "/a/"},
		{"Missing", plain, "GET", "/nope", 404, "404 page not found\n", "", ""},
		{"UnknownType", plain, "GET", "/page.xyz", 200, "x", "Content-Type", "application/octet-stream"},
		{"Post", plain, "POST", "/", 405, "static hosting answers GET and HEAD only\n", "Allow", "GET, HEAD"},
		{"Traversal", plain, "GET", "/../secret.txt", 404, "404 page not found\n", "", ""},
		{"Link", plain, "GET", "/link.txt", 404, "404 page not found\n", "", ""},
		{"SinglePage", spa, "GET", "/todo/17", 200, "home", "Content-Type", "text/html; charset=utf-8"},
		{"ErrorPage", errorPage, "GET", "/todo/17", 404, "oops", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, "/", nil)
			r.URL.Path = c.path
			w := httptest.NewRecorder()
			c.h.ServeHTTP(w, r)
			if w.Code != c.status || w.Body.String() != c.body {
				t.Errorf("got %d %q, want %d %q", w.Code, w.Body, c.status, c.body)
			}
			if c.header != "" && w.Header().Get(c.header) != c.want {
				t.Errorf("%s = %q, want %q", c.header, w.Header().Get(c.header), c.want)
			}
		})
	}
}
