// Package regent is a self-hosted home for Realm (Atlas App Services) apps: a
// Server loads app directories, serves the client API that unmodified Realm
// SDKs speak, and keeps everything in MongoDB or in an embedded database.
//
// It is the only package that knows every part. The command `regent` is a thin
// shell around it; a Go program embeds a server like this:
//
//	func main() {
//		regent.MaybeRunFunctionHost() // functions run in processes of their own
//		srv, err := regent.Open(ctx, regent.Config{Dirs: []string{"my-app"}, DataDir: "data"})
//		…
//		defer srv.Close(ctx)
//		http.ListenAndServe("127.0.0.1:8080", srv)
//	}
package regent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"regent/internal/api/client"
	"regent/internal/app"
	"regent/internal/auth/password"
	"regent/internal/function"
	"regent/internal/log"
	"regent/internal/mail"
	"regent/internal/operator"
	"regent/internal/session"
)

// Config says what a Server serves and how. The zero value of a field is its
// default.
type Config struct {
	// Dirs are the app directories, at least one.
	Dirs []string

	// AppID is the client app id of the one app in Dirs whose directory names
	// none.
	AppID string

	// DataDir holds the embedded database, the master key and the socket for
	// operator commands. Default: ./regent-data.
	DataDir string

	// MongoDB lists deployments: "URI" for every data source, "NAME=URI" for
	// one of them. Without an unnamed one the embedded database serves the
	// rest, and Regent's own collections (database __regent) lie there.
	MongoDB []string

	// PreImages lets watch switch pre-images on for the collections of MongoDB
	// deployments that clients watch; without them, a delete is told only where
	// the rules do not look at the document. The embedded database always has
	// them.
	PreImages bool

	// DocDBListen is a TCP address on which the embedded database answers
	// drivers and tools; empty: none.
	DocDBListen string

	// MasterKey names the file of the key that encrypts secrets and signing
	// keys at rest. Default: <DataDir>/master.key, made when missing; it must
	// be given when MongoDB names an unnamed deployment.
	MasterKey string

	// PublicURL is the origin that clients use; empty: each request's own.
	PublicURL string

	// LocalURL is the origin that the server's own machine reaches it by; links
	// in mails have it when there is no PublicURL.
	LocalURL string

	// TrustedProxies may set X-Forwarded-For, -Proto and -Host.
	TrustedProxies []netip.Prefix

	// Lifetimes of tokens; apps may override them. Defaults: 30 minutes, 60
	// days.
	AccessTokenTTL  time.Duration
	RefreshTokenTTL time.Duration

	// Secrets names a JSON file, secret name to value.
	Secrets string

	// SMTPURL is the mail server, smtp://user:password@host:port; empty: mails
	// go to the log and to a page of the local server.
	SMTPURL string
	// MailFrom is the sender where an app names none, "Name <address>".
	MailFrom string

	// FunctionHosts is the number of processes that run functions; 0: one for
	// each core. FunctionHostMemoryMB is what the operating system gives each of
	// them at most, in megabytes; 0: 1024.
	FunctionHosts        int
	FunctionHostMemoryMB int
	// FunctionProcessors is how many processors they use at most while functions
	// compute for long; 0: all but one, which is left to the server, where there
	// is more than one. Only on Linux.
	FunctionProcessors int

	// Strict makes warnings about an app directory errors.
	Strict bool

	// Logger receives the log; nil: nothing is logged.
	Logger *slog.Logger

	// Observe is told of every finished API request; may be nil.
	Observe func(route string, status int, took time.Duration)

	// ObservePush is told of every try to send a push message; may be nil.
	ObservePush func(app, service, kind, result string, took time.Duration)
}

// Server serves apps. It is an http.Handler.
type Server struct {
	config      Config
	log         *slog.Logger
	deployments *deployments
	sessions    *session.Service
	master      *session.MasterKey
	passwords   *password.Hasher
	mail        mail.Sender
	functions   *function.Runtime
	logs        *log.Store
	registry    *registry
	client      *client.Server
	handler     http.Handler
	stopped     chan struct{} // closed when Close begins
	stopOnce    sync.Once
	watches     []func()
	replaced    sync.WaitGroup // instances that finish what they had begun
	executions  executions
	background  context.Context // ends with Close
	cancel      context.CancelFunc
}

