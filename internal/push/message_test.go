package push_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"regent/internal/app"
	"regent/internal/fault"
	"regent/internal/push"
)

// TestMessages sends the cases of testdata/messages.txt to a token.
func TestMessages(t *testing.T) {
	w := newWorld(t)
	w.Start()
	text := string(must(os.ReadFile("testdata/messages.txt")))
	for _, block := range strings.Split(strings.TrimSpace(text), "\n\n") {
		lines := strings.Split(block, "\n")
		if strings.HasPrefix(lines[0], "#") {
			continue
		}
		t.Run(lines[0], func(t *testing.T) {
			raw := must(withField(doc(lines[1]), "to", "a-token"))
			r, err := w.Send(w.ctx, "gcm", "", raw)
			if err != nil {
				if got := code(err) + ": " + err.Error(); got != lines[2] {
					t.Errorf("%s\nwant %s", got, lines[2])
				}
				return
			}
			if p := w.wait(r.ID); p.Sent != 1 {
				t.Fatalf("%+v %+v", p, w.failures())
			}
			all := w.fcm.Received()
			got := all[len(all)-1].Message
			delete(got, "token")
			var want map[string]any
			if err := json.Unmarshal([]byte(lines[2]), &want); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestAnyMessage throws documents at Send: it answers each with a receipt or an
// error that a client may see.
func TestAnyMessage(t *testing.T) {
	w := newWorld(t)
	names := rapid.SampledFrom([]string{"to", "userIds", "topic", "all", "notification", "data", "android", "apns", "webpush", "title", "body", "badge",
		"timeToLive", "priority", "bodyLocArgs", "fcmOptions", "headers", "idempotencyKey", "x"})
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		return rapid.Custom(func(t *rapid.T) any {
			switch n := rapid.IntRange(0, 8).Draw(t, "type"); {
			case n == 0:
				return rapid.Int32().Draw(t, "int")
			case n == 1:
				return rapid.Float64().Draw(t, "double")
			case n == 2:
				return rapid.Bool().Draw(t, "bool")
			case n == 3:
				return bson.Binary{Data: []byte("x")}
			case n < 6 || depth == 0:
				return rapid.String().Draw(t, "text")
			case n == 6:
				return bson.A(rapid.SliceOfN(value(depth-1), 0, 3).Draw(t, "array"))
			}
			d := bson.D{}
			for range rapid.IntRange(0, 4).Draw(t, "fields") {
				d = append(d, bson.E{Key: names.Draw(t, "name"), Value: value(depth-1).Draw(t, "value")})
			}
			return d
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		d := bson.D{}
		for range rapid.IntRange(0, 6).Draw(t, "fields") {
			d = append(d, bson.E{Key: names.Draw(t, "name"), Value: value(3).Draw(t, "value")})
		}
		if _, err := w.Send(w.ctx, "gcm", "", must(bson.Marshal(d))); err != nil {
			if _, ok := fault.CodeOf(err); !ok {
				t.Fatalf("%v: %v", d, err)
			}
		}
	})
}

// TestSecrets tells what is wrong with a service's configuration.
func TestSecrets(t *testing.T) {
	w := newWorld(t)
	good := w.fcm.ServiceAccount()
	for _, c := range []struct{ name, secret, problem string }{
		{"Good", good, ""},
		{"None", "", "it has no service account"},
		{"Legacy", "AAAAabcdefg:APA91bF-legacy-server-key", "a server key of FCM's legacy API, which Google switched off"},
		{"GoogleServices", `{"project_info":{}}`, "not google-services.json"},
		{"Cut", good[:100], "the secret is no JSON text"},
		{"LostLines", strings.ReplaceAll(good, `\n`, ""), "private_key is no PEM text"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := &app.App{Secrets: map[string]string{"account": c.secret}, Services: w.app.Services[:1]}
			problems := fmt.Sprint(push.Check(a))
			if c.problem == "" && problems != "[]" || !strings.Contains(problems, c.problem) {
				t.Error(problems)
			}
			if c.secret != "" && strings.Contains(problems, "APA91bF") {
				t.Error("the secret is told")
			}
			w.app.Secrets = a.Secrets
			s := w.open()
			_, err := s.Send(w.ctx, "gcm", "", doc(`{"to":"x","data":{"a":1}}`))
			if c.problem == "" && err != nil || c.problem != "" && (code(err) != "GCMError" || !strings.Contains(err.Error(), c.problem)) {
				t.Error(err)
			}
			if err := s.Register(w.ctx, "gcm", device("ann", 0), "token"); err != nil {
				t.Error(err) // devices register already
			}
		})
	}
}
