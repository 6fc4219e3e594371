package pushtest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Browsers is a push service with browsers behind it: it checks requests as
// RFC 8030 and RFC 8292 say and decrypts messages as RFC 8291 and RFC 8188 do.
type Browsers struct {
	*httptest.Server
	VAPIDKey string // the only server key that it takes; "": any
	Contact  string // `sub` that a token must have; "": any

	mu       sync.Mutex
	browsers map[string]*browser
	status   func(id string) (int, string) // a status and Retry-After in place of success
	received []WebMessage
	problems []string
}

// browser is one that messages are decrypted for; without a key it does that
// itself and gets them as they are.
type browser struct {
	key  *ecdh.PrivateKey
	auth []byte
}

// WebMessage is a decrypted message.
type WebMessage struct {
	Browser, TTL, Urgency, Topic string
	Text                         string
}

// NewBrowsers starts a push service with TLS on loopback.
func NewBrowsers() *Browsers {
	b := &Browsers{browsers: map[string]*browser{}}
	b.Server = httptest.NewTLSServer(http.HandlerFunc(b.push))
	return b
}

// Subscribe adds a browser and returns JSON.stringify(subscription).
func (b *Browsers) Subscribe(id string) string {
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	auth := make([]byte, 16)
	rand.Read(auth)
	b.mu.Lock()
	b.browsers[id] = &browser{key, auth}
	b.mu.Unlock()
	text, _ := json.Marshal(map[string]any{"endpoint": b.URL + "/push/" + id, "expirationTime": nil, "keys": map[string]string{
		"p256dh": base64.RawURLEncoding.EncodeToString(key.PublicKey().Bytes()), "auth": base64.RawURLEncoding.EncodeToString(auth),
	}})
	return string(text)
}

// Adopt adds a browser outside that has keys of its own and returns the
// endpoint of its subscription. WebMessage.Text is then the encrypted body.
func (b *Browsers) Adopt(id string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.browsers[id] = &browser{}
	return b.URL + "/push/" + id
}

// Answer sets the status and Retry-After of a browser's messages; 0: success.
func (b *Browsers) Answer(status func(id string) (int, string)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status = status
}

// Received lists the decrypted messages.
func (b *Browsers) Received() []WebMessage {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]WebMessage(nil), b.received...)
}

// Problems lists what was wrong with requests.
func (b *Browsers) Problems() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.problems...)
}

func (b *Browsers) push(w http.ResponseWriter, r *http.Request) {
	status, err := b.take(w, r)
	if err != nil {
		b.mu.Lock()
		b.problems = append(b.problems, err.Error())
		b.mu.Unlock()
		http.Error(w, err.Error(), status)
		return
	}
	w.WriteHeader(status)
}

func (b *Browsers) take(w http.ResponseWriter, r *http.Request) (int, error) {
	id, ok := strings.CutPrefix(r.URL.Path, "/push/")
	b.mu.Lock()
	target, answer := b.browsers[id], b.status
	b.mu.Unlock()
	if !ok || r.Method != http.MethodPost {
		return 405, fmt.Errorf("%s %s", r.Method, r.URL)
	}
	if answer != nil {
		if status, after := answer(id); status != 0 {
			if after != "" {
				w.Header().Set("Retry-After", after)
			}
			return status, nil
		}
	}
	if target == nil {
		return http.StatusGone, nil
	}
	if err := b.authorized(r); err != nil {
		return 403, err
	}
	if n, err := strconv.Atoi(r.Header.Get("TTL")); err != nil || n < 0 {
		return 400, fmt.Errorf("TTL %q", r.Header.Get("TTL"))
	}
	switch u := r.Header.Get("Urgency"); u {
	case "", "very-low", "low", "normal", "high":
	default:
		return 400, fmt.Errorf("Urgency %q", u)
	}
	topic := r.Header.Get("Topic")
	if _, err := base64.RawURLEncoding.DecodeString(topic + strings.Repeat("A", (4-len(topic)%4)%4)); err != nil || len(topic) > 32 {
		return 400, fmt.Errorf("Topic %q", topic)
	}
	if e := r.Header.Get("Content-Encoding"); e != "aes128gcm" {
		return 415, fmt.Errorf("Content-Encoding %q", e)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 4097))
	if err != nil || len(body) > 4096 {
		return 413, fmt.Errorf("body of %d bytes or more", len(body))
	}
	text := body
	if target.key != nil {
		if text, err = Decrypt(target.key, target.auth, body); err != nil {
			return 400, err
		}
	}
	b.mu.Lock()
	b.received = append(b.received, WebMessage{id, r.Header.Get("TTL"), r.Header.Get("Urgency"), topic, string(text)})
	b.mu.Unlock()
	return http.StatusCreated, nil
}

