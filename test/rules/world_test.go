// Package rules attacks the rules engine of the built binary from the outside,
// with nothing but the client protocol.
package rules

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent"
	"regent/internal/ejson"
	"regent/test/script"
	"regent/test/server"
)

func TestMain(m *testing.M) {
	regent.MaybeRunFunctionHost() // the bench has a server in its process
	server.Main(m)
}

// engines are the databases under attack: the embedded one, and the deployment
// that REGENT_TEST_MONGODB names.
func engines() []string {
	if os.Getenv("REGENT_TEST_MONGODB") != "" {
		return []string{"docdb", "mongodb"}
	}
	fmt.Println("skipped: REGENT_TEST_MONGODB is empty, the attacks run on the embedded database only")
	return []string{"docdb"}
}

// world is one app of a server and the users that attack it.
type world struct {
	testing.TB
	dir, id, db string
	service     string   // data source; "" is mongodb-atlas
	email       bool     // users log in by e-mail
	args        []string // of the server

	url    string
	server *server.Server
	client *mongo.Client
	users  map[string]*user
	data   map[string]string // custom data by user

	streams map[string]*stream
}

type user struct{ id, access, refresh string }

// newWorld writes an app that has no rules yet.
func newWorld(t *testing.T, name string) *world {
	w := &world{TB: t, dir: t.TempDir(), id: name + "-abcde", db: fmt.Sprintf("%s_%d", name, time.Now().UnixNano()), users: map[string]*user{}, data: map[string]string{}, streams: map[string]*stream{}}
	w.file("root_config.json", `{"app_id": "`+w.id+`", "config_version": 20210101, "name": "`+name+`"}`)
	w.file("auth/providers.json", `{"anon-user": {"name": "anon-user", "type": "anon-user", "disabled": false}}`)
	w.file("auth/custom_user_data.json", `{"enabled": true, "mongo_service_name": "mongodb-atlas", "database_name": "`+w.db+`_users", "collection_name": "data", "user_id_field": "id"}`)
	w.file("data_sources/mongodb-atlas/config.json", `{"name": "mongodb-atlas", "type": "mongodb-atlas", "config": {}}`)
	w.file("functions/config.json", `[{"name": "isTrue", "private": true}, {"name": "isOwner", "private": true}, {"name": "throws", "private": true}]`)
	w.file("functions/isTrue.js", `exports = () => true;`)
	w.file("functions/isOwner.js", `exports = (owner, user) => owner === user;`)
	w.file("functions/throws.js", `exports = () => { throw new Error("thrown"); };`)
	return w
}

// serve starts one server for the apps of several worlds.
func serve(t *testing.T, engine string, worlds ...*world) *server.Server {
	t.Helper()
	o := server.Options{Dirs: []string{}}
	for _, w := range worlds {
		o.Dirs = append(o.Dirs, w.dir)
	}
	uri := os.Getenv("REGENT_TEST_MONGODB")
	if engine == "docdb" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := l.Addr().String()
		l.Close()
		o.Args = []string{"--docdb-listen", address}
		uri = "mongodb://" + address + "/?directConnection=true"
	} else {
		o.Args = []string{"--mongodb", uri, "--pre-images", "--master-key", filepath.Join(t.TempDir(), "master.key")}
	}
	for _, w := range worlds {
		o.Args = append(o.Args, w.args...)
	}
	s := server.Start(t, o)
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, w := range worlds {
			for _, db := range []string{w.db, w.db + "_users", w.db + "_twin"} {
				_ = client.Database(db).Drop(context.Background())
			}
		}
		_ = client.Disconnect(context.Background())
	})
	for _, w := range worlds {
		w.url, w.client, w.server = s.URL, client, s
	}
	return s
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

func (w *world) Configure(kind, collection, text string) {
	w.Helper()
	folder := "data_sources/mongodb-atlas/"
	switch kind {
	case "default":
		w.file(folder+"default_rule.json", text)
	case "settings":
		w.file("regent.json", text)
	case "schema":
		w.file(folder+w.db+"/"+collection+"/schema.json", text)
	case "rules":
		w.file(folder+w.db+"/"+collection+"/rules.json", fmt.Sprintf(`{"database": %q, "collection": %q, %s}`, w.db, collection, inner(text)))
	}
}

// inner is a document's text without its braces.
func inner(text string) string {
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(text), "{"), "}")
}

