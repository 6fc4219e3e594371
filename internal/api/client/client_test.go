package client_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/api/client"
	"regent/internal/app"
	"regent/internal/caller"
	"regent/internal/ejson"
	"regent/internal/fault"
	"regent/internal/user"
)

// world is an app whose services answer what a test says.
type world struct {
	client.Accounts // what no test asks for panics, which the server must survive
	backend         client.Backend

	result   string // EJSON
	err      error
	called   func(caller.Caller, string, []bson.RawValue)
	events   []string
	alive    error
	lastID   string
	begin    string
	loginErr error
}

func newWorld() *world {
	w := &world{result: `null`}
	w.backend = client.Backend{App: &app.App{ID: "app-abcde"}, DomainID: "5f0000000000000000000001", Accounts: w, Functions: w, Data: w}
	return w
}

func (w *world) ByID(id string) *client.Backend {
	if id == w.backend.App.ID {
		return &w.backend
	}
	return nil
}

func (w *world) ByDomain(id string) *client.Backend {
	if id == w.backend.DomainID {
		return &w.backend
	}
	return nil
}

func (w *world) AnyAllows(origin string) bool {
	return client.OriginAllowed(w.backend.App.AllowedRequestOrigins, origin)
}

func (w *world) Authenticate(_ context.Context, token string) (*client.Session, error) {
	if token != goodToken {
		return nil, fault.New(fault.InvalidSession, "invalid session")
	}
	return &client.Session{ID: "s", User: &user.User{ID: "u"}}, nil
}

func (w *world) Login(context.Context, string, bson.Raw, *caller.Request) (client.Tokens, error) {
	return client.Tokens{AccessToken: "a", RefreshToken: "r", UserID: "u", DeviceID: "d"}, w.loginErr
}

func (w *world) Alive(context.Context, *client.Session) error { return w.alive }

func (w *world) CallAsClient(_ context.Context, c caller.Caller, name string, args []bson.RawValue) (bson.RawValue, error) {
	if w.called != nil {
		w.called(c, name, args)
	}
	v, err := ejson.Parse([]byte(w.result))
	if err != nil {
		panic(err)
	}
	return v, w.err
}

func (w *world) Do(_ context.Context, c caller.Caller, service, action string, arg bson.Raw) (bson.RawValue, error) {
	return w.CallAsClient(context.Background(), c, service+"."+action, nil)
}

func (w *world) Watch(_ context.Context, _ caller.Caller, _ string, _ bson.Raw, last string) (client.Stream, error) {
	w.lastID = last
	return &stream{w: w}, w.err
}

type stream struct {
	w *world
	n int
}

func (s *stream) Next(ctx context.Context) (string, bson.Raw, error) {
	if s.n == len(s.w.events) {
		<-ctx.Done()
		return "", nil, ctx.Err()
	}
	e := s.w.events[s.n]
	s.n++
	switch e {
	case "EOF":
		return "", nil, io.EOF
	case "FAULT":
		return "", nil, fault.New(fault.NoMatchingRuleFound, "50%% gone\nreally")
	case "WAIT":
		<-ctx.Done()
		return "", nil, ctx.Err()
	}
	d, err := ejson.ParseDocument([]byte(e))
	return "id-" + string(rune('0'+s.n)), d, err
}

func (s *stream) Close() {}

func (s *stream) Begin() string { return s.w.begin }

// goodToken is a token of the world's domain; only its claims are real.
var goodToken = "h." + base64.RawURLEncoding.EncodeToString([]byte(`{"baas_domain_id":"5f0000000000000000000001"}`)) + ".s"

const prefix = "/api/client/v2.0"

