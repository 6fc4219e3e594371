package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/internal/fault"
	"regent/internal/session"
	"regent/internal/user"
)

// APIKey describes a key. Key is set in the answer to its creation only.
type APIKey struct {
	ID       string
	Key      string
	Name     string
	Disabled bool
}

// MaxKeyName is the longest name of an API key; how many keys there can be are
// the settings max_user_api_keys and max_server_api_keys.
const MaxKeyName = 100

// maxListedKeys bounds a list of keys.
const maxListedKeys = 10_000

var keyName = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)

func errKeyNotFound() *fault.Error { return fault.New(fault.APIKeyNotFound, "API key not found") }

// keyOwner is the user whose keys a refresh token may handle. Anonymous users
// have none, and who logged in by a key cannot make or remove keys
// (client-api.md §1.15).
func (s *Service) keyOwner(ctx context.Context, refreshToken string) (*session.Session, error) {
	se, err := s.refreshing(ctx, refreshToken)
	if err != nil {
		return nil, err
	}
	if anonymousOnly(se.User) {
		return nil, fault.New(fault.None, "anonymous users cannot have API keys").WithStatus(403)
	}
	if se.Identity.ProviderType == user.APIKey {
		return nil, fault.New(fault.None, "API keys cannot be handled by a session that an API key opened").WithStatus(403)
	}
	return se, nil
}

// CreateAPIKey makes a key of the user (client-api.md §1.15).
func (s *Service) CreateAPIKey(ctx context.Context, refreshToken, name string) (APIKey, error) {
	se, err := s.keyOwner(ctx, refreshToken)
	if err != nil {
		return APIKey{}, err
	}
	if _, err := s.provider(user.APIKey); err != nil {
		return APIKey{}, err
	}
	return s.createKey(ctx, keyDocument{Owner: se.UserID, User: se.UserID, Name: name}, s.settings.MaxUserAPIKeys)
}

func (s *Service) createKey(ctx context.Context, k keyDocument, most int) (APIKey, error) {
	switch {
	case k.Name == "":
		return APIKey{}, fault.New(fault.None, "'name' is a required string")
	case len(k.Name) > MaxKeyName || !keyName.MatchString(k.Name):
		return APIKey{}, fault.New(fault.InvalidParameter, "API key name can only contain ASCII letters, numbers, underscores, and hyphens, at most %d of them", MaxKeyName)
	}
	secret, err := s.newKey()
	if err != nil {
		return APIKey{}, err
	}
	k.ID, k.App, k.Hash = bson.NewObjectID(), s.Domain, keyHash(secret)
	if _, err := s.store.apiKeys.InsertOne(ctx, k); mongo.IsDuplicateKeyError(err) {
		return APIKey{}, fault.New(fault.APIKeyAlreadyExists, "API key with name '%s' already exists", k.Name)
	} else if err != nil {
		return APIKey{}, fmt.Errorf("storing an API key: %w", err)
	}
	// Counted afterwards, so that keys made at once cannot exceed the bound together.
	n, err := s.store.apiKeys.CountDocuments(ctx, bson.D{{Key: "app", Value: s.Domain}, {Key: "owner", Value: k.Owner}})
	if err == nil && n > int64(most) {
		err = fault.New(fault.BadRequest, "at most %d API keys are allowed", most)
	}
	if err != nil {
		if _, err := s.store.apiKeys.DeleteOne(context.WithoutCancel(ctx), bson.D{{Key: "_id", Value: k.ID}}); err != nil {
			s.Logger.Error("an API key above the bound was not removed", "key", k.ID.Hex(), "error", err)
		}
		return APIKey{}, err
	}
	return APIKey{ID: k.ID.Hex(), Key: secret, Name: k.Name}, nil
}

// newKey returns keyLength random letters and digits.
func (s *Service) newKey() (string, error) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	out := make([]byte, 0, keyLength)
	var buf [96]byte
	for len(out) < keyLength {
		if _, err := io.ReadFull(s.Rand, buf[:]); err != nil {
			return "", err
		}
		for _, b := range buf {
			// 248 = 4·62: the remainder would favour some characters.
			if b < 248 && len(out) < keyLength {
				out = append(out, alphabet[b%62])
			}
		}
	}
	return string(out), nil
}

// APIKeys lists the user's keys in the order of their creation.
func (s *Service) APIKeys(ctx context.Context, refreshToken string) ([]APIKey, error) {
	se, err := s.keyOwner(ctx, refreshToken)
	if err != nil {
		return nil, err
	}
	return s.listKeys(ctx, se.UserID)
}

func (s *Service) listKeys(ctx context.Context, owner bson.ObjectID) ([]APIKey, error) {
	cursor, err := s.store.apiKeys.Find(ctx, bson.D{{Key: "app", Value: s.Domain}, {Key: "owner", Value: owner}},
		options.Find().SetLimit(maxListedKeys))
	if err != nil {
		return nil, fmt.Errorf("reading API keys: %w", err)
	}
	var docs []keyDocument
	if err := cursor.All(ctx, &docs); err != nil {
		return nil, fmt.Errorf("reading API keys: %w", err)
	}
	slices.SortFunc(docs, func(a, b keyDocument) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	keys := make([]APIKey, 0, len(docs))
	for i := range docs {
		keys = append(keys, docs[i].describe())
	}
	return keys, nil
}

func (k *keyDocument) describe() APIKey {
	return APIKey{ID: k.ID.Hex(), Name: k.Name, Disabled: k.Disabled}
}

// APIKey returns one of the user's keys, or APIKeyNotFound.
func (s *Service) APIKey(ctx context.Context, refreshToken, id string) (APIKey, error) {
	se, err := s.keyOwner(ctx, refreshToken)
	if err != nil {
		return APIKey{}, err
	}
	k, err := s.findKey(ctx, se.UserID, id)
	if err != nil {
		return APIKey{}, err
	}
	return k.describe(), nil
}

// findKey finds a key of an owner; another's key is as unknown as none.
func (s *Service) findKey(ctx context.Context, owner bson.ObjectID, id string) (*keyDocument, error) {
	oid, err := bson.ObjectIDFromHex(id)
	if err != nil {
		return nil, errKeyNotFound()
	}
	var k keyDocument
	err = s.store.apiKeys.FindOne(ctx, bson.D{{Key: "_id", Value: oid}, {Key: "app", Value: s.Domain}, {Key: "owner", Value: owner}}).Decode(&k)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, errKeyNotFound()
	}
	if err != nil {
		return nil, fmt.Errorf("reading an API key: %w", err)
	}
	return &k, nil
}

