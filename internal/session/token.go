package session

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/ejson"
	"regent/internal/fault"
	"regent/internal/user"
)

// Default lifetimes (client-api.md §1.9). Refresh tokens of anonymous users do
// not expire in practice; their exp claim lies Forever ahead, because clients
// want one.
const (
	DefaultAccessTTL  = 30 * time.Minute
	DefaultRefreshTTL = 60 * 24 * time.Hour
	Forever           = 50 * 365 * 24 * time.Hour
)

// MaxToken is the longest token that is looked at.
const MaxToken = 1 << 20

// The errors of client-api.md §1.9 and §1.13. A 401 with the text
// "unauthorized" or the code InvalidSession makes realm-web refresh and retry,
// so it stands only where a refresh helps or settles the matter.
var (
	errSignature    = fault.New(fault.None, "signature is invalid").WithStatus(401)
	errUnauthorized = fault.New(fault.AuthError, "unauthorized")
	errNoSession    = fault.New(fault.InvalidSession, "invalid session: failed to find refresh token")
	errWrongApp     = fault.New(fault.UserAppDomainMismatch, "the session belongs to another app").WithStatus(401)

	errAccessExpired  = fault.New(fault.InvalidSession, "invalid session: access token expired")
	errRefreshExpired = fault.New(fault.InvalidSession, "invalid session: refresh token expired")
	errNotAccess      = fault.New(fault.InvalidSession, "invalid access token: incorrect token type")
	errNotRefresh     = fault.New(fault.InvalidSession, "invalid refresh token: incorrect token type")
)

// Session is an authenticated session: who is asking.
type Session struct {
	App      bson.ObjectID
	ID       bson.ObjectID
	Device   bson.ObjectID // zero: none
	Identity Identity      // by which the session was opened
	Expires  time.Time     // of the token that was shown
	User     *user.User    // filled in by package auth

	UserID   bson.ObjectID
	UserData bson.Raw // custom data in the access token, nil when it has none
}

// New describes a session to be opened.
type New struct {
	App        bson.ObjectID
	User       bson.ObjectID
	Identity   Identity
	Device     bson.ObjectID
	DeviceInfo *DeviceInfo
	Address    string
	UserData   bson.Raw // custom data, nil when there is none

	AccessTTL  time.Duration // 0: DefaultAccessTTL
	RefreshTTL time.Duration // 0: does not expire
}

// Tokens are the answer to a login.
type Tokens struct {
	SessionID bson.ObjectID
	Access    string
	Refresh   string
}

// Begin opens a session and issues its tokens.
func (s *Service) Begin(ctx context.Context, n New) (Tokens, error) {
	o, err := s.open(ctx, bson.NewObjectID(), n)
	if err != nil {
		return Tokens{}, err
	}
	t, err := o.Sign()
	if err != nil {
		return Tokens{}, err
	}
	if _, err := s.sessions.InsertOne(ctx, o.stored); err != nil {
		return Tokens{}, fmt.Errorf("storing the session: %w", err)
	}
	s.Opened(o)
	return t, nil
}

// open describes a new session.
func (s *Service) open(ctx context.Context, id bson.ObjectID, n New) (*Opening, error) {
	keys, err := s.ring(ctx, n.App)
	if err != nil {
		return nil, err
	}
	now := s.now()
	o := &Opening{
		service: s, keys: keys, userData: n.UserData, accessTTL: n.AccessTTL, refreshUntil: now.Add(Forever),
		stored: &Stored{
			ID: id, App: n.App, User: n.User, Identity: n.Identity, Device: n.Device, DeviceInfo: n.DeviceInfo,
			Created: now, Used: now, Address: n.Address,
		},
	}
	if n.RefreshTTL > 0 {
		o.refreshUntil = now.Add(n.RefreshTTL)
		o.stored.Expires = &o.refreshUntil
	}
	return o, nil
}

