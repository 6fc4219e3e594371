package session

import (
	"encoding/json"

	"github.com/golang-jwt/jwt/v5"
)

// The claims of client-api.md §1.12, in the order in which the original sent
// them. exp and iat are plain integers: native SDKs assert it. The stitch_
// twins repeat the baas_ ones for old SDKs.

type accessClaims struct {
	DeviceID       string          `json:"baas_device_id"`
	DomainID       string          `json:"baas_domain_id"`
	Expires        int64           `json:"exp"`
	IssuedAt       int64           `json:"iat"`
	SessionID      string          `json:"iss"`
	StitchDeviceID string          `json:"stitch_devId"`
	StitchDomainID string          `json:"stitch_domainId"`
	UserID         string          `json:"sub"`
	Type           string          `json:"typ"`
	UserData       json.RawMessage `json:"user_data,omitempty"` // canonical extended JSON; absent without a document
}

type refreshClaims struct {
	Data           *struct{}     `json:"baas_data"` // always null
	DeviceID       string        `json:"baas_device_id"`
	DomainID       string        `json:"baas_domain_id"`
	SessionID      string        `json:"baas_id"`
	Identity       identityClaim `json:"baas_identity"`
	Expires        int64         `json:"exp"`
	IssuedAt       int64         `json:"iat"`
	StitchData     *struct{}     `json:"stitch_data"`
	StitchDeviceID string        `json:"stitch_devId"`
	StitchDomainID string        `json:"stitch_domainId"`
	StitchID       string        `json:"stitch_id"`
	StitchIdentity identityClaim `json:"stitch_ident"`
	UserID         string        `json:"sub"`
	Type           string        `json:"typ"`
}

type identityClaim struct {
	ID           string `json:"id"`
	ProviderType string `json:"provider_type"`
	ProviderID   string `json:"provider_id"`
}

// claims is what both kinds of token have, for reading.
type claims struct {
	unvalidated

	DeviceID  string          `json:"baas_device_id"`
	DomainID  string          `json:"baas_domain_id"`
	Expires   int64           `json:"exp"`
	IssuedAt  int64           `json:"iat"`
	Issuer    string          `json:"iss"`     // session of an access token
	SessionID string          `json:"baas_id"` // session of a refresh token
	UserID    string          `json:"sub"`
	Type      string          `json:"typ"`
	UserData  json.RawMessage `json:"user_data"`
}

const (
	typeAccess  = "access"
	typeRefresh = "refresh"
)

// unvalidated gives claims the shape that the JWT library asks for. Nothing is
// answered: the service validates by its own clock and with the protocol's texts.
type unvalidated struct{}

func (unvalidated) GetExpirationTime() (*jwt.NumericDate, error) { return nil, nil }
func (unvalidated) GetIssuedAt() (*jwt.NumericDate, error)       { return nil, nil }
func (unvalidated) GetNotBefore() (*jwt.NumericDate, error)      { return nil, nil }
func (unvalidated) GetIssuer() (string, error)                   { return "", nil }
func (unvalidated) GetSubject() (string, error)                  { return "", nil }
func (unvalidated) GetAudience() (jwt.ClaimStrings, error)       { return nil, nil }
