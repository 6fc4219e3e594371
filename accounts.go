package regent

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/api/client"
	"regent/internal/auth"
	"regent/internal/caller"
	"regent/internal/session"
)

// accounts gives auth.Service the shape that the client API asks for. The
// API's Session carries auth's own along.
type accounts struct{ s *auth.Service }

func (a accounts) Login(ctx context.Context, provider string, body bson.Raw, r *caller.Request) (client.Tokens, error) {
	t, err := a.s.Login(ctx, provider, body, r)
	return client.Tokens(t), err
}

func (a accounts) Link(ctx context.Context, s *client.Session, provider string, body bson.Raw, r *caller.Request) (client.Tokens, error) {
	t, err := a.s.Link(ctx, s.Origin.(*session.Session), provider, body, r)
	return client.Tokens(t), err
}

func (a accounts) Userpass(ctx context.Context, call string, body bson.Raw, r *caller.Request) error {
	return a.s.Userpass(ctx, call, body, r)
}

func (a accounts) Authenticate(ctx context.Context, token string) (*client.Session, error) {
	s, err := a.s.Authenticate(ctx, token)
	if err != nil {
		return nil, err
	}
	return &client.Session{ID: s.ID.Hex(), DeviceID: s.Device.Hex(), User: s.User, Origin: s}, nil
}

func (a accounts) Alive(ctx context.Context, s *client.Session) error {
	return a.s.Alive(ctx, s.ID, s.User.ID)
}

func (a accounts) Refresh(ctx context.Context, token string, r *caller.Request) (string, error) {
	return a.s.Refresh(ctx, token, r)
}

func (a accounts) Logout(ctx context.Context, token string) error { return a.s.Logout(ctx, token) }

func (a accounts) Profile(ctx context.Context, s *client.Session) (bson.Raw, error) {
	return a.s.Profile(ctx, s.User)
}

func (a accounts) DeleteUser(ctx context.Context, s *client.Session) error {
	return a.s.DeleteUser(ctx, s.Origin.(*session.Session))
}

func (a accounts) CreateAPIKey(ctx context.Context, token, name string) (client.APIKey, error) {
	k, err := a.s.CreateAPIKey(ctx, token, name)
	return client.APIKey(k), err
}

func (a accounts) APIKeys(ctx context.Context, token string) ([]client.APIKey, error) {
	keys, err := a.s.APIKeys(ctx, token)
	out := make([]client.APIKey, len(keys))
	for i, k := range keys {
		out[i] = client.APIKey(k)
	}
	return out, err
}

func (a accounts) APIKey(ctx context.Context, token, id string) (client.APIKey, error) {
	k, err := a.s.APIKey(ctx, token, id)
	return client.APIKey(k), err
}

func (a accounts) DeleteAPIKey(ctx context.Context, token, id string) error {
	return a.s.DeleteAPIKey(ctx, token, id)
}

func (a accounts) SetAPIKeyDisabled(ctx context.Context, token, id string, disabled bool) error {
	return a.s.SetAPIKeyDisabled(ctx, token, id, disabled)
}
