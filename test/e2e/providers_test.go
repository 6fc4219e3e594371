package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"regent/test/server"
	"regent/test/web"
)

const jwtKey = "a signing key of at least thirty-two characters"

// TestProviders logs in through unmodified realm-web by every provider that
// needs no browser: custom function, custom JWT by secret, by JWKS and by public key, Google,
// Facebook and Apple by token and code, a server's API key. Secrets come from
// the environment.
func TestProviders(t *testing.T) {
	web.Install(t)
	idp := newIdentityProvider(t)
	dir, jwks := t.TempDir(), t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "providers"))); err != nil {
		t.Fatal(err)
	}
	var providers map[string]any
	file := filepath.Join(dir, "auth", "providers.json")
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &providers)
	}
	if err != nil {
		t.Fatal(err)
	}
	write := func(file string, v any) {
		t.Helper()
		data, err := json.Marshal(v)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(file), 0o700)
		}
		if err == nil {
			err = os.WriteFile(file, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	settings := map[string]any{}
	for _, name := range []string{"oauth2-google", "oauth2-apple", "oauth2-facebook"} {
		providers[name], settings[name] = idp.provider(name), idp.settings()
	}
	settings["oauth2-facebook"] = map[string]string{"userinfo_url": idp.url + "/v19.0/me"}
	write(file, providers)
	write(filepath.Join(dir, "regent.json"), map[string]any{"oauth": settings})
	write(filepath.Join(jwks, "realm_config.json"), map[string]any{"app_id": "jwks-abcde", "config_version": 20210101, "name": "jwks"})
	write(filepath.Join(jwks, "auth", "providers.json"), map[string]any{"custom-token": map[string]any{
		"name": "custom-token", "type": "custom-token", "disabled": false, "config": map[string]any{"audience": []string{"shop"}, "useJWKURI": true, "jwkURI": idp.url + "/jwks"},
		"metadata_fields": []any{map[string]any{"required": true, "name": "email"}},
	}})
	pem := t.TempDir()
	write(filepath.Join(pem, "realm_config.json"), map[string]any{"app_id": "pem-abcde", "config_version": 20210101, "name": "pem"})
	write(filepath.Join(pem, "auth", "providers.json"), map[string]any{"custom-token": map[string]any{
		"name": "custom-token", "type": "custom-token", "disabled": false, "config": map[string]any{"audience": []string{"shop"}, "signingAlgorithm": "RS256"},
		"secret_config": map[string]any{"signingKeys": []string{"publicKey"}}, "metadata_fields": []any{map[string]any{"required": true, "name": "email"}},
	}})

	s := server.Start(t, server.Options{
		Dirs: []string{dir, jwks, pem},
		Env:  []string{"REGENT_SECRET_publicKey=" + idp.pem(t), "REGENT_SECRET_jwtKey=" + jwtKey, "REGENT_SECRET_shopCode=letmein", "REGENT_SECRET_client=client secret"},
	})
	var key struct{ Key string }
	if err := json.Unmarshal([]byte(regent(t, "keys", "create", "backend", "--json", "--app", "providers-abcde", "--data", s.Data)), &key); err != nil {
		t.Fatal(err)
	}
	web.Node(t, "providers.mjs", "REGENT_URL="+s.URL, "REGENT_JWT_KEY="+jwtKey, "REGENT_SERVER_KEY="+key.Key,
		"REGENT_ID_TOKEN="+idp.token(t, "ida", "client"), "REGENT_FOREIGN_TOKEN="+idp.token(t, "ida", "another client"), "REGENT_JWKS_TOKEN="+idp.token(t, "jill", "shop"),
		"REGENT_PEM_TOKEN="+idp.token(t, "pat", "shop"), "REGENT_PEM_CONFUSED="+idp.confused(t, "pat", "shop"))
}
