package e2e

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
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

	// What GitHub and Twilio send arrives parsed, under GitHub's own signature.
	for _, c := range []struct{ name, kind, signature, body, want string }{
		{"gh/incoming_webhook/push", "application/json", "", `{"ref":"main","commits":[{},{}]}`, `"main 2"`},
		{"gh/incoming_webhook/push", "application/x-www-form-urlencoded", "", `payload=%7B%22ref%22%3A%22dev%22%2C%22commits%22%3A%5B%5D%7D`, `"dev 0"`},
		{"gh/incoming_webhook/push", "application/json", "sha256=00", `{}`, "IncomingWebhookAuthFailed"},
		{"gh/incoming_webhook/push", "application/json", "", `{`, "not JSON"},
		{"tw/incoming_webhook/sms", "application/x-www-form-urlencoded", "", `From=%2B1555&Body=hi+there`, `"+1555 says hi there to tw/incoming_webhook/sms"`},
		{"tw/incoming_webhook/sms", "application/x-www-form-urlencoded", "", `From=%zz`, "not a form"},
	} {
		r, err := http.NewRequest("POST", s.URL+app+"/service/"+c.name, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		if c.signature == "" {
			mac := hmac.New(sha256.New, []byte("ghs"))
			mac.Write([]byte(c.body))
			c.signature = "sha256=" + hex.EncodeToString(mac.Sum(nil))
		}
		r.Header.Set("Content-Type", c.kind)
		r.Header.Set("X-Hub-Signature-256", c.signature)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if !strings.Contains(string(text), c.want) || res.StatusCode >= 500 {
			t.Errorf("%s %s: %d %s, want %s", c.name, c.body, res.StatusCode, text, c.want)
		}
	}

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