// MaybeRunFunctionHost must be called first in main: the server starts its own
// program again as function hosts, and this call is where they live. It returns
// at once in the server itself.
func MaybeRunFunctionHost() { function.MaybeRunHost() }

// Defaults of Config.
const (
	DefaultDataDir         = "regent-data"
	DefaultAccessTokenTTL  = 30 * time.Minute
	DefaultRefreshTokenTTL = 60 * 24 * time.Hour
)

// Open loads the apps and starts what they need. The error for an app that
// can't be served is a *ProblemsError. Close the server.
func Open(ctx context.Context, c Config) (_ *Server, err error) {
	if len(c.Dirs) == 0 {
		return nil, errors.New("no app directory is given")
	}
	if c.AppID != "" && len(c.Dirs) > 1 {
		return nil, errors.New("--app-id names one app, but several directories are given: write app_id into their files")
	}
	srv, err := start(ctx, c)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			srv.Close(context.WithoutCancel(ctx))
		}
	}()
	srv.client = client.New(client.Config{
		Apps: srv.registry, Logger: c.Logger, PublicURL: c.PublicURL, TrustedProxies: c.TrustedProxies,
		Observe: c.Observe, Failed: srv.recordFailure, Shutdown: srv.stopped,
	})
	for _, dir := range c.Dirs {
		if err := srv.serveDir(ctx, dir); err != nil {
			return nil, err
		}
	}
	srv.warnSharedDatabases()
	srv.handler = srv.routes()
	srv.watchDirs()
	srv.listenForOperators()
	return srv, nil
}

// serveDir adds the app of a directory.
func (srv *Server) serveDir(ctx context.Context, dir string) error {
	in, s, err := srv.open(ctx, dir, nil)
	if err != nil {
		return err
	}
	if srv.registry.byID(s.id) != nil {
		in.close(ctx)
		return fmt.Errorf("%s: its app id %s is that of another directory", dir, s.id)
	}
	s.current.Store(in)
	srv.registry.add(s)
	return nil
}

// start opens everything that does not belong to one app.
func start(ctx context.Context, c Config) (_ *Server, err error) {
	if c.DataDir == "" {
		c.DataDir = DefaultDataDir
	}
	if c.AccessTokenTTL == 0 {
		c.AccessTokenTTL = DefaultAccessTokenTTL
	}
	if c.RefreshTokenTTL == 0 {
		c.RefreshTokenTTL = DefaultRefreshTokenTTL
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	srv := &Server{config: c, log: c.Logger, registry: newRegistry(), stopped: make(chan struct{})}
	srv.background, srv.cancel = context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			srv.Close(context.WithoutCancel(ctx))
		}
	}()
	// The function hosts start while the database opens.
	if srv.functions, err = function.Start(function.Config{
		Logger: c.Logger, Record: srv.recordExecution, Hosts: c.FunctionHosts, Processors: c.FunctionProcessors, Limits: function.Limits{HostMemory: int64(c.FunctionHostMemoryMB) << 20},
	}); err != nil {
		return nil, fmt.Errorf("function hosts: %w", err)
	}
	return srv, srv.openState(ctx)
}

// openState opens the database and what Regent itself keeps in it.
func (srv *Server) openState(ctx context.Context) (err error) {
	file := srv.config.MasterKey
	if file == "" {
		if replacesEmbedded(srv.config.MongoDB) {
			return errors.New("--mongodb needs --master-key FILE: every process that shares the deployment must have the same key (the file is made when it is missing)")
		}
		file = filepath.Join(srv.config.DataDir, "master.key")
	}
	if srv.deployments, err = openDeployments(ctx, &srv.config); err != nil {
		return err
	}
	srv.mail = mail.NewOutbox(srv.log, 0)
	if srv.config.SMTPURL != "" {
		from := srv.config.MailFrom
		if u, err := url.Parse(srv.config.SMTPURL); from == "" && err == nil && u.User != nil {
			from = u.User.Username()
		}
		if srv.mail, err = mail.NewSMTP(srv.config.SMTPURL, mail.SMTPOptions{From: from}); err != nil {
			return fmt.Errorf("--smtp-url and --mail-from: %w", err)
		}
	}
	system := srv.deployments.system()
	if srv.master, err = session.MasterKeyOf(ctx, system, file); err != nil {
		return err
	}
	if srv.sessions, err = session.Open(ctx, session.Config{DB: system, Master: srv.master, Logger: srv.log}); err != nil {
		return err
	}
	if srv.logs, err = log.Open(ctx, system, srv.log); err != nil {
		return fmt.Errorf("preparing the log: %w", err)
	}
	srv.passwords, err = password.New(password.Default, runtime.GOMAXPROCS(0), password.DefaultWaiting, rand.Reader)
	return err
}

