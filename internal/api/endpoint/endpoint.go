// Package endpoint serves an app's custom HTTPS endpoints and the incoming
// webhooks of older layouts (app-services.md §9, §15): each is an address that
// calls a function with the request and answers with what it made of it.
package endpoint

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
	"regent/internal/caller"
	"regent/internal/ejson"
	"regent/internal/fault"
	"regent/internal/function"
	"regent/internal/rule"
	"regent/internal/user"
)

// Functions calls the handlers.
type Functions interface {
	CallEndpoint(ctx context.Context, c caller.Caller, name string, payload bson.RawValue) (function.EndpointResult, error)
	CallWebhook(ctx context.Context, c caller.Caller, w *app.Webhook, payload bson.RawValue) (function.EndpointResult, error)
}

// Accounts finds the user of a request.
type Accounts interface {
	// Session returns the user of an access token.
	Session(ctx context.Context, accessToken string) (*user.User, error)

	// Credentials logs in by a provider and returns the user.
	Credentials(ctx context.Context, provider string, body bson.Raw, r *caller.Request) (*user.User, error)
}

// Config is what a Set needs.
type Config struct {
	App       *app.App
	Functions Functions
	Accounts  Accounts
	Rules     rule.Functions // for %function in can_evaluate

	// Describe says what functions and rules may know of a request.
	Describe func(*http.Request) *caller.Request

	// Fail answers with an error; its link names the request as Describe did.
	Fail func(http.ResponseWriter, *http.Request, *caller.Request, error)
}

// Set is the endpoints and webhooks of one app.
type Set struct {
	Config
	byRoute  map[string]map[string]*handler // route, then method or "*"
	webhooks map[string]*handler            // "<service>/<name>"
}

// handler is one endpoint, ready to be called.
type handler struct {
	*app.Endpoint
	webhook *app.Webhook // nil for an endpoint
	service string       // the webhook's type of service
	runsAs  *app.Function
	may     *rule.Expr // can_evaluate of the endpoint itself; nil: always
}

// New prepares the endpoints of an app.
func New(c Config) (*Set, []app.Problem) {
	s := &Set{Config: c, byRoute: map[string]map[string]*handler{}, webhooks: map[string]*handler{}}
	var problems []app.Problem
	prepare := func(e *app.Endpoint) *handler {
		h := &handler{Endpoint: e}
		if e.CanEvaluate.Type != 0 {
			var found []app.Problem
			h.may, found = rule.CompileExpression(c.App, e.CanEvaluate, rule.Call, e.Source)
			problems = append(problems, found...)
		}
		return h
	}
	for _, e := range c.App.Endpoints {
		h := prepare(e)
		h.runsAs = c.App.Function(e.Function)
		methods := s.byRoute[e.Route]
		if methods == nil {
			methods = map[string]*handler{}
			s.byRoute[e.Route] = methods
		}
		methods[strings.ToUpper(e.Method)] = h
	}
	for _, w := range c.App.Webhooks {
		h := prepare(&w.Endpoint)
		h.webhook, h.runsAs = w, w.Code
		if i := slices.IndexFunc(c.App.Services, func(s *app.Service) bool { return s.Name == w.Service }); i >= 0 {
			h.service = c.App.Services[i].Type
		}
		s.webhooks[w.Service+"/"+w.Name] = h
	}
	return s, problems
}

// ServeEndpoint serves a request whose path below …/endpoint is route.
func (s *Set) ServeEndpoint(w http.ResponseWriter, r *http.Request, route string) {
	methods := s.byRoute[route]
	h := methods[r.Method]
	if h == nil {
		h = methods["*"]
	}
	s.serve(w, r, h, "endpoint not found: "+r.Method+" "+route)
}

// ServeWebhook serves a request for …/service/<service>/incoming_webhook/<name>.
func (s *Set) ServeWebhook(w http.ResponseWriter, r *http.Request, service, name string) {
	h := s.webhooks[service+"/"+name]
	if h != nil && h.Method != "*" && !strings.EqualFold(h.Method, "ANY") && !strings.EqualFold(h.Method, r.Method) {
		h = nil
	}
	s.serve(w, r, h, "incoming webhook not found: '"+service+"/"+name+"'")
}

