package realm

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Browser says how a program without a browser of its own logs somebody in
// through one: the protocol's redirect flow (client-api.md §1.7), ended by a
// small web server on this machine's loopback address that runs until the
// log-in is done.
type Browser struct {
	// Open shows the address to the person: prints it, or starts a browser.
	// It must not wait for the log-in.
	Open func(ctx context.Context, address string) error
	// Listen is the loopback address to wait on. The address it makes,
	// http://<Listen>/, must be among the provider's redirect URIs, exactly.
	// "": "127.0.0.1:0", a free port; Regent allows that where the redirect URIs
	// have http://127.0.0.1/ (RFC 8252 §7.3).
	Listen string
}

// InBrowser returns credentials for logging in to Google, Facebook, Apple, or
// another provider that the server knows as "oauth2-…", through a browser on
// this machine. [App.LogIn] then waits until the person is done or its context
// ends. They cannot be linked to an existing user.
func InBrowser(provider ProviderType, browser Browser) Credentials {
	c := Credentials{provider: provider, browser: &browser}
	switch {
	case !strings.HasPrefix(string(provider), "oauth2-"):
		c.err = fmt.Errorf("realm: InBrowser: %q does not log in through a browser", provider)
	case browser.Open == nil:
		c.err = errors.New("realm: InBrowser: Browser.Open is missing")
	}
	return c
}

// redirectPage takes what the server put into the address, behind the #, where
// only a script can read it, and hands it to the program.
const redirectPage = `<!doctype html><meta charset="utf-8"><title>Log in</title>
<p id="m">Finishing the log-in …</p>
<script>
const answer = location.hash.slice(1) || location.search.slice(1);
history.replaceState(null, "", "/");
fetch("/", {method: "POST", body: answer}).then(r => r.text()).then(t => {
  document.getElementById("m").textContent = t;
}, () => { document.getElementById("m").textContent = "The program is no longer waiting."; });
</script>
`

// maxRedirectAnswer bounds what the page may hand over, in bytes.
const maxRedirectAnswer = 1 << 20

// logInWithBrowser runs the redirect flow.
func (a *App) logInWithBrowser(ctx context.Context, credentials Credentials) (newSession, error) {
	base, err := a.location(ctx)
	if err != nil {
		return newSession{}, err
	}
	listen := credentials.browser.Listen
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return newSession{}, fmt.Errorf("realm: waiting for the browser: %w", err)
	}
	if ip := listener.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() {
		listener.Close()
		return newSession{}, fmt.Errorf("realm: InBrowser: %s is not a loopback address", listen)
	}

	state := rand.Text()
	origin := "http://" + listener.Addr().String()
	answers := make(chan url.Values, 1)
	server := &http.Server{
		Handler:           redirectHandler(listener.Addr().String(), origin, state, answers),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       10 * time.Second,
		MaxHeaderBytes:    64 << 10,
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	defer func() {
		// The page's last answer may still be on its way.
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if server.Shutdown(grace) != nil {
			server.Close()
		}
		<-done
	}()

	device, err := encode(a.device())
	if err != nil {
		return newSession{}, err
	}
	address := base + clientPrefix + "/app/" + url.PathEscape(a.id) +
		"/auth/providers/" + url.PathEscape(string(credentials.provider)) + "/login?" +
		url.Values{"state": {state}, "redirect": {origin + "/"}, "device": {base64.StdEncoding.EncodeToString(device)}}.Encode()
	if err := credentials.browser.Open(ctx, address); err != nil {
		return newSession{}, fmt.Errorf("realm: opening the browser: %w", err)
	}
	select {
	case <-ctx.Done():
		return newSession{}, fmt.Errorf("realm: waiting for the browser: %w", context.Cause(ctx))
	case answer := <-answers:
		return a.redirectSession(answer)
	}
}

// redirectHandler serves the page and takes its answer. Only requests to the
// listener's own address, from its own page, with the right state are
// believed: other web sites can make a browser send requests here too.
func redirectHandler(host, origin, state string, answers chan<- url.Values) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'")
		switch {
		case r.Host != host || r.URL.Path != "/":
			http.NotFound(w, r)
		case r.Method == http.MethodGet:
			h.Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, redirectPage)
		case r.Method == http.MethodPost:
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRedirectAnswer))
			values, parseErr := url.ParseQuery(strings.ReplaceAll(string(body), "+", "%2B"))
			got := values.Get("_baas_state")
			if err != nil || parseErr != nil || r.Header.Get("Origin") != origin ||
				subtle.ConstantTimeCompare([]byte(got), []byte(state)) != 1 {
				http.Error(w, "This is not the answer to the log-in that the program waits for.", http.StatusForbidden)
				return
			}
			select {
			case answers <- values:
				if values.Has("_baas_error") {
					_, _ = io.WriteString(w, "The log-in failed; the program has the details. You can close this page.")
					return
				}
				_, _ = io.WriteString(w, "You are logged in and can close this page.")
			default:
				http.Error(w, "The log-in is already done.", http.StatusConflict)
			}
		default:
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		}
	})
}

// redirectSession reads the parameters with which the server ends the flow.
func (a *App) redirectSession(answer url.Values) (newSession, error) {
	if text := answer.Get("_baas_error"); text != "" {
		return newSession{}, &Error{Method: http.MethodGet, URL: a.BaseURL() + clientPrefix + "/auth/callback", Code: ErrAuth, Message: text}
	}
	if id := answer.Get("_baas_client_app_id"); id != "" && id != a.id {
		return newSession{}, fmt.Errorf("realm: the browser logged in to another app (%s)", id)
	}
	parts := strings.Split(answer.Get("_baas_ua"), "$")
	if len(parts) != 4 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return newSession{}, fmt.Errorf("realm: the browser's answer holds no session: %w", ErrMissingJSONKey)
	}
	return newSession{AccessToken: parts[0], RefreshToken: parts[1], UserID: parts[2], DeviceID: parts[3]}, nil
}

var _ json.Marshaler = Credentials{}

// MarshalJSON writes the provider only, so that logging credentials as JSON
// shows no secret.
func (c Credentials) MarshalJSON() ([]byte, error) { return json.Marshal(c.String()) }
