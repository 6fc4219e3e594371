package realm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// do makes a call with the user's access token. A 401 renews the token and
// repeats the call once; what the repetition says is the answer
// (client-api.md §1.13, native).
func (u *User) do(ctx context.Context, r request) ([]byte, error) {
	access, err := u.usableToken(ctx)
	if err != nil {
		return nil, err
	}
	r.token = access
	body, err := u.app.exchange(ctx, r)
	if !isStatus(err, http.StatusUnauthorized) {
		return body, err
	}
	if r.token, err = u.renewAfter(ctx, r, err); err != nil {
		return nil, err
	}
	return u.app.exchange(ctx, r)
}

// doRefresh makes a call with the user's refresh token. A 401 means that the
// session is over.
func (u *User) doRefresh(ctx context.Context, r request) ([]byte, error) {
	u.mu.Lock()
	state, refresh := u.state, u.refresh
	u.mu.Unlock()
	if state != LoggedIn {
		return nil, loggedOut(u.id, nil)
	}
	if refresh == "" {
		return nil, ErrNoRefreshToken
	}
	r.token = refresh
	body, err := u.app.exchange(ctx, r)
	if isProtocolError(err, http.StatusUnauthorized) {
		next, err := u.sessionEnded(ctx, refresh, err)
		next.notify()
		if err != nil {
			return nil, err
		}
		// Another process has logged the user in again meanwhile.
		u.mu.Lock()
		r.token = u.refresh
		u.mu.Unlock()
		return u.app.exchange(ctx, r)
	}
	return body, err
}

// usableToken returns the access token, getting one if there is none.
func (u *User) usableToken(ctx context.Context) (string, error) {
	u.mu.Lock()
	state, access := u.state, u.access.text
	u.mu.Unlock()
	if state != LoggedIn {
		return "", loggedOut(u.id, nil)
	}
	if access == "" {
		return u.renewShared(ctx, "")
	}
	return access, nil
}

// renewAfter returns an access token other than that of the request, which was
// refused with the given error.
func (u *User) renewAfter(ctx context.Context, r request, refusal error) (string, error) {
	if u.borrowed {
		// Nothing can renew it. A 401 that is not the protocol's is not proof
		// that the session has ended.
		if !isProtocolError(refusal, http.StatusUnauthorized) {
			return "", refusal
		}
		if _, ok := u.end(LoggedOut); ok {
			u.listeners.fire()
		}
		return "", loggedOut(u.id, refusal)
	}
	access, err := u.renewShared(ctx, r.token)
	if err != nil && !errors.Is(err, ErrLoggedOut) {
		return "", fmt.Errorf("%s %s was refused, and the access token could not be renewed: %w", r.method, r.path, err)
	}
	return access, err
}

// renewal is what a renewal of the access token came to.
type renewal struct {
	access string
	// notify tells the listeners what has changed, once. It is called by
	// those who asked for the renewal, not by the renewal itself, which a
	// listener may want to begin anew.
	notify func()
}

func nothingToTell() {}

// renewShared renews the access token once for everybody whose token was
// refused. Whoever comes late, with a token that is replaced already, gets the
// new one without a request.
func (u *User) renewShared(ctx context.Context, refused string) (string, error) {
	next, err := u.renewing.do(ctx, func(ctx context.Context) (renewal, error) {
		u.mu.Lock()
		state, access := u.state, u.access.text
		u.mu.Unlock()
		if state == LoggedIn && access != "" && access != refused {
			return renewal{access, nothingToTell}, nil
		}
		return u.renew(ctx)
	})
	if next.notify != nil {
		next.notify()
	}
	return next.access, asError(err, http.MethodPost, u.app.BaseURL()+clientPrefix+"/auth/session")
}