func (w *world) User(name, customData string) { w.data[name] = customData }

// Text puts the users' ids in the place of their names.
func (w *world) Text(text string) string {
	for _, name := range []string{"u1", "u2"} {
		if strings.Contains(text, `"`+name+`"`) {
			text = strings.ReplaceAll(text, `"`+name+`"`, `"`+w.user(name).id+`"`)
		}
	}
	return text
}

// user logs in at the first use of a name.
func (w *world) user(name string) *user {
	w.Helper()
	if u := w.users[name]; u != nil {
		return u
	}
	if w.email {
		if text, status := w.send("POST", "/app/"+w.id+"/auth/providers/local-userpass/register", "", `{"email": "`+name+`@example.com", "password": "secret-`+name+`"}`); status != 201 {
			w.Fatalf("register: %d %s", status, text)
		}
	}
	u := w.logIn(name)
	if w.data[name] != "" {
		w.setData(name, w.data[name])
	}
	return u
}

// logIn opens a session: a new user's for those without an e-mail address.
func (w *world) logIn(name string) *user {
	w.Helper()
	var tokens struct {
		ID      string `json:"user_id"`
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	provider, fields := "anon-user", ""
	if w.email {
		provider, fields = "local-userpass", `"username": "`+name+`@example.com", "password": "secret-`+name+`", `
	}
	text, status := w.send("POST", "/app/"+w.id+"/auth/providers/"+provider+"/login", "", `{`+fields+`"options": {"device": {}}}`)
	if err := json.Unmarshal([]byte(text), &tokens); err != nil || status != 200 {
		w.Fatalf("login: %d %s", status, text)
	}
	w.users[name] = &user{tokens.ID, tokens.Access, tokens.Refresh}
	return w.users[name]
}

// setData stores a user's custom data.
func (w *world) setData(name, text string) {
	w.Helper()
	u := w.user(name)
	d := w.parse(fmt.Sprintf(`{"id": %q, %s}`, u.id, inner(text)))
	if _, err := w.customData().ReplaceOne(w.Context(), bson.D{{Key: "id", Value: u.id}}, d, options.Replace().SetUpsert(true)); err != nil {
		w.Fatal(err)
	}
	text, status := w.send("POST", "/auth/session", u.refresh, "")
	var fresh struct {
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(text), &fresh); err != nil || status != 201 {
		w.Fatalf("refresh: %d %s", status, text)
	}
	u.access = fresh.Access
}

// customData is the collection of custom user data; whole apps name their own.
func (w *world) customData() *mongo.Collection {
	if c := wholeApps[w.id]; c != "" {
		return w.collection(c)
	}
	return w.client.Database(w.db + "_users").Collection("data")
}

// wholeApps are the custom data collections of testdata/apps.
var wholeApps = map[string]string{"forum-abcde": "members", "stitch-abcde": "people"}

func (w *world) parse(text string) bson.Raw {
	w.Helper()
	d, err := ejson.ParseDocument([]byte(text))
	if err != nil {
		w.Fatalf("%s: %v", text, err)
	}
	return d
}

// send makes a request and gives body and status.
func (w *world) send(method, path, token, body string) (string, int) {
	w.Helper()
	r, err := http.NewRequest(method, w.url+"/api/client/v2.0"+path, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		w.Fatal(err)
	}
	if res.StatusCode >= 500 {
		w.Errorf("%s %s: %d %s", method, path, res.StatusCode, text)
	}
	return string(text), res.StatusCode
}

func (w *world) collection(name string) *mongo.Collection {
	db, name := script.Namespace(w.db, name)
	return w.client.Database(db).Collection(name)
}

func (w *world) Have(collection, document string) {
	w.Helper()
	if _, err := w.collection(collection).InsertOne(w.Context(), w.parse(document)); err != nil {
		w.Fatal(err)
	}
}

func (w *world) Drop(collection string) {
	w.Helper()
	if err := w.collection(collection).Drop(w.Context()); err != nil {
		w.Fatal(err)
	}
}

func (w *world) Unique(collection, field string) {
	w.Helper()
	if err := script.Unique(w.Context(), w.collection(collection), field); err != nil {
		w.Fatal(err)
	}
}

func (w *world) Stored(collection string) string {
	w.Helper()
	cursor, err := w.collection(collection).Find(w.Context(), bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		w.Fatal(err)
	}
	docs := bson.A{}
	for cursor.Next(w.Context()) {
		docs = append(docs, append(bson.Raw(nil), cursor.Current...))
	}
	t, b, err := bson.MarshalValue(docs)
	if err != nil {
		w.Fatal(err)
	}
	text, err := ejson.Append(nil, bson.RawValue{Type: t, Value: b})
	if err != nil {
		w.Fatal(err)
	}
	return string(text)
}

// invocation is the body of an action's call.
func (w *world) invocation(action, collection, argument string) string {
	db, collection := script.Namespace(w.db, collection)
	fields := inner(argument)
	if strings.TrimSpace(fields) != "" {
		fields = ", " + fields
	}
	service := w.service
	if service == "" {
		service = "mongodb-atlas"
	}
	return fmt.Sprintf(`{"name": %q, "service": %q, "arguments": [{"database": %q, "collection": %q%s}]}`, action, service, db, collection, fields)
}

func (w *world) Do(as, action, collection, argument string) (result, refused string) {
	w.Helper()
	text, status := w.send("POST", "/app/"+w.id+"/functions/call", w.user(as).access, w.invocation(action, collection, argument))
	if status == 200 {
		return text, ""
	}
	return "", w.refusal(text, status)
}

// refusal is an error object as scripts have it.
func (w *world) refusal(text string, status int) string {
	w.Helper()
	var f struct{ Error, Code, Link string }
	d := json.NewDecoder(strings.NewReader(strings.Replace(text, `"error_code"`, `"code"`, 1)))
	if err := d.Decode(&f); err != nil || f.Error == "" || !strings.Contains(f.Link, "logs?co_id=") {
		w.Errorf("not an error object: %d %s", status, text)
	}
	return fmt.Sprintf("%s (%s %d)", f.Error, f.Code, status)
}

// stream is an open watch, read in the background.
type stream struct {
	events chan event
	close  func()
}

type event struct{ id, name, data string }

// open opens a stream as native SDKs do, with the token in the address.
func (w *world) open(as, collection, argument, after string) (s *stream, refused string) {
	w.Helper()
	request := base64.StdEncoding.EncodeToString([]byte(w.invocation("watch", collection, argument)))
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, "GET", w.url+"/api/client/v2.0/app/"+w.id+"/functions/call?baas_request="+url.QueryEscape(request)+"&baas_at="+w.user(as).access, nil)
	if err != nil {
		w.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	if after != "" {
		r.Header.Set("Last-Event-ID", after)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	if res.StatusCode != 200 {
		defer cancel()
		text, _ := io.ReadAll(res.Body)
		res.Body.Close()
		return nil, w.refusal(string(text), res.StatusCode)
	}
	s = &stream{events: make(chan event), close: cancel}
	go func() {
		defer close(s.events)
		defer res.Body.Close()
		var e event
		lines := bufio.NewReader(res.Body)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			line = strings.TrimSuffix(line, "\n")
			switch {
			case strings.HasPrefix(line, "id: "):
				e.id = line[4:]
			case strings.HasPrefix(line, "event: "):
				e.name = line[7:]
			case strings.HasPrefix(line, "data: "):
				e.data = strings.NewReplacer("%0A", "\n", "%0D", "\r", "%25", "%").Replace(line[6:])
			case line == "":
				if e.data != "" {
					select {
					case s.events <- e:
					case <-ctx.Done():
						return
					}
				}
				e = event{}
			}
		}
	}()
	return s, ""
}

var errEnded = errors.New("the stream ended")

// next waits for an event.
func (s *stream) next(wait time.Duration) (event, error) {
	select {
	case e, ok := <-s.events:
		if !ok {
			return e, errEnded
		}
		return e, nil
	case <-time.After(wait):
		return event{}, context.DeadlineExceeded
	}
}

func (w *world) Watch(as, collection, argument string) (refused string) {
	w.Helper()
	s, refused := w.open(as, collection, argument, "")
	if refused == "" {
		w.Cleanup(s.close)
		w.streams[as+" "+collection] = s
	}
	return refused
}

func (w *world) Next(as, collection string) (text, refused string) {
	w.Helper()
	e, err := w.streams[as+" "+collection].next(30 * time.Second)
	switch {
	case err != nil:
		return "", err.Error()
	case e.name == "error":
		return "", e.data
	case e.id == "":
		w.Error("an event has no id")
	}
	return e.data, ""
}
