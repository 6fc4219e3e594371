package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/internal/app"
	"regent/internal/user"
)

// keyDocument is an API key in __regent.api_keys. Only the key's hash is stored:
// it is random enough that no slow hash is needed.
type keyDocument struct {
	ID       bson.ObjectID `bson:"_id"`
	App      bson.ObjectID `bson:"app"`
	Owner    bson.ObjectID `bson:"owner"` // user; of server keys the app's domain id
	User     bson.ObjectID `bson:"user"`  // who logs in by it: the owner, or the server key's own user
	Server   bool          `bson:"server,omitempty"`
	Name     string        `bson:"name"`
	Hash     []byte        `bson:"hash"` // SHA-256 of the key
	Disabled bool          `bson:"disabled,omitempty"`
}

// keyLength is the length of a key in letters and digits: 64 × log2 62 = 381 bits.
const keyLength = 64

func keyHash(key string) []byte {
	sum := sha256.Sum256([]byte(key))
	return sum[:]
}

// apiKey is the provider api-key: users' keys log their owners in, server keys
// are users of their own (app-services.md §2.5).
type apiKey struct{ s *Service }

func openAPIKey(s *Service, _ *app.Provider) (authenticator, error) { return &apiKey{s}, nil }

func (p *apiKey) authenticate(ctx context.Context, a *attempt) (*identified, error) {
	key, err := text(a.body, "key")
	if err != nil {
		return nil, err
	}
	var k keyDocument
	err = p.s.store.apiKeys.FindOne(ctx, bson.D{{Key: "app", Value: p.s.Domain}, {Key: "hash", Value: keyHash(key)}}).Decode(&k)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, errUnauthorized()
	}
	if err != nil {
		return nil, fmt.Errorf("reading an API key: %w", err)
	}
	if k.Disabled {
		return nil, errUnauthorized()
	}
	data, err := k.data()
	return &identified{id: k.ID.Hex(), data: data, owner: k.User}, err
}

// data is the metadata of the key's identity.
func (k *keyDocument) data() (bson.Raw, error) {
	return bson.Marshal(bson.D{{Key: "name", Value: k.Name}})
}

// anonymousOnly says whether a user has nothing but anonymous identities.
func anonymousOnly(u *user.User) bool {
	for _, id := range u.Identities {
		if id.ProviderType != user.AnonUser {
			return false
		}
	}
	return true
}
