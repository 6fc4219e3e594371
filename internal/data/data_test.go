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
	"regent/internal/fault"
	"regent/internal/rule"
	"regent/internal/user"
)

// engines are the databases that the tests run on: the embedded one, and the
// deployment that REGENT_TEST_MONGODB names.
var engines = map[string]*mongo.Client{}

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("rapid.checks"); f != nil && f.Value.String() == f.DefValue {
		_ = f.Value.Set("150")
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
	return parse(w, fmt.Sprintf(`{"database": %q, "collection": %q, %s}`, w.db, collection, strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(arg), "{"), "}"))).Document()
}

func (w *world) have(collection string, docs ...string) {
	w.Helper()
	for _, d := range docs {
		if _, err := w.client.Database(w.db).Collection(collection).InsertOne(context.Background(), parse(w, d).Document()); err != nil {
			w.Fatal(err)
		}
	}
}

// stored gives a collection's documents in the order of _id.
func (w *world) stored(collection string) string {
	w.Helper()
	cursor, err := w.client.Database(w.db).Collection(collection).Find(context.Background(), bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
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

// TestOperations plays the scripts in testdata: see the head of operations.txt.
func TestOperations(t *testing.T) {
	for _, name := range []string{"operations", "attacks", "schemas"} {
		t.Run(name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, client *mongo.Client) {
				for _, pushdown := range []bool{true, false} {
					t.Run(fmt.Sprintf("pushdown=%t", pushdown), func(t *testing.T) { play(t, client, "testdata/"+name+".txt", !pushdown) })
				}
			})
		})
	}
}

func play(t *testing.T, client *mongo.Client, file string, noPushdown bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sections := strings.Split("\n"+string(text), "\n== ")
	for _, section := range sections[1:] {
		name, body, _ := strings.Cut(section, "\n")
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, client)
			w.config = func(c *data.Config) { c.NoPushdown = noPushdown }
			var result bson.RawValue
			var failed error
			settled := true
			// A line continues on the next one when it ends in a backslash.
			body = strings.ReplaceAll(body, "\\\n", " ")
			for n, line := range strings.Split(body, "\n") {
				line = strings.TrimRight(line, " ")
				at := func(format string, args ...any) {
					t.Helper()
					t.Errorf("line %d: %s", n+2, fmt.Sprintf(format, args...))
				}
				trimmed := strings.TrimSpace(line)
				if trimmed == "" || trimmed[0] == '#' {
					continue
				}
				head, rest, _ := strings.Cut(trimmed, " ")
				rest = strings.TrimSpace(rest)
				switch {
				case strings.HasPrefix(line, "  ") && head == "=":
					settled = true
					if failed != nil {
						at("failed: %v, want %s", failed, rest)
					} else if got, want := canonical(t, result), canonical(t, parse(t, rest)); got != want {
						at("got  %s\nwant %s", got, want)
					}
				case strings.HasPrefix(line, "  ") && head == "!":
					settled = true
					if failed == nil {
						at("got %s, want the error %q", canonical(t, result), rest)
						continue
					}
					var f *fault.Error
					if !errors.As(failed, &f) {
						at("the error is not one for clients: %v", failed)
					} else if text := fmt.Sprintf("%s (%s %d)", f.Message, f.Code, f.Status); !strings.Contains(text, rest) {
						at("error %s, want %q", text, rest)
					}
				case strings.HasPrefix(line, "  "):
					at("unknown expectation %q", head)
				default:
					if !settled && failed != nil {
						at("the operation before failed: %v", failed)
					}
					settled = true
					collection, more, _ := strings.Cut(rest, " ")
					switch head {
					case "rules":
						w.rules(collection, more)
					case "schema":
						w.schema(collection, more)
					case "default":
						w.file("data_sources/mongodb-atlas/default_rule.json", rest)
					case "settings":
						w.file("regent.json", rest)
					case "user":
						w.user(collection, more)
					case "have":
						w.have(collection, more)
					case "stored":
						if got, want := canonical(t, parse(t, w.stored(collection))), canonical(t, parse(t, more)); got != want {
							at("stored %s\nwant   %s", got, want)
						}
					default:
						action, rest, _ := strings.Cut(rest, " ")
						collection, arg, _ := strings.Cut(rest, " ")
						if arg == "" {
							arg = "{}"
						}
						result, failed = w.do(head, action, collection, arg)
						settled = false
					}
				}
			}
			if !settled && failed != nil {
				t.Errorf("the last operation failed: %v", failed)
			}
		})
	}
}

func parseQuietly(text []byte) (bson.RawValue, error) { return ejson.Parse(text) }
