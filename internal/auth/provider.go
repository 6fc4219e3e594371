package auth

import (
	"context"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
	"regent/internal/caller"
	"regent/internal/fault"
	"regent/internal/user"
)

// attempt is what a client sent to log in.
type attempt struct {
	body    bson.Raw // without options
	request *caller.Request
	linking bool
}

// identified is what a provider vouches for: that the client is this identity.
// Whose identity it is, is looked up by (provider, id) and by nothing else, so
// that no e-mail address or name that a provider returns can take an account over.
type identified struct {
	id string

	// data is the identity's metadata, nil to keep what is stored.
	data bson.Raw

	// fresh: the identity is new by construction.
	fresh bool

	// unseen: an operator makes the user, who has not logged in.
	unseen bool

	// owner is the user to whom the identity must belong (API keys); zero: any.
	owner bson.ObjectID

	// still, when set, says whether the credentials behind the identity are
	// there yet. It is asked after a first log-in made the user: a deletion that
	// ran meanwhile must not leave a user behind whom nobody can delete again.
	still func(context.Context) (bool, error)
}

// authenticator is a provider that checks credentials sent to the login route.
// Refusals are *fault.Error; refused credentials have status 401.
type authenticator interface {
	authenticate(ctx context.Context, a *attempt) (*identified, error)
}

// kind is a row of the table of providers.
type kind struct {
	name string
	open func(*Service, *app.Provider) (authenticator, error)
	help string
}

// kinds are the providers that exist; a further one is a row here and a file.
// Names with the prefix oauth2- that are not listed are OpenID Connect providers.
func kinds() []kind {
	return []kind{
		{user.AnonUser, openAnonymous, "anonymous users"},
		{user.LocalUserpass, openUserpass, "e-mail and password"},
		{user.APIKey, openAPIKey, "API keys of users and servers"},
		{user.CustomFunction, openCustomFunction, "a function of the app decides"},
		{user.CustomToken, openCustomToken, "JWTs of another system"},
		{user.OAuth2Google, openOAuth, "Google accounts"},
		{user.OAuth2Facebook, openOAuth, "Facebook accounts"},
		{user.OAuth2Apple, openOAuth, "Apple accounts"},
	}
}

func opener(name string) func(*Service, *app.Provider) (authenticator, error) {
	for _, k := range kinds() {
		if k.name == name {
			return k.open
		}
	}
	if isOAuth(name) {
		return openOAuth
	}
	return nil
}

// errUnauthorized is the answer to refused credentials (client-api.md §1.5.4).
func errUnauthorized() *fault.Error { return fault.New(fault.AuthError, "unauthorized") }

// errBody refuses a malformed body.
func errBody(format string, args ...any) *fault.Error {
	return fault.New(fault.BadRequest, format, args...)
}

// text returns a required string of a body.
func text(body bson.Raw, name string) (string, error) {
	v, err := body.LookupErr(name)
	if err != nil {
		return "", errBody("missing '%s'", name)
	}
	s, ok := v.StringValueOK()
	if !ok {
		return "", errBody("'%s' must be a string", name)
	}
	return s, nil
}

// optionalText returns a string of a configuration, "" when it is absent or
// something else.
func optionalText(doc bson.Raw, name string) string {
	s, _ := doc.Lookup(name).StringValueOK()
	return s
}

// flag reads a boolean of a configuration, where exports also hold "true" and "".
func flag(doc bson.Raw, name string) bool {
	v := doc.Lookup(name)
	if b, ok := v.BooleanOK(); ok {
		return b
	}
	s, _ := v.StringValueOK()
	return strings.EqualFold(s, "true")
}

// MaxIdentityID is the longest identity id that a function or token may name.
const MaxIdentityID = 1024
