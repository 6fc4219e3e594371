package push

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"regent/internal/app"
	"regent/internal/fault"
)

// Settings of a service's config, with their defaults and bounds.
const (
	defaultConcurrency = 64 // concurrency: requests under way in one process
	maxConcurrency     = 512
	defaultRate        = 2000 // ratePerSecond: requests a second of one process; FCM's own default limit is 10,000
	maxRate            = 100_000
)

// channel is one push service of the app with its providers.
type channel struct {
	s           *Service
	name        string
	fcm         *fcm  // nil: fcmProblem says why
	fcmProblem  error // why phones can't be reached
	web         *webPush
	webOnly     bool // not meant for phones: fcmProblem is no problem of a message
	concurrency int
	limit       *rate.Limiter
	clients     []*http.Client
	fanWake     chan struct{}
	wake        chan struct{}

	mu     sync.Mutex
	paused time.Time // nothing is sent until then
	said   string    // the last problem that paused it, as it was logged
}

func (s *Service) newChannel(ctx context.Context, svc *app.Service) (*channel, []app.Problem, error) {
	var problems []app.Problem
	option := func(name string) string {
		v, _ := svc.Config.Lookup(name).StringValueOK()
		return strings.TrimSpace(v)
	}
	number := func(name string, def, most int) int {
		v, err := svc.Config.LookupErr(name)
		if err != nil {
			return def
		}
		n, ok := v.AsInt64OK()
		if !ok || n < 1 || n > int64(most) {
			problems = append(problems, at(svc, "config."+name).Warn("allowed is a number from 1 to %d: %d is used", most, def))
			return def
		}
		return int(n)
	}
	address := func(name, def string) string {
		v := option(name)
		if v == "" {
			return def
		}
		if u, err := url.Parse(v); err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
			problems = append(problems, at(svc, "config."+name).Warn("%q is no URL: %s is used", v, def))
			return def
		}
		return v
	}
	c := &channel{s: s, name: svc.Name, fanWake: make(chan struct{}, 1), wake: make(chan struct{}, 1)}
	c.concurrency = number("concurrency", defaultConcurrency, maxConcurrency)
	perSecond := number("ratePerSecond", defaultRate, maxRate)
	c.limit = rate.NewLimiter(rate.Limit(perSecond), max(perSecond/10, 1))
	base, topics := address("fcmURL", defaultFCMURL), address("topicURL", defaultTopicURL)

	subject, key := option("vapidSubject"), secretOf(s.config.App, svc, "vapidPrivateKey")
	c.webOnly = svc.Type == TypeWebPush || subject != "" || key != ""
	if svc.Type == TypeGCM {
		a, problem := s.account(svc)
		if problem == nil {
			project := option("projectId")
			if project == "" {
				project = a.ProjectID
			}
			client := &http.Client{Timeout: sendTimeout, Transport: &http.Transport{
				Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second,
				MaxIdleConnsPerHost: c.concurrency, MaxConnsPerHost: c.concurrency, IdleConnTimeout: time.Minute,
			}}
			c.clients = append(c.clients, client)
			c.fcm = newFCM(a, project, base, topics, client, s.now)
		} else {
			c.fcmProblem = fault.New(fault.GCMError, "push service '%s' can't send to phones: %s", svc.Name, problem)
			if key == "" && subject == "" || problem == errLegacyKey {
				problems = append(problems, at(svc, "secret_config").Warn("push service %q can't send to phones: %s", svc.Name, problem))
			}
		}
	} else {
		c.fcmProblem = fault.New(fault.GCMError, "push service '%s' is of type webpush: it reaches browsers only", svc.Name)
	}
	if subject != "" && !strings.HasPrefix(subject, "mailto:") && !strings.HasPrefix(subject, "https:") {
		problems = append(problems, at(svc, "config.vapidSubject").Warn("allowed is a mailto: or https: address by which push services reach you"))
	}
	if svc.Type == TypeWebPush && subject == "" {
		problems = append(problems, at(svc, "config").Warn("vapidSubject is not set: Apple's push service refuses messages without a mailto: or https: address of who sends"))
	}
	if s.config.DB == nil {
		return c, problems, nil // Check looks at the configuration only
	}
	vapid, err := s.vapidKeyOf(ctx, svc, key, subject, &problems)
	if err != nil {
		return nil, nil, err
	}
	client := s.webClient()
	c.clients = append(c.clients, client)
	c.web = &webPush{client: client, key: vapid, random: s.random, now: s.now}
	return c, problems, nil
}

// account reads the service account; the error tells the operator what to do.
func (s *Service) account(svc *app.Service) (*serviceAccount, error) {
	// apiKey is where exported apps keep the legacy key: putting the new secret
	// under the old name is all that such an app needs.
	text := secretOf(s.config.App, svc, "serviceAccount", "service_account", "apiKey", "api_key")
	if text == "" {
		return nil, errNoAccount
	}
	return parseServiceAccount(text)
}

// vapidKeyOf is the key of the secret, else the one in the database.
func (s *Service) vapidKeyOf(ctx context.Context, svc *app.Service, secret, subject string, problems *[]app.Problem) (*vapidKey, error) {
	if secret != "" {
		key, err := parseVAPIDKey(secret, subject)
		if err == nil {
			return key, nil
		}
		*problems = append(*problems, at(svc, "secret_config.vapidPrivateKey").Warn("%s: the service's own key is used instead, so subscriptions of the other one fail", err))
	}
	return s.storedVAPIDKey(ctx, svc.Name, subject)
}

func at(svc *app.Service, path string) app.Source {
	return app.Source{File: svc.File, Path: "$." + path}
}

// provider returns the provider of a kind, or why there is none.
func (c *channel) provider(kind string) (provider, error) {
	if kind == kindWebPush {
		return c.web, nil
	}
	if c.fcm == nil {
		return nil, c.fcmProblem
	}
	return c.fcm, nil
}

func (c *channel) close() {
	for _, client := range c.clients {
		client.CloseIdleConnections()
	}
}

// notify wakes a loop of this process.
func notify(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// idle waits until something may be there to do; false: ctx has ended.
func (c *channel) idle(ctx context.Context, wake <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-wake:
	case <-timer.C:
	}
	return ctx.Err() == nil
}

// hold pauses the channel. The first of a row of equal problems is logged.
func (c *channel) hold(d time.Duration, o outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if until := c.s.now().Add(d); until.After(c.paused) {
		c.paused = until
	}
	if c.said != o.code {
		c.said = o.code
		c.s.log.Warn("push is held up, it is tried again", "service", c.name, "code", o.code, "detail", o.detail, "in", d.Round(time.Second))
	}
}

// heldFor is how long the channel is still paused.
func (c *channel) heldFor() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.paused.Sub(c.s.now())
}

// flows notes that messages get through.
func (c *channel) flows() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.said != "" {
		c.said = ""
		c.s.log.Info("push works again", "service", c.name)
	}
}
