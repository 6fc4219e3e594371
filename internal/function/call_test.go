package function

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.uber.org/goleak"

	"regent/internal/app"
	"regent/internal/caller"
	"regent/internal/fault"
)

func wantCode(t *testing.T, err error, code fault.Code, status int, text string) {
	t.Helper()
	var e *fault.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a fault with %s", err, code)
	}
	if e.Code != code || e.Status != status || !strings.Contains(e.Message, text) {
		t.Errorf("got %s %d %q, want %s %d %q", e.Code, e.Status, e.Message, code, status, text)
	}
}

// TestClientCalls checks who may call what (client-api.md §1.16.3).
func TestClientCalls(t *testing.T) {
	r := mustStart(t, Config{})
	backend := &fakeBackend{can: func(f *app.Function, _ caller.Caller) bool { return f.Name == "allowed" }}
	d := mustDeploy(t, r, backend, map[string]string{
		"open": `exports = () => 'open'`, "hidden": `exports = () => 'hidden'`, "allowed": `exports = () => 1`, "denied": `exports = () => 1`, "broken": "exports = (", "throws": `exports = () => { throw new Error('x') }`,
		"inner": `exports = () => context.functions.execute('nowhere')`,
	}, func(a *app.App) {
		for _, f := range a.Functions {
			f.Private = f.Name == "hidden"
			if f.Name == "allowed" || f.Name == "denied" {
				f.CanEvaluate = value(bson.D{{Key: "%%user.id", Value: "x"}})
			}
		}
	})
	ctx := context.Background()
	who := caller.Caller{User: testUser(t)}
	_, err := d.CallAsClient(ctx, who, "hidden", nil)
	wantCode(t, err, fault.FunctionNotFound, 404, "function not found: 'hidden'")
	_, err = d.CallAsClient(ctx, who, "nowhere", nil)
	wantCode(t, err, fault.FunctionNotFound, 404, "function not found: 'nowhere'")
	_, err = d.CallAsClient(ctx, who, "denied", nil)
	wantCode(t, err, fault.FunctionExecutionError, 403, `rule not matched for function "denied"`)
	_, err = d.CallAsClient(ctx, who, "broken", nil)
	wantCode(t, err, fault.FunctionSyntaxError, 400, "functions/broken.js:1:12")
	_, err = d.CallAsClient(ctx, who, "throws", nil)
	wantCode(t, err, fault.FunctionExecutionError, 400, "Error: x")
	_, err = d.CallAsClient(ctx, who, "inner", nil)
	wantCode(t, err, fault.FunctionExecutionError, 400, "function not found: 'nowhere'")
	for _, name := range []string{"open", "allowed"} {
		if _, err := d.CallAsClient(ctx, who, name, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if v, err := d.Call(ctx, who, "hidden", nil); err != nil || v.StringValue() != "hidden" {
		t.Errorf("inside the server: %v %v", v, err)
	}
	_, err = d.CallAsClient(ctx, who, "open", []bson.RawValue{value(strings.Repeat("x", 19<<20))})
	wantCode(t, err, fault.FunctionExecutionError, 400, "function_argument_size")
}

// TestRecord checks what the log is given.
func TestRecord(t *testing.T) {
	var mu sync.Mutex
	var got []Execution
	r := mustStart(t, Config{Limits: Limits{ConsoleLines: 3, ConsoleBytes: 10}, Record: func(e Execution) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, e)
	}})
	d := mustDeploy(t, r, nil, map[string]string{"f": "exports = (a) => {\n  for (let i = 0; i < 5; i++) console.log('line ' + i + 'x'.repeat(20));\n  throw new TypeError('bad ' + a);\n};", "quiet": `exports = () => 1`}, func(a *app.App) {
		for _, f := range a.Functions {
			f.DisableArgLogs = f.Name == "quiet"
			f.RunAsSystem = f.Name == "quiet"
		}
	})
	_, _ = d.Call(context.Background(), caller.Caller{User: testUser(t)}, "f", []bson.RawValue{value("arg")})
	_, _ = d.Call(context.Background(), caller.Caller{User: testUser(t)}, "quiet", []bson.RawValue{value("arg")})
	mu.Lock()
	defer mu.Unlock()
	if len(got) != 2 {
		t.Fatalf("%d entries", len(got))
	}
	e := got[0]
	if e.Function != "f" || e.Err == nil || len(e.Lines) != 4 || e.Lines[0].Text != "line 0xxxx…" || !strings.Contains(e.Lines[3].Text, "function_console_lines") {
		t.Errorf("%+v", e)
	}
	if !strings.Contains(e.Stack, "functions/f.js:3:9") || mustText(t, e.Arguments) != `["arg"]` {
		t.Errorf("stack %s arguments %s", e.Stack, mustText(t, e.Arguments))
	}
	if got[1].Arguments.Type != 0 || !got[1].System {
		t.Errorf("%+v", got[1])
	}
}

