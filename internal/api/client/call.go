package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/caller"
	"regent/internal/ejson"
	"regent/internal/fault"
)

// call is one request on its way through a route.
type call struct {
	*Server
	ctx     context.Context
	started time.Time
	w       http.ResponseWriter
	r       *http.Request
	b       *Backend // nil on an unknown route
	info    caller.Request
	token   string   // refresh token, on routes that take one
	session *Session // on routes that take an access token
	status  int      // as sent; 0 before
}

// handler wraps a route with what all of them share.
func (s *Server) handler(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{Server: s, ctx: r.Context(), started: time.Now(), w: w, r: r}
		s.describe(&c.info, r)
		// The field's name for the correlation id that is also in `link`.
		w.Header().Set("X-Appservices-Request-Id", c.info.ID)
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				s.Logger.Error("request panicked", "request", c.info.ID, "route", rt.name, "panic", p, "stack", string(debug.Stack()))
				if c.status == 0 {
					c.fail(rt, errors.New("panic"))
				}
			}
			took := time.Since(c.started)
			if s.Observe != nil {
				s.Observe(rt.name, c.status, took)
			}
			s.Logger.LogAttrs(c.ctx, slog.LevelDebug, "request",
				slog.String("request", c.info.ID), slog.String("route", rt.name), slog.Int("status", c.status),
				slog.Duration("took", took), slog.String("remote", c.info.RemoteIP))
		}()
		if err := c.prepare(rt); err != nil {
			c.fail(rt, err)
			return
		}
		if err := rt.serve(c); err != nil {
			c.fail(rt, err)
		}
	})
}

// Describe says what rules, functions and throttles may know of a request that
// is served beside the API.
func (s *Server) Describe(r *http.Request) *caller.Request {
	info := new(caller.Request)
	s.describe(info, r)
	return info
}

// Fail answers a request that is served beside the API's own routes with an
// error, as they do. what is the route's name in logs, info what Describe said of
// the request.
func (s *Server) Fail(w http.ResponseWriter, r *http.Request, what string, info *caller.Request, err error) {
	c := &call{Server: s, ctx: r.Context(), started: time.Now(), w: w, r: r, info: *info}
	if id := r.PathValue("app"); id != "" {
		c.b = s.Apps.ByID(id)
	}
	w.Header().Set("X-Appservices-Request-Id", c.info.ID)
	c.fail(route{name: what}, err)
}

// prepare finds the app, checks the origin and reads the token.
func (c *call) prepare(rt route) error {
	var token string
	var present bool
	if rt.token != noToken {
		token, present = bearer(c.r)
		if rt.token == streamToken && !present {
			token, present = c.streamParameter("at")
		}
	}
	if id := c.r.PathValue("app"); id != "" {
		if c.b = c.Apps.ByID(id); c.b == nil {
			c.allowOrigin(nil)
			// Without a code: SDKs expect the unknown class (client-api.md §1.3).
			return fault.New(fault.None, "cannot find app using Client App ID '%s'", id).WithStatus(http.StatusNotFound)
		}
	} else if rt.token != noToken && token != "" {
		c.b = c.Apps.ByDomain(domainOf(token))
	}
	if err := c.allowOrigin(c.b); err != nil {
		return err
	}
	switch rt.token {
	case noToken:
		return nil
	case refreshToken:
		if err := checkPresent(token, present, "expected Authorization header with JWT (Bearer schema)"); err != nil {
			return err
		}
		if c.b == nil {
			// realm-web swallows exactly this text when it logs out
			// (client-api.md §1.9), so a token of no app has it too.
			return fault.New(fault.InvalidSession, "invalid session: failed to find refresh token")
		}
		c.token = token
		return nil
	default:
		if err := checkPresent(token, present, "unauthorized"); err != nil {
			return err
		}
		if c.b == nil {
			// A foreign or garbled token: realm-web then refreshes and
			// retries (client-api.md §1.13).
			return fault.New(fault.None, "unauthorized").WithStatus(http.StatusUnauthorized)
		}
		var err error
		c.session, err = c.b.Accounts.Authenticate(c.ctx, token)
		if err != nil {
			return err
		}
		c.info.SessionID, c.info.DeviceID = c.session.ID, c.session.DeviceID
		return nil
	}
}

