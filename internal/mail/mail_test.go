package mail_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http/httptest"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"regent/internal/mail"
)

// server is a mail server that keeps what it gets.
type server struct {
	mu    sync.Mutex
	mails []received
}

type received struct {
	from, to string
	data     []byte
	tls      bool
}

type connection struct {
	s        *server
	c        *smtp.Conn
	from, to string
	user     string
	need     bool
}

func (s *connection) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *connection) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, pass string) error {
		if user != "regent" || pass != "p@ss" {
			return errors.New("wrong password")
		}
		s.user = user
		return nil
	}), nil
}

func (s *connection) Mail(from string, _ *smtp.MailOptions) error {
	if s.need && s.user == "" {
		return smtp.ErrAuthRequired
	}
	s.from = from
	return nil
}

func (s *connection) Rcpt(to string, _ *smtp.RcptOptions) error { s.to = to; return nil }

func (s *connection) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	_, secure := s.c.TLSConnectionState()
	s.s.mu.Lock()
	s.s.mails = append(s.s.mails, received{s.from, s.to, data, secure})
	s.s.mu.Unlock()
	return err
}

func (s *connection) Reset()        {}
func (s *connection) Logout() error { return nil }

// start runs a mail server; implicit says whether it speaks TLS from the start.
func start(t *testing.T, secure, implicit, need bool) (*server, string, *tls.Config) {
	t.Helper()
	srv := &server{}
	be := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &connection{s: srv, c: c, need: need}, nil
	}))
	be.AllowInsecureAuth = true
	cert, pool := certificate(t)
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	if secure {
		be.TLSConfig = config
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if implicit {
		l = tls.NewListener(l, config)
	}
	go be.Serve(l)
	t.Cleanup(func() { be.Close() })
	return srv, addr, &tls.Config{RootCAs: pool}
}

func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, _ := x509.ParseCertificate(der)
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func compose(t *testing.T, l mail.Link) mail.Message {
	t.Helper()
	if l.Kind == "" {
		l.Kind = mail.Confirm
	}
	l.App, l.To, l.URL, l.ValidFor = "Töp <App>", "ann@example.com", "https://app.example/confirm?token=abc&tokenId=def", 30*time.Minute
	m, err := mail.Compose(l)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSMTP(t *testing.T) {
	for _, c := range []struct {
		name                   string
		secure, implicit, need bool
		url                    string
		tls                    bool
	}{
		{"STARTTLS", true, false, true, "smtp://regent:p%40ss@ADDR", true},
		{"TLS", true, true, true, "smtps://regent:p%40ss@ADDR", true},
		{"Opportunistic", true, false, false, "smtp://ADDR?tls=opportunistic", true},
		{"Plain", false, false, false, "smtp://ADDR?tls=none", false},
		{"PlainWithPasswordToThisMachine", false, false, true, "smtp://regent:p%40ss@ADDR?tls=none", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv, addr, config := start(t, c.secure, c.implicit, c.need)
			s, err := mail.NewSMTP(strings.Replace(c.url, "ADDR", addr, 1), mail.SMTPOptions{From: "Regent <no-reply@example.com>", TLS: config})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Send(t.Context(), compose(t, mail.Link{Subject: "Bestätigen\r\nBcc: evil@example.com", ReplyTo: "help@example.com"})); err != nil {
				t.Fatal(err)
			}
			if len(srv.mails) != 1 || srv.mails[0].from != "no-reply@example.com" || srv.mails[0].to != "ann@example.com" || srv.mails[0].tls != c.tls {
				t.Fatalf("%+v", srv.mails)
			}
			m, err := netmail.ReadMessage(bytes.NewReader(srv.mails[0].data))
			if err != nil {
				t.Fatal(err)
			}
			subject, _ := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
			if subject != "Bestätigen Bcc: evil@example.com" || m.Header.Get("Bcc") != "" || m.Header.Get("Auto-Submitted") != "auto-generated" || !strings.Contains(m.Header.Get("Reply-To"), "help@example.com") {
				t.Errorf("headers: %v", m.Header)
			}
			_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
			if err != nil {
				t.Fatal(err)
			}
			parts := multipart.NewReader(m.Body, params["boundary"])
			for _, want := range []string{"https://app.example/confirm?token=abc&tokenId=def", "https://app.example/confirm?token=abc&amp;tokenId=def"} {
				p, err := parts.NextRawPart()
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(quotedprintable.NewReader(p))
				if err != nil || !strings.Contains(string(body), want) {
					t.Errorf("%v %s", err, body)
				}
			}
		})
	}
}

