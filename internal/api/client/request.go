package client

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"regent/internal/caller"
)

// describe fills what rules, functions and logs may know of a request.
func (s *Server) describe(info *caller.Request, r *http.Request) {
	info.ID = newRequestID()
	info.RemoteIP = s.remoteIP(r)
	info.Header = r.Header
	info.Method = r.Method
	info.RawQuery = r.URL.RawQuery
	info.Referrer = r.Referer()
	info.UserAgent = r.UserAgent()
}

// newRequestID makes a correlation id: 24 hex digits as the protocol's co_id, a
// time and eight random bytes. It is unguessable, because the page of a log
// entry is found by it.
func newRequestID() string {
	var b [12]byte
	binary.BigEndian.PutUint32(b[:], uint32(time.Now().Unix()))
	rand.Read(b[4:])
	var text [24]byte
	hex.Encode(text[:], b[:])
	return string(text[:])
}

// trusted says whether the peer may speak for others.
func (s *Server) trusted(host string) bool {
	if len(s.TrustedProxies) == 0 {
		return false
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	a = a.Unmap()
	for _, p := range s.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func peer(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// remoteIP is the client's address: the peer, or behind trusted proxies the
// last address of X-Forwarded-For that is none of them.
func (s *Server) remoteIP(r *http.Request) string {
	ip := peer(r)
	if !s.trusted(ip) {
		return ip
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop := strings.TrimSpace(hops[i])
		if hop == "" {
			continue
		}
		if _, err := netip.ParseAddr(hop); err != nil {
			break
		}
		ip = hop
		if !s.trusted(hop) {
			break
		}
	}
	return ip
}

// publicURL is the origin that the client reaches the server by, without a
// trailing slash.
func (s *Server) publicURL(r *http.Request) string {
	if s.PublicURL != "" {
		return s.PublicURL
	}
	scheme, host := "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	if s.trusted(peer(r)) {
		if p := firstOf(r.Header.Get("X-Forwarded-Proto")); p == "http" || p == "https" {
			scheme = p
		}
		if h := firstOf(r.Header.Get("X-Forwarded-Host")); h != "" {
			host = h
		}
	}
	return scheme + "://" + host
}

func firstOf(list string) string {
	first, _, _ := strings.Cut(list, ",")
	return strings.TrimSpace(first)
}

// domainOf reads the domain id claim of a token without verifying anything: it
// only says which app is to verify the token (client-api.md §1.1, rows 11–17).
func domainOf(token string) string {
	_, rest, ok := strings.Cut(token, ".")
	if !ok {
		return ""
	}
	payload, _, ok := strings.Cut(rest, ".")
	if !ok {
		return ""
	}
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(payload, "="))
	if err != nil {
		return ""
	}
	var claims struct {
		Domain string `json:"baas_domain_id"`
	}
	if json.Unmarshal(text, &claims) != nil {
		return ""
	}
	return claims.Domain
}
