package realm_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/realm"
)

// TestLogsTellNoSecrets: everything is logged, and no password, token, argument
// or query is in it.
func TestLogsTellNoSecrets(t *testing.T) {
	var logged bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := newServer(t)
	app := newApp(t, s.URL, realm.WithLogger(logger), realm.WithClock(stoppedClock{}))
	user := logIn(t, app, realm.EmailPassword("ada@example.com", "hunter2"))
	secrets := []string{"hunter2", "argument-17", user.AccessToken(), user.RefreshToken()}
	s.expire()
	if _, err := user.CallFunction(t.Context(), "f", "argument-17"); err != nil {
		t.Fatal(err)
	}
	secrets = append(secrets, user.AccessToken())
	script(s, t, change(1), change(2))
	cats := user.MongoClient("mongodb-atlas").Database("shop").Collection("cats")
	if _, err := take(t.Context(), cats, 2, realm.WatchOptions{Filter: bson.M{"a": "argument-17"}}); err != nil {
		t.Fatal(err)
	}
	s.revoke()
	if _, err := user.CallFunction(t.Context(), "f"); err == nil {
		t.Fatal("no error")
	}
	text := logged.String()
	for _, want := range []string{"/auth/session", "status=401", "took=", "broke off", "/login"} {
		if !strings.Contains(text, want) {
			t.Errorf("the log does not say %q", want)
		}
	}
	for _, secret := range append(secrets, "baas_request", "eyJ") {
		if strings.Contains(text, secret) {
			t.Errorf("the log tells %q", secret)
		}
	}
}
