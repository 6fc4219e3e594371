// Package sdk tests the Go SDK against the built server, and side by side with
// the unmodified realm-web.
package sdk

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"regent/realm"
	"regent/test/server"
)

func TestMain(m *testing.M) { server.Main(m) }

const (
	shopID   = "shop-sdkab" // app id of testdata/app
	todoID   = "todo-kxqwm" // app id of examples/todo
	jwtKey   = "0123456789abcdef0123456789abcdef"
	password = "correct horse"
)

// start boots a server with the test's app and the example app.
func start(t *testing.T) *server.Server {
	t.Helper()
	return server.Start(t, shopOptions())
}

func shopOptions() server.Options {
	return server.Options{
		Dirs: []string{filepath.Join(server.Root(), "test", "sdk", "testdata", "app"), filepath.Join(server.Root(), "examples", "todo")},
		Env:  []string{"REGENT_SECRET_jwtKey=" + jwtKey, "REGENT_SECRET_gcmKey=none"},
	}
}

func open(t *testing.T, id, url string, opts ...realm.Option) *realm.App {
	t.Helper()
	app, err := realm.NewApp(id, append([]realm.Option{realm.WithBaseURL(url)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(app.CloseIdleConnections)
	return app
}

// register makes an account and logs in.
func register(t *testing.T, app *realm.App, email string) *realm.User {
	t.Helper()
	if err := app.EmailPasswordAuth().RegisterUser(t.Context(), email, password); err != nil {
		t.Fatal(err)
	}
	return logIn(t, app, realm.EmailPassword(email, password))
}

func logIn(t *testing.T, app *realm.App, c realm.Credentials) *realm.User {
	t.Helper()
	user, err := app.LogIn(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return user
}

// jwt is a token of the identity service that the test's app trusts.
func jwt(subject, nick string) string {
	claims, err := json.Marshal(map[string]any{"aud": shopID, "sub": subject, "nick": nick, "exp": time.Now().Add(time.Hour).Unix()})
	if err != nil {
		panic(err)
	}
	enc := base64.RawURLEncoding.EncodeToString
	text := enc([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + enc(claims)
	mac := hmac.New(sha256.New, []byte(jwtKey))
	mac.Write([]byte(text))
	return text + "." + enc(mac.Sum(nil))
}

// want fails the test unless the error is the one with the code.
func want(t *testing.T, what string, err error, code realm.Code) {
	t.Helper()
	if !errors.Is(err, code) {
		t.Errorf("%s: got %v, want %s", what, err, string(code))
	}
}

// equal compares by what fmt prints, which is what a person would.
func equal(got, want any) error {
	if fmt.Sprint(got) != fmt.Sprint(want) {
		return fmt.Errorf("got %v, want %v", got, want)
	}
	return nil
}