// renew fetches a new access token (client-api.md §1.9).
func (u *User) renew(ctx context.Context) (renewal, error) {
	failed := renewal{notify: nothingToTell}
	u.mu.Lock()
	state, refresh := u.state, u.refresh
	u.mu.Unlock()
	if state != LoggedIn {
		return failed, loggedOut(u.id, nil)
	}
	if refresh == "" {
		return failed, ErrNoRefreshToken
	}
	r := request{method: http.MethodPost, path: "/auth/session", token: refresh}
	body, err := u.app.exchange(ctx, r)
	if isProtocolError(err, http.StatusUnauthorized) {
		return u.sessionEnded(ctx, refresh, err)
	}
	if err != nil {
		return failed, err
	}
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return failed, u.app.badAnswer(r, ErrMalformedJSON, "", err)
	}
	if answer.AccessToken == "" {
		return failed, u.app.badAnswer(r, ErrMissingJSONKey, "no access_token", nil)
	}
	access, err := parseToken(answer.AccessToken)
	if err != nil {
		return failed, u.app.badAnswer(r, ErrBadToken, "", err)
	}

	u.mu.Lock()
	switch {
	case u.state != LoggedIn:
		u.mu.Unlock()
		return failed, loggedOut(u.id, nil) // logged out while the request ran
	case u.refresh != refresh:
		access = u.access // logged in again while the request ran
		u.mu.Unlock()
		return renewal{access.text, nothingToTell}, nil
	}
	u.access = access
	u.mu.Unlock()
	u.app.saveQuietly(ctx, u, refresh)
	return renewal{access.text, sync.OnceFunc(u.listeners.fire)}, nil
}

// sessionEnded deals with a refresh token that the server has refused. If
// another process sharing the storage has meanwhile begun a new session, that
// one is taken over and its access token returned. Otherwise the user is
// logged out, and the error is ErrLoggedOut with the refusal as its reason.
func (u *User) sessionEnded(ctx context.Context, refused string, refusal error) (renewal, error) {
	notify := nothingToTell
	if s, ok := u.app.storedUser(ctx, u.id); ok && s.State == LoggedIn && s.RefreshToken != "" && s.RefreshToken != refused {
		u.mu.Lock()
		same := u.state == LoggedIn && u.refresh == refused
		u.mu.Unlock()
		if same {
			u.restore(s)
			notify = sync.OnceFunc(u.listeners.fire)
		}
	}
	u.mu.Lock()
	state, refresh, access := u.state, u.refresh, u.access.text
	if state == LoggedIn && refresh == refused {
		u.access, u.refresh = token{}, ""
		u.state = LoggedOut
		if u.isAnonymous() {
			u.state = Removed
		}
	}
	u.mu.Unlock()
	switch {
	case state == LoggedIn && refresh != refused:
		return renewal{access, notify}, nil
	case state == LoggedIn:
		u.ended.fire()
		if err := u.app.afterSessionEnd(ctx, u, refused); err != nil {
			u.app.log.Warn("realm: the end of a session could not be saved", "user", u.id, "error", err)
		}
		notify = sync.OnceFunc(func() {
			u.listeners.fire()
			u.app.listeners.fire()
		})
	}
	return renewal{notify: notify}, loggedOut(u.id, refusal)
}

// revoke ends a session on the server. A session that the server does not know
// any more is as good (client-api.md §1.9).
func (a *App) revoke(ctx context.Context, refresh string) error {
	if refresh == "" {
		return nil
	}
	_, err := a.exchange(ctx, request{method: http.MethodDelete, path: "/auth/session", token: refresh})
	var e *Error
	if errors.As(err, &e) && e.StatusCode == http.StatusUnauthorized &&
		(e.Code == ErrInvalidSession || strings.Contains(e.Message, "failed to find refresh token")) {
		return nil
	}
	return err
}

// badAnswer is the error about a 2xx answer that makes no sense.
func (a *App) badAnswer(r request, code Code, message string, cause error) *Error {
	a.mu.Lock()
	base := a.baseURL
	if a.host != "" {
		base = a.host
	}
	a.mu.Unlock()
	target := base + clientPrefix
	if r.inApp {
		target += "/app/" + a.id
	}
	return &Error{Method: r.method, URL: target + r.path, StatusCode: http.StatusOK, Code: code, Message: message, Err: cause}
}
