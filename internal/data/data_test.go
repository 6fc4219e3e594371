package data_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/docdb"
	"regent/internal/app"
	"regent/internal/caller"
	"regent/internal/data"
	"regent/internal/ejson"
	"regent/internal/rule"
	"regent/internal/user"
	"regent/test/script"
)

// engines are the databases that the tests run on: the embedded one, and the
// deployment that REGENT_TEST_MONGODB names.
var engines = map[string]*mongo.Client{}

func TestMain(m *testing.M) {
	flag.Parse()
	// Random cases: 2,000 in CI, 300 else, 100,000 at night (docs/rules.md).
	checks := "300"
	if os.Getenv("CI") != "" {
		checks = "2000"
	}
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		_ = f.Value.Set(checks)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "data-test")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	db, err := docdb.Open(dir, docdb.Options{})
	if err != nil {
		panic(err)
	}
	defer db.Close()
	connect := func(name string, opts *options.ClientOptions) {
		c, err := mongo.Connect(opts)
		if err != nil {
			panic(err)
		}
		engines[name] = c
	}
	connect("docdb", db.ClientOptions())
	if uri := os.Getenv("REGENT_TEST_MONGODB"); uri != "" {
		connect("mongodb", options.Client().ApplyURI(uri))
	} else {
		fmt.Println("REGENT_TEST_MONGODB is empty: the tests run on the embedded database only")
	}
	defer func() {
		for _, c := range engines {
			_ = c.Disconnect(context.Background())
		}
	}()
	return m.Run()
}

func eachEngine(t *testing.T, f func(t *testing.T, client *mongo.Client)) {
	for name, client := range engines {
		t.Run(name, func(t *testing.T) { f(t, client) })
	}
}

var worlds atomic.Int64

// world is an app with a database of its own.
type world struct {
	testing.TB
	client    *mongo.Client
	db        string
	dir       string
	users     map[string]*user.User
	functions functions
	service   *data.Service
	app       *app.App
	problems  []app.Problem
	config    func(*data.Config)
}

// functions are what %function may call.
type functions map[string]func(args []bson.RawValue) (bson.RawValue, error)

func (f functions) Call(_ context.Context, _ caller.Caller, name string, args []bson.RawValue) (bson.RawValue, error) {
	fn := f[name]
	if fn == nil {
		return bson.RawValue{}, errors.New("function not found")
	}
	return fn(args)
}

func newWorld(t testing.TB, client *mongo.Client) *world {
	w := &world{TB: t, client: client, dir: t.TempDir(), db: fmt.Sprintf("t%d_%d", time.Now().UnixNano()%1e9, worlds.Add(1)), users: map[string]*user.User{}}
	w.functions = functions{
		"isTrue": func([]bson.RawValue) (bson.RawValue, error) { return parse(t, "true"), nil },
		"isOwner": func(args []bson.RawValue) (bson.RawValue, error) {
			return bson.RawValue{Type: bson.TypeBoolean, Value: []byte{map[bool]byte{true: 1}[args[0].Equal(args[1])]}}, nil
		},
		"throws": func([]bson.RawValue) (bson.RawValue, error) { return bson.RawValue{}, errors.New("thrown") },
	}
	w.file("root_config.json", `{"name": "test", "config_version": 20210101}`)
	w.file("data_sources/mongodb-atlas/config.json", `{"name": "mongodb-atlas", "type": "mongodb-atlas", "config": {}}`)
	t.Cleanup(func() {
		if w.service != nil {
			w.service.Close()
		}
		_ = client.Database(w.db).Drop(context.Background())
	})
	return w
}

func (w *world) file(name, content string) {
	w.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		w.Fatal(err)
	}
}

// rules writes a collection's rules: roles and filters.
func (w *world) rules(collection, text string) {
	w.Helper()
	w.file("data_sources/mongodb-atlas/"+w.db+"/"+collection+"/rules.json", fmt.Sprintf(`{"database": %q, "collection": %q, %s}`, w.db, collection, strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(text), "{"), "}")))
}

func (w *world) schema(collection, text string) {
	w.file("data_sources/mongodb-atlas/"+w.db+"/"+collection+"/schema.json", text)
}

func (w *world) user(id, customData string) {
	u := &user.User{ID: id, Type: user.Normal, Data: bson.Raw{5, 0, 0, 0, 0}}
	if customData != "" {
		u.CustomData = parse(w, customData).Document()
	}
	w.users[id] = u
}

func (w *world) start() *data.Service {
	w.Helper()
	if w.service != nil {
		return w.service
	}
	a, problems, err := app.Load(w.dir, app.Options{AppID: "test-abcde"})
	if err != nil {
		w.Fatal(err)
	}
	for _, p := range problems {
		if p.Severity == app.SeverityError {
			w.Fatal(p)
		}
	}
	for name := range w.functions {
		if a.Function(name) == nil {
			a.Functions = append(a.Functions, &app.Function{Name: name})
		}
	}
	set, more := rule.Compile(a)
	w.app, w.problems = a, append(problems, more...)
	cfg := data.Config{App: a, Rules: set, Functions: w.functions, Database: func(string) (*mongo.Client, error) { return w.client, nil }, PreImages: func(string) bool { return true }}
	if w.config != nil {
		w.config(&cfg)
	}
	w.service = data.New(cfg)
	return w.service
}

func (w *world) caller(name string) caller.Caller {
	if name == "sys" {
		return caller.Caller{System: true}
	}
	if w.users[name] == nil {
		w.user(name, "")
	}
	return caller.Caller{User: w.users[name], Request: &caller.Request{SessionID: name}}
}

// do performs an action; arg lacks database and collection.
func (w *world) do(as, action, collection, arg string) (bson.RawValue, error) {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return w.start().Do(ctx, w.caller(as), "mongodb-atlas", action, w.argument(collection, arg))
}

func (w *world) argument(collection, arg string) bson.Raw {
	w.Helper()
	db, collection := script.Namespace(w.db, collection)
	return parse(w, fmt.Sprintf(`{"database": %q, "collection": %q, %s}`, db, collection, strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(arg), "{"), "}"))).Document()
}

func (w *world) collection(name string) *mongo.Collection {
	db, name := script.Namespace(w.db, name)
	return w.client.Database(db).Collection(name)
}

func (w *world) have(collection string, docs ...string) {
	w.Helper()
	for _, d := range docs {
		if _, err := w.collection(collection).InsertOne(context.Background(), parse(w, d).Document()); err != nil {
			w.Fatal(err)
		}
	}
}

// stored gives a collection's documents in the order of _id.
func (w *world) stored(collection string) string {
	w.Helper()
	cursor, err := w.collection(collection).Find(context.Background(), bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		w.Fatal(err)
	}
	var docs []bson.Raw
	if err := cursor.All(context.Background(), &docs); err != nil {
		w.Fatal(err)
	}
	text := "["
	for i, d := range docs {
		if i > 0 {
			text += ", "
		}
		text += d.String()
	}
	return text + "]"
}

func parse(t testing.TB, text string) bson.RawValue {
	t.Helper()
	if strings.HasSuffix(strings.TrimSpace(text), ", }") {
		text = strings.TrimSuffix(strings.TrimSpace(text), ", }") + "}"
	}
	v, err := ejson.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func canonical(t testing.TB, v bson.RawValue) string {
	t.Helper()
	text, err := ejson.Append(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func canonicalText(v bson.RawValue) []byte {
	text, err := ejson.AppendRelaxed(nil, v)
	if err != nil {
		panic(err)
	}
	return text
}

func parseQuietly(text []byte) (bson.RawValue, error) { return ejson.Parse(text) }
