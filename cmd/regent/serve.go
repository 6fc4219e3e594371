package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"regent"
	"regent/internal/metrics"
)

// serveOptions are the flags of `regent serve`.
type serveOptions struct {
	regent.Config
	listen, tlsCert, tlsKey string
	trustedProxies          []string
	metrics                 string
	logLevel, logFormat     string
}

// gcPercent lets garbage grow to twice what is in use, unless GOGC says
// otherwise. What a server holds is small beside what requests leave behind, and
// Go's default spent a fifth of the processor on a storm of log-ins.
const gcPercent = 200

func serveCommand() *cobra.Command {
	var o serveOptions
	c := &cobra.Command{
		Use:   "serve DIR...",
		Short: "Serve app directories",
		Long: `Serve one or more app directories, each an exported Realm app. A change to a
file is checked and swapped in while serving; a broken change keeps the old
version and says why.`,
		Args: words(1, -1),
		RunE: func(c *cobra.Command, dirs []string) error {
			o.Dirs = dirs
			if os.Getenv("GOGC") == "" {
				debug.SetGCPercent(gcPercent)
			}
			return o.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	addServeFlags(c, &o)
	return withEnvironment(c)
}

func addServeFlags(c *cobra.Command, o *serveOptions) {
	f := c.Flags()
	f.StringVar(&o.listen, "listen", "127.0.0.1:8080", "address to listen on, host:port")
	f.StringVar(&o.DataDir, "data", "./regent-data", "folder of the embedded database, the master key and the operators' socket")
	f.StringArrayVar(&o.MongoDB, "mongodb", nil, "URI of a MongoDB deployment for every data source, or NAME=URI for one of them; may be repeated (default: the embedded database)")
	f.BoolVar(&o.PreImages, "pre-images", false, "let watch switch on pre-images (collMod) for watched collections of --mongodb, so that deletes are told to those who could read the document")
	f.StringVar(&o.DocDBListen, "docdb-listen", "", "address on which the embedded database answers MongoDB drivers and tools (default: none)")
	f.StringVar(&o.AppID, "app-id", "", "client app id of an app whose directory names none (default: derived from its name, and kept)")
	f.StringVar(&o.PublicURL, "public-url", "", "origin that clients reach the server by, e.g. https://realm.example.com (default: each request's own)")
	f.StringSliceVar(&o.trustedProxies, "trusted-proxies", nil, "addresses or CIDR ranges whose X-Forwarded-For, -Proto and -Host are believed (default: none)")
	f.StringVar(&o.tlsCert, "tls-cert", "", "PEM file of a certificate chain; serves HTTPS together with --tls-key (default: none)")
	f.StringVar(&o.tlsKey, "tls-key", "", "PEM file of the certificate's key (default: none)")
	f.StringVar(&o.MasterKey, "master-key", "", "file of the key that encrypts secrets and signing keys at rest; must be given with --mongodb (default: master.key in the data folder, made when missing)")
	f.DurationVar(&o.AccessTokenTTL, "access-token-ttl", 30*time.Minute, "lifetime of access tokens")
	f.DurationVar(&o.RefreshTokenTTL, "refresh-token-ttl", 60*24*time.Hour, "lifetime of refresh tokens")
	f.StringVar(&o.Secrets, "secrets", "", "JSON file with the apps' secrets, name to value (default: none; REGENT_SECRET_<name> is read too)")
	f.StringVar(&o.SMTPURL, "smtp-url", "", "mail server, e.g. smtp://user:password@mail.example.com:587 (default: none; mails go to the log and to a local page)")
	f.StringVar(&o.MailFrom, "mail-from", "", "sender of mails (default: the user of --smtp-url)")
	f.IntVar(&o.FunctionHosts, "function-hosts", 0, "processes that run functions (default: one for each core)")
	f.IntVar(&o.FunctionHostMemoryMB, "function-host-memory-mb", 1024, "memory of one such process in megabytes, held by the operating system")
	f.IntVar(&o.FunctionProcessors, "function-processors", 0, "processors that they use at most while functions compute for long, on Linux (default: all but one, which is left to the server, where there is more than one)")
	f.BoolVar(&o.Strict, "strict", false, "refuse to serve an app directory with warnings")
	f.StringVar(&o.metrics, "metrics", "", "address on which Prometheus metrics are served at /metrics (default: none)")
	f.StringVar(&o.logLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&o.logFormat, "log-format", "text", "text or json")
}

// logger builds the log from its flags.
func logger(w io.Writer, level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level %q: allowed are debug, info, warn and error", level)
	}
	o := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, o)), nil
	}
	return nil, fmt.Errorf("--log-format %q: allowed are text and json", format)
}

// proxies reads --trusted-proxies: addresses and ranges.
func proxies(list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range list {
		if p, err := netip.ParsePrefix(s); err == nil {
			out = append(out, p)
			continue
		}
		a, err := netip.ParseAddr(s)
		if err != nil {
			return nil, fmt.Errorf("--trusted-proxies %q: allowed are addresses (10.0.0.1) and CIDR ranges (10.0.0.0/8)", s)
		}
		out = append(out, netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()))
	}
	return out, nil
}