// DeleteAPIKey removes one of the user's keys; sessions that it opened end.
func (s *Service) DeleteAPIKey(ctx context.Context, refreshToken, id string) error {
	se, err := s.keyOwner(ctx, refreshToken)
	if err != nil {
		return err
	}
	return s.deleteKey(ctx, se.UserID, id)
}

func (s *Service) deleteKey(ctx context.Context, owner bson.ObjectID, id string) error {
	k, err := s.findKey(ctx, owner, id)
	if err != nil {
		return err
	}
	if k.Server {
		return s.removeUser(ctx, k.User) // takes the key along
	}
	if _, err := s.store.apiKeys.DeleteOne(ctx, bson.D{{Key: "_id", Value: k.ID}}); err != nil {
		return fmt.Errorf("deleting an API key: %w", err)
	}
	if err := s.detach(ctx, k.User, user.APIKey, k.ID.Hex()); err != nil {
		return fmt.Errorf("removing an API key's identity: %w", err)
	}
	_, err = s.Sessions.RevokeIdentity(ctx, s.Domain, k.User, user.APIKey, k.ID.Hex())
	return err
}

// SetAPIKeyDisabled disables or enables one of the user's keys. Sessions that a
// key opened end when it is disabled.
func (s *Service) SetAPIKeyDisabled(ctx context.Context, refreshToken, id string, disabled bool) error {
	se, err := s.keyOwner(ctx, refreshToken)
	if err != nil {
		return err
	}
	return s.disableKey(ctx, se.UserID, id, disabled)
}

func (s *Service) disableKey(ctx context.Context, owner bson.ObjectID, id string, disabled bool) error {
	k, err := s.findKey(ctx, owner, id)
	if err != nil {
		return err
	}
	if _, err := s.store.apiKeys.UpdateOne(ctx, bson.D{{Key: "_id", Value: k.ID}}, bson.D{{Key: "$set", Value: bson.D{{Key: "disabled", Value: disabled}}}}); err != nil {
		return fmt.Errorf("changing an API key: %w", err)
	}
	if !disabled {
		return nil
	}
	_, err = s.Sessions.RevokeIdentity(ctx, s.Domain, k.User, user.APIKey, k.ID.Hex())
	return err
}

// CreateServerKey makes a server key with its own user of type server, which
// exists at once.
func (s *Service) CreateServerKey(ctx context.Context, name string) (APIKey, error) {
	userID := bson.NewObjectID()
	key, err := s.createKey(ctx, keyDocument{Owner: s.Domain, User: userID, Server: true, Name: name}, s.settings.MaxServerAPIKeys)
	if err != nil {
		return APIKey{}, err
	}
	data, err := bson.Marshal(bson.D{{Key: "name", Value: name}})
	if err != nil {
		return APIKey{}, err
	}
	r := (&record{
		ID: userID, App: s.Domain, Type: user.Server, Created: s.Now(),
		Identities: []user.Identity{{ID: key.ID, ProviderType: user.APIKey, ProviderID: s.providerID(user.APIKey), Data: data}},
		Logins:     []string{loginKey(user.APIKey, key.ID)},
	}).shape()
	if _, err := s.store.users.InsertOne(ctx, r); err != nil {
		return APIKey{}, fmt.Errorf("creating a server key's user: %w", err)
	}
	s.emit(Create, []string{user.APIKey}, r)
	return key, nil
}

// ServerKeys lists the app's server keys.
func (s *Service) ServerKeys(ctx context.Context) ([]APIKey, error) {
	return s.listKeys(ctx, s.Domain)
}

// ServerKey returns one of them, or APIKeyNotFound.
func (s *Service) ServerKey(ctx context.Context, id string) (APIKey, error) {
	k, err := s.findKey(ctx, s.Domain, id)
	if err != nil {
		return APIKey{}, err
	}
	return k.describe(), nil
}

// DeleteServerKey removes a server key and its user.
func (s *Service) DeleteServerKey(ctx context.Context, id string) error {
	return s.deleteKey(ctx, s.Domain, id)
}

// SetServerKeyDisabled disables or enables a server key.
func (s *Service) SetServerKeyDisabled(ctx context.Context, id string, disabled bool) error {
	return s.disableKey(ctx, s.Domain, id, disabled)
}

// endSessions ends the sessions of the user of an e-mail account, if it has one.
func (s *Service) endSessions(ctx context.Context, accountID bson.ObjectID) error {
	r, err := s.userByLogin(ctx, user.LocalUserpass, accountID.Hex())
	if errors.Is(err, errNoUser) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = s.Sessions.RevokeUser(ctx, s.Domain, r.ID)
	return err
}
