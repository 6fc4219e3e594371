package push

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/jwt"
)

// fcmScope is what FCM's HTTP v1 API asks of a token.
const fcmScope = "https://www.googleapis.com/auth/firebase.messaging"

const defaultTokenURL = "https://oauth2.googleapis.com/token"

// serviceAccount is the JSON file that Firebase's console gives out.
type serviceAccount struct {
	Type         string `json:"type"`
	ProjectID    string `json:"project_id"`
	PrivateKeyID string `json:"private_key_id"`
	PrivateKey   string `json:"private_key"`
	ClientEmail  string `json:"client_email"`
	TokenURI     string `json:"token_uri"`
}

// errLegacyKey says what to do with a key of the API that Google switched off.
var errLegacyKey = errors.New("the secret is a server key of FCM's legacy API, which Google switched off in 2024: " +
	"in the Firebase console, under Project settings, Service accounts, choose “Generate new private key” and make the JSON file's text the secret (docs/push.md)")

// errNoAccount says how a service gets its secret.
var errNoAccount = errors.New("it has no service account: name a secret in secret_config.serviceAccount and give it the text of the JSON file that " +
	"the Firebase console makes under Project settings, Service accounts (docs/push.md)")

// parseServiceAccount reads a service's secret.
func parseServiceAccount(text string) (*serviceAccount, error) {
	text = strings.TrimSpace(text)
	if !strings.HasPrefix(text, "{") {
		return nil, errLegacyKey
	}
	a := &serviceAccount{}
	if err := json.Unmarshal([]byte(text), a); err != nil {
		// The decoder's error could quote the key.
		return nil, errors.New("the secret is no JSON text: it must be the service account's file as Firebase gives it out")
	}
	switch {
	case a.Type != "service_account":
		return nil, fmt.Errorf(`the secret's "type" is %q, it must be "service_account": take the file of Project settings, Service accounts, not google-services.json`, a.Type)
	case a.ClientEmail == "" || a.ProjectID == "":
		return nil, errors.New("the secret lacks client_email or project_id: it must be the service account's file as Firebase gives it out")
	}
	if a.TokenURI == "" {
		a.TokenURI = defaultTokenURL
	}
	if u, err := url.Parse(a.TokenURI); err != nil || u.Host == "" {
		return nil, errors.New("the secret's token_uri is no URL")
	}
	block, _ := pem.Decode([]byte(a.PrivateKey))
	if block == nil {
		return nil, errors.New("the secret's private_key is no PEM text: were its \\n lost on the way?")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	if _, ok := key.(*rsa.PrivateKey); err != nil || !ok {
		return nil, errors.New("the secret's private_key is no RSA key")
	}
	return a, nil
}

// accessTokens gives out Google access tokens of a service account.
type accessTokens struct {
	config *jwt.Config
	client *http.Client

	mu     sync.Mutex
	token  *oauth2.Token
	failed error     // of the last request
	again  time.Time // when the next request may be made after it
}

// failurePause keeps many senders from asking one after the other for a token
// that is refused.
const failurePause = 5 * time.Second

func newAccessTokens(a *serviceAccount, client *http.Client) *accessTokens {
	return &accessTokens{client: client, config: &jwt.Config{
		Email: a.ClientEmail, PrivateKey: []byte(a.PrivateKey), PrivateKeyID: a.PrivateKeyID, Scopes: []string{fcmScope}, TokenURL: a.TokenURI,
	}}
}

// get returns a token that is good for a minute at least. Concurrent callers
// wait for one request.
func (t *accessTokens) get() (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if t.token != nil && (t.token.Expiry.IsZero() || now.Add(time.Minute).Before(t.token.Expiry)) {
		return t.token.AccessToken, nil
	}
	if t.failed != nil && now.Before(t.again) {
		return "", t.failed
	}
	// The request belongs to all callers, not to one of them: the client's own
	// timeout bounds it.
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, t.client)
	t.token, t.failed = t.config.TokenSource(ctx).Token()
	if t.failed != nil {
		t.again = now.Add(failurePause)
		return "", t.failed
	}
	return t.token.AccessToken, nil
}

// forget makes the next get ask for a new token, when token is still the one
// that it would return.
func (t *accessTokens) forget(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token != nil && t.token.AccessToken == token {
		t.token = nil
	}
}