func send(t *testing.T, h http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const call = prefix + "/app/app-abcde/functions/call"

// TestCall lists bodies of functions/call and their answers.
func TestCall(t *testing.T) {
	for _, c := range []struct {
		name, body, result string
		err                error
		status             int
		want               string // substring
	}{
		{"Value", `{"name":"f","arguments":[]}`, `{"a":1}`, nil, 200, `{"a":{"$numberInt":"1"}}`},
		{"Undefined", `{"name":"f","arguments":[]}`, `{"$undefined":true}`, nil, 200, `{"$undefined":true}`},
		{"NullArguments", `{"name":"f","arguments":null,"service":null}`, `"x"`, nil, 200, `"x"`},
		{"UnknownMembers", `{"name":"f","arguments":[],"later":{"$oid":"5f0000000000000000000001"}}`, `1`, nil, 200, `{"$numberInt":"1"}`},
		{"NoName", `{"arguments":[]}`, `1`, nil, 400, `invalid function call request: 'name' is missing`},
		{"NameNoString", `{"name":5}`, `1`, nil, 400, `'name' must be a string`},
		{"ArgumentsNoArray", `{"name":"f","arguments":{}}`, `1`, nil, 400, `'arguments' must be an array`},
		{"NotAnObject", `[1]`, `1`, nil, 400, `"error_code":"BadRequest"`},
		{"Empty", ``, `1`, nil, 400, `invalid function call request`},
		{"TwoArguments", `{"name":"find","service":"s","arguments":[{},{}]}`, `1`, nil, 400, `"error_code":"ArgumentsNotAllowed"`},
		{"ArgumentNoDocument", `{"name":"find","service":"s","arguments":[5]}`, `1`, nil, 400, `"error_code":"ArgumentsNotAllowed"`},
		{"Deep", `{"name":"f","arguments":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `}`, `1`, nil, 400, `nested too deeply`},
		{"Fault", `{"name":"f"}`, `1`, fault.New(fault.FunctionExecutionError, "it <broke>"), 400, `{"error":"it <broke>","error_code":"FunctionExecutionError","link":"http://example.com/groups/`},
		{"NoCode", `{"name":"f"}`, `1`, fault.New(fault.None, "odd"), 400, `{"error":"odd","link":`},
		{"Internal", `{"name":"f"}`, `1`, errors.New("secret cause"), 500, `"error_code":"InternalServerError"`},
		{"RetryAfter", `{"name":"f"}`, `1`, &fault.Error{Status: 429, Message: "slow down", RetryAfter: 1500 * time.Millisecond}, 429, `slow down`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			w.result, w.err = c.result, c.err
			res := send(t, client.New(client.Config{Apps: w}), "POST", call, c.body, "Authorization", "Bearer "+goodToken)
			if res.Code != c.status || !strings.Contains(res.Body.String(), c.want) {
				t.Errorf("got %d %s; want %d …%s…", res.Code, res.Body, c.status, c.want)
			}
			if strings.Contains(res.Body.String(), "secret cause") {
				t.Error("an internal error's text left the process")
			}
			if c.status == 429 && res.Header().Get("Retry-After") != "2" {
				t.Errorf("Retry-After %q, want whole seconds, rounded up", res.Header().Get("Retry-After"))
			}
		})
	}
}

// TestPanic: a bug in a service is a 500, and the server goes on.
func TestPanic(t *testing.T) {
	w := newWorld()
	s := client.New(client.Config{Apps: w})
	if res := send(t, s, "GET", prefix+"/auth/profile", "", "Authorization", "Bearer "+goodToken); res.Code != 500 {
		t.Errorf("got %d %s", res.Code, res.Body)
	}
	if res := send(t, s, "GET", prefix+"/app/app-abcde/location", ""); res.Code != 200 {
		t.Errorf("then %d %s", res.Code, res.Body)
	}
}

func TestBodyTooLarge(t *testing.T) {
	w := newWorld()
	s := client.New(client.Config{Apps: w, MaxBody: 100})
	big := `{"name":"` + strings.Repeat("x", 200) + `"}`
	if res := send(t, s, "POST", call, big, "Authorization", "Bearer "+goodToken); res.Code != 413 || !strings.Contains(res.Body.String(), "max_request_size") {
		t.Errorf("got %d %s", res.Code, res.Body)
	}
	// Without a length, the reader is bounded.
	r := httptest.NewRequest("POST", call, io.MultiReader(strings.NewReader(big)))
	r.ContentLength = -1
	r.Header.Set("Authorization", "Bearer "+goodToken)
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, r)
	if rec.Code != 413 {
		t.Errorf("chunked: %d %s", rec.Code, rec.Body)
	}
}

