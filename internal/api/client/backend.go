package client

import (
	"context"
	"net/http"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
	"regent/internal/caller"
	"regent/internal/user"
)

// Apps finds the apps that are served. Each lookup returns the version of the
// app that is current at that moment; a request keeps the one it got.
type Apps interface {
	// ByID finds an app by its client app id; nil when there is none.
	ByID(clientAppID string) *Backend

	// ByDomain finds an app by the domain id of a token (client-api.md §1.12);
	// nil when there is none.
	ByDomain(domainID string) *Backend

	// AnyAllows says whether at least one app accepts requests from origin;
	// asked for preflights of the routes that carry no app id.
	AnyAllows(origin string) bool
}

// Backend is one app as it is served: its description and the services that do
// the work.
type Backend struct {
	App       *app.App
	DomainID  string
	Accounts  Accounts
	Functions Functions
	Data      Data
	Push      Push // nil when the app has no push service

	// OAuth serves the redirect flow of client-api.md §1.7: GET on the login
	// route.
	OAuth http.Handler
}

// Tokens is the answer to a log-in (client-api.md §1.5.3). A link has no
// refresh token of its own.
type Tokens struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token,omitempty"`
	UserID       string `json:"user_id"`
	DeviceID     string `json:"device_id"`
}

// Session is a live session, found by its access token.
type Session struct {
	ID       string
	DeviceID string
	User     *user.User

	// Origin is the accounts service's own session; the API hands it back
	// untouched.
	Origin any
}

// APIKey is a user API key. Key is set in the answer to Create only.
type APIKey struct {
	ID       string `json:"_id"`
	Key      string `json:"key,omitempty"`
	Name     string `json:"name"`
	Disabled bool   `json:"disabled"`
}

// Accounts logs users in and keeps their sessions. Errors are *fault.Error with
// the texts and codes of client-api.md §1.5 to §1.15.
type Accounts interface {
	Login(ctx context.Context, provider string, body bson.Raw, r *caller.Request) (Tokens, error)
	Link(ctx context.Context, s *Session, provider string, body bson.Raw, r *caller.Request) (Tokens, error)

	// Userpass performs one of the calls of client-api.md §1.8 by its path
	// below local-userpass/.
	Userpass(ctx context.Context, call string, body bson.Raw, r *caller.Request) error

	Authenticate(ctx context.Context, accessToken string) (*Session, error)

	// Alive says whether a session is still good: not logged out, not revoked,
	// its user neither disabled nor deleted. It ignores the access token's
	// expiry, so that a stream may outlive its token (client-api.md §1.18), and
	// reads no database in the steady state.
	Alive(ctx context.Context, s *Session) error

	Refresh(ctx context.Context, refreshToken string, r *caller.Request) (accessToken string, err error)
	Logout(ctx context.Context, refreshToken string) error

	// Profile returns the profile document of client-api.md §1.10.
	Profile(ctx context.Context, s *Session) (bson.Raw, error)
	DeleteUser(ctx context.Context, s *Session) error

	CreateAPIKey(ctx context.Context, refreshToken, name string) (APIKey, error)
	APIKeys(ctx context.Context, refreshToken string) ([]APIKey, error)
	APIKey(ctx context.Context, refreshToken, id string) (APIKey, error)
	DeleteAPIKey(ctx context.Context, refreshToken, id string) error
	SetAPIKeyDisabled(ctx context.Context, refreshToken, id string, disabled bool) error
}

// Functions calls the app's functions for clients.
type Functions interface {
	CallAsClient(ctx context.Context, c caller.Caller, name string, args []bson.RawValue) (bson.RawValue, error)
}

// Data performs service actions under the app's rules.
type Data interface {
	Do(ctx context.Context, c caller.Caller, service, action string, arg bson.Raw) (bson.RawValue, error)
	Watch(ctx context.Context, c caller.Caller, service string, arg bson.Raw, lastEventID string) (Stream, error)
}

// Stream is an open watch.
type Stream interface {
	// Begin is the id to resume after when the stream breaks before its first
	// event; "" when it is not known.
	Begin() string

	// Next waits for an event until ctx is done, which leaves the stream
	// usable. A *fault.Error ends the stream with an error event; io.EOF ends
	// it silently.
	Next(ctx context.Context) (id string, event bson.Raw, err error)
	Close()
}

// Push keeps the registrations of client-api.md §1.20.
type Push interface {
	Register(ctx context.Context, s *Session, service, registrationToken string, body bson.Raw) error
	Deregister(ctx context.Context, s *Session, service string) error
}