// Access issues a new access token for a session, with fresh custom data, and
// notes the session's use.
func (s *Service) Access(ctx context.Context, se *Session, data bson.Raw, ttl time.Duration, address string) (string, error) {
	st, err := s.known.Get(ctx, se.ID)
	if err != nil {
		return "", err
	}
	r, err := s.ring(ctx, se.App)
	if err != nil {
		return "", err
	}
	token, err := s.access(r, st, data, ttl)
	if err != nil {
		return "", err
	}
	s.note(ctx, st, address)
	return token, nil
}

// access signs an access token.
func (s *Service) access(r *keyRing, st *Stored, data bson.Raw, ttl time.Duration) (string, error) {
	if ttl <= 0 {
		ttl = DefaultAccessTTL
	}
	var text []byte
	if data != nil {
		var err error
		if text, err = ejson.Append(nil, bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: data}); err != nil {
			return "", fmt.Errorf("writing custom data into the token: %w", err)
		}
	}
	now := s.now()
	return r.sign(func(w claimWriter) claimWriter { return accessClaims(w, st, now, now.Add(ttl), text) })
}

// VerifyAccess checks an access token of the app and that its session lives.
// The user's own state (deleted, disabled) is for package auth to ask.
func (s *Service) VerifyAccess(ctx context.Context, app bson.ObjectID, token string) (*Session, error) {
	v, err := s.verify(ctx, app, token)
	if err != nil {
		if errors.Is(err, errSignature) {
			return nil, errUnauthorized
		}
		return nil, err
	}
	if v.typ != typeAccess {
		return nil, errNotAccess
	}
	se, err := s.alive(ctx, v, errAccessExpired)
	if err != nil {
		return nil, err
	}
	se.UserData = v.userData
	return se, nil
}

// VerifyRefresh checks a refresh token of the app and that its session lives.
func (s *Service) VerifyRefresh(ctx context.Context, app bson.ObjectID, token string) (*Session, error) {
	v, err := s.verify(ctx, app, token)
	if err != nil {
		return nil, err
	}
	if v.typ != typeRefresh {
		return nil, errNotRefresh
	}
	return s.alive(ctx, v, errRefreshExpired)
}

func (s *Service) alive(ctx context.Context, v *verifiedToken, expired error) (*Session, error) {
	now := s.now()
	if now.Unix() >= v.expires.Unix() {
		return nil, expired
	}
	st, err := s.known.Get(ctx, v.session)
	if err != nil {
		return nil, err
	}
	if st.App != v.app || st.User != v.user || (st.Expires != nil && !now.Before(*st.Expires)) {
		return nil, errNoSession
	}
	return &Session{App: v.app, ID: v.session, Device: st.Device, Identity: st.Identity, Expires: v.expires, UserID: v.user}, nil
}

// Lookup returns a session that has neither ended nor expired, whatever became
// of its access token.
func (s *Service) Lookup(ctx context.Context, app, id, user bson.ObjectID) (*Session, error) {
	return s.alive(ctx, &verifiedToken{app: app, session: id, user: user, expires: s.now().Add(time.Hour)}, errRefreshExpired)
}

// Claims are the contents of a genuine access token, for operators.
type Claims struct {
	App, Session, User, Device bson.ObjectID
	IssuedAt, Expires          time.Time
	UserData                   bson.Raw
	Expired                    bool
}

// Inspect checks an access token's signature only: an expired token or one of
// an ended session is still genuine (app-services.md §2.2, verify_token).
func (s *Service) Inspect(ctx context.Context, app bson.ObjectID, token string) (*Claims, error) {
	v, err := s.verify(ctx, app, token)
	if err != nil {
		return nil, err
	}
	if v.typ != typeAccess {
		return nil, errNotAccess
	}
	return &Claims{App: v.app, Session: v.session, User: v.user, Device: v.device, IssuedAt: v.issued, Expires: v.expires,
		UserData: v.userData, Expired: s.now().Unix() >= v.expires.Unix()}, nil
}

// verifiedToken is a token whose signature was right. Read-only.
type verifiedToken struct {
	app, session, user, device bson.ObjectID
	issued, expires            time.Time
	typ                        string
	userData                   bson.Raw
}

