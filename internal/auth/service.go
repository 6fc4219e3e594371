// Package auth owns accounts: the providers by which users log in, their
// identities and how these are linked, e-mail accounts with their passwords, API
// keys, and what operators do with users.
//
// A user is one document that holds all its identities. A unique index over the
// identities makes (provider, id) belong to at most one user of an app, however
// many processes try at once; every other rule follows from single-document
// updates. Sessions are package session's.
//
// Errors that a client may see are *fault.Error with the texts, codes and
// statuses of client-api.md §1.5–1.15.
package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"regent/internal/app"
	"regent/internal/auth/password"
	"regent/internal/bulk"
	"regent/internal/caller"
	"regent/internal/fault"
	"regent/internal/mail"
	"regent/internal/session"
	"regent/internal/session/live"
	"regent/internal/user"
)

// Functions calls the app's functions: authentication, confirmation, reset and
// user creation functions.
type Functions interface {
	Call(ctx context.Context, c caller.Caller, name string, args []bson.RawValue) (bson.RawValue, error)
}

// Operation is what happened to a user.
type Operation string

// The operations of authentication triggers (app-services.md §8.3).
const (
	Create Operation = "CREATE" // a new user, or a new identity linked to one
	Login  Operation = "LOGIN"
	Delete Operation = "DELETE"
)

// Event tells authentication triggers what happened.
type Event struct {
	Operation Operation
	Providers []string // provider types concerned; all of the user's for DELETE
	User      *user.User
	Time      time.Time
	First     bool // the CREATE and the LOGIN of a log-in that made the user
}

// Config is what a Service needs. App, Domain, DB and Sessions are required.
type Config struct {
	App      *app.App
	Domain   bson.ObjectID   // from EnsureApp
	DB       *mongo.Database // __regent
	Sessions *session.Service

	// WriteConcern is DB's, which the driver does not tell; nil: the deployment's
	// default.
	WriteConcern *writeconcern.WriteConcern

	// Functions runs the app's functions; without it, providers that need one
	// answer with an error that says so.
	Functions Functions

	// CustomData returns the deployment behind a data source.
	CustomData func(ctx context.Context, dataSource string) (*mongo.Client, error)

	// Mail sends confirmation and reset mails; without it they cannot be sent.
	Mail mail.Sender

	// PublicURL is the server's own origin, for links in mails and the callback
	// of the redirect flow.
	PublicURL func() string

	// HTTP reaches identity providers; default: a client with a 10 s limit.
	HTTP *http.Client

	Passwords *password.Hasher // shared by the apps of a process; default: password.Default, one hash per core at once
	Now       func() time.Time // default: time.Now
	Rand      io.Reader        // default: crypto/rand
	Logger    *slog.Logger     // default: slog.Default()
	Events    func(Event)      // must not block; default: nobody listens

	// AccessTTL and RefreshTTL are used where the app's settings have none.
	AccessTTL, RefreshTTL time.Duration
}

// DefaultCachedUsers bounds the users of one app that a process holds in memory.
const DefaultCachedUsers = 20_000

// Service is the accounts of one app.
type Service struct {
	Config
	settings  app.Settings
	store     store
	users     *live.Cache[*record]
	providers map[string]*provider
	ids       map[string]string // of the providers; see providerID
	throttle  *throttle
	creating  keyedLock
	arrivals  arrivals

	stop       context.CancelFunc
	background sync.WaitGroup
}

