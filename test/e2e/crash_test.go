package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"regent/test/server"
)

// TestKill ends the server with SIGKILL while writers write, starts it again
// and finds every write that was acknowledged.
func TestKill(t *testing.T) {
	s := server.Start(t, server.Options{})
	n := native{t, s.URL}
	user := n.login("local-userpass", registered(n))
	var (
		acknowledged sync.Map
		written      atomic.Int64
		wg           sync.WaitGroup
	)
	insert := func(text string) string {
		return fmt.Sprintf(`{"arguments":[{"database":"todo","collection":"items","document":{"owner_id":%q,"text":%q,"done":false}}],"name":"insertOne","service":"mongodb-atlas"}`, user["user_id"], text)
	}
	for w := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				text := fmt.Sprintf("%d-%d", w, i)
				if !tryInsert(s.URL, user["access_token"], insert(text)) {
					return
				}
				acknowledged.Store(text, true)
				written.Add(1)
			}
		})
	}
	deadline := time.Now().Add(20 * time.Second)
	for written.Load() < 500 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	s.Kill()
	wg.Wait()
	if written.Load() < 100 {
		t.Fatalf("only %d writes before the kill", written.Load())
	}

	s = s.Restart(server.Options{})
	n = native{t, s.URL}
	// The session outlives the crash, too.
	a := n.send("POST", appPath+"/functions/call", user["access_token"], `{"arguments":[{"database":"todo","collection":"items","query":{}}],"name":"find","service":"mongodb-atlas"}`)
	if a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	acknowledged.Range(func(text, _ any) bool {
		if !strings.Contains(a.body, fmt.Sprintf(`"text":%q`, text)) {
			t.Errorf("acknowledged write %s is lost", text)
		}
		return true
	})
	t.Logf("%d acknowledged writes", written.Load())
}

// TestKillLogins ends the server with SIGKILL in a storm of anonymous log-ins and
// starts it again: every user who got tokens is there, and so is the session.
func TestKillLogins(t *testing.T) {
	s := server.Start(t, server.Options{})
	var (
		mu   sync.Mutex
		held []map[string]string
		wg   sync.WaitGroup
	)
	for range 16 {
		wg.Go(func() {
			for {
				res, err := http.Post(s.URL+appPath+"/auth/providers/anon-user/login", "application/json", strings.NewReader("{}"))
				if err != nil {
					return
				}
				var tokens map[string]string
				err = json.NewDecoder(res.Body).Decode(&tokens)
				res.Body.Close()
				if err != nil || res.StatusCode != http.StatusOK {
					return
				}
				mu.Lock()
				held = append(held, tokens)
				mu.Unlock()
			}
		})
	}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(held)
	}
	deadline := time.Now().Add(20 * time.Second)
	for count() < 500 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	s.Kill()
	wg.Wait()
	if len(held) < 100 {
		t.Fatalf("only %d log-ins before the kill", len(held))
	}
	s = s.Restart(server.Options{})
	n := native{t, s.URL}
	for _, tokens := range held {
		if a := n.send("GET", apiPath+"/auth/profile", tokens["access_token"], ""); a.status != 200 || !strings.Contains(a.body, tokens["user_id"]) {
			t.Fatalf("the access token of %s: %d %s", tokens["user_id"], a.status, a.body)
		}
		if a := n.send("POST", apiPath+"/auth/session", tokens["refresh_token"], ""); a.status != 200 && a.status != 201 {
			t.Fatalf("the refresh token of %s: %d %s", tokens["user_id"], a.status, a.body)
		}
	}
	t.Logf("%d log-ins before the kill", len(held))
}

