// Package push tests push messages from the outside: the built binary, the Go
// SDK, and a stand-in for Firebase.
package push

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"regent/internal/push/pushtest"
	"regent/realm"
	"regent/test/server"
)

func TestMain(m *testing.M) { server.Main(m) }

// appDir writes an app with a push service and a function that sends for users.
func appDir(t *testing.T, fcm *pushtest.FCM) string {
	dir := t.TempDir()
	config, err := json.Marshal(map[string]any{
		"name": "gcm", "type": "gcm", "config": map[string]any{"senderId": "1", "fcmURL": fcm.URL, "topicURL": fcm.URL},
		"secret_config": map[string]any{"apiKey": "gcmKey"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{
		"root_config.json":            `{"app_id":"pushed-abcde","config_version":20210101,"name":"pushed","location":"US-VA","deployment_model":"GLOBAL"}`,
		"auth/providers.json":         `{"anon-user":{"name":"anon-user","type":"anon-user","disabled":false}}`,
		"functions/config.json":       `[{"name":"notify","private":false},{"name":"news","private":false}]`,
		"functions/notify.js":         `exports = (to, key) => context.services.get("gcm").send({userIds: [to], notification: {title: "Hi"}, data: {from_user: context.user.id}, idempotencyKey: key});`,
		"functions/news.js":           `exports = () => context.services.get("gcm").subscribe({topic: "news", userIds: [context.user.id]});`,
		"services/gcm/config.json":    string(config),
		"services/gcm/rules/own.json": `{"name":"own","actions":["send"],"when":{"%%args.userIds":{"%in":[["friend"]]}}}`,
		"services/gcm/rules/key.json": `{"name":"key","actions":["send"],"when":{"%%args.idempotencyKey":"allowed"}}`,
	} {
		name := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// command runs an operator command on the server's data folder.
func command(t *testing.T, s *server.Server, args ...string) string {
	t.Helper()
	out, err := exec.Command(server.Binary(t), append(args, "--data", s.Data)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return string(out)
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("in vain waited for: " + what)
		}
	}
}

// metrics reads what the server counts.
func metrics(t *testing.T, s *server.Server) string {
	t.Helper()
	_, rest, _ := strings.Cut(s.Log(), "msg=metrics address=")
	address, _, _ := strings.Cut(rest, "\n")
	res, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestPush(t *testing.T) {
	ctx := context.Background()
	fcm := pushtest.NewFCM()
	defer fcm.Close()
	options := server.Options{Dirs: []string{appDir(t, fcm)}, Env: []string{"REGENT_SECRET_gcmKey=" + fcm.ServiceAccount()}, Args: []string{"--metrics", "127.0.0.1:0"}}
	s := server.Start(t, options)
	app, err := realm.NewApp("pushed-abcde", realm.WithBaseURL(s.URL))
	if err != nil {
		t.Fatal(err)
	}
	login := func() *realm.User {
		u, err := app.LogIn(ctx, realm.NewAnonymous())
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	ann, bob := login(), login()
	for u, token := range map[*realm.User]string{ann: "ann-token", bob: "bob-token"} {
		if err := u.Push("gcm").Register(ctx, token); err != nil {
			t.Fatal(err)
		}
	}
	if err := ann.Push("gcm_blah").Register(ctx, "x"); !errors.Is(err, realm.ErrServiceNotFound) || !strings.Contains(err.Error(), "service not found: 'gcm_blah'") {
		t.Error(err)
	}

	// A function as its user, under the service's rules.
	if _, err := ann.CallFunction(ctx, "notify", bob.ID(), "other"); err == nil || !strings.Contains(err.Error(), "no rule of service 'gcm' permits 'send'") {
		t.Error(err)
	}
	if _, err := ann.CallFunction(ctx, "news"); err == nil || !strings.Contains(err.Error(), "permits 'subscribe'") {
		t.Error(err)
	}
	for range 2 {
		if _, err := ann.CallFunction(ctx, "notify", bob.ID(), "allowed"); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "bob's message", func() bool { return len(fcm.Received()) == 1 })
	if got := fcm.Received()[0]; got.Token != "bob-token" || got.Message["data"].(map[string]any)["from_user"] != ann.ID() {
		t.Errorf("%+v", got)
	}

	// Operators.
	if out := command(t, s, "push", "devices"); !strings.Contains(out, ann.ID()) || !strings.Contains(out, bob.ID()) {
		t.Error(out)
	}
	if out := command(t, s, "push", "send", "--all", "--title", "Hello", "--wait"); !strings.Contains(out, "sent to 2 devices") {
		t.Error(out)
	}
	fcm.Fail(func(pushtest.Received, int) *pushtest.Failure { return &pushtest.SenderMismatch })
	command(t, s, "push", "send", "--user", ann.ID(), "--title", "Hello", "--wait")
	if out := command(t, s, "push", "failures"); !strings.Contains(out, "SENDER_ID_MISMATCH") {
		t.Error(out)
	}
	until(t, "the metrics", func() bool {
		text := metrics(t, s)
		return strings.Contains(text, `regent_push_attempts_total{app="pushed-abcde",kind="fcm",result="sent",service="gcm"} 3`) &&
			strings.Contains(text, `regent_push_attempts_total{app="pushed-abcde",kind="fcm",result="failed",service="gcm"} 1`) &&
			strings.Contains(text, `regent_push_waiting{app="pushed-abcde",service="gcm",what="deliveries"} 0`)
	})
	until(t, "the log", func() bool {
		return strings.Contains(command(t, s, "logs", "--type", "PUSH", "--errors"), "SENDER_ID_MISMATCH")
	})
	fcm.Fail(nil)

	// A log-out ends the device, a kill does not end what is queued.
	if err := bob.LogOut(ctx); err != nil {
		t.Fatal(err)
	}
	until(t, "the end of bob's device", func() bool { return !strings.Contains(command(t, s, "push", "devices"), bob.ID()) })
	fcm.Fail(func(pushtest.Received, int) *pushtest.Failure { return &pushtest.Unavailable })
	before := len(fcm.Received())
	command(t, s, "push", "send", `{"all": true, "data": {"n": 1}}`)
	until(t, "the queue's length", func() bool {
		return strings.Contains(metrics(t, s), `regent_push_waiting{app="pushed-abcde",service="gcm",what="deliveries"} 1`)
	})
	time.Sleep(500 * time.Millisecond) // the first try is noted: else its lease must run out
	s.Kill()
	fcm.Fail(nil)
	s = s.Restart(options)
	until(t, "the message after the kill", func() bool { return len(fcm.Received()) > before })
	var got []string
	for _, r := range fcm.Received()[before:] {
		got = append(got, r.Token)
	}
	if !slices.Equal(got, []string{"ann-token"}) {
		t.Errorf("%q", got)
	}
	if _, _, problems := fcm.Stats(); problems != nil {
		t.Error(problems)
	}
}
