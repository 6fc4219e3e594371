package auth_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
	"regent/internal/auth"
	"regent/internal/caller"
	"regent/internal/fault"
	"regent/test/openid"
)

// site is a server with the two routes of the redirect flow.
type site struct {
	*world
	url     string
	browser *http.Client
}

const page = "https://app.example/page/"

func newSite(t *testing.T, p *app.Provider, name string, change ...func(*auth.Config)) *site {
	t.Helper()
	st := &site{}
	mux := http.NewServeMux()
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	st.url = srv.URL
	p.RedirectURIs = []string{page}
	if p.Config == nil {
		p.Config = conf("issuer", openid.Start(t, srv.URL+auth.CallbackPath).Issuer, "clientId", openid.ClientID)
		p.SecretConfig = map[string][]string{"clientSecret": {"op"}}
	}
	st.world = newWorld(t, providers{name: p, "anon-user": {}, "local-userpass": {Config: conf("autoConfirm", true)}}, append(change, func(c *auth.Config) {
		c.PublicURL = func() string { return srv.URL }
		c.App.Secrets["op"] = openid.ClientSecret
	})...)
	describe := func(r *http.Request) *caller.Request { return &caller.Request{RemoteIP: "192.0.2.1"} }
	fail := func(w http.ResponseWriter, _ *http.Request, err error) {
		var f *fault.Error
		if !errors.As(err, &f) {
			t.Errorf("begin: %v", err)
			f = fault.New(fault.InternalServerError, "")
		}
		w.WriteHeader(f.Status)
		io.WriteString(w, string(f.Code)+" "+f.Message)
	}
	mux.Handle("GET /api/client/v2.0/app/{app}/auth/providers/{provider}/login", st.RedirectHandler(describe, fail))
	mux.Handle(auth.CallbackPath, &auth.Callback{Describe: describe, Find: func(domain string) *auth.Service {
		if domain == st.Domain.Hex() {
			return st.Service
		}
		return nil
	}})
	st.browser = newBrowser()
	return st
}

// newBrowser keeps cookies and follows redirects, but not to the app's page.
func newBrowser() *http.Client {
	jar, _ := cookiejar.New(nil)
	return &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), "https://app.example/") {
			return http.ErrUseLastResponse
		}
		return nil
	}}
}

func (st *site) begin(provider string, query url.Values) string {
	return st.url + "/api/client/v2.0/app/" + st.app.ID + "/auth/providers/" + provider + "/login?" + query.Encode()
}

// What the redirect flow asks of a provider is what the configuration says, and
// settings of regent.json count before it.
func TestAuthorizationRequest(t *testing.T) {
	const google = "https://www.googleapis.com/auth/userinfo.email"
	endpoints := []any{"clientId", "todo", "issuer", "https://id.example", "authorizationUrl", "https://id.example/authorize", "tokenUrl", "https://id.example/token", "jwksUrl", "https://id.example/keys"}
	for name, c := range map[string]struct {
		provider string
		config   bson.Raw
		settings app.OAuthSettings
		at       string
		scopes   []string
	}{
		"Default":       {"oauth2-mine", conf(endpoints...), app.OAuthSettings{}, "https://id.example/authorize", []string{"openid", "email", "profile"}},
		"OwnScopes":     {"oauth2-mine", conf(append(endpoints, "scopes", bson.A{"openid", "groups"})...), app.OAuthSettings{}, "https://id.example/authorize", []string{"openid", "groups"}},
		"SettingsCount": {"oauth2-mine", conf(append(endpoints, "scopes", bson.A{"openid", "groups"})...), app.OAuthSettings{Scopes: []string{"openid", "other"}, AuthorizationURL: "https://elsewhere.example/a"}, "https://elsewhere.example/a", []string{"openid", "other"}},
		"GoogleElsewhere": {"oauth2-google", conf("clientId", "todo"), app.OAuthSettings{Issuer: "https://id.example", AuthorizationURL: "https://id.example/authorize", TokenURL: "https://id.example/token",
			JWKSURL: "https://id.example/keys", Scopes: []string{"openid", google}}, "https://id.example/authorize", []string{"openid", google}},
	} {
		t.Run(name, func(t *testing.T) {
			st := newSite(t, &app.Provider{Config: c.config}, c.provider, func(k *auth.Config) {
				k.App.Settings.OAuth = map[string]app.OAuthSettings{c.provider: c.settings}
			})
			st.browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			resp, err := st.browser.Get(st.begin(c.provider, url.Values{"state": {"abc"}, "redirect": {page}}))
			must(err)
			resp.Body.Close()
			u, err := resp.Location()
			must(err)
			q := u.Query()
			u.RawQuery = ""
			if u.String() != c.at || q.Get("client_id") != "todo" || q.Get("response_type") != "code" || q.Get("redirect_uri") != st.url+auth.CallbackPath ||
				q.Get("scope") != strings.Join(c.scopes, " ") || len(q.Get("state")) < 22 || q.Get("nonce") == "" ||
				q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "" {
				t.Errorf("%s %s %v", resp.Status, u, q)
			}
		})
	}
}