// TestEndpoint checks request and response objects (app-services.md §9.4).
func TestEndpoint(t *testing.T) {
	r := mustStart(t, Config{})
	d := mustDeploy(t, r, nil, map[string]string{
		"full": `exports = async function ({ query, headers, body }, response) {
			response.setStatusCode(201); response.setHeader('content-type', 'text/plain'); response.addHeader('X-A', '1'); response.addHeader('X-A', '2');
			response.setBody(query.q + ' ' + headers['User-Agent'][0] + ' ' + EJSON.parse(body.text()).n);
		};`,
		"plain": `exports = (request) => ({ none: request.body === undefined, secret: request.query.secret });`,
		"bytes": `exports = (p, r) => { r.setBody(BSON.Binary.fromText('raw')); };`,
		"wrong": `exports = (p, r) => { r.setBody({ a: 1 }); };`,
		"code":  `exports = (p, r) => { r.setStatusCode(7); };`,
		"hook":  `exports = 1;`,
	}, func(a *app.App) {
		a.Webhooks = []*app.Webhook{{Service: "svc", Name: "hook", Code: &app.Function{Name: "svc/hook", Code: []byte(`exports = (payload, response) => { response.setBody('hooked ' + payload.query.a); }`)}}}
	})
	ctx := context.Background()
	payload := EndpointPayload(url.Values{"q": {"a", "b"}, "secret": {"s"}}, http.Header{"User-Agent": {"ua"}}, []byte(`{"n":{"$numberInt":"5"}}`))
	got, err := d.CallEndpoint(ctx, caller.Caller{}, "full", payload)
	if err != nil || !got.Configured || got.Status != 201 || string(got.Body) != "a ua 5" || got.Header.Get("Content-Type") != "text/plain" || len(got.Header.Values("X-A")) != 2 {
		t.Errorf("%+v %v", got, err)
	}
	got, err = d.CallEndpoint(ctx, caller.Caller{}, "plain", EndpointPayload(url.Values{"secret": {"s"}}, nil, nil))
	if err != nil || got.Configured || mustText(t, got.Value) != `{"none":true,"secret":{"$undefined":true}}` {
		t.Errorf("%s %v", mustText(t, got.Value), err)
	}
	if got, err = d.CallEndpoint(ctx, caller.Caller{}, "bytes", payload); err != nil || string(got.Body) != "raw" || got.Status != 200 {
		t.Errorf("%+v %v", got, err)
	}
	_, err = d.CallEndpoint(ctx, caller.Caller{}, "wrong", payload)
	wantCode(t, err, fault.FunctionExecutionError, 400, "setBody takes a text")
	_, err = d.CallEndpoint(ctx, caller.Caller{}, "code", payload)
	wantCode(t, err, fault.FunctionExecutionError, 400, "no HTTP status")
	w := d.app.Webhooks[0]
	if got, err = d.CallWebhook(ctx, caller.Caller{System: true}, w, EndpointPayload(url.Values{"a": {"1"}}, nil, nil)); err != nil || string(got.Body) != "hooked 1" {
		t.Errorf("%+v %v", got, err)
	}
}

