package regent

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/internal/api/client"
	"regent/internal/api/endpoint"
	"regent/internal/app"
	"regent/internal/auth"
	"regent/internal/caller"
	"regent/internal/data"
	"regent/internal/function"
	"regent/internal/hosting"
	"regent/internal/push"
	"regent/internal/rule"
	"regent/internal/user"
)

// registry holds the served apps. An app is replaced as a whole: a request keeps
// the instance that it found.
type registry struct {
	mu     sync.RWMutex
	served []*served
	ids    map[string]*served
	domain map[string]*served
}

// served is an app over its lifetime; instance is its current version.
type served struct {
	dir     string
	id      string
	domain  bson.ObjectID
	current atomic.Pointer[instance]
	backlog data.Backlog // of all versions: streams outlive theirs
}

// instance is one version of an app with the services that run it.
type instance struct {
	app       *app.App
	accounts  *auth.Service
	functions *function.Deployment
	rules     *rule.Set
	data      *data.Service
	mayCall   map[string]*rule.Expr // can_evaluate by function
	endpoints *endpoint.Set         // nil without endpoints
	site      *hosting.Site         // nil without static hosting
	push      *push.Service         // nil without push services
	rulesOf   serviceRules          // of third-party services
	pushTidy  func()                // ends what tidies up after ended sessions
	backend   client.Backend
	streams   sync.WaitGroup // open watches, which outlive a replaced instance
}

func newRegistry() *registry {
	return &registry{ids: map[string]*served{}, domain: map[string]*served{}}
}

func (r *registry) add(s *served) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.served = append(r.served, s)
	r.ids[s.id] = s
	r.domain[s.domain.Hex()] = s
}

func (r *registry) byID(id string) *instance {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if s := r.ids[id]; s != nil {
		return s.current.Load()
	}
	return nil
}

// all returns the current instances in the order in which their folders were
// given.
func (r *registry) all() []*instance {
	r.mu.RLock()
	defer r.mu.RUnlock()
	out := make([]*instance, len(r.served))
	for i, s := range r.served {
		out[i] = s.current.Load()
	}
	return out
}

// list gives the served apps in the same order.
func (r *registry) list() []*served {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Clone(r.served)
}

// ByID implements client.Apps.
func (r *registry) ByID(id string) *client.Backend {
	if in := r.byID(id); in != nil {
		return &in.backend
	}
	return nil
}

// ByDomain implements client.Apps.
func (r *registry) ByDomain(domain string) *client.Backend {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if s := r.domain[domain]; s != nil {
		return &s.current.Load().backend
	}
	return nil
}

// AnyAllows implements client.Apps.
func (r *registry) AnyAllows(origin string) bool {
	for _, in := range r.all() {
		if client.OriginAllowed(in.app.AllowedRequestOrigins, origin) {
			return true
		}
	}
	return false
}

// ProblemsError is returned when an app directory can't be served. Its text has
// one line for each problem.
type ProblemsError struct {
	Dir      string
	Problems []app.Problem
}

func (e *ProblemsError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = filepath.Join(e.Dir, p.String())
	}
	return strings.Join(lines, "\n")
}

// blocking returns the problems that keep an app from being served.
func blocking(problems []app.Problem, strict bool) []app.Problem {
	var out []app.Problem
	for _, p := range problems {
		if p.Severity == app.SeverityError || strict {
			out = append(out, p)
		}
	}
	return out
}

// Check reads an app directory as Open would and reports everything that is
// wrong with it, and the parts that are loaded, but not served. appID and secrets
// are as in Config. It serves nothing and writes nothing.
func Check(dir, appID, secrets string) (problems []app.Problem, unserved []string, err error) {
	a, problems, err := loadApp(dir, appID, secrets)
	if err != nil || a == nil {
		return problems, nil, err
	}
	_, found := rule.Compile(a)
	problems = append(problems, found...)
	problems = append(problems, function.Check(a)...)
	problems = append(problems, auth.Check(a)...)
	problems = append(problems, push.Check(a)...)
	_, found = compileServiceRules(a)
	problems = append(problems, found...)
	for i := range problems {
		problems[i] = a.Locate(problems[i])
	}
	slices.SortStableFunc(problems, app.Problem.Compare)
	return problems, a.Unserved(), nil
}

// loadApp reads an app directory.
func loadApp(dir, appID, secretsFile string) (*app.App, []app.Problem, error) {
	if info, err := os.Stat(dir); err != nil {
		return nil, nil, fmt.Errorf("app directory: %w", err)
	} else if !info.IsDir() {
		return nil, nil, fmt.Errorf("app directory: %s is a file", dir)
	}
	secrets, err := readSecrets(secretsFile)
	if err != nil {
		return nil, nil, err
	}
	return app.Load(dir, app.Options{AppID: appID, Secrets: secrets, Environ: os.Getenv})
}