// checkPresent refuses a request without a token with the texts of
// client-api.md §1.15 and §1.16.3. `Bearer ` with nothing behind it is what
// native SDKs send for a logged-out user.
func checkPresent(token string, present bool, emptyText string) error {
	switch {
	case !present:
		return fault.New(fault.MissingAuthReq, "must authenticate first")
	case token == "":
		return fault.New(fault.None, "%s", emptyText).WithStatus(http.StatusUnauthorized)
	}
	return nil
}

// bearer reads the Authorization header. net/http trims the space of an empty
// `Bearer `.
func bearer(r *http.Request) (token string, present bool) {
	h := r.Header.Get("Authorization")
	if h == "" {
		return "", false
	}
	const scheme = "bearer"
	if len(h) < len(scheme) || !strings.EqualFold(h[:len(scheme)], scheme) {
		return "", true
	}
	return strings.TrimSpace(h[len(scheme):]), true
}

// caller is the session's user as rules and functions see them.
func (c *call) caller() caller.Caller {
	return caller.Caller{User: c.session.User, Request: &c.info}
}

// body reads the request's body as one EJSON document; an empty body is an
// empty document.
func (c *call) body() (bson.Raw, error) {
	text, err := c.bodyText()
	if err != nil {
		return nil, err
	}
	if len(text) == 0 {
		return emptyDocument, nil
	}
	d, err := ejson.ParseDocument(text)
	if err != nil {
		return nil, fault.New(fault.BadRequest, "invalid request body: %v", err)
	}
	return d, nil
}

var emptyDocument = bson.Raw{5, 0, 0, 0, 0}

func (c *call) bodyText() ([]byte, error) {
	most := c.maxBody()
	if c.r.ContentLength > most {
		return nil, tooLarge(most)
	}
	// A body that never ends must not hold its connection for ever; a watch,
	// which has no body, may.
	control := http.NewResponseController(c.w)
	control.SetReadDeadline(time.Now().Add(c.BodyTimeout))
	body := http.MaxBytesReader(c.w, c.r.Body, most)
	var text []byte
	var err error
	if n := c.r.ContentLength; n > 0 && n <= 1<<20 {
		text = make([]byte, n)
		_, err = io.ReadFull(body, text)
	} else {
		text, err = io.ReadAll(body)
	}
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return nil, tooLarge(most)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, fault.New(fault.BadRequest, "the request's body did not arrive within %v", c.BodyTimeout).WithStatus(http.StatusRequestTimeout)
		}
		return nil, fault.New(fault.BadRequest, "could not read the request's body: %v", err)
	}
	// After a failure the deadline stays: net/http would wait for the rest of the
	// body before it sends the reply.
	control.SetReadDeadline(time.Time{})
	return text, nil
}

// maxBody is the app's max_request_size, or the server's bound.
func (c *call) maxBody() int64 {
	if c.b != nil && c.b.App.Settings.MaxRequestSize > 0 {
		return int64(c.b.App.Settings.MaxRequestSize)
	}
	return c.MaxBody
}

func tooLarge(most int64) error {
	return fault.New(fault.BadRequest, "request body too large: at most %d bytes are allowed (max_request_size)", most).
		WithStatus(http.StatusRequestEntityTooLarge)
}

func (c *call) noSuchRoute() error {
	if below, ok := strings.CutPrefix(c.r.URL.Path, Prefix+"/app/"); ok {
		if _, path, _ := strings.Cut(below, "/"); notServed[path] != "" {
			return fault.NotServed(notServed[path])
		}
	}
	return fault.New(fault.None, "%s %s is not part of the client API", c.r.Method, c.r.URL.Path).WithStatus(http.StatusNotFound)
}

// stringField reads a string member of a body; missing and mistyped members are
// told apart from empty ones by the error.
func stringField(body bson.Raw, name string) (string, error) {
	v := body.Lookup(name)
	if s, ok := v.StringValueOK(); ok {
		return s, nil
	}
	return "", fault.New(fault.None, "'%s' is a required string", name)
}

// logLink is the address that goes into an error's `link`. NET asserts the
// substring logs?co_id= (client-api.md §1.14). Regent has no project groups.
func (c *call) logLink() string {
	domain := zeroID
	if c.b != nil {
		domain = c.b.DomainID
	}
	return fmt.Sprintf("%s/groups/%s/apps/%s/logs?co_id=%s", c.publicURL(c.r), zeroID, domain, c.info.ID)
}

const zeroID = "000000000000000000000000"
