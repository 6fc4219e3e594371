package realm_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"regent/realm"
)

// tokenServer answers a backend's probe as a server does for a token that is
// good for the app.
func tokenServer(t *testing.T) *server {
	s := newServer(t)
	s.handle(functionsCall, func(w http.ResponseWriter, r *http.Request) {
		rep := s.answer(r, "/app/"+appID+"/functions/call", nil)
		if rep.status == 200 {
			rep = refused(404, "FunctionNotFound", "function not found: '…'")
		}
		rep.write(w)
	})
	return s
}

func TestUserFromToken(t *testing.T) {
	s := tokenServer(t)
	phone := logIn(t, newApp(t, s.URL), realm.EmailPassword("ada@example.com", "secret1"))

	backend := newApp(t, s.URL)
	user, err := backend.UserFromToken(t.Context(), phone.AccessToken())
	if err != nil {
		t.Fatal(err)
	}
	if user.ID() != phone.ID() || !user.IsLoggedIn() || user.AccessToken() != phone.AccessToken() || user.RefreshToken() != "" ||
		len(user.Identities()) != 1 || user.ProviderType() != realm.ProviderLocalUserPass || user.DeviceID() != device {
		t.Errorf("user %s %v", user.ID(), user.Identities())
	}
	if len(backend.AllUsers()) != 0 || backend.CurrentUser() != nil {
		t.Error("the user is listed")
	}
	if _, err := user.APIKeys().FetchAll(t.Context()); !errors.Is(err, realm.ErrNoRefreshToken) {
		t.Errorf("API keys: %v", err)
	}
	if _, err := user.RefreshCustomData(t.Context()); !errors.Is(err, realm.ErrNoRefreshToken) {
		t.Errorf("custom data: %v", err)
	}
	if err := user.LinkCredentials(t.Context(), realm.APIKey("k")); !errors.Is(err, realm.ErrNoRefreshToken) {
		t.Errorf("link: %v", err)
	}
	s.on(functionsCall, ok("7"))
	if n, err := realm.Call[int](t.Context(), user, "f"); n != 7 || err != nil {
		t.Errorf("call: %d %v", n, err)
	}
	s.off(functionsCall)
	s.expire()
	s.requests()
	if _, err := user.CallFunction(t.Context(), "f"); !errors.Is(err, realm.ErrLoggedOut) || !errors.Is(err, realm.ErrInvalidSession) {
		t.Errorf("after expiry: %v", err)
	}
	if log := s.requests(); len(log) != 1 {
		t.Errorf("requests %v", log)
	}
	if user.IsLoggedIn() {
		t.Error("still logged in")
	}

	second, err := backend.UserFromToken(t.Context(), logIn(t, newApp(t, tokenURL(t)), realm.NewAnonymous()).AccessToken())
	if !errors.Is(err, realm.ErrLoggedOut) || second != nil {
		t.Errorf("a token of another server: %v", err)
	}
}

func tokenURL(t *testing.T) string { return tokenServer(t).URL }

func TestUserFromTokenLogOutIsLocal(t *testing.T) {
	s := tokenServer(t)
	phone := logIn(t, newApp(t, s.URL), realm.Anonymous())
	user, err := newApp(t, s.URL).UserFromToken(t.Context(), phone.AccessToken())
	if err != nil {
		t.Fatal(err)
	}
	s.requests()
	if err := user.LogOut(t.Context()); err != nil || user.State() != realm.LoggedOut {
		t.Errorf("%v, state %s", err, user.State())
	}
	noRequests(t, s)
	if _, err := phone.CallFunction(t.Context(), "f"); !errors.Is(err, realm.ErrFunctionNotFound) {
		t.Errorf("the phone's session ended too: %v", err)
	}
}

func TestUserFromTokenRefuses(t *testing.T) {
	good := accessToken(userID, 1)
	profile := `{"user_id":"` + userID + `","identities":[],"data":{}}`
	for name, test := range map[string]struct {
		token    string
		probe    reply
		profile  reply
		loggedIn bool // false: the error is ErrLoggedOut
		text     string
	}{
		"no token":                       {token: ""},
		"garbage":                        {token: "x.y.z"},
		"a token without a user":         {token: jwt(map[string]any{"typ": "access"})},
		"a forged token":                 {token: good, probe: refused(401, "", "signature is invalid")},
		"an expired token":               {token: good, probe: refused(401, "InvalidSession", "expired")},
		"a token of another app":         {token: good, probe: refused(403, "UserAppDomainMismatch", "another app")},
		"a token that is forbidden":      {token: good, probe: refused(403, "", "no")},
		"a server that is away":          {token: good, probe: refused(503, "", "away"), loggedIn: true, text: "away"},
		"a server that runs anything":    {token: good, probe: ok("1"), loggedIn: true, text: "cannot exist"},
		"a proxy's 404":                  {token: good, probe: reply{status: 404, typ: "text/html", body: "<html>"}, loggedIn: true, text: "404"},
		"another user's profile":         {token: good, probe: refused(404, "FunctionNotFound", "x"), profile: ok(strings.Replace(profile, userID, "eve", 1)), loggedIn: true, text: "another user"},
		"a profile that is refused":      {token: good, probe: refused(404, "FunctionNotFound", "x"), profile: refused(401, "InvalidSession", "revoked")},
		"a profile that does not arrive": {token: good, probe: refused(404, "FunctionNotFound", "x"), profile: refused(500, "", "oops"), loggedIn: true, text: "oops"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.on(functionsCall, test.probe)
			s.on("GET /auth/profile", test.profile)
			user, err := newApp(t, s.URL).UserFromToken(t.Context(), test.token)
			if user != nil || err == nil || errors.Is(err, realm.ErrLoggedOut) == test.loggedIn || !strings.Contains(err.Error(), test.text) {
				t.Errorf("got %v, %v", user, err)
			}
		})
	}
}
