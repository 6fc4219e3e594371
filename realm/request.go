package realm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// clientPrefix is the path of the client protocol (client-api.md §1.1).
const clientPrefix = "/api/client/v2.0"

// sdkVersion is sent with every login.
const sdkVersion = "1.0.0"

const (
	jsonType   = "application/json"
	streamType = "text/event-stream"
)

// maxErrorBody bounds how much of an error answer is read, in bytes.
const maxErrorBody = 64 << 10

// request is one call before it knows the server's address.
type request struct {
	method string
	path   string // below the prefix, or below the app's path if inApp
	inApp  bool
	query  url.Values
	body   []byte // nil: the request has no body and no Content-Type
	token  string // bearer token; empty: no Authorization header
	header map[string]string
}

// exchange sends the request and returns the whole body of a 2xx answer.
func (a *App) exchange(ctx context.Context, r request) ([]byte, error) {
	base, err := a.location(ctx)
	if err != nil {
		return nil, err
	}
	return a.exchangeAt(ctx, base, r)
}

func (a *App) exchangeAt(ctx context.Context, base string, r request) ([]byte, error) {
	if a.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, a.timeout, errTimeout{a.timeout})
		defer cancel()
	}
	res, err := a.send(ctx, a.client, base, r, jsonType)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := a.readBody(ctx, res)
	if err != nil {
		return nil, err
	}
	if len(body) > 0 && !isType(res, jsonType) {
		return nil, a.answerError(res, ErrMalformedJSON, fmt.Sprintf("expected a JSON answer, got %q", res.Header.Get("Content-Type")), nil)
	}
	return body, nil
}

// errTimeout is the cause of a request ended by [WithTimeout].
type errTimeout struct{ after time.Duration }

func (e errTimeout) Error() string   { return fmt.Sprintf("no complete answer within %v", e.after) }
func (e errTimeout) Timeout() bool   { return true }
func (e errTimeout) Is(t error) bool { return t == context.DeadlineExceeded }

// send makes the request and returns a 2xx answer whose body is unread; the
// caller closes it. Everything else is an error.
func (a *App) send(ctx context.Context, client *http.Client, base string, r request, accept string) (*http.Response, error) {
	target := base + clientPrefix
	if r.inApp {
		target += "/app/" + url.PathEscape(a.id)
	}
	target += r.path
	shown := target
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, &Error{Method: r.method, URL: shown, Err: err}
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("User-Agent", "realm-go/"+sdkVersion)
	if r.body != nil {
		req.Header.Set("Content-Type", jsonType)
	}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	for k, v := range r.header {
		req.Header.Set(k, v)
	}
	logging := a.log.Enabled(ctx, slog.LevelDebug)
	var start time.Time
	if logging {
		start = a.clock.Now()
	}
	res, err := client.Do(req)
	if err != nil {
		err = transportCause(ctx, err)
		a.log.DebugContext(ctx, "realm: request failed", "method", r.method, "url", shown, "error", err)
		return nil, &Error{Method: r.method, URL: shown, Err: err}
	}
	if logging {
		a.log.DebugContext(ctx, "realm: request", "method", r.method, "url", shown, "status", res.StatusCode, "took", a.clock.Now().Sub(start))
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		defer res.Body.Close()
		return nil, a.refusal(ctx, res)
	}
	return res, nil
}

// transportCause strips net/http's repetition of method and URL (whose query
// is not for logs) and prefers the reason for which a context ended.
func transportCause(ctx context.Context, err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// readBody reads an answer to its end, within the size limit.
func (a *App) readBody(ctx context.Context, res *http.Response) ([]byte, error) {
	if res.ContentLength > a.maxBody {
		return nil, a.answerError(res, ErrResponseTooLarge, fmt.Sprintf("the answer has %d bytes, the limit is %d (WithMaxResponseSize)", res.ContentLength, a.maxBody), nil)
	}
	var buf bytes.Buffer
	if res.ContentLength > 0 {
		buf.Grow(int(min(res.ContentLength, 1<<20)) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(res.Body, a.maxBody+1))
	if err != nil {
		return nil, a.answerError(res, "", "reading the answer", transportCause(ctx, err))
	}
	if n > a.maxBody {
		return nil, a.answerError(res, ErrResponseTooLarge, fmt.Sprintf("the answer is longer than %d bytes (WithMaxResponseSize)", a.maxBody), nil)
	}
	return buf.Bytes(), nil
}

// answerError is an error about an answer that did arrive.
func (a *App) answerError(res *http.Response, code Code, message string, cause error) *Error {
	shown := *res.Request.URL
	shown.RawQuery = ""
	return &Error{Method: res.Request.Method, URL: shown.String(), StatusCode: res.StatusCode, Code: code, Message: message, Err: cause}
}

// refusal turns an answer that is not 2xx into an error. The error object is
// read leniently: fields of another type count as absent (client-api.md §1.14).
func (a *App) refusal(ctx context.Context, res *http.Response) *Error {
	e := a.answerError(res, ErrHTTP, "", nil)
	e.RetryAfter = a.retryAfter(res.Header.Get("Retry-After"))
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		e.Code = ErrRedirect
		e.Message = "the server redirects"
		if to, err := res.Location(); err == nil {
			e.Message += " to " + to.Scheme + "://" + to.Host + "; if that is where the app lives, make it the base URL"
		}
		return e
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxErrorBody))
	if err != nil {
		e.Err = transportCause(ctx, err)
		return e
	}
	if isType(res, jsonType) {
		var object map[string]json.RawMessage
		if json.Unmarshal(body, &object) == nil {
			text, hasText := stringField(object, "error")
			code, hasCode := stringField(object, "error_code")
			link, _ := stringField(object, "link")
			if hasText || hasCode {
				e.Message, e.Code, e.Link = text, Code(code), link
				return e
			}
		}
	}
	if text := strings.TrimSpace(snippet(body)); text != "" {
		e.Message = fmt.Sprintf("unexpected answer %q", text)
	}
	return e
}

func stringField(object map[string]json.RawMessage, key string) (string, bool) {
	raw, ok := object[key]
	if !ok {
		return "", false
	}
	var s *string
	if json.Unmarshal(raw, &s) != nil || s == nil {
		return "", false
	}
	return *s, true
}

// retryAfter reads the header's two forms: seconds, or a date.
func (a *App) retryAfter(value string) time.Duration {
	if value == "" {
		return 0
	}
	if s, err := strconv.ParseInt(value, 10, 32); err == nil {
		return max(0, time.Duration(s)*time.Second)
	}
	if t, err := http.ParseTime(value); err == nil {
		return max(0, t.Sub(a.clock.Now()))
	}
	return 0
}

// isType compares the media type without parameters, in any case of letters.
func isType(res *http.Response, want string) bool {
	value := res.Header.Get("Content-Type")
	if value == want { // as the protocol demands (client-api.md §1.2.2)
		return true
	}
	got, _, err := mime.ParseMediaType(value)
	return err == nil && got == want
}

// isProtocolError reports whether err is an answer with one of the statuses
// and an error object of the protocol: not a proxy's or a captive portal's.
func isProtocolError(err error, statuses ...int) bool {
	var e *Error
	if !errors.As(err, &e) || e.Code == ErrHTTP || e.Code == ErrRedirect {
		return false
	}
	for _, s := range statuses {
		if e.StatusCode == s {
			return true
		}
	}
	return false
}

// isStatus reports whether the server answered with the status.
func isStatus(err error, status int) bool {
	var e *Error
	return errors.As(err, &e) && e.StatusCode == status
}
