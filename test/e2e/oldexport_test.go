package e2e

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"regent/test/server"
)

// TestOldExport moves in with an export of the oldest layout (real-apps.md §1,
// §11), by the requests that the Stitch SDKs of its time send.
func TestOldExport(t *testing.T) {
	archive, err := txtar.ParseFile(filepath.Join("testdata", "oldexport.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range archive.Files {
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	secrets := filepath.Join(t.TempDir(), "secrets.json")
	if err := os.WriteFile(secrets, []byte(`{"signingKey": "secret"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := server.Start(t, server.Options{Dirs: []string{dir}})
	mustContain(t, "the start", s.Log(), `the secret \"signingKey\" is not set`)
	n := native{t, s.URL}
	const app = apiPath + "/app/club-abcde"

	a := n.send("POST", app+"/auth/providers/anon-user/login", noAuthorization, `{}`)
	var user map[string]string
	if err := json.Unmarshal([]byte(a.body), &user); err != nil || a.status != 200 {
		t.Fatalf("log-in: %d %s", a.status, a.body)
	}
	claims, err := base64.RawURLEncoding.DecodeString(strings.Split(user["access_token"], ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	mustContain(t, "custom user data", string(claims), `"visits":{"total":{"$numberInt":"1"}}`)

	hook := app + "/service/hooks/incoming_webhook/enter"
	if a := n.send("POST", hook, noAuthorization, `{"name": "Ada"}`); a.status != 202 || a.body != `{"name":"Ada","doors":["front"]}` {
		t.Errorf("webhook: %d %s", a.status, a.body)
	}
	var failed struct{ Error, Link string }
	if a := n.send("POST", hook, noAuthorization, `{}`); a.status != 400 || json.Unmarshal([]byte(a.body), &failed) != nil || failed.Error != "Error: who is there?" {
		t.Errorf("webhook that throws: %d %s", a.status, a.body)
	}
	page := n.send("GET", strings.TrimPrefix(failed.Link, s.URL), noAuthorization, "")
	mustContain(t, "the log entry", page.body, "Error: who is there?", "source.js:3:")

	// A missing secret is no key, rather than one that everybody knows.
	if a := n.send("POST", app+"/functions/call", user["access_token"], `{"name": "badge", "arguments": []}`); !strings.Contains(a.body, "utils.jwt.encode: the key is undefined") {
		t.Errorf("badge without its secret: %d %s", a.status, a.body)
	}
	mustContain(t, "regent run", regent(t, "run", dir, "badge", "--secrets", secrets, "--data", t.TempDir()), `"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.`)

	request := base64.StdEncoding.EncodeToString([]byte(`{"name":"watch","arguments":[{"database":"club","collection":"members","useCompactEvents":false}],"service":"mongodb-atlas"}`))
	res, err := http.Get(s.URL + app + "/functions/call?stitch_request=" + url.QueryEscape(request) + "&stitch_at=" + user["access_token"])
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if line, err := bufio.NewReader(res.Body).ReadString('\n'); res.StatusCode != 200 || err != nil || !strings.HasPrefix(line, ":") {
		t.Errorf("watch: %d %q %v", res.StatusCode, line, err)
	}
}