var hiddenID = regexp.MustCompile(`name="id" value="([^"]+)"`)

// logInAt goes to the provider, fills in its form and comes back with what the
// app's page gets in its fragment.
func logInAt(t *testing.T, browser *http.Client, at, username string) url.Values {
	t.Helper()
	resp, err := browser.Get(at)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	m := hiddenID.FindSubmatch(body)
	if m == nil {
		t.Fatalf("no log-in form: %s %s", resp.Status, body)
	}
	form := url.Values{"username": {username}, "password": {"verysecure"}, "id": {string(m[1])}}
	resp, err = browser.PostForm(resp.Request.URL.String(), form)
	if err != nil {
		t.Fatal(err)
	}
	body, _ = io.ReadAll(resp.Body)
	resp.Body.Close()
	return fragmentOf(t, resp, body)
}

// fragmentOf is what the app's page gets.
func fragmentOf(t *testing.T, resp *http.Response, body []byte) url.Values {
	t.Helper()
	location, fragment, _ := strings.Cut(resp.Header.Get("Location"), "#")
	if resp.StatusCode != http.StatusFound || location != page {
		t.Fatalf("not back at the app's page: %s %q %s", resp.Status, location, body)
	}
	// As handleAuthRedirect of realm-web splits it.
	values := url.Values{}
	for part := range strings.SplitSeq(fragment, "&") {
		name, value, _ := strings.Cut(part, "=")
		if strings.ContainsAny(value, "=+") {
			t.Errorf("%s is not encoded for decodeURIComponent: %s", name, value)
		}
		value, err := url.PathUnescape(value)
		if err != nil {
			t.Fatal(err)
		}
		values.Set(name, value)
	}
	return values
}

func tokensOf(t *testing.T, v url.Values) auth.Tokens {
	t.Helper()
	parts := strings.Split(v.Get("_baas_ua"), "$")
	if len(parts) != 4 {
		t.Fatalf("answer: %v", v)
	}
	return auth.Tokens{AccessToken: parts[0], RefreshToken: parts[1], UserID: parts[2], DeviceID: parts[3]}
}

