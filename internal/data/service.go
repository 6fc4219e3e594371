// Package data performs collection operations for every caller: SDKs, functions
// that run as a user, endpoints. It is the one place where documents are read
// and written on a user's behalf, and package rule decides every time what that
// user may see and change. System callers pass through the same code without
// rules and get the same result shapes (client-api.md §1.17).
package data

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/internal/app"
	"regent/internal/caller"
	"regent/internal/fault"
	"regent/internal/rule"
)

// Config is what a Service needs.
type Config struct {
	App       *app.App
	Rules     *rule.Set
	Functions rule.Functions // for %function; nil: they are false

	// Database gives the driver's client for a data source's deployment.
	Database func(dataSource string) (*mongo.Client, error)

	// PreImages asks the deployment of a data source to keep pre-images of
	// collections that are watched, so that deletes can be told to those who
	// could read the document. nil: never.
	PreImages func(dataSource string) bool

	// Refresh looks at a caller again, for streams that outlive what is known of
	// their user (custom data). nil: as it was when the stream began.
	Refresh func(ctx context.Context, c caller.Caller) (caller.Caller, error)

	// Backlog counts what waits for watchers. nil: it is not counted.
	Backlog *Backlog

	Logger *slog.Logger
	Now    func() time.Time
	Limits Limits

	// NoPushdown keeps role conditions out of queries; tests compare.
	NoPushdown bool
}

// Limits bound what one request may use. Zero fields take the app's settings,
// else the defaults.
type Limits struct {
	FindDocuments  int           // documents in one answer; default 50,000 (find_limit)
	WriteDocuments int           // documents that one operation of a user writes; default 50,000 (write_max_documents)
	PipelineStages int           // stages of a user's pipeline; default 100 (user_pipeline_max_stages)
	UserTime       time.Duration // one operation of a user; default 1 min (user_query_timeout)

	FindBytes     int64 // bytes of them; default 64 MB
	PipelineBytes int64 // bytes that enter a pipeline which runs on judged documents; default 15 MB
	Attempts      int   // of a transaction that meets write conflicts; default 20
	Transactions  int   // open at once in one function call; default 10
	WatchBuffer   int   // events that a watcher may lag behind; default 1,000
	WatchBytes    int64 // bytes of them; default 16 MB
	Watchers      int   // of one app in this process; default 10,000
	UserWatchers  int   // of one session; default 100
}

func (l Limits) withDefaults(a *app.App) Limits {
	if a != nil {
		s := &a.Settings
		for _, x := range []struct {
			to   *int
			from int
		}{
			{&l.FindDocuments, s.FindLimit}, {&l.WriteDocuments, s.WriteMaxDocuments}, {&l.PipelineStages, s.UserPipelineMaxStages},
			{&l.WatchBuffer, s.WatchBufferEvents}, {&l.Watchers, s.WatchMaxPerApp}, {&l.UserWatchers, s.WatchMaxPerSession},
		} {
			if *x.to <= 0 {
				*x.to = x.from
			}
		}
		if l.UserTime <= 0 {
			l.UserTime = s.UserQueryTimeout
		}
		if l.WatchBytes <= 0 {
			l.WatchBytes = int64(s.WatchBufferSize)
		}
	}
	set := func(p *int, d int) {
		if *p <= 0 {
			*p = d
		}
	}
	set64 := func(p *int64, d int64) {
		if *p <= 0 {
			*p = d
		}
	}
	set(&l.FindDocuments, 50_000)
	set64(&l.FindBytes, 64<<20)
	set64(&l.PipelineBytes, 15<<20)
	set(&l.Attempts, 20)
	set(&l.Transactions, 10)
	set(&l.WatchBuffer, 1000)
	set64(&l.WatchBytes, 16<<20)
	set(&l.Watchers, 10_000)
	set(&l.UserWatchers, 100)
	set(&l.WriteDocuments, 50_000)
	set(&l.PipelineStages, 100)
	if l.UserTime <= 0 {
		l.UserTime = time.Minute
	}
	return l
}

// Service performs data operations for one app.
type Service struct {
	cfg    Config
	limits Limits
	log    *slog.Logger
	now    func() time.Time

	mu          sync.RWMutex
	collections map[collectionKey]*collection

	feeds feeds
}

