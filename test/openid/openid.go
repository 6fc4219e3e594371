// Package openid is a real OpenID provider for tests: zitadel's, with its example
// users (test-user2 and test-user@<host>, password verysecure) and one client.
package openid

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
)

// The provider's client.
const (
	ClientID     = "regent"
	ClientSecret = "op secret"
)

// Provider runs until its test ends.
type Provider struct {
	Issuer string

	handler http.Handler
	storage *storage.Storage
}

// Start starts a provider that sends browsers to callback and nowhere else.
//
// Its form has a way to refuse, which zitadel's example lacks: GET /deny?id=…, with
// the id in the form, is the user who does not consent.
func Start(t testing.TB, callback string) *Provider {
	t.Helper()
	p := &Provider{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }))
	t.Cleanup(srv.Close)
	p.Issuer = srv.URL
	clients := map[string]*storage.Client{ClientID: storage.WebClient(ClientID, ClientSecret, callback)}
	p.storage = storage.NewStorageWithClients(storage.NewUserStore(srv.URL), clients)
	router := exampleop.SetupServer(srv.URL, p.storage, slog.New(slog.NewTextHandler(io.Discard, nil)), false)
	router.Get("/deny", p.deny)
	p.handler = router
	return p
}

// deny sends the browser back as RFC 6749 §4.1.2.1 says.
func (p *Provider) deny(w http.ResponseWriter, r *http.Request) {
	request, err := p.storage.AuthRequestByID(r.Context(), r.FormValue("id"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	q := url.Values{"error": {"access_denied"}, "error_description": {"The user refused"}, "state": {request.GetState()}}
	http.Redirect(w, r, request.GetRedirectURI()+"?"+q.Encode(), http.StatusFound)
}
