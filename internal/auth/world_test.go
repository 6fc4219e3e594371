package auth_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/docdb"
	"regent/internal/app"
	"regent/internal/auth"
	"regent/internal/auth/password"
	"regent/internal/caller"
	"regent/internal/ejson"
	"regent/internal/fault"
	"regent/internal/mail"
	"regent/internal/session"
)

// The tests of this package share one embedded database; each has an app of its
// own in it.
var shared struct {
	options  func() *options.ClientOptions
	client   *mongo.Client
	db       *mongo.Database
	master   *session.MasterKey
	sessions *session.Service
	hasher   *password.Hasher
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "regent-auth-test-*")
	must(err)
	defer os.RemoveAll(dir)
	db, err := docdb.Open(dir, docdb.Options{})
	must(err)
	defer db.Close()
	shared.options = db.ClientOptions
	shared.client, err = mongo.Connect(db.ClientOptions())
	must(err)
	defer shared.client.Disconnect(context.Background())
	shared.db = shared.client.Database("__regent")
	shared.master, err = session.NewMasterKey(bytes.Repeat([]byte{7}, 32))
	must(err)
	shared.sessions, err = session.Open(context.Background(), session.Config{DB: shared.db, Master: shared.master, Logger: quiet()})
	must(err)
	defer shared.sessions.Close()
	// Cheap hashes: what the tests ask is not how much a hash costs.
	shared.hasher, err = password.New(password.Params{Memory: 64, Time: 1, Threads: 1}, 2, 10_000, rand.Reader)
	must(err)
	return m.Run()
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// world is an app with its accounts.
type world struct {
	*auth.Service
	t      testing.TB
	app    *app.App
	config auth.Config
	outbox *mail.Outbox
	fns    functions
	mu     sync.Mutex
	events []auth.Event
	clock  *clock
}

type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	c.ahead += d
	c.mu.Unlock()
}

// functions are the app's functions, written in Go.
type functions map[string]func(args []bson.RawValue) (any, error)

func (f functions) Call(_ context.Context, _ caller.Caller, name string, args []bson.RawValue) (bson.RawValue, error) {
	fn := f[name]
	if fn == nil {
		return bson.RawValue{}, fault.New(fault.FunctionNotFound, "function not found: '%s'", name)
	}
	out, err := fn(args)
	if err != nil {
		return bson.RawValue{}, fault.New(fault.FunctionExecutionError, "%v", err)
	}
	if out == nil {
		return bson.RawValue{Type: bson.TypeNull}, nil
	}
	t, data, err := bson.MarshalValue(out)
	return bson.RawValue{Type: t, Value: data}, err
}

// providers are the app directory's auth/providers.json by name.
type providers map[string]*app.Provider

func conf(pairs ...any) bson.Raw {
	d := bson.D{}
	for i := 0; i < len(pairs); i += 2 {
		d = append(d, bson.E{Key: pairs[i].(string), Value: pairs[i+1]})
	}
	raw, err := bson.Marshal(d)
	must(err)
	return raw
}

func everything() providers {
	return providers{
		"anon-user":       {},
		"local-userpass":  {Config: conf("autoConfirm", true)},
		"api-key":         {},
		"custom-function": {Config: conf("authFunctionName", "authenticate")},
		"custom-token": {Config: conf("audience", bson.A{}, "signingAlgorithm", "HS256"), SecretConfig: map[string][]string{"signingKeys": {"jwt_key"}},
			MetadataFields: []app.MetadataField{{Name: "profile.name", FieldName: "name"}, {Name: `a\.b`}}},
	}
}

