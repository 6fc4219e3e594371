package function

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/internal/caller"
	"regent/internal/fault"
	"regent/internal/function/wire"
)

// httpRequest is what a function asks for; every HTTP interface that functions
// have (context.http, fetch, http, https, axios) ends here.
type httpRequest struct {
	Method   string              `bson:"method"`
	URL      string              `bson:"url"`
	Headers  map[string][]string `bson:"headers"`
	Body     bson.RawValue       `bson:"body"`
	Follow   bool                `bson:"follow"`
	Timeout  int64               `bson:"timeout"` // ms, 0: the setting
	Insecure bool                `bson:"insecure"`
	Username string              `bson:"username"` // for digest authentication
	Password string              `bson:"password"`
	Digest   bool                `bson:"digest"`
}

// http performs a request within the policy. Any status is a success.
func (x *execution) http(ctx context.Context, _ caller.Caller, m wire.OperationMessage) (bson.RawValue, error) {
	var q httpRequest
	if err := bson.Unmarshal(m.Argument, &q); err != nil {
		return bson.RawValue{}, fault.New(fault.HTTPError, "the request cannot be read: %s", err)
	}
	u, err := url.Parse(q.URL)
	if err != nil {
		return bson.RawValue{}, fault.New(fault.HTTPError, "invalid address: %s", err)
	}
	if err := checkURL(u); err != nil {
		return bson.RawValue{}, err
	}
	o := x.deployment.outbound
	timeout := o.policy.Timeout
	if q.Timeout > 0 && time.Duration(q.Timeout)*time.Millisecond < timeout {
		timeout = time.Duration(q.Timeout) * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	body := requestBody(q.Body)
	if int64(len(body)) > o.policy.RequestSize {
		return bson.RawValue{}, fault.New(fault.HTTPError, "the request's body is larger than %d bytes (http_request_size)", o.policy.RequestSize)
	}
	response, err := o.do(ctx, u, &q, body)
	if err != nil {
		return bson.RawValue{}, httpFailure(err, timeout)
	}
	defer response.Body.Close()
	counted := &holding{Reader: response.Body, x: x}
	defer counted.release()
	data, err := io.ReadAll(io.LimitReader(counted, o.policy.ResponseSize+1))
	if err != nil {
		return bson.RawValue{}, httpFailure(err, timeout)
	}
	if int64(len(data)) > o.policy.ResponseSize {
		return bson.RawValue{}, fault.New(fault.HTTPError, "the response is larger than %d bytes (http_response_size)", o.policy.ResponseSize)
	}
	return responseValue(response, data), nil
}

func requestBody(v bson.RawValue) []byte {
	if s, ok := v.StringValueOK(); ok {
		return []byte(s)
	}
	if _, b, ok := v.BinaryOK(); ok {
		return b
	}
	return nil
}

// hopHeaders are the transport's own affair.
var hopHeaders = map[string]bool{"Connection": true, "Keep-Alive": true, "Proxy-Connection": true, "Transfer-Encoding": true, "Upgrade": true, "Te": true, "Content-Length": true, "Accept-Encoding": true, "Host": true}

func (o *outbound) do(ctx context.Context, u *url.URL, q *httpRequest, body []byte) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, strings.ToUpper(q.Method), u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if len(body) == 0 {
		request.Body, request.GetBody, request.ContentLength = nil, nil, 0
	}
	for k, values := range q.Headers {
		name := http.CanonicalHeaderKey(k)
		if name == "Host" && len(values) > 0 {
			request.Host = values[0]
		}
		if hopHeaders[name] {
			continue
		}
		for _, v := range values {
			request.Header.Add(name, v)
		}
	}
	if request.Header.Get("User-Agent") == "" {
		request.Header.Set("User-Agent", "Regent")
	}
	if u.User != nil && request.Header.Get("Authorization") == "" {
		password, _ := u.User.Password()
		request.SetBasicAuth(u.User.Username(), password)
	}
	transport := o.client
	if q.Insecure {
		transport = o.loose
	}
	client := http.Client{Transport: transport, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if !q.Follow {
			return http.ErrUseLastResponse
		}
		if len(via) > o.policy.Redirects {
			return fault.New(fault.HTTPError, "more than %d redirects (http_max_redirects)", o.policy.Redirects)
		}
		return checkURL(r.URL)
	}}
	response, err := client.Do(request)
	if err != nil || !q.Digest || response.StatusCode != http.StatusUnauthorized {
		return response, err
	}
	authorization, ok := digestAuthorization(response.Header, request.Method, u.RequestURI(), q.Username, q.Password)
	if !ok {
		return response, nil
	}
	response.Body.Close()
	again := request.Clone(ctx)
	if len(body) > 0 {
		again.Body = io.NopCloser(bytes.NewReader(body))
	}
	again.Header.Set("Authorization", authorization)
	return client.Do(again)
}

func httpFailure(err error, timeout time.Duration) error {
	var known *fault.Error
	if errors.As(err, &known) {
		return known
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fault.New(fault.HTTPError, "the request took longer than %s (http_timeout)", timeout)
	}
	return fault.New(fault.HTTPError, "%s", err)
}

func responseValue(r *http.Response, data []byte) bson.RawValue {
	i, b := bsoncore.AppendDocumentStart(nil)
	b = bsoncore.AppendStringElement(b, "status", r.Status)
	b = bsoncore.AppendInt32Element(b, "statusCode", int32(r.StatusCode))
	b = bsoncore.AppendStringElement(b, "statusText", strings.TrimSpace(strings.TrimPrefix(r.Status, fmt.Sprint(r.StatusCode))))
	b = bsoncore.AppendStringElement(b, "url", r.Request.URL.String())
	b = bsoncore.AppendInt32Element(b, "contentLength", int32(len(data)))
	h, b := bsoncore.AppendDocumentElementStart(b, "headers")
	for _, k := range sortedKeys(r.Header) {
		var a int32
		a, b = bsoncore.AppendArrayElementStart(b, k)
		for j, v := range r.Header[k] {
			b = bsoncore.AppendStringElement(b, fmt.Sprint(j), strings.ToValidUTF8(v, "\uFFFD"))
		}
		b, _ = bsoncore.AppendArrayEnd(b, a)
	}
	b, _ = bsoncore.AppendDocumentEnd(b, h)
	c, b := bsoncore.AppendDocumentElementStart(b, "cookies")
	for _, k := range r.Cookies() {
		var d int32
		d, b = bsoncore.AppendDocumentElementStart(b, k.Name)
		b = bsoncore.AppendStringElement(b, "value", k.Value)
		b = bsoncore.AppendStringElement(b, "path", k.Path)
		b = bsoncore.AppendStringElement(b, "domain", k.Domain)
		if !k.Expires.IsZero() {
			b = bsoncore.AppendStringElement(b, "expires", k.Expires.UTC().Format(http.TimeFormat))
		}
		b = bsoncore.AppendInt32Element(b, "maxAge", int32(k.MaxAge))
		b = bsoncore.AppendBooleanElement(b, "secure", k.Secure)
		b = bsoncore.AppendBooleanElement(b, "httpOnly", k.HttpOnly)
		b, _ = bsoncore.AppendDocumentEnd(b, d)
	}
	b, _ = bsoncore.AppendDocumentEnd(b, c)
	b = bsoncore.AppendBinaryElement(b, "body", 0, data)
	b, _ = bsoncore.AppendDocumentEnd(b, i)
	return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: b}
}
