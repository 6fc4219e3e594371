package realm_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/realm"
)

// wireCase is one section of testdata/wire.txt: a call of the SDK, the requests
// it must make, the answers it gets, and what it must make of them.
type wireCase struct {
	name, do  string
	exchanges []wireExchange
	result    string // canonical EJSON; "" when an error is expected
	err       []string
}

type wireExchange struct {
	request string // METHOD target
	auth    string
	body    string
	status  int
	typ     string
	reply   string
}

// readWireCases reads the format that the file's first lines describe.
func readWireCases(t *testing.T, path string) []wireCase {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var cases []wireCase
	for n, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		bad := func(what string) { t.Fatalf("%s:%d: %s: %q", path, n+1, what, line) }
		if strings.HasPrefix(line, "== ") {
			cases = append(cases, wireCase{name: line[3:]})
			continue
		}
		if line == "" || line[0] == '#' {
			continue
		}
		if len(cases) == 0 {
			bad("line before the first case")
		}
		c := &cases[len(cases)-1]
		mark, rest, _ := strings.Cut(line, " ")
		last := len(c.exchanges) - 1
		switch mark {
		case "do":
			c.do = rest
		case ">":
			c.exchanges = append(c.exchanges, wireExchange{request: rest, auth: "none"})
		case "auth":
			c.exchanges[last].auth = rest
		case "body":
			c.exchanges[last].body += rest
		case "<":
			if _, err := fmt.Sscanf(rest, "%d", &c.exchanges[last].status); err != nil {
				bad("status")
			}
			_, c.exchanges[last].typ, _ = strings.Cut(rest, " ")
		case "reply":
			c.exchanges[last].reply += rest
		case "=":
			c.result += rest
		case "!":
			c.err = append(c.err, rest)
		default:
			bad("unknown mark")
		}
	}
	return cases
}

// TestWire plays the cases of testdata/wire.txt, strict on everything that is
// sent.
func TestWire(t *testing.T) {
	used := map[string]bool{}
	for _, c := range readWireCases(t, "testdata/wire.txt") {
		t.Run(c.name, func(t *testing.T) {
			call, ok := wireCalls[c.do]
			if !ok {
				t.Fatalf("no call %q", c.do)
			}
			used[c.do] = true
			runWireCase(t, c, call)
		})
	}
	for name := range wireCalls {
		if !used[name] {
			t.Errorf("no case in testdata/wire.txt makes the call %q", name)
		}
	}
}