// TestKillImport ends the server with SIGKILL while it imports users: each is there
// with its account or not at all, and the import, repeated, completes the rest.
func TestKillImport(t *testing.T) {
	const users = 4_000
	id := func(i int) string { return fmt.Sprintf("70000000000000000%07d", i) }
	file := filepath.Join(t.TempDir(), "users.jsonl")
	var lines strings.Builder
	for i := range users {
		fmt.Fprintf(&lines, `{"_id":%q,"identities":[{"id":"71000000000000000%07d","provider_type":"local-userpass","provider_data":{"email":"u%d@example.com"},"password_hash":%q}]}`+"\n",
			id(i), i, i, "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY")
	}
	if err := os.WriteFile(file, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	s := server.Start(t, server.Options{})
	importing := exec.Command(server.Binary(t), "users", "import", file, "--data", s.Data)
	if err := importing.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); exec.Command(server.Binary(t), "users", "show", id(0), "--data", s.Data).Run() != nil; {
		if time.Now().After(end) {
			t.Fatal("the first user does not come")
		}
	}
	s.Kill()
	if importing.Wait() == nil {
		t.Skip("the import was faster than the kill")
	}
	s = s.Restart(server.Options{})
	// whole counts the users and requires each to have its account: what is a
	// registration without a user would come last, without _id.
	whole := func(name string) (n int) {
		t.Helper()
		out := filepath.Join(t.TempDir(), name)
		regent(t, "users", "export", out, "--data", s.Data)
		text, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if !strings.HasPrefix(line, `{"_id":"7`) || !strings.Contains(line, `"password_hash":"$argon2id$`) {
				t.Fatalf("half a user: %s", line)
			}
			n++
		}
		return n
	}
	before := whole("before.jsonl")
	if before == 0 || before == users {
		t.Skipf("the kill came too late or too early: %d users", before)
	}
	regent(t, "users", "import", file, "--data", s.Data)
	if n := whole("after.jsonl"); n != users {
		t.Errorf("%d users after the second import, %d after the kill", n, before)
	}
	t.Logf("%d users at the kill", before)
}

// tryInsert says whether an insert was acknowledged.
func tryInsert(base, token, body string) bool {
	r, err := http.NewRequest("POST", base+appPath+"/functions/call", strings.NewReader(body))
	if err != nil {
		return false
	}
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return err == nil && res.StatusCode == http.StatusOK
}

// registered registers an account and returns the fields that log it in.
func registered(n native) string {
	n.t.Helper()
	email := fmt.Sprintf("u%d@example.com", time.Now().UnixNano())
	if a := n.send("POST", appPath+"/auth/providers/local-userpass/register", noAuthorization, fmt.Sprintf(`{"email":%q,"password":"secret1"}`, email)); a.status != 201 {
		n.t.Fatalf("register: %d %s", a.status, a.body)
	}
	return fmt.Sprintf(`"username":%q,"password":"secret1"`, email)
}

// TestRefusals starts servers that can't be started: one clear line, exit code
// not 0.
func TestRefusals(t *testing.T) {
	todo := filepath.Join(server.Root(), "examples", "todo")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	running := server.Start(t, server.Options{})
	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, nil, 0o600)
	broken := t.TempDir()
	os.WriteFile(filepath.Join(broken, "realm_config.json"), []byte(`{"name":`), 0o600)
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"PortInUse", []string{"serve", "--listen", l.Addr().String(), "--data", t.TempDir(), todo}, "is in use by another program"},
		{"SecondProcess", []string{"serve", "--listen", "127.0.0.1:0", "--data", running.Data, todo}, "another process has this folder open"},
		{"DataIsAFile", []string{"serve", "--listen", "127.0.0.1:0", "--data", file, todo}, "data folder"},
		{"NoSuchApp", []string{"serve", "--listen", "127.0.0.1:0", "--data", t.TempDir(), filepath.Join(t.TempDir(), "nope")}, "no such"},
		{"BrokenApp", []string{"serve", "--listen", "127.0.0.1:0", "--data", t.TempDir(), broken}, "realm_config.json:1"},
		{"NoApp", []string{"serve"}, "it needs more than its name"},
		{"UnknownFlag", []string{"serve", "--nope", todo}, "unknown flag: --nope"},
		{"BadLogLevel", []string{"serve", "--log-level", "loud", todo}, "allowed are debug, info, warn and error"},
		{"MongoDBWithoutMasterKey", []string{"serve", "--mongodb", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200", "--data", t.TempDir(), todo}, "--master-key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.Command(server.Binary(t), c.args...)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatalf("exit code 0\n%s", out)
			}
			if !strings.Contains(strings.ToLower(string(out)), strings.ToLower(c.want)) {
				t.Errorf("want %q in\n%s", c.want, out)
			}
			if lines := strings.Count(strings.TrimSpace(string(out)), "\n"); lines > 1 {
				t.Errorf("%d lines, want one:\n%s", lines+1, out)
			}
		})
	}
}

// TestStop stops a server as a terminal does and starts it again: the data of
// the first are there.
func TestStop(t *testing.T) {
	s := server.Start(t, server.Options{})
	n := native{t, s.URL}
	fields := registered(n)
	first := n.login("local-userpass", fields)
	if err := s.Stop(); err != nil {
		t.Fatalf("stop: %v", err)
	}
	s = s.Restart(server.Options{})
	if again := (native{t, s.URL}).login("local-userpass", fields); again["user_id"] != first["user_id"] {
		t.Errorf("user %s became %s", first["user_id"], again["user_id"])
	}
}
