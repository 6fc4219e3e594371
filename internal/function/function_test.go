package function

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
	"regent/internal/caller"
	"regent/internal/ejson"
	"regent/internal/user"
)

func TestMain(m *testing.M) {
	if os.Getenv(unprepared) == "" {
		MaybeRunHost()
	}
	os.Exit(m.Run())
}

// fakeBackend answers data operations from a script and keeps what was asked.
type fakeBackend struct {
	mu    sync.Mutex
	asked []asked
	data  func(ctx context.Context, c caller.Caller, service, action string, arg bson.Raw) (bson.RawValue, error)
	users map[string]*user.User
	can   func(f *app.Function, c caller.Caller) bool
}

type asked struct {
	who, service, action string
	arg                  bson.Raw
}

func (b *fakeBackend) Data(ctx context.Context, c caller.Caller, service, action string, arg bson.Raw) (bson.RawValue, error) {
	who := "nobody"
	if c.User != nil {
		who = c.User.ID
	}
	if c.System {
		who = "system"
	}
	b.mu.Lock()
	b.asked = append(b.asked, asked{who, service, action, arg})
	b.mu.Unlock()
	if b.data == nil {
		return bson.RawValue{Type: bson.TypeNull}, nil
	}
	return b.data(ctx, c, service, action, arg)
}

func (b *fakeBackend) CanEvaluate(_ context.Context, f *app.Function, c caller.Caller) (bool, error) {
	return b.can == nil || b.can(f, c), nil
}

func (b *fakeBackend) User(_ context.Context, id string) (*user.User, error) { return b.users[id], nil }

func (b *fakeBackend) log() []asked {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]asked(nil), b.asked...)
}

