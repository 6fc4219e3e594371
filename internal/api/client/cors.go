package client

import (
	"net/http"
	"strings"

	"regent/internal/fault"
)

// OriginAllowed says whether an app's allowed_request_origins admit an origin.
// An empty list admits all. Origins are compared whole, scheme and host without
// regard to case, the port as it is written (app-services.md §1.3).
func OriginAllowed(allowed []string, origin string) bool {
	if len(allowed) == 0 {
		return true
	}
	for _, a := range allowed {
		if strings.EqualFold(strings.TrimSuffix(a, "/"), origin) {
			return true
		}
	}
	return false
}

// allowOrigin sets the CORS headers of a reply and refuses an origin that the
// app does not admit. Requests without an Origin come from no browser page. The
// server's own origin, which its hosting has, is always admitted.
func (c *call) allowOrigin(b *Backend) error {
	origin := c.r.Header.Get("Origin")
	if origin == "" {
		return nil
	}
	if b != nil && !OriginAllowed(b.App.AllowedRequestOrigins, origin) && !strings.EqualFold(origin, c.publicURL(c.r)) {
		return fault.New(fault.None, "origin %q is not in the app's allowed_request_origins", origin).WithStatus(http.StatusForbidden)
	}
	setOrigin(c.w.Header(), origin)
	return nil
}

func setOrigin(h http.Header, origin string) {
	h.Add("Vary", "Origin")
	h.Set("Access-Control-Allow-Origin", origin)
	// Linking in a browser sends a cookie with the request, and reads the
	// provider's address from this header (client-api.md §1.2.3, §1.7).
	h.Set("Access-Control-Allow-Credentials", "true")
	h.Set("Access-Control-Expose-Headers", "X-Baas-Location, X-Appservices-Request-Id, Retry-After")
}

// preflight answers OPTIONS. Routes without an app id do not tell whose they
// are before the token comes, so there an origin passes that some app admits;
// the request itself is checked against its own app.
func (s *Server) preflight(w http.ResponseWriter, r *http.Request) {
	origin := r.Header.Get("Origin")
	if origin != "" {
		ok := strings.EqualFold(origin, s.publicURL(r))
		if rest, found := strings.CutPrefix(r.URL.Path, Prefix+"/app/"); found {
			id, _, _ := strings.Cut(rest, "/")
			// An unknown app's 404 must be readable by the page.
			b := s.Apps.ByID(id)
			ok = ok || b == nil || OriginAllowed(b.App.AllowedRequestOrigins, origin)
		} else {
			ok = ok || s.Apps.AnyAllows(origin)
		}
		if ok {
			h := w.Header()
			setOrigin(h, origin)
			h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS")
			h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Accept, Last-Event-ID")
			h.Set("Access-Control-Max-Age", "600")
		}
	}
	w.WriteHeader(http.StatusNoContent)
}
