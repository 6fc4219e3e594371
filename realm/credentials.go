package realm

import (
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Credentials are what somebody logs in with. Make them with one of the
// functions that return them; the zero value is refused. They hold secrets and
// print as their provider only.
type Credentials struct {
	provider ProviderType
	payload  any // a document, or nil
	fresh    bool
	browser  *Browser
	err      error
}

// Provider returns the provider that the credentials are for.
func (c Credentials) Provider() ProviderType { return c.provider }

// String returns the provider, never a secret.
func (c Credentials) String() string { return "credentials for " + string(c.provider) }

// GoString is String, so that %#v shows no secret either.
func (c Credentials) GoString() string { return c.String() }

// Anonymous returns credentials for a user without name or password. An
// anonymous user who is logged in already, and has no other identity, is
// reused: then logging in makes that user the current one, without a request.
func Anonymous() Credentials { return Credentials{provider: ProviderAnonUser} }

// NewAnonymous returns credentials that always make a new anonymous user.
func NewAnonymous() Credentials { return Credentials{provider: ProviderAnonUser, fresh: true} }

// EmailPassword returns credentials for an e-mail/password account; see
// [EmailPasswordAuth] for making one.
func EmailPassword(email, password string) Credentials {
	return Credentials{provider: ProviderLocalUserPass, payload: bson.D{{Key: "username", Value: email}, {Key: "password", Value: password}}}
}

// APIKey returns credentials for a user API key or a server API key.
func APIKey(key string) Credentials {
	return Credentials{provider: ProviderAPIKey, payload: bson.D{{Key: "key", Value: key}}}
}

// JWT returns credentials for the custom-token provider: a token from another
// identity service that the app trusts.
func JWT(token string) Credentials {
	return Credentials{provider: ProviderCustomToken, payload: bson.D{{Key: "token", Value: token}}}
}

// CustomFunction returns credentials for the custom-function provider. The
// payload, a document or a struct with bson tags, is what the app's
// authentication function receives. Its field name "options" is the protocol's
// own and may not be used.
func CustomFunction(payload any) Credentials {
	c := Credentials{provider: ProviderCustomFunction, payload: payload}
	if payload == nil {
		c.payload = bson.D{}
	}
	return c
}

// GoogleAuthCode returns credentials for the server-side authorization code of
// Google's OAuth 2.0.
func GoogleAuthCode(code string) Credentials {
	return Credentials{provider: ProviderGoogle, payload: bson.D{{Key: "authCode", Value: code}}}
}

// GoogleIDToken returns credentials for an OpenID Connect token from Google.
func GoogleIDToken(token string) Credentials {
	return Credentials{provider: ProviderGoogle, payload: bson.D{{Key: "id_token", Value: token}}}
}

// Facebook returns credentials for an access token from Facebook.
func Facebook(accessToken string) Credentials {
	return Credentials{provider: ProviderFacebook, payload: bson.D{{Key: "accessToken", Value: accessToken}}}
}

// Apple returns credentials for an id token of Sign in with Apple.
func Apple(idToken string) Credentials {
	return Credentials{provider: ProviderApple, payload: bson.D{{Key: "id_token", Value: idToken}}}
}

// body is the credentials as a request body, with the device that logs in.
func (c Credentials) body(options any) ([]byte, error) {
	if c.err != nil {
		return nil, c.err
	}
	doc := bson.D{}
	if c.payload != nil {
		raw, err := bson.Marshal(c.payload)
		if err != nil {
			return nil, fmt.Errorf("realm: cannot encode the credentials: %w", err)
		}
		elements, err := bson.Raw(raw).Elements()
		if err != nil {
			return nil, fmt.Errorf("realm: cannot encode the credentials: %w", err)
		}
		for _, e := range elements {
			if e.Key() == "options" {
				return nil, errors.New(`realm: credentials may not have a field "options": the protocol uses it for the device`)
			}
			doc = append(doc, bson.E{Key: e.Key(), Value: e.Value()})
		}
	}
	return encode(append(doc, bson.E{Key: "options", Value: options}))
}

// validate refuses the zero value.
func (c Credentials) validate() error {
	if c.provider == "" {
		return errors.New("realm: empty credentials: make them with Anonymous, EmailPassword, …")
	}
	return c.err
}
