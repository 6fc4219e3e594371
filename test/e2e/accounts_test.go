package e2e

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"testing"

	"regent/internal/auth"
	"regent/test/openid"
	"regent/test/server"
	"regent/test/web"
)

// TestAccountsInBrowser logs in, links, refuses and is refused through an OpenID provider
// in this process, as Google and under a name of the app's own, and confirms an address and resets a password by the links of
// mails: with unmodified realm-web in headless Chromium.
func TestAccountsInBrowser(t *testing.T) {
	web.Install(t)
	chromium := web.Chromium(t)
	// Redirect addresses are compared exactly, so the server's must be known first.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	public := "http://" + address

	op := openid.Start(t, public+auth.CallbackPath)

	dir := t.TempDir()
	write := func(name string, v any) {
		t.Helper()
		data, ok := v.([]byte)
		if !ok {
			var err error
			if data, err = json.Marshal(v); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	type object = map[string]any
	page := public + "/"
	write("root_config.json", object{"app_id": "accounts-abcde", "name": "accounts", "config_version": 20210101})
	write("auth/providers.json", object{
		"anon-user":      object{"name": "anon-user", "type": "anon-user", "disabled": false},
		"local-userpass": object{"name": "local-userpass", "type": "local-userpass", "disabled": false, "config": object{"autoConfirm": false, "emailConfirmationUrl": "", "resetPasswordUrl": "https://"}},
		"oauth2-google": object{"name": "oauth2-google", "type": "oauth2-google", "disabled": false, "config": object{"clientId": openid.ClientID},
			"secret_config":   object{"clientSecret": "op"},
			"metadata_fields": []object{{"required": false, "name": "email"}, {"required": false, "name": "first_name"}},
			"redirect_uris":   []string{page}},
		"oauth2-company": object{"name": "oauth2-company", "type": "oauth2-company", "disabled": false, "config": object{"issuer": op.Issuer, "clientId": openid.ClientID},
			"secret_config":   object{"clientSecret": "op"},
			"metadata_fields": []object{{"required": true, "name": "email"}, {"required": false, "name": "name", "field_name": "called"}},
			"redirect_uris":   []string{page}},
	})
	write("regent.json", object{"oauth": object{"oauth2-google": object{"issuer": op.Issuer}}})
	write("hosting/config.json", object{"enabled": true})
	write("hosting/files/index.html", []byte(`<!doctype html><link rel="icon" href="data:,"><title>Accounts</title><script src="realm-web.js"></script><script src="page.js"></script>`))
	write("hosting/files/page.js", []byte("if (location.hash.includes('_baas_')) Realm.handleAuthRedirect(); window.ready = true;"))
	sdk, err := os.ReadFile(filepath.Join(server.Root(), "examples", "todo", "hosting", "files", "realm-web.js"))
	if err != nil {
		t.Fatal(err)
	}
	write("hosting/files/realm-web.js", sdk)

	s := server.Start(t, server.Options{Dirs: []string{dir}, Args: []string{"--listen", address, "--public-url", public}, Env: []string{"REGENT_SECRET_op=" + openid.ClientSecret}})
	web.Node(t, "accounts.mjs", "REGENT_URL="+s.URL, "REGENT_PAGE="+page, "REGENT_CHROMIUM="+chromium, "REGENT_SHOTS="+os.Getenv("REGENT_SHOTS"))
}