// New returns a Service. Close ends its streams.
func New(cfg Config) *Service {
	s := &Service{cfg: cfg, limits: cfg.Limits.withDefaults(cfg.App), log: cfg.Logger, now: cfg.Now, collections: map[collectionKey]*collection{}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.cfg.Backlog == nil {
		s.cfg.Backlog = &Backlog{}
	}
	s.feeds.open = map[collectionKey]*feed{}
	return s
}

// Close ends every stream. Operations in flight finish.
func (s *Service) Close() { s.feeds.close() }

// Do performs one action of a data source with its argument document
// (client-api.md §1.17). Errors are *fault.Error where they are the caller's.
func (s *Service) Do(ctx context.Context, c caller.Caller, service, action string, arg bson.Raw) (bson.RawValue, error) {
	a, ok := actions[action]
	if !ok {
		return bson.RawValue{}, fault.New(fault.ServiceCommandNotFound, "the service %q has no action %q", service, action)
	}
	if a.system && !c.System {
		return bson.RawValue{}, fault.New(fault.ServiceCommandNotFound, "the action %q is for system functions only", action)
	}
	if !c.System {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.limits.UserTime)
		defer cancel()
	}
	r, err := s.request(ctx, c, service, action, arg, a)
	if err != nil {
		return bson.RawValue{}, s.fail(ctx, action, err)
	}
	v, err := a.run(r)
	if err != nil {
		err = s.fail(ctx, action, err)
		r.logOutcome(err)
		return bson.RawValue{}, err
	}
	r.logOutcome(nil)
	return v, nil
}

// logOutcome writes what rules did to the log at debug level.
func (r *request) logOutcome(err error) {
	if !r.s.log.Enabled(r.ctx, slog.LevelDebug) {
		return
	}
	attrs := []any{"action", r.action, "service", r.service, "namespace", r.args.database + "." + r.args.collection, "system", r.caller.System}
	if r.caller.User != nil {
		attrs = append(attrs, "user", r.caller.User.ID)
	}
	if r.access != nil {
		st := r.access.Stats
		attrs = append(attrs, "documents", st.Documents, "hidden", st.Hidden, "fields_stripped", st.Stripped)
		if roles := r.access.RoleCounts(); roles != nil {
			attrs = append(attrs, "roles", roles)
		}
		if r.trace != nil {
			attrs = append(attrs, "explanation", r.trace.String())
		}
	}
	if err != nil {
		attrs = append(attrs, "error", err)
		var f *fault.Error
		if errors.As(err, &f) && f.Cause != nil {
			attrs = append(attrs, "cause", f.Cause)
		}
	}
	r.s.log.DebugContext(r.ctx, "data", attrs...)
}

type collectionKey struct{ service, database, collection string }

// collection is a driver collection with what is remembered of it.
type collection struct {
	*mongo.Collection
	key collectionKey

	mu       sync.Mutex
	checked  time.Time
	collated bool
}

// maxCollections bounds the remembered collections; default rules let clients
// name any.
const maxCollections = 4096

func (s *Service) collection(key collectionKey) (*collection, error) {
	s.mu.RLock()
	c := s.collections[key]
	s.mu.RUnlock()
	if c != nil {
		return c, nil
	}
	client, err := s.cfg.Database(key.service)
	if err != nil {
		return nil, err
	}
	c = &collection{Collection: client.Database(key.database).Collection(key.collection), key: key}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.collections) >= maxCollections {
		clear(s.collections)
	}
	s.collections[key] = c
	return c, nil
}

// collationAge is how long it is remembered that a collection has no collation
// of its own. A collection gets one only when it is created.
const collationAge = time.Minute

// hasCollation tells whether the collection compares strings in its own way.
// Role conditions then stay out of queries, where they would compare so too.
func (c *collection) hasCollation(ctx context.Context, now time.Time) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.checked.IsZero() && now.Sub(c.checked) < collationAge {
		return c.collated, nil
	}
	specs, err := c.Database().ListCollectionSpecifications(context.WithoutCancel(ctx), bson.D{{Key: "name", Value: c.Name()}})
	if err != nil {
		return false, err
	}
	c.collated = false
	for _, spec := range specs {
		v, err := spec.Options.LookupErr("collation")
		if err == nil && v.Type == bson.TypeEmbeddedDocument {
			c.collated = true
		}
		// A view's collation is its own as well.
		if spec.Type == "view" && err == nil {
			c.collated = true
		}
	}
	c.checked = now
	return c.collated, nil
}
