package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"golang.org/x/oauth2"

	"regent/internal/caller"
	"regent/internal/ejson"
	"regent/internal/fault"
	"regent/internal/session"
)

// The redirect flow of client-api.md §1.7:
//
//	browser → GET …/auth/providers/oauth2-x/login?state&redirect&device   begin: remember, redirect to the provider
//	provider → GET /api/client/v2.0/auth/callback?state&code              complete: log in or link, redirect to the app's page
//	app's page ← redirect#_baas_client_app_id&_baas_ua&_baas_state
//
// What is remembered lies in __regent.redirects, so that any process can
// complete what another began. The provider gets a state of ours; a cookie ties
// it to the browser that began, or somebody could have a victim complete an
// attempt and so put the victim's identity on an account of his own.

// CallbackPath is the address to be registered at providers, after the public URL.
const CallbackPath = "/api/client/v2.0/auth/callback"

// redirectTTL is how long a user may take at the provider.
const redirectTTL = 10 * time.Minute

const cookiePrefix = "regent_oauth_"

// pendingRedirect is an attempt under way.
type pendingRedirect struct {
	ID          []byte              `bson:"_id"` // SHA-256 of our state
	App         bson.ObjectID       `bson:"app"`
	Provider    string              `bson:"provider"`
	Redirect    string              `bson:"redirect"`
	ClientState string              `bson:"client_state"`
	Browser     []byte              `bson:"browser"` // SHA-256 of the cookie
	Nonce       string              `bson:"nonce"`
	Verifier    string              `bson:"verifier"` // PKCE
	Callback    string              `bson:"callback"`
	Device      bson.ObjectID       `bson:"device"`
	DeviceInfo  *session.DeviceInfo `bson:"device_info,omitempty"`
	LinkSession bson.ObjectID       `bson:"link_session,omitempty"` // zero: log in
	LinkUser    bson.ObjectID       `bson:"link_user,omitempty"`
	Expires     time.Time           `bson:"expires"`
}

// redirector is a provider that sends browsers elsewhere.
type redirector interface {
	authorize(ctx context.Context, callback, state, nonce, verifier string) (string, error)
	exchange(ctx context.Context, callback, code, nonce, verifier string) (*identified, error)
}

func (o *oauthProvider) authorize(ctx context.Context, callback, state, nonce, verifier string) (string, error) {
	e, err := o.endpoints(ctx)
	if err != nil {
		return "", err
	}
	var opts []oauth2.AuthCodeOption
	if o.set.pkce {
		opts = append(opts, oauth2.S256ChallengeOption(verifier))
	}
	if e.verifier != nil {
		opts = append(opts, oidc.Nonce(nonce))
	}
	return o.client(e, callback).AuthCodeURL(state, opts...), nil
}

func (o *oauthProvider) exchange(ctx context.Context, callback, code, nonce, verifier string) (*identified, error) {
	e, err := o.endpoints(ctx)
	if err != nil {
		return nil, err
	}
	var opts []oauth2.AuthCodeOption
	if o.set.pkce {
		opts = append(opts, oauth2.VerifierOption(verifier))
	}
	t, err := o.client(e, callback).Exchange(o.context(ctx), code, opts...)
	if err != nil {
		return nil, fmt.Errorf("exchanging the code: %w", err)
	}
	if e.verifier == nil {
		nonce = ""
	}
	return o.fromTokens(ctx, e, t, nonce)
}

// RedirectHandler begins the flow: GET on the login route, with the provider in
// the path value "provider". fail writes an error as every other route does.
func (s *Service) RedirectHandler(describe func(*http.Request) *caller.Request, fail func(http.ResponseWriter, *http.Request, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		linking := q.Get("link") == "true"
		var se *session.Session
		if linking {
			token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			var err error
			if se, err = s.Authenticate(r.Context(), token); err != nil {
				fail(w, r, err)
				return
			}
		}
		redirect := q.Get("redirect")
		if redirect == "" {
			redirect = r.Referer() // the page that began (app-services.md §2.8)
		}
		at, cookie, err := s.beginRedirect(r.Context(), r.PathValue("provider"), q.Get("state"), redirect, q.Get("device"), se)
		if err != nil {
			if linking {
				err = linkRefusal(r.PathValue("provider"), err)
			}
			fail(w, r, err)
			return
		}
		http.SetCookie(w, cookie)
		w.Header().Set("Cache-Control", "no-store")
		if linking || q.Get("providerRedirectHeader") == "true" {
			// realm-web asked by fetch, with its token; it opens the address itself.
			w.Header().Set("X-Baas-Location", at)
			w.WriteHeader(http.StatusOK)
			return
		}
		w.Header().Set("Referrer-Policy", "no-referrer")
		http.Redirect(w, r, at, http.StatusFound)
	})
}