// TestSlowBody sends half a body and then nothing.
func TestSlowBody(t *testing.T) {
	w := newWorld()
	server := httptest.NewServer(client.New(client.Config{Apps: w, BodyTimeout: 50 * time.Millisecond}))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 100\r\n\r\n{", call, goodToken)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusRequestTimeout || !strings.Contains(string(body), "did not arrive within 50ms") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

// TestOrigins is attack 26 of rules-attacks.md.
func TestOrigins(t *testing.T) {
	for _, c := range []struct {
		allowed string
		origin  string
		want    bool
	}{
		{"", "https://any.example", true},
		{"https://app.example", "https://app.example", true},
		{"https://app.example/", "https://app.example", true},
		{"https://app.example", "HTTPS://APP.example", true},
		{"https://app.example", "http://app.example", false},
		{"https://app.example", "https://app.example:8443", false},
		{"https://app.example:8443", "https://app.example", false},
		{"https://app.example", "https://app.example.evil.example", false},
		{"https://app.example", "https://evilapp.example", false},
		{"https://app.example", "null", false},
		{"https://app.example", "https://app.example ", false},
		{"https://a.example https://b.example", "https://b.example", true},
		{"https://app.example", "http://example.com", true}, // the server's own, where its hosting is
	} {
		w := newWorld()
		w.backend.App.AllowedRequestOrigins = strings.Fields(c.allowed)
		s := client.New(client.Config{Apps: w})
		for _, target := range []string{prefix + "/app/app-abcde/location", prefix + "/app/app-abcde/auth/providers/anon-user/login"} {
			method := map[bool]string{true: "GET", false: "POST"}[strings.HasSuffix(target, "location")]
			res := send(t, s, method, target, "", "Origin", c.origin)
			if got := res.Code == 200; got != c.want {
				t.Errorf("%q against %q: %d", c.origin, c.allowed, res.Code)
			}
			if got := res.Header().Get("Access-Control-Allow-Origin") == c.origin; got != c.want {
				t.Errorf("%q against %q: header %q", c.origin, c.allowed, res.Header().Get("Access-Control-Allow-Origin"))
			}
			pre := send(t, s, "OPTIONS", target, "", "Origin", c.origin, "Access-Control-Request-Method", method)
			if got := pre.Header().Get("Access-Control-Allow-Methods") != ""; got != c.want || pre.Code != 204 {
				t.Errorf("preflight of %q against %q: %d %v", c.origin, c.allowed, pre.Code, pre.Header())
			}
		}
		pre := send(t, s, "OPTIONS", prefix+"/auth/session", "", "Origin", c.origin)
		if got := pre.Header().Get("Access-Control-Allow-Methods") != ""; got != c.want {
			t.Errorf("preflight without an app, %q against %q: %v", c.origin, c.allowed, pre.Header())
		}
	}
}

// TestProxies: forwarded headers count only when the peer is trusted.
func TestProxies(t *testing.T) {
	for _, c := range []struct {
		name, trusted, forwardedFor, publicURL string
		wantHost, wantIP                       string
	}{
		{"Untrusted", "", "9.9.9.9", "", "http://example.com", "192.0.2.1"},
		{"Trusted", "192.0.2.0/24", "9.9.9.9", "", "https://realm.example", "9.9.9.9"},
		{"Chain", "192.0.2.0/24", "6.6.6.6, 9.9.9.9, 192.0.2.7", "", "https://realm.example", "9.9.9.9"},
		{"Garbage", "192.0.2.0/24", "9.9.9.9, evil", "", "https://realm.example", "192.0.2.1"},
		{"OtherProxy", "198.51.100.1/32", "9.9.9.9", "", "http://example.com", "192.0.2.1"},
		{"PublicURL", "", "", "https://fixed.example", "https://fixed.example", "192.0.2.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := client.Config{PublicURL: c.publicURL}
			if c.trusted != "" {
				cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix(c.trusted)}
			}
			w := newWorld()
			var ip string
			w.called = func(c caller.Caller, _ string, _ []bson.RawValue) { ip = c.Request.RemoteIP }
			cfg.Apps = w
			s := client.New(cfg)
			header := []string{"X-Forwarded-For", c.forwardedFor, "X-Forwarded-Proto", "https", "X-Forwarded-Host", "realm.example", "Authorization", "Bearer " + goodToken}
			res := send(t, s, "GET", prefix+"/app/app-abcde/location", "", header...)
			if !strings.Contains(res.Body.String(), `"hostname":"`+c.wantHost+`"`) {
				t.Errorf("location %s, want %s", res.Body, c.wantHost)
			}
			send(t, s, "POST", call, `{"name":"f"}`, header...)
			if ip != c.wantIP {
				t.Errorf("remote address %s, want %s", ip, c.wantIP)
			}
		})
	}
}

