package auth_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
	"regent/internal/auth"
	"regent/internal/fault"
)

// newMatrixWorld has every kind of provider, with makers of credentials: the
// credentials of one name are always one identity.
func newMatrixWorld(t *testing.T) (w *world, names []string, credentials map[string]func(name string) bson.Raw) {
	is := newIssuer(t, "k")
	graph := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/debug_token") {
			json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"app_id": "web", "is_valid": true, "user_id": r.URL.Query().Get("input_token")}})
			return
		}
		fmt.Fprintf(w, `{"id": %q}`, r.URL.Query().Get("access_token")+strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	}))
	t.Cleanup(graph.Close)
	ps := everything()
	oauth := map[string]app.OAuthSettings{}
	for _, name := range []string{"oauth2-google", "oauth2-apple", "oauth2-mine", "oauth2-facebook"} {
		ps[name] = &app.Provider{Config: conf("clientId", "web", "issuer", is.url), SecretConfig: map[string][]string{"clientSecret": {"oauth"}}}
		oauth[name] = app.OAuthSettings{Issuer: is.url, AuthorizationURL: is.url + "/a", TokenURL: is.url + "/t", JWKSURL: is.url}
	}
	oauth["oauth2-facebook"] = app.OAuthSettings{UserInfoURL: graph.URL + "/v19.0/me"}
	w = newWorld(t, ps, func(c *auth.Config) {
		c.App.Settings.OAuth = oauth
		c.App.Secrets["oauth"] = "secret"
	})
	w.fns["authenticate"] = func(args []bson.RawValue) (any, error) { return args[0].Document().Lookup("id").StringValue(), nil }
	claims := func(name, audience string) jwt.MapClaims {
		return jwt.MapClaims{"iss": is.url, "aud": audience, "sub": name, "exp": time.Now().Add(time.Hour).Unix(), "profile": map[string]any{"name": "N"}, "a.b": "x"}
	}
	idToken := func(name string) bson.Raw { return conf("id_token", is.sign(t, "k", claims(name, "web"))) }
	serverKeys := map[string]bson.Raw{}
	credentials = map[string]func(string) bson.Raw{
		"anon-user": func(string) bson.Raw { return doc(`{}`) },
		"local-userpass": func(name string) bson.Raw {
			if err := w.Userpass(t.Context(), "register", conf("email", name+"@example.com", "password", "secret1"), nil); err != nil {
				refused(t, err, 409, fault.AccountNameInUse, "")
			}
			return conf("username", name+"@example.com", "password", "secret1")
		},
		"api-key": func(name string) bson.Raw {
			if serverKeys[name] == nil {
				k, err := w.CreateServerKey(t.Context(), name)
				if err != nil {
					t.Fatal(err)
				}
				serverKeys[name] = conf("key", k.Key)
			}
			return serverKeys[name]
		},
		"custom-function": func(name string) bson.Raw { return conf("id", name) },
		"custom-token": func(name string) bson.Raw {
			return conf("token", sign(t, strings.Repeat("k", 40), claims(name, w.app.ID)))
		},
		"oauth2-google": idToken, "oauth2-apple": idToken, "oauth2-mine": idToken,
		"oauth2-facebook": func(name string) bson.Raw { return conf("accessToken", name) },
	}
	names = []string{"anon-user", "local-userpass", "api-key", "custom-function", "custom-token", "oauth2-google", "oauth2-facebook", "oauth2-apple", "oauth2-mine"}
	return w, names, credentials
}

// Every provider is linked with every other (client-api.md §1.6).
func TestLinkMatrix(t *testing.T) {
	w, names, credentials := newMatrixWorld(t)
	ctx := t.Context()
	for _, first := range names {
		for _, second := range names {
			t.Run(first+"+"+second, func(t *testing.T) {
				name := first + "_" + second
				enter := func(provider, who string) auth.Tokens {
					tok, err := w.Login(ctx, provider, credentials[provider](who), nil)
					if err != nil {
						t.Fatalf("log in by %s: %v", provider, err)
					}
					return tok
				}
				me := enter(first, name+"1")
				link := func(who string) error {
					_, err := w.Link(ctx, w.session(me), second, credentials[second](who), nil)
					return err
				}
				// Somebody else's identity, whoever asks.
				if second != "anon-user" {
					enter(second, name+"taken")
					refused(t, link(name+"taken"), 409, fault.InvalidSession, "a user already exists with the specified provider")
				}
				linked := first + " " + second
				switch {
				case second == "anon-user":
					refused(t, link(""), 409, fault.InternalServerError, "linking an anonymous identity is not allowed")
					return
				case second == "api-key":
					// A key that does not belong to the user; its own becomes an identity by its first use.
					refused(t, link(name+"2"), 409, fault.InvalidSession, "a user already exists with the specified provider")
					key, err := w.CreateAPIKey(ctx, me.RefreshToken, "own")
					if first == "anon-user" || first == "api-key" {
						refused(t, err, 403, fault.None, "")
						return
					}
					if err != nil {
						t.Fatal(err)
					}
					credentials := conf("key", key.Key)
					if _, err := w.Link(ctx, w.session(me), second, credentials, nil); err != nil {
						t.Fatal(err)
					}
					if tok, err := w.Login(ctx, second, credentials, nil); err != nil || tok.UserID != me.UserID {
						t.Errorf("the key logs in %s, %v", tok.UserID, err)
					}
				case first == "local-userpass" && second == "local-userpass":
					refused(t, link(name+"2"), 409, fault.InternalServerError, "linking a local-userpass identity is not allowed when one is already linked")
					linked = first
				default:
					for range 2 { // the second time it is no news
						if err := link(name + "2"); err != nil {
							t.Fatal(err)
						}
					}
					if tok := enter(second, name+"2"); tok.UserID != me.UserID {
						t.Error("the linked identity logs in somebody else")
					}
				}
				if got := identities(w.session(me)); got != linked {
					t.Errorf("identities %q, want %q", got, linked)
				}
			})
		}
	}
}

// What every provider refuses while linking is a 409: realm-web repeats a 401
// with these texts for ever (client-api.md §1.6).
func TestLinkRefusals(t *testing.T) {
	w, names, _ := newMatrixWorld(t)
	me := w.login("anon-user", `{}`)
	wrong := map[string]bson.Raw{
		"local-userpass": conf("username", "nobody@example.com", "password", "wrong12"),
		"api-key":        conf("key", strings.Repeat("x", 64)),
		"custom-token":   conf("token", "a.b.c"),
		"oauth2-google":  conf("id_token", "a.b.c"), "oauth2-apple": conf("id_token", "a.b.c"), "oauth2-mine": conf("id_token", "a.b.c"),
		"oauth2-facebook": conf("authCode", "x"),
	}
	w.fns["authenticate"] = func([]bson.RawValue) (any, error) { return nil, nil }
	wrong["custom-function"] = doc(`{}`)
	for _, name := range names[1:] {
		for range 2 {
			_, err := w.Link(t.Context(), w.session(me), name, wrong[name], nil)
			f, ok := err.(*fault.Error)
			if !ok || f.Status == 401 && (f.Message == "unauthorized" || f.Code == fault.InvalidSession) || f.Status >= 500 {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if got := identities(w.session(me)); got != "anon-user" {
		t.Errorf("identities %q", got)
	}
}
