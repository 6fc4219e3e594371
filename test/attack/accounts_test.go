package attack

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	appA = "shop-aaaaa"
	appB = "other-bbbbb"
)

// claimsOf reads a token without verifying it.
func claimsOf(t *testing.T, token string) jwt.MapClaims {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var c jwt.MapClaims
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func signed(t *testing.T, method jwt.SigningMethod, key any, claims jwt.MapClaims, header map[string]any) string {
	t.Helper()
	j := jwt.NewWithClaims(method, claims)
	for k, v := range header {
		j.Header[k] = v
	}
	s, err := j.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Attack 21: tokens of another app, of another kind, of another's making, of
// users and sessions that are no more, and of keys that were retired.
func TestAttack21Tokens(t *testing.T) {
	s := start(t, app(t, appA, nil), app(t, appB, nil))
	me := s.login(appA, "anon-user", object{})
	access, refresh := me.text("access_token"), me.text("refresh_token")
	if a := s.profile(access); a.status != 200 {
		t.Fatalf("the own token: %d %s", a.status, a.body)
	}
	onB := func(token string) answer {
		return s.send("POST", api+"/app/"+appB+"/functions/call", token, object{"name": "x", "arguments": []any{}})
	}
	refused(t, "a token of A against B", onB(access), 401, "UserAppDomainMismatch", "")
	refused(t, "a refresh token as an access token", s.profile(refresh), 401, "InvalidSession", "")
	refused(t, "an access token as a refresh token", s.refresh(access), 401, "InvalidSession", "")

	claims := claimsOf(t, access)
	claims["exp"] = time.Now().Add(time.Hour).Unix()
	kid := map[string]any{"kid": "1"}
	for name, token := range map[string]string{
		"alg none":             signed(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims, kid),
		"an own key":           signed(t, jwt.SigningMethodHS256, []byte(jwtKey), claims, kid),
		"an empty key":         signed(t, jwt.SigningMethodHS256, []byte{}, claims, kid),
		"the key of another":   signed(t, jwt.SigningMethodHS256, []byte(jwtKey), claims, map[string]any{"kid": "../../master.key"}),
		"no key id":            signed(t, jwt.SigningMethodHS256, []byte(jwtKey), claims, nil),
		"claims changed":       tampered(t, access, func(c jwt.MapClaims) { c["sub"] = strings.Repeat("0", 24) }),
		"the domain of B":      tampered(t, access, func(c jwt.MapClaims) { c["baas_domain_id"] = strings.Repeat("0", 24) }),
		"another typ":          tampered(t, refresh, func(c jwt.MapClaims) { c["typ"] = "access"; c["iss"] = c["baas_id"] }),
		"a longer life":        tampered(t, access, func(c jwt.MapClaims) { c["exp"] = time.Now().Add(time.Hour * 9999).Unix() }),
		"the signature cut":    access[:strings.LastIndex(access, ".")+1],
		"the signature of two": access[:strings.LastIndex(access, ".")] + refresh[strings.LastIndex(refresh, "."):],
	} {
		if a := s.profile(token); a.status != 401 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		if a := s.refresh(token); a.status != 401 {
			t.Errorf("%s as a refresh token: %d %s", name, a.status, a.body)
		}
	}

	t.Run("LoggedOut", func(t *testing.T) {
		for _, provider := range []string{"anon-user", "custom-function"} {
			gone, other := s.login(appA, provider, object{"id": "twice"}), s.login(appA, provider, object{"id": "twice"})
			if a := s.send("DELETE", api+"/auth/session", gone.text("refresh_token"), nil); a.status != 204 {
				t.Fatal(a.body)
			}
			refused(t, "the access token", s.profile(gone.text("access_token")), 401, "InvalidSession", "")
			refused(t, "the refresh token", s.refresh(gone.text("refresh_token")), 401, "InvalidSession", "")
			if a := s.profile(other.text("access_token")); a.status != 200 {
				t.Errorf("another session: %d %s", a.status, a.body)
			}
		}
	})
	t.Run("Disabled", func(t *testing.T) {
		u := s.login(appA, "anon-user", object{})
		s.operate("users", "disable", u.text("user_id"), "--app", appA)
		refused(t, "the access token", s.profile(u.text("access_token")), 401, "UserDisabled", "")
		refused(t, "the refresh token", s.refresh(u.text("refresh_token")), 401, "InvalidSession", "")
	})
	t.Run("Revoked", func(t *testing.T) {
		u := s.login(appA, "anon-user", object{})
		s.operate("users", "logout", u.text("user_id"), "--app", appA)
		refused(t, "the access token", s.profile(u.text("access_token")), 401, "InvalidSession", "")
	})
	t.Run("Deleted", func(t *testing.T) {
		u := s.login(appA, "anon-user", object{})
		if a := s.send("DELETE", api+"/auth/delete", u.text("access_token"), nil); a.status/100 != 2 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		refused(t, "the access token", s.profile(u.text("access_token")), 401, "InvalidSession", "")
		refused(t, "the refresh token", s.refresh(u.text("refresh_token")), 401, "InvalidSession", "")
	})
	t.Run("RetiredKey", func(t *testing.T) {
		s.operate("signing-keys", "rotate", "--app", appA)
		if a := s.profile(access); a.status != 200 {
			t.Errorf("a rotation logs out: %d %s", a.status, a.body)
		}
		s.operate("signing-keys", "retire", "1", "--app", appA)
		refused(t, "a token of a retired key", s.profile(access), 401, "", "")
		s.login(appA, "anon-user", object{})
	})
}

// tampered changes a token's claims and keeps its signature.
func tampered(t *testing.T, token string, change func(jwt.MapClaims)) string {
	t.Helper()
	c := claimsOf(t, token)
	change(c)
	data, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(token, ".")
	return parts[0] + "." + base64.RawURLEncoding.EncodeToString(data) + "." + parts[2]
}

// Attack 22: a function or a token that names another provider's id or address.
func TestAttack22BorrowedIdentity(t *testing.T) {
	s := start(t, app(t, appA, nil))
	s.register(appA, "ann@example.com", "secret1")
	ann := s.login(appA, "local-userpass", object{"username": "ann@example.com", "password": "secret1"})
	var p struct{ Identities []struct{ ID string } }
	if err := json.Unmarshal([]byte(s.profile(ann.text("access_token")).body), &p); err != nil || len(p.Identities) != 1 {
		t.Fatal(err)
	}
	for _, id := range []string{p.Identities[0].ID, ann.text("user_id"), "ann@example.com", "local-userpass:" + p.Identities[0].ID} {
		eve := s.login(appA, "custom-function", object{"id": id})
		token := signed(t, jwt.SigningMethodHS256, []byte(jwtKey), jwt.MapClaims{"aud": "shop", "sub": id, "email": "ann@example.com", "exp": time.Now().Add(time.Hour).Unix()}, nil)
		mal := s.login(appA, "custom-token", object{"token": token})
		if eve.text("user_id") == ann.text("user_id") || mal.text("user_id") == ann.text("user_id") || eve.text("user_id") == mal.text("user_id") {
			t.Errorf("%q logs in ann %s: function %s, token %s", id, ann.text("user_id"), eve.text("user_id"), mal.text("user_id"))
		}
	}
}

// Attack 23: identities that belong to somebody, links that race, a log-in that
// races a deletion.
func TestAttack23Links(t *testing.T) {
	s := start(t, app(t, appA, nil))
	link := func(token, id string) answer {
		return s.send("POST", providerPath(appA, "custom-function", "login")+"?link=true", token, object{"id": id})
	}
	const taken = "a user already exists with the specified provider"
	ann := s.login(appA, "custom-function", object{"id": "ann"})
	eve := s.login(appA, "anon-user", object{})
	refused(t, "ann's identity", link(eve.text("access_token"), "ann"), 409, "InvalidSession", taken)
	for range 2 {
		if a := link(ann.text("access_token"), "also ann"); a.status != 200 {
			t.Errorf("linking: %d %s", a.status, a.body)
		}
	}
	if got := s.identities(ann.text("access_token")); got != "custom-function custom-function" {
		t.Errorf("ann's identities: %s", got)
	}

	t.Run("Race", func(t *testing.T) {
		const users, rounds = 12, 5
		for round := range rounds {
			tokens := make([]answer, users)
			for i := range tokens {
				tokens[i] = s.login(appA, "anon-user", object{})
			}
			var wg sync.WaitGroup
			var won atomic.Int64
			for _, u := range tokens {
				wg.Go(func() {
					switch a := link(u.text("access_token"), fmt.Sprint("prize", round)); a.status {
					case 200:
						won.Add(1)
					case 409:
					default:
						t.Errorf("%d %s", a.status, a.body)
					}
				})
			}
			wg.Wait()
			if won.Load() != 1 {
				t.Errorf("%d users have one identity", won.Load())
			}
		}
	})
	// Whoever gets in while the user is deleted is in as somebody else or not at
	// all. Many log in again and again until the deletion is answered, by identities
	// that do not wait for each other, so that some have found the user before it goes
	// and open their session afterwards.
	t.Run("LoginRacesDelete", func(t *testing.T) {
		const rounds, ways = 30, 6
		for round := range rounds {
			identity := func(i int) string { return fmt.Sprint("goner ", round, " ", i) }
			u := s.login(appA, "custom-function", object{"id": identity(0)})
			for i := 1; i < ways; i++ {
				if a := link(u.text("access_token"), identity(i)); a.status != 200 {
					t.Fatalf("linking: %d %s", a.status, a.body)
				}
			}
			var wg sync.WaitGroup
			var gone atomic.Bool
			under := make(chan struct{}, ways)
			late := make([][]answer, ways)
			for i := range late {
				wg.Go(func() {
					for !gone.Load() {
						late[i] = append(late[i], s.tryLogin(appA, "custom-function", object{"id": identity(i)}))
						select {
						case under <- struct{}{}:
						default:
						}
					}
				})
			}
			wg.Go(func() {
				<-under
				s.send("DELETE", api+"/auth/delete", u.text("access_token"), nil)
				gone.Store(true)
			})
			wg.Wait()
			refused(t, "the deleted user's token", s.profile(u.text("access_token")), 401, "InvalidSession", "")
			for _, a := range slices.Concat(late...) {
				if a.status == 200 && a.text("user_id") == u.text("user_id") {
					refused(t, "a late log-in's token", s.profile(a.text("access_token")), 401, "InvalidSession", "")
				}
			}
		}
	})
}

// Attack 24: confirmation and reset tokens that are used twice, for another
// purpose, account or app, or made up.
func TestAttack24MailTokens(t *testing.T) {
	byMail := func(files map[string]any) {
		files["auth/providers.json"].(object)["local-userpass"].(object)["config"] = object{"autoConfirm": false, "emailConfirmationUrl": "https://", "resetPasswordUrl": "https://"}
	}
	s := start(t, app(t, appA, byMail), app(t, appB, byMail))
	s.register(appA, "ann@example.com", "secret1")
	ann := s.mails()[0]
	s.register(appA, "eve@example.com", "secret1")
	eve := s.mails()[0]
	confirm := func(app string, pair object) answer { return s.userpass(app, "confirm", pair) }
	reset := func(pair object) answer {
		return s.userpass(appA, "reset", with(pair, object{"password": "taken over"}))
	}
	invalid := func(what string, a answer) {
		t.Helper()
		refused(t, what, a, 400, "UserpassTokenInvalid", "")
	}
	invalid("eve's token with ann's id", confirm(appA, object{"token": eve["token"], "tokenId": ann["tokenId"]}))
	invalid("ann's token in another app", confirm(appB, ann))
	invalid("a confirmation token for a reset", reset(ann))
	invalid("a token made up", confirm(appA, object{"token": strings.Repeat("0", 64), "tokenId": ann["tokenId"]}))
	if a := confirm(appA, ann); a.status/100 != 2 {
		t.Fatalf("ann's own token: %d %s", a.status, a.body)
	}
	invalid("a token twice", confirm(appA, ann))

	if a := s.userpass(appA, "reset/send", object{"email": "ann@example.com"}); a.status/100 != 2 {
		t.Fatal(a.body)
	}
	pair := s.mails()[0]
	invalid("a reset token for a confirmation", confirm(appA, pair))
	invalid("a reset token with another's id", reset(object{"token": pair["token"], "tokenId": eve["tokenId"]}))
	var worked atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if reset(pair).status/100 == 2 {
				worked.Add(1)
			}
		})
	}
	wg.Wait()
	if worked.Load() != 1 {
		t.Errorf("a reset token worked %d times", worked.Load())
	}
	// Opening the link of a mail uses nothing up: scanners do.
	if a := s.userpass(appA, "reset/send", object{"email": "ann@example.com"}); a.status/100 != 2 {
		t.Fatal(a.body)
	}
	pair = s.mails()[0]
	if a := s.send("GET", "/auth/"+appA+"/reset?token="+pair["token"].(string)+"&tokenId="+pair["tokenId"].(string), "", nil); a.status != 200 {
		t.Errorf("the page of the link: %d %s", a.status, a.body)
	}
	if a := reset(pair); a.status/100 != 2 {
		t.Errorf("after the link was opened: %d %s", a.status, a.body)
	}
}