func (s *Set) serve(w http.ResponseWriter, r *http.Request, h *handler, missing string) {
	info := s.Describe(r)
	w.Header().Set("X-Appservices-Request-Id", info.ID)
	if h == nil || h.Disabled {
		s.Fail(w, r, info, fault.New(fault.IncomingWebhookNotFound, "%s", missing))
		return
	}
	if err := s.call(w, r, h, info); err != nil {
		s.Fail(w, r, info, err)
	}
}

// call follows the order of app-services.md §9.3.
func (s *Set) call(w http.ResponseWriter, r *http.Request, h *handler, info *caller.Request) error {
	most := int64(s.App.Settings.MaxRequestSize)
	if most <= 0 {
		most = 18 << 20
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return fault.New(fault.BadRequest, "request body too large: at most %d bytes are allowed (max_request_size)", most).WithStatus(http.StatusRequestEntityTooLarge)
		}
		return fault.New(fault.BadRequest, "could not read the request's body: %v", err)
	}
	if err := s.verify(h, r, body); err != nil {
		return err
	}
	c := caller.Caller{Request: info}
	c.Request.RawQuery = withoutSecret(r.URL.RawQuery)
	if c.Request.WebhookURL = h.Route; h.Route == "" {
		c.Request.WebhookURL = r.URL.Path // an incoming webhook has no other name for it
	}
	if c.User, err = s.user(r, h, c.Request); err != nil {
		return err
	}
	if h.may != nil {
		ok, err := h.may.Eval(r.Context(), &rule.Env{Caller: c, Functions: s.Rules})
		if err != nil {
			return err
		}
		if !ok {
			return fault.New(fault.FunctionExecutionError, "rule not matched for endpoint %q", h.Route).WithStatus(http.StatusForbidden)
		}
	}
	payload, err := h.payload(r, body)
	if err != nil {
		return err
	}
	var result function.EndpointResult
	if h.webhook != nil {
		result, err = s.Functions.CallWebhook(r.Context(), c, h.webhook, payload)
	} else {
		result, err = s.Functions.CallEndpoint(r.Context(), c, h.Function, payload)
	}
	if err != nil {
		return err
	}
	return answer(w, r, h, result)
}

// verify checks the endpoint's secret in constant time.
func (s *Set) verify(h *handler, r *http.Request, body []byte) error {
	refused := fault.New(fault.IncomingWebhookAuthFailed, "the request is not verified")
	method := strings.ToUpper(h.ValidationMethod)
	if method == "" || method == "NO_VALIDATION" {
		return nil
	}
	secret := s.App.Secrets[h.SecretName]
	if h.webhook != nil && h.webhook.Secret != "" {
		secret = h.webhook.Secret
	}
	if secret == "" {
		return refused.WithCause(errors.New("secret " + h.SecretName + " is not set"))
	}
	switch method {
	case "SECRET_AS_QUERY_PARAM":
		if subtle.ConstantTimeCompare([]byte(r.URL.Query().Get("secret")), []byte(secret)) == 1 {
			return nil
		}
	case "VERIFY_PAYLOAD":
		header := "Endpoint-Signature"
		if h.webhook != nil {
			header = "X-Hook-Signature"
		}
		if h.service == "github" && r.Header.Get(header) == "" {
			header = "X-Hub-Signature-256" // GitHub's own
		}
		sent, err := hex.DecodeString(strings.TrimPrefix(r.Header.Get(header), "sha256="))
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		if err == nil && hmac.Equal(sent, mac.Sum(nil)) {
			return nil
		}
	}
	return refused
}

// payload is the handler's first argument. What GitHub and Twilio send arrives
// parsed (app-services.md §15).
func (h *handler) payload(r *http.Request, body []byte) (bson.RawValue, error) {
	if h.service != "github" && h.service != "twilio" {
		return function.EndpointPayload(r.URL.Query(), r.Header, body), nil
	}
	form := url.Values{}
	if h.service == "twilio" || strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		var err error
		if form, err = url.ParseQuery(string(body)); err != nil {
			return bson.RawValue{}, fault.New(fault.BadRequest, "the request's body is not a form: %v", err)
		}
	}
	if h.service == "github" {
		if form.Has("payload") {
			body = []byte(form.Get("payload"))
		}
		v, err := ejson.Parse(body)
		if err != nil {
			return bson.RawValue{}, fault.New(fault.BadRequest, "the request's body is not JSON: %v", err)
		}
		return v, nil
	}
	fields := bson.D{}
	for _, name := range slices.Sorted(maps.Keys(form)) {
		fields = append(fields, bson.E{Key: name, Value: form.Get(name)})
	}
	raw, err := bson.Marshal(fields)
	if err != nil {
		return bson.RawValue{}, fault.New(fault.BadRequest, "the request's body is not a form: %v", err)
	}
	return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: raw}, nil
}

