package push

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/internal/app"
)

// Types of services that send pushes.
const (
	TypeGCM     = "gcm"     // the original's: Firebase, and browsers
	TypeWebPush = "webpush" // browsers only
)

// Sessions says whether a session may still be sent to: nil, or an error with
// the code InvalidSession (it ended, or its user was deleted) or UserDisabled.
type Sessions interface {
	Alive(ctx context.Context, sessionID, userID string) error
}

// Sealer encrypts what must not be readable in the database.
type Sealer interface {
	Seal(random io.Reader, plain []byte, purpose string) ([]byte, error)
	Open(sealed []byte, purpose string) ([]byte, error)
}

// Config is what a Service needs. Optional fields say so.
type Config struct {
	App      *app.App
	Domain   bson.ObjectID // the app in __regent's collections
	DB       *mongo.Database
	Sessions Sessions
	Sealer   Sealer

	// Dial reaches browsers' push services. Clients name these addresses: it
	// must refuse those of the private network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	Logger  *slog.Logger     // optional
	Now     func() time.Time // optional
	Random  io.Reader        // optional
	Record  func(Event)      // optional; told of messages and their failures, must not block
	Observe func(Attempt)    // optional; told of every try, must not block

	// WebTLS is for connections to browsers' push services; optional.
	WebTLS *tls.Config

	// Poll is how often the queue is looked at for what other processes put in;
	// default 1 s. Lease is how long a process may hold what it took; default
	// 60 s.
	Poll, Lease time.Duration
}

// Event is an entry for the app's log.
type Event struct {
	Time    time.Time
	Service string
	Job     string
	UserID  string // who sent; "" for the system
	Text    string
	Code    string // of a failure
	Error   string
}

// Attempt is one finished try, for metrics.
type Attempt struct {
	Service, Kind string
	Result        string // sent, retry, gone, failed
	Took          time.Duration
}

// Service sends the pushes of one app, and keeps its registrations.
type Service struct {
	config   Config
	domain   bson.ObjectID
	store    store
	log      *slog.Logger
	now      func() time.Time
	random   io.Reader
	channels map[string]*channel

	start sync.Once
	stop  context.CancelFunc
	ended sync.WaitGroup
}

// New prepares the push services of an app; Start begins to send. The problems
// are those of the services' configuration: they are refused when used.
func New(ctx context.Context, c Config) (*Service, []app.Problem, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	if c.Record == nil {
		c.Record = func(Event) {}
	}
	if c.Observe == nil {
		c.Observe = func(Attempt) {}
	}
	if c.Poll <= 0 {
		c.Poll = time.Second
	}
	if c.Lease <= 0 {
		c.Lease = time.Minute
	}
	if c.Dial == nil {
		c.Dial = func(context.Context, string, string) (net.Conn, error) {
			return nil, fmt.Errorf("no way to browsers' push services is configured")
		}
	}
	s := &Service{config: c, domain: c.Domain, store: newStore(c.DB), log: c.Logger, now: c.Now, random: c.Random, channels: map[string]*channel{}}
	if err := s.store.ensureIndexes(ctx); err != nil {
		return nil, nil, err
	}
	var problems []app.Problem
	for _, svc := range Services(c.App) {
		ch, found, err := s.newChannel(ctx, svc)
		if err != nil {
			return nil, nil, fmt.Errorf("push service %s: %w", svc.Name, err)
		}
		problems = append(problems, found...)
		s.channels[svc.Name] = ch
	}
	return s, problems, nil
}

// Check reports what is wrong with the configuration of an app's push services,
// as New does.
func Check(a *app.App) []app.Problem {
	var problems []app.Problem
	s := &Service{config: Config{App: a}, now: time.Now}
	for _, svc := range Services(a) {
		if _, found, err := s.newChannel(context.Background(), svc); err == nil {
			problems = append(problems, found...)
		}
	}
	return problems
}

// Services lists the app's services that send pushes.
func Services(a *app.App) []*app.Service {
	var out []*app.Service
	for _, svc := range a.Services {
		if svc.Type == TypeGCM || svc.Type == TypeWebPush {
			out = append(out, svc)
		}
	}
	return out
}

// Start begins to send what is in the queue. Close ends it.
func (s *Service) Start() {
	s.start.Do(func() {
		ctx, cancel := context.WithCancel(context.Background())
		s.stop = cancel
		for _, ch := range s.channels {
			s.ended.Go(func() { ch.fanOut(ctx) })
			s.ended.Go(func() { ch.deliver(ctx) })
		}
	})
}

// Close stops sending; what is under way is finished, at most for sendTimeout,
// and the rest stays in the queue. Registrations and Send go on working.
func (s *Service) Close() {
	s.start.Do(func() {}) // a Start that comes later does nothing
	if s.stop != nil {
		s.stop()
	}
	s.ended.Wait()
	for _, ch := range s.channels {
		ch.close()
	}
}

func (s *Service) channel(name string) *channel { return s.channels[name] }

// Names lists the push services.
func (s *Service) Names() []string {
	var names []string
	for n := range s.channels {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// webClient reaches browsers' push services: no redirects, no proxies.
func (s *Service) webClient() *http.Client {
	return &http.Client{
		Timeout: sendTimeout,
		Transport: &http.Transport{
			DialContext: s.config.Dial, TLSClientConfig: s.config.WebTLS, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second,
			MaxIdleConnsPerHost: 32, MaxConnsPerHost: 64, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// storedVAPIDKey is the service's key from the database, made when missing:
// browsers bind their subscriptions to it.
func (s *Service) storedVAPIDKey(ctx context.Context, service, subject string) (*vapidKey, error) {
	purpose := "push/vapid/" + s.domain.Hex() + "/" + service
	raw, err := generateVAPIDKey(s.random)
	if err != nil {
		return nil, err
	}
	sealed, err := s.config.Sealer.Seal(s.random, raw, purpose)
	if err != nil {
		return nil, err
	}
	var kept struct {
		Sealed []byte `bson:"sealed"`
	}
	// Of processes that start together one makes the key.
	find := func() error {
		return s.store.keys.FindOne(ctx, bson.D{{Key: "_id", Value: purpose}}).Decode(&kept)
	}
	if err = find(); err == mongo.ErrNoDocuments {
		_, err = s.store.keys.UpdateOne(ctx, bson.D{{Key: "_id", Value: purpose}},
			bson.D{{Key: "$setOnInsert", Value: bson.D{{Key: "sealed", Value: sealed}, {Key: "created", Value: s.now()}}}}, options.UpdateOne().SetUpsert(true))
		if err == nil || mongo.IsDuplicateKeyError(err) {
			err = find()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the key for Web Push: %w", err)
	}
	if raw, err = s.config.Sealer.Open(kept.Sealed, purpose); err != nil {
		return nil, fmt.Errorf("the key for Web Push can't be read, was the master key changed? %w", err)
	}
	return parseVAPIDKey(encode64(raw), subject)
}

// secretOf returns the first secret of an option that is set.
func secretOf(a *app.App, svc *app.Service, names ...string) string {
	for _, option := range names {
		for _, secret := range svc.SecretConfig[option] {
			if v := strings.TrimSpace(a.Secrets[secret]); v != "" {
				return v
			}
		}
	}
	return ""
}
