package realm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// LogIn logs somebody in and makes them the current user. Who logs in again
// keeps the same *User, with a new session. If the session is there but the
// profile cannot be fetched, that is an error; the user is then listed by
// [App.AllUsers], but not current. If the storage fails, that is an error too;
// the user is then logged in for this run of the program.
//
// Common errors: [ErrInvalidPassword], [ErrAuth], [ErrUserDisabled],
// [ErrAuthProviderNotFound], and [ErrTooManyRequests] after many failures.
func (a *App) LogIn(ctx context.Context, credentials Credentials) (*User, error) {
	if err := credentials.validate(); err != nil {
		return nil, err
	}
	if credentials.provider == ProviderAnonUser && !credentials.fresh {
		if user := a.reusableAnonymous(); user != nil {
			return user, a.SwitchUser(ctx, user)
		}
	}
	var (
		s   newSession
		err error
	)
	if credentials.browser != nil {
		s, err = a.logInWithBrowser(ctx, credentials)
	} else {
		s, err = a.postLogin(ctx, credentials)
	}
	if err != nil {
		return nil, err
	}
	return a.begin(ctx, credentials.provider, s)
}

// newSession is the answer to a log-in.
type newSession struct {
	UserID       string `json:"user_id"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	DeviceID     string `json:"device_id"`
}

func (a *App) postLogin(ctx context.Context, credentials Credentials) (newSession, error) {
	body, err := credentials.body(bson.D{{Key: "device", Value: a.device()}})
	if err != nil {
		return newSession{}, err
	}
	r := loginRequest(credentials.provider, body)
	answer, err := a.exchange(ctx, r)
	if err != nil {
		return newSession{}, err
	}
	var s newSession
	if err := json.Unmarshal(answer, &s); err != nil {
		return s, a.badAnswer(r, ErrMalformedJSON, "", err)
	}
	for _, field := range []struct{ name, value string }{
		{"user_id", s.UserID}, {"access_token", s.AccessToken}, {"refresh_token", s.RefreshToken},
	} {
		if field.value == "" {
			return s, a.badAnswer(r, ErrMissingJSONKey, "no "+field.name, nil)
		}
	}
	return s, nil
}

func loginRequest(provider ProviderType, body []byte) request {
	return request{method: http.MethodPost, path: "/auth/providers/" + url.PathEscape(string(provider)) + "/login", inApp: true, body: body}
}

// reusableAnonymous returns a user with a session whose only identity is
// anonymous, or nil.
func (a *App) reusableAnonymous() *User {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, u := range a.users {
		u.mu.Lock()
		ok := u.state == LoggedIn && u.isAnonymous()
		u.mu.Unlock()
		if ok {
			return u
		}
	}
	return nil
}

// begin turns a session into a user, fetches the profile, makes the user
// current, and tells the listeners.
func (a *App) begin(ctx context.Context, provider ProviderType, s newSession) (*User, error) {
	access, err := parseToken(s.AccessToken)
	if err != nil {
		return nil, fmt.Errorf("realm: the access token of the log-in: %w", err)
	}
	if _, err := parseToken(s.RefreshToken); err != nil {
		return nil, fmt.Errorf("realm: the refresh token of the log-in: %w", err)
	}

	a.mu.Lock()
	user := a.find(s.UserID)
	if user == nil {
		user = &User{app: a, id: s.UserID}
		a.users = slices.Insert(a.users, 0, user)
	}
	device := realDevice(s.DeviceID)
	if device != "" {
		a.deviceID = device
	}
	user.mu.Lock()
	user.state, user.access, user.refresh = LoggedIn, access, s.RefreshToken
	user.provider = provider
	if device != "" {
		user.deviceID = device
	}
	user.mu.Unlock()
	a.mu.Unlock()

	err = user.fetchProfile(ctx)
	if err != nil {
		if saveErr := a.save(ctx, user, ""); saveErr != nil {
			err = errors.Join(err, saveErr)
		}
		return nil, err
	}
	a.makeCurrent(user)
	if err := a.save(ctx, user, ""); err != nil {
		return nil, err
	}
	user.listeners.fire()
	a.listeners.fire()
	return user, nil
}

// LinkCredentials adds the identity behind the credentials to the user, who
// can then log in with it too, and makes the user the current one. It fails
// with [ErrAnonymousLink] for anonymous credentials, and with
// [ErrIdentityInUse] if the identity belongs to somebody else.
func (u *User) LinkCredentials(ctx context.Context, credentials Credentials) error {
	if err := credentials.validate(); err != nil {
		return err
	}
	if u.borrowed {
		return fmt.Errorf("linking an identity to a user made by UserFromToken: %w", ErrNoRefreshToken)
	}
	if !u.IsLoggedIn() {
		return loggedOut(u.id, nil)
	}
	if credentials.provider == ProviderAnonUser {
		return ErrAnonymousLink
	}
	if credentials.browser != nil {
		return errors.New("realm: credentials cannot be linked through a browser from a Go program: the server ties the attempt to a cookie of the program that asks, which the browser does not have; link with an authorization code or token of the provider")
	}
	body, err := credentials.body(bson.D{{Key: "device", Value: u.app.device()}})
	if err != nil {
		return err
	}
	r := loginRequest(credentials.provider, body)
	r.query = url.Values{"link": {"true"}}
	u.mu.Lock()
	refresh := u.refresh
	u.mu.Unlock()
	answer, err := u.do(ctx, r)
	if err != nil {
		return err
	}
	var s newSession
	if err := json.Unmarshal(answer, &s); err != nil {
		return u.app.badAnswer(r, ErrMalformedJSON, "", err)
	}
	if s.AccessToken == "" {
		return u.app.badAnswer(r, ErrMissingJSONKey, "no access_token", nil)
	}
	if s.UserID != "" && s.UserID != u.id {
		return u.app.badAnswer(r, ErrMalformedJSON, fmt.Sprintf("the answer is about another user (%s)", s.UserID), nil)
	}
	access, err := parseToken(s.AccessToken)
	if err != nil {
		return u.app.badAnswer(r, ErrBadToken, "", err)
	}
	u.mu.Lock()
	if u.state != LoggedIn || u.refresh != refresh {
		u.mu.Unlock()
		return loggedOut(u.id, nil)
	}
	u.access = access
	u.mu.Unlock()
	if err := u.fetchProfile(ctx); err != nil {
		return err
	}
	u.app.makeCurrent(u)
	if err := u.app.save(ctx, u, refresh); err != nil {
		return err
	}
	u.listeners.fire()
	u.app.listeners.fire()
	return nil
}
