// Package user holds what a user of an app is: the person (or server) that a
// session belongs to, with the identities it logs in by (app-services.md §2.9).
package user

import "go.mongodb.org/mongo-driver/v2/bson"

// Type says what kind of user it is; rules see it as %%user.type.
type Type string

// The kinds of user.
const (
	Normal Type = "normal" // a person
	Server Type = "server" // a server API key
	System Type = "system" // the app itself: triggers, system functions without a caller
)

// Names of the authentication providers, as they stand in paths, tokens and files.
const (
	AnonUser       = "anon-user"
	LocalUserpass  = "local-userpass"
	APIKey         = "api-key"
	CustomToken    = "custom-token"
	CustomFunction = "custom-function"
	OAuth2Google   = "oauth2-google"
	OAuth2Facebook = "oauth2-facebook"
	OAuth2Apple    = "oauth2-apple"
)

// Identity is one way in which a user logs in. (Provider, ID) belongs to at
// most one user of an app.
type Identity struct {
	ID           string   `bson:"id"`            // shape by provider, client-api.md §1.10
	ProviderType string   `bson:"provider_type"` // e.g. local-userpass
	ProviderID   string   `bson:"provider_id"`   // 24 hex, one for each provider of an app
	Data         bson.Raw `bson:"data,omitempty"`
}

// User is an authenticated user of an app. Values are read-only once shared.
type User struct {
	ID         string // 24 hex
	Type       Type
	Data       bson.Raw   // union of the identities' metadata; never nil, may be empty
	CustomData bson.Raw   // nil when the user has no custom data document
	Identities []Identity // in the order in which they were linked
}
