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
		"root_config.json":                               `{"app_id": "shop-abcde", "config_version": 20210101, "name": "shop"}`,
		"auth/providers.json":                            `{"anon-user": {"name": "anon-user", "type": "anon-user", "disabled": false}}`,
		"functions/config.json":                          `[{"name": "order"}, {"name": "quiet", "disable_arg_logs": true}, {"name": "broken"}, {"name": "hook", "run_as_system": true}]`,
		"functions/hook.js":                              `exports = function ({ query }) { throw new Error('hooked ' + query.n); };`,
		"https_endpoints/config.json":                    `[{"route": "/hook", "http_method": "POST", "function_name": "hook", "validation_method": "NO_VALIDATION", "respond_result": true}]`,
		"services/in/config.json":                        `{"name": "in", "type": "http"}`,
		"services/in/incoming_webhooks/old/config.json":  `{"name": "old", "options": {"httpMethod": "POST", "validationMethod": "NO_VALIDATION"}, "respond_result": true}`,
		"services/in/incoming_webhooks/old/source.js":    `exports = function () { throw new Error('old hook'); };`,
		"services/in/incoming_webhooks/shut/config.json": `{"name": "shut", "options": {"httpMethod": "POST", "validationMethod": "SECRET_AS_QUERY_PARAM", "secret": "s"}, "respond_result": true}`,
		"services/in/incoming_webhooks/shut/source.js":   `exports = () => 1;`,
		"functions/node_modules/each/package.json":       `{"main": "index.js"}`,
		"functions/node_modules/each/index.js":           `module.exports = (list, fn) => list.map(x => fn(x));`,
		"functions/order.js":                             "function price(item) {\n  return item.price.net;\n}\nexports = async function (id) {\n  console.log('ordering', id);\n  await null;\n  return require('each')([{}], price);\n};\n",
		"functions/broken.js":                            `exports = () => {`,
		"functions/quiet.js":                             `exports = function (password) { throw new Error('no'); };`,
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
	linkOf := func(body string) string {
		var reply struct{ Link string }
		if err := json.Unmarshal([]byte(body), &reply); err != nil {
			t.Fatal(err)
		}
		return reply.Link
	}
	failed := func(body string) string { return linkOf(send("POST", api+"/functions/call", login.Token, body)) }
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
	for _, e := range []struct{ url, want string }{
		{web.URL + "/app/shop-abcde/endpoint/hook?n=7", "Error: hooked 7"},
		{web.URL + "/app/shop-abcde/endpoint/nowhere", "endpoint not found"},
		{api + "/service/in/incoming_webhook/old", "Error: old hook"},
		{api + "/service/in/incoming_webhook/shut", "the request is not verified"},
	} {
		link := linkOf(send("POST", e.url, "", "{}"))
		if page := send("GET", link, "", ""); !strings.Contains(page, e.want) || strings.Contains(link, "/apps/000000000000000000000000/") {
			t.Errorf("%s: the link %s leads to\n%s", e.url, link, page)
		}
	}
}
