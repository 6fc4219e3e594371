package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"regent/test/server"
)

// regent runs an operator command and returns what it printed.
func regent(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(server.Binary(t), args...)
	cmd.Env = append(os.Environ(), "TZ=UTC")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("regent %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func mustContain(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%s: %q is missing in\n%s", what, p, text)
		}
	}
}

// TestOperate runs operators' commands against a running server and, the same
// ones, against its data folder when it has stopped.
func TestOperate(t *testing.T) {
	s := server.Start(t, server.Options{})
	n := native{t, s.URL}
	todo := filepath.Join(server.Root(), "examples", "todo")
	data := []string{"--data", s.Data}
	run := func(args ...string) string { t.Helper(); return regent(t, append(args, data...)...) }

	created := run("users", "create", "ada@example.com", "--password", "secret1", "--json")
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(created), &made); err != nil || len(made.ID) != 24 {
		t.Fatalf("users create: %s", created)
	}
	fields := `"username":"ada@example.com","password":"secret1"`
	tokens := n.login("local-userpass", fields)
	if tokens["user_id"] != made.ID {
		t.Errorf("logged in as %s, created %s", tokens["user_id"], made.ID)
	}
	a := n.send("POST", appPath+"/functions/call", tokens["access_token"], fmt.Sprintf(
		`{"arguments":[{"database":"todo","collection":"items","document":{"_id":{"$oid":"0123456789abcdef01234567"},"owner_id":%q,"text":"t","done":false}}],"name":"insertOne","service":"mongodb-atlas"}`, made.ID))
	if a.status != 200 {
		t.Fatal(a.body)
	}
	nope := n.send("POST", appPath+"/functions/call", tokens["access_token"], `{"arguments":[],"name":"nope"}`)
	var failed struct{ Link string }
	json.Unmarshal([]byte(nope.body), &failed)
	n.send("POST", appPath+"/functions/call", tokens["access_token"], `{"arguments":[],"name":"summary"}`)

	check := func(t *testing.T) {
		mustContain(t, "users list", run("users", "list"), made.ID, "ada@example.com", "local-userpass")
		mustContain(t, "users show", run("users", "show", "ada@example.com"), "identity    local-userpass")
		mustContain(t, "run", run("run", todo, "summary", "--as", "ada@example.com"), `"open":{"$numberInt":"1"}`, "summary took")
		mustContain(t, "explain", run("explain", todo, "--as", made.ID, "--db", "todo", "--coll", "items", "--id", "0123456789abcdef01234567"), "is permitted", `"owner"`)
		var text string
		for range 50 { // entries are written behind the requests
			if text = run("logs"); strings.Contains(text, "summary") {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		mustContain(t, "logs", text, "FUNCTION", "summary", "user="+made.ID, "function not found: 'nope'", "AUTH")
		mustContain(t, "logs --id", run("logs", "--id", failed.Link[len(failed.Link)-24:]), "function not found: 'nope'")
		key := run("keys", "create", "server"+strings.ReplaceAll(t.Name(), "/", "-"), "--json")
		mustContain(t, "keys create", key, `"key":"`)
	}
	t.Run("Running", check)

	t.Run("Sessions", func(t *testing.T) {
		mustContain(t, "users sessions", run("users", "sessions", "ada@example.com"), "local-userpass", "127.0.0.1")
		run("users", "disable", "ada@example.com")
		if a := n.send("GET", apiPath+"/auth/profile", tokens["access_token"], ""); a.status != 401 {
			t.Errorf("a disabled user's token: %d %s", a.status, a.body)
		}
		run("users", "enable", made.ID)
		run("users", "logout", made.ID)
		if a := n.send("POST", apiPath+"/auth/session", tokens["refresh_token"], ""); a.status != 401 || !strings.Contains(a.body, "InvalidSession") {
			t.Errorf("a revoked session's token: %d %s", a.status, a.body)
		}
		mustContain(t, "signing-keys rotate", run("signing-keys", "rotate"), "signs from now on")
		mustContain(t, "signing-keys list", run("signing-keys", "list"), "KID")
		run("users", "set-password", made.ID, "--password", "secret2")
		fields = `"username":"ada@example.com","password":"secret2"`
		n.login("local-userpass", fields)
	})

	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	t.Run("Stopped", check)

	t.Run("Move", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "users.jsonl")
		run("users", "export", file)
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("export: %v %v", info, err)
		}
		other := server.Start(t, server.Options{})
		mustContain(t, "import", regent(t, "users", "import", file, "--data", other.Data), "CREATED")
		regent(t, "users", "import", file, "--data", other.Data) // again changes nothing
		if got := (native{t, other.URL}).login("local-userpass", fields); got["user_id"] != made.ID {
			t.Errorf("the imported user is %s, was %s", got["user_id"], made.ID)
		}
	})
}

