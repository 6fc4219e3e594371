package auth_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"regent/internal/auth"
	"regent/internal/fault"
	"regent/internal/session"
)

func payload(t *testing.T, token string) map[string]any {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// The claims are those of client-api.md §1.12 and no others.
func TestClaims(t *testing.T) {
	w := newWorld(t, everything())
	tok := w.login("anon-user", `{"options": {"device": {"platform": "node"}}}`)
	access, refresh := payload(t, tok.AccessToken), payload(t, tok.RefreshToken)
	session, ident := access["iss"], w.session(tok).User.Identities[0]
	want := map[string]any{
		"baas_device_id": tok.DeviceID, "baas_domain_id": w.Domain.Hex(), "iss": session, "stitch_devId": tok.DeviceID, "stitch_domainId": w.Domain.Hex(),
		"sub": tok.UserID, "typ": "access", "exp": access["exp"], "iat": access["iat"],
	}
	if d := cmp.Diff(want, access); d != "" {
		t.Error(d)
	}
	id := map[string]any{"id": ident.ID, "provider_type": "anon-user", "provider_id": ident.ProviderID}
	want = map[string]any{
		"baas_data": nil, "baas_device_id": tok.DeviceID, "baas_domain_id": w.Domain.Hex(), "baas_id": session, "baas_identity": id,
		"stitch_data": nil, "stitch_devId": tok.DeviceID, "stitch_domainId": w.Domain.Hex(), "stitch_id": session, "stitch_ident": id,
		"sub": tok.UserID, "typ": "refresh", "exp": refresh["exp"], "iat": refresh["iat"],
	}
	if d := cmp.Diff(want, refresh); d != "" {
		t.Error(d)
	}
	if len(ident.ProviderID) != 24 {
		t.Errorf("provider id %q", ident.ProviderID)
	}
	raw, _ := base64.RawURLEncoding.DecodeString(strings.Split(tok.AccessToken, ".")[1])
	for _, name := range []string{"exp", "iat"} {
		if !strings.Contains(string(raw), fmt.Sprintf(`"%s":%d`, name, int64(access[name].(float64)))) {
			t.Errorf("%s is no plain integer in %s", name, raw)
		}
	}
	if life := access["exp"].(float64) - access["iat"].(float64); life != 1800 {
		t.Errorf("an access token lives %v s", life)
	}
	if life := refresh["exp"].(float64) - refresh["iat"].(float64); life < 40*365*86400 {
		t.Errorf("an anonymous refresh token lives %v s", life)
	}
	w.register("a@example.com", "secret1")
	refresh = payload(t, w.login("local-userpass", userpass("a@example.com", "secret1")).RefreshToken)
	if life := refresh["exp"].(float64) - refresh["iat"].(float64); life != 60*86400 {
		t.Errorf("a refresh token lives %v s", life)
	}
}

// Attack 21, one subtest for each lie.
func TestTokenAttacks(t *testing.T) {
	w := newWorld(t, everything())
	tok := w.login("anon-user", `{}`)
	ctx := t.Context()
	access := func(token string) error { _, err := w.Authenticate(ctx, token); return err }
	refresh := func(token string) error { _, err := w.Refresh(ctx, token, nil); return err }
	reissue := func(method jwt.SigningMethod, key any, change func(jwt.MapClaims), kid any) string {
		claims := jwt.MapClaims(payload(t, tok.AccessToken))
		claims["exp"], claims["iat"] = time.Now().Add(time.Hour).Unix(), time.Now().Unix()
		if change != nil {
			change(claims)
		}
		j := jwt.NewWithClaims(method, claims)
		j.Header["kid"] = kid
		s, err := j.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if err := access(tok.AccessToken); err != nil {
		t.Fatal(err)
	}
	t.Run("ErrOtherApp", func(t *testing.T) {
		other := newWorld(t, everything())
		_, err := other.Authenticate(ctx, tok.AccessToken)
		refused(t, err, 401, fault.UserAppDomainMismatch, "")
		_, err = other.Refresh(ctx, tok.RefreshToken, nil)
		refused(t, err, 401, fault.UserAppDomainMismatch, "")
		_, err = other.Login(ctx, "api-key", conf("key", tok.AccessToken), nil)
		refused(t, err, 401, fault.AuthError, "unauthorized")
	})
	t.Run("ErrRefreshAsAccess", func(t *testing.T) {
		refused(t, access(tok.RefreshToken), 401, fault.InvalidSession, "")
	})
	t.Run("ErrAccessAsRefresh", func(t *testing.T) {
		refused(t, refresh(tok.AccessToken), 401, fault.InvalidSession, "invalid refresh token: incorrect token type")
		_, err := w.APIKeys(ctx, tok.AccessToken)
		refused(t, err, 401, fault.InvalidSession, "")
	})
	t.Run("ErrAlgNone", func(t *testing.T) {
		refused(t, access(reissue(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, "1")), 401, fault.AuthError, "unauthorized")
	})
	t.Run("ErrOtherKey", func(t *testing.T) {
		for _, kid := range []any{"1", "2", "", nil, 1, "../1", strings.Repeat("x", 1000)} {
			forged := reissue(jwt.SigningMethodHS256, []byte("guess"), nil, kid)
			refused(t, access(forged), 401, fault.AuthError, "unauthorized")
			refused(t, refresh(forged), 401, fault.None, "signature is invalid")
		}
	})
	t.Run("ErrOtherAlgorithm", func(t *testing.T) {
		refused(t, access(reissue(jwt.SigningMethodHS512, []byte("guess"), nil, "1")), 401, fault.AuthError, "unauthorized")
	})
	t.Run("ErrTampered", func(t *testing.T) {
		parts := strings.Split(tok.AccessToken, ".")
		claims := payload(t, tok.AccessToken)
		claims["sub"] = strings.Repeat("0", 24)
		raw, _ := json.Marshal(claims)
		refused(t, access(parts[0]+"."+base64.RawURLEncoding.EncodeToString(raw)+"."+parts[2]), 401, fault.AuthError, "unauthorized")
	})
	t.Run("ErrGarbage", func(t *testing.T) {
		for _, s := range []string{"", "null", "a.b.c", "..", "W10.W10.W10", strings.Repeat("a", 2<<20), tok.AccessToken + ".x", " " + tok.AccessToken} {
			err := access(s)
			if code, _ := fault.CodeOf(err); code != fault.AuthError {
				t.Errorf("%.20q: %v", s, err)
			}
			if _, err := session.AppOf(s); err == nil && len(s) < 30 {
				t.Errorf("%.20q has an app", s)
			}
		}
	})
	t.Run("ErrExpired", func(t *testing.T) {
		w := newWorld(t, everything())
		w.register("a@example.com", "secret1")
		tok := w.login("local-userpass", userpass("a@example.com", "secret1"))
		// The clock of the sessions is the process's; shorter lifetimes stand in for time.
		w.app.Settings.AccessTokenTTL = time.Second
		short, err := auth.New(t.Context(), w.config)
		if err != nil {
			t.Fatal(err)
		}
		defer short.Close()
		brief, err := short.Refresh(t.Context(), tok.RefreshToken, nil)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		_, err = short.Authenticate(t.Context(), brief)
		refused(t, err, 401, fault.InvalidSession, "")
	})
}

// Keys rotate without logging anybody out; a retired key logs out whom it signed.
func TestKeyRotation(t *testing.T) {
	w := newWorld(t, everything())
	other := w.another()
	old := w.login("anon-user", `{}`)
	kid, err := w.Sessions.RotateKey(t.Context(), w.Domain)
	if err != nil || kid != "2" {
		t.Fatalf("new key %q: %v", kid, err)
	}
	fresh := w.login("anon-user", `{}`)
	for _, tok := range []auth.Tokens{old, fresh} {
		for _, s := range []*auth.Service{w.Service, other} {
			if _, err := s.Authenticate(t.Context(), tok.AccessToken); err != nil {
				t.Error(err)
			}
			if _, err := s.Refresh(t.Context(), tok.RefreshToken, nil); err != nil {
				t.Error(err)
			}
		}
	}
	if err := w.Sessions.RetireKey(t.Context(), w.Domain, "2"); err == nil {
		t.Error("the signing key was retired")
	}
	if err := w.Sessions.RetireKey(t.Context(), w.Domain, "1"); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*auth.Service{w.Service, other} {
		eventually(t, func() error { _, err := s.Authenticate(t.Context(), old.AccessToken); return err }, fault.AuthError)
		if _, err := s.Authenticate(t.Context(), fresh.AccessToken); err != nil {
			t.Error(err)
		}
	}
}

// eventually waits until f is refused with a code, for as long as another
// process may take to notice.
func eventually(t *testing.T, f func() error, want fault.Code) {
	t.Helper()
	var err error
	for end := time.Now().Add(6 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		err = f()
		if code, ok := fault.CodeOf(err); ok && code == want {
			return
		}
	}
	t.Fatalf("got %v, want %s", err, want)
}

// Every process refuses what one of them ended, at the next request: a session
// inside its user's document as well as one of its own.
func TestRevocation(t *testing.T) {
	w := newWorld(t, everything())
	other := w.another()
	t.Run("FirstSession", func(t *testing.T) {
		testRevocation(t, w, other, func() auth.Tokens { return w.login("anon-user", `{}`) })
	})
	accounts := 0
	t.Run("FurtherSession", func(t *testing.T) {
		testRevocation(t, w, other, func() auth.Tokens {
			accounts++
			email := fmt.Sprintf("%d@example.com", accounts)
			w.register(email, "secret1")
			return w.login("local-userpass", userpass(email, "secret1"))
		})
	})
}

func testRevocation(t *testing.T, w *world, other *auth.Service, login func() auth.Tokens) {
	ctx := t.Context()
	start := func() auth.Tokens {
		tok := login()
		for _, s := range []*auth.Service{w.Service, other} {
			if _, err := s.Authenticate(ctx, tok.AccessToken); err != nil {
				t.Fatal(err)
			}
			if err := s.Alive(ctx, payload(t, tok.AccessToken)["iss"].(string), tok.UserID); err != nil {
				t.Fatal(err)
			}
		}
		return tok
	}
	ended := func(t *testing.T, tok auth.Tokens, access, refresh fault.Code) {
		t.Helper()
		// Here at once, there when the change arrives.
		if _, err := w.Authenticate(ctx, tok.AccessToken); err == nil {
			t.Error("this process accepts the access token")
		}
		for _, s := range []*auth.Service{w.Service, other} {
			eventually(t, func() error { _, err := s.Authenticate(ctx, tok.AccessToken); return err }, access)
			eventually(t, func() error { _, err := s.Refresh(ctx, tok.RefreshToken, nil); return err }, refresh)
			if err := s.Alive(ctx, payload(t, tok.AccessToken)["iss"].(string), tok.UserID); err == nil {
				t.Error("the session counts as alive")
			}
		}
	}
	t.Run("Logout", func(t *testing.T) {
		tok, still := start(), start()
		if err := w.Logout(ctx, tok.RefreshToken); err != nil {
			t.Fatal(err)
		}
		ended(t, tok, fault.InvalidSession, fault.InvalidSession)
		refused(t, w.Logout(ctx, tok.RefreshToken), 401, fault.InvalidSession, "invalid session: failed to find refresh token")
		if _, err := w.Authenticate(ctx, still.AccessToken); err != nil {
			t.Error("another session ended too")
		}
	})
	// In this process at once: not when the change stream gets round to it.
	t.Run("AtOnce", func(t *testing.T) {
		for range 100 {
			tok := login()
			w.session(tok)
			if err := w.Logout(ctx, tok.RefreshToken); err != nil {
				t.Fatal(err)
			}
			_, err := w.Authenticate(ctx, tok.AccessToken)
			refused(t, err, 401, fault.InvalidSession, "")
		}
	})
	t.Run("Disable", func(t *testing.T) {
		tok := start()
		if err := w.SetDisabled(ctx, tok.UserID, true); err != nil {
			t.Fatal(err)
		}
		ended(t, tok, fault.UserDisabled, fault.InvalidSession)
		if err := w.SetDisabled(ctx, tok.UserID, false); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Authenticate(ctx, tok.AccessToken); err != nil {
			t.Error(err)
		}
	})
	t.Run("Revoke", func(t *testing.T) {
		tok := start()
		if n, err := w.RevokeSessions(ctx, tok.UserID); err != nil || n != 1 {
			t.Fatal(n, err)
		}
		ended(t, tok, fault.InvalidSession, fault.InvalidSession)
	})
	t.Run("Delete", func(t *testing.T) {
		tok := start()
		if err := w.DeleteUser(ctx, w.session(tok)); err != nil {
			t.Fatal(err)
		}
		ended(t, tok, fault.InvalidSession, fault.InvalidSession)
		refused(t, w.Logout(ctx, tok.RefreshToken), 401, fault.InvalidSession, "invalid session: failed to find refresh token")
	})
}

// A session is its user's and its app's: nobody else's id goes with it.
func TestSessionIsItsUsers(t *testing.T) {
	w, other := newWorld(t, everything()), newWorld(t, everything())
	ann, ben := w.session(w.login("anon-user", `{}`)), w.session(w.login("anon-user", `{}`))
	if err := w.Alive(t.Context(), ann.ID.Hex(), ann.User.ID); err != nil {
		t.Error(err)
	}
	refused(t, w.Alive(t.Context(), ann.ID.Hex(), ben.User.ID), 401, fault.InvalidSession, "")
	refused(t, other.Alive(t.Context(), ann.ID.Hex(), ann.User.ID), 401, fault.InvalidSession, "")
}

// An anonymous log-in is one write and no read: user and session become durable together.
func TestAnonymousIsOneWrite(t *testing.T) {
	w := newWorld(t, everything())
	var commands sync.Map
	s := w.on(counting(&commands), nil)
	login := func() {
		t.Helper()
		if _, err := s.Login(t.Context(), "anon-user", doc(`{}`), nil); err != nil {
			t.Fatal(err)
		}
	}
	// When the stream of changes begins, everything known is read again.
	for end := time.Now().Add(10 * time.Second); !s.Sessions.Watcher().Live(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the change stream does not come up")
		}
	}
	login()
	commands.Clear()
	for range 10 {
		login()
	}
	commands.Range(func(name, n any) bool {
		if count := *(n.(*int)); name != "insert" || count != 10 {
			t.Errorf("ten log-ins: %d × %s", count, name)
		}
		return true
	})
}

// What a session says of its device, address and last use, wherever it is stored.
func TestSessionsOfUser(t *testing.T) {
	w := newWorld(t, everything())
	c := &clock{}
	s := w.on(shared.options(), c.now)
	ctx := t.Context()
	tok, err := s.Login(ctx, "anon-user", doc(`{"options": {"device": {"platform": "node", "sdkVersion": "2.0.1"}}}`), from("192.0.2.1"))
	if err != nil {
		t.Fatal(err)
	}
	w.register("a@example.com", "secret1")
	if _, err := s.Link(ctx, w.session(tok), "local-userpass", doc(userpass("a@example.com", "secret1")), nil); err != nil {
		t.Fatal(err)
	}
	c.advance(time.Hour)
	if _, err := s.Login(ctx, "local-userpass", doc(fmt.Sprintf(`{"username": "a@example.com", "password": "secret1", "options": {"device": {"deviceId": %q, "platform": "ios"}}}`, tok.DeviceID)), from("192.0.2.2")); err != nil {
		t.Fatal(err)
	}
	c.advance(time.Hour)
	if _, err := s.Refresh(ctx, tok.RefreshToken, from("192.0.2.3")); err != nil {
		t.Fatal(err)
	}
	list, err := s.UserSessions(ctx, tok.UserID)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, st := range list {
		got = append(got, fmt.Sprintf("%s %s %s %v created %s used %s", st.Identity.ProviderType, st.DeviceInfo.Platform, st.Address, st.Device.Hex() == tok.DeviceID,
			time.Until(st.Created).Round(time.Hour), time.Until(st.Used).Round(time.Hour)))
	}
	want := []string{"local-userpass ios 192.0.2.2 true created 1h0m0s used 1h0m0s", "anon-user node 192.0.2.3 true created 0s used 2h0m0s"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// Processes whose clocks differ take each other's tokens: iat is not looked at, and
// exp is each process's own matter. One whose clock is more than an access token's
// life away has it refreshed, and nobody is locked out.
func TestClocksOfProcesses(t *testing.T) {
	w := newWorld(t, everything())
	for _, c := range []struct {
		skew    time.Duration
		there   bool // a token from here is good at the other process
		andBack bool
	}{
		{10 * time.Minute, true, true},
		{-10 * time.Minute, true, true},
		{29 * time.Minute, true, true},
		{31 * time.Minute, false, true},
		{-31 * time.Minute, true, false},
		{24 * time.Hour, false, true},
	} {
		t.Run(c.skew.String(), func(t *testing.T) {
			clock := &clock{ahead: c.skew}
			other := w.on(shared.options(), clock.now)
			for _, way := range []struct {
				name     string
				from, to *auth.Service
				good     bool
			}{{"There", w.Service, other, c.there}, {"Back", other, w.Service, c.andBack}} {
				t.Run(way.name, func(t *testing.T) {
					tok, err := way.from.Login(t.Context(), "anon-user", doc(`{}`), nil)
					must(err)
					if _, err := way.to.Authenticate(t.Context(), tok.AccessToken); way.good {
						must(err)
					} else {
						refused(t, err, 401, fault.InvalidSession, "invalid session: access token expired")
					}
					access, err := way.to.Refresh(t.Context(), tok.RefreshToken, nil)
					must(err)
					_, err = way.to.Authenticate(t.Context(), access)
					must(err)
				})
			}
		})
	}
}

func TestDisabledUserCannotLogIn(t *testing.T) {
	w := newWorld(t, everything())
	w.register("a@example.com", "secret1")
	tok := w.login("local-userpass", userpass("a@example.com", "secret1"))
	if err := w.SetDisabled(t.Context(), tok.UserID, true); err != nil {
		t.Fatal(err)
	}
	_, err := w.Login(t.Context(), "local-userpass", doc(userpass("a@example.com", "secret1")), nil)
	refused(t, err, 401, fault.UserDisabled, "")
	_, err = w.Login(t.Context(), "local-userpass", doc(userpass("a@example.com", "wrong!!")), nil)
	refused(t, err, 401, fault.InvalidPassword, "unauthorized")
	if err := w.SetDisabled(t.Context(), tok.UserID, false); err != nil {
		t.Fatal(err)
	}
	if again := w.login("local-userpass", userpass("a@example.com", "secret1")); again.UserID != tok.UserID {
		t.Error("another user after enabling")
	}
}

// In the steady state a request costs no database command.
func TestNoReadsPerRequest(t *testing.T) {
	w := newWorld(t, everything())
	tok := w.login("anon-user", `{}`)
	var commands sync.Map
	s := w.on(counting(&commands), nil)
	for end := time.Now().Add(5 * time.Second); !s.Sessions.Watcher().Live(); {
		if time.Now().After(end) {
			t.Fatal("the change stream does not come up")
		}
		time.Sleep(10 * time.Millisecond)
	}
	use := func() {
		if _, err := s.Authenticate(t.Context(), tok.AccessToken); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Refresh(t.Context(), tok.RefreshToken, nil); err != nil {
			t.Fatal(err)
		}
	}
	use()
	commands.Clear()
	for range 200 {
		use()
	}
	commands.Range(func(name, n any) bool {
		t.Errorf("%d × %s", *(n.(*int)), name)
		return true
	})
}

func TestAPIKeys(t *testing.T) {
	w := newWorld(t, everything())
	ctx := t.Context()
	w.register("a@example.com", "secret1")
	w.register("b@example.com", "secret1")
	a, b := w.login("local-userpass", userpass("a@example.com", "secret1")), w.login("local-userpass", userpass("b@example.com", "secret1"))
	none, err := w.APIKeys(ctx, a.RefreshToken)
	if err != nil || none == nil || len(none) != 0 {
		t.Fatalf("no keys yet: %v %v", none, err)
	}
	key, err := w.CreateAPIKey(ctx, a.RefreshToken, "my-key_1")
	if err != nil || len(key.Key) != 64 || len(key.ID) != 24 {
		t.Fatalf("%+v %v", key, err)
	}
	// Another user cannot link it, used before or not.
	_, err = w.Link(ctx, w.session(b), "api-key", conf("key", key.Key), nil)
	refused(t, err, 409, fault.InvalidSession, "a user already exists with the specified provider")
	tok := w.login("api-key", `{"key": "`+key.Key+`"}`)
	if tok.UserID != a.UserID {
		t.Error("the key logs in somebody else than its owner")
	}
	se := w.session(tok)
	if got := identities(se); got != "local-userpass api-key" || se.User.Type != "normal" {
		t.Errorf("identities %s, type %s", got, se.User.Type)
	}
	if se.User.Data.String() != `{"email": "a@example.com"}` {
		t.Errorf("data: %s", se.User.Data)
	}
	got, err := w.APIKey(ctx, a.RefreshToken, key.ID)
	if err != nil || got != (auth.APIKey{ID: key.ID, Name: "my-key_1"}) {
		t.Errorf("%+v %v", got, err)
	}
	t.Run("ErrNotFound", func(t *testing.T) {
		for _, id := range []string{key.ID, "650000000000000000000000", "x", ""} {
			_, err := w.APIKey(ctx, b.RefreshToken, id)
			refused(t, err, 404, fault.APIKeyNotFound, "API key not found")
			refused(t, w.DeleteAPIKey(ctx, b.RefreshToken, id), 404, fault.APIKeyNotFound, "API key not found")
			refused(t, w.SetAPIKeyDisabled(ctx, b.RefreshToken, id, true), 404, fault.APIKeyNotFound, "API key not found")
		}
	})
	t.Run("ErrNames", func(t *testing.T) {
		for _, c := range []struct {
			name   string
			status int
			code   fault.Code
			text   string
		}{
			{"", 400, fault.None, "'name' is a required string"},
			{"a b", 400, fault.InvalidParameter, ""}, {"ä", 400, fault.InvalidParameter, ""}, {strings.Repeat("x", 200), 400, fault.InvalidParameter, ""},
			{"my-key_1", 409, fault.APIKeyAlreadyExists, ""},
		} {
			_, err := w.CreateAPIKey(ctx, a.RefreshToken, c.name)
			refused(t, err, c.status, c.code, c.text)
		}
		// Names are unique for their owner only.
		if _, err := w.CreateAPIKey(ctx, b.RefreshToken, "my-key_1"); err != nil {
			t.Error(err)
		}
	})
	t.Run("ErrForbidden", func(t *testing.T) {
		_, err := w.CreateAPIKey(ctx, w.login("anon-user", `{}`).RefreshToken, "k")
		refused(t, err, 403, fault.None, "")
		refused(t, w.DeleteAPIKey(ctx, tok.RefreshToken, key.ID), 403, fault.None, "")
	})
	t.Run("Disable", func(t *testing.T) {
		if err := w.SetAPIKeyDisabled(ctx, a.RefreshToken, key.ID, true); err != nil {
			t.Fatal(err)
		}
		_, err := w.Login(ctx, "api-key", conf("key", key.Key), nil)
		refused(t, err, 401, fault.AuthError, "unauthorized")
		_, err = w.Authenticate(ctx, tok.AccessToken)
		refused(t, err, 401, fault.InvalidSession, "")
		if err := w.SetAPIKeyDisabled(ctx, a.RefreshToken, key.ID, false); err != nil {
			t.Fatal(err)
		}
		w.login("api-key", `{"key": "`+key.Key+`"}`)
	})
	t.Run("Delete", func(t *testing.T) {
		if err := w.DeleteAPIKey(ctx, a.RefreshToken, key.ID); err != nil {
			t.Fatal(err)
		}
		_, err := w.Login(ctx, "api-key", conf("key", key.Key), nil)
		refused(t, err, 401, fault.AuthError, "unauthorized")
		if got := identities(w.session(a)); got != "local-userpass" {
			t.Errorf("identities: %s", got)
		}
	})
	t.Run("ErrTooMany", func(t *testing.T) {
		var wg sync.WaitGroup
		for i := range 30 {
			wg.Go(func() { w.CreateAPIKey(ctx, a.RefreshToken, fmt.Sprint("k", i)) })
		}
		wg.Wait()
		if keys, err := w.APIKeys(ctx, a.RefreshToken); err != nil || len(keys) > 20 {
			t.Errorf("%d keys, %v", len(keys), err)
		}
	})
	t.Run("Server", func(t *testing.T) {
		key, err := w.CreateServerKey(ctx, "backend")
		if err != nil {
			t.Fatal(err)
		}
		users, err := w.Users(ctx, auth.UserFilter{Providers: []string{"api-key"}})
		if err != nil || len(users) != 1 || users[0].Type != "server" {
			t.Fatalf("%+v %v", users, err)
		}
		tok := w.login("api-key", `{"key": "`+key.Key+`"}`)
		se := w.session(tok)
		if tok.UserID != users[0].ID || se.User.Type != "server" || se.User.Data.String() != `{"name": "backend"}` {
			t.Errorf("%+v", se.User)
		}
		if err := w.DeleteServerKey(ctx, key.ID); err != nil {
			t.Fatal(err)
		}
		_, err = w.Authenticate(ctx, tok.AccessToken)
		refused(t, err, 401, fault.InvalidSession, "")
	})
}
