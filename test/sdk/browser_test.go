package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"regent/realm"
	"regent/test/openid"
	"regent/test/server"
	"regent/test/web"
)

// TestLogInInBrowser logs a Go program in through an OpenID provider, whose form
// somebody fills in in headless Chromium: from there over the server to the
// program's own page on a free loopback port.
func TestLogInInBrowser(t *testing.T) {
	web.Install(t)
	chromium := web.Chromium(t)
	// Providers compare addresses exactly, so the server's must be known first.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()

	op := openid.Start(t, "http://"+address+"/api/client/v2.0/auth/callback")

	type object = map[string]any
	dir := t.TempDir()
	for name, v := range map[string]any{
		"root_config.json": object{"app_id": "cli-abcde", "name": "cli", "config_version": 20210101},
		"auth/providers.json": object{"oauth2-company": object{
			"name": "oauth2-company", "type": "oauth2-company", "disabled": false, "config": object{"clientId": openid.ClientID, "issuer": op.Issuer, "scopes": []string{"openid", "email", "profile"}},
			"secret_config": object{"clientSecret": "op"}, "metadata_fields": []object{{"required": true, "name": "email"}}, "redirect_uris": []string{"http://127.0.0.1/"},
		}},
	} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := server.Start(t, server.Options{Dirs: []string{dir}, Args: []string{"--listen", address, "--public-url", "http://" + address}, Env: []string{"REGENT_SECRET_op=" + openid.ClientSecret}})
	app := open(t, "cli-abcde", s.URL)

	script, err := filepath.Rel(filepath.Join(web.Dir(), "scripts"), filepath.Join(server.Root(), "test", "sdk", "login.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	done := make(chan struct{})
	user, err := app.LogIn(ctx, realm.InBrowser("oauth2-company", realm.Browser{Open: func(_ context.Context, address string) error {
		go func() {
			defer close(done)
			defer func() {
				if t.Failed() { // the program waits in vain
					cancel()
				}
			}()
			web.Node(t, script, "LOGIN_ADDRESS="+address, "REGENT_CHROMIUM="+chromium)
		}()
		return nil
	}}))
	<-done
	if err != nil {
		t.Fatal(err)
	}
	if user.ProviderType() != "oauth2-company" || user.Profile().Email != "test-user2@zitadel.ch" || !user.IsLoggedIn() || app.CurrentUser() != user {
		t.Errorf("provider %s, profile %v", user.ProviderType(), user.Profile().Data)
	}
	if _, err := user.RefreshCustomData(t.Context()); err != nil {
		t.Error(err)
	}

	// Where the app's owner did not allow it, nobody is sent anywhere.
	_, err = app.LogIn(t.Context(), realm.InBrowser("oauth2-company", realm.Browser{Open: func(_ context.Context, address string) error {
		res, err := http.Get(strings.Replace(address, "127.0.0.1%3A", "127.0.0.2%3A", 1))
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if text, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), "redirect_uris") {
			t.Errorf("%s: %s", res.Status, text)
		}
		return errRefused
	}}))
	if !errors.Is(err, errRefused) {
		t.Error(err)
	}
}

var errRefused = errors.New("refused")
