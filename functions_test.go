package regent_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"regent"
)

// TestErrorLink follows the link of a failed call to its log entry: console
// lines, arguments and a stack through a helper, an await and a package, in the
// user's own files. Behind a proxy the page tells none of it.
func TestErrorLink(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"root_config.json":                         `{"app_id": "shop-abcde", "config_version": 20210101, "name": "shop"}`,
		"auth/providers.json":                      `{"anon-user": {"name": "anon-user", "type": "anon-user", "disabled": false}}`,
		"functions/config.json":                    `[{"name": "order"}, {"name": "quiet", "disable_arg_logs": true}, {"name": "broken"}]`,
		"functions/node_modules/each/package.json": `{"main": "index.js"}`,
		"functions/node_modules/each/index.js":     `module.exports = (list, fn) => list.map(x => fn(x));`,
		"functions/order.js":                       "function price(item) {\n  return item.price.net;\n}\nexports = async function (id) {\n  console.log('ordering', id);\n  await null;\n  return require('each')([{}], price);\n};\n",
		"functions/broken.js":                      `exports = () => {`,
		"functions/quiet.js":                       `exports = function (password) { throw new Error('no'); };`,
	} {
		file := filepath.Join(dir, "app", filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	srv, err := regent.Open(t.Context(), regent.Config{Dirs: []string{filepath.Join(dir, "app")}, DataDir: filepath.Join(dir, "data"), FunctionHosts: 1})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(srv)
	t.Cleanup(func() {
		web.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = srv.Close(ctx)
	})
	send := func(method, url, token, body string, header ...string) string {
		t.Helper()
		r, err := http.NewRequest(method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		return string(text)
	}
	api := web.URL + "/api/client/v2.0/app/shop-abcde"
	var login struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(send("POST", api+"/auth/providers/anon-user/login", "", `{}`)), &login); err != nil {
		t.Fatal(err)
	}
	failed := func(body string) string {
		var reply struct{ Link string }
		if err := json.Unmarshal([]byte(send("POST", api+"/functions/call", login.Token, body)), &reply); err != nil {
			t.Fatal(err)
		}
		return reply.Link
	}
	link := failed(`{"name":"order","arguments":["secret-7"]}`)
	page := send("GET", link, "", "")
	for _, want := range []string{"FUNCTION", "ERROR", "order", "B user=", `arguments: ["secret-7"]`, "ordering secret-7",
		"TypeError: Cannot access member 'net' of undefined", "at price (functions/order.js:2:", "(functions/order.js:7:"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	for _, header := range [][]string{{"X-Forwarded-For", "203.0.113.9"}, {"Via", "1.1 proxy"}} {
		if page := send("GET", link, "", "", header...); strings.Contains(page, "secret-7") || !strings.Contains(page, "regent logs --id "+link[len(link)-24:]) {
			t.Errorf("behind a proxy:\n%s", page)
		}
	}
	if page := send("GET", failed(`{"name":"quiet","arguments":["hush"]}`), "", ""); strings.Contains(page, "hush") || !strings.Contains(page, "Error: no") {
		t.Errorf("with disable_arg_logs:\n%s", page)
	}
	if page := send("GET", failed(`{"name":"broken","arguments":[]}`), "", ""); strings.Count(page, "broken.js:1:") != 1 || strings.Contains(page, "API ") {
		t.Errorf("a syntax error:\n%s", page)
	}
}
