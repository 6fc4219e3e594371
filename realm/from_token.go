package realm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// probeName is a function name that no app can have: names consist of letters,
// digits, underscores, hyphens and slashes. Calling it tells whether a token is
// good for the app without running anything.
const probeName = "realm-go: is this token good?"

// UserFromToken returns the user that an access token belongs to, for a server
// that receives the tokens of its own clients and acts as these users. No
// secret is shared: the token is verified by asking the server, in two
// requests, whether it is good for this app, and whose it is.
//
//	user, err := app.UserFromToken(r.Context(), bearerToken)
//	if err != nil { http.Error(w, "log in first", http.StatusUnauthorized); return }
//	todos, err := todos(user).Find(ctx, nil) // under the user's own rules
//
// A token that is forged, expired, revoked, or of another app is
// [ErrLoggedOut] with the server's answer; other errors say that the server
// could not tell. The user is not among [App.AllUsers], is not stored, and
// cannot be renewed: once the server refuses the token, about half an hour
// after it was issued, its calls fail with [ErrLoggedOut].
func (a *App) UserFromToken(ctx context.Context, accessToken string) (*User, error) {
	access, err := parseToken(accessToken)
	if err != nil {
		return nil, fmt.Errorf("realm: the access token: %w: %w", ErrLoggedOut, err)
	}
	if access.subject == "" {
		return nil, fmt.Errorf("realm: the access token names no user: %w: %w", ErrLoggedOut, ErrBadToken)
	}
	user := &User{app: a, id: access.subject, state: LoggedIn, access: access, deviceID: access.device, userType: UserTypeNormal, borrowed: true}
	// The profile's address carries no app id: a token of another app on the
	// same server would do. A function call is made in this app.
	_, err = user.CallFunction(ctx, probeName)
	switch {
	case errors.Is(err, ErrFunctionNotFound):
	case err == nil:
		return nil, a.badAnswer(request{method: http.MethodPost, path: "/functions/call", inApp: true}, ErrMalformedJSON,
			"verifying the access token: the server answers a call of a function that cannot exist", nil)
	case isStatus(err, http.StatusForbidden) || errors.Is(err, ErrUserAppDomainMismatch):
		return nil, loggedOut(user.id, err)
	default:
		return nil, err
	}
	// Checks that the profile is that of the token's subject.
	if err := user.fetchProfile(ctx); err != nil {
		return nil, err
	}
	return user, nil
}
