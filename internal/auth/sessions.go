package auth

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/caller"
	"regent/internal/fault"
	"regent/internal/session"
	"regent/internal/user"
)

// errNoSession has the text that realm-web swallows when it logs a deleted user
// out (client-api.md §1.9).
func errNoSession() *fault.Error {
	return fault.New(fault.InvalidSession, "invalid session: failed to find refresh token")
}

// Authenticate finds out who shows an access token. In the steady state it reads
// no database. Errors: 401 "unauthorized" for a token that is not genuine,
// InvalidSession for an expired one or an ended session or deleted user,
// UserDisabled.
func (s *Service) Authenticate(ctx context.Context, accessToken string) (*session.Session, error) {
	se, err := s.Sessions.VerifyAccess(ctx, s.Domain, accessToken)
	if err != nil {
		return nil, err
	}
	r, err := s.active(ctx, se.UserID)
	if err != nil {
		return nil, err
	}
	se.User = r.view
	if se.UserData != nil {
		u := *r.view
		u.CustomData = se.UserData
		se.User = &u
	}
	return se, nil
}

// Alive says whether a session still lives: not logged out or revoked, its user
// neither disabled nor deleted. Its access token may have expired meanwhile, as
// during a watch (client-api.md §1.18). In the steady state it reads no database.
func (s *Service) Alive(ctx context.Context, sessionID, userID string) error {
	sid, err1 := bson.ObjectIDFromHex(sessionID)
	uid, err2 := bson.ObjectIDFromHex(userID)
	if err1 != nil || err2 != nil {
		return errNoSession()
	}
	_, err := s.live(ctx, sid, uid)
	return err
}

func (s *Service) live(ctx context.Context, id, user bson.ObjectID) (*session.Session, error) {
	se, err := s.Sessions.Lookup(ctx, s.Domain, id, user)
	if err != nil {
		return nil, err
	}
	_, err = s.active(ctx, user)
	return se, err
}

// active returns a user that may act.
func (s *Service) active(ctx context.Context, id bson.ObjectID) (*record, error) {
	r, err := s.users.Get(ctx, id)
	if errors.Is(err, errNoUser) {
		return nil, errNoSession()
	}
	if err != nil {
		return nil, err
	}
	if r.Disabled {
		return nil, errDisabled()
	}
	return r, nil
}

// refreshing verifies a refresh token and its user. A disabled user gets
// InvalidSession here (client-api.md §1.9).
func (s *Service) refreshing(ctx context.Context, refreshToken string) (*session.Session, error) {
	se, err := s.Sessions.VerifyRefresh(ctx, s.Domain, refreshToken)
	if err != nil {
		return nil, err
	}
	r, err := s.active(ctx, se.UserID)
	if code, _ := fault.CodeOf(err); code == fault.UserDisabled {
		return nil, fault.New(fault.InvalidSession, "invalid session: user disabled")
	}
	if err != nil {
		return nil, err
	}
	se.User = r.view
	return se, nil
}

// Refresh issues an access token with fresh custom data (client-api.md §1.9).
func (s *Service) Refresh(ctx context.Context, refreshToken string, request *caller.Request) (string, error) {
	se, err := s.refreshing(ctx, refreshToken)
	if err != nil {
		return "", err
	}
	data, err := s.customData(ctx, se.User.ID)
	if err != nil {
		return "", err
	}
	return s.Sessions.Access(ctx, se, data, s.accessTTL(), address(request))
}

// Logout ends the session of a refresh token.
func (s *Service) Logout(ctx context.Context, refreshToken string) error {
	se, err := s.Sessions.VerifyRefresh(ctx, s.Domain, refreshToken)
	if err != nil {
		return err
	}
	ended, err := s.Sessions.Revoke(ctx, s.Domain, se.ID)
	if err != nil {
		return fmt.Errorf("ending a session: %w", err)
	}
	if !ended {
		return errNoSession()
	}
	return nil
}

// Profile is the document of client-api.md §1.10.
func (s *Service) Profile(_ context.Context, u *user.User) (bson.Raw, error) {
	identities := make(bson.A, 0, len(u.Identities))
	for _, id := range u.Identities {
		identities = append(identities, bson.D{{Key: "id", Value: id.ID}, {Key: "provider_type", Value: id.ProviderType}, {Key: "provider_id", Value: id.ProviderID}})
	}
	return bson.Marshal(bson.D{
		{Key: "user_id", Value: u.ID}, {Key: "domain_id", Value: s.Domain.Hex()}, {Key: "identities", Value: identities},
		{Key: "data", Value: profileData(u.Data)}, {Key: "type", Value: string(u.Type)},
	})
}

// profileData sends a picture under both names: native SDKs read picture_url,
// realm-web reads picture.
func profileData(data bson.Raw) bson.Raw {
	for _, pair := range [][2]string{{"picture", "picture_url"}, {"picture_url", "picture"}} {
		v, err := data.LookupErr(pair[0])
		if err != nil {
			continue
		}
		if _, err := data.LookupErr(pair[1]); err == nil {
			continue
		}
		elems, err := data.Elements()
		if err != nil {
			return data
		}
		d := make(bson.D, 0, len(elems)+1)
		for _, e := range elems {
			d = append(d, bson.E{Key: e.Key(), Value: e.Value()})
		}
		if raw, err := bson.Marshal(append(d, bson.E{Key: pair[1], Value: v})); err == nil {
			return raw
		}
	}
	return data
}

// User returns a user by its id, with the custom data as it is now when that is
// asked for. The error is UserNotFound when there is none.
func (s *Service) User(ctx context.Context, id string, withCustomData bool) (*user.User, error) {
	oid, err := bson.ObjectIDFromHex(id)
	if err != nil {
		return nil, fault.New(fault.UserNotFound, "user not found")
	}
	r, err := s.users.Get(ctx, oid)
	if errors.Is(err, errNoUser) {
		return nil, fault.New(fault.UserNotFound, "user not found")
	}
	if err != nil {
		return nil, err
	}
	if !withCustomData {
		return r.view, nil
	}
	u := *r.view
	u.CustomData, err = s.customData(ctx, id)
	return &u, err
}
