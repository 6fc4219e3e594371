package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"strconv"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// SMTP delivers through a mail server.
type SMTP struct {
	host    string
	from    string
	options []gomail.Option
}

// SMTPOptions are what a URL cannot say.
type SMTPOptions struct {
	From string      // sender where an app has none, "Name <address>"
	TLS  *tls.Config // nil: the system's certificates
}

// NewSMTP reads where and how to deliver from a URL:
//
//	smtp://[user:password@]host[:587][?tls=starttls|opportunistic|none]
//	smtps://[user:password@]host[:465]
//
// smtp wants STARTTLS unless it says otherwise. A password never travels in
// clear text except to this machine.
func NewSMTP(rawURL string, o SMTPOptions) (*SMTP, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("the SMTP URL must have the form smtp://user:password@host:587 or smtps://host:465")
	}
	if _, err := mail.ParseAddress(o.From); err != nil {
		return nil, fmt.Errorf("the sender of mails must be an address, found %q", o.From)
	}
	s := &SMTP{host: u.Hostname(), from: o.From}
	add := func(opts ...gomail.Option) { s.options = append(s.options, opts...) }
	port, plain := 587, false
	switch mode := u.Query().Get("tls"); {
	case u.Scheme == "smtps" && mode == "":
		port = 465
		add(gomail.WithSSL())
	case u.Scheme == "smtp" && (mode == "" || mode == "starttls"):
		add(gomail.WithTLSPolicy(gomail.TLSMandatory))
	case u.Scheme == "smtp" && mode == "opportunistic":
		add(gomail.WithTLSPolicy(gomail.TLSOpportunistic))
	case u.Scheme == "smtp" && mode == "none":
		plain = true
		add(gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		return nil, fmt.Errorf("the SMTP URL has scheme %q and tls=%q; allowed are smtps, or smtp with tls=starttls, opportunistic or none", u.Scheme, mode)
	}
	if p := u.Port(); p != "" {
		if port, err = strconv.Atoi(p); err != nil {
			return nil, fmt.Errorf("the SMTP URL's port %q is no number", p)
		}
	}
	add(gomail.WithPort(port), gomail.WithTimeout(20*time.Second))
	if o.TLS != nil {
		c := o.TLS.Clone()
		if c.ServerName == "" {
			c.ServerName = s.host
		}
		add(gomail.WithTLSConfig(c))
	}
	if u.User != nil {
		password, _ := u.User.Password()
		auth := gomail.SMTPAuthAutoDiscover
		if plain && loopback(s.host) {
			auth = gomail.SMTPAuthPlainNoEnc
		}
		add(gomail.WithSMTPAuth(auth), gomail.WithUsername(u.User.Username()), gomail.WithPassword(password))
	}
	if _, err := gomail.NewClient(s.host, s.options...); err != nil {
		return nil, fmt.Errorf("the SMTP URL cannot be used: %w", err)
	}
	return s, nil
}

func loopback(host string) bool { return host == "localhost" || host == "127.0.0.1" || host == "::1" }

// Send delivers a mail over a connection of its own.
func (s *SMTP) Send(ctx context.Context, m Message) error {
	msg := gomail.NewMsg()
	from := m.From
	if from == "" {
		from = s.from
	}
	if err := msg.From(from); err != nil {
		return fmt.Errorf("sender: %w", err)
	}
	if m.ReplyTo != "" {
		if err := msg.ReplyTo(m.ReplyTo); err != nil {
			return fmt.Errorf("reply address: %w", err)
		}
	}
	if err := msg.To(m.To); err != nil {
		return fmt.Errorf("recipient: %w", err)
	}
	msg.Subject(m.Subject)
	msg.SetDate()
	msg.SetMessageID()
	// Vacation notices and the like must not answer.
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	client, err := gomail.NewClient(s.host, s.options...)
	if err != nil {
		return err
	}
	return client.DialAndSendWithContext(ctx, msg)
}
