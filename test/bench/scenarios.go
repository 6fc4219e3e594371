package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
)

const (
	appID     = "bench-abcde"
	documents = 10_000
	email     = "bench@example.com"
	pass      = "correct horse"
)

// appFiles is the app that is measured.
var appFiles = map[string]string{
	"realm_config.json": `{"app_id": "` + appID + `", "config_version": 20210101, "name": "bench"}`,
	"auth/providers.json": `{
		"anon-user": {"name": "anon-user", "type": "anon-user", "disabled": false},
		"local-userpass": {"name": "local-userpass", "type": "local-userpass", "disabled": false, "config": {"autoConfirm": true}}}`,
	"data_sources/mongodb-atlas/config.json": `{"name": "mongodb-atlas", "type": "mongodb-atlas", "config": {"clusterName": "Cluster0"}, "version": 1}`,
	"data_sources/mongodb-atlas/bench/docs/rules.json": `{"database": "bench", "collection": "docs", "roles": [
		{"name": "owner", "apply_when": {"owner_id": "%%user.id"}, "read": true, "write": true, "insert": true, "delete": true}]}`,
	"functions/add.js":     `exports = function (a, b) { return a + b; };`,
	"functions/version.js": `exports = function () { return 'version 0'; };`,
	"regent.json":          attackSettings,
}

func writeApp(dir string) error {
	files := maps.Clone(appFiles)
	maps.Copy(files, heavyFiles())
	hostile, names, err := attackFiles()
	if err != nil {
		return err
	}
	maps.Copy(files, hostile)
	entries := `[{"name": "add"}, {"name": "version"}`
	for _, name := range names {
		entries += fmt.Sprintf(`, {"name": %q}`, name)
	}
	for i := range heavy {
		entries += fmt.Sprintf(`, {"name": "heavy%d"}`, i)
	}
	files["functions/config.json"] = entries + "]"
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// world is what the scenarios act on.
type world struct {
	user, access, refresh string
	ids                   []string
}

// prepare registers a user and inserts its documents.
func prepare(url string) (*world, error) {
	ctx := contextBackground
	post := func(path, token, body string, into any) error {
		r, err := request(ctx, "POST", url+path, token, body)
		if err != nil {
			return err
		}
		_, _, text, err := do(http.DefaultClient, r)
		if err != nil || into == nil {
			return err
		}
		return json.Unmarshal(text, into)
	}
	auth := "/api/client/v2.0/app/" + appID + "/auth/providers/local-userpass/"
	if err := post(auth+"register", "", fmt.Sprintf(`{"email":%q,"password":%q}`, email, pass), nil); err != nil {
		return nil, err
	}
	var tokens struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
		UserID       string `json:"user_id"`
	}
	if err := post(auth+"login", "", loginBody, &tokens); err != nil {
		return nil, err
	}
	w := &world{user: tokens.UserID, access: tokens.AccessToken, refresh: tokens.RefreshToken}
	for len(w.ids) < documents {
		var docs []string
		for range 500 {
			id := fmt.Sprintf("%024x", len(w.ids)+1)
			w.ids = append(w.ids, id)
			docs = append(docs, w.document(id))
		}
		body := call("insertMany", `"documents":[`+strings.Join(docs, ",")+`]`)
		if err := post(callPath, w.access, body, nil); err != nil {
			return nil, err
		}
	}
	return w, nil
}

var loginBody = fmt.Sprintf(`{"username":%q,"password":%q,"options":{"device":{"platform":"bench","platformVersion":"1","sdkVersion":"2.0.1"}}}`, email, pass)

// contextBackground is for requests outside of a measurement.
var contextBackground = context.Background()

const callPath = "/api/client/v2.0/app/" + appID + "/functions/call"

// document is about 300 bytes of BSON.
func (w *world) document(id string) string {
	return fmt.Sprintf(`{"_id":{"$oid":%q},"owner_id":%q,"text":%q,"done":false,"n":{"$numberInt":"7"},"created":{"$date":{"$numberLong":"1700000000000"}}}`,
		id, w.user, strings.Repeat("lorem ipsum ", 16))
}

func call(action, fields string) string {
	return `{"service":"mongodb-atlas","name":"` + action + `","arguments":[{"database":"bench","collection":"docs",` + fields + `}]}`
}

// scenario is one kind of request.
type scenario struct {
	name string
	make func(ctx context.Context, url string, worker, i int) (*http.Request, error)
}

var inserted atomic.Int64

func scenarios(w *world) []scenario {
	post := func(path, token string, body func() string) func(context.Context, string, int, int) (*http.Request, error) {
		return func(ctx context.Context, url string, _, _ int) (*http.Request, error) {
			return request(ctx, "POST", url+path, token, body())
		}
	}
	fixed := func(body string) func() string { return func() string { return body } }
	auth := "/api/client/v2.0/app/" + appID + "/auth/providers/"
	return []scenario{
		{"anonymous login", post(auth+"anon-user/login", "", fixed(`{"options":{"device":{"platform":"bench"}}}`))},
		{"e-mail login", post(auth+"local-userpass/login", "", fixed(loginBody))},
		{"refresh", post("/api/client/v2.0/auth/session", w.refresh, fixed(""))},
		{"profile", func(ctx context.Context, url string, _, _ int) (*http.Request, error) {
			return request(ctx, "GET", url+"/api/client/v2.0/auth/profile", w.access, "")
		}},
		{"function that adds two numbers", post(callPath, w.access, fixed(`{"name":"add","arguments":[{"$numberInt":"1"},{"$numberInt":"2"}]}`))},
		{"findOne by _id, owner rule, 10,000 documents", post(callPath, w.access, func() string {
			return call("findOne", `"query":{"_id":{"$oid":"`+w.ids[rand.IntN(len(w.ids))]+`"}}`)
		})},
		{"insertOne of 300 bytes, durable", post(callPath, w.access, func() string {
			return call("insertOne", `"document":`+w.document(fmt.Sprintf("b%023x", inserted.Add(1))))
		})},
	}
}

// once performs the request and reads its answer.
func (sc scenario) once(ctx context.Context, c *http.Client, url string, worker, i int) error {
	r, err := sc.make(ctx, url, worker, i)
	if err != nil {
		return err
	}
	_, _, _, err = do(c, r)
	return err
}

// answer performs the request once and records what came back.
func (sc scenario) answer(url string) (recorded, error) {
	r, err := sc.make(context.Background(), url, 0, 0)
	if err != nil {
		return recorded{}, err
	}
	status, header, body, err := do(http.DefaultClient, r)
	for _, name := range []string{"Date", "Content-Length"} {
		header.Del(name) // net/http sets them itself
	}
	return recorded{status, header, body}, err
}

func request(ctx context.Context, method, url, token, body string) (*http.Request, error) {
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(ctx, method, url, reader)
	if err != nil {
		return nil, err
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Accept", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r, nil
}

func do(c *http.Client, r *http.Request) (int, http.Header, []byte, error) {
	res, err := c.Do(r)
	if err != nil {
		return 0, http.Header{}, nil, err
	}
	defer res.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(res.Body); err != nil {
		return 0, http.Header{}, nil, err
	}
	if res.StatusCode/100 != 2 {
		return 0, http.Header{}, nil, fmt.Errorf("%s %s: %s: %s", r.Method, r.URL.Path, res.Status, body.Bytes())
	}
	return res.StatusCode, res.Header, body.Bytes(), nil
}
