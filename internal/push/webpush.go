package push

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// subscription is a browser's PushSubscription.
type subscription struct {
	endpoint *url.URL
	key      *ecdh.PublicKey // p256dh
	auth     []byte
}

// parseSubscription reads JSON.stringify(subscription).
func parseSubscription(text string) (*subscription, error) {
	var raw struct {
		Endpoint string `json:"endpoint"`
		Keys     struct {
			P256dh string `json:"p256dh"`
			Auth   string `json:"auth"`
		} `json:"keys"`
	}
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return nil, errors.New("it is no JSON object with endpoint and keys")
	}
	u, err := url.Parse(raw.Endpoint)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return nil, errors.New("its endpoint is no https address")
	}
	point, err := decode64(raw.Keys.P256dh)
	if err != nil {
		return nil, errors.New("keys.p256dh is no base64url")
	}
	key, err := ecdh.P256().NewPublicKey(point)
	if err != nil {
		return nil, errors.New("keys.p256dh is no public key on P-256")
	}
	auth, err := decode64(raw.Keys.Auth)
	if err != nil || len(auth) != 16 {
		return nil, errors.New("keys.auth is not 16 bytes in base64url")
	}
	return &subscription{u, key, auth}, nil
}

// decode64 takes base64url with or without padding.
func decode64(s string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
}

// webPush is the Web Push protocol (RFC 8030) with VAPID (RFC 8292).
type webPush struct {
	client *http.Client
	key    *vapidKey
	random io.Reader
	now    func() time.Time
}

// Send implements provider. Web Push has no topics that reach many devices: the
// fan-out has resolved them.
func (w *webPush) Send(ctx context.Context, to address, m *Message) outcome {
	s, err := parseSubscription(to.token)
	if err != nil {
		return outcome{verdict: gone, code: "INVALID_SUBSCRIPTION", detail: err.Error()}
	}
	if m.Validate {
		return outcome{verdict: sent}
	}
	body, err := encrypt(w.random, s, []byte(m.Web))
	if err != nil {
		return outcome{verdict: refused, code: "PAYLOAD_TOO_LARGE", detail: err.Error()}
	}
	authorization, err := w.key.authorization(s.endpoint, w.now())
	if err != nil {
		return outcome{verdict: refused, code: "VAPID", detail: err.Error()}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.endpoint.String(), bytes.NewReader(body))
	if err != nil {
		return outcome{verdict: gone, code: "INVALID_SUBSCRIPTION", detail: err.Error()}
	}
	r.Header.Set("Authorization", authorization)
	r.Header.Set("Content-Type", "application/octet-stream")
	r.Header.Set("Content-Encoding", "aes128gcm")
	r.Header.Set("TTL", strconv.Itoa(m.TTL))
	r.Header.Set("Urgency", m.Urgency)
	if m.Topic != "" {
		r.Header.Set("Topic", m.Topic)
	}
	res, err := w.client.Do(r)
	if err != nil {
		return *unreachable(err)
	}
	defer res.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(res.Body, 512)) // for the failure's text only
	return webOutcome(res.StatusCode, retryAfter(res.Header, w.now()), string(bytes.TrimSpace(answer)))
}

// webOutcome is RFC 8030's table of statuses.
func webOutcome(status int, after time.Duration, answer string) outcome {
	o := outcome{code: fmt.Sprintf("HTTP_%d", status), detail: fmt.Sprintf("HTTP %d: %s", status, answer), retryAfter: after}
	switch {
	case status == http.StatusOK, status == http.StatusCreated, status == http.StatusAccepted, status == http.StatusNoContent:
		return outcome{verdict: sent}
	case status == http.StatusNotFound, status == http.StatusGone:
		o.verdict = gone
	case status == http.StatusTooManyRequests:
		// One browser maker's limit says nothing about the others': this
		// message waits, the service goes on.
		o.verdict = retry
		if after == 0 {
			o.minimum = time.Minute
		}
	case status >= 500:
		o.verdict = retry
	default: // 400, 401, 403: key or request are wrong; 413: too large; redirects
		o.verdict = refused
	}
	return o
}

var topicToken = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// webTopic makes a Topic header of a collapse key: 32 characters of base64url
// at most (RFC 8030 §5.4).
func webTopic(collapse string) string {
	if topicToken.MatchString(collapse) {
		return collapse
	}
	sum := sha256.Sum256([]byte(collapse))
	return base64.RawURLEncoding.EncodeToString(sum[:24])
}

func encode64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