func (o *serveOptions) run(ctx context.Context, out, errOut io.Writer) error {
	log, err := logger(errOut, o.logLevel, o.logFormat)
	if err != nil {
		return err
	}
	o.Logger = log
	if o.TrustedProxies, err = proxies(o.trustedProxies); err != nil {
		return err
	}
	if (o.tlsCert == "") != (o.tlsKey == "") {
		return errors.New("--tls-cert and --tls-key go together")
	}
	listener, err := listen(o.listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	scheme := "http"
	if o.tlsCert != "" {
		cert, err := tls.LoadX509KeyPair(o.tlsCert, o.tlsKey)
		if err != nil {
			return fmt.Errorf("--tls-cert and --tls-key: %w", err)
		}
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}})
		scheme = "https"
	}
	registry := metrics.New()
	o.Observe = registry.ObserveRequest
	o.ObservePush = registry.ObservePush
	stopMetrics, err := serveMetrics(o.metrics, registry, log)
	if err != nil {
		return err
	}
	defer stopMetrics()

	o.PublicURL = strings.TrimSuffix(o.PublicURL, "/")
	o.LocalURL = scheme + "://" + displayAddress(listener.Addr())
	base := o.PublicURL
	if base == "" {
		base = o.LocalURL
	}
	srv, err := regent.Open(ctx, o.Config)
	if err != nil {
		return err
	}
	registry.PushQueues(func(ctx context.Context, each func(app, service string, messages, deliveries int64)) error {
		queues, err := srv.PushQueues(ctx)
		for _, q := range queues {
			each(q.App, q.Service, q.Messages, q.Deliveries)
		}
		return err
	})
	registry.WatchQueues(func(each func(app string, streams, events, bytes int64)) {
		for _, q := range srv.WatchQueues() {
			each(q.App, q.Streams, q.Events, q.Bytes)
		}
	})
	web := &http.Server{
		Handler:           srv,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    1 << 20,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listener) }()
	printWelcome(out, srv, base)

	select {
	case err = <-failed:
	case <-ctx.Done():
		log.Info("stopping: requests finish, streams end")
	}
	// Streams first, since http.Server waits for them; then the requests that
	// are under way; then the services and the database.
	srv.StopStreams()
	grace, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if e := web.Shutdown(grace); e != nil {
		web.Close()
	}
	if e := srv.Close(grace); e != nil && err == nil {
		err = e
	}
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return err
}

// listen opens the port, with one clear line when it is taken.
func listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is in use by another program: choose another address with --listen", addr)
	}
	if err != nil {
		return nil, fmt.Errorf("--listen %s: %w", addr, err)
	}
	return l, nil
}

// displayAddress is what a person can open: an unspecified host is this one.
func displayAddress(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

func serveMetrics(addr string, registry *metrics.Registry, log *slog.Logger) (stop func(), err error) {
	if addr == "" {
		return func() {}, nil
	}
	l, err := listen(addr)
	if err != nil {
		return nil, fmt.Errorf("--metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", registry.Handler())
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go s.Serve(l)
	log.Info("metrics", "address", "http://"+displayAddress(l.Addr())+"/metrics")
	return func() { s.Close() }, nil
}

// logInLine is the line of a program that logs in, by the simplest way that the
// app has enabled.
func logInLine(providers []string) string {
	for _, p := range []struct{ name, credentials string }{
		{"anon-user", `anonymous()`},
		{"local-userpass", `emailPassword("…", "…")`},
		{"custom-function", `function({ … })`},
		{"custom-token", `jwt("…")`},
		{"api-key", `apiKey("…")`},
	} {
		if slices.Contains(providers, p.name) {
			return "const user = await app.logIn(Realm.Credentials." + p.credentials + ");"
		}
	}
	return "// auth/providers.json enables no way to log in that needs no browser"
}

// printWelcome tells a newcomer where everything is and what to paste.
func printWelcome(w io.Writer, srv *regent.Server, base string) {
	apps := srv.Apps()
	fmt.Fprintf(w, "Regent serves %s\n\n", base)
	for _, a := range apps {
		fmt.Fprintf(w, "  app       %s\n", a.Name)
		fmt.Fprintf(w, "  app id    %s\n", a.ID)
		fmt.Fprintf(w, "  folder    %s\n", a.Dir)
		if a.Hosting {
			page := base + "/"
			if len(apps) > 1 {
				page = base + "/hosting/" + a.ID + "/"
			}
			fmt.Fprintf(w, "  page      %s\n", page)
		}
		if len(a.Unserved) > 0 {
			fmt.Fprintf(w, "  not yet   loaded, but not served: %s\n", strings.Join(a.Unserved, ", "))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "  data      %s\n\n", srv.DataLocation())
	if len(apps) > 0 {
		fmt.Fprintf(w, "  import * as Realm from \"realm-web\";\n")
		fmt.Fprintf(w, "  const app = new Realm.App({ id: %q, baseUrl: %q });\n", apps[0].ID, base)
		fmt.Fprintf(w, "  %s\n\n", logInLine(apps[0].Providers))
	}
	fmt.Fprintln(w, "Ctrl-C stops.")
	if f, ok := w.(*os.File); ok {
		f.Sync()
	}
}
