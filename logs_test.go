package regent_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent"
	"regent/docdb"
)

// TestLogRetention logs a call of each of three apps and lets days go by: the
// database removes an entry after its app's log_retention_days and no sooner.
func TestLogRetention(t *testing.T) {
	dir := t.TempDir()
	settings := map[string]string{"three-abcde": `{"log_retention_days": 3}`, "always-abcde": `{"log_retention_days": 0}`, "usual-abcde": ""}
	config := regent.Config{DataDir: filepath.Join(dir, "data"), FunctionHosts: 1}
	for id, setting := range settings {
		app := filepath.Join(dir, id)
		files := map[string]string{
			"root_config.json":      `{"app_id": "` + id + `", "config_version": 20210101, "name": "` + id + `"}`,
			"auth/providers.json":   `{"anon-user": {"name": "anon-user", "type": "anon-user", "disabled": false}}`,
			"functions/config.json": `[{"name": "f"}]`,
			"functions/f.js":        `exports = () => 1;`,
		}
		if setting != "" {
			files["regent.json"] = setting
		}
		for name, text := range files {
			file := filepath.Join(app, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		config.Dirs = append(config.Dirs, app)
	}
	srv, err := regent.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(srv)
	for id := range settings {
		callOnce(t, web.URL+"/api/client/v2.0/app/"+id)
	}
	web.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := srv.Close(ctx); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	for _, step := range []struct {
		after time.Duration
		left  []string
	}{
		{3*24*time.Hour - time.Hour, []string{"always-abcde", "three-abcde", "usual-abcde"}},
		{3*24*time.Hour + time.Hour, []string{"always-abcde", "usual-abcde"}},
		{10*24*time.Hour + time.Hour, []string{"always-abcde"}},
		{3000 * 24 * time.Hour, []string{"always-abcde"}},
	} {
		if left := entriesLeft(t, filepath.Join(config.DataDir, "db"), begun.Add(step.after), len(step.left)); !slices.Equal(left, step.left) {
			t.Errorf("after %s: entries of %q, want %q", step.after, left, step.left)
		}
	}
}

// callOnce logs in and calls the function f.
func callOnce(t *testing.T, api string) {
	t.Helper()
	var login struct {
		Token string `json:"access_token"`
	}
	postJSON(t, api+"/auth/providers/anon-user/login", "", `{}`, &login)
	var result any
	postJSON(t, api+"/functions/call", login.Token, `{"name":"f","arguments":[]}`, &result)
}

// entriesLeft opens the database at a time and gives the apps whose entries of
// calls are left: at once when there are few enough, else after it has had the
// time to remove more.
func entriesLeft(t *testing.T, dir string, at time.Time, few int) (apps []string) {
	t.Helper()
	db, err := docdb.Open(dir, docdb.Options{TTLInterval: 20 * time.Millisecond, Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	client, err := mongo.Connect(db.ClientOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Disconnect(context.Background()) }()
	for tries := 0; ; tries++ {
		apps = nil
		cursor, err := client.Database("__regent").Collection("logs").Find(t.Context(), bson.D{{Key: "function_name", Value: "f"}})
		if err != nil {
			t.Fatal(err)
		}
		var entries []struct {
			App string `bson:"app_id"`
		}
		if err := cursor.All(t.Context(), &entries); err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			apps = append(apps, e.App)
		}
		slices.Sort(apps)
		// A moment for what must not be removed, half a minute for what must.
		if len(apps) <= few && tries >= 10 || tries >= 600 {
			return apps
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// postJSON posts a body and reads the reply.
func postJSON(t *testing.T, url, token, body string, reply any) {
	t.Helper()
	r, err := http.NewRequest("POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(reply); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %v", url, res.StatusCode, err)
	}
}
