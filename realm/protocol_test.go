package realm_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"regent/realm"
)

// The server of these tests is written from client-api.md, not from Regent's
// own code, so that the SDK is not merely consistent with our own server.

const (
	appID   = "todo-abcde"
	userID  = "5f1a0000000000000000a001"
	device  = "5f1a0000000000000000d001"
	link    = "http://localhost/groups/g/apps/a/logs?co_id=5f1a0000000000000000c001"
	prefix  = "/api/client/v2.0"
	appPath = prefix + "/app/" + appID
)

// jwt returns a token with the claims; the signature is not looked at.
func jwt(claims map[string]any) string {
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + enc(payload) + "." + enc([]byte("signature"))
}

// accessToken returns the n-th access token of a user.
func accessToken(id string, n int) string {
	return jwt(map[string]any{"typ": "access", "sub": id, "exp": 4102444800, "iat": 1700000000 + n, "baas_device_id": device})
}

// refreshToken returns the n-th refresh token of a user.
func refreshToken(id string, n int) string {
	return jwt(map[string]any{"typ": "refresh", "sub": id, "exp": 4102444800, "iat": 1700000000 + n})
}

// reply is one answer.
type reply struct {
	status int
	typ    string // "" : application/json if there is a body
	body   string
	header http.Header
}

func ok(body string) reply { return reply{status: 200, body: body} }

func empty(status int) reply { return reply{status: status} }

// refused is an error object of the protocol.
func refused(status int, code, text string) reply {
	object := map[string]string{"error": text, "link": link}
	if code != "" {
		object["error_code"] = code
	}
	body, _ := json.Marshal(object)
	return reply{status: status, body: string(body)}
}

func (r reply) write(w http.ResponseWriter) {
	for k, v := range r.header {
		w.Header()[k] = v
	}
	if r.body != "" {
		typ := r.typ
		if typ == "" {
			typ = "application/json"
		}
		w.Header().Set("Content-Type", typ)
	}
	w.WriteHeader(r.status)
	_, _ = io.WriteString(w, r.body)
}

// seen is one request as it arrived.
type seen struct {
	method, path, query, auth, contentType, accept, body string
	header                                               http.Header
}

func (s seen) String() string { return s.method + " " + s.path }

// server answers the protocol's session requests as the document says, keeps
// what it saw, and asks its handlers first.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	log      []seen
	handlers map[string]http.HandlerFunc // by "METHOD path" below the prefix
	sessions int                         // access and refresh tokens given out
	users    int
	live     map[string]bool // refresh tokens
	access   map[string]bool // access tokens
	identity map[string]string
}

func newServer(t testing.TB) *server {
	s := &server{handlers: map[string]http.HandlerFunc{}, live: map[string]bool{}, access: map[string]bool{}, identity: map[string]string{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// on answers a request with a reply.
func (s *server) on(what string, r reply) {
	s.handle(what, func(w http.ResponseWriter, _ *http.Request) { r.write(w) })
}

// handle answers a request with a handler.
func (s *server) handle(what string, h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handlers[what] = h
}

// off gives a request back to the server's own answer.
func (s *server) off(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.handlers, what)
}

// requests returns what arrived since the last call.
func (s *server) requests() []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	log := s.log
	s.log = nil
	return log
}

// revoke ends all sessions: refresh and access tokens are refused.
func (s *server) revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.live)
	clear(s.access)
}

// expire refuses the access tokens given out so far.
func (s *server) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.access)
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	path := strings.TrimPrefix(r.URL.EscapedPath(), prefix)
	s.mu.Lock()
	s.log = append(s.log, seen{
		method: r.Method, path: path, query: r.URL.RawQuery, auth: r.Header.Get("Authorization"),
		contentType: r.Header.Get("Content-Type"), accept: r.Header.Get("Accept"), body: string(body), header: r.Header,
	})
	h := s.handlers[r.Method+" "+path]
	s.mu.Unlock()
	if h != nil {
		h(w, r)
		return
	}
	s.answer(r, path, body).write(w)
}

// answer is client-api.md §1.3, §1.5, §1.9–§1.11 for one user per identity.
func (s *server) answer(r *http.Request, path string, body []byte) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	rest, inApp := strings.CutPrefix(path, "/app/"+appID)
	switch {
	case r.Method == "GET" && inApp && rest == "/location":
		return ok(fmt.Sprintf(`{"deployment_model":"GLOBAL","location":"US-VA","hostname":%q,"ws_hostname":%q}`, s.URL, strings.Replace(s.URL, "http", "ws", 1)))
	case r.Method == "POST" && inApp && strings.HasSuffix(rest, "/login"):
		provider := strings.TrimSuffix(strings.TrimPrefix(rest, "/auth/providers/"), "/login")
		return s.login(provider, body)
	case r.Method == "POST" && path == "/auth/session":
		if !s.live[bearer] {
			return refused(401, "InvalidSession", "invalid session: failed to find refresh token")
		}
		s.sessions++
		token := accessToken(subject(bearer), s.sessions)
		s.access[token] = true
		return reply{status: 201, body: fmt.Sprintf(`{"access_token":%q}`, token)}
	case r.Method == "DELETE" && path == "/auth/session":
		if !s.live[bearer] {
			return refused(401, "InvalidSession", "invalid session: failed to find refresh token")
		}
		delete(s.live, bearer)
		return empty(204)
	}
	if !s.access[bearer] {
		return refused(401, "InvalidSession", "invalid session: access token expired")
	}
	switch {
	case r.Method == "GET" && path == "/auth/profile":
		id := subject(bearer)
		return ok(fmt.Sprintf(`{"user_id":%q,"domain_id":"5f1a0000000000000000e001","identities":[{"id":"i-%s","provider_type":%q,"provider_id":"5f1a0000000000000000f001"}],"data":{},"type":"normal"}`, id, id, s.identity[id]))
	case r.Method == "DELETE" && path == "/auth/delete":
		return empty(204)
	case r.Method == "POST" && rest == "/functions/call":
		return ok("null")
	}
	return refused(404, "", "not found")
}

// login makes a session for one user per e-mail address, and always a new user
// for anonymous log-ins. The caller holds s.mu.
func (s *server) login(provider string, body []byte) reply {
	var in struct {
		Username string `json:"username"`
	}
	if json.Unmarshal(body, &in) != nil {
		return refused(400, "BadRequest", "bad request")
	}
	key := in.Username
	if key == "" {
		s.users++
		key = fmt.Sprint(s.users)
	}
	id := fmt.Sprintf("%024x", "u"+key)[:24]
	s.identity[id] = provider
	s.sessions++
	access, refresh := accessToken(id, s.sessions), refreshToken(id, s.sessions)
	s.access[access], s.live[refresh] = true, true
	return ok(fmt.Sprintf(`{"access_token":%q,"refresh_token":%q,"user_id":%q,"device_id":%q}`, access, refresh, id, device))
}

// subject reads the user's id out of a token.
func subject(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Sub string `json:"sub"`
	}
	_ = json.Unmarshal(payload, &claims)
	return claims.Sub
}

// newApp returns an app at the server.
func newApp(t testing.TB, base string, opts ...realm.Option) *realm.App {
	t.Helper()
	app, err := realm.NewApp(appID, append([]realm.Option{realm.WithBaseURL(base)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(app.CloseIdleConnections)
	return app
}

// logIn logs in and fails the test if that fails.
func logIn(t testing.TB, app *realm.App, c realm.Credentials) *realm.User {
	t.Helper()
	user, err := app.LogIn(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return user
}
