package regent

import (
	"context"
	"net/http"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/api/client"
	"regent/internal/api/endpoint"
	"regent/internal/app"
	"regent/internal/auth"
	"regent/internal/caller"
	"regent/internal/data"
	"regent/internal/fault"
	"regent/internal/function"
	"regent/internal/user"
)

// openEndpoints prepares an instance's HTTPS endpoints and webhooks.
func (srv *Server) openEndpoints(in *instance) []app.Problem {
	if srv.client == nil || len(in.app.Endpoints)+len(in.app.Webhooks) == 0 {
		return nil
	}
	var problems []app.Problem
	in.endpoints, problems = endpoint.New(endpoint.Config{
		App: in.app, Functions: endpointFunctions{in}, Accounts: endpointAccounts{in.accounts}, Rules: in,
		Describe: srv.client.Describe, Fail: srv.failEndpoint,
	})
	return problems
}

// serveEndpoint serves /app/<app id>/endpoint/<route>, the path that endpoints
// had on the original's host for them.
func (srv *Server) serveEndpoint(w http.ResponseWriter, r *http.Request) {
	in := srv.endpointsOf(w, r, r.PathValue("app"))
	if in == nil {
		return
	}
	in.endpoints.ServeEndpoint(w, r, "/"+r.PathValue("route"))
}

// serveWebhook serves …/app/<app id>/service/<service>/incoming_webhook/<name>
// below the client API's prefix; ok is false for any other path.
func (srv *Server) serveWebhook(w http.ResponseWriter, r *http.Request) (ok bool) {
	rest, ok := strings.CutPrefix(r.URL.Path, client.Prefix+"/app/")
	if !ok {
		return false
	}
	p := strings.Split(rest, "/")
	if len(p) != 5 || p[1] != "service" || p[3] != "incoming_webhook" {
		return false
	}
	r.SetPathValue("app", p[0])
	if in := srv.endpointsOf(w, r, p[0]); in != nil {
		in.endpoints.ServeWebhook(w, r, p[2], p[4])
	}
	return true
}

func (srv *Server) failEndpoint(w http.ResponseWriter, r *http.Request, info *caller.Request, err error) {
	srv.client.Fail(w, r, "endpoint", info, err)
}

// endpointsOf finds an app with endpoints and applies its allowed origins; nil
// when it has answered.
func (srv *Server) endpointsOf(w http.ResponseWriter, r *http.Request, appID string) *instance {
	in := srv.registry.byID(appID)
	if in == nil {
		srv.failEndpoint(w, r, srv.client.Describe(r), fault.New(fault.None, "cannot find app using Client App ID '%s'", appID).WithStatus(http.StatusNotFound))
		return nil
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		if !client.OriginAllowed(in.app.AllowedRequestOrigins, origin) {
			srv.failEndpoint(w, r, srv.client.Describe(r), fault.New(fault.None, "origin %q is not in the app's allowed_request_origins", origin).WithStatus(http.StatusForbidden))
			return nil
		}
		h := w.Header()
		h.Add("Vary", "Origin")
		h.Set("Access-Control-Allow-Origin", origin)
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE, OPTIONS")
			h.Set("Access-Control-Allow-Headers", r.Header.Get("Access-Control-Request-Headers"))
			h.Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
	}
	if in.endpoints == nil {
		srv.failEndpoint(w, r, srv.client.Describe(r), fault.New(fault.IncomingWebhookNotFound, "the app has no endpoints"))
		return nil
	}
	return in
}

// endpointFunctions calls handlers; a transaction that one leaves open ends with
// its call.
type endpointFunctions struct{ in *instance }

func (f endpointFunctions) CallEndpoint(ctx context.Context, c caller.Caller, name string, payload bson.RawValue) (function.EndpointResult, error) {
	ctx, scope := data.WithScope(ctx)
	defer scope.End()
	return f.in.functions.CallEndpoint(ctx, c, name, payload)
}

func (f endpointFunctions) CallWebhook(ctx context.Context, c caller.Caller, w *app.Webhook, payload bson.RawValue) (function.EndpointResult, error) {
	ctx, scope := data.WithScope(ctx)
	defer scope.End()
	return f.in.functions.CallWebhook(ctx, c, w, payload)
}

// endpointAccounts finds the users of endpoints' requests.
type endpointAccounts struct{ s *auth.Service }

func (a endpointAccounts) Session(ctx context.Context, token string) (*user.User, error) {
	s, err := a.s.Authenticate(ctx, token)
	if err != nil {
		return nil, err
	}
	return s.User, nil
}

func (a endpointAccounts) Credentials(ctx context.Context, provider string, body bson.Raw, r *caller.Request) (*user.User, error) {
	t, err := a.s.Login(ctx, provider, body, r)
	if err != nil {
		return nil, err
	}
	// The session served this one request.
	defer a.s.Logout(context.WithoutCancel(ctx), t.RefreshToken)
	return a.Session(ctx, t.AccessToken)
}