// TestHostDeath kills hosts under running calls: what had sent nothing is run
// again, what had acted is not and says so.
func TestHostDeath(t *testing.T) {
	r := mustStart(t, Config{})
	acted := make(chan struct{})
	var once sync.Once
	backend := &fakeBackend{data: func(ctx context.Context, _ caller.Caller, _, _ string, _ bson.Raw) (bson.RawValue, error) {
		once.Do(func() { close(acted) })
		time.Sleep(300 * time.Millisecond)
		return value(nil), nil
	}}
	d := mustDeploy(t, r, backend, map[string]string{
		"pure": `exports = async () => { await new Promise(r => setTimeout(r, 200)); return 'done'; }`,
		"acts": `exports = async () => { await context.services.get('mongodb-atlas').db('d').collection('c').insertOne({}); return 'done'; }`,
	})
	if _, err := call(t, d, "pure"); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var pure, acts error
	var got string
	wg.Add(2)
	go func() { defer wg.Done(); got, pure = call(t, d, "pure") }()
	go func() { defer wg.Done(); _, acts = call(t, d, "acts") }()
	<-acted
	r.mu.Lock()
	h := r.hosts[0]
	r.mu.Unlock()
	_ = h.cmd.Process.Kill()
	wg.Wait()
	if pure != nil || got != `"done"` {
		t.Errorf("a call that had sent nothing: %s %v", got, pure)
	}
	if acts == nil || !strings.Contains(acts.Error(), "not run again") {
		t.Errorf("a call that had acted: %v", acts)
	}
	if _, err := call(t, d, "pure"); err != nil {
		t.Errorf("after the replacement: %v", err)
	}
}

// TestCancel checks that a caller who goes away stops the call.
func TestCancel(t *testing.T) {
	r := mustStart(t, Config{})
	d := mustDeploy(t, r, nil, map[string]string{"forever": `exports = () => { for (;;); }`, "deadline": `exports = () => { for (;;); }`, "ok": `exports = () => 1`})
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(100*time.Millisecond, cancel)
	start := time.Now()
	_, err := d.Call(ctx, caller.Caller{}, "forever", nil)
	if err == nil || time.Since(start) > 5*time.Second {
		t.Errorf("%v after %s", err, time.Since(start))
	}
	if _, err := call(t, d, "ok"); err != nil {
		t.Error(err)
	}
}

// TestCancelBeforeItRuns checks that a call stops whose caller goes away while its
// host still starts, in place of running until the host is killed.
func TestCancelBeforeItRuns(t *testing.T) {
	for _, delay := range []time.Duration{0, 5 * time.Millisecond, 10 * time.Millisecond} {
		r := mustStart(t, Config{Hosts: 1})
		d := mustDeploy(t, r, nil, map[string]string{"forever": `exports = () => { for (;;); }`})
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(200*time.Millisecond, func() {
			r.living()[0].kill(nil) // it is run again, on a host that has to start
			time.AfterFunc(delay, cancel)
		})
		start := time.Now()
		if _, err := d.Call(ctx, caller.Caller{}, "forever", nil); err == nil || time.Since(start) > graceOf(300*time.Second) {
			t.Errorf("cancelled %s after the host was lost: %v after %s", delay, err, time.Since(start))
		}
	}
}

// TestNesting checks that functions and rules cannot call each other without end.
func TestNesting(t *testing.T) {
	r := mustStart(t, Config{Limits: Limits{Concurrent: 1}})
	var d *Deployment
	backend := &fakeBackend{data: func(ctx context.Context, c caller.Caller, _, _ string, _ bson.Raw) (bson.RawValue, error) {
		return d.Call(ctx, c, "f", nil)
	}}
	d = mustDeploy(t, r, backend, map[string]string{"f": `exports = async () => context.services.get('mongodb-atlas').db('d').collection('c').findOne({})`})
	_, err := call(t, d, "f")
	if err == nil || !strings.Contains(err.Error(), "levels deep") {
		t.Error(err)
	}
}

