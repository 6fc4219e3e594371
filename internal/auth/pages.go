package auth

import (
	"errors"
	"html/template"
	"net/http"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/caller"
	"regent/internal/fault"
)

// PagesPath is where the pages of links in mails are: <public URL>/auth/<app id>/confirm and /reset.
const PagesPath = "/auth"

// maxForm bounds what the pages read.
const maxForm = 16 << 10

// Pages serves the pages that mails link to when an app names none of its own:
// a page to confirm an address and a form for a new password. Opening a page
// changes nothing, because mail scanners open links; its button does.
type Pages struct {
	// Find returns the accounts of an app by its client app id, nil for none.
	Find func(appID string) *Service

	// Describe says where a request comes from; the throttle counts by it.
	Describe func(*http.Request) *caller.Request
}

// pageView is what the template shows.
type pageView struct {
	App, Title, Text, Problem string
	Token, TokenID            string
	Form, Reset, Done         bool
}

// ServeHTTP serves GET and POST below PagesPath.
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rest, _ := strings.CutPrefix(r.URL.Path, PagesPath+"/")
	appID, name, _ := strings.Cut(rest, "/")
	s := p.Find(appID)
	if s == nil || !s.settings.MailShowPages || (name != string(purposeConfirm) && name != string(purposeReset)) {
		http.NotFound(w, r)
		return
	}
	v := &pageView{App: s.App.Name, Form: true, Reset: name == string(purposeReset),
		Title: "Confirm your e-mail address", Text: "Press the button to confirm your e-mail address."}
	if v.Reset {
		v.Title, v.Text = "Choose a new password", ""
	}
	status := http.StatusOK
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		v.Token, v.TokenID = r.URL.Query().Get("token"), r.URL.Query().Get("tokenId")
		if v.Token == "" || v.TokenID == "" {
			status, v.Form, v.Text, v.Problem = http.StatusBadRequest, false, "", "This link is not complete. Open it from the mail once more."
		}
	case http.MethodPost:
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			status, v.Form, v.Problem = http.StatusBadRequest, false, "The form could not be read."
			break
		}
		status = p.submit(s, name, r, v)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("Referrer-Policy", "no-referrer") // the address holds the token
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if err := accountPage.Execute(w, v); err != nil {
		s.Logger.Debug("an account page was not written", "error", err)
	}
}

func (p *Pages) submit(s *Service, name string, r *http.Request, v *pageView) int {
	v.Token, v.TokenID = r.PostForm.Get("token"), r.PostForm.Get("tokenId")
	body := bson.D{{Key: "token", Value: v.Token}, {Key: "tokenId", Value: v.TokenID}}
	if v.Reset {
		pass := r.PostForm.Get("password")
		if pass != r.PostForm.Get("again") {
			v.Problem = "The two passwords differ."
			return http.StatusBadRequest
		}
		body = append(body, bson.E{Key: "password", Value: pass})
	}
	raw, err := bson.Marshal(body)
	if err == nil {
		err = s.Userpass(r.Context(), name, raw, p.Describe(r))
	}
	var f *fault.Error
	switch {
	case err == nil:
		v.Form, v.Done = false, true
		v.Text = "Your e-mail address is confirmed. You can close this page and log in."
		if v.Reset {
			v.Text = "Your password is changed. You can close this page and log in."
		}
		return http.StatusOK
	case !errors.As(err, &f):
		s.Logger.Error("an account page failed", "page", name, "error", err)
		v.Form, v.Problem = false, "Something went wrong on our side. Please try again later."
		return http.StatusInternalServerError
	case f.Code == fault.UserpassTokenInvalid || f.Message == "invalid token data":
		v.Form, v.Text, v.Problem = false, "", "This link was used already, or it is too old. Please ask for a new mail."
	case f.Status == http.StatusTooManyRequests:
		v.Problem = "Too many attempts. Please try again in some minutes."
	default:
		v.Problem = upperFirst(f.Message) + "."
	}
	return f.Status
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

var accountPage = template.Must(template.New("account").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}} – {{.App}}</title>
<style>
body { font-family: system-ui, sans-serif; line-height: 1.5; max-width: 26rem; margin: 3rem auto; padding: 0 1rem; color: #1a1a1a; background: #fff }
h1 { font-size: 1.5rem; line-height: 1.3; margin: .25rem 0 1rem }
.note { margin: 0; color: #555 }
label { display: block; margin: 1rem 0 .25rem }
input { font: inherit; width: 100%; box-sizing: border-box; padding: .5rem; border: 1px solid #666; border-radius: .25rem }
button { font: inherit; margin-top: 1.5rem; padding: .6rem 1.2rem; border: 0; border-radius: .25rem; color: #fff; background: #0b5394 }
:focus-visible { outline: 3px solid #f0a000; outline-offset: 2px }
[role=alert] { color: #a00000 }
</style>
</head>
<body>
<main>
<p class="note">{{.App}}</p>
<h1>{{.Title}}</h1>
{{with .Problem}}<p role="alert" id="problem">{{.}}</p>
{{end}}{{with .Text}}<p{{if $.Done}} role="status"{{end}}>{{.}}</p>
{{end}}{{if .Form}}<form method="post">
<input type="hidden" name="token" value="{{.Token}}">
<input type="hidden" name="tokenId" value="{{.TokenID}}">
{{if .Reset}}<label for="password">New password</label>
<input id="password" name="password" type="password" autocomplete="new-password" minlength="6" maxlength="128" required aria-describedby="rule{{if .Problem}} problem{{end}}">
<p class="note" id="rule">6 to 128 characters</p>
<label for="again">The same once more</label>
<input id="again" name="again" type="password" autocomplete="new-password" minlength="6" maxlength="128" required>
<button>Change the password</button>
{{else}}<button>Confirm the address</button>
{{end}}</form>
{{end}}</main>
</body>
</html>
`))