func TestRedirectFlow(t *testing.T) {
	fields := []app.MetadataField{{Name: "email"}, {Name: "first_name"}, {Name: "name", Required: true}}
	st := newSite(t, &app.Provider{MetadataFields: fields}, "oauth2-mine")
	device := base64.StdEncoding.EncodeToString([]byte(`{"platform": "chrome", "deviceId": "650000000000000000000001"}`))
	begin := st.begin("oauth2-mine", url.Values{"state": {"abcdefghijkl"}, "redirect": {page}, "device": {device}})

	got := logInAt(t, st.browser, begin, "test-user2")
	if got.Get("_baas_client_app_id") != st.app.ID || got.Get("_baas_state") != "abcdefghijkl" || got.Has("_baas_link") || got.Has("_baas_error") {
		t.Errorf("answer: %v", got)
	}
	tok := tokensOf(t, got)
	se := st.session(tok)
	if tok.UserID != se.User.ID || tok.DeviceID != "650000000000000000000001" || se.User.Identities[0].ID != "id2" {
		t.Errorf("tokens %+v, user %+v", tok, se.User)
	}
	if d := se.User.Data.String(); d != `{"email": "test-user2@zitadel.ch","first_name": "Test","name": "Test User2"}` {
		t.Errorf("data: %s", d)
	}
	if _, err := st.Refresh(t.Context(), tok.RefreshToken, nil); err != nil {
		t.Error(err)
	}
	again := tokensOf(t, logInAt(t, newBrowser(), begin, "test-user2"))
	if again.UserID != tok.UserID {
		t.Error("another user at the second log-in")
	}

	t.Run("Link", func(t *testing.T) {
		st.register("ann@example.com", "secret1")
		ann := st.login("local-userpass", userpass("ann@example.com", "secret1"))
		link := func(browser *http.Client, token string) (*http.Response, string) {
			q := url.Values{"state": {"s"}, "redirect": {page}, "link": {"true"}, "providerRedirectHeader": {"true"}}
			req, _ := http.NewRequest("GET", st.begin("oauth2-mine", q), nil)
			req.Header.Set("Authorization", "Bearer "+token)
			resp, err := browser.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			return resp, resp.Header.Get("X-Baas-Location")
		}
		browser := newBrowser()
		resp, at := link(browser, ann.AccessToken)
		if resp.StatusCode != 200 || at == "" || len(resp.Cookies()) != 1 || !resp.Cookies()[0].HttpOnly {
			t.Fatalf("%s %q %v", resp.Status, at, resp.Cookies())
		}
		got := logInAt(t, browser, at, "test-user@127.0.0.1")
		tok := tokensOf(t, got)
		if got.Get("_baas_link") != "true" || tok.UserID != ann.UserID {
			t.Errorf("answer: %v", got)
		}
		if ids := identities(st.session(tok)); ids != "local-userpass oauth2-mine" {
			t.Errorf("identities: %s", ids)
		}
		// The other example user's identity belongs to somebody.
		browser = newBrowser()
		_, at = link(browser, ann.AccessToken)
		if got := logInAt(t, browser, at, "test-user2"); got.Get("_baas_error") != "a user already exists with the specified provider" || got.Get("_baas_state") != "s" || got.Has("_baas_ua") {
			t.Errorf("answer: %v", got)
		}
		if resp, _ := link(newBrowser(), "garbage"); resp.StatusCode != 401 {
			t.Errorf("a foreign token: %s", resp.Status)
		}
	})
	t.Run("ErrOtherBrowser", func(t *testing.T) {
		// The victim's browser completes what the attacker's began.
		attacker, victim := newBrowser(), newBrowser()
		attacker.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		resp, err := attacker.Get(begin)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		resp, err = victim.Get(resp.Header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		form := url.Values{"username": {"test-user2"}, "password": {"verysecure"}, "id": {string(hiddenID.FindSubmatch(body)[1])}}
		// A cookie of the right name and another attempt's value.
		own, _ := url.Parse(st.url + auth.CallbackPath)
		for _, c := range attacker.Jar.Cookies(own) {
			c.Value, c.Path = strings.Repeat("0", len(c.Value)), auth.CallbackPath
			victim.Jar.SetCookies(own, []*http.Cookie{c})
		}
		if len(victim.Jar.Cookies(own)) != 1 {
			t.Fatal("the victim has no cookie")
		}
		resp, err = victim.PostForm(resp.Request.URL.String(), form)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 400 || resp.Header.Get("Location") != "" {
			t.Errorf("%s %s", resp.Status, resp.Header.Get("Location"))
		}
	})
	t.Run("ErrRedirectAddress", func(t *testing.T) {
		for _, to := range []string{"", "https://evil.example/", "https://app.example/page", page + "?x", "https://app.example/page/../x", "javascript:alert(1)", "HTTPS://APP.EXAMPLE/page/"} {
			resp, err := newBrowser().Get(st.begin("oauth2-mine", url.Values{"state": {"s"}, "redirect": {to}}))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != 400 || len(resp.Cookies()) != 0 {
				t.Errorf("%q: %s", to, resp.Status)
			}
		}
	})
	t.Run("ErrCallback", func(t *testing.T) {
		for _, query := range []string{"", "state=x&code=y", "state=" + st.Domain.Hex() + ".00&code=y", "state=" + st.Domain.Hex() + "&code=y"} {
			resp, err := st.browser.Get(st.url + auth.CallbackPath + "?" + query)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != 400 || resp.Header.Get("Location") != "" {
				t.Errorf("%q: %s", query, resp.Status)
			}
		}
	})
	t.Run("ErrDenied", func(t *testing.T) {
		browser := newBrowser()
		browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		resp, err := browser.Get(begin)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		at, _ := url.Parse(resp.Header.Get("Location"))
		back := func() *http.Response {
			resp, err := browser.Get(st.url + auth.CallbackPath + "?" + url.Values{"state": {at.Query().Get("state")}, "error": {"access_denied"}, "error_description": {"No = & thanks"}}.Encode())
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			return resp
		}
		resp = back()
		if l := resp.Header.Get("Location"); !strings.HasPrefix(l, page+"#") || !strings.Contains(l, "_baas_error=No%20%3D%20%26%20thanks") || strings.Contains(l, "_baas_ua") {
			t.Errorf("back at %q", l)
		}
		if resp = back(); resp.StatusCode != 400 {
			t.Errorf("a state worked twice: %s", resp.Status)
		}
	})
}

// issuer signs id tokens and serves its keys, which can be changed.
type issuer struct {
	url     string
	keys    map[string]*rsa.PrivateKey
	fetched atomic.Int64
}

func newIssuer(t *testing.T, kids ...string) *issuer {
	t.Helper()
	is := &issuer{keys: map[string]*rsa.PrivateKey{}}
	for _, kid := range kids {
		is.addKey(t, kid)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		is.fetched.Add(1)
		var set []map[string]string
		for kid, key := range is.keys {
			set = append(set, map[string]string{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid,
				"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes())})
		}
		json.NewEncoder(w).Encode(map[string]any{"keys": set})
	}))
	t.Cleanup(srv.Close)
	is.url = srv.URL
	return is
}

func (is *issuer) addKey(t *testing.T, kid string) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	is.keys[kid] = key
}