// readSecrets reads the file of --secrets, a JSON object of strings.
func readSecrets(file string) (map[string]string, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--secrets: %w", err)
	}
	var secrets map[string]string
	if err := json.Unmarshal(bytes.TrimPrefix(text, []byte("\ufeff")), &secrets); err != nil {
		return nil, fmt.Errorf("--secrets %s: allowed is one JSON object, each secret's name with its value as a string: %w", file, err)
	}
	return secrets, nil
}

// open loads a directory and makes an instance of it; s is what the app is
// served as, nil at the first time.
func (srv *Server) open(ctx context.Context, dir string, s *served) (_ *instance, _ *served, err error) {
	a, problems, err := loadApp(dir, srv.config.AppID, srv.config.Secrets)
	if err != nil {
		return nil, nil, err
	}
	if bad := blocking(problems, srv.config.Strict); len(bad) > 0 {
		return nil, nil, &ProblemsError{dir, bad}
	}
	system := srv.deployments.system()
	if s == nil {
		entry, err := auth.EnsureApp(ctx, system, rand.Reader, a.Name, a.ID)
		if err != nil {
			return nil, nil, err
		}
		s = &served{dir: dir, id: entry.ID, domain: entry.Domain}
	} else if a.ID != "" && a.ID != s.id {
		return nil, nil, fmt.Errorf("%s: the app id changed from %s to %s; restart the server to serve it under its new id", dir, s.id, a.ID)
	}
	a.ID = s.id
	if err := auth.NoteDir(ctx, system, s.domain, a.Dir); err != nil {
		return nil, nil, err
	}

	in := &instance{app: a}
	var found []app.Problem
	in.rules, found = rule.Compile(a)
	problems = append(problems, found...)
	in.mayCall = map[string]*rule.Expr{}
	for _, f := range a.Functions {
		if f.CanEvaluate.Type != 0 {
			in.mayCall[f.Name], found = rule.CompileExpression(a, f.CanEvaluate, rule.Call, f.Source)
			problems = append(problems, found...)
		}
	}
	in.rulesOf, found = compileServiceRules(a)
	problems = append(problems, found...)
	in.functions, found = srv.functions.Deploy(ctx, a, functionBackend{in})
	problems = append(problems, found...)
	if old := s.current.Load(); old != nil {
		problems = append(problems, in.functions.Broken(old.functions)...)
	}
	defer func() {
		if err != nil {
			in.close(context.WithoutCancel(ctx))
		}
	}()
	in.data = data.New(data.Config{
		App: a, Rules: in.rules, Functions: in, Logger: srv.log.With("app", a.ID),
		Database:  func(dataSource string) (*mongo.Client, error) { return srv.deployments.client(dataSource), nil },
		PreImages: func(dataSource string) bool { return srv.config.PreImages || srv.deployments.isEmbedded(dataSource) },
		Refresh:   in.refresh,
		Backlog:   &s.backlog,
	})
	problems = append(problems, auth.Check(a)...)
	if err = srv.openAccounts(ctx, in, s); err != nil {
		return nil, nil, err
	}
	problems = append(problems, srv.openEndpoints(in)...)
	if found, err = srv.openPush(ctx, in, s); err != nil {
		return nil, nil, err
	}
	problems = append(problems, found...)
	if a.Hosting != nil && a.Hosting.Enabled {
		if in.site, err = hosting.New(a.Hosting); errors.Is(err, os.ErrNotExist) {
			problems, err = append(problems, a.Hosting.Warn("hosting is enabled, but there is no folder hosting/files")), nil
		}
		if err != nil {
			return nil, nil, fmt.Errorf("static hosting: %w", err)
		}
	}
	if bad := blocking(problems, srv.config.Strict); len(bad) > 0 {
		return nil, nil, &ProblemsError{dir, bad}
	}
	for _, p := range problems {
		srv.log.Warn(a.Locate(p).String(), "app", a.ID)
	}
	in.backend = client.Backend{
		App: a, DomainID: s.domain.Hex(), Accounts: accounts{in.accounts}, OAuth: srv.redirects(in), Functions: clientFunctions{in}, Data: watched{in},
	}
	in.backend.Push = in.pushAPI()
	if srv.client != nil {
		in.startPush()
	}
	return in, s, nil
}

// openAccounts gives an instance its accounts.
func (srv *Server) openAccounts(ctx context.Context, in *instance, s *served) (err error) {
	in.accounts, err = auth.New(ctx, auth.Config{
		App: in.app, Domain: s.domain, DB: srv.deployments.system(), WriteConcern: srv.deployments.concern, Sessions: srv.sessions, Functions: in,
		CustomData: func(_ context.Context, dataSource string) (*mongo.Client, error) {
			return srv.deployments.client(dataSource), nil
		},
		Mail: srv.mail, PublicURL: srv.origin, Logger: srv.log.With("app", in.app.ID),
		AccessTTL: srv.config.AccessTokenTTL, RefreshTTL: srv.config.RefreshTokenTTL,
		Passwords: srv.passwords,
		Events:    func(e auth.Event) { srv.recordAccount(in.app.ID, e) },
	})
	return err
}