func mustValue(t testing.TB, text string) bson.RawValue {
	t.Helper()
	v, err := ejson.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func mustText(t testing.TB, v bson.RawValue) string {
	t.Helper()
	if v.Type == 0 {
		return "(none)"
	}
	b, err := ejson.Append(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func mustStart(t testing.TB, cfg Config) *Runtime {
	t.Helper()
	if cfg.Hosts == 0 {
		cfg.Hosts = 1
	}
	r, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// mustDeploy deploys functions given as name to code.
func mustDeploy(t testing.TB, r *Runtime, b Backend, files map[string]string, more ...func(*app.App)) *Deployment {
	t.Helper()
	a := &app.App{ID: "test-abcde", Name: "test"}
	for name, code := range files {
		a.Functions = append(a.Functions, &app.Function{Name: name, Code: []byte(code)})
	}
	for _, m := range more {
		m(a)
	}
	if b == nil {
		b = &fakeBackend{}
	}
	d, _ := r.Deploy(context.Background(), a, b)
	return d
}

// testCase is one call of a case file: the lines below it say what comes back.
type testCase struct {
	line     int
	function string
	args     string
	want     []string // want, fail, log lines
}

// readCases reads a case file: calls first, then the functions, each under
// "-- name --".
func readCases(t *testing.T, path string) (cases []testCase, files map[string]string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files = map[string]string{}
	var name string
	s := bufio.NewScanner(strings.NewReader(string(text)))
	s.Buffer(nil, 1<<20)
	for n := 1; s.Scan(); n++ {
		l := s.Text()
		if strings.HasPrefix(l, "-- ") && strings.HasSuffix(l, " --") {
			name = strings.TrimSuffix(strings.TrimPrefix(l, "-- "), " --")
			files[name] = ""
			continue
		}
		if name != "" {
			files[name] += l + "\n"
			continue
		}
		if l == "" || l[0] == '#' {
			continue
		}
		word, rest, _ := strings.Cut(l, " ")
		if word == "call" {
			f, args, _ := strings.Cut(rest, " ")
			cases = append(cases, testCase{line: n, function: f, args: args})
			continue
		}
		if len(cases) == 0 {
			t.Fatalf("%s:%d: %q before the first call", path, n, word)
		}
		last := &cases[len(cases)-1]
		last.want = append(last.want, l)
	}
	return cases, files
}

// testUser is as whom the cases are called.
func testUser(t testing.TB) *user.User {
	return &user.User{ID: "64b000000000000000000001", Type: user.Normal,
		Data:       bson.Raw(mustValue(t, `{"email":"a@example.com"}`).Value),
		CustomData: bson.Raw(mustValue(t, `{"role":"editor","level":{"$numberInt":"3"}}`).Value),
		Identities: []user.Identity{{ID: "64b0000000000000000000aa", ProviderType: user.LocalUserpass, ProviderID: "64b0000000000000000000bb"}},
	}
}

func TestCases(t *testing.T) {
	files := caseFiles(t, "testdata/*.txt", "testdata/node/*.txt")
	var mu sync.Mutex
	var lines []string
	r := mustStart(t, Config{Limits: Limits{Time: 20 * time.Second}, Record: func(e Execution) {
		mu.Lock()
		defer mu.Unlock()
		for _, l := range e.Lines {
			lines = append(lines, l.Level+" "+l.Text)
		}
	}})
	for _, path := range files {
		t.Run(strings.TrimSuffix(strings.TrimPrefix(path, "testdata/"), ".txt"), func(t *testing.T) {
			cases, functions := readCases(t, path)
			if strings.Contains(functions["f_bom"], "bom") {
				functions["f_bom"] = "\ufeff" + functions["f_bom"]
			}
			backend := newMemoryBackend()
			d := mustDeploy(t, r, backend, functions, describeApp(t))
			for _, c := range cases {
				t.Run(fmt.Sprintf("%s:%d", c.function, c.line), func(t *testing.T) {
					mu.Lock()
					lines = nil
					mu.Unlock()
					args, err := bson.Raw(mustValue(t, c.args).Value).Values()
					if err != nil {
						t.Fatal(err)
					}
					who := caller.Caller{User: testUser(t), Request: testRequest()}
					v, err := d.Call(context.Background(), who, c.function, args)
					mu.Lock()
					got := strings.Join(lines, "\n")
					mu.Unlock()
					for _, w := range c.want {
						checkOutcome(t, path, c, w, v, err, got)
					}
				})
			}
		})
	}
}

func caseFiles(t *testing.T, patterns ...string) (files []string) {
	t.Helper()
	for _, p := range patterns {
		found, err := filepath.Glob(p)
		if err != nil || len(found) == 0 {
			t.Fatal("no case files", p, err)
		}
		files = append(files, found...)
	}
	return files
}

// TestNodeAgrees runs the functions of testdata/node under Node itself: what the
// cases want is what Node gives.
func TestNodeAgrees(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("missing: Node.js is needed (https://nodejs.org)")
		}
		t.Skip("skipped: Node.js is needed (https://nodejs.org)")
	}
	files := caseFiles(t, "testdata/node/*.txt")
	cmd := exec.Command(node, append([]string{"--no-warnings", "testdata/node/agree.mjs"}, files...)...)
	cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=en_US.UTF-8")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]string{}
	for line := range strings.Lines(string(out)) {
		var l [3]string
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		given[l[0]+" "+l[1]] = l[2]
	}
	for _, path := range files {
		cases, _ := readCases(t, path)
		for _, c := range cases {
			got, ok := given[path+" "+c.function]
			if !ok {
				t.Errorf("%s:%d: Node gave nothing for %s", path, c.line, c.function)
			}
			if len(c.want) != 1 || c.want[0] != got {
				t.Errorf("%s:%d: %s:\n node %s\n want %s", path, c.line, c.function, got, c.want)
			}
		}
	}
}

func checkOutcome(t *testing.T, path string, c testCase, w string, v bson.RawValue, err error, log string) {
	t.Helper()
	word, rest, _ := strings.Cut(w, " ")
	switch word {
	case "want":
		if err != nil {
			var s *ScriptError
			if errors.As(err, &s) {
				t.Fatalf("%s:%d: %v\n%s\n%s", path, c.line, err, s.Stack, log)
			}
			t.Fatalf("%s:%d: %v\n%s", path, c.line, err, log)
		}
		if got, want := mustText(t, v), strings.TrimSpace(rest); got != want {
			t.Errorf("%s:%d:\n got %s\nwant %s", path, c.line, got, want)
		}
	case "fail":
		if err == nil {
			t.Fatalf("%s:%d: no error but %s", path, c.line, mustText(t, v))
		}
		if !strings.Contains(err.Error(), rest) {
			t.Errorf("%s:%d:\n got %s\nwant %s", path, c.line, err, rest)
		}
	case "stack":
		var s *ScriptError
		if !errors.As(err, &s) || !strings.Contains(s.Stack, rest) {
			t.Errorf("%s:%d: stack\n%s\nlacks %s", path, c.line, s.Stack, rest)
		}
	case "frames":
		var s *ScriptError
		if !errors.As(err, &s) || fmt.Sprint(strings.Count(s.Stack, "\tat ")) != rest {
			t.Errorf("%s:%d: stack\n%s\nhas not %s frames", path, c.line, s.Stack, rest)
		}
	case "log":
		if !strings.Contains(log, rest) {
			t.Errorf("%s:%d: log\n%s\nlacks %s", path, c.line, log, rest)
		}
	default:
		t.Fatalf("%s:%d: unknown word %q", path, c.line, word)
	}
}
