package session

import (
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/ejson"
)

// claimWriter writes the claims of a token: a JSON object, member by member. It
// stands in the place of encoding/json because a log-in signs two tokens, and
// more than half of what they cost was the reflection.
type claimWriter []byte

func (w *claimWriter) name(name string) {
	if len(*w) == 0 {
		*w = append(*w, '{')
	} else if (*w)[len(*w)-1] != '{' {
		*w = append(*w, ',')
	}
	*w = append(append(append(*w, '"'), name...), '"', ':')
}

func (w *claimWriter) id(name string, id bson.ObjectID) {
	w.name(name)
	*w = append(hex.AppendEncode(append(*w, '"'), id[:]), '"')
}

func (w *claimWriter) text(name, text string) {
	w.name(name)
	*w = ejson.AppendString(*w, text)
}

func (w *claimWriter) time(name string, t time.Time) {
	w.name(name)
	*w = strconv.AppendInt(*w, t.Unix(), 10)
}

func (w *claimWriter) json(name string, text []byte) {
	w.name(name)
	*w = append(*w, text...)
}

func (w *claimWriter) identity(name string, i *Identity) {
	w.name(name)
	*w = append(*w, '{')
	w.text("id", i.ID)
	w.text("provider_type", i.ProviderType)
	w.text("provider_id", i.ProviderID)
	*w = append(*w, '}')
}

var null = []byte("null")

func (w *claimWriter) end() claimWriter { return append(*w, '}') }

// The claims of client-api.md §1.12, in the order in which the original sent
// them. exp and iat are plain integers: native SDKs assert it. The stitch_
// twins repeat the baas_ ones for old SDKs.

// accessClaims writes an access token's. userData is canonical extended JSON,
// nil without a custom data document.
func accessClaims(w claimWriter, st *Stored, issued, expires time.Time, userData []byte) claimWriter {
	w.id("baas_device_id", st.Device)
	w.id("baas_domain_id", st.App)
	w.time("exp", expires)
	w.time("iat", issued)
	w.id("iss", st.ID)
	w.id("stitch_devId", st.Device)
	w.id("stitch_domainId", st.App)
	w.id("sub", st.User)
	w.text("typ", typeAccess)
	if userData != nil {
		w.json("user_data", userData)
	}
	return w.end()
}

// refreshClaims writes a refresh token's.
func refreshClaims(w claimWriter, st *Stored, issued, expires time.Time) claimWriter {
	w.json("baas_data", null)
	w.id("baas_device_id", st.Device)
	w.id("baas_domain_id", st.App)
	w.id("baas_id", st.ID)
	w.identity("baas_identity", &st.Identity)
	w.time("exp", expires)
	w.time("iat", issued)
	w.json("stitch_data", null)
	w.id("stitch_devId", st.Device)
	w.id("stitch_domainId", st.App)
	w.id("stitch_id", st.ID)
	w.identity("stitch_ident", &st.Identity)
	w.id("sub", st.User)
	w.text("typ", typeRefresh)
	return w.end()
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
