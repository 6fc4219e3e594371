package realm_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"regent/realm"
)

// page plays the browser's part after the server's redirect: it loads the
// page, whose script sends what is behind the # with the page's origin.
func page(t *testing.T, redirect, fragment string) (status int, text string) {
	t.Helper()
	res, err := http.Get(redirect)
	if err != nil {
		t.Error(err)
		return
	}
	html, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if !strings.Contains(string(html), "location.hash") || res.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("page %s", html)
	}
	return post(t, redirect, strings.TrimSuffix(redirect, "/"), "", fragment)
}

func post(t *testing.T, to, origin, host, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequest("POST", to, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	req.Header.Set("Origin", origin)
	req.Host = host
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(text)
}

func fragment(state string, session ...string) string {
	return percent(url.Values{"_baas_client_app_id": {appID}, "_baas_ua": {strings.Join(session, "$")}, "_baas_state": {state}})
}

// percent encodes as the protocol does, where a plus sign is a plus sign.
func percent(v url.Values) string { return strings.ReplaceAll(v.Encode(), "+", "%20") }

func TestLogInInBrowser(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	s := newServer(t)
	s.on("GET /auth/profile", ok(`{"identities":[{"id":"g","provider_type":"oauth2-google"}],"data":{}}`))
	app := newApp(t, s.URL)
	var redirect string
	open := func(ctx context.Context, address string) error {
		u, err := url.Parse(address)
		if err != nil {
			return err
		}
		q := u.Query()
		redirect = q.Get("redirect")
		if !strings.HasPrefix(address, s.URL+appPath+"/auth/providers/oauth2-google/login?") || len(q) != 3 || len(q.Get("state")) < 12 || !strings.HasPrefix(redirect, "http://127.0.0.1:") {
			t.Errorf("address %s", address)
		}
		var device map[string]any
		text, err := base64.StdEncoding.DecodeString(q.Get("device"))
		if err != nil || json.Unmarshal(text, &device) != nil || device["sdk"] != "Go" {
			t.Errorf("device %s: %v", text, err)
		}
		answer := fragment(q.Get("state"), accessToken(userID, 1), refreshToken(userID, 1), userID, device2)
		go func() {
			// Answers that are not the one waited for change nothing.
			origin := strings.TrimSuffix(redirect, "/")
			for _, bad := range []struct{ origin, host, body string }{
				{origin, "", fragment("another state", "a", "b", "c", "d")},
				{origin, "", "_baas_error=evil"},
				{"http://evil.example", "", answer},
				{origin, "evil.example", answer},
				{origin, "", strings.Repeat("x", 2<<20)},
				{origin, "", "%zz"},
			} {
				if status, text := post(t, redirect, bad.origin, bad.host, bad.body); status < 400 {
					t.Errorf("%.40s was believed: %d %s", bad.body, status, text)
				}
			}
			if status, text := page(t, redirect, answer); status != 200 || !strings.Contains(text, "logged in") {
				t.Errorf("answer: %d %s", status, text)
			}
		}()
		return nil
	}
	user, err := app.LogIn(t.Context(), realm.InBrowser(realm.ProviderGoogle, realm.Browser{Open: open}))
	if err != nil {
		t.Fatal(err)
	}
	if user.ID() != userID || user.ProviderType() != realm.ProviderGoogle || user.DeviceID() != device2 || app.CurrentUser() != user {
		t.Errorf("user %s %s %s", user.ID(), user.ProviderType(), user.DeviceID())
	}
	if err := user.LinkCredentials(t.Context(), realm.InBrowser(realm.ProviderApple, realm.Browser{Open: open})); err == nil || !strings.Contains(err.Error(), "cookie") {
		t.Errorf("linking: %v", err)
	}
	if res, err := http.Get(redirect); err == nil {
		res.Body.Close()
		t.Error("the loopback server is still there")
	}
}

const device2 = "5f1a0000000000000000d002"

func TestLogInInBrowserFails(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	s := newServer(t)
	app := newApp(t, s.URL)
	answering := func(answer func(state string) string) func(context.Context, string) error {
		return func(_ context.Context, address string) error {
			u, _ := url.Parse(address)
			go page(t, u.Query().Get("redirect"), answer(u.Query().Get("state")))
			return nil
		}
	}
	errOpen := errors.New("no browser")
	for name, test := range map[string]struct {
		browser realm.Browser
		is      error
		text    string
	}{
		"the server says no": {realm.Browser{Open: answering(func(state string) string {
			return percent(url.Values{"_baas_error": {"access + denied"}, "_baas_state": {state}})
		})}, realm.ErrAuth, "access + denied"},
		"no session": {realm.Browser{Open: answering(func(state string) string { return fragment(state, "a", "b") })}, realm.ErrMissingJSONKey, ""},
		"bad tokens": {realm.Browser{Open: answering(func(state string) string { return fragment(state, "a", "b", "c", "d") })}, realm.ErrBadToken, ""},
		"another app": {realm.Browser{Open: answering(func(state string) string {
			return strings.Replace(fragment(state, "a", "b", "c", "d"), appID, "other", 1)
		})}, nil, "another app"},
		"cannot open":          {realm.Browser{Open: func(context.Context, string) error { return errOpen }}, errOpen, ""},
		"nobody answers":       {realm.Browser{Open: func(context.Context, string) error { return nil }}, context.DeadlineExceeded, "waiting for the browser"},
		"no way to open":       {realm.Browser{}, nil, "Browser.Open"},
		"not a loopback":       {realm.Browser{Listen: "0.0.0.0:0", Open: func(context.Context, string) error { return nil }}, nil, "loopback"},
		"not an address":       {realm.Browser{Listen: "nowhere", Open: func(context.Context, string) error { return nil }}, nil, ""},
		"an address in use":    {realm.Browser{Listen: strings.TrimPrefix(s.URL, "http://"), Open: func(context.Context, string) error { return nil }}, nil, ""},
		"a provider without a": {realm.Browser{Open: func(context.Context, string) error { return nil }}, nil, "does not log in through a browser"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			provider := realm.ProviderGoogle
			if strings.HasPrefix(name, "a provider") {
				provider = realm.ProviderAnonUser
			}
			_, err := app.LogIn(ctx, realm.InBrowser(provider, test.browser))
			if err == nil || (test.is != nil && !errors.Is(err, test.is)) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("got %v, want %v %q", err, test.is, test.text)
			}
		})
	}
	if len(app.AllUsers()) != 0 {
		t.Error("somebody was logged in")
	}
}