// TestReload changes a served directory: a good change is served, a broken one
// keeps the version before.
func TestReload(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		p := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(p), 0o755)
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("realm_config.json", `{"app_id":"`+todoID+`","config_version":20210101,"name":"todo"}`)
	write("auth/providers.json", `{"anon-user":{"name":"anon-user","type":"anon-user","disabled":false}}`)
	write("functions/config.json", `[{"name":"f"}]`)
	write("functions/f.js", `exports = () => 1;`)
	s := server.Start(t, server.Options{Dirs: []string{dir}})
	n := native{t, s.URL}
	user := n.login("anon-user", "")
	call := func() string {
		return n.send("POST", appPath+"/functions/call", user["access_token"], `{"name":"f","arguments":[]}`).body
	}
	eventually := func(what string, ok func() bool) {
		t.Helper()
		for range 100 {
			if ok() {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Fatalf("%s did not happen; last answer %s", what, call())
	}
	if got := call(); got != `{"$numberInt":"1"}` {
		t.Fatal(got)
	}
	write("functions/f.js", `exports = () => 2;`)
	eventually("the change", func() bool { return call() == `{"$numberInt":"2"}` })
	write("functions/f.js", `exports = () => {`)
	eventually("the complaint", func() bool {
		return strings.Contains(s.Log(), "functions/f.js: error: the function served before this change")
	})
	if got := call(); got != `{"$numberInt":"2"}` {
		t.Errorf("after a change that does not parse: %s", got)
	}
	write("functions/f.js", `exports = () => 2;`)
	write("auth/providers.json", `{"anon-user":`)
	eventually("the complaint", func() bool { return strings.Contains(s.Log(), "auth/providers.json:1") })
	if got := call(); got != `{"$numberInt":"2"}` {
		t.Errorf("after a broken change: %s", got)
	}
	write("auth/providers.json", `{"anon-user":{"name":"anon-user","type":"anon-user","disabled":true}}`)
	eventually("the repair", func() bool {
		return n.send("POST", appPath+"/auth/providers/anon-user/login", noAuthorization, `{}`).status == 404
	})
	if got := call(); got != `{"$numberInt":"2"}` {
		t.Errorf("the session did not outlive the change: %s", got)
	}
}

// TestSeveralApps serves two directories, their pages by host name and by path,
// and the metrics.
func TestSeveralApps(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "second")
	regent(t, "init", dir)
	regent(t, "check", "--strict", dir)
	s := server.Start(t, server.Options{
		Dirs: []string{filepath.Join(server.Root(), "examples", "todo"), dir},
		Args: []string{"--metrics", "127.0.0.1:0", "--log-format", "json"},
	})
	get := func(url, host string) (int, string) {
		t.Helper()
		r, _ := http.NewRequest("GET", url, nil)
		if host != "" {
			r.Host = host
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var b strings.Builder
		buf := make([]byte, 1<<16)
		for {
			k, err := res.Body.Read(buf)
			b.Write(buf[:k])
			if err != nil {
				return res.StatusCode, b.String()
			}
		}
	}
	if status, body := get(s.URL+"/hosting/"+todoID+"/", ""); status != 200 || !strings.Contains(body, "<h1>To-do</h1>") {
		t.Errorf("by path: %d %s", status, body)
	}
	if status, body := get(s.URL+"/app.js", todoID+".localhost:8080"); status != 200 || !strings.Contains(body, "Realm.App") {
		t.Errorf("by host: %d %s", status, body)
	}
	if status, body := get(s.URL+"/", ""); status != 200 || !strings.Contains(body, todoID) {
		t.Errorf("list: %d %s", status, body)
	}
	if status, body := get(s.URL+"/healthz", ""); status != 200 || body != "ok\n" {
		t.Errorf("healthz: %d %s", status, body)
	}
	native{t, s.URL}.login("anon-user", "")
	var line struct{ Address string }
	for l := range strings.Lines(s.Log()) {
		if strings.Contains(l, `"msg":"metrics"`) {
			json.Unmarshal([]byte(l), &line)
		}
	}
	if line.Address == "" {
		t.Fatalf("no metrics address in\n%s", s.Log())
	}
	if _, body := get(line.Address, ""); !strings.Contains(body, `regent_requests_total{route="login",status="200"} 1`) {
		t.Errorf("metrics:\n%s", body)
	}
	// A command must say which app it means.
	out, err := exec.Command(server.Binary(t), "users", "list", "--data", s.Data).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "--app") {
		t.Errorf("users list without --app: %v %s", err, out)
	}
	regent(t, "users", "list", "--data", s.Data, "--app", todoID)
}