// New prepares the accounts of an app; Close it when the app is replaced.
func New(ctx context.Context, c Config) (*Service, error) {
	if c.App == nil || c.DB == nil || c.Sessions == nil || c.Domain.IsZero() {
		return nil, errors.New("accounts need an app, its domain id, a database and sessions")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Events == nil {
		c.Events = func(Event) {}
	}
	if c.PublicURL == nil {
		c.PublicURL = func() string { return "" }
	}
	if c.HTTP == nil {
		c.HTTP = &http.Client{Timeout: 10 * time.Second}
	}
	if c.Passwords == nil {
		h, err := password.New(password.Default, runtime.GOMAXPROCS(0), password.DefaultWaiting, c.Rand)
		if err != nil {
			return nil, err
		}
		c.Passwords = h
	}
	if err := c.Sessions.Prepare(ctx, c.Domain); err != nil {
		return nil, err
	}
	s := &Service{Config: c, settings: settingsOf(c.App), store: newStore(c.DB), providers: map[string]*provider{}, ids: map[string]string{}}
	if err := s.store.ensureIndexes(ctx); err != nil {
		return nil, fmt.Errorf("preparing accounts: %w", err)
	}
	inserter, err := bulk.New(s.store.users, c.WriteConcern)
	if err != nil {
		return nil, fmt.Errorf("preparing accounts: %w", err)
	}
	s.throttle = newThrottle(s.store.throttle, s.Domain, c.Now)
	s.users = live.NewCache(c.Sessions.Watcher(), usersCollection, DefaultCachedUsers, s.readUser)
	for _, p := range c.App.Providers {
		if p.Disabled {
			continue
		}
		open := opener(p.Name)
		if open == nil {
			c.Logger.Warn("authentication provider is not known; log-ins by it are refused", "provider", p.Name)
			continue
		}
		how, err := open(s, p)
		if err != nil {
			// The app serves on; a log-in by this provider says what is wrong.
			c.Logger.Warn("authentication provider cannot be used", "provider", p.Name, "file", p.File, "error", err)
			how = &brokenProvider{name: p.Name, err: err}
		}
		s.providers[p.Name] = &provider{Provider: p, how: how}
		s.ids[p.Name] = s.providerID(p.Name)
	}
	// The service outlives the context that it is made under.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.arrivals = arrivals{users: inserter, waiting: make(chan *arrival), closing: background}
	s.background.Go(s.arrivals.run)
	if s.settings.AnonymousUserMaxIdleDays > 0 {
		s.background.Go(func() { s.sweep(background) })
	}
	return s, nil
}

// settingsOf are the app's settings; an app that was not loaded from a directory
// has the defaults.
func settingsOf(a *app.App) app.Settings {
	if a.Settings.ThrottleWindow > 0 {
		return a.Settings
	}
	d := app.DefaultSettings()
	d.AccessTokenTTL, d.RefreshTokenTTL, d.AnonymousRefreshTokenTTL = a.Settings.AccessTokenTTL, a.Settings.RefreshTokenTTL, a.Settings.AnonymousRefreshTokenTTL
	return d
}

// Close stops listening for changes and ends what runs in the background.
func (s *Service) Close() {
	s.stop()
	s.background.Wait()
	s.users.Close()
}

// provider is an enabled provider of the app.
type provider struct {
	*app.Provider
	how authenticator
}

func (s *Service) provider(name string) (*provider, error) {
	if p := s.providers[name]; p != nil {
		return p, nil
	}
	return nil, fault.New(fault.AuthProviderNotFound, "authentication provider not found: '%s'", name)
}

// providerID is the id of one of the app's providers: the protocol wants 24 hex
// digits, derived here so that every process says the same.
func (s *Service) providerID(name string) string {
	if id := s.ids[name]; id != "" {
		return id
	}
	return derivedID(s.Domain, "provider "+name).Hex()
}

func (s *Service) accessTTL() time.Duration {
	if t := s.settings.AccessTokenTTL; t > 0 {
		return t
	}
	return s.AccessTTL
}

// refreshTTL is 0 for tokens that do not expire: anonymous users', unless a
// setting limits them.
func (s *Service) refreshTTL(provider string) time.Duration {
	if provider == user.AnonUser {
		return s.settings.AnonymousRefreshTokenTTL
	}
	if t := s.settings.RefreshTokenTTL; t > 0 {
		return t
	}
	if s.RefreshTTL > 0 {
		return s.RefreshTTL
	}
	return session.DefaultRefreshTTL
}

// brokenProvider answers for a provider whose configuration cannot work.
type brokenProvider struct {
	name string
	err  error
}

func (b *brokenProvider) authenticate(context.Context, *attempt) (*identified, error) {
	return nil, fault.New(fault.AuthError, "authentication provider '%s' is not configured correctly: the server's log says what is missing", b.name).WithCause(b.err)
}