func (is *issuer) sign(t *testing.T, kid string, claims jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["kid"] = kid
	s, err := token.SignedString(is.keys[kid])
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestIDToken(t *testing.T) {
	for _, provider := range []string{"oauth2-google", "oauth2-apple", "oauth2-mine"} {
		t.Run(provider, func(t *testing.T) {
			is := newIssuer(t, "k1", "k2")
			ps := providers{provider: {Config: conf("clientId", "web", "issuer", is.url), MetadataFields: []app.MetadataField{{Name: "email"}}, DomainRestrictions: []string{"example.com"}}}
			w := newWorld(t, ps, func(c *auth.Config) {
				c.App.Settings.OAuth = map[string]app.OAuthSettings{provider: {Issuer: is.url, AuthorizationURL: is.url + "/a", TokenURL: is.url + "/t", JWKSURL: is.url, Audiences: []string{"android"}}}
			})
			valid := func() jwt.MapClaims {
				return jwt.MapClaims{"iss": is.url, "aud": "web", "sub": "s1", "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(), "email": "a@example.com", "email_verified": true}
			}
			login := func(kid string, change func(jwt.MapClaims)) (auth.Tokens, error) {
				c := valid()
				if change != nil {
					change(c)
				}
				return w.Login(t.Context(), provider, conf("id_token", is.sign(t, kid, c)), nil)
			}
			first, err := login("k1", nil)
			if err != nil {
				t.Fatal(err)
			}
			second, err := login("k2", func(c jwt.MapClaims) { c["aud"] = "android" })
			if err != nil || first.UserID != second.UserID {
				t.Errorf("another client of the app: %v", err)
			}
			se := w.session(first)
			if se.User.Identities[0].ID != "s1" || se.User.Data.Lookup("email").StringValue() != "a@example.com" {
				t.Errorf("%+v", se.User)
			}
			for name, change := range map[string]func(jwt.MapClaims){
				"audience": func(c jwt.MapClaims) { c["aud"] = "somebody else's app" },
				"issuer":   func(c jwt.MapClaims) { c["iss"] = "https://evil.example" },
				"expired":  func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Hour).Unix() },
				"subject":  func(c jwt.MapClaims) { delete(c, "sub") },
			} {
				if _, err := login("k1", change); err == nil {
					t.Errorf("wrong %s is accepted", name)
				} else {
					refused(t, err, 401, fault.AuthError, "unauthorized")
				}
			}
			for name, change := range map[string]func(jwt.MapClaims){
				"domain":     func(c jwt.MapClaims) { c["email"] = "a@evil.example" },
				"suffix":     func(c jwt.MapClaims) { c["email"] = "a@notexample.com" },
				"sub":        func(c jwt.MapClaims) { c["email"] = "a@example.com@evil.example" },
				"unverified": func(c jwt.MapClaims) { c["email_verified"] = false },
				"no email":   func(c jwt.MapClaims) { delete(c, "email") },
			} {
				_, err := login("k1", change)
				if code, _ := fault.CodeOf(err); code != fault.DomainNotAllowed {
					t.Errorf("%s: %v", name, err)
				}
			}
			stranger := newIssuer(t, "k1")
			_, err = w.Login(t.Context(), provider, conf("id_token", stranger.sign(t, "k1", valid())), nil)
			refused(t, err, 401, fault.AuthError, "unauthorized")
			_, err = w.Login(t.Context(), provider, conf("accessToken", "x"), nil)
			refused(t, err, 401, fault.AuthError, "unauthorized")
			_, err = w.Login(t.Context(), provider, conf("id_token", 5), nil)
			refused(t, err, 400, fault.BadRequest, "")
		})
	}
}