// TestManyCalls checks that slow calls do not block others on the same host.
func TestManyCalls(t *testing.T) {
	r := mustStart(t, Config{Hosts: 1})
	d := mustDeploy(t, r, nil, map[string]string{"sleep": `exports = async (n) => { await new Promise(r => setTimeout(r, 200)); return n; }`})
	start := time.Now()
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if got, err := call(t, d, "sleep", int32(i)); err != nil || got != fmt.Sprintf(`{"$numberInt":"%d"}`, i) {
				t.Errorf("%d: %s %v", i, got, err)
			}
		}()
	}
	wg.Wait()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("100 calls that wait took %s", took)
	}
}

// TestTransactionOrder checks that a transaction's operations keep their order
// and that one that was left open is ended.
func TestTransactionOrder(t *testing.T) {
	r := mustStart(t, Config{})
	backend := &fakeBackend{data: func(_ context.Context, _ caller.Caller, _, action string, arg bson.Raw) (bson.RawValue, error) {
		if action == "startTransaction" {
			time.Sleep(20 * time.Millisecond)
			return value(bson.D{{Key: "transaction", Value: "real"}}), nil
		}
		if id, ok := arg.Lookup("transaction").StringValueOK(); !ok || id != "real" {
			return bson.RawValue{}, fault.New(fault.MongoDBError, "transaction %s", id)
		}
		return value(nil), nil
	}}
	d := mustDeploy(t, r, backend, map[string]string{"f": `exports = async () => {
		const client = context.services.get('mongodb-atlas'), c = client.db('d').collection('c'), session = client.startSession();
		session.startTransaction();
		for (let i = 0; i < 20; i++) c.insertOne({ _id: i }, { session });
	}`})
	if _, err := call(t, d, "f"); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(5 * time.Second)
	for len(backend.log()) < 22 && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	log := backend.log()
	if len(log) != 22 || log[0].action != "startTransaction" || log[21].action != "abortTransaction" {
		t.Fatalf("%d operations, the last %s", len(log), log[len(log)-1].action)
	}
	for i := range 20 {
		if got := log[i+1].arg.Lookup("document", "_id").Int32(); got != int32(i) {
			t.Fatalf("operation %d is of document %d", i, got)
		}
	}
}

// TestCheck checks what `regent check` finds in functions.
func TestCheck(t *testing.T) {
	a := &app.App{Functions: []*app.Function{
		{Name: "bad", Code: []byte("exports = function () {\n  let x = ;\n}")},
		{Name: "deep", Code: []byte("exports = " + strings.Repeat("[", 1_000_000))},
		{Name: "unary", Code: []byte("exports = () => " + strings.Repeat("!", 3_000_000) + "1")},
		{Name: "noentry", Code: []byte("var x = 1;")},
		{Name: "refs", Code: []byte("// context.functions.execute('comment')\nexports = () => { context.functions.execute('nowhere'); context.functions.execute('Good'); context.services.get('nosvc'); context.values.get('noval'); require('left-pad/x'); require('./y'); require('crypto'); };")},
		{Name: "good", Code: []byte("exports = () => context.functions.execute('refs', context.services.get('mongodb-atlas'));")},
	}}
	var got []string
	for _, p := range Check(a) {
		got = append(got, p.String())
	}
	text := strings.Join(got, "\n")
	for _, want := range []string{
		"functions/bad.js:2:11: warning: function 'bad' cannot be called: syntax error: Unexpected \";\"",
		"functions/deep.js:1: warning: function 'deep' cannot be called",
		"functions/unary.js: warning: function 'unary' cannot be called",
		"functions/noentry.js: warning: function 'noentry' cannot be called: the file assigns nothing to exports",
		"no function 'nowhere'", "no function 'Good'; did you mean 'good'?", "no service 'nosvc'", "no value 'noval'", "npm install left-pad", "functions share code through context.functions.execute",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %s", want)
		}
	}
	if len(got) != 10 {
		t.Errorf("%d problems:\n%s", len(got), text)
	}
}

