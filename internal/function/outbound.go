package function

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"regent/internal/fault"
)

// outbound is the network as functions may use it. Every address is checked
// after it was resolved, at the moment of dialling, so neither a redirect nor a
// name that changes its address leads around the check. Environment proxies are
// not used: a proxy would resolve on its own.
type outbound struct {
	policy Outbound
	dialer *net.Dialer // to public addresses
	free   *net.Dialer // to hosts that are allowed by name
	names  *net.Resolver
	client *http.Transport
	loose  *http.Transport // rejectUnauthorized: false
}

func newOutbound(policy Outbound) *outbound {
	o := &outbound{policy: policy, names: net.DefaultResolver}
	if policy.Resolver != nil {
		o.names = policy.Resolver
	}
	o.dialer = &net.Dialer{Timeout: 15 * time.Second, Resolver: o.names, Control: o.control}
	o.free = &net.Dialer{Timeout: 15 * time.Second, Resolver: o.names}
	o.client = o.transport(nil)
	o.loose = o.transport(&tls.Config{InsecureSkipVerify: true})
	return o
}

func (o *outbound) transport(config *tls.Config) *http.Transport {
	return &http.Transport{
		DialContext:            o.dial,
		TLSClientConfig:        config,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           100,
		MaxIdleConnsPerHost:    10,
		IdleConnTimeout:        30 * time.Second,
		TLSHandshakeTimeout:    15 * time.Second,
		MaxResponseHeaderBytes: 1 << 20,
	}
}

func (o *outbound) close() {
	o.client.CloseIdleConnections()
	o.loose.CloseIdleConnections()
}

// Dial connects to an address that somebody outside named, under the app's
// policy for what functions may reach.
func (d *Deployment) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return d.outbound.dial(ctx, network, address)
}

// dial connects to an address, which is a name or a number with a port.
func (o *outbound) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if o.policy.AllowPrivate || o.allowed(address) {
		return o.free.DialContext(ctx, network, address)
	}
	return o.dialer.DialContext(ctx, network, address)
}

// allowed reports whether a host is allowed by its name.
func (o *outbound) allowed(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	for _, a := range o.policy.AllowHosts {
		if strings.EqualFold(a, host) || strings.EqualFold(a, address) {
			return true
		}
	}
	return false
}

// control refuses an address before a connection to it is made.
func (o *outbound) control(network, address string, _ syscall.RawConn) error {
	host, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %s: %w", address, err)
	}
	return o.check(host.Addr())
}

// check refuses addresses that are not of the public internet.
func (o *outbound) check(a netip.Addr) error {
	a = a.Unmap().WithZone("")
	for _, p := range o.policy.Allow {
		if p.Contains(a) {
			return nil
		}
	}
	if kind := special(a); kind != "" {
		return fault.New(fault.RestrictedHost, "restricted host: %s is a %s address (http_allow_private, http_allowed_hosts)", a, kind)
	}
	return nil
}

// specialNetworks are those that no rule of package netip names.
var specialNetworks = []struct {
	network netip.Prefix
	kind    string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "unspecified"},
	{netip.MustParsePrefix("100.64.0.0/10"), "shared"},
	{netip.MustParsePrefix("192.0.0.0/24"), "reserved"},
	{netip.MustParsePrefix("192.0.2.0/24"), "documentation"},
	{netip.MustParsePrefix("192.88.99.0/24"), "reserved"},
	{netip.MustParsePrefix("198.18.0.0/15"), "benchmarking"},
	{netip.MustParsePrefix("198.51.100.0/24"), "documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "documentation"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},
	{netip.MustParsePrefix("168.63.129.16/32"), "metadata"}, // Azure's, which is in no special network
	{netip.MustParsePrefix("64:ff9b:1::/48"), "translation"},
	{netip.MustParsePrefix("100::/63"), "reserved"},
	{netip.MustParsePrefix("2001::/23"), "reserved"}, // Teredo, benchmarking, ORCHID and what IETF protocols use
	{netip.MustParsePrefix("2001:db8::/32"), "documentation"},
	{netip.MustParsePrefix("3fff::/20"), "documentation"},
	{netip.MustParsePrefix("5f00::/16"), "reserved"},
	{netip.MustParsePrefix("fec0::/10"), "site-local"},
}

// embedding networks carry an IPv4 address inside.
var embeddingNetworks = []struct {
	network netip.Prefix
	at      int // first byte of the IPv4 address
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12},
	{netip.MustParsePrefix("2002::/16"), 2},
	{netip.MustParsePrefix("::/96"), 12},
}

// special names the kind of an address that is not public, "" for a public one.
func special(a netip.Addr) string {
	switch {
	case !a.IsValid():
		return "invalid"
	case a.IsLoopback():
		return "loopback"
	case a.IsUnspecified():
		return "unspecified"
	case a.IsPrivate():
		return "private"
	case a.IsLinkLocalUnicast(), a.IsLinkLocalMulticast(), a.IsInterfaceLocalMulticast():
		return "link-local"
	case a.IsMulticast():
		return "multicast"
	}
	for _, s := range specialNetworks {
		if s.network.Contains(a) {
			return s.kind
		}
	}
	if a.Is6() {
		b := a.As16()
		for _, e := range embeddingNetworks {
			if e.network.Contains(a) {
				if kind := special(netip.AddrFrom4([4]byte(b[e.at : e.at+4]))); kind != "" {
					return kind
				}
			}
		}
	}
	return ""
}

// checkURL refuses what is not plain HTTP.
func checkURL(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" {
		return fault.New(fault.HTTPError, "unsupported protocol scheme %q: http and https are possible", u.Scheme)
	}
	if u.Hostname() == "" {
		return fault.New(fault.HTTPError, "the address has no host")
	}
	return nil
}

// lookup resolves a name; addresses that may not be reached are not told either.
func (o *outbound) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	all, err := o.names.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	var out []netip.Addr
	for _, a := range all {
		if err = o.check(a); err == nil || o.policy.AllowPrivate || o.allowed(net.JoinHostPort(host, "")) {
			out = append(out, a.Unmap())
		}
	}
	if len(out) == 0 {
		return nil, errors.Join(err, fmt.Errorf("no address of %s may be reached", host))
	}
	return out, nil
}
