package session

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/internal/session/live"
)

// A signing key as it lies in __regent.keys:
//
//	{_id: "<domain id>.<number>", app: <domain id>, kid: "<number>", secret: <sealed 32 bytes>, created: <date>}
//
// The newest key of an app signs, all of them verify. A new key therefore logs
// nobody out; removing one ends every session that it signed.
type keyDocument struct {
	ID      string        `bson:"_id"`
	App     bson.ObjectID `bson:"app"`
	KID     string        `bson:"kid"`
	Secret  []byte        `bson:"secret"`
	Created time.Time     `bson:"created"`
}

// reloadInterval bounds how often unknown key ids make the key ring read the
// database: forged tokens cost nothing more.
const reloadInterval = time.Second

// keyRing holds the keys of one app. It does not change once it was read; another
// takes its place.
type keyRing struct {
	app     bson.ObjectID
	signing string
	header  string    // of the tokens that it signs, encoded
	signers sync.Pool // of *signer, of the signing key
	secrets map[string][]byte
	loaded  time.Time
}

func (r *keyRing) current() (string, []byte, bool) {
	return r.signing, r.secrets[r.signing], r.signing != ""
}

// signer is what signing takes: the key's schedule, which is computed once, and
// room for a token's claims and text.
type signer struct {
	mac    hash.Hash
	claims claimWriter
	token  []byte
}

// sign makes a token of claims (JWS with HS256). Header and key schedule are
// computed once for each key, because doing it for every token cost more than the
// signature.
func (r *keyRing) sign(write func(claimWriter) claimWriter) (string, error) {
	if r.header == "" {
		return "", errors.New("the app has no signing key")
	}
	s := r.signers.Get().(*signer)
	defer r.signers.Put(s)
	s.claims = write(s.claims[:0])
	encoding := base64.RawURLEncoding
	s.token = append(append(s.token[:0], r.header...), '.')
	s.token = encoding.AppendEncode(s.token, s.claims)
	s.mac.Reset()
	s.mac.Write(s.token)
	var sum [sha256.Size]byte
	s.token = encoding.AppendEncode(append(s.token, '.'), s.mac.Sum(sum[:0]))
	return string(s.token), nil
}

// ring returns the keys of an app; a new app gets its first one.
func (s *Service) ring(ctx context.Context, app bson.ObjectID) (*keyRing, error) {
	s.ringsMu.Lock()
	r := s.rings[app]
	s.ringsMu.Unlock()
	if r != nil && s.fresh(r) {
		return r, nil
	}
	return s.loadRing(ctx, app)
}

// Prepare reads the keys of an app before anybody logs in; a new app gets its first
// one. The error says what to do when the master key is another than before.
func (s *Service) Prepare(ctx context.Context, app bson.ObjectID) error {
	_, err := s.ring(ctx, app)
	return err
}

// fresh bounds how long a removed or added key stays unknown without a change stream.
func (s *Service) fresh(r *keyRing) bool {
	if s.watcher.Live() {
		return true
	}
	return time.Since(r.loaded) < live.MaxStale
}

func (s *Service) loadRing(ctx context.Context, app bson.ObjectID) (*keyRing, error) {
	r := &keyRing{app: app, secrets: map[string][]byte{}, loaded: time.Now()}
	for attempt := 0; ; attempt++ {
		if err := s.readKeys(ctx, r); err != nil {
			return nil, err
		}
		if r.signing != "" {
			break
		}
		if attempt == 3 {
			return nil, errors.New("the app's first signing key disappears as soon as it is written")
		}
		// Another process may be faster; then its key is read in the next round.
		if err := s.addKey(ctx, app, 1); err != nil && !mongo.IsDuplicateKeyError(err) {
			return nil, err
		}
	}
	s.ringsMu.Lock()
	before := s.rings[app]
	s.rings[app] = r
	s.ringsMu.Unlock()
	if before != nil {
		for kid := range before.secrets {
			if r.secrets[kid] == nil {
				s.verified.clear() // a key was retired: its tokens are void
				break
			}
		}
	}
	return r, nil
}

func (s *Service) readKeys(ctx context.Context, r *keyRing) error {
	cursor, err := s.keys.Find(ctx, bson.D{{Key: "app", Value: r.app}})
	if err != nil {
		return fmt.Errorf("reading signing keys: %w", err)
	}
	var docs []keyDocument
	if err := cursor.All(ctx, &docs); err != nil {
		return fmt.Errorf("reading signing keys: %w", err)
	}
	newest := 0
	for _, d := range docs {
		secret, err := s.master.Open(d.Secret, "signing key "+d.ID)
		if err != nil {
			return fmt.Errorf("%s is not the master key that this database was written with: signing key %s cannot be opened (%w). %s",
				s.master.where, d.ID, err, otherKey)
		}
		r.secrets[d.KID] = secret
		if n, err := strconv.Atoi(d.KID); err == nil && n > newest {
			newest, r.signing = n, d.KID
		}
	}
	if r.signing == "" {
		return nil
	}
	header, err := json.Marshal(map[string]string{"alg": jwt.SigningMethodHS256.Alg(), "kid": r.signing, "typ": "JWT"})
	r.header = base64.RawURLEncoding.EncodeToString(header)
	secret := r.secrets[r.signing]
	r.signers.New = func() any { return &signer{mac: hmac.New(sha256.New, secret)} }
	return err
}