// user finds the user of the request where the function runs as its caller. The
// system, a fixed user or a script need no credentials, and get none.
func (s *Set) user(r *http.Request, h *handler, info *caller.Request) (*user.User, error) {
	f := h.runsAs
	if f == nil || f.RunAsSystem || f.RunAsUserID != "" || f.RunAsUserIDScript != "" {
		return nil, nil
	}
	u, err := s.authenticate(r, info)
	if err != nil {
		return nil, err
	}
	if !h.FetchCustomUserData {
		c := *u
		c.CustomData = nil
		u = &c
	}
	return u, nil
}

// credentials lists the headers that log in, with the provider and the member of
// its log-in body (app-services.md §9.3).
var credentials = []struct{ header, provider, member string }{
	{"apiKey", user.APIKey, "key"},
	{"api-key", user.APIKey, "key"},
	{"jwtTokenString", user.CustomToken, "token"},
}

func (s *Set) authenticate(r *http.Request, info *caller.Request) (*user.User, error) {
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return s.Accounts.Session(r.Context(), token)
	}
	if email := r.Header.Get("email"); email != "" {
		return s.logIn(r, info, user.LocalUserpass, bson.D{{Key: "username", Value: email}, {Key: "password", Value: r.Header.Get("password")}})
	}
	for _, c := range credentials {
		if v := r.Header.Get(c.header); v != "" {
			return s.logIn(r, info, c.provider, bson.D{{Key: c.member, Value: v}})
		}
	}
	return nil, fault.New(fault.InvalidParameter, "no authentication methods were specified")
}

func (s *Set) logIn(r *http.Request, info *caller.Request, provider string, body bson.D) (*user.User, error) {
	raw, err := bson.Marshal(body)
	if err != nil {
		return nil, fault.New(fault.InvalidParameter, "malformed credentials")
	}
	return s.Accounts.Credentials(r.Context(), provider, raw, info)
}

// withoutSecret leaves every secret=… pair out of a query.
func withoutSecret(query string) string {
	pairs := strings.Split(query, "&")
	kept := pairs[:0]
	for _, p := range pairs {
		name, _, _ := strings.Cut(p, "=")
		if n, err := url.QueryUnescape(name); err == nil {
			name = n
		}
		if name != "secret" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, "&")
}

// answer sends what the function made of the request (app-services.md §9.5).
func answer(w http.ResponseWriter, r *http.Request, h *handler, result function.EndpointResult) error {
	if !h.RespondResult {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	status, body, kind := http.StatusOK, result.Body, "application/json"
	if result.Configured {
		for name, values := range result.Header {
			w.Header()[http.CanonicalHeaderKey(name)] = values
		}
		if result.Status >= 200 && result.Status <= 599 {
			status = result.Status
		}
	}
	if body == nil && result.Value.Type != 0 && result.Value.Type != bson.TypeUndefined {
		var err error
		if wantsEJSON(r, h.ReturnType) {
			kind = "application/ejson"
			body, err = ejson.Append(nil, result.Value)
		} else {
			body, err = AppendJSON(nil, result.Value)
		}
		if err != nil {
			return err
		}
	}
	if status == http.StatusNoContent || status == http.StatusNotModified {
		body = nil
	}
	if w.Header().Get("Content-Type") == "" && len(body) > 0 {
		w.Header().Set("Content-Type", kind)
	}
	w.WriteHeader(status)
	w.Write(body)
	return nil
}

// wantsEJSON: the Accept header overrides the endpoint's return type.
func wantsEJSON(r *http.Request, returnType string) bool {
	switch accept := r.Header.Get("Accept"); {
	case strings.Contains(accept, "application/ejson"):
		return true
	case strings.Contains(accept, "application/json"):
		return false
	}
	return strings.EqualFold(returnType, "EJSON")
}