// watchDirs reloads apps whose files change.
func (srv *Server) watchDirs() {
	for _, s := range srv.registry.served {
		w, err := app.Watch(s.dir, func() { srv.reload(srv.background, s) })
		if err != nil {
			srv.log.Warn("changes of the app directory are not noticed; restart the server after a change", "folder", s.dir, "error", err)
			continue
		}
		srv.watches = append(srv.watches, func() { w.Close() })
	}
}

// listenForOperators opens the socket for operator commands. A server without
// it serves all the same.
func (srv *Server) listenForOperators() {
	if err := os.MkdirAll(srv.config.DataDir, 0o700); err == nil {
		stop, err := operator.Listen(srv.config.DataDir, operator.Handler(srv.operatorHandler()))
		if err == nil {
			srv.watches = append(srv.watches, stop)
			return
		}
		srv.log.Warn("operator commands do not reach this server", "error", err)
	}
}

// warnSharedDatabases names databases that several apps use: their rules are
// each app's own, the documents are not.
func (srv *Server) warnSharedDatabases() {
	owner := map[string]string{}
	for _, in := range srv.registry.all() {
		mine := map[string]bool{}
		for _, ds := range in.app.DataSources {
			for _, c := range ds.Collections {
				key := srv.deployments.name(ds.Name) + c.Database
				if other := owner[key]; other != "" && other != in.app.ID && !mine[key] {
					srv.log.Warn("two apps share a database", "database", c.Database, "app", in.app.ID, "other", other)
				}
				mine[key] = true
				owner[key] = in.app.ID
			}
		}
	}
}

// origin is the address in links that are made outside of a request.
func (srv *Server) origin() string {
	if srv.config.PublicURL != "" {
		return srv.config.PublicURL
	}
	return srv.config.LocalURL
}

// AppInfo describes a served app.
type AppInfo struct {
	ID, Name, Dir string
	Hosting       bool
	Providers     []string // ways to log in that are enabled
	Unserved      []string // parts of the directory that are loaded, but not served
}

// Apps lists the served apps in the order of Config.Dirs.
func (srv *Server) Apps() []AppInfo {
	var out []AppInfo
	for _, in := range srv.registry.all() {
		info := AppInfo{ID: in.app.ID, Name: in.app.Name, Dir: in.app.Dir, Hosting: in.site != nil, Unserved: in.app.Unserved()}
		for _, p := range in.app.Providers {
			if !p.Disabled {
				info.Providers = append(info.Providers, p.Name)
			}
		}
		out = append(out, info)
	}
	return out
}

// DataLocation says where the data lies, for people.
func (srv *Server) DataLocation() string { return srv.deployments.where }

// StopStreams ends all watch streams, so that an http.Server that waits for its
// connections can shut down.
func (srv *Server) StopStreams() { srv.stopOnce.Do(func() { close(srv.stopped) }) }

// Close ends streams, functions and services and closes the embedded database
// clean. Requests must have ended: shut the http.Server down before.
func (srv *Server) Close(ctx context.Context) error {
	srv.StopStreams()
	for _, stop := range srv.watches {
		stop()
	}
	srv.cancel()
	srv.replaced.Wait()
	for _, in := range srv.registry.all() {
		in.close(ctx)
	}
	if srv.functions != nil {
		srv.functions.Close()
	}
	if srv.sessions != nil {
		srv.sessions.Close()
	}
	if srv.logs != nil {
		srv.logs.Close()
	}
	if srv.deployments != nil {
		return srv.deployments.close(ctx)
	}
	return nil
}
