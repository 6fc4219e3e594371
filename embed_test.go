package regent_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"regent"
)

func TestMain(m *testing.M) {
	regent.MaybeRunFunctionHost()
	os.Exit(m.Run())
}

// TestEmbedded opens, reloads and closes a server inside a Go program, and
// leaves nothing behind.
func TestEmbedded(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "app"), os.DirFS(filepath.Join("examples", "todo"))); err != nil {
		t.Fatal(err)
	}
	srv, err := regent.Open(t.Context(), regent.Config{Dirs: []string{filepath.Join(dir, "app")}, DataDir: filepath.Join(dir, "data")})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(srv)
	get := func(path string) int {
		t.Helper()
		res, err := http.Get(web.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	if status := get("/api/client/v2.0/app/todo-kxqwm/location"); status != http.StatusOK {
		t.Errorf("location: %d", status)
	}
	res, err := http.Post(web.URL+"/api/client/v2.0/app/todo-kxqwm/auth/providers/anon-user/login", "application/json", strings.NewReader(`{}`))
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("login: %v %v", res, err)
	}
	res.Body.Close()
	// A change makes a second instance; both end with the server.
	if err := os.WriteFile(filepath.Join(dir, "app", "values", "greeting.json"), []byte(`{"name":"greeting","value":"Hello"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond)
	web.CloseClientConnections()
	web.Close()
	http.DefaultClient.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := srv.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

// TestAnotherMasterKey starts on a database that was written with another key:
// an error at once that names the file, not a 500 at the first log-in.
func TestAnotherMasterKey(t *testing.T) {
	dir := t.TempDir()
	config := regent.Config{Dirs: []string{filepath.Join("examples", "todo")}, DataDir: filepath.Join(dir, "data")}
	start := func() error {
		srv, err := regent.Open(t.Context(), config)
		if err != nil {
			return err
		}
		return srv.Close(t.Context())
	}
	if err := start(); err != nil {
		t.Fatal(err)
	}
	config.MasterKey = filepath.Join(dir, "other.key")
	for _, why := range []string{"there is no master key in", "not the master key that this database was written with"} {
		err := start()
		if err == nil {
			t.Fatal("the server starts")
		}
		for _, say := range []string{config.MasterKey, "--master-key FILE", why, "__regent.keys"} {
			if !strings.Contains(err.Error(), say) {
				t.Errorf("the error does not say %q: %v", say, err)
			}
		}
		if _, err := os.Stat(config.MasterKey); why == "there is no master key in" && err == nil {
			t.Error("a key was made for a database that has another")
		}
		if err := os.WriteFile(config.MasterKey, []byte(base64.StdEncoding.EncodeToString(make([]byte, 32))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config.MasterKey = filepath.Join(config.DataDir, "master.key")
	if err := start(); err != nil {
		t.Errorf("with the first key again: %v", err)
	}
}