// TestArchives unpacks packages from every kind of archive.
func TestArchives(t *testing.T) {
	r := mustStart(t, Config{})
	for layout, files := range map[string][]string{
		"node_modules":  {"._node_modules", "node_modules/hello/package.json", "node_modules/hello/lib.js", "node_modules/hello/sub/x.js", "../../escape.js"},
		"above":         {"__MACOSX/functions/._x", "functions/package.json", "functions/node_modules/hello/package.json", "functions/node_modules/hello/lib.js", "functions/node_modules/hello/sub/x.js"},
		"inside":        {"hello/package.json", "hello/lib.js", "hello/sub/x.js", "other/node_modules/hello/package.json"},
		"with a prefix": {"./node_modules/hello/sub/x.js", "./node_modules/hello/lib.js", "./node_modules/hello/package.json", "package.json"},
	} {
		var tarball, zipped, gz bytes.Buffer
		tw, zw := tar.NewWriter(&tarball), zip.NewWriter(&zipped)
		for _, name := range files {
			text := map[string]string{"package.json": `{"main":"lib.js"}`, "lib.js": `module.exports = n => 'hello ' + n;`, "x.js": `exports.x = require('../lib')('sub');`}[filepath.Base(name)]
			_ = tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg})
			_, _ = tw.Write([]byte(text))
			w, _ := zw.Create(name)
			_, _ = w.Write([]byte(text))
		}
		tw.Close()
		zw.Close()
		g := gzip.NewWriter(&gz)
		_, _ = g.Write(tarball.Bytes())
		g.Close()
		for name, data := range map[string][]byte{"node_modules.tar": tarball.Bytes(), "node_modules.tar.gz": gz.Bytes(), "node_modules.zip": zipped.Bytes()} {
			t.Run(layout+"/"+name, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), name)
				if err := os.WriteFile(path, data, 0o600); err != nil {
					t.Fatal(err)
				}
				d := mustDeploy(t, r, nil, map[string]string{"f": `exports = () => [require('hello')('you'), require('hello/sub/x').x]`}, func(a *app.App) { a.Dependencies.Archive = path })
				defer d.Close()
				if got, err := call(t, d, "f"); err != nil || got != `["hello you","hello sub"]` {
					t.Errorf("%s %v", got, err)
				}
			})
		}
	}
}

// TestTwilio checks the client of the third-party service and its rules.
func TestTwilio(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		_ = r.ParseForm()
		if user != "AC1" || password != "token" || r.URL.Path != "/AC1/Messages.json" || r.Form.Get("Body") != "hi" {
			w.WriteHeader(401)
			return
		}
		fmt.Fprint(w, `{"sid":"SM1","status":"queued"}`)
	}))
	defer server.Close()
	r := mustStart(t, Config{Outbound: Outbound{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, TwilioAddress: server.URL + "/"}})
	rules := []app.ServiceRule{{Actions: []string{"send"}, When: value(bson.D{})}}
	d := mustDeploy(t, r, nil, map[string]string{
		"send":   `exports = (s) => context.services.get(s).send({ to: '+1', from: '+2', body: 'hi' })`,
		"aws":    `exports = () => context.services.get('aws').s3('eu').PutObject({})`,
		"system": `exports = (s) => context.services.get(s).send({ to: '+1', from: '+2', body: 'hi' })`,
	}, func(a *app.App) {
		a.Secrets = map[string]string{"tw": "token"}
		config := bson.Raw(value(bson.D{{Key: "sid", Value: "AC1"}}).Value)
		secret := map[string][]string{"auth_token": {"tw"}}
		a.Services = []*app.Service{{Name: "sms", Type: "twilio", Config: config, SecretConfig: secret, Rules: rules}, {Name: "norules", Type: "twilio", Config: config, SecretConfig: secret}, {Name: "aws", Type: "aws"}}
		for _, f := range a.Functions {
			f.RunAsSystem = f.Name == "system"
		}
	})
	if got, err := call(t, d, "send", "sms"); err != nil || got != `{"sid":"SM1","status":"queued"}` {
		t.Errorf("%s %v", got, err)
	}
	if _, err := call(t, d, "send", "norules"); err == nil || !strings.Contains(err.Error(), "no rule of service 'norules' permits 'send'") {
		t.Error(err)
	}
	if got, err := call(t, d, "system", "norules"); err != nil {
		t.Errorf("%s %v", got, err)
	}
	if _, err := call(t, d, "aws"); err == nil || !strings.Contains(err.Error(), "aws s3.PutObject is not available in Regent") {
		t.Error(err)
	}
}

