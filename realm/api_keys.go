package realm

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// APIKeys manages the API keys of one user (client-api.md §1.15). A user who
// is anonymous, or logged in with an API key, may not.
type APIKeys struct{ user *User }

// UserAPIKey is an API key of a user, to log in with by [APIKey].
type UserAPIKey struct {
	// ID is the key's id, 24 hexadecimal digits.
	ID string `json:"_id"`
	// Name is the name it was created with.
	Name string `json:"name"`
	// Key is the secret. Only [APIKeys.Create] returns it.
	Key string `json:"key,omitempty"`
	// Disabled keys cannot be logged in with.
	Disabled bool `json:"disabled"`
}

// Create makes a key. The result's Key is shown this once; keep it. Fails with
// [ErrInvalidParameter] for a name with other characters than ASCII letters,
// digits, underscore and hyphen, and with [ErrAPIKeyAlreadyExists].
func (k *APIKeys) Create(ctx context.Context, name string) (UserAPIKey, error) {
	var key UserAPIKey
	body, err := encode(bson.D{{Key: "name", Value: name}})
	if err != nil {
		return key, err
	}
	r := request{method: http.MethodPost, path: "/auth/api_keys", body: body}
	if err := k.read(ctx, r, &key); err != nil {
		return key, err
	}
	if key.ID == "" || key.Key == "" {
		return key, k.user.app.badAnswer(r, ErrMissingJSONKey, "a new API key needs _id and key", nil)
	}
	return key, nil
}

// Fetch returns the key with the id, without its secret. Fails with
// [ErrAPIKeyNotFound].
func (k *APIKeys) Fetch(ctx context.Context, id string) (UserAPIKey, error) {
	var key UserAPIKey
	return key, k.read(ctx, request{method: http.MethodGet, path: keyPath(id)}, &key)
}

// FetchAll returns the user's keys, without their secrets.
func (k *APIKeys) FetchAll(ctx context.Context) ([]UserAPIKey, error) {
	keys := []UserAPIKey{}
	err := k.read(ctx, request{method: http.MethodGet, path: "/auth/api_keys"}, &keys)
	return keys, err
}

// Delete deletes the key with the id. Fails with [ErrAPIKeyNotFound].
func (k *APIKeys) Delete(ctx context.Context, id string) error {
	return k.act(ctx, http.MethodDelete, id, "")
}

// Enable lets a disabled key be used again. Fails with [ErrAPIKeyNotFound].
func (k *APIKeys) Enable(ctx context.Context, id string) error {
	return k.act(ctx, http.MethodPut, id, "/enable")
}

// Disable keeps a key from being used. Fails with [ErrAPIKeyNotFound].
func (k *APIKeys) Disable(ctx context.Context, id string) error {
	return k.act(ctx, http.MethodPut, id, "/disable")
}

// keyPath escapes the id, so that it can name nothing but a key.
func keyPath(id string) string {
	if id == "" || id == "." || id == ".." {
		id = "%" // names no key, and would otherwise name the list or its parent
	}
	return "/auth/api_keys/" + url.PathEscape(id)
}

func (k *APIKeys) act(ctx context.Context, method, id, action string) error {
	_, err := k.user.doRefresh(ctx, request{method: method, path: keyPath(id) + action})
	return err
}

func (k *APIKeys) read(ctx context.Context, r request, into any) error {
	body, err := k.user.doRefresh(ctx, r)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return k.user.app.badAnswer(r, ErrMalformedJSON, "", err)
	}
	return nil
}