func TestSMTPRefusals(t *testing.T) {
	for _, url := range []string{"", "localhost:25", "http://x", "smtp://", "smtps://x?tls=none", "smtp://x?tls=maybe", "smtp://x:99999"} {
		if _, err := mail.NewSMTP(url, mail.SMTPOptions{From: "a@example.com"}); err == nil {
			t.Errorf("%q is accepted", url)
		}
	}
	if _, err := mail.NewSMTP("smtp://x", mail.SMTPOptions{From: "nobody"}); err == nil {
		t.Error("a sender without address is accepted")
	}
	send := func(url string, config *tls.Config) error {
		s, err := mail.NewSMTP(url, mail.SMTPOptions{From: "a@example.com", TLS: config})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		return s.Send(ctx, compose(t, mail.Link{}))
	}
	_, addr, _ := start(t, false, false, false)
	if send("smtp://"+addr, nil) == nil {
		t.Error("a server without STARTTLS got the mail in clear text")
	}
	_, addr, _ = start(t, true, false, false)
	if send("smtp://"+addr, nil) == nil {
		t.Error("an unknown certificate is accepted")
	}
	_, addr, config := start(t, true, false, true)
	if send("smtp://regent:wrong@"+addr, config) == nil {
		t.Error("a wrong password sends mail")
	}
}

func TestCompose(t *testing.T) {
	m := compose(t, mail.Link{Kind: mail.Reset, Subject: "S"})
	if !strings.Contains(m.Text, "30 minutes") || !strings.Contains(m.Text, "Töp <App>") || !strings.Contains(m.HTML, "Töp &lt;App&gt;") {
		t.Errorf("%s\n%s", m.Text, m.HTML)
	}
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("confirm.html", `<p title="{{.App}}">{{.Link}}</p>`)
	m = compose(t, mail.Link{Templates: dir})
	if m.HTML != `<p title="Töp &lt;App&gt;">https://app.example/confirm?token=abc&amp;tokenId=def</p>` || !strings.Contains(m.Text, "confirm this address") {
		t.Errorf("%s\n%s", m.Text, m.HTML)
	}
	for _, bad := range []string{`{{.Nothing}}`, `{{`, `{{define "a"}}xxxxxxxxxxxxxxxxxx{{template "a" .}}{{end}}{{template "a" .}}`} {
		write("confirm.html", bad)
		if _, err := mail.Compose(mail.Link{Kind: mail.Confirm, Templates: dir}); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
	if _, err := mail.Compose(mail.Link{Kind: "other"}); err == nil {
		t.Error("an unknown mail is written")
	}
}

func TestOutbox(t *testing.T) {
	var log bytes.Buffer
	o := mail.NewOutbox(slog.New(slog.NewTextHandler(&log, nil)), 3)
	for range 5 {
		if err := o.Send(t.Context(), compose(t, mail.Link{Subject: "<script>"})); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(o.Mails()); n != 3 {
		t.Errorf("%d mails are kept", n)
	}
	if !strings.Contains(log.String(), "token=abc") {
		t.Error("the link is not in the log")
	}
	w := httptest.NewRecorder()
	o.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if body := w.Body.String(); strings.Contains(body, "<script>") || !strings.Contains(body, `href="https://app.example/confirm?token=abc&amp;tokenId=def"`) {
		t.Errorf("%s", body)
	}
}
