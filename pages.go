package regent

import (
	"net"
	"net/http"
	"net/url"
	"strings"

	"regent/internal/auth"
	"regent/internal/mail"
)

// outboxPath is the page of mails that were not sent because no mail server is
// configured.
const outboxPath = "/outbox"

// mountPages adds the pages around accounts: those that mails link to, the
// callback of the redirect flow, and without a mail server the outbox.
func (srv *Server) mountPages(mux *http.ServeMux) {
	pages := &auth.Pages{
		Find: func(appID string) *auth.Service {
			if in := srv.registry.byID(appID); in != nil {
				return in.accounts
			}
			return nil
		},
		Describe: srv.client.Describe,
	}
	mux.Handle(auth.PagesPath+"/", pages)
	if outbox, ok := srv.mail.(*mail.Outbox); ok {
		mux.HandleFunc("GET "+outboxPath, func(w http.ResponseWriter, r *http.Request) {
			if !srv.fromThisMachine(r) {
				http.NotFound(w, r)
				return
			}
			outbox.ServeHTTP(w, r)
		})
	}
}

// callback is the handler of the redirect flow's callback.
func (srv *Server) callback() http.Handler {
	return &auth.Callback{
		Find: func(domainID string) *auth.Service {
			srv.registry.mu.RLock()
			defer srv.registry.mu.RUnlock()
			if s := srv.registry.domain[domainID]; s != nil {
				return s.current.Load().accounts
			}
			return nil
		},
		Describe: srv.client.Describe,
	}
}

// fromThisMachine says whether a request comes from a browser on this machine
// and not through a proxy: the outbox holds links that let in, log entries what
// users sent.
func (srv *Server) fromThisMachine(r *http.Request) bool {
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || !isLoopback(peer) {
		return false
	}
	// Browsers speak HTTP/1.1 or newer; a proxy that says nothing about itself
	// speaks 1.0, as nginx did for long.
	if !r.ProtoAtLeast(1, 1) {
		return false
	}
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "Via", "X-Real-Ip"} {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	// A page elsewhere could point a name of its own at this machine.
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if !isLoopback(strings.Trim(host, "[]")) {
		return false
	}
	if srv.config.PublicURL == "" {
		return true
	}
	u, err := url.Parse(srv.config.PublicURL)
	return err == nil && isLoopback(u.Hostname())
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
