package e2e

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// identityProvider plays the parts of Google, Apple, Facebook and a system that
// signs JWTs: its keys at /jwks, code for id token at /token, Facebook's graph
// below /v19.0.
type identityProvider struct {
	url string
	key *rsa.PrivateKey
}

func newIdentityProvider(t *testing.T) *identityProvider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &identityProvider{key: key}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(v)
	}
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"keys": []any{map[string]string{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "k",
			"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes())}}})
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		if id == "" {
			id, secret = r.FormValue("client_id"), r.FormValue("client_secret")
		}
		if id != "client" || secret != "client secret" || r.FormValue("code") != "good code" {
			w.WriteHeader(http.StatusBadRequest)
			answer(w, map[string]string{"error": "invalid_grant"})
			return
		}
		answer(w, map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": p.token(t, "by-code", "client")})
	})
	mux.HandleFunc("GET /v19.0/debug_token", func(w http.ResponseWriter, r *http.Request) {
		app := map[string]string{"ours": "client", "theirs": "another app"}[r.FormValue("input_token")]
		answer(w, map[string]any{"data": map[string]any{"app_id": app, "is_valid": app != "", "user_id": "77"}})
	})
	mux.HandleFunc("GET /v19.0/me", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"id": "77", "name": "Fay", "email": "fay@example.com"})
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	p.url = srv.URL
	return p
}

// token is a JWT of the provider for a subject and an audience.
func (p *identityProvider) token(t *testing.T, subject, audience string) string {
	return p.sign(t, jwt.SigningMethodRS256, p.key, subject, audience)
}

// pem is the public key as PEM.
func (p *identityProvider) pem(t *testing.T) string {
	der, err := x509.MarshalPKIXPublicKey(&p.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// confused is a JWT of somebody who has only the public key, and signs with its
// text as if it were a secret.
func (p *identityProvider) confused(t *testing.T, subject, audience string) string {
	return p.sign(t, jwt.SigningMethodHS256, []byte(p.pem(t)), subject, audience)
}

func (p *identityProvider) sign(t *testing.T, method jwt.SigningMethod, key any, subject, audience string) string {
	j := jwt.NewWithClaims(method, jwt.MapClaims{
		"iss": p.url, "aud": audience, "sub": subject, "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(),
		"email": subject + "@example.com", "email_verified": true, "name": strings.ToUpper(subject),
	})
	j.Header["kid"] = "k"
	s, err := j.SignedString(key)
	if err != nil {
		t.Error(err)
	}
	return s
}

// settings is what regent.json says of the provider under one of its names.
func (p *identityProvider) settings() map[string]string {
	return map[string]string{"issuer": p.url, "jwks_url": p.url + "/jwks", "authorization_url": p.url + "/authorize", "token_url": p.url + "/token"}
}

// provider is an entry of auth/providers.json.
func (p *identityProvider) provider(name string) map[string]any {
	return map[string]any{"name": name, "type": name, "disabled": false, "config": map[string]any{"clientId": "client"},
		"secret_config":   map[string]string{"clientSecret": "client"},
		"metadata_fields": []any{map[string]any{"required": false, "name": "email"}, map[string]any{"required": false, "name": "name"}}}
}