// authorized checks a VAPID header (RFC 8292 §3).
func (b *Browsers) authorized(r *http.Request) error {
	parts, ok := strings.CutPrefix(r.Header.Get("Authorization"), "vapid ")
	if !ok {
		return errors.New("no vapid credentials")
	}
	values := map[string]string{}
	for _, p := range strings.Split(parts, ",") {
		k, v, _ := strings.Cut(strings.TrimSpace(p), "=")
		values[k] = v
	}
	if b.VAPIDKey != "" && values["k"] != b.VAPIDKey {
		return errors.New("the key is not that of the subscription")
	}
	raw, err := base64.RawURLEncoding.DecodeString(values["k"])
	if err != nil {
		return err
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), raw)
	if err != nil {
		return err
	}
	var claims jwt.RegisteredClaims
	_, err = jwt.ParseWithClaims(values["t"], &claims, func(*jwt.Token) (any, error) { return key, nil },
		jwt.WithValidMethods([]string{"ES256"}), jwt.WithAudience(b.URL), jwt.WithExpirationRequired())
	if err != nil {
		return err
	}
	if time.Until(claims.ExpiresAt.Time) > 24*time.Hour {
		return errors.New("exp is more than 24 hours ahead")
	}
	if b.Contact != "" && claims.Subject != b.Contact {
		return fmt.Errorf("sub %q", claims.Subject)
	}
	return nil
}

// Decrypt opens a message as a browser does.
func Decrypt(key *ecdh.PrivateKey, auth, body []byte) ([]byte, error) {
	if len(body) < 21 {
		return nil, errors.New("the body has no header")
	}
	salt, size, n := body[:16], binary.BigEndian.Uint32(body[16:]), int(body[20])
	if len(body) < 21+n || size < 18 {
		return nil, errors.New("the header is malformed")
	}
	sender, err := ecdh.P256().NewPublicKey(body[21 : 21+n])
	if err != nil {
		return nil, err
	}
	sealed := body[21+n:]
	if len(sealed) > int(size) {
		return nil, errors.New("a push message is one record")
	}
	shared, err := key.ECDH(sender)
	if err != nil {
		return nil, err
	}
	prk, err := hkdf.Extract(sha256.New, shared, auth)
	if err != nil {
		return nil, err
	}
	info := append([]byte("WebPush: info\x00"), key.PublicKey().Bytes()...)
	ikm, err := hkdf.Expand(sha256.New, prk, string(append(info, sender.Bytes()...)), 32)
	if err != nil {
		return nil, err
	}
	if prk, err = hkdf.Extract(sha256.New, ikm, salt); err != nil {
		return nil, err
	}
	cek, err := hkdf.Expand(sha256.New, prk, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, err
	}
	nonce, err := hkdf.Expand(sha256.New, prk, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(cek)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nonce, sealed, nil)
	if err != nil {
		return nil, err
	}
	for len(plain) > 0 && plain[len(plain)-1] == 0 {
		plain = plain[:len(plain)-1]
	}
	if len(plain) == 0 || plain[len(plain)-1] != 2 {
		return nil, errors.New("the last record has no delimiter")
	}
	return plain[:len(plain)-1], nil
}
