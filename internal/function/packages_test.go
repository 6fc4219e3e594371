package function

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
	"regent/internal/caller"
)

// mustInstall installs the packages of a folder of testdata/packages from its
// lock file.
func mustInstall(t *testing.T, set string) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("testdata/packages", set))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "axios")); err == nil {
		return dir
	}
	missing := t.Skip
	if os.Getenv("CI") != "" {
		missing = t.Fatal
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		missing("npm is not installed: install Node.js to test packages")
	}
	cmd := exec.Command(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		missing("npm ci: ", err, string(out))
	}
	return dir
}

// packageSets are the folders of testdata/packages: the versions that apps of the
// last years have, those of the years when the apps were written, and those that
// are published now.
var packageSets = []string{".", "old", "current"}

// TestPackages has each package do its work in every set of versions. A case may
// want something else of a set: "old:want …".
func TestPackages(t *testing.T) {
	if testing.Short() {
		t.Skip("bundling packages takes its time")
	}
	for _, set := range packageSets {
		t.Run(set, func(t *testing.T) { testPackages(t, set) })
	}
}

func testPackages(t *testing.T, set string) {
	dir := mustInstall(t, set)
	server := testServer(t)
	server.Config.Handler.(*http.ServeMux).HandleFunc("/back", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Test", "yes")
		fmt.Fprintf(w, `{"method":%q,"got":%s}`, r.Method, b)
	})
	servicesOfPackages(server.Config.Handler.(*http.ServeMux))
	cases, functions := readCases(t, "testdata/packages/cases.txt")
	functions["absent"] = `exports = () => require('not-there');`
	r := mustStart(t, Config{Record: func(e Execution) {
		for _, l := range e.Lines {
			t.Log(e.Function, l.Level, l.Text)
		}
	}, Outbound: Outbound{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}})
	a := &app.App{ID: "packages", Name: "packages", Dependencies: app.Dependencies{Dir: filepath.Join(dir, "node_modules")}}
	for n, code := range functions {
		a.Functions = append(a.Functions, &app.Function{Name: n, Code: []byte(code)})
	}
	a.Values = []*app.Value{{Name: "server", Value: value(server.URL)}, {Name: "smtp", Value: value(int32(smtpServer(t)))}}
	start := time.Now()
	d, problems := r.Deploy(context.Background(), a, &fakeBackend{})
	defer d.Close()
	d.bundler.prepare(context.Background())
	t.Logf("bundled in %s", time.Since(start).Round(time.Millisecond))
	for name, m := range d.bundler.done {
		if m.Error != "" && name != "not-there" {
			t.Errorf("package %s: %s", name, m.Error)
		}
	}
	if len(problems) != 1 || !strings.Contains(problems[0].Message, "npm install not-there") {
		t.Errorf("problems: %v", problems)
	}
	for _, c := range cases {
		t.Run(c.function, func(t *testing.T) {
			wanted := wantedOf(c.want, set)
			if len(wanted) == 0 {
				t.Skip("the case is not for these versions")
			}
			start := time.Now()
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			v, err := d.Call(ctx, caller.Caller{}, c.function, []bson.RawValue{})
			t.Log(time.Since(start).Round(time.Millisecond))
			for _, w := range wanted {
				checkOutcome(t, "cases.txt", c, w, v, err, "")
			}
		})
	}
}

// wantedOf gives the lines that a set is held to: its own, else those of all.
func wantedOf(lines []string, set string) (own []string) {
	var all []string
	for _, l := range lines {
		of, want, named := strings.Cut(l, ":")
		switch {
		case named && slices.Contains(packageSets, of):
			if of == set {
				own = append(own, want)
			}
		default:
			all = append(all, l)
		}
	}
	if own != nil {
		return own
	}
	return all
}