// comparable is what of an answer may tell something.
func comparable(a answer) string {
	delete(a.fields, "link") // names the request
	text, _ := json.Marshal(a.fields)
	header := a.header.Clone()
	for _, name := range []string{"Date", "Content-Length", "X-Appservices-Request-Id"} {
		header.Del(name)
	}
	return fmt.Sprint(a.status, " ", string(text), " ", header)
}

// Attack 25: which addresses have accounts? Log-in does not tell by its text (by
// its time neither: auth.TestEqualTime), and nothing else does under hide_accounts.
func TestAttack25Enumeration(t *testing.T) {
	hidden := func(files map[string]any) {
		files["auth/providers.json"].(object)["local-userpass"].(object)["config"] = object{"autoConfirm": false, "emailConfirmationUrl": "https://", "resetPasswordUrl": "https://"}
		files["regent.json"] = object{"hide_accounts": true}
	}
	s := start(t, app(t, appA, nil), app(t, appB, hidden))
	for _, a := range []string{appA, appB} {
		s.register(a, "ann@example.com", "secret1")
	}
	if a := s.userpass(appB, "confirm", s.mails()[0]); a.status/100 != 2 {
		t.Fatal(a.body)
	}
	s.register(appB, "pending@example.com", "secret1")
	same := func(what string, ask func(email string) answer) {
		t.Helper()
		unknown := comparable(ask("nobody@example.com"))
		for _, email := range []string{"ann@example.com", "pending@example.com"} {
			if known := comparable(ask(email)); known != unknown {
				t.Errorf("%s tells %s from nobody:\n%s\n%s", what, email, known, unknown)
			}
		}
	}
	for _, app := range []string{appA, appB} {
		same("log-in", func(email string) answer {
			return s.tryLogin(app, "local-userpass", object{"username": email, "password": "wrong12"})
		})
	}
	same("register", func(email string) answer {
		return s.userpass(appB, "register", object{"email": email, "password": "secret1"})
	})
	for _, call := range []string{"confirm/send", "reset/send"} {
		same(call, func(email string) answer { return s.userpass(appB, call, object{"email": email}) })
	}
	// By default these tell, as SDKs expect, and are throttled instead.
	refused(t, "register", s.userpass(appA, "register", object{"email": "ann@example.com", "password": "secret1"}), 409, "AccountNameInUse", "name already in use")
	refused(t, "reset/send", s.userpass(appA, "reset/send", object{"email": "nobody@example.com"}), 404, "UserNotFound", "user not found")
	asked := 0
	for i := range 1000 {
		a := s.userpass(appA, "reset/send", object{"email": email(i)}, "X-Forwarded-For", "203.0.113.5")
		if a.status == http.StatusTooManyRequests {
			break
		}
		asked++
	}
	if asked == 1000 {
		t.Error("a thousand addresses were asked about from one")
	}
}

