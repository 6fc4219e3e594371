package function

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/net/dns/dnsmessage"

	"regent/internal/caller"
)

// TestSpecialAddresses pins what is not the public internet.
func TestSpecialAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1": "loopback", "127.9.9.9": "loopback", "::1": "loopback", "0.0.0.0": "unspecified", "10.1.2.3": "private",
		"192.168.0.1": "private", "172.16.0.1": "private", "169.254.169.254": "link-local", "fe80::1": "link-local", "fd00::1": "private",
		"100.64.0.1": "shared", "::ffff:127.0.0.1": "loopback", "64:ff9b::7f00:1": "loopback", "2002:7f00:1::": "loopback", "::7f00:1": "loopback",
		"224.0.0.1": "link-local", "239.1.1.1": "multicast", "168.63.129.16": "metadata", "fd00:ec2::254": "private", "100.100.100.200": "shared", "192.0.0.192": "reserved",
		"64:ff9b:1::808:808": "translation", "64:ff9b::a9fe:a9fe": "link-local", "::ffff:169.254.169.254": "link-local", "2001:0:1::": "reserved", "3fff::1": "documentation", "255.255.255.255": "reserved", "0.1.2.3": "unspecified", "fec0::1": "site-local",
		"8.8.8.8": "", "1.1.1.1": "", "2606:4700::1111": "", "64:ff9b::808:808": "",
	} {
		a := netip.MustParseAddr(address)
		if got := special(a.Unmap()); got != want {
			t.Errorf("%s: got %q, want %q", address, got, want)
		}
	}
}

