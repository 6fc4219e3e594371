package auth_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"regent/internal/app"
	"regent/internal/auth"
	"regent/internal/caller"
)

var field = regexp.MustCompile(`name="(token|tokenId)" value="([^"]*)"`)

// The pages behind the links of mails, as a browser without scripts uses them.
func TestPages(t *testing.T) {
	var w *world
	srv := httptest.NewServer(&auth.Pages{
		Find: func(id string) *auth.Service {
			if id == w.app.ID {
				return w.Service
			}
			return nil
		},
		Describe: func(*http.Request) *caller.Request { return &caller.Request{RemoteIP: "192.0.2.1"} },
	})
	defer srv.Close()
	w = newWorld(t, providers{"local-userpass": &app.Provider{Config: conf("emailConfirmationUrl", "https://", "resetPasswordUrl", "")}}, func(c *auth.Config) {
		c.PublicURL = func() string { return srv.URL }
	})
	get := func(at string) (int, string) {
		t.Helper()
		resp, err := http.Get(at)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode == 200 && (resp.Header.Get("Referrer-Policy") != "no-referrer" || resp.Header.Get("Cache-Control") != "no-store" || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'")) {
			t.Errorf("headers: %v", resp.Header)
		}
		return resp.StatusCode, string(body)
	}
	submit := func(at string, form url.Values) (int, string) {
		t.Helper()
		_, page := get(at)
		for _, m := range field.FindAllStringSubmatch(page, -1) {
			form.Set(m[1], m[2])
		}
		resp, err := http.PostForm(at, form)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	login := func(pass string) error {
		_, err := w.Login(t.Context(), "local-userpass", doc(userpass("a@x.org", pass)), nil)
		return err
	}
	w.register("a@x.org", "secret1")
	at := w.outbox.Mails()[0].Link
	if !strings.HasPrefix(at, srv.URL+"/auth/"+w.app.ID+"/confirm?token=") {
		t.Fatalf("link: %s", at)
	}
	// A mail scanner opens the link, which must not use it up.
	for range 3 {
		if status, page := get(at); status != 200 || !strings.Contains(page, "<button>Confirm the address</button>") {
			t.Fatalf("%d %s", status, page)
		}
	}
	if login("secret1") == nil {
		t.Fatal("opening the page confirmed the address")
	}
	if status, page := submit(at, url.Values{}); status != 200 || !strings.Contains(page, "is confirmed") {
		t.Fatalf("%d %s", status, page)
	}
	if err := login("secret1"); err != nil {
		t.Fatal(err)
	}
	if status, page := submit(at, url.Values{}); status != 400 || !strings.Contains(page, "used already") {
		t.Errorf("%d %s", status, page)
	}

	w.call("reset/send", conf("email", "a@x.org"))
	at = w.outbox.Mails()[0].Link
	for _, c := range []struct {
		pass, again string
		status      int
		text        string
	}{
		{"secret2", "secret3", 400, "differ"},
		{"a", "a", 400, "between 6 and 128"},
		{"secret2", "secret2", 200, "Your password is changed"},
	} {
		if status, page := submit(at, url.Values{"password": {c.pass}, "again": {c.again}}); status != c.status || !strings.Contains(page, c.text) {
			t.Errorf("%d %s", status, page)
		}
	}
	if err := login("secret2"); err != nil {
		t.Error(err)
	}
	for _, path := range []string{"/auth/nobody/confirm?token=a&tokenId=b", "/auth/" + w.app.ID + "/delete?token=a&tokenId=b", "/auth/", "/auth/" + w.app.ID} {
		if status, _ := get(srv.URL + path); status != 404 {
			t.Errorf("%s: %d", path, status)
		}
	}
	if status, page := get(srv.URL + "/auth/" + w.app.ID + `/confirm?tokenId=b&token="><script>alert(1)</script>`); status != 200 || strings.Contains(page, "<script>") {
		t.Errorf("%d %s", status, page)
	}
	if status, _ := get(srv.URL + "/auth/" + w.app.ID + "/confirm"); status != 400 {
		t.Errorf("a link without token: %d", status)
	}
}