// Attack 25 by brute force: a script tries ten thousand passwords, the right one
// among them. It gets a handful of tries, and the owner logs in from elsewhere.
func TestTenThousandPasswords(t *testing.T) {
	s := start(t, app(t, appA, nil))
	s.register(appA, "ann@example.com", "secret5000")
	var tried, stopped atomic.Int64
	var wg sync.WaitGroup
	next := make(chan int)
	for range 16 {
		wg.Go(func() {
			for i := range next {
				a := s.tryLogin(appA, "local-userpass", object{"username": "ann@example.com", "password": fmt.Sprint("secret", i)}, "X-Forwarded-For", "203.0.113.5")
				switch a.status {
				case http.StatusUnauthorized:
					tried.Add(1)
				case http.StatusTooManyRequests:
					stopped.Add(1)
					if a.header.Get("Retry-After") == "" {
						t.Error("no Retry-After")
					}
				default:
					t.Errorf("password %d: %d %s", i, a.status, a.body)
				}
			}
		})
	}
	for i := range 10_000 {
		if tried.Load() > 100 {
			break // nothing stops it
		}
		next <- i
	}
	close(next)
	wg.Wait()
	if n := tried.Load(); n > 12 || stopped.Load() != 10_000-n {
		t.Errorf("%d passwords were tried, %d stopped", n, stopped.Load())
	}
	s.login(appA, "local-userpass", object{"username": "ann@example.com", "password": "secret5000"}, "X-Forwarded-For", "198.51.100.7")
}

