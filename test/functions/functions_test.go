// Package functions calls the functions of an app as real ones are written,
// through HTTP: the case file shows every value as it is on the wire.
package functions

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"regent/test/server"
)

func TestMain(m *testing.M) { server.Main(m) }

const hookSecret = "hush"

// TestMarket runs testdata/market.txt.
func TestMarket(t *testing.T) {
	notified := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, `{"method":%q,"path":%q,"shop":%q,"body":%s}`, r.Method, r.URL.EscapedPath(), r.Header.Get("X-Shop"), body)
	}))
	defer notified.Close()
	dir := filepath.Join(t.TempDir(), "market")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "market"))); err != nil {
		t.Fatal(err)
	}
	value := filepath.Join(dir, "values", "notifyURL.json")
	text, err := os.ReadFile(value)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(value, bytes.ReplaceAll(text, []byte("NOTIFY_URL"), []byte(notified.URL)), 0o600); err != nil {
		t.Fatal(err)
	}
	packages := installPackages(t, filepath.Join(dir, "functions"))
	s := server.Start(t, server.Options{Dirs: []string{dir}, Env: []string{"REGENT_SECRET_hookSecret=" + hookSecret}})
	r := &session{t: t, file: "market.txt", url: s.URL, app: "market-abcde", kept: map[string]string{}, packages: packages}
	cases, err := os.ReadFile(filepath.Join("testdata", "market.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for n, line := range strings.Split(string(cases), "\n") {
		if line != "" && line[0] != '#' {
			r.line(n+1, line)
		}
	}
}

// TestClient runs testdata/client.txt, whose functions follow its calls.
func TestClient(t *testing.T) {
	mirror := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Reply", "yes")
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "/there", http.StatusFound)
		case "/none":
			w.WriteHeader(http.StatusNotFound)
		case "/cookie":
			http.SetCookie(w, &http.Cookie{Name: "sid", Value: "s1", Path: "/"})
			fmt.Fprint(w, "{}")
		case "/form":
			_ = r.ParseMultipartForm(1 << 20)
			fmt.Fprintf(w, "%s %s %s", strings.Split(r.Header.Get("Content-Type"), ";")[0], r.FormValue("a"), r.FormValue("b"))
		default:
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s %s %s %s", r.Method, r.URL, r.Header.Get("X-Shop"), body)
		}
	}))
	defer mirror.Close()
	testFile(t, "client.txt", mirror.URL)
}

// TestHabits runs testdata/habits.txt, whose functions follow its calls.
func TestHabits(t *testing.T) { testFile(t, "habits.txt", "") }

// testFile serves the functions of a case file as an app, as system functions.
func testFile(t *testing.T, file, mirror string) {
	text, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	parts := regexp.MustCompile(`(?m)^-- (\w+) --\n`).Split(string(text), -1)
	names := regexp.MustCompile(`(?m)^-- (\w+) --\n`).FindAllStringSubmatch(string(text), -1)
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var listed []string
	for i, n := range names {
		write("functions/"+n[1]+".js", parts[i+1])
		listed = append(listed, fmt.Sprintf(`{"name":%q,"run_as_system":true}`, n[1]))
	}
	write("functions/config.json", "["+strings.Join(listed, ",")+"]")
	write("realm_config.json", `{"app_id":"client-abcde","config_version":20210101,"name":"client"}`)
	write("auth/providers.json", `{"local-userpass":{"name":"local-userpass","type":"local-userpass","disabled":false,"config":{"autoConfirm":true}}}`)
	write("data_sources/mongodb-atlas/config.json", `{"name":"mongodb-atlas","type":"mongodb-atlas","config":{}}`)
	write("values/url.json", fmt.Sprintf(`{"name":"url","value":%q}`, mirror))
	write("regent.json", `{"http_allow_private":true}`)
	s := server.Start(t, server.Options{Dirs: []string{dir}})
	r := &session{t: t, file: file, url: s.URL, app: "client-abcde", kept: map[string]string{}}
	if mirror != "" {
		r.kept["MIRROR"] = strings.TrimPrefix(mirror, "http://")
	}
	for n, line := range strings.Split(parts[0], "\n") {
		if line != "" && line[0] != '#' {
			r.line(n+1, line)
		}
	}
}

