package realm

import (
	"context"
	"slices"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// UserState says whether a user has a session.
type UserState string

// The states of a user.
const (
	// LoggedIn: the user has a session.
	LoggedIn UserState = "LoggedIn"
	// LoggedOut: the session has ended; the App still lists the user.
	LoggedOut UserState = "LoggedOut"
	// Removed: the App has forgotten the user. The value stays Removed for
	// ever; logging in again gives a new User.
	Removed UserState = "Removed"
)

// UserType tells ordinary users from server API keys.
type UserType string

// The types of users.
const (
	// UserTypeNormal is a person, or whatever else logs in by a provider.
	UserTypeNormal UserType = "normal"
	// UserTypeServer is a server API key.
	UserTypeServer UserType = "server"
)

// ProviderType names a way to log in, as it stands in the protocol.
type ProviderType string

// The providers of the protocol (client-api.md §1.5.1).
const (
	ProviderAnonUser       ProviderType = "anon-user"       // anonymous
	ProviderAPIKey         ProviderType = "api-key"         // user or server API key
	ProviderLocalUserPass  ProviderType = "local-userpass"  // e-mail and password
	ProviderCustomFunction ProviderType = "custom-function" // a function of the app
	ProviderCustomToken    ProviderType = "custom-token"    // an external JWT
	ProviderGoogle         ProviderType = "oauth2-google"   // Google
	ProviderFacebook       ProviderType = "oauth2-facebook" // Facebook
	ProviderApple          ProviderType = "oauth2-apple"    // Sign in with Apple
)

// Identity is one way in which a user can log in.
type Identity struct {
	// ID is the identity's own id; its form depends on the provider.
	ID string `json:"id"`
	// ProviderType is the provider the identity belongs to.
	ProviderType ProviderType `json:"provider_type"`
}

// User is an authenticated user of an app. Get one from [App.LogIn] or
// [App.CurrentUser]. Its methods may be called from any number of goroutines.
//
// Calls that need the session renew its access token when the server refuses
// it: once for all calls that are under way, each of which is then repeated
// once. When the session itself has ended, the user becomes LoggedOut and the
// calls fail with [ErrLoggedOut].
type User struct {
	app *App
	id  string

	renewing  flight[renewal]
	listeners listeners
	ended     listeners // called first when a session ends; used by Watch

	mu         sync.Mutex
	state      UserState
	access     token  // zero when logged out
	refresh    string // empty when logged out, and for a user from a token
	deviceID   string
	provider   ProviderType
	userType   UserType
	identities []Identity
	profile    bson.Raw // nil until fetched
	// borrowed users come from UserFromToken: not listed, not stored.
	borrowed bool
}

// App returns the app that the user belongs to.
func (u *User) App() *App { return u.app }

// ID returns the user's id, 24 hexadecimal digits.
func (u *User) ID() string { return u.id }

// AccessToken returns the JWT that calls carry, or "" when logged out. It
// lives for about half an hour and is renewed when needed.
func (u *User) AccessToken() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.access.text
}

// RefreshToken returns the JWT that renews access tokens, or "" when logged
// out. Whoever has it can act as the user.
func (u *User) RefreshToken() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.refresh
}

// DeviceID returns the id that the server gave this installation, or "" when
// it gave none.
func (u *User) DeviceID() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.deviceID != "" {
		return u.deviceID
	}
	return u.access.device
}

// ProviderType returns the provider used for the latest log-in.
func (u *User) ProviderType() ProviderType {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.provider == "" && len(u.identities) > 0 {
		return u.identities[0].ProviderType
	}
	return u.provider
}

// Type returns normal, or server for a server API key.
func (u *User) Type() UserType {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.userType
}

// Identities returns the user's identities in the order they were linked.
func (u *User) Identities() []Identity {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.identities)
}

// State returns whether the user has a session, as far as is known here.
func (u *User) State() UserState {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.state
}

// IsLoggedIn reports whether the user has a session, as far as is known here.
func (u *User) IsLoggedIn() bool { return u.State() == LoggedIn }

// APIKeys returns the calls that manage the user's API keys.
func (u *User) APIKeys() *APIKeys { return &APIKeys{user: u} }

// MongoClient returns the MongoDB service of that name, usually
// "mongodb-atlas".
func (u *User) MongoClient(service string) *MongoDB { return &MongoDB{user: u, service: service} }

// Push returns the push service of that name, usually "gcm".
func (u *User) Push(service string) *Push { return &Push{user: u, service: service} }

// AddListener has fn called after each change of this user: a renewed access
// token, new custom data or profile, a log-out, the removal. fn runs in the
// goroutine that made the change and must not block it for long. The function
// that AddListener returns takes fn out again.
func (u *User) AddListener(fn func()) (remove func()) { return u.listeners.add(fn) }

// RemoveAllListeners takes out every function added with [User.AddListener].
func (u *User) RemoveAllListeners() { u.listeners.clear() }

// LogOut ends the session, here and on the server. Here it is over even if the
// server cannot be reached, which is then the error. An anonymous user is also
// removed, because nobody could ever log in as that user again. Logging out a
// user who is logged out does nothing.
func (u *User) LogOut(ctx context.Context) error {
	refresh, ok := u.end(LoggedOut)
	if !ok {
		return nil
	}
	u.ended.fire()
	if u.borrowed {
		u.listeners.fire()
		return nil
	}
	err := u.app.afterSessionEnd(ctx, u, refresh)
	u.listeners.fire()
	if revokeErr := u.app.revoke(ctx, refresh); revokeErr != nil {
		return revokeErr
	}
	u.app.listeners.fire()
	return err
}

// end clears the session. It returns the refresh token that was in use, and
// false if there was no session. Anonymous users are removed, whatever state
// was asked for (client-api.md §2.4).
func (u *User) end(state UserState) (refresh string, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.state != LoggedIn {
		return "", false
	}
	refresh = u.refresh
	u.access, u.refresh = token{}, ""
	u.state = state
	if u.isAnonymous() && !u.borrowed {
		u.state = Removed
	}
	return refresh, true
}

// isAnonymous reports whether nothing but an anonymous identity leads to the
// user. The caller holds u.mu.
func (u *User) isAnonymous() bool {
	if len(u.identities) == 0 {
		return u.provider == ProviderAnonUser
	}
	return len(u.identities) == 1 && u.identities[0].ProviderType == ProviderAnonUser
}

// stored returns what a Storage keeps of the user.
func (u *User) stored() StoredUser {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := StoredUser{
		ID: u.id, State: u.state, AccessToken: u.access.text, RefreshToken: u.refresh,
		DeviceID: u.deviceID, ProviderType: u.provider, Type: u.userType, Identities: slices.Clone(u.identities),
	}
	if u.profile != nil {
		if text, err := encode(u.profile); err == nil {
			s.Profile = text
		}
	}
	return s
}

// restore is the reverse of stored. An access token that cannot be read is
// dropped, to be renewed at the first call.
func (u *User) restore(s StoredUser) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.state = LoggedOut
	u.access, u.refresh = token{}, ""
	if s.State == LoggedIn && s.RefreshToken != "" {
		u.state, u.refresh = LoggedIn, s.RefreshToken
		u.access, _ = parseToken(s.AccessToken)
	}
	u.deviceID, u.provider, u.userType = s.DeviceID, s.ProviderType, s.Type
	u.identities = slices.Clone(s.Identities)
	u.profile = nil
	if len(s.Profile) > 0 {
		u.profile, _ = decodeRaw(s.Profile)
	}
}