// TestTokens lists what each kind of route does with the Authorization header.
func TestTokens(t *testing.T) {
	w := newWorld()
	s := client.New(client.Config{Apps: w})
	for _, c := range []struct {
		method, target, token string
		status                int
		want                  string
	}{
		{"POST", call, "Bearer null", 401, `"error_code":"InvalidSession"`},
		{"POST", call, "Bearer a.b.c", 401, `"error":"invalid session","error_code":"InvalidSession"`},
		{"POST", call, "Basic abc", 401, `"error":"unauthorized","link"`},
		{"POST", call, "", 401, `"error":"must authenticate first","error_code":"MissingAuthReq"`},
		{"GET", prefix + "/auth/profile", "Bearer a.b.c", 401, `"error":"unauthorized","link"`},
		{"DELETE", prefix + "/auth/session", "Bearer null", 401, `failed to find refresh token","error_code":"InvalidSession"`},
		{"POST", prefix + "/app/app-abcde/auth/providers/anon-user/login", "Bearer rubbish", 200, `"user_id":"u"`},
		{"POST", prefix + "/app/app-abcde/auth/providers/anon-user/login?link=true", "Bearer rubbish", 401, `InvalidSession`},
		{"POST", prefix + "/app/app-abcde/auth/providers/anon-user/login?link=true", "", 401, `must authenticate first`},
		{"PUT", prefix + "/app/app-abcde/push/providers/gcm/registration", "Bearer " + goodToken, 404, `service not found: 'gcm'`},
		{"POST", prefix + "/app/none-abcde/functions/call", "Bearer " + goodToken, 404, `"error":"cannot find app using Client App ID 'none-abcde'","link"`},
	} {
		header := []string{}
		if c.token != "" {
			header = []string{"Authorization", c.token}
		}
		res := send(t, s, c.method, c.target, `{"name":"f"}`, header...)
		if res.Code != c.status || !strings.Contains(res.Body.String(), c.want) {
			t.Errorf("%s %s %q: got %d %s; want %d %s", c.method, c.target, c.token, res.Code, res.Body, c.status, c.want)
		}
		if got := res.Header().Get("Content-Type"); got != "application/json" {
			t.Errorf("Content-Type %q", got)
		}
	}
}