// servicesOfPackages answers as the services do to which packages are clients.
func servicesOfPackages(mux *http.ServeMux) {
	reply := func(w http.ResponseWriter, status int, text string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
	mux.HandleFunc("POST /2010-04-01/Accounts/{sid}/Messages.json", func(w http.ResponseWriter, r *http.Request) {
		_, token, _ := r.BasicAuth()
		_ = r.ParseForm()
		if r.Form.Get("To") == "nobody" {
			reply(w, 400, `{"code":21211,"message":"The 'To' number is not a valid phone number.","status":400}`)
			return
		}
		reply(w, 201, fmt.Sprintf(`{"sid":"SM1","account_sid":%q,"status":"queued","body":%q,"to":%q,"error_message":%q}`, r.PathValue("sid"), r.Form.Get("Body"), r.Form.Get("To"), token))
	})
	mux.HandleFunc("POST /v3/mail/send", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("Authorization") != "Bearer SG.x" || strings.Contains(string(body), `"subject":"bad"`) {
			reply(w, 400, `{"errors":[{"message":"bad subject"}]}`)
			return
		}
		reply(w, 202, "")
	})
	// Google's token endpoints: a service account's signed claim for a token.
	token := func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		if r.Form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || strings.Count(r.Form.Get("assertion"), ".") != 2 {
			reply(w, 400, `{"error":"invalid_grant"}`)
			return
		}
		reply(w, 200, `{"access_token":"t1","expires_in":3600,"token_type":"Bearer"}`)
	}
	mux.HandleFunc("POST /o/oauth2/token", token)
	mux.HandleFunc("POST /token", token)
	mux.Handle("POST /v1/projects/p1/databases/(default)/{action}", &firestoreServer{documents: map[string]map[string]any{}})
	mux.HandleFunc("POST /v1/projects/{project}/{messages}", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case r.PathValue("messages") != "messages:send" || r.Header.Get("Authorization") != "Bearer t1":
			reply(w, 401, `{"error":{"status":"UNAUTHENTICATED","message":"who?"}}`)
		case strings.Contains(string(body), `"token":"gone"`):
			reply(w, 404, `{"error":{"status":"NOT_FOUND","message":"Requested entity was not found.","details":[{"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError","errorCode":"UNREGISTERED"}]}}`)
		default:
			reply(w, 200, fmt.Sprintf(`{"name":"projects/%s/messages/1"}`, r.PathValue("project")))
		}
	})
	mux.HandleFunc("POST /identitytoolkit.googleapis.com/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), "nobody") {
			reply(w, 200, `{}`)
			return
		}
		reply(w, 200, `{"users":[{"localId":"u1","email":"a@example.com","createdAt":"1700000000000","lastLoginAt":"1700000000000"}]}`)
	})
}

// smtpServer is as much of a mail server as a client notices: STARTTLS, login,
// one message.
func smtpServer(t *testing.T) int {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go smtpSession(c, config)
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

func smtpSession(c net.Conn, config *tls.Config) {
	defer func() { c.Close() }()
	r := bufio.NewReader(c)
	say := func(s string) { fmt.Fprintf(c, "%s\r\n", s) }
	say("220 test ESMTP")
	data, secure := false, false
	for {
		l, err := r.ReadString('\n')
		if err != nil {
			return
		}
		l = strings.TrimRight(l, "\r\n")
		if data {
			if l == "." {
				data = false
				say("250 queued")
			}
			continue
		}
		switch word, _, _ := strings.Cut(strings.ToUpper(l), " "); word {
		case "EHLO":
			if secure {
				say("250-test")
				say("250 AUTH PLAIN")
			} else {
				say("250-test")
				say("250 STARTTLS")
			}
		case "STARTTLS":
			say("220 go")
			t := tls.Server(c, config)
			if t.Handshake() != nil {
				return
			}
			c, r, secure = t, bufio.NewReader(t), true
		case "AUTH":
			say("235 ok")
		case "DATA":
			data = true
			say("354 go")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}