// redirects begins the redirect flow; an instance for operators' commands has no
// API and begins none.
func (srv *Server) redirects(in *instance) http.Handler {
	if srv.client == nil {
		return nil
	}
	return in.accounts.RedirectHandler(srv.client.Describe, func(w http.ResponseWriter, r *http.Request, err error) {
		srv.client.Fail(w, r, "redirect", srv.client.Describe(r), err)
	})
}

// close ends an instance once its streams have ended.
func (in *instance) close(ctx context.Context) {
	in.streams.Wait()
	in.stopPush()
	if in.data != nil {
		in.data.Close()
	}
	if in.accounts != nil {
		in.accounts.Close()
	}
	if in.functions != nil {
		in.functions.Close()
	}
	if in.site != nil {
		in.site.Close()
	}
}

// reload swaps in a changed directory; a broken one keeps the old version.
func (srv *Server) reload(ctx context.Context, s *served) {
	in, _, err := srv.open(ctx, s.dir, s)
	if err != nil {
		var bad *ProblemsError
		if errors.As(err, &bad) {
			for _, p := range bad.Problems {
				srv.log.Error(p.String(), "app", s.id)
			}
			err = errors.New("the lines above say what is wrong with it")
		}
		srv.log.Error("the changed app is not served, the version before it is", "app", s.id, "folder", s.dir, "error", err)
		return
	}
	old := s.current.Swap(in)
	old.stopPush() // the queue is the new version's
	srv.log.Info("the changed app is served", "app", s.id, "folder", s.dir)
	srv.replaced.Go(func() {
		// Requests under way finish on the old version.
		select {
		case <-time.After(replacedGrace(old.app)):
		case <-srv.stopped:
		}
		old.close(context.WithoutCancel(ctx))
	})
}

// replacedGrace is how long a replaced instance serves what it had begun: a
// little longer than its longest function may run.
func replacedGrace(a *app.App) time.Duration {
	return max(a.Settings.FunctionTimeout, 5*time.Minute) + 10*time.Second
}

// Call lets accounts and rules call the app's functions.
func (in *instance) Call(ctx context.Context, c caller.Caller, name string, args []bson.RawValue) (bson.RawValue, error) {
	ctx, scope := data.WithScope(ctx)
	defer scope.End()
	return in.functions.Call(ctx, c, name, args)
}

// refresh reads a caller's user again, for streams that outlive what is known of
// them.
func (in *instance) refresh(ctx context.Context, c caller.Caller) (caller.Caller, error) {
	if c.User == nil || c.User.Type == user.System {
		return c, nil
	}
	u, err := in.accounts.User(ctx, c.User.ID, true)
	c.User = u
	return c, err
}

// clientFunctions calls functions for clients. A transaction that a function
// leaves open ends with its call.
type clientFunctions struct{ in *instance }

func (f clientFunctions) CallAsClient(ctx context.Context, c caller.Caller, name string, args []bson.RawValue) (bson.RawValue, error) {
	ctx, scope := data.WithScope(ctx)
	defer scope.End()
	return f.in.functions.CallAsClient(ctx, c, name, args)
}

// functionBackend is what functions may ask of the server.
type functionBackend struct{ in *instance }

func (b functionBackend) Data(ctx context.Context, c caller.Caller, service, action string, arg bson.Raw) (bson.RawValue, error) {
	return b.in.data.Do(ctx, c, service, action, arg)
}

func (b functionBackend) CanEvaluate(ctx context.Context, f *app.Function, c caller.Caller) (bool, error) {
	x := b.in.mayCall[f.Name]
	if x == nil {
		return true, nil
	}
	return x.Eval(ctx, &rule.Env{Caller: c, Functions: b.in})
}

func (b functionBackend) User(ctx context.Context, id string) (*user.User, error) {
	return b.in.accounts.User(ctx, id, true)
}

// WatchQueue is what waits for the watch streams of an app.
type WatchQueue struct {
	App                    string
	Streams, Events, Bytes int64
}

// WatchQueues counts what waits for the watch streams of the served apps.
func (srv *Server) WatchQueues() []WatchQueue {
	var out []WatchQueue
	for _, s := range srv.registry.list() {
		b := s.backlog.Read()
		out = append(out, WatchQueue{s.id, b.Streams, b.Events, b.Bytes})
	}
	return out
}

// watched counts open streams, so that a replaced instance lives as long as
// they do.
type watched struct{ in *instance }

func (w watched) Do(ctx context.Context, c caller.Caller, service, action string, arg bson.Raw) (bson.RawValue, error) {
	return w.in.data.Do(ctx, c, service, action, arg)
}

func (w watched) Watch(ctx context.Context, c caller.Caller, service string, arg bson.Raw, lastEventID string) (client.Stream, error) {
	s, err := w.in.data.Watch(ctx, c, service, arg, lastEventID)
	if err != nil {
		return nil, err
	}
	w.in.streams.Add(1)
	return &countedStream{s, sync.OnceFunc(w.in.streams.Done)}, nil
}

type countedStream struct {
	*data.Stream
	done func()
}

func (s *countedStream) Close() {
	s.Stream.Close()
	s.done()
}