// TestWatch lists streams and the bytes that a client sees.
func TestWatch(t *testing.T) {
	const start = ": watching\n\n"
	for _, c := range []struct {
		name   string
		events []string
		alive  error
		want   string
	}{
		{"Event", []string{`{"a":"%\n\r€"}`, "EOF"}, nil, start + "id: id-1\nevent: message\ndata: {\"a\":\"%25\\n\\r€\"}\n\n"},
		{"Error", []string{"FAULT"}, nil, start + "event: error\ndata: {\"error_code\":\"NoMatchingRuleFound\",\"error\":\"50%25 gone\\nreally\"}\n\n"},
		{"Heartbeat", []string{"WAIT", "EOF"}, nil, start + ":\n\n"},
		{"SessionEnds", []string{`{"a":1}`}, fault.New(fault.InvalidSession, "gone"), start + "event: error\ndata: {\"error_code\":\"InvalidSession\",\"error\":\"gone\"}\n\n"},
		{"SessionEndsInSilence", []string{"WAIT"}, fault.New(fault.InvalidSession, "gone"), start + "event: error\ndata: {\"error_code\":\"InvalidSession\",\"error\":\"gone\"}\n\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			w.events, w.alive = c.events, c.alive
			srv := httptest.NewServer(client.New(client.Config{Apps: w, Heartbeat: 20 * time.Millisecond}))
			defer srv.Close()
			request := base64.StdEncoding.EncodeToString([]byte(`{"name":"watch","arguments":[{"database":"d","collection":"c"}],"service":"s"}`))
			r, _ := http.NewRequest("GET", srv.URL+call+"?baas_request="+url.QueryEscape(request)+"&baas_at="+goodToken, nil)
			r.Header.Set("Last-Event-ID", "id-0")
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			text, _ := io.ReadAll(res.Body)
			if string(text) != c.want || res.Header.Get("Content-Type") != "text/event-stream" {
				t.Errorf("got %q\nwant %q", text, c.want)
			}
			if w.lastID != "id-0" {
				t.Errorf("Last-Event-ID arrived as %q", w.lastID)
			}
		})
	}
	t.Run("Begin", func(t *testing.T) {
		w := newWorld()
		w.begin, w.events = "id-7", []string{"EOF"}
		request := base64.RawURLEncoding.EncodeToString([]byte(`{"name":"watch","arguments":[{}],"service":"s"}`))
		srv := httptest.NewServer(client.New(client.Config{Apps: w}))
		defer srv.Close()
		res, err := http.Get(srv.URL + call + "?baas_request=" + request + "&baas_at=" + goodToken)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if text, _ := io.ReadAll(res.Body); string(text) != ": watching\nid: id-7\n\n" {
			t.Errorf("got %q", text)
		}
	})
	t.Run("Stitch", func(t *testing.T) {
		w := newWorld()
		w.events = []string{"EOF"}
		srv := httptest.NewServer(client.New(client.Config{Apps: w}))
		defer srv.Close()
		request := base64.StdEncoding.EncodeToString([]byte(`{"name":"watch","arguments":[{}],"service":"s"}`))
		res, err := http.Get(srv.URL + call + "?stitch_request=" + url.QueryEscape(request) + "&stitch_at=" + goodToken)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if text, _ := io.ReadAll(res.Body); string(text) != start {
			t.Errorf("got %q", text)
		}
	})
	t.Run("Shutdown", func(t *testing.T) {
		w, stop := newWorld(), make(chan struct{})
		srv := httptest.NewServer(client.New(client.Config{Apps: w, Shutdown: stop}))
		defer srv.Close()
		request := base64.RawURLEncoding.EncodeToString([]byte(`{"name":"watch","arguments":[{}],"service":"s"}`))
		res, err := http.Get(srv.URL + call + "?baas_request=" + request + "&baas_at=" + goodToken)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		close(stop)
		if text, _ := io.ReadAll(res.Body); string(text) != start {
			t.Errorf("got %q", text)
		}
	})
	for body, want := range map[string]int{"": 400, "%%%": 400, "bm9wZQ==": 400, "eyJuYW1lIjoiZiJ9": 404} {
		w := newWorld()
		if res := send(t, client.New(client.Config{Apps: w}), "GET", call+"?baas_at="+goodToken+"&baas_request="+url.QueryEscape(body), ""); res.Code != want {
			t.Errorf("baas_request %q: %d %s", body, res.Code, res.Body)
		}
	}
}

// FuzzCall: no body makes a server error.
func FuzzCall(f *testing.F) {
	f.Add(`{"name":"f","arguments":[{"$oid":"5f0000000000000000000001"}],"service":"s"}`)
	w := newWorld()
	s := client.New(client.Config{Apps: w})
	f.Fuzz(func(t *testing.T, body string) {
		if res := send(t, s, "POST", call, body, "Authorization", "Bearer "+goodToken); res.Code >= 500 {
			t.Errorf("%q: %d %s", body, res.Code, res.Body)
		}
	})
}

// FuzzWatch: no baas_request, whatever its encoding, makes a server error or a
// stream without an end.
func FuzzWatch(f *testing.F) {
	for _, body := range []string{`{"name":"watch","arguments":[{"database":"d","collection":"c","ids":[1],"filter":{"a":1}}],"service":"s"}`, `{"name":"watch"}`, `[]`, "\xff"} {
		f.Add([]byte(body), true, "id-1")
		f.Add([]byte(base64.StdEncoding.EncodeToString([]byte(body))), false, "")
	}
	f.Fuzz(func(t *testing.T, body []byte, encode bool, last string) {
		value := string(body)
		if encode {
			value = base64.StdEncoding.EncodeToString(body)
		}
		w := newWorld()
		w.events = []string{"EOF"}
		res := send(t, client.New(client.Config{Apps: w}), "GET", call+"?baas_at="+goodToken+"&baas_request="+url.QueryEscape(value), "", "Last-Event-ID", strings.Map(func(r rune) rune {
			if r < ' ' || r > '~' {
				return -1
			}
			return r
		}, last))
		if res.Code >= 500 {
			t.Errorf("%q: %d %s", value, res.Code, res.Body)
		}
	})
}
