package auth

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/internal/caller"
	"regent/internal/fault"
	"regent/internal/session"
	"regent/internal/user"
)

// MaxIdentities is the most identities that a user can have.
const MaxIdentities = 50

// The conflicts of client-api.md §1.6. All have status 409: realm-web repeats
// the original's 401 for ever, and 500 is for the server's own faults.
var (
	errBelongsToOther = fault.New(fault.InvalidSession, "a user already exists with the specified provider").WithStatus(409)
	errSecondUserpass = fault.New(fault.InternalServerError, "linking a local-userpass identity is not allowed when one is already linked").WithStatus(409)
	errLinkAnonymous  = fault.New(fault.InternalServerError, "linking an anonymous identity is not allowed").WithStatus(409)
	errTooManyLinked  = fault.New(fault.BadRequest, "a user can have at most %d identities", MaxIdentities).WithStatus(409)
)

// Link adds an identity to the session's user (client-api.md §1.6). The session
// goes on with a new access token; there is no new refresh token.
func (s *Service) Link(ctx context.Context, se *session.Session, providerName string, body bson.Raw, request *caller.Request) (Tokens, error) {
	if providerName == user.AnonUser {
		return Tokens{}, errLinkAnonymous
	}
	p, err := s.provider(providerName)
	if err != nil {
		return Tokens{}, linkRefusal(providerName, err)
	}
	id, err := s.identify(ctx, p, &attempt{body: body, request: request, linking: true})
	if err != nil {
		return Tokens{}, linkRefusal(providerName, err)
	}
	return s.link(ctx, se, p, id, request)
}

// linkRefusal changes what a link must not answer: a 401 that realm-web would
// repeat. SDKs look for InvalidSession where an OAuth provider refuses (§1.6).
func linkRefusal(provider string, err error) error {
	var f *fault.Error
	if !errors.As(err, &f) {
		return err
	}
	if isOAuth(provider) && (f.Code == fault.AuthProviderNotFound || f.Code == fault.AuthError) {
		return fault.New(fault.InvalidSession, "%s", f.Message).WithStatus(409).WithCause(err)
	}
	if f.Status == 401 && (f.Message == "unauthorized" || f.Code == fault.InvalidSession) {
		return f.WithStatus(409)
	}
	return err
}

func (s *Service) link(ctx context.Context, se *session.Session, p *provider, id *identified, request *caller.Request) (Tokens, error) {
	if !id.owner.IsZero() && id.owner != se.UserID {
		return Tokens{}, errBelongsToOther
	}
	before, err := s.findUser(ctx, bson.D{{Key: "_id", Value: se.UserID}, {Key: "app", Value: s.Domain}})
	if errors.Is(err, errNoUser) {
		return Tokens{}, errNoSession()
	}
	if err != nil {
		return Tokens{}, err
	}
	if err := s.attach(ctx, se.UserID, p.Name, id); err != nil {
		if errors.Is(err, errNoUser) {
			return Tokens{}, errNoSession()
		}
		return Tokens{}, err
	}
	after, err := s.findUser(ctx, bson.D{{Key: "_id", Value: se.UserID}, {Key: "app", Value: s.Domain}})
	if errors.Is(err, errNoUser) {
		return Tokens{}, errNoSession()
	}
	if err != nil {
		return Tokens{}, err
	}
	data, err := s.customData(ctx, after.view.ID)
	if err != nil {
		return Tokens{}, err
	}
	access, err := s.Sessions.Access(ctx, se, data, s.accessTTL(), address(request))
	if err != nil {
		return Tokens{}, err
	}
	if len(after.Identities) > len(before.Identities) {
		s.emit(Create, []string{p.Name}, after)
	}
	return Tokens{AccessToken: access, UserID: after.view.ID, DeviceID: se.Device.Hex()}, nil
}

// attach adds an identity to a user in one atomic step. An identity that the
// user already has is no error. The unique index refuses one that somebody
// else has, whoever is faster.
func (s *Service) attach(ctx context.Context, owner bson.ObjectID, providerName string, id *identified) error {
	key := loginKey(providerName, id.id)
	filter := bson.D{
		{Key: "_id", Value: owner}, {Key: "app", Value: s.Domain},
		{Key: "logins", Value: bson.D{{Key: "$ne", Value: key}}},
		{Key: "identities." + strconv.Itoa(MaxIdentities-1), Value: bson.D{{Key: "$exists", Value: false}}},
	}
	if providerName == user.LocalUserpass {
		filter = append(filter, bson.E{Key: "identities.provider_type", Value: bson.D{{Key: "$ne", Value: user.LocalUserpass}}})
	}
	identity := user.Identity{ID: id.id, ProviderType: providerName, ProviderID: s.providerID(providerName), Data: id.data}
	res, err := s.store.users.UpdateOne(ctx, filter, bson.D{{Key: "$push", Value: bson.D{{Key: "identities", Value: identity}, {Key: "logins", Value: key}}}})
	s.users.Evict(owner)
	if mongo.IsDuplicateKeyError(err) {
		return errBelongsToOther
	}
	if err != nil {
		return fmt.Errorf("linking an identity: %w", err)
	}
	if res.MatchedCount == 1 {
		return nil
	}
	// Nothing matched: say why.
	r, err := s.findUser(ctx, bson.D{{Key: "_id", Value: owner}, {Key: "app", Value: s.Domain}})
	if err != nil {
		return err
	}
	for _, have := range r.Logins {
		if have == key {
			return nil
		}
	}
	if other, err := s.userByLogin(ctx, providerName, id.id); err == nil && other.ID != owner {
		return errBelongsToOther
	}
	if len(r.Identities) >= MaxIdentities {
		return errTooManyLinked
	}
	return errSecondUserpass
}

// detach takes an identity from a user; the last one stays.
func (s *Service) detach(ctx context.Context, owner bson.ObjectID, providerName, id string) error {
	filter := bson.D{{Key: "_id", Value: owner}, {Key: "app", Value: s.Domain}, {Key: "identities.1", Value: bson.D{{Key: "$exists", Value: true}}}}
	_, err := s.store.users.UpdateOne(ctx, filter, bson.D{{Key: "$pull", Value: bson.D{
		{Key: "identities", Value: bson.D{{Key: "provider_type", Value: providerName}, {Key: "id", Value: id}}},
		{Key: "logins", Value: loginKey(providerName, id)},
	}}}, options.UpdateOne())
	s.users.Evict(owner)
	return err
}