func (s *Service) addKey(ctx context.Context, app bson.ObjectID, number int) error {
	secret := make([]byte, 32)
	if _, err := io.ReadFull(s.rand, secret); err != nil {
		return err
	}
	kid := strconv.Itoa(number)
	id := app.Hex() + "." + kid
	sealed, err := s.master.Seal(s.rand, secret, "signing key "+id)
	if err != nil {
		return err
	}
	_, err = s.keys.InsertOne(ctx, keyDocument{ID: id, App: app, KID: kid, Secret: sealed, Created: s.now()})
	return err
}

// RotateKey gives the app a new signing key; tokens of older keys stay valid.
// It returns the new key's id.
func (s *Service) RotateKey(ctx context.Context, app bson.ObjectID) (string, error) {
	for range 10 {
		r, err := s.loadRing(ctx, app)
		if err != nil {
			return "", err
		}
		kid, _, _ := r.current()
		n, err := strconv.Atoi(kid)
		if err != nil {
			return "", fmt.Errorf("signing key id %q is not a number", kid)
		}
		if err := s.addKey(ctx, app, n+1); mongo.IsDuplicateKeyError(err) {
			continue
		} else if err != nil {
			return "", err
		}
		if r, err = s.loadRing(ctx, app); err != nil {
			return "", err
		}
		kid, _, _ = r.current()
		return kid, nil
	}
	return "", errors.New("signing keys are being rotated by somebody else")
}

// RetireKey removes a signing key: every token that it signed is refused from
// now on. The newest key cannot be removed; rotate first.
func (s *Service) RetireKey(ctx context.Context, app bson.ObjectID, kid string) error {
	r, err := s.loadRing(ctx, app)
	if err != nil {
		return err
	}
	if newest, _, _ := r.current(); newest == kid {
		return fmt.Errorf("key %s signs the app's tokens; rotate the keys first", kid)
	}
	res, err := s.keys.DeleteOne(ctx, bson.D{{Key: "_id", Value: app.Hex() + "." + kid}})
	if err != nil {
		return err
	}
	if res.DeletedCount == 0 {
		return fmt.Errorf("the app has no signing key %s", kid)
	}
	s.forgetRings()
	return nil
}

// Key describes a signing key without its secret.
type Key struct {
	ID      string
	Created time.Time
	Signing bool
}

// Keys lists an app's signing keys, oldest first.
func (s *Service) Keys(ctx context.Context, app bson.ObjectID) ([]Key, error) {
	r, err := s.loadRing(ctx, app)
	if err != nil {
		return nil, err
	}
	cursor, err := s.keys.Find(ctx, bson.D{{Key: "app", Value: app}}, options.Find().SetSort(bson.D{{Key: "created", Value: 1}}))
	if err != nil {
		return nil, err
	}
	var docs []keyDocument
	if err := cursor.All(ctx, &docs); err != nil {
		return nil, err
	}
	signing, _, _ := r.current()
	keys := make([]Key, 0, len(docs))
	for _, d := range docs {
		keys = append(keys, Key{ID: d.KID, Created: d.Created, Signing: d.KID == signing})
	}
	return keys, nil
}

// verifyKey finds the secret for a key id that a token names. One that is newer
// than those known may come from another process, a moment ago: it is looked for
// in the database, at once or as soon as reloadInterval allows.
func (s *Service) verifyKey(ctx context.Context, app bson.ObjectID, kid string) ([]byte, error) {
	r, err := s.ring(ctx, app)
	if err != nil {
		return nil, err
	}
	if secret := r.secrets[kid]; secret != nil {
		return secret, nil
	}
	if !r.older(kid) {
		return nil, errSignature
	}
	asked := time.Now()
	select {
	case <-time.After(reloadInterval - time.Since(r.loaded)):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s.reload.Lock()
	defer s.reload.Unlock()
	if r, err = s.ring(ctx, app); err != nil {
		return nil, err
	}
	if r.loaded.Before(asked) { // nobody else who waited has read it meanwhile
		if r, err = s.loadRing(ctx, app); err != nil {
			return nil, err
		}
	}
	if secret := r.secrets[kid]; secret != nil {
		return secret, nil
	}
	return nil, errSignature
}

// older reports whether a key id is that of a key made after the ring's: they are
// numbered.
func (r *keyRing) older(kid string) bool {
	n, err := strconv.Atoi(kid)
	newest, _ := strconv.Atoi(r.signing)
	return err == nil && n > newest
}

func (s *Service) forgetRings() {
	s.ringsMu.Lock()
	clear(s.rings)
	s.ringsMu.Unlock()
	s.verified.clear()
}
