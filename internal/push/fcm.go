package push

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// The public endpoints of Firebase; a service's config may name others.
const (
	defaultFCMURL   = "https://fcm.googleapis.com"
	defaultTopicURL = "https://iid.googleapis.com"
)

// fcm is Firebase Cloud Messaging's HTTP v1 API.
type fcm struct {
	client   *http.Client
	tokens   *accessTokens
	sendURL  string
	topicURL string // of topic management
	now      func() time.Time
}

func newFCM(a *serviceAccount, project, base, topics string, client *http.Client, now func() time.Time) *fcm {
	return &fcm{
		client: client, tokens: newAccessTokens(a, client), now: now,
		sendURL:  strings.TrimSuffix(base, "/") + "/v1/projects/" + url.PathEscape(project) + "/messages:send",
		topicURL: strings.TrimSuffix(topics, "/"),
	}
}

// Send implements provider.
func (f *fcm) Send(ctx context.Context, to address, m *Message) outcome {
	body := f.body(to, m)
	for try := 0; ; try++ {
		status, header, answer, o := f.post(ctx, f.sendURL, body, nil)
		if o != nil {
			return *o
		}
		if status == http.StatusOK {
			return outcome{verdict: sent}
		}
		if status == http.StatusUnauthorized && try == 0 && fcmError(answer).code == "UNAUTHENTICATED" {
			continue // with a new access token: post has forgotten the old one
		}
		return fcmOutcome(status, retryAfter(header, f.now()), answer)
	}
}

// body is the request for one address: the message's JSON with the addressee
// put in front.
func (f *fcm) body(to address, m *Message) []byte {
	key, value := "token", to.token
	switch {
	case to.topic != "":
		key, value = "topic", to.topic
	case to.condition != "":
		key, value = "condition", to.condition
	}
	name, _ := json.Marshal(value) // a string can't fail
	var b bytes.Buffer
	b.Grow(len(m.FCM) + len(name) + 64)
	b.WriteByte('{')
	if m.Validate {
		b.WriteString(`"validate_only":true,`)
	}
	fmt.Fprintf(&b, `"message":{%q:%s`, key, name)
	if rest := m.FCM[1:]; rest != "}" {
		b.WriteByte(',')
		b.WriteString(rest)
	} else {
		b.WriteByte('}')
	}
	b.WriteByte('}')
	return b.Bytes()
}

// post sends an authorised request. The outcome is set when there is no answer.
func (f *fcm) post(ctx context.Context, to string, body []byte, header http.Header) (status int, answered http.Header, answer []byte, o *outcome) {
	token, err := f.tokens.get()
	if err != nil {
		var refusal *oauth2.RetrieveError
		if errors.As(err, &refusal) && refusal.Response != nil && refusal.Response.StatusCode < 500 && refusal.Response.StatusCode != http.StatusTooManyRequests {
			code := refusal.ErrorCode
			if code == "" {
				code = refusal.Response.Status
			}
			return 0, nil, nil, &outcome{verdict: pause, code: "CREDENTIALS", minimum: time.Minute,
				detail: "Google refuses the service account (" + code + " " + refusal.ErrorDescription + "): is its key revoked, or this machine's clock wrong?"}
		}
		return 0, nil, nil, &outcome{verdict: pause, code: "TOKEN_UNAVAILABLE", detail: "no access token from Google: " + err.Error()}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, &outcome{verdict: refused, code: "INTERNAL", detail: err.Error()}
	}
	for k, v := range header {
		r.Header[k] = v
	}
	r.Header.Set("Content-Type", "application/json; charset=UTF-8")
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := f.client.Do(r)
	if err != nil {
		return 0, nil, nil, unreachable(err)
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(res.Body, maxResponseBytes))
	if err != nil {
		return 0, nil, nil, unreachable(err)
	}
	if res.StatusCode == http.StatusUnauthorized {
		f.tokens.forget(token)
	}
	return res.StatusCode, res.Header, answer, nil
}

func unreachable(err error) *outcome {
	return &outcome{verdict: retry, code: "UNREACHABLE", detail: err.Error()}
}

// fcmProblem is what an FCM error answer says.
type fcmProblem struct {
	code, message string
	badToken      bool // a field violation of the address
}

// fcmError reads an error answer: FCM's own code where there is one, else the
// general status.
func fcmError(answer []byte) fcmProblem {
	var body struct {
		Error struct {
			Status  string `json:"status"`
			Message string `json:"message"`
			Details []struct {
				ErrorCode       string `json:"errorCode"`
				FieldViolations []struct {
					Field string `json:"field"`
				} `json:"fieldViolations"`
			} `json:"details"`
		} `json:"error"`
	}
	_ = json.Unmarshal(answer, &body) // an answer of another shape is judged by its HTTP status
	p := fcmProblem{code: body.Error.Status, message: body.Error.Message}
	for _, d := range body.Error.Details {
		if d.ErrorCode != "" {
			p.code = d.ErrorCode
		}
		for _, v := range d.FieldViolations {
			if v.Field == "message.token" {
				p.badToken = true
			}
		}
	}
	// FCM says it in words when the token is no token at all.
	if strings.Contains(p.message, "not a valid FCM registration token") {
		p.badToken = true
	}
	return p
}

// fcmOutcome is FCM's table of error codes
// (firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode and
// …/cloud-messaging/error-codes).
func fcmOutcome(status int, after time.Duration, answer []byte) outcome {
	p := fcmError(answer)
	o := outcome{code: p.code, detail: fmt.Sprintf("HTTP %d: %s", status, p.message), retryAfter: after}
	if o.code == "" {
		o.code = fmt.Sprintf("HTTP_%d", status)
	}
	switch {
	case p.code == "UNREGISTERED":
		o.verdict = gone
	case p.code == "INVALID_ARGUMENT" && p.badToken:
		o.verdict = gone
	case p.code == "SENDER_ID_MISMATCH": // the token is of another Firebase project
		o.verdict = refused
	case p.code == "THIRD_PARTY_AUTH_ERROR": // the project's APNs key or web push key is wrong
		o.verdict = refused
	case p.code == "INVALID_ARGUMENT":
		o.verdict = refused
	case status == http.StatusTooManyRequests: // QUOTA_EXCEEDED: a minute at least when FCM names no time
		o.verdict = pause
		if after == 0 {
			o.minimum = time.Minute
		}
	case status == http.StatusServiceUnavailable && after > 0: // UNAVAILABLE
		o.verdict = pause
	case status >= 500: // INTERNAL, UNAVAILABLE, gateways
		o.verdict = retry
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		// The account may not send, or the API is off: true of all messages until
		// somebody changes it.
		o.verdict, o.minimum = pause, time.Minute
	case status == http.StatusNotFound:
		// Without FCM's own code it may be the device or the project that is not
		// known: neither may the device be forgotten nor the others wait for it.
		o.verdict, o.minimum = retry, time.Minute
	default:
		o.verdict = refused
	}
	return o
}