// A provider that has names of its own for address and name, and what Regent
// makes of OpenID Connect's.
func TestClaimNames(t *testing.T) {
	is := newIssuer(t, "k")
	settings := app.OAuthSettings{Issuer: is.url, AuthorizationURL: is.url + "/a", TokenURL: is.url + "/t", JWKSURL: is.url, EmailClaim: "upn", NameClaim: "display"}
	ps := providers{"oauth2-mine": {Config: conf("clientId", "web"), DomainRestrictions: []string{"example.com"}, MetadataFields: []app.MetadataField{
		{Name: "email", Required: true}, {Name: "name"}, {Name: "first_name"}, {Name: "birthday"}, {Name: "department.name", FieldName: "department"}, {Name: "absent"}}}}
	w := newWorld(t, ps, func(c *auth.Config) { c.App.Settings.OAuth = map[string]app.OAuthSettings{"oauth2-mine": settings} })
	login := func(claims jwt.MapClaims) (auth.Tokens, error) {
		for k, v := range map[string]any{"iss": is.url, "aud": "web", "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(), "email_verified": true} {
			claims[k] = v
		}
		return w.Login(t.Context(), "oauth2-mine", conf("id_token", is.sign(t, "k", claims)), nil)
	}
	tok, err := login(jwt.MapClaims{"sub": "1", "email": "ann@elsewhere.org", "upn": "ann@example.com", "name": "no", "display": "Ann", "given_name": "A.", "birthdate": "1990-01-01",
		"department": map[string]any{"name": "Shop"}, "secret": "x"})
	if err != nil {
		t.Fatal(err)
	}
	if d := w.session(tok).User.Data.String(); d != `{"email": "ann@example.com","name": "Ann","first_name": "A.","birthday": "1990-01-01","department": "Shop"}` {
		t.Errorf("data: %s", d)
	}
	// Where the named claim is missing, the standard one does not stand in.
	if _, err := login(jwt.MapClaims{"sub": "2", "email": "ben@example.com"}); err == nil {
		t.Error("an address of another claim counts")
	}
}