func runWireCase(t *testing.T, c wireCase, call wireCall) {
	s := newServer(t)
	app := newApp(t, s.URL)
	var user *realm.User
	if !call.bare {
		user = logIn(t, app, realm.EmailPassword("ada@example.com", "secret1"))
	}
	tokens := func(text string) string {
		if user == nil {
			return text
		}
		return strings.NewReplacer("ACCESS", user.AccessToken(), "REFRESH", user.RefreshToken(), "USER", user.ID()).Replace(text)
	}
	// Tokens may change during the call; what is expected is fixed before.
	type expected struct{ auth string }
	var want []expected
	for _, x := range c.exchanges {
		want = append(want, expected{tokens(x.auth)})
	}
	s.requests()
	next := 0
	replies := func(w http.ResponseWriter, r *http.Request) {
		if next >= len(c.exchanges) {
			reply{status: 599}.write(w)
			return
		}
		x := c.exchanges[next]
		next++
		reply{status: x.status, typ: x.typ, body: tokens(x.reply)}.write(w)
	}
	for _, x := range c.exchanges {
		method, target, _ := strings.Cut(x.request, " ")
		path, _, _ := strings.Cut(target, "?")
		s.handle(method+" "+path, replies)
	}

	result, err := call.run(t.Context(), app, user)

	got := s.requests()
	if call.bare && len(got) > 0 && strings.HasSuffix(got[0].path, "/location") && !strings.HasSuffix(c.exchanges[0].request, "/location") {
		got = got[1:]
	}
	for i, x := range c.exchanges {
		if i >= len(got) {
			t.Errorf("request %d was not made: %s", i+1, x.request)
			continue
		}
		g := got[i]
		method, target, _ := strings.Cut(x.request, " ")
		path, query, _ := strings.Cut(target, "?")
		if g.String() != method+" "+path {
			t.Errorf("request %d: got %s, want %s", i+1, g, x.request)
		}
		if d := diff(readableQuery(t, query), readableQuery(t, g.query)); d != "" {
			t.Errorf("request %d: query (-want +got):\n%s", i+1, d)
		}
		wantAuth := "Bearer " + want[i].auth
		if want[i].auth == "none" {
			wantAuth = ""
		}
		if g.auth != wantAuth {
			t.Errorf("request %d: Authorization %q, want %q", i+1, g.auth, wantAuth)
		}
		if d := diff(jsonValue(t, x.body), jsonValue(t, withoutDevice(t, g.body))); d != "" {
			t.Errorf("request %d: body (-want +got):\n%s", i+1, d)
		}
		wantType := ""
		if x.body != "" {
			wantType = "application/json"
		}
		if g.contentType != wantType {
			t.Errorf("request %d: Content-Type %q, want %q", i+1, g.contentType, wantType)
		}
		if g.accept != "application/json" {
			t.Errorf("request %d: Accept %q", i+1, g.accept)
		}
	}
	if len(got) > len(c.exchanges) {
		t.Errorf("more requests than expected: %v", got[len(c.exchanges):])
	}

	if len(c.err) > 0 {
		if err == nil {
			t.Fatalf("no error; result %v", result)
		}
		for _, e := range c.err {
			kind, want, _ := strings.Cut(e, " ")
			switch kind {
			case "is":
				if !errors.Is(err, realm.Code(want)) {
					t.Errorf("error is not %s: %v", want, err)
				}
			case "text":
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			case "number":
				var re *realm.Error
				if !errors.As(err, &re) || fmt.Sprint(re.NumericCode()) != want {
					t.Errorf("NumericCode of %v is not %s", err, want)
				}
			case "status":
				var re *realm.Error
				if !errors.As(err, &re) || fmt.Sprint(re.StatusCode) != want {
					t.Errorf("StatusCode of %v is not %s", err, want)
				}
			case "link":
				var re *realm.Error
				if !errors.As(err, &re) || re.Link != want {
					t.Errorf("Link of %v is not %s", err, want)
				}
			default:
				t.Fatalf("unknown expectation %q", e)
			}
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if c.result == "" {
		c.result = "null"
	}
	text, err := bson.MarshalExtJSON(bson.D{{Key: "v", Value: result}}, true, false)
	if err != nil {
		t.Fatal(err)
	}
	if d := diff(jsonValue(t, `{"v":`+tokens(c.result)+`}`), jsonValue(t, string(text))); d != "" {
		t.Errorf("result (-want +got):\n%s", d)
	}
}

// withoutDevice checks the device of a log-in and takes it out.
func withoutDevice(t *testing.T, body string) string {
	var doc map[string]json.RawMessage
	if json.Unmarshal([]byte(body), &doc) != nil || doc["options"] == nil {
		return body
	}
	var options struct {
		Device map[string]any `json:"device"`
	}
	if err := json.Unmarshal(doc["options"], &options); err != nil {
		t.Errorf("options: %v", err)
	}
	for _, field := range []string{"appId", "appVersion", "platform", "platformVersion", "sdk", "sdkVersion", "cpuArch", "deviceName", "deviceVersion", "frameworkName", "frameworkVersion"} {
		if _, ok := options.Device[field].(string); !ok {
			t.Errorf("options.device.%s is not a string: %v", field, options.Device[field])
		}
	}
	delete(doc, "options")
	doc["device"] = json.RawMessage("true")
	out, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func jsonValue(t *testing.T, text string) any {
	t.Helper()
	if text == "" {
		return nil
	}
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Errorf("not JSON: %v: %s", err, text)
	}
	return v
}

// readableQuery decodes a query, and the call inside it.
func readableQuery(t *testing.T, query string) map[string]any {
	t.Helper()
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Errorf("query %q: %v", query, err)
	}
	out := map[string]any{}
	for k, v := range values {
		out[k] = v
		if k == "baas_request" {
			if text, err := base64.StdEncoding.DecodeString(v[0]); err == nil {
				out[k] = jsonValue(t, string(text))
			}
		}
	}
	return out
}

// wireCall is a call that a case can name. A bare one needs no user.
type wireCall struct {
	bare bool
	run  func(ctx context.Context, app *realm.App, user *realm.User) (any, error)
}

func bare(run func(ctx context.Context, app *realm.App) error) wireCall {
	return wireCall{bare: true, run: func(ctx context.Context, app *realm.App, _ *realm.User) (any, error) { return nil, run(ctx, app) }}
}

func logInWith(c realm.Credentials) wireCall {
	return wireCall{bare: true, run: func(ctx context.Context, app *realm.App, _ *realm.User) (any, error) {
		user, err := app.LogIn(ctx, c)
		if err != nil {
			return nil, err
		}
		identities := bson.A{}
		for _, i := range user.Identities() {
			identities = append(identities, string(i.ProviderType)+" "+i.ID)
		}
		return bson.D{{Key: "id", Value: user.ID()}, {Key: "device", Value: user.DeviceID()}, {Key: "provider", Value: string(user.ProviderType())},
			{Key: "type", Value: string(user.Type())}, {Key: "identities", Value: identities}, {Key: "profile", Value: user.Profile().Data},
			{Key: "customData", Value: user.CustomData()}, {Key: "current", Value: app.CurrentUser() == user}}, nil
	}}
}

func function(name string, args ...any) wireCall {
	return wireCall{run: func(ctx context.Context, _ *realm.App, u *realm.User) (any, error) {
		return u.CallFunction(ctx, name, args...)
	}}
}

func asUser(run func(ctx context.Context, u *realm.User) (any, error)) wireCall {
	return wireCall{run: func(ctx context.Context, _ *realm.App, u *realm.User) (any, error) { return run(ctx, u) }}
}

func inCollection(run func(ctx context.Context, c *realm.Collection[bson.M]) (any, error)) wireCall {
	return asUser(func(ctx context.Context, u *realm.User) (any, error) {
		return run(ctx, u.MongoClient("mongodb-atlas").Database("shop").Collection("cats"))
	})
}

func asDoc(v any, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}

var oid, _ = bson.ObjectIDFromHex("5f1a00000000000000000001")

// diff is cmp.Diff, which takes exponential time in the depth of arrays, for
// values that are not equal.
func diff(want, got any) string {
	if reflect.DeepEqual(want, got) {
		return ""
	}
	return cmp.Diff(want, got)
}
