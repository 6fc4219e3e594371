package push

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// vapidLifetime is the lifetime of a token; RFC 8292 allows a day.
const vapidLifetime = 12 * time.Hour

// maxVAPIDTokens bounds the tokens that are kept: one for each push service.
const maxVAPIDTokens = 64

// vapidKey identifies this server towards browsers' push services (RFC 8292).
type vapidKey struct {
	private *ecdsa.PrivateKey
	public  string // base64url, what a page gives as applicationServerKey
	subject string // mailto: or https: address of who runs the server

	mu     sync.Mutex
	tokens map[string]vapidToken // by audience
}

type vapidToken struct {
	text  string
	renew time.Time
}

// parseVAPIDKey reads a private key: base64url of its 32 bytes, as the usual
// tools print it, or PEM.
func parseVAPIDKey(text, subject string) (*vapidKey, error) {
	text = strings.TrimSpace(text)
	if block, _ := pem.Decode([]byte(text)); block != nil {
		if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil && key.Curve == elliptic.P256() {
			return newVAPIDKey(key, subject)
		}
		if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			if key, ok := key.(*ecdsa.PrivateKey); ok && key.Curve == elliptic.P256() {
				return newVAPIDKey(key, subject)
			}
		}
		return nil, errors.New("the PEM text is no private key on P-256")
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil || len(raw) != 32 {
		return nil, errors.New("the key must be 32 bytes in base64url, or PEM")
	}
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
	if err != nil {
		return nil, errors.New("the key is no private key on P-256")
	}
	return newVAPIDKey(key, subject)
}

func newVAPIDKey(key *ecdsa.PrivateKey, subject string) (*vapidKey, error) {
	public, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	return &vapidKey{private: key, public: base64.RawURLEncoding.EncodeToString(public), subject: subject, tokens: map[string]vapidToken{}}, nil
}

// generateVAPIDKey makes a key, as the 32 bytes that are kept of it.
func generateVAPIDKey(random io.Reader) ([]byte, error) {
	key, err := ecdh.P256().GenerateKey(random)
	if err != nil {
		return nil, err
	}
	return key.Bytes(), nil
}

// authorization is the header for a push service (RFC 8292 §3). Tokens are
// signed once for each of them and kept for half their lifetime.
func (k *vapidKey) authorization(endpoint *url.URL, now time.Time) (string, error) {
	audience := endpoint.Scheme + "://" + endpoint.Host
	k.mu.Lock()
	defer k.mu.Unlock()
	if t, ok := k.tokens[audience]; ok && now.Before(t.renew) {
		return t.text, nil
	}
	claims := jwt.MapClaims{"aud": audience, "exp": now.Add(vapidLifetime).Unix()}
	if k.subject != "" {
		claims["sub"] = k.subject
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodES256, claims).SignedString(k.private)
	if err != nil {
		return "", err
	}
	if len(k.tokens) >= maxVAPIDTokens {
		clear(k.tokens)
	}
	text := "vapid t=" + token + ", k=" + k.public
	k.tokens[audience] = vapidToken{text, now.Add(vapidLifetime / 2)}
	return text, nil
}