func newWorld(t testing.TB, ps providers, change ...func(*auth.Config)) *world {
	t.Helper()
	ctx := context.Background()
	a, err := auth.EnsureApp(ctx, shared.db, rand.Reader, strings.ReplaceAll(t.Name(), "/", "-")+fmt.Sprint(time.Now().UnixNano()), "")
	must(err)
	w := &world{t: t, fns: functions{}, outbox: mail.NewOutbox(quiet(), 0), clock: &clock{}}
	w.app = &app.App{ID: a.ID, Name: "Test", Secrets: map[string]string{"jwt_key": strings.Repeat("k", 40)}, Settings: app.DefaultSettings()}
	for name, p := range ps {
		p.Name, p.Type = name, name
		w.app.Providers = append(w.app.Providers, p)
	}
	w.config = auth.Config{
		App: w.app, Domain: a.Domain, DB: shared.db, Sessions: shared.sessions, Functions: w.fns, Mail: w.outbox, Passwords: shared.hasher,
		PublicURL: func() string { return "http://localhost:1" }, Logger: quiet(), Now: w.clock.now,
		CustomData: func(context.Context, string) (*mongo.Client, error) { return shared.client, nil },
		Events: func(e auth.Event) {
			w.mu.Lock()
			w.events = append(w.events, e)
			w.mu.Unlock()
		},
	}
	for _, c := range change {
		c(&w.config)
	}
	w.Service, err = auth.New(ctx, w.config)
	must(err)
	t.Cleanup(w.Service.Close)
	return w
}

// another is the same app in another process: services of their own on the same database.
func (w *world) another() *auth.Service { return w.on(shared.options(), nil) }

// on is another with a client and a clock of its own; without a clock the
// sessions have the process's, as everywhere else.
func (w *world) on(o *options.ClientOptions, now func() time.Time) *auth.Service {
	w.t.Helper()
	client, err := mongo.Connect(o)
	must(err)
	db := client.Database("__regent")
	sessions, err := session.Open(context.Background(), session.Config{DB: db, Master: shared.master, Logger: quiet(), Now: now})
	must(err)
	c := w.config
	c.DB, c.Sessions = db, sessions
	s, err := auth.New(context.Background(), c)
	must(err)
	w.t.Cleanup(func() {
		s.Close()
		sessions.Close()
		client.Disconnect(context.Background())
	})
	return s
}

func (w *world) took() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, e := range w.events {
		out = append(out, string(e.Operation)+" "+strings.Join(e.Providers, ","))
	}
	w.events = nil
	return out
}

// doc reads extended JSON.
func doc(text string) bson.Raw {
	d, err := ejson.ParseDocument([]byte(text))
	must(err)
	return d
}

func from(address string) *caller.Request { return &caller.Request{RemoteIP: address} }

func (w *world) login(provider, body string) auth.Tokens {
	w.t.Helper()
	tok, err := w.Login(w.t.Context(), provider, doc(body), nil)
	if err != nil {
		w.t.Fatalf("log in by %s: %v", provider, err)
	}
	return tok
}

func (w *world) register(email, pass string) {
	w.t.Helper()
	w.call("register", conf("email", email, "password", pass))
}

func (w *world) call(name string, body bson.Raw) {
	w.t.Helper()
	if err := w.Userpass(w.t.Context(), name, body, nil); err != nil {
		w.t.Fatalf("%s: %v", name, err)
	}
}

func userpass(email, pass string) string {
	return fmt.Sprintf(`{"username": %q, "password": %q}`, email, pass)
}

// refused checks an error's status, code and text; an empty text is not compared.
func refused(t *testing.T, err error, status int, code fault.Code, text string) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) {
		t.Fatalf("got %v, want a refusal with %d %s", err, status, code)
	}
	if f.Status != status || f.Code != code || text != "" && f.Message != text {
		t.Fatalf("got %d %q %q, want %d %q %q", f.Status, f.Code, f.Message, status, code, text)
	}
}

func (w *world) session(tok auth.Tokens) *session.Session {
	w.t.Helper()
	se, err := w.Authenticate(w.t.Context(), tok.AccessToken)
	if err != nil {
		w.t.Fatal(err)
	}
	return se
}

func identities(se *session.Session) string {
	var out []string
	for _, id := range se.User.Identities {
		out = append(out, id.ProviderType)
	}
	return strings.Join(out, " ")
}

// counting is a client that counts commands.
func counting(n *sync.Map) *options.ClientOptions {
	return shared.options().SetMonitor(&event.CommandMonitor{Started: func(_ context.Context, e *event.CommandStartedEvent) {
		if e.CommandName == "getMore" || e.CommandName == "aggregate" {
			return // the change stream
		}
		c, _ := n.LoadOrStore(e.CommandName, new(int))
		*(c.(*int))++
	}})
}
