package realm

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// DefaultBaseURL is where a Regent server listens unless told otherwise. The
// address the older SDKs have built in is out of service.
const DefaultBaseURL = "http://127.0.0.1:8080"

// Default limits of an App; each has an option to change it.
const (
	// DefaultTimeout bounds one request, answer included, as in the native SDKs.
	DefaultTimeout = 60 * time.Second
	// DefaultMaxResponseSize bounds an answer's body, in bytes.
	DefaultMaxResponseSize = 64 << 20
)

// Option configures an App; see the With… functions.
type Option func(*config) error

type config struct {
	baseURL      string
	client       *http.Client
	name         string
	version      string
	storage      Storage
	logger       *slog.Logger
	clock        Clock
	timeout      time.Duration
	maxResponse  int64
	skipLocation bool
}

// Clock tells the time and waits. The default is the system's; tests give
// their own to [WithClock].
type Clock interface {
	// Now returns the time.
	Now() time.Time
	// After sends on the channel it returns once d has passed.
	After(d time.Duration) <-chan time.Time
}

type systemClock struct{}

func (systemClock) Now() time.Time                         { return time.Now() }
func (systemClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// WithBaseURL sets the server's address: scheme, host and port, such as
// "https://realm.example.com". A trailing slash is dropped.
func WithBaseURL(address string) Option {
	return func(c *config) error {
		base, err := cleanBaseURL(address)
		c.baseURL = base
		return err
	}
}

func cleanBaseURL(address string) (string, error) {
	u, err := url.Parse(strings.TrimRight(address, "/"))
	if err != nil {
		return "", fmt.Errorf("realm: base URL: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("realm: base URL %q: want http://host or https://host, with an optional port and path", u.Redacted())
	}
	return u.String(), nil
}

// WithHTTPClient sets the client that carries the requests. The App works on a
// copy: redirects are not followed whatever the client says, and its Timeout
// is not applied to change streams, which have no end.
func WithHTTPClient(client *http.Client) Option {
	return func(c *config) error {
		if client == nil {
			return errors.New("realm: WithHTTPClient: the client is nil")
		}
		c.client = client
		return nil
	}
}

// WithAppInfo sets the name and version of the program, which are sent with
// every login and recorded with the device.
func WithAppInfo(name, version string) Option {
	return func(c *config) error {
		c.name, c.version = name, version
		return nil
	}
}

// WithStorage sets where users are kept between runs: [FileStorage], or an
// implementation of your own. The default, [MemoryStorage], forgets them when
// the program ends.
func WithStorage(s Storage) Option {
	return func(c *config) error {
		if s == nil {
			return errors.New("realm: WithStorage: the storage is nil")
		}
		c.storage = s
		return nil
	}
}

// WithLogger sets a logger: requests at level debug, conditions that were
// survived (a reconnect, users that could not be saved) at level warn. Tokens,
// passwords and bodies are never logged. The default logs nothing.
func WithLogger(logger *slog.Logger) Option {
	return func(c *config) error {
		if logger == nil {
			return errors.New("realm: WithLogger: the logger is nil")
		}
		c.logger = logger
		return nil
	}
}

// WithClock replaces the system's clock, for tests.
func WithClock(clock Clock) Option {
	return func(c *config) error {
		if clock == nil {
			return errors.New("realm: WithClock: the clock is nil")
		}
		c.clock = clock
		return nil
	}
}

// WithTimeout bounds each request, answer included; a change stream is bounded
// only until it starts. The context of a call may end it sooner. The default
// is [DefaultTimeout]; 0 means no bound but the context's.
func WithTimeout(d time.Duration) Option {
	return func(c *config) error {
		if d < 0 {
			return errors.New("realm: WithTimeout: negative duration")
		}
		c.timeout = d
		return nil
	}
}

// WithMaxResponseSize bounds an answer's body, and one event of a change
// stream, in bytes; longer ones end in [ErrResponseTooLarge]. The default is
// [DefaultMaxResponseSize].
func WithMaxResponseSize(bytes int64) Option {
	return func(c *config) error {
		if bytes <= 0 {
			return errors.New("realm: WithMaxResponseSize: want a positive number of bytes")
		}
		c.maxResponse = min(bytes, 1<<40)
		return nil
	}
}

// WithoutLocationRequest sends every request to the base URL, without asking
// it first where the app lives (client-api.md §1.3).
func WithoutLocationRequest() Option {
	return func(c *config) error {
		c.skipLocation = true
		return nil
	}
}
