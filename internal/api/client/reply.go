package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/ejson"
	"regent/internal/fault"
)

// header names as net/http canonicalises them.
const contentType = "Content-Type"

// jsonType is the exact header value: native SDKs compare it as a whole
// (client-api.md §1.2.2).
const jsonType = "application/json"

// json sends text with a status.
func (c *call) json(status int, text []byte) error {
	h := c.w.Header()
	h.Set(contentType, jsonType)
	h.Set("Content-Length", strconv.Itoa(len(text)))
	c.status = status
	c.w.WriteHeader(status)
	c.w.Write(text)
	return nil
}

// object sends v, encoded by encoding/json.
func (c *call) object(status int, v any) error {
	b := replies.Get().(*bytes.Buffer)
	defer replies.Put(b)
	b.Reset()
	if err := encodeJSON(b, v); err != nil {
		return err
	}
	return c.json(status, b.Bytes())
}

// replies are buffers of objects that were sent.
var replies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// value sends v as canonical EJSON (client-api.md §1.16.2).
func (c *call) value(v bson.RawValue) error {
	if v.Type == 0 {
		v.Type = bson.TypeUndefined
	}
	text, err := ejson.Append(make([]byte, 0, 256), v)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, text)
}

// relaxed sends d as relaxed EJSON.
func (c *call) relaxed(d bson.Raw) error {
	text, err := ejson.AppendRelaxed(nil, bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: d})
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, text)
}

// empty sends a status without a body and, as realm-web needs it, without a
// Content-Type (client-api.md §1.2.2).
func (c *call) empty(status int) error {
	c.status = status
	c.w.WriteHeader(status)
	return nil
}

// errorBody is the error object of client-api.md §1.14. error_code is left out,
// never null, when there is none.
type errorBody struct {
	Error string     `json:"error"`
	Code  fault.Code `json:"error_code,omitempty"`
	Link  string     `json:"link,omitempty"`
}

// fail is the one place that turns an error into a reply.
func (c *call) fail(rt route, err error) {
	if c.status != 0 {
		// The reply is under way; the connection ends where it is.
		c.Logger.Warn("request failed after its reply began", "request", c.info.ID, "route", rt.name, "error", err)
		return
	}
	f := c.faultOf(rt, err)
	if f.RetryAfter > 0 {
		c.w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(f.RetryAfter.Seconds()))))
	}
	c.object(f.Status, errorBody{Error: f.Message, Code: f.Code, Link: c.logLink()})
	c.recordFailure(rt, f, err)
}

// recordFailure tells the app's log of a request that failed.
func (c *call) recordFailure(rt route, f *fault.Error, err error) {
	if c.Failed == nil {
		return
	}
	x := Failure{Route: rt.name, Request: &c.info, Started: c.started, Status: f.Status, Code: f.Code, Message: f.Message, Cause: f.Cause}
	if f.Status >= 500 && x.Cause == nil {
		x.Cause = err
	}
	if c.b != nil {
		x.AppID = c.b.App.ID
	}
	if c.session != nil {
		x.UserID = c.session.User.ID
	}
	c.Failed(x)
}

// faultOf finds what a client may see of err. An error without a code is ours:
// its text stays in the log.
func (c *call) faultOf(rt route, err error) *fault.Error {
	var f *fault.Error
	if errors.As(err, &f) {
		if f.Cause != nil || f.Status >= 500 {
			c.Logger.LogAttrs(context.Background(), slog.LevelInfo, "request refused",
				slog.String("request", c.info.ID), slog.String("route", rt.name), slog.Int("status", f.Status),
				slog.String("error", f.Message), slog.Any("cause", f.Cause))
		}
		return f
	}
	if c.ctx.Err() != nil {
		return fault.New(fault.None, "the request was cancelled").WithStatus(http.StatusServiceUnavailable)
	}
	c.Logger.Error("request failed", "request", c.info.ID, "route", rt.name, "error", err)
	return fault.New(fault.InternalServerError, "internal error: the server's log has the cause under request %s", c.info.ID)
}

func encodeJSON(b *bytes.Buffer, v any) error {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	b.Truncate(b.Len() - len("\n"))
	return nil
}