// Bounds of what a browser brings.
const (
	maxState  = 256
	maxDevice = 8 << 10
)

func (s *Service) beginRedirect(ctx context.Context, name, state, redirect, deviceText string, se *session.Session) (string, *http.Cookie, error) {
	p, err := s.provider(name)
	if err != nil {
		return "", nil, err
	}
	if b, ok := p.how.(*brokenProvider); ok {
		_, err := b.authenticate(ctx, nil)
		return "", nil, err
	}
	how, ok := p.how.(redirector)
	if !ok {
		return "", nil, fault.New(fault.AuthProviderNotFound, "authentication provider '%s' has no redirect flow", name)
	}
	if state == "" || len(state) > maxState {
		return "", nil, errBody("'state' must have 1 to %d characters", maxState)
	}
	if !mayRedirect(p.RedirectURIs, redirect) {
		return "", nil, errBody("the redirect address %q is not one of the provider's redirect_uris", cut(redirect, 200))
	}
	d, err := redirectDevice(deviceText)
	if err != nil {
		return "", nil, err
	}
	var random [4][]byte
	for i := range random {
		random[i] = make([]byte, 32)
		if _, err := io.ReadFull(s.Rand, random[i]); err != nil {
			return "", nil, err
		}
	}
	ours := s.Domain.Hex() + "." + hex.EncodeToString(random[0])
	browser := hex.EncodeToString(random[1])
	pr := pendingRedirect{
		ID: hashOf(ours), App: s.Domain, Provider: name, Redirect: redirect, ClientState: state, Browser: hashOf(browser),
		Nonce: hex.EncodeToString(random[2]), Verifier: base64.RawURLEncoding.EncodeToString(random[3]),
		Callback: strings.TrimSuffix(s.PublicURL(), "/") + CallbackPath,
		Device:   d.id, DeviceInfo: d.info, Expires: s.Now().Add(redirectTTL),
	}
	if se != nil {
		pr.LinkSession, pr.LinkUser = se.ID, se.UserID
	}
	at, err := how.authorize(ctx, pr.Callback, ours, pr.Nonce, pr.Verifier)
	if err != nil {
		s.Logger.Error("an OAuth provider cannot be reached", "provider", name, "error", err)
		return "", nil, fault.New(fault.AuthError, "the provider '%s' cannot be reached", name).WithStatus(502).WithCause(err)
	}
	if _, err := s.store.redirects.InsertOne(ctx, pr); err != nil {
		return "", nil, fmt.Errorf("remembering a redirect: %w", err)
	}
	cookie := &http.Cookie{
		// One for each attempt, so that two windows do not disturb each other.
		Name: cookiePrefix + hex.EncodeToString(pr.ID[:6]), Value: browser, Path: CallbackPath, MaxAge: int(redirectTTL.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if strings.HasPrefix(pr.Callback, "https:") {
		// The page that links may be of another site than the server.
		cookie.SameSite, cookie.Secure = http.SameSiteNoneMode, true
	}
	return at, cookie, nil
}

// mayRedirect says whether a browser may end its log-in at an address: exactly
// one of those configured, since it must never be sent where the app's owner did
// not say. A loopback address without a port, http://127.0.0.1/ or
// http://[::1]/, stands for all ports: a program that waits there for a browser
// listens on a free one (RFC 8252 §7.3).
func mayRedirect(configured []string, to string) bool {
	if slices.Contains(configured, to) {
		return true
	}
	for _, host := range []string{"http://127.0.0.1", "http://[::1]"} {
		rest, ok := strings.CutPrefix(to, host+":")
		if !ok {
			continue
		}
		port, path, ok := strings.Cut(rest, "/")
		if n, err := strconv.ParseUint(port, 10, 16); ok && err == nil && n > 0 {
			return slices.Contains(configured, host+"/"+path)
		}
	}
	return false
}

func hashOf(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// redirectDevice reads the device parameter: base64 of the JSON of §1.5.2.
func redirectDevice(text string) (device, error) {
	if text == "" {
		return device{}, nil
	}
	if len(text) > maxDevice {
		return device{}, errBody("'device' has more than %d bytes", maxDevice)
	}
	text = strings.NewReplacer("-", "+", "_", "/", " ", "+").Replace(strings.TrimRight(text, "="))
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return device{}, errBody("'device' is not base64")
	}
	doc, err := ejson.ParseDocument(raw)
	if err != nil {
		return device{}, errBody("'device' is no JSON object")
	}
	return deviceFrom(doc), nil
}

// Callback serves CallbackPath for all apps.
type Callback struct {
	// Find returns the accounts of an app by its domain id, nil for none.
	Find func(domainID string) *Service

	// Describe says where a request comes from.
	Describe func(*http.Request) *caller.Request
}

// maxCallback bounds a posted callback.
const maxCallback = 64 << 10

// ServeHTTP completes a redirect. Without a genuine state nobody is redirected
// anywhere: a plain page says what is wrong.
func (c *Callback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	plain := func(status int, text string) {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		io.WriteString(w, text+"\n")
	}
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		h.Set("Allow", "GET, POST")
		plain(http.StatusMethodNotAllowed, "This address takes answers of identity providers.")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxCallback)
	if err := r.ParseForm(); err != nil {
		plain(http.StatusBadRequest, "The identity provider's answer could not be read.")
		return
	}
	state := r.Form.Get("state")
	domain, _, _ := strings.Cut(state, ".")
	s := c.Find(domain)
	if s == nil {
		plain(http.StatusBadRequest, "This log-in is not known. Please start again.")
		return
	}
	pr, err := s.takeRedirect(r.Context(), state, r)
	if err != nil {
		if _, ours := fault.CodeOf(err); !ours {
			s.Logger.Error("a redirect could not be completed", "error", err)
			plain(http.StatusInternalServerError, "Something went wrong on our side. Please start again.")
			return
		}
		plain(http.StatusBadRequest, "This log-in is not known, too old, or was started in another browser. Please start again.")
		return
	}
	http.SetCookie(w, &http.Cookie{Name: cookiePrefix + hex.EncodeToString(pr.ID[:6]), Path: CallbackPath, MaxAge: -1, HttpOnly: true})
	result := url.Values{"_baas_client_app_id": {s.App.ID}, "_baas_state": {pr.ClientState}}
	if !pr.LinkSession.IsZero() {
		result.Set("_baas_link", "true")
	}
	t, err := s.completeRedirect(r.Context(), pr, r.Form, c.Describe(r))
	if err != nil {
		result.Set("_baas_error", s.redirectError(err))
	} else {
		result.Set("_baas_ua", strings.Join([]string{t.AccessToken, t.RefreshToken, t.UserID, t.DeviceID}, "$"))
	}
	to, _, _ := strings.Cut(pr.Redirect, "#")
	// The page decodes with decodeURIComponent, which knows no "+" for a space.
	h.Set("Location", to+"#"+strings.ReplaceAll(result.Encode(), "+", "%20"))
	w.WriteHeader(http.StatusFound)
}

func (s *Service) redirectError(err error) string {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Message
	}
	s.Logger.Error("a redirect could not be completed", "error", err)
	return "error processing request"
}

