// Package client serves the client API, /api/client/v2.0, as unmodified Realm
// SDKs speak it (client-api.md part 1). It decodes requests, finds the app and
// the session, hands the work to the one service that does it, and turns
// results and errors into replies. It decides nothing else.
package client

import (
	"log/slog"
	"net/http"
	"net/netip"
	"path"
	"strings"
	"time"

	"regent/internal/caller"
	"regent/internal/fault"
)

// Prefix is where the API lives.
const Prefix = "/api/client/v2.0"

// Defaults of Config.
const (
	DefaultMaxBody   = 18 << 20 // app-services.md §17: request size
	DefaultHeartbeat = 15 * time.Second

	DefaultBodyTimeout = time.Minute
)

// Config configures a Server.
type Config struct {
	Apps   Apps
	Logger *slog.Logger

	// PublicURL is the origin that clients reach the server by, without a
	// trailing slash. Empty: each request's own origin.
	PublicURL string

	// TrustedProxies may set X-Forwarded-For, -Proto and -Host.
	TrustedProxies []netip.Prefix

	// MaxBody bounds a request's body in bytes; 0: DefaultMaxBody.
	MaxBody int64

	// Heartbeat is the pause after which a silent watch sends a comment; 0:
	// DefaultHeartbeat.
	Heartbeat time.Duration

	// BodyTimeout is how long a request's body may take to arrive; 0:
	// DefaultBodyTimeout.
	BodyTimeout time.Duration

	// Observe is told of every finished request, for metrics; may be nil.
	Observe func(route string, status int, took time.Duration)

	// Failed is told of every request that was answered with an error, for the
	// app's log; may be nil.
	Failed func(Failure)

	// Shutdown is closed when the server stops, so that streams end.
	Shutdown <-chan struct{}
}

// Failure is a request that was answered with an error.
type Failure struct {
	AppID   string // "" when no app was found
	Route   string
	Request *caller.Request
	UserID  string
	Started time.Time
	Status  int
	Code    fault.Code
	Message string // as the client got it
	Cause   error  // for the operator; nil when the message says it all
}

// Server is the http.Handler of the client API.
type Server struct {
	Config
	mux *http.ServeMux
}

// New returns a Server.
func New(c Config) *Server {
	if c.MaxBody == 0 {
		c.MaxBody = DefaultMaxBody
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = DefaultHeartbeat
	}
	if c.BodyTimeout == 0 {
		c.BodyTimeout = DefaultBodyTimeout
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{Config: c, mux: http.NewServeMux()}
	for _, rt := range routes {
		s.mux.Handle(rt.method+" "+Prefix+rt.path, s.handler(rt))
	}
	// Whatever else is asked below the prefix answers as an API does, and
	// preflights are answered for every path.
	s.mux.Handle("OPTIONS "+Prefix+"/", http.HandlerFunc(s.preflight))
	s.mux.Handle(Prefix+"/", s.handler(route{name: "unknown", serve: (*call).noSuchRoute}))
	return s
}

// ServeHTTP serves one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// A base URL with a trailing slash gives `//api/…` (client-api.md §1.3).
	// ServeMux would answer with a redirect, which the protocol forbids (§1.4).
	if strings.Contains(r.URL.Path, "//") {
		u := *r.URL
		u.Path, u.RawPath = path.Clean(u.Path), ""
		r2 := *r
		r2.URL = &u
		r = &r2
	}
	s.mux.ServeHTTP(w, r)
}
