package regent

import (
	"context"
	"fmt"
	"html"
	"net"
	"net/http"
	"strings"
	"time"

	"regent/internal/api/client"
	"regent/internal/auth"
	"regent/internal/fault"
	"regent/internal/log"
)

// hostingPath is where each app's static files are when several are served;
// they are also at http://<app id>.localhost:PORT/.
const hostingPath = "/hosting/"

// ServeHTTP serves the client API, static hosting and the health checks.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// routes builds the handler. The client API cleans its paths itself, because
// the protocol forbids the redirects that http.ServeMux would answer with.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.HandleFunc("GET /groups/{group}/apps/{app}/logs", s.logEntry)
	mux.HandleFunc(hostingPath+"{app}/", s.hostedByPath)
	mux.HandleFunc("/app/{app}/endpoint/{route...}", s.serveEndpoint)
	for path, feature := range notServed {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			s.client.Fail(w, r, feature, s.client.Describe(r), fault.NotServed(feature))
		})
	}
	mux.HandleFunc("/", s.hosted)
	s.mountPages(mux)
	callback := s.callback()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := strings.TrimLeft(r.URL.Path, "/"); strings.HasPrefix(p, client.Prefix[1:]+"/") {
			if "/"+p == auth.CallbackPath {
				callback.ServeHTTP(w, r)
				return
			}
			if s.serveWebhook(w, r) {
				return
			}
			s.client.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// notServed lists the original's other interfaces, which are not built here.
var notServed = map[string]string{
	"/api/admin/": "the Admin API (the commands of regent do its work)",
	"/app/{app}/endpoint/data/v1/action/{action}": "the Data API",
}

// ready answers 200 when requests can be served: the database answers.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	if err := s.deployments.ping(r.Context()); err != nil {
		s.log.Warn("not ready", "error", err)
		http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// hosted serves the files of the app that the host name says, or of the only
// app, or a list of the apps.
func (s *Server) hosted(w http.ResponseWriter, r *http.Request) {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if id, ok := strings.CutSuffix(strings.ToLower(host), ".localhost"); ok {
		if in := s.registry.byID(id); in != nil && in.site != nil {
			in.site.ServeHTTP(w, r)
			return
		}
	}
	all := s.registry.all()
	if len(all) == 1 && all[0].site != nil {
		all[0].site.ServeHTTP(w, r)
		return
	}
	if r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprint(w, "<!doctype html><html lang=en><meta charset=utf-8><title>Regent</title>"+
		"<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}</style><h1>Regent</h1><p>This server hosts:</p><ul>")
	for _, in := range all {
		name := html.EscapeString(in.app.Name) + " (<code>" + html.EscapeString(in.app.ID) + "</code>)"
		if in.site != nil {
			name = "<a href=\"" + hostingPath + html.EscapeString(in.app.ID) + "/\">" + name + "</a>"
		}
		fmt.Fprintf(w, "<li>%s</li>", name)
	}
	fmt.Fprint(w, "</ul>")
}

// hostedByPath serves an app's files below /hosting/<app id>/.
func (s *Server) hostedByPath(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("app")
	in := s.registry.byID(id)
	if in == nil || in.site == nil {
		http.NotFound(w, r)
		return
	}
	http.StripPrefix(hostingPath+id, in.site).ServeHTTP(w, r)
}

// logEntry is where an error's `link` leads: to the log entry. A browser on this
// machine sees it at once; elsewhere it is for the operator alone, so the page
// names the command that shows it and nothing else.
func (s *Server) logEntry(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("co_id")
	if len(id) != 24 || strings.Trim(id, "0123456789abcdef") != "" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if s.fromThisMachine(r) {
		if text := s.logTexts(r.Context(), id); text != "" {
			fmt.Fprintf(w, "%s\n", text)
			return
		}
	}
	fmt.Fprintf(w, "This is request %s.\n\nWho runs the server sees its log entry with:\n\n  regent logs --id %s\n", id, id)
}

// logTexts gives the entries of a request, waiting a moment for one that is
// still on its way: entries are written behind the requests.
func (s *Server) logTexts(ctx context.Context, id string) string {
	for range 10 {
		entries, err := s.logs.Find(ctx, log.Query{RequestID: id})
		if err != nil {
			return ""
		}
		var texts []string
		for _, e := range entries {
			texts = append(texts, logText(e))
		}
		if len(texts) > 0 {
			return strings.Join(texts, "\n")
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return ""
		}
	}
	return ""
}
