package realm_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/realm"
)

// hostileAnswers are what a server may do to one request, in place of the
// protocol's answer. Those that wait are ended by the call's deadline.
var hostileAnswers = []struct {
	name   string
	answer func(net.Conn)
	waits  bool
}{
	{"hangs up", says(""), false},
	{"garbage", says("\x00\xff\x00\xff\r\n\r\n"), false},
	{"truncated", says("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"a\":"), false},
	{"truncated chunks", says("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n[1,2"), false},
	{"truncated error", says("HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"error\":"), false},
	{"no JSON", says("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"), false},
	{"redirect to itself", says("HTTP/1.1 307 Temporary Redirect\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"), false},
	{"talks without end", func(c net.Conn) { endless(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n\"", "x") }, false},
	{"endless error", func(c net.Conn) {
		endless(c, "HTTP/1.1 502 Bad Gateway\r\nContent-Type: application/json\r\n\r\n\"", "x")
	}, false},
	{"endless header", func(c net.Conn) { endless(c, "HTTP/1.1 200 OK\r\nX: ", "x") }, false},
	{"error of another shape", says("HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"error\":[null]}"), false},
	{"never answers", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, true},
	{"never ends its answer", func(c net.Conn) {
		says("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{")(c)
		_, _ = io.Copy(io.Discard, c)
	}, true},
}

// hostileCalls are the calls of the SDK by the request that is answered so.
var hostileCalls = []struct {
	request string // method and path
	do      func(ctx context.Context, app *realm.App, user *realm.User) error
	// ends says that the session is over here, whatever the server does.
	ends bool
	// quiet says that the deadline may end the call without an error.
	quiet bool
}{
	{request: "POST /app/" + appID + "/auth/providers/anon-user/login", do: func(ctx context.Context, app *realm.App, _ *realm.User) error {
		return discard(app.LogIn(ctx, realm.NewAnonymous()))
	}},
	{request: "GET /auth/profile", do: func(ctx context.Context, _ *realm.App, user *realm.User) error { return user.RefreshProfile(ctx) }},
	{request: "POST /auth/session", do: func(ctx context.Context, _ *realm.App, user *realm.User) error {
		return discard(user.RefreshCustomData(ctx))
	}},
	{request: functionsCall, do: func(ctx context.Context, _ *realm.App, user *realm.User) error {
		return discard(user.CallFunction(ctx, "f"))
	}},
	{request: functionsCall, do: func(ctx context.Context, app *realm.App, user *realm.User) error {
		return discard(app.UserFromToken(ctx, user.AccessToken()))
	}},
	{request: functionsCall, do: func(ctx context.Context, _ *realm.App, user *realm.User) error {
		return discard(hostileCats(user).Find(ctx, nil))
	}},
	{request: "GET /app/" + appID + "/functions/call", quiet: true, do: func(ctx context.Context, _ *realm.App, user *realm.User) error {
		for _, err := range hostileCats(user).Watch(ctx) {
			return err
		}
		return nil
	}},
	{request: "POST /app/" + appID + "/auth/providers/local-userpass/login", do: func(ctx context.Context, _ *realm.App, user *realm.User) error {
		return user.LinkCredentials(ctx, realm.EmailPassword("eve@example.com", "secret1"))
	}},
	{request: "POST /app/" + appID + "/auth/providers/local-userpass/register", do: func(ctx context.Context, app *realm.App, _ *realm.User) error {
		return app.EmailPasswordAuth().RegisterUser(ctx, "eve@example.com", "secret1")
	}},
	{request: "POST /auth/api_keys", do: func(ctx context.Context, _ *realm.App, user *realm.User) error {
		return discard(user.APIKeys().Create(ctx, "k"))
	}},
	{request: "GET /auth/api_keys", do: func(ctx context.Context, _ *realm.App, user *realm.User) error {
		return discard(user.APIKeys().FetchAll(ctx))
	}},
	{request: "DELETE /auth/api_keys/" + oidText, do: func(ctx context.Context, _ *realm.App, user *realm.User) error {
		return user.APIKeys().Delete(ctx, oidText)
	}},
	{request: "PUT /app/" + appID + "/push/providers/gcm/registration", do: func(ctx context.Context, _ *realm.App, user *realm.User) error {
		return user.Push("gcm").Register(ctx, "token")
	}},
	{request: "DELETE /app/" + appID + "/push/providers/gcm/registration", do: func(ctx context.Context, _ *realm.App, user *realm.User) error {
		return user.Push("gcm").Deregister(ctx)
	}},
	{request: "DELETE /auth/delete", do: func(ctx context.Context, app *realm.App, user *realm.User) error { return app.DeleteUser(ctx, user) }},
	{request: "DELETE /auth/session", ends: true, do: func(ctx context.Context, _ *realm.App, user *realm.User) error { return user.LogOut(ctx) }},
	{request: "DELETE /auth/session", ends: true, do: func(ctx context.Context, app *realm.App, user *realm.User) error { return app.RemoveUser(ctx, user) }},
}

const oidText = "5f1a00000000000000000001"

func hostileCats(user *realm.User) *realm.Collection[bson.D] {
	return realm.CollectionOf[bson.D](user.MongoClient("mongodb-atlas").Database("shop"), "cats")
}

func discard[T any](_ T, err error) error { return err }

// TestHostileAnswers: whatever a server does to whichever call, the call ends
// with an *Error, in time, and nobody is logged out by it. (goleak in TestMain
// sees what is left behind.)
func TestHostileAnswers(t *testing.T) {
	for _, call := range hostileCalls {
		for _, h := range hostileAnswers {
			t.Run(call.request+" "+h.name, func(t *testing.T) {
				t.Parallel()
				s := newServer(t)
				app := newApp(t, s.URL, realm.WithMaxResponseSize(1<<20))
				user := logIn(t, app, realm.EmailPassword("ada@example.com", "secret1"))
				s.handle(call.request, func(w http.ResponseWriter, r *http.Request) {
					conn, buf, err := w.(http.Hijacker).Hijack()
					if err != nil {
						t.Error(err)
						return
					}
					defer conn.Close()
					_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
					h.answer(buffered{conn, buf.Reader})
				})
				limit := 20 * time.Second
				if h.waits {
					limit = 150 * time.Millisecond
				}
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				began := time.Now()
				err := call.do(ctx, app, user)
				if took := time.Since(began); took > limit+10*time.Second {
					t.Errorf("took %v", took)
				}
				var e *realm.Error
				switch {
				case h.waits && call.quiet:
					if err != nil && !errors.As(err, &e) {
						t.Errorf("got %v, want a silent end or an *Error", err)
					}
				case h.waits && !errors.Is(err, context.DeadlineExceeded):
					t.Errorf("got %v, want the deadline", err)
				case !errors.As(err, &e):
					t.Errorf("got %v, want an *Error", err)
				case !strings.HasPrefix(call.request, e.Method+" ") || !strings.HasSuffix(e.URL, strings.SplitN(call.request, " ", 2)[1]):
					t.Errorf("the error is about %s %s", e.Method, e.URL)
				}
				if user.IsLoggedIn() == call.ends {
					t.Errorf("state %s", user.State())
				}
			})
		}
	}
}

// buffered reads what the server had read ahead first.
type buffered struct {
	net.Conn
	r *bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.r.Read(p) }