func (s *Service) verify(ctx context.Context, app bson.ObjectID, token string) (*verifiedToken, error) {
	// Also where the token is known: its key may have been retired.
	if _, err := s.ring(ctx, app); err != nil {
		return nil, err
	}
	if v := s.verified.get(token); v != nil {
		if v.app != app {
			return nil, errWrongApp
		}
		return v, nil
	}
	if len(token) > MaxToken {
		return nil, errUnauthorized
	}
	var c claims
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithoutClaimsValidation(), jwt.WithStrictDecoding())
	var broken error
	_, err := parser.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		switch c.DomainID {
		case app.Hex():
		case "":
			// Not one of ours at all: `unauthorized` makes realm-web refresh and
			// try again (client-api.md §1.13).
			broken = errUnauthorized
			return nil, broken
		default:
			broken = errWrongApp
			return nil, broken
		}
		kid, _ := t.Header["kid"].(string)
		secret, err := s.verifyKey(ctx, app, kid)
		if err != nil {
			broken = err
			return nil, err
		}
		return secret, nil
	})
	switch {
	case broken != nil:
		return nil, broken
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return nil, errSignature // also another algorithm than ours, "none" among them
	case err != nil:
		return nil, errUnauthorized
	}
	v := &verifiedToken{app: app, typ: c.Type, issued: time.Unix(c.IssuedAt, 0), expires: time.Unix(c.Expires, 0)}
	id := c.Issuer
	if c.Type == typeRefresh {
		id = c.SessionID
	}
	var errs [3]error
	v.session, errs[0] = bson.ObjectIDFromHex(id)
	v.user, errs[1] = bson.ObjectIDFromHex(c.UserID)
	v.device, errs[2] = bson.ObjectIDFromHex(c.DeviceID)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, errUnauthorized
	}
	if len(c.UserData) > 0 {
		doc, err := ejson.ParseDocument(c.UserData)
		if err != nil {
			return nil, fmt.Errorf("reading custom data from a token: %w", err)
		}
		v.userData = doc
	}
	s.verified.put(token, v)
	return v, nil
}

// AppOf reads the domain id of a token without verifying anything: rows 11–17
// of client-api.md §1.1 carry no app id, and the app's keys are needed to verify.
func AppOf(token string) (bson.ObjectID, error) {
	if len(token) > MaxToken {
		return bson.NilObjectID, errUnauthorized
	}
	_, rest, ok := strings.Cut(token, ".")
	payload, _, ok2 := strings.Cut(rest, ".")
	if !ok || !ok2 {
		return bson.NilObjectID, errUnauthorized
	}
	data, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(payload, "="))
	if err != nil {
		return bson.NilObjectID, errUnauthorized
	}
	var c struct {
		DomainID string `json:"baas_domain_id"`
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return bson.NilObjectID, errUnauthorized
	}
	id, err := bson.ObjectIDFromHex(c.DomainID)
	if err != nil {
		return bson.NilObjectID, errUnauthorized
	}
	return id, nil
}

// tokenCache remembers tokens whose signature was right, so that a request does
// not pay for it again. Two generations bound its memory: when the younger one
// has maxTokenBytes of token text, the older one goes.
type tokenCache struct {
	mu         sync.RWMutex
	young, old map[string]*verifiedToken
	bytes      int
}

const maxTokenBytes = 16 << 20

func (c *tokenCache) get(token string) *verifiedToken {
	c.mu.RLock()
	v, old := c.young[token], c.old[token]
	c.mu.RUnlock()
	if v == nil && old != nil {
		c.put(token, old)
		return old
	}
	return v
}

func (c *tokenCache) put(token string, v *verifiedToken) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.young == nil || c.bytes > maxTokenBytes {
		c.old, c.young, c.bytes = c.young, map[string]*verifiedToken{}, 0
	}
	c.young[strings.Clone(token)] = v
	c.bytes += 2*len(token) + 300
}

func (c *tokenCache) clear() {
	c.mu.Lock()
	c.young, c.old, c.bytes = nil, nil, 0
	c.mu.Unlock()
}
