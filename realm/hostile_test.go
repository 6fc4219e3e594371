package realm_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"regent/realm"
)

// rawServer answers every connection with the bytes, whatever is asked, and
// then closes it.
func rawServer(t *testing.T, answer func(conn net.Conn)) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
			_, _ = http.ReadRequest(bufio.NewReader(conn))
			answer(conn)
			conn.Close()
		}
	}()
	t.Cleanup(func() { listener.Close(); <-done })
	return "http://" + listener.Addr().String()
}

func says(text string) func(net.Conn) {
	return func(c net.Conn) { _, _ = io.WriteString(c, text) }
}

// TestHostileServers: whatever a server does, the call ends within its
// deadline with an *Error, and nothing is left behind (goleak in TestMain).
func TestHostileServers(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	for name, test := range map[string]struct {
		answer func(net.Conn)
		is     error
		text   string
	}{
		"hangs up":              {says(""), io.EOF, ""},
		"is no web server":      {says("SSH-2.0-OpenSSH_9.6\r\n"), nil, "malformed"},
		"garbage":               {says("\x00\xff\x00\xff\r\n\r\n"), nil, "malformed"},
		"endless header":        {func(c net.Conn) { endless(c, "HTTP/1.1 200 OK\r\nX: ", "x") }, nil, ""},
		"truncated":             {says(head + "Content-Length: 100\r\n\r\n{\"hostname\":"), io.ErrUnexpectedEOF, ""},
		"truncated chunks":      {says(head + "Transfer-Encoding: chunked\r\n\r\nff\r\n{\"host"), io.ErrUnexpectedEOF, ""},
		"no JSON":               {says("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"), realm.ErrMalformedJSON, "text/html"},
		"no type":               {says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), realm.ErrMalformedJSON, ""},
		"bad JSON":              {says(head + "Content-Length: 3\r\n\r\n{\"a"), realm.ErrMalformedJSON, ""},
		"empty":                 {says(head + "Content-Length: 0\r\n\r\n"), realm.ErrMalformedJSON, ""},
		"redirect":              {says("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://elsewhere.example/x?token=t\r\nContent-Length: 0\r\n\r\n"), realm.ErrRedirect, "http://elsewhere.example"},
		"permanent redirect":    {says("HTTP/1.1 308 Permanent Redirect\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"), realm.ErrRedirect, ""},
		"redirect to nowhere":   {says("HTTP/1.1 301 Moved\r\nContent-Length: 0\r\n\r\n"), realm.ErrRedirect, ""},
		"says too much":         {says(head + "Content-Length: 2000000\r\n\r\n"), realm.ErrResponseTooLarge, "WithMaxResponseSize"},
		"talks without end":     {func(c net.Conn) { endless(c, head+"\r\n\"", "x") }, realm.ErrResponseTooLarge, "WithMaxResponseSize"},
		"endless error":         {func(c net.Conn) { endless(c, "HTTP/1.1 500 Oops\r\nContent-Type: application/json\r\n\r\n\"", "x") }, realm.ErrHTTP, "500"},
		"never answers":         {func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, context.DeadlineExceeded, ""},
		"never ends its answer": {func(c net.Conn) { says(head + "Content-Length: 9\r\n\r\n{")(c); _, _ = io.Copy(io.Discard, c) }, context.DeadlineExceeded, ""},
		"drips":                 {func(c net.Conn) { drip(c, head+"Content-Length: 9\r\n\r\n{        ") }, context.DeadlineExceeded, ""},
		"strange status":        {says("HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n"), realm.ErrHTTP, "999"},
		"switches protocols":    {says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"), realm.ErrHTTP, "101"},
	} {
		t.Run(name, func(t *testing.T) {
			app := newApp(t, rawServer(t, test.answer), realm.WithMaxResponseSize(1<<20))
			ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
			defer cancel()
			start := time.Now()
			_, err := app.LogIn(ctx, realm.Anonymous())
			var e *realm.Error
			if !errors.As(err, &e) || e.Method != "GET" || !strings.HasSuffix(e.URL, appPath+"/location") {
				t.Fatalf("got %v, want an *Error about the request", err)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("got %v, want %v", err, test.is)
			}
			if !strings.Contains(err.Error(), test.text) {
				t.Errorf("%q does not say %q", err, test.text)
			}
			if strings.Contains(err.Error(), "token=") {
				t.Errorf("%q tells a query", err)
			}
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func endless(c net.Conn, head, text string) {
	_, err := io.WriteString(c, head)
	chunk := strings.Repeat(text, 32<<10)
	for err == nil {
		_, err = io.WriteString(c, chunk)
	}
}

func drip(c net.Conn, text string) {
	for i := range len(text) {
		if _, err := c.Write([]byte{text[i]}); err != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestServerThatIsDown(t *testing.T) {
	_, err := newApp(t, "http://127.0.0.1:1").LogIn(t.Context(), realm.Anonymous())
	var e *realm.Error
	var op *net.OpError
	if !errors.As(err, &e) || !errors.As(err, &op) || e.StatusCode != 0 || e.NumericCode() != 4000 {
		t.Errorf("got %v", err)
	}
	if n := strings.Count(err.Error(), "127.0.0.1:1/"); n != 1 {
		t.Errorf("%q names the address %d times", err, n)
	}
}

func TestTimeout(t *testing.T) {
	url := rawServer(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	_, err := newApp(t, url, realm.WithTimeout(50*time.Millisecond)).LogIn(t.Context(), realm.Anonymous())
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "within 50ms") {
		t.Errorf("got %v", err)
	}
	cause := errors.New("the user pressed Escape")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(20*time.Millisecond, func() { cancel(cause) })
	if _, err := newApp(t, url).LogIn(ctx, realm.Anonymous()); !errors.Is(err, cause) {
		t.Errorf("got %v, want the context's cause", err)
	}
}

// TestRedirectsCarryNoTokens: the client of the program follows redirects, the
// App does not.
func TestRedirectsCarryNoTokens(t *testing.T) {
	s, thief := newServer(t), newServer(t)
	user := logIn(t, newApp(t, s.URL, realm.WithHTTPClient(&http.Client{})), realm.Anonymous())
	s.on("GET /auth/profile", reply{status: 307, header: http.Header{"Location": {thief.URL + "/auth/profile"}}})
	if err := user.RefreshProfile(t.Context()); !errors.Is(err, realm.ErrRedirect) {
		t.Errorf("got %v", err)
	}
	if log := thief.requests(); len(log) != 0 {
		t.Errorf("followed: %v", log)
	}
}

func TestLocationKeepsTLS(t *testing.T) {
	// A server that speaks TLS but believes that it is reached without.
	s := newServer(t)
	plain := s.URL
	transport := roundTrip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Request: r, Header: http.Header{"Content-Type": {"application/json"}},
			Body: io.NopCloser(strings.NewReader(fmt.Sprintf(`{"hostname":%q}`, plain)))}, nil
	})
	app := newApp(t, "https://realm.example", realm.WithHTTPClient(&http.Client{Transport: transport}))
	_, err := app.LogIn(t.Context(), realm.EmailPassword("ada@example.com", "secret1"))
	if err == nil || !strings.Contains(err.Error(), "from https to http") {
		t.Errorf("got %v", err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestDeepResults: nesting is bounded before it is read.
func TestDeepResults(t *testing.T) {
	s := newServer(t)
	user := logIn(t, newApp(t, s.URL), realm.Anonymous())
	for depth, want := range map[int]error{90: nil, 1_000_000: realm.ErrMalformedJSON} {
		s.on(functionsCall, ok(strings.Repeat("[", depth)+strings.Repeat("]", depth)))
		if _, err := user.CallFunction(t.Context(), "f"); !errors.Is(err, want) {
			t.Errorf("%d arrays: %v, want %v", depth, err, want)
		}
		s.on(functionsCall, ok(strings.Repeat(`{"a":`, depth)+"1"+strings.Repeat("}", depth)))
		if _, err := user.CallFunction(t.Context(), "f"); !errors.Is(err, want) {
			t.Errorf("%d objects: %v, want %v", depth, err, want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"30": 30 * time.Second, "0": 0, "-5": 0, "": 0, "soon": 0, "99999999999999": 0,
		"Thu, 01 Jan 1970 00:01:00 GMT": time.Minute,
	} {
		s := newServer(t)
		r := refused(429, "", "too many failed attempts")
		r.header = http.Header{"Retry-After": {value}}
		s.on("POST /app/"+appID+"/auth/providers/local-userpass/login", r)
		_, err := newApp(t, s.URL, realm.WithClock(stoppedClock{})).LogIn(t.Context(), realm.EmailPassword("ada@example.com", "x"))
		var e *realm.Error
		if !errors.As(err, &e) || !errors.Is(err, realm.ErrTooManyRequests) || e.RetryAfter != want {
			t.Errorf("%q: got %v after %v, want %v", value, err, e.RetryAfter, want)
		}
	}
}

// stoppedClock stands at the epoch, and does not make anybody wait.
type stoppedClock struct{}

func (stoppedClock) Now() time.Time { return time.Unix(0, 0) }

func (stoppedClock) After(time.Duration) <-chan time.Time {
	c := make(chan time.Time, 1)
	c <- time.Unix(0, 0)
	return c
}
