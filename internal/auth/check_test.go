package auth_test

import (
	"strings"
	"testing"

	"regent/internal/app"
	"regent/internal/auth"
)

func TestCheck(t *testing.T) {
	good := everything()
	good["oauth2-google"] = &app.Provider{Config: conf("clientId", "x")}
	good["oauth2-mine"] = &app.Provider{Config: conf("clientId", "x", "issuer", "https://id.example")}
	a := &app.App{ID: "a-bcdef", Secrets: map[string]string{"jwt_key": strings.Repeat("k", 40)}}
	for name, p := range good {
		p.Name = name
		a.Providers = append(a.Providers, p)
	}
	if problems := auth.Check(a); len(problems) != 0 {
		t.Errorf("%v", problems)
	}
	for _, c := range []struct {
		p    app.Provider
		want string
	}{
		{app.Provider{Name: "custom-function", Config: conf("authFunctionName", "")}, "authFunctionName"},
		{app.Provider{Name: "custom-token", Config: conf()}, "signingKeys"},
		{app.Provider{Name: "custom-token", Config: conf("signingAlgorithm", "none"), SecretConfig: map[string][]string{"signingKeys": {"jwt_key"}}}, "allowed are HS256 and RS256"},
		{app.Provider{Name: "custom-token", Config: conf("signingAlgorithm", "RS256"), SecretConfig: map[string][]string{"signingKeys": {"jwt_key"}}}, "PEM"},
		{app.Provider{Name: "custom-token", Config: conf("useJWKURI", true)}, "jwkURI"},
		{app.Provider{Name: "custom-token", Config: conf(), SecretConfig: map[string][]string{"signingKeys": {"gone"}}}, "'gone'"},
		{app.Provider{Name: "oauth2-google", Config: conf()}, "clientId"},
		{app.Provider{Name: "oauth2-mine", Config: conf("clientId", "x")}, "issuer"},
		{app.Provider{Name: "oauth2-a:b", Config: conf("clientId", "x", "issuer", "https://id.example")}, "colon"},
		{app.Provider{Name: "carrier-pigeon"}, "not known"},
	} {
		problems := auth.Check(&app.App{ID: "a-bcdef", Providers: []*app.Provider{&c.p}, Secrets: a.Secrets})
		if len(problems) != 1 || !strings.Contains(problems[0].Message, c.want) {
			t.Errorf("%s: %v, want %q", c.p.Name, problems, c.want)
		}
		c.p.Disabled = true
		if problems := auth.Check(&app.App{ID: "a-bcdef", Providers: []*app.Provider{&c.p}}); len(problems) != 0 {
			t.Errorf("a disabled provider: %v", problems)
		}
	}
}
