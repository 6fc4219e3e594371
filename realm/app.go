package realm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
)

// App is one app on a server: the way to log in, and the keeper of its users.
// Its methods may be called from any number of goroutines.
type App struct {
	id      string
	key     string // under which the storage keeps the app
	name    string
	version string
	storage Storage
	log     *slog.Logger
	clock   Clock
	timeout time.Duration
	maxBody int64

	client *http.Client // ordinary requests
	stream *http.Client // the same without a limit on the whole answer

	skipLocation bool
	locating     flight[string]

	mu       sync.Mutex
	baseURL  string
	host     string  // from the location request; empty until it was made
	deviceID string  // last device id the server gave out
	users    []*User // not removed; the most recently active one first
	current  *User

	listeners listeners
}

// NewApp returns the app with the given id, the one shown by the server
// ("todo-abcde"). It reads the users of earlier runs from the storage, and
// makes no request: a wrong id or address shows at the first call.
func NewApp(id string, opts ...Option) (*App, error) {
	if strings.TrimSpace(id) == "" {
		return nil, errors.New("realm: missing app id")
	}
	c := config{
		baseURL:     DefaultBaseURL,
		logger:      slog.New(slog.DiscardHandler),
		clock:       systemClock{},
		timeout:     DefaultTimeout,
		maxResponse: DefaultMaxResponseSize,
	}
	for _, opt := range opts {
		if err := opt(&c); err != nil {
			return nil, err
		}
	}
	if c.storage == nil {
		c.storage = MemoryStorage()
	}
	if c.client == nil {
		c.client = &http.Client{Transport: defaultTransport()}
	}
	client := *c.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	stream := client
	stream.Timeout = 0

	a := &App{
		id: id,
		// Tokens belong to one server: the same id at another address is
		// another app.
		key:          id + "@" + c.baseURL,
		name:         c.name,
		version:      c.version,
		storage:      c.storage,
		log:          c.logger,
		clock:        c.clock,
		timeout:      c.timeout,
		maxBody:      c.maxResponse,
		client:       &client,
		stream:       &stream,
		skipLocation: c.skipLocation,
		baseURL:      c.baseURL,
	}
	if err := a.hydrate(); err != nil {
		return nil, err
	}
	return a, nil
}

// defaultTransport keeps more idle connections to the one server than
// net/http does by default, which is 2.
func defaultTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 32
	return t
}

// ID returns the app's id.
func (a *App) ID() string { return a.id }

// BaseURL returns the configured address, without a trailing slash.
func (a *App) BaseURL() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.baseURL
}

// UpdateBaseURL moves the app to another address of the same server, asking it
// for the location first; when that fails, the old address stays in use. Users
// and tokens are kept.
func (a *App) UpdateBaseURL(ctx context.Context, address string) error {
	base, err := cleanBaseURL(address)
	if err != nil {
		return err
	}
	host := base
	if !a.skipLocation {
		if host, err = a.requestLocation(ctx, base); err != nil {
			return err
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.baseURL, a.host = base, host
	return nil
}

// CloseIdleConnections closes the network connections that are kept for later
// requests. Running requests are not touched, and the App stays usable.
func (a *App) CloseIdleConnections() { a.client.CloseIdleConnections() }

// AddListener has fn called after each change of the app's users: a log-in, a
// switch, a link, a log-out, a removal. [App.CurrentUser] already shows the
// change. fn runs in the goroutine that made the change and must not block it
// for long. The function that AddListener returns takes fn out again.
func (a *App) AddListener(fn func()) (remove func()) { return a.listeners.add(fn) }

// RemoveAllListeners takes out every function added with [App.AddListener].
func (a *App) RemoveAllListeners() { a.listeners.clear() }

// EmailPasswordAuth returns the calls that manage e-mail/password accounts.
func (a *App) EmailPasswordAuth() *EmailPasswordAuth { return &EmailPasswordAuth{app: a} }

// hydrate fills the app with the users of earlier runs.
func (a *App) hydrate() error {
	ctx, cancel := context.WithTimeout(context.Background(), storageTimeout)
	defer cancel()
	stored, err := a.storage.Load(ctx, a.key)
	if err != nil {
		return fmt.Errorf("realm: reading the stored users: %w", err)
	}
	a.deviceID = stored.DeviceID
	for _, s := range stored.Users {
		if s.ID == "" || a.find(s.ID) != nil {
			a.log.Warn("realm: skipped a stored user without an id, or stored twice", "app", a.id)
			continue
		}
		u := &User{app: a, id: s.ID}
		u.restore(s)
		a.users = append(a.users, u)
		if s.ID == stored.Current && u.state == LoggedIn {
			a.current = u
		}
	}
	if a.current == nil {
		a.current = a.nextCurrent()
	}
	return nil
}
