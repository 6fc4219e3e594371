package mail

import (
	"context"
	"html/template"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// DefaultOutbox is how many mails an Outbox keeps.
const DefaultOutbox = 100

// Outbox is the sender of a server without SMTP: mails go to the log and stay
// in memory, newest first, for a page on which the flow can be tried. The mails
// contain working links; the page is for the machine's own user only.
type Outbox struct {
	logger *slog.Logger
	max    int

	mu    sync.Mutex
	mails []Kept
}

// Kept is a mail in an Outbox.
type Kept struct {
	Message
	At time.Time
}

// NewOutbox keeps the last max mails.
func NewOutbox(logger *slog.Logger, max int) *Outbox {
	if max <= 0 {
		max = DefaultOutbox
	}
	return &Outbox{logger: logger, max: max}
}

// Send keeps a mail.
func (o *Outbox) Send(_ context.Context, m Message) error {
	o.mu.Lock()
	o.mails = append([]Kept{{m, time.Now()}}, o.mails...)
	if len(o.mails) > o.max {
		o.mails = o.mails[:o.max:o.max]
	}
	o.mu.Unlock()
	o.logger.Info("mail not sent: no SMTP server is configured", "kind", string(m.Kind), "app", m.App, "to", m.To, "subject", m.Subject, "link", m.Link)
	return nil
}

// Mails returns what is kept, newest first.
func (o *Outbox) Mails() []Kept {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]Kept{}, o.mails...)
}

// ServeHTTP shows the mails.
func (o *Outbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	if err := outboxPage.Execute(w, o.Mails()); err != nil {
		o.logger.Error("the outbox page was not written", "error", err)
	}
}

var outboxPage = template.Must(template.New("outbox").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Outbox</title>
<style>
body { font-family: system-ui, sans-serif; line-height: 1.5; max-width: 50rem; margin: 3rem auto; padding: 0 1rem; color: #1a1a1a; background: #fff }
h1 { font-size: 1.5rem }
h2 { font-size: 1.15rem; margin-bottom: .25rem }
article { border: 1px solid #999; border-radius: .25rem; padding: 0 1rem; margin: 1rem 0 }
.to { margin: 0; color: #555 }
:focus-visible { outline: 3px solid #f0a000; outline-offset: 2px }
pre { white-space: pre-wrap; overflow-wrap: anywhere }
</style>
</head>
<body>
<main>
<h1>Outbox</h1>
<p>No SMTP server is configured, so mails are kept here instead of being sent.</p>
{{range .}}<article>
<h2>{{.Subject}}</h2>
<p class="to">{{.At.Format "2006-01-02 15:04:05"}} · to {{.To}} · {{.App}}</p>
<p><a href="{{.Link}}">Open the link of this mail</a></p>
<pre>{{.Text}}</pre>
</article>
{{else}}<p>There is none yet.</p>
{{end}}</main>
</body>
</html>
`))
