// Package attack plays the attacks on accounts against the built binary, through
// the client protocol alone. Each test names what it attacks; docs/security.md
// lists them beside the defences.
package attack

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"regent/test/server"
)

func TestMain(m *testing.M) { server.Main(m) }

type object = map[string]any

const (
	api    = "/api/client/v2.0"
	jwtKey = "a signing key of at least thirty-two characters"
)

// app is an app directory. Providers: anonymous, e-mail with automatic
// confirmation, API keys, a function that lets everybody be whom they say, and
// tokens signed with jwtKey. change may alter the files.
func app(t *testing.T, id string, change func(files map[string]any)) (dir string) {
	t.Helper()
	provider := func(name string, more object) object {
		p := object{"name": name, "type": name, "disabled": false}
		for k, v := range more {
			p[k] = v
		}
		return p
	}
	files := map[string]any{
		"realm_config.json": object{"app_id": id, "name": id, "config_version": 20210101},
		"auth/providers.json": object{
			"anon-user":       provider("anon-user", nil),
			"api-key":         provider("api-key", nil),
			"local-userpass":  provider("local-userpass", object{"config": object{"autoConfirm": true}}),
			"custom-function": provider("custom-function", object{"config": object{"authFunctionName": "logIn"}}),
			"custom-token": provider("custom-token", object{"config": object{"audience": "shop", "signingAlgorithm": "HS256"},
				"secret_config": object{"signingKeys": []string{"jwtKey"}}, "metadata_fields": []object{{"required": false, "name": "email"}}}),
		},
		"functions/config.json": []object{{"name": "logIn", "private": true}},
		"functions/logIn.js":    `exports = ({ id }) => id;`,
	}
	if change != nil {
		change(files)
	}
	dir = t.TempDir()
	for name, v := range files {
		text, ok := v.(string)
		if !ok {
			data, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			text = string(data)
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// target is a server under attack.
type target struct {
	*server.Server
	t testing.TB
}

// start serves apps; who asks may say by X-Forwarded-For where it comes from.
func start(t *testing.T, dirs ...string) *target {
	t.Helper()
	s := server.Start(t, server.Options{Dirs: dirs, Args: []string{"--trusted-proxies", "127.0.0.1/32"}, Env: []string{"REGENT_SECRET_jwtKey=" + jwtKey}})
	return &target{s, t}
}

type answer struct {
	status int
	header http.Header
	body   string
	fields map[string]any
}

func (a answer) text(name string) string { s, _ := a.fields[name].(string); return s }

// send sends a request with further headers as name, value, …
func (s *target) send(method, path, token string, body any, header ...string) answer {
	s.t.Helper()
	var reader io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			s.t.Fatal(err)
		}
		reader = strings.NewReader(string(data))
	}
	r, err := http.NewRequest(method, s.URL+path, reader)
	if err != nil {
		s.t.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Error(err)
		return answer{}
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Error(err)
	}
	a := answer{status: res.StatusCode, header: res.Header, body: string(data)}
	json.Unmarshal(data, &a.fields)
	return a
}

func providerPath(app, provider, call string) string {
	return api + "/app/" + app + "/auth/providers/" + provider + "/" + call
}

func (s *target) tryLogin(app, provider string, body object, header ...string) answer {
	s.t.Helper()
	return s.send("POST", providerPath(app, provider, "login"), "", body, header...)
}

// login logs in and returns the answer with its tokens.
func (s *target) login(app, provider string, body object, header ...string) answer {
	s.t.Helper()
	a := s.tryLogin(app, provider, body, header...)
	if a.status != 200 || a.text("access_token") == "" {
		s.t.Fatalf("log in by %s: %d %s", provider, a.status, a.body)
	}
	return a
}

func (s *target) userpass(app, call string, body object, header ...string) answer {
	s.t.Helper()
	return s.send("POST", providerPath(app, "local-userpass", call), "", body, header...)
}

func (s *target) register(app, email, password string) {
	s.t.Helper()
	if a := s.userpass(app, "register", object{"email": email, "password": password}); a.status != 201 {
		s.t.Fatalf("register: %d %s", a.status, a.body)
	}
}

func (s *target) profile(token string) answer {
	s.t.Helper()
	return s.send("GET", api+"/auth/profile", token, nil)
}

func (s *target) refresh(token string) answer {
	s.t.Helper()
	return s.send("POST", api+"/auth/session", token, nil)
}

func (s *target) identities(token string) string {
	s.t.Helper()
	var p struct {
		Identities []struct {
			Type string `json:"provider_type"`
		}
	}
	if err := json.Unmarshal([]byte(s.profile(token).body), &p); err != nil {
		s.t.Fatal(err)
	}
	var types []string
	for _, id := range p.Identities {
		types = append(types, id.Type)
	}
	return strings.Join(types, " ")
}

// operate runs an operator's command.
func (s *target) operate(args ...string) string {
	s.t.Helper()
	return operate(s.t, append(args, "--data", s.Data)...)
}

// refused says so when an answer is not the refusal that is expected; an empty
// code or text is not compared.
func refused(t *testing.T, what string, a answer, status int, code, text string) {
	t.Helper()
	if a.status != status || code != "" && a.text("error_code") != code || text != "" && a.text("error") != text {
		t.Errorf("%s: %d %s, want %d %s %q", what, a.status, a.body, status, code, text)
	}
}

var mailLink = regexp.MustCompile(`token=([0-9a-f]+)&(?:amp;)?tokenId=([0-9a-f]+)`)

// mails are the token pairs in the outbox, the newest first.
func (s *target) mails() (pairs []object) {
	s.t.Helper()
	text := html.UnescapeString(s.send("GET", "/outbox", "", nil).body)
	seen := map[string]bool{}
	for _, m := range mailLink.FindAllStringSubmatch(text, -1) {
		if !seen[m[2]] {
			seen[m[2]] = true
			pairs = append(pairs, object{"token": m[1], "tokenId": m[2]})
		}
	}
	return pairs
}

func with(o object, more object) object {
	out := object{}
	for k, v := range o {
		out[k] = v
	}
	for k, v := range more {
		out[k] = v
	}
	return out
}

func email(n int) string { return fmt.Sprintf("user%d@example.com", n) }