func call(t *testing.T, d *Deployment, name string, args ...any) (string, error) {
	t.Helper()
	var list []bson.RawValue
	for _, a := range args {
		list = append(list, value(a))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	v, err := d.Call(ctx, caller.Caller{User: testUser(t)}, name, list)
	if err != nil {
		return "", err
	}
	return mustText(t, v), nil
}

var httpFunctions = map[string]string{
	"context": `exports = async (url) => {
		const r = await context.http.post({ url: url + '/echo', headers: { 'X-One': ['1'], 'Content-Type': ['text/plain'] }, body: 'hi', query: { q: ['a b'] } });
		return [r.status, r.statusCode, r.headers['X-Test'][0], r.body.text(), r.cookies.c.value];
	}`,
	"json":  `exports = async (url) => EJSON.parse((await context.http.post({ url: url + '/body', body: { a: 1, id: BSON.ObjectId('64b0c0c0c0c0c0c0c0c0c0c0') }, encodeBodyAsJSON: true })).body.text());`,
	"fetch": `exports = async (url) => { const r = await fetch(url + '/json', { method: 'PUT', body: JSON.stringify({ a: 1 }), headers: { 'content-type': 'application/json' } }); return [r.status, r.ok, r.headers.get('content-type'), (await r.json()).method]; }`,
	"https": `exports = (url) => new Promise((resolve, reject) => {
		const req = require('http').request(url + '/echo?z=1', { method: 'POST', headers: { 'X-One': 'n' } }, res => { let t = ''; res.setEncoding('utf8'); res.on('data', c => t += c); res.on('end', () => resolve([res.statusCode, t, res.headers['x-test']])); });
		req.on('error', reject); req.write('bo'); req.end('dy');
	});`,
	"get":      `exports = async (url) => (await context.http.get({ url })).statusCode;`,
	"follow":   `exports = async (url) => (await fetch(url)).status;`,
	"nofollow": `exports = async (url) => { const r = await context.http.get({ url }); return [r.statusCode, r.headers.Location[0]]; };`,
	"socket": `exports = (host, port) => new Promise((resolve, reject) => {
		const s = require('net').connect(port, host, () => s.write('hello\n'));
		let t = ''; s.on('data', c => { t += c; if (t.includes('\n')) s.end(); }); s.on('error', reject); s.on('close', () => resolve(t.trim())); s.on('end', () => s.destroy());
		s.on('data', () => s.destroy());
	});`,
	"digest": `exports = async (url) => { const r = await context.http.get({ url: url + '/digest', digestAuth: true, username: 'u', password: 'p' }); return r.statusCode; }`,
}

func testServer(t *testing.T) *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Test", "yes")
		http.SetCookie(w, &http.Cookie{Name: "c", Value: "v"})
		fmt.Fprintf(w, "%s %s %s %s", r.Method, r.URL.RawQuery, r.Header.Get("X-One"), b)
	})
	mux.HandleFunc("/body", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	mux.HandleFunc("/json", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"method":%q}`, r.Method)
	})
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusFound)
	})
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/big", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(strings.Repeat("x", 2<<20)))
	})
	mux.HandleFunc("/digest", func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Header.Get("Authorization"), `Digest username="u", realm="r"`) {
			w.Header().Set("WWW-Authenticate", `Digest realm="r", nonce="n", qop="auth"`)
			w.WriteHeader(401)
		}
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func TestHTTP(t *testing.T) {
	server := testServer(t)
	r := mustStart(t, Config{Outbound: Outbound{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, ResponseSize: 1 << 20}})
	d := mustDeploy(t, r, nil, httpFunctions)
	for _, c := range []struct{ name, want string }{
		{"context", `["200 OK",{"$numberInt":"200"},"yes","POST q=a%20b 1 hi","v"]`},
		{"json", `{"a":{"$numberInt":"1"},"id":{"$oid":"64b0c0c0c0c0c0c0c0c0c0c0"}}`},
		{"fetch", `[{"$numberInt":"200"},true,"application/json","PUT"]`},
		{"https", `[{"$numberInt":"200"},"POST z=1 n body","yes"]`},
		{"digest", `{"$numberInt":"200"}`},
	} {
		got, err := call(t, d, c.name, server.URL)
		if err != nil || got != c.want {
			t.Errorf("%s:\n got %s %v\nwant %s", c.name, got, err, c.want)
		}
	}
	got, err := call(t, d, "nofollow", server.URL+"/redirect?to=/echo")
	if err != nil || got != `[{"$numberInt":"302"},"/echo"]` {
		t.Errorf("nofollow: %s %v", got, err)
	}
	for url, want := range map[string]string{server.URL + "/loop": "http_max_redirects", server.URL + "/big": "http_response_size", "ftp://127.0.0.1/": "unsupported protocol"} {
		if _, err := call(t, d, "follow", url); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v lacks %s", url, err, want)
		}
	}
}

func TestSocket(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			line, _ := bufio.NewReader(c).ReadString('\n')
			fmt.Fprintf(c, "you said %s", line)
			c.Close()
		}
	}()
	r := mustStart(t, Config{Outbound: Outbound{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}})
	d := mustDeploy(t, r, nil, httpFunctions)
	got, err := call(t, d, "socket", "127.0.0.1", int32(l.Addr().(*net.TCPAddr).Port))
	if err != nil || got != `"you said hello"` {
		t.Errorf("socket: %s %v", got, err)
	}
}

// TestPrivateAddresses checks that no way leads to an address that is not
// allowed: names, numbers of any form, redirects, sockets.
func TestPrivateAddresses(t *testing.T) {
	server := testServer(t)
	u, _ := url.Parse(server.URL)
	r := mustStart(t, Config{})
	d := mustDeploy(t, r, nil, httpFunctions)
	for _, address := range []string{
		server.URL, "http://localhost:" + u.Port(), "http://[::1]:" + u.Port(), "http://[::ffff:127.0.0.1]:" + u.Port(), "http://0.0.0.0:" + u.Port(),
		"http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/", "http://[fe80::1]/", "http://[64:ff9b::7f00:1]:" + u.Port(), "http://[::ffff:a9fe:a9fe]/",
		"http://100.64.0.1/", "http://[fd00::1]/", "http://[::]:" + u.Port(), "http://168.63.129.16/",
	} {
		for _, f := range []string{"get", "follow", "https"} {
			start := time.Now()
			got, err := call(t, d, f, address)
			if err == nil || !strings.Contains(err.Error(), "http_allow_private") {
				t.Errorf("%s %s: %s %v", f, address, got, err)
			}
			if time.Since(start) > 3*time.Second {
				t.Errorf("%s %s took %s", f, address, time.Since(start))
			}
		}
	}
	if got, err := call(t, d, "socket", "127.0.0.1", int32(80)); err == nil || !strings.Contains(err.Error(), "restricted host") {
		t.Errorf("socket: %s %v", got, err)
	}
	// A redirect from an allowed address leads nowhere either.
	other := httptest.NewUnstartedServer(http.RedirectHandler(server.URL+"/echo", http.StatusFound))
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Skip("127.0.0.2 cannot be used: ", err)
	}
	other.Listener = l
	other.Start()
	defer other.Close()
	r = mustStart(t, Config{Outbound: Outbound{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}}})
	d = mustDeploy(t, r, nil, httpFunctions)
	if got, err := call(t, d, "follow", other.URL); err == nil || !strings.Contains(err.Error(), "restricted host") {
		t.Errorf("redirect: %s %v", got, err)
	}
	if got, err := call(t, d, "nofollow", other.URL); err != nil {
		t.Errorf("allowed: %s %v", got, err)
	}
}

// TestOddAddresses writes a private address in forms that some resolvers take
// for numbers: none of them is reached.
func TestOddAddresses(t *testing.T) {
	server := testServer(t)
	u, _ := url.Parse(server.URL)
	r := mustStart(t, Config{})
	d := mustDeploy(t, r, nil, httpFunctions)
	for _, host := range []string{"2130706433", "0x7f000001", "0177.0.0.1", "017700000001", "127.1", "0x7f.1", "127.0.0.1.", "localhost.", "LOCALHOST", "\uff11\uff12\uff17.0.0.1", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]"} {
		for _, f := range []string{"get", "follow", "https"} {
			if got, err := call(t, d, f, "http://"+host+":"+u.Port()+"/echo"); err == nil {
				t.Errorf("%s %s: %s", f, host, got)
			}
		}
		port, _ := strconv.Atoi(u.Port())
		if got, err := call(t, d, "socket", strings.Trim(host, "[]"), int32(port)); err == nil {
			t.Errorf("socket %s: %s", host, got)
		}
	}
}

// TestRebinding resolves a name to a public address first and to a private one
// afterwards: what counts is the address that is connected to.
func TestRebinding(t *testing.T) {
	server := testServer(t)
	u, _ := url.Parse(server.URL)
	r := mustStart(t, Config{Outbound: Outbound{Resolver: nameServer(t, [4]byte{8, 8, 8, 8}, [4]byte{127, 0, 0, 1})}})
	d := mustDeploy(t, r, nil, map[string]string{"f": `exports = async (url) => {
		const dns = require('dns').promises;
		const first = (await dns.lookup(new URL(url).hostname)).address;
		let second; try { await dns.lookup(new URL(url).hostname); second = 'told'; } catch (e) { second = 'not told'; }
		try { return [first, second, (await fetch(url)).status]; } catch (e) { return [first, second, /restricted host: 127.0.0.1 is a loopback address/.test(e.message + e.cause?.message)]; }
	}`})
	got, err := call(t, d, "f", "http://rebind.example.com:"+u.Port()+"/echo")
	if want := `["8.8.8.8","not told",true]`; err != nil || got != want {
		t.Errorf("%s %v, want %s", got, err, want)
	}
}

// nameServer answers the first question for an address with the first address
// and all later ones with the second.
func nameServer(t *testing.T, first, later [4]byte) *net.Resolver {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		address := first
		for b := make([]byte, 1500); ; {
			n, peer, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(b[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			m.Response, m.Additionals = true, nil
			if q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}, Body: &dnsmessage.AResource{A: address}}}
				address = later
			}
			if reply, err := m.Pack(); err == nil {
				_, _ = c.WriteTo(reply, peer)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", c.LocalAddr().String())
	}}
}