var errNoRedirect = fault.New(fault.BadRequest, "unknown state")

// takeRedirect uses up an attempt; it works once, in the browser that began it.
func (s *Service) takeRedirect(ctx context.Context, state string, r *http.Request) (*pendingRedirect, error) {
	id := hashOf(state)
	cookie, err := r.Cookie(cookiePrefix + hex.EncodeToString(id[:6]))
	if err != nil {
		return nil, errNoRedirect
	}
	var pr pendingRedirect
	err = s.store.redirects.FindOneAndDelete(ctx, bson.D{
		{Key: "_id", Value: id}, {Key: "app", Value: s.Domain}, {Key: "browser", Value: hashOf(cookie.Value)},
		{Key: "expires", Value: bson.D{{Key: "$gt", Value: s.Now()}}},
	}).Decode(&pr)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, errNoRedirect
	}
	return &pr, err
}

func (s *Service) completeRedirect(ctx context.Context, pr *pendingRedirect, form url.Values, request *caller.Request) (Tokens, error) {
	if e := form.Get("error"); e != "" {
		text := form.Get("error_description")
		if text == "" {
			text = e
		}
		return Tokens{}, fault.New(fault.AuthError, "%s", cut(text, 300))
	}
	p, err := s.provider(pr.Provider)
	if err != nil {
		return Tokens{}, err
	}
	how, ok := p.how.(redirector)
	if !ok {
		return Tokens{}, fault.New(fault.AuthProviderNotFound, "authentication provider '%s' has no redirect flow", pr.Provider)
	}
	code := form.Get("code")
	if code == "" {
		return Tokens{}, errBody("the provider sent no code")
	}
	id, err := how.exchange(ctx, pr.Callback, code, pr.Nonce, pr.Verifier)
	if err != nil {
		if _, ours := fault.CodeOf(err); !ours {
			s.Logger.Info("OAuth log-in refused", "provider", pr.Provider, "error", err)
			err = errUnauthorized().WithCause(err)
		}
		return Tokens{}, err
	}
	if pr.LinkSession.IsZero() {
		return s.enter(ctx, p, id, device{id: pr.Device, info: pr.DeviceInfo}, request)
	}
	// The session may have ended while its user was at the provider.
	se, err := s.live(ctx, pr.LinkSession, pr.LinkUser)
	if err != nil {
		return Tokens{}, err
	}
	return s.link(ctx, se, p, id, request)
}