// TestStartByHand checks that nobody can start a host from a shell.
func TestStartByHand(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(exe, hostArgument).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "started by the server, not by hand") {
		t.Errorf("%v %s", err, out)
	}
}

// TestClose checks that nothing is left behind, and that calls that run fail.
func TestClose(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	r, err := Start(Config{Hosts: 2})
	if err != nil {
		t.Fatal(err)
	}
	d := mustDeploy(t, r, nil, map[string]string{"f": `exports = () => new Promise(r => setTimeout(r, 60000))`})
	done := make(chan error)
	go func() {
		_, err := d.Call(context.Background(), caller.Caller{}, "f", nil)
		done <- err
	}()
	time.Sleep(100 * time.Millisecond)
	start := time.Now()
	d.Close()
	r.Close()
	if err := <-done; err == nil {
		t.Error("the call went on")
	}
	if time.Since(start) > 3*time.Second {
		t.Errorf("closing took %s", time.Since(start))
	}
	if _, err := d.Call(context.Background(), caller.Caller{}, "f", nil); err == nil {
		t.Error("a call after Close")
	}
}

// TestManyTransactions opens more transactions one after the other than there
// may be at once: those that are over do not count.
func TestManyTransactions(t *testing.T) {
	r := mustStart(t, Config{})
	d := mustDeploy(t, r, newMemoryBackend(), map[string]string{"f": `exports = async () => {
		const client = context.services.get('mongodb-atlas'), c = client.db('d').collection('c');
		let n = 0;
		for (let i = 0; i < 150; i++) {
			const session = client.startSession();
			await session.withTransaction(async () => { await c.updateOne({}, { $set: { i } }, { session }); n++; });
		}
		const open = [];
		for (let i = 0; i < 120; i++) { const session = client.startSession(); session.startTransaction(); open.push(c.updateOne({}, { $set: { i } }, { session })); }
		return [n, (await Promise.allSettled(open)).filter(r => r.status === 'fulfilled').length];
	}`}, describeApp(t))
	if got, err := call(t, d, "f"); err != nil || got != `[{"$numberInt":"150"},{"$numberInt":"100"}]` {
		t.Errorf("%s %v", got, err)
	}
}

// TestLoneDataSource checks that a lone data source answers to its own name and
// to mongodb-atlas, which old code writes whatever it is called.
func TestLoneDataSource(t *testing.T) {
	backend := &fakeBackend{}
	d := mustDeploy(t, mustStart(t, Config{}), backend, map[string]string{
		"both": `exports = () => ['Cluster0', 'mongodb-atlas', 'other'].map(n => { const s = context.services.get(n); return s && typeof s.db('d').collection('c').find; })`,
	}, func(a *app.App) {
		a.DataSources = []*app.DataSource{{Name: "Cluster0", Type: "mongodb-atlas"}}
	})
	v, err := d.CallAsClient(t.Context(), caller.Caller{User: testUser(t)}, "both", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := mustText(t, v); got != `["function","function",{"$undefined":true}]` {
		t.Error(got)
	}
}