// The redirect flow of Apple and Facebook, by stand-ins that ask for what these
// ask for: Apple wants its client secret, a signed JWT, in the body and answers with an
// id token, Facebook answers with an access token that its graph explains.
func TestRedirectOfPresets(t *testing.T) {
	is := newIssuer(t, "k")
	const secret = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ0b2RvIn0.c2lnbmF0dXJl"
	var asked url.Values     // the last authorization request
	var forged jwt.MapClaims // what the next id tokens claim instead
	mux := http.NewServeMux()
	provider := httptest.NewServer(mux)
	defer provider.Close()
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Query()
		http.Redirect(w, r, asked.Get("redirect_uri")+"?"+url.Values{"code": {"good code"}, "state": {asked.Get("state")}}.Encode(), http.StatusFound)
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("client_id") != "todo" || r.PostFormValue("client_secret") != secret || r.PostFormValue("redirect_uri") != asked.Get("redirect_uri") || r.PostFormValue("code") != "good code" {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"error": "invalid_client"}`)
			return
		}
		answer := map[string]any{"access_token": "ours", "token_type": "bearer", "expires_in": 3600}
		if asked.Get("scope") == "openid" {
			claims := jwt.MapClaims{"iss": provider.URL, "aud": "todo", "sub": "apple-7", "nonce": asked.Get("nonce"), "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix()}
			maps.Copy(claims, forged)
			answer["id_token"] = is.sign(t, "k", claims)
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(answer)
	})
	mux.HandleFunc("GET /debug_token", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"data": {"app_id": "todo", "is_valid": true, "user_id": "facebook-7"}}`)
	})
	mux.HandleFunc("GET /me", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, `{"id": "facebook-7", "name": "Ann"}`) })
	for name, c := range map[string]struct {
		settings app.OAuthSettings
		identity string
		data     string
	}{
		"oauth2-apple":    {app.OAuthSettings{Issuer: provider.URL, JWKSURL: is.url}, "apple-7", `{}`},
		"oauth2-facebook": {app.OAuthSettings{UserInfoURL: provider.URL + "/me"}, "facebook-7", `{"name": "Ann"}`},
	} {
		t.Run(name, func(t *testing.T) {
			c.settings.AuthorizationURL, c.settings.TokenURL = provider.URL+"/authorize", provider.URL+"/token"
			p := &app.Provider{Config: conf("clientId", "todo"), SecretConfig: map[string][]string{"clientSecret": {"signed"}}, MetadataFields: []app.MetadataField{{Name: "name"}}}
			st := newSite(t, p, name, func(k *auth.Config) {
				k.App.Secrets["signed"] = secret
				k.App.Settings.OAuth = map[string]app.OAuthSettings{name: c.settings}
			})
			resp, err := st.browser.Get(st.begin(name, url.Values{"state": {"abcdefghijkl"}, "redirect": {page}}))
			must(err)
			resp.Body.Close()
			u := st.session(tokensOf(t, fragmentOf(t, resp, nil))).User
			if u.Identities[0].ProviderType != name || u.Identities[0].ID != c.identity || u.Data.String() != c.data {
				t.Errorf("user %+v %s", u, u.Data)
			}
			if name != "oauth2-apple" {
				return
			}
			// An id token of another log-in, client or issuer, brought in by whoever
			// can put a code of his own into the callback.
			for _, forged = range []jwt.MapClaims{{"nonce": "another"}, {"nonce": ""}, {"aud": "another"}, {"iss": "https://another.example"}, {"exp": time.Now().Add(-time.Hour).Unix()}} {
				resp, err := st.browser.Get(st.begin(name, url.Values{"state": {"abcdefghijkl"}, "redirect": {page}}))
				must(err)
				resp.Body.Close()
				if got := fragmentOf(t, resp, nil); got.Get("_baas_error") == "" || got.Has("_baas_ua") || got.Get("_baas_state") != "abcdefghijkl" {
					t.Errorf("%v: %v", forged, got)
				}
			}
		})
	}
}