// Attack 26: pages of origins that only look like the allowed one.
func TestAttack26Origins(t *testing.T) {
	s := start(t, app(t, appA, func(files map[string]any) {
		files["realm_config.json"].(object)["allowed_request_origins"] = []string{"https://app.example", "https://dev.example:8443"}
	}))
	for origin, allowed := range map[string]bool{
		"https://app.example": true, "HTTPS://APP.example": true, "https://dev.example:8443": true, s.URL: true, "": true,
		"http://app.example": false, "https://app.example:8443": false, "https://dev.example": false, "https://dev.example:443": false,
		"null": false, "https://app.example.evil.example": false, "https://evilapp.example": false, "https://app.example@evil.example": false,
		"https://app.example/": false, "https://app.exampl": false, "https://app.example, https://evil.example": false, "*": false,
	} {
		var header []string
		if origin != "" {
			header = []string{"Origin", origin}
		}
		a := s.tryLogin(appA, "anon-user", object{}, header...)
		if (a.status == 200) != allowed {
			t.Errorf("%q: %d %s", origin, a.status, a.body)
		}
		if got := a.header.Get("Access-Control-Allow-Origin"); (got == origin) != allowed && origin != "" || got == "*" {
			t.Errorf("%q: Access-Control-Allow-Origin %q", origin, got)
		}
	}
}

