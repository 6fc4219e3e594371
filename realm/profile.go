package realm

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Profile is what the identity providers told about a user. Fields that no
// provider gave are empty.
type Profile struct {
	Name       string // full name
	Email      string // e-mail address
	PictureURL string // address of a picture
	FirstName  string // given name
	LastName   string // family name
	Gender     string // gender, in the provider's words
	Birthday   string // birthday, in the provider's form
	MinAge     string // lower bound of the age
	MaxAge     string // upper bound of the age
	// Data is the whole profile, metadata fields of the custom-token provider
	// included; never nil.
	Data bson.M
}

// Profile returns the profile as it was when the user last logged in, linked
// an identity, or called [User.RefreshProfile].
func (u *User) Profile() Profile {
	data, err := ProfileAs[bson.M](u)
	if err != nil || data == nil {
		data = bson.M{}
	}
	return Profile{
		Name: text(data, "name"), Email: text(data, "email"), PictureURL: text(data, "picture_url", "picture"),
		FirstName: text(data, "first_name"), LastName: text(data, "last_name"), Gender: text(data, "gender"),
		Birthday: text(data, "birthday"), MinAge: text(data, "min_age"), MaxAge: text(data, "max_age"),
		Data: data,
	}
}

// text returns the first of the fields that is there, as text.
func text(data bson.M, keys ...string) string {
	for _, k := range keys {
		switch v := data[k].(type) {
		case nil:
		case string:
			return v
		default:
			return fmt.Sprint(v)
		}
	}
	return ""
}

// ProfileAs decodes the user's profile data into T, a struct with bson tags or
// a map. The zero T comes back when there is none.
func ProfileAs[T any](user *User) (T, error) {
	user.mu.Lock()
	raw := user.profile
	user.mu.Unlock()
	return rawAs[T](raw)
}

// RefreshProfile fetches the profile and the identities anew.
func (u *User) RefreshProfile(ctx context.Context) error {
	if err := u.fetchProfile(ctx); err != nil {
		return err
	}
	err := u.app.save(ctx, u, u.RefreshToken())
	u.listeners.fire()
	return err
}

// profileRequest asks for a user's profile (client-api.md §1.10).
var profileRequest = request{method: http.MethodGet, path: "/auth/profile"}

// fetchProfile reads profile and identities.
func (u *User) fetchProfile(ctx context.Context) error {
	body, err := u.do(ctx, profileRequest)
	if err != nil {
		return err
	}
	return u.setProfile(body)
}

func (u *User) setProfile(body []byte) error {
	var answer struct {
		UserID     string          `json:"user_id"`
		Type       UserType        `json:"type"`
		Data       json.RawMessage `json:"data"`
		Identities *[]struct {
			ID           string       `json:"id"`
			ProviderType ProviderType `json:"provider_type"`
		} `json:"identities"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return u.app.badAnswer(profileRequest, ErrMalformedJSON, "", err)
	}
	if answer.Identities == nil || len(answer.Data) == 0 {
		return u.app.badAnswer(profileRequest, ErrMissingJSONKey, "a profile needs identities and data", nil)
	}
	if answer.UserID != "" && answer.UserID != u.id {
		return u.app.badAnswer(profileRequest, ErrMalformedJSON, fmt.Sprintf("the profile is another user's (%s)", answer.UserID), nil)
	}
	identities := make([]Identity, 0, len(*answer.Identities))
	for _, i := range *answer.Identities {
		if i.ID == "" || i.ProviderType == "" {
			return u.app.badAnswer(profileRequest, ErrMissingJSONKey, "an identity needs id and provider_type", nil)
		}
		identities = append(identities, Identity{ID: i.ID, ProviderType: i.ProviderType})
	}
	data, err := decodeRaw(answer.Data)
	if err != nil {
		return u.app.badAnswer(profileRequest, ErrMalformedJSON, "data", err)
	}
	if answer.Type == "" {
		answer.Type = UserTypeNormal
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.identities, u.profile, u.userType = identities, data, answer.Type
	return nil
}