func TestFacebook(t *testing.T) {
	graph := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v19.0/debug_token":
			if r.URL.Query().Get("access_token") != "fb|fb secret" {
				http.Error(w, "who asks?", 400)
				return
			}
			appID := map[string]string{"ours": "fb", "theirs": "other"}[r.URL.Query().Get("input_token")]
			json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"app_id": appID, "is_valid": appID != "", "user_id": "77"}})
		case "/v19.0/me":
			io.WriteString(w, `{"id": "77", "name": "Ann", "picture": {"data": {"url": "https://p.example/1"}}, "age_range": {"min": 21}}`)
		default:
			http.NotFound(w, r)
		}
	}))
	defer graph.Close()
	ps := providers{"oauth2-facebook": {Config: conf("clientId", "fb"), SecretConfig: map[string][]string{"clientSecret": {"fb_secret"}},
		MetadataFields: []app.MetadataField{{Name: "name"}, {Name: "picture"}, {Name: "min_age"}, {Name: "birthday"}}}}
	w := newWorld(t, ps, func(c *auth.Config) {
		c.App.Secrets["fb_secret"] = "fb secret"
		c.App.Settings.OAuth = map[string]app.OAuthSettings{"oauth2-facebook": {UserInfoURL: graph.URL + "/v19.0/me"}}
	})
	tok := w.login("oauth2-facebook", `{"accessToken": "ours"}`)
	se := w.session(tok)
	if d := se.User.Data.String(); d != `{"name": "Ann","picture": "https://p.example/1","min_age": {"$numberInt":"21"}}` {
		t.Errorf("data: %s", d)
	}
	p, err := w.Profile(t.Context(), se.User)
	if err != nil || p.Lookup("data", "picture_url").StringValue() != "https://p.example/1" {
		t.Errorf("profile: %s %v", p, err)
	}
	// A token that the user gave to another app.
	for _, token := range []string{"theirs", "garbage"} {
		_, err := w.Login(t.Context(), "oauth2-facebook", conf("accessToken", token), nil)
		refused(t, err, 401, fault.AuthError, "unauthorized")
	}
}

// Keys of an issuer are fetched once, again when it rotates them, and not for
// every key id that somebody makes up.
func TestJWKS(t *testing.T) {
	is := newIssuer(t, "k1")
	ps := providers{"custom-token": {Config: conf("useJWKURI", true, "jwkURI", is.url, "signingAlgorithm", "", "audience", bson.A{"a"}), SecretConfig: map[string][]string{"signingKeys": {}}}}
	w := newWorld(t, ps)
	login := func(token string) error {
		_, err := w.Login(t.Context(), "custom-token", conf("token", token), nil)
		return err
	}
	claims := jwt.MapClaims{"aud": "a", "sub": "s", "exp": time.Now().Add(24 * time.Hour).Unix()}
	for range 5 {
		if err := login(is.sign(t, "k1", claims)); err != nil {
			t.Fatal(err)
		}
	}
	if n := is.fetched.Load(); n != 1 {
		t.Errorf("fetched %d times", n)
	}
	forged := newIssuer(t, "made-up")
	for range 50 {
		refused(t, login(forged.sign(t, "made-up", claims)), 401, fault.AuthError, "unauthorized")
	}
	if n := is.fetched.Load(); n > 2 {
		t.Errorf("fetched %d times for made-up key ids", n)
	}
	is.addKey(t, "k2")
	w.clock.advance(11 * time.Second)
	if err := login(is.sign(t, "k2", claims)); err != nil {
		t.Errorf("a rotated key: %v", err)
	}
	// HMAC with the public key, as libraries once accepted.
	public := base64.RawURLEncoding.EncodeToString(is.keys["k1"].N.Bytes())
	refused(t, login(sign(t, public, claims)), 401, fault.AuthError, "unauthorized")
	delete(is.keys, "k1")
	w.clock.advance(2 * time.Hour)
	refused(t, login((&issuer{keys: map[string]*rsa.PrivateKey{"k1": forged.keys["made-up"]}}).sign(t, "k1", claims)), 401, fault.AuthError, "unauthorized")
}