// Attack 21: tokens of another system from the future and the past. The
// reference knows no leeway (app-services.md §2.6): nbf must have come and exp must
// not, to the second; iat is not looked at.
func TestAttack21ClockSkew(t *testing.T) {
	s := start(t, app(t, appA, nil))
	const in, out = 200, 401
	for _, c := range []struct {
		name   string
		change func(c jwt.MapClaims, now int64)
		want   int
	}{
		{"exp in a while", func(c jwt.MapClaims, now int64) {}, in},
		{"exp a minute ago", func(c jwt.MapClaims, now int64) { c["exp"] = now - 60 }, out},
		{"exp this second", func(c jwt.MapClaims, now int64) { c["exp"] = now }, out},
		{"exp in 1970", func(c jwt.MapClaims, now int64) { c["exp"] = 0 }, out},
		{"exp before 1970", func(c jwt.MapClaims, now int64) { c["exp"] = -now }, out},
		{"no exp", func(c jwt.MapClaims, now int64) { delete(c, "exp") }, out},
		{"exp null", func(c jwt.MapClaims, now int64) { c["exp"] = nil }, out},
		{"exp as a text", func(c jwt.MapClaims, now int64) { c["exp"] = fmt.Sprint(now + 3600) }, out},
		{"exp as a date", func(c jwt.MapClaims, now int64) { c["exp"] = "2999-01-01T00:00:00Z" }, out},
		{"exp in milliseconds", func(c jwt.MapClaims, now int64) { c["exp"] = (now + 3600) * 1000 }, in},
		{"exp with a fraction", func(c jwt.MapClaims, now int64) { c["exp"] = float64(now) + 3600.5 }, in},
		{"exp beyond all years", func(c jwt.MapClaims, now int64) { c["exp"] = 1e300 }, in},
		{"nbf a second ago", func(c jwt.MapClaims, now int64) { c["nbf"] = now - 1 }, in},
		{"nbf this second", func(c jwt.MapClaims, now int64) { c["nbf"] = now }, in},
		{"nbf in a minute", func(c jwt.MapClaims, now int64) { c["nbf"] = now + 60 }, out},
		{"nbf beyond all years", func(c jwt.MapClaims, now int64) { c["nbf"] = 1e300 }, out},
		{"nbf as a text", func(c jwt.MapClaims, now int64) { c["nbf"] = "tomorrow" }, out},
		{"iat in an hour", func(c jwt.MapClaims, now int64) { c["iat"] = now + 3600 }, in},
		{"iat after exp", func(c jwt.MapClaims, now int64) { c["iat"] = now + 7200 }, in},
		{"iat as a text", func(c jwt.MapClaims, now int64) { c["iat"] = "now" }, out},
	} {
		now := time.Now().Unix()
		claims := jwt.MapClaims{"aud": "shop", "sub": "skewed", "exp": now + 3600}
		c.change(claims, now)
		token := signed(t, jwt.SigningMethodHS256, []byte(jwtKey), claims, nil)
		a := s.send("POST", providerPath(appA, "custom-token", "login"), "", object{"token": token}, "X-Forwarded-For", "192.0.2."+fmt.Sprint(len(c.name)))
		if a.status != c.want {
			t.Errorf("%s: %d %s, want %d", c.name, a.status, a.body, c.want)
		}
	}
}