// installPackages does what the owner of an app does: npm install beside
// functions/package.json. Without npm the cases that need a package are left out.
func installPackages(t *testing.T, dir string) bool {
	npm, err := exec.LookPath("npm")
	if err == nil {
		cmd := exec.Command(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
		cmd.Dir = dir
		var out []byte
		if out, err = cmd.CombinedOutput(); err != nil {
			err = fmt.Errorf("npm ci: %w\n%s", err, out)
		}
	}
	if err != nil && os.Getenv("CI") != "" {
		t.Fatal(err)
	}
	if err != nil {
		t.Log("packages are not tested: ", err)
	}
	return err == nil
}

// session runs the lines of a case file.
type session struct {
	t        *testing.T
	file     string // of the cases
	url, app string
	token    string
	kept     map[string]string
	packages bool

	status int
	answer string
	skip   bool
}

func (s *session) line(n int, line string) {
	s.t.Helper()
	word, rest, _ := strings.Cut(line, " ")
	for name, value := range s.kept {
		rest = strings.ReplaceAll(rest, name, value)
	}
	switch word {
	case "as":
		s.logIn(rest)
	case "call":
		s.skip = false
		name, args, _ := strings.Cut(rest, " ")
		s.status, s.answer = s.post("/api/client/v2.0/app/"+s.app+"/functions/call", fmt.Sprintf(`{"name":%q,"arguments":%s}`, name, args), "Authorization", "Bearer "+s.token)
	case "post", "sign":
		path, body, _ := strings.Cut(rest, " ")
		signature := ""
		if word == "sign" {
			mac := hmac.New(sha256.New, []byte(hookSecret))
			mac.Write([]byte(body))
			signature = hex.EncodeToString(mac.Sum(nil))
		}
		s.status, s.answer = s.post("/app/"+s.app+"/endpoint"+path, body, "X-Payment-Signature", signature)
		s.answer = fmt.Sprintf("%d %s", s.status, s.answer)
		s.status = 200
	case "keep":
		name, pattern, _ := strings.Cut(rest, " ")
		m := regexp.MustCompile(pattern).FindStringSubmatch(s.answer)
		if m == nil {
			s.t.Fatalf("%s:%d: %s is not in %s", s.file, n, pattern, s.answer)
		}
		s.kept[name] = m[1]
	case "needs":
		s.skip = !s.packages
	case "want":
		if !s.skip && (s.status != 200 || !matches(s.answer, rest)) {
			s.t.Errorf("%s:%d:\n got %d %s\nwant %s", s.file, n, s.status, s.answer, rest)
		}
	case "fail":
		var e struct {
			Error string
			Code  string `json:"error_code"`
		}
		_ = json.Unmarshal([]byte(s.answer), &e)
		if got := fmt.Sprintf("%d %s %s", s.status, e.Code, e.Error); !strings.HasPrefix(got, rest) && !strings.Contains(strings.ReplaceAll(got, "Error: ", ""), rest) {
			s.t.Errorf("%s:%d:\n got %s\nwant %s", s.file, n, got, rest)
		}
	default:
		s.t.Fatalf("%s:%d: unknown word %q", s.file, n, word)
	}
}

// matches compares exactly; … in want stands for anything.
func matches(got, want string) bool {
	parts := strings.Split(want, "…")
	if len(parts) == 1 {
		return got == want
	}
	for i, p := range parts {
		at := strings.Index(got, p)
		if at < 0 || i == 0 && at > 0 {
			return false
		}
		got = got[at+len(p):]
	}
	return got == "" || parts[len(parts)-1] == ""
}

func (s *session) logIn(email string) {
	s.t.Helper()
	base := "/api/client/v2.0/app/" + s.app + "/auth/providers/local-userpass/"
	if status, text := s.post(base+"register", fmt.Sprintf(`{"email":%q,"password":"secret1"}`, email), "", ""); status != 201 {
		s.t.Fatalf("register: %d %s", status, text)
	}
	status, text := s.post(base+"login", fmt.Sprintf(`{"username":%q,"password":"secret1"}`, email), "", "")
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil || status != 200 {
		s.t.Fatalf("log in: %d %s", status, text)
	}
	s.token = answer.Token
}

func (s *session) post(path, body, header, value string) (int, string) {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodPost, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if header != "" {
		req.Header.Set(header, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}
