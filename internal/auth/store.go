package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/internal/session"
	"regent/internal/user"
)

// Collections of __regent.
const (
	appsCollection     = "apps"
	usersCollection    = "users"
	accountsCollection = "accounts"
	tokensCollection   = "tokens"
	apiKeysCollection  = "api_keys"
	throttleCollection = "throttle"
	redirectCollection = "redirects"
)

type store struct {
	users, accounts, tokens, apiKeys, throttle, redirects *mongo.Collection
}

func newStore(db *mongo.Database) store {
	return store{
		users: db.Collection(usersCollection), accounts: db.Collection(accountsCollection), tokens: db.Collection(tokensCollection),
		apiKeys: db.Collection(apiKeysCollection), throttle: db.Collection(throttleCollection),
		redirects: db.Collection(redirectCollection),
	}
}

// ensureIndexes creates the indexes. The unique ones carry the invariants:
// an identity belongs to one user, an address to one account, a key name to one
// key of its owner.
func (st *store) ensureIndexes(ctx context.Context) error {
	unique := func(keys ...string) mongo.IndexModel {
		return mongo.IndexModel{Keys: ascending(keys...), Options: options.Index().SetUnique(true)}
	}
	if err := st.ensureIdentities(ctx); err != nil {
		return fmt.Errorf("the index of identities: %w", err)
	}
	expiring := mongo.IndexModel{Keys: ascending("expires"), Options: options.Index().SetExpireAfterSeconds(0)}
	for _, c := range []struct {
		coll    *mongo.Collection
		indexes []mongo.IndexModel
	}{
		{st.users, []mongo.IndexModel{{Keys: ascending("app", "_id")}}},
		{st.accounts, []mongo.IndexModel{unique("app", "email"), {Keys: ascending("app", "state", "_id")}}},
		{st.tokens, []mongo.IndexModel{expiring, {Keys: ascending("account")}}},
		{st.apiKeys, []mongo.IndexModel{unique("app", "hash"), unique("app", "owner", "name"), {Keys: ascending("user")}}},
		{st.throttle, []mongo.IndexModel{expiring}},
		{st.redirects, []mongo.IndexModel{expiring}},
	} {
		if _, err := c.coll.Indexes().CreateMany(ctx, c.indexes); err != nil {
			return fmt.Errorf("indexes of %s: %w", c.coll.Name(), err)
		}
	}
	return nil
}

// ensureIdentities creates the unique index of identities. Users who are only
// anonymous are not in it: nobody logs in by theirs again. An earlier layout had
// everybody in it, so that a user without a login was one too many; that index goes
// when the new one stands.
func (st *store) ensureIdentities(ctx context.Context) error {
	key := ascending("app", "logins")
	cursor, err := st.users.Indexes().List(ctx)
	if err != nil {
		return err
	}
	var present []struct {
		Name    string   `bson:"name"`
		Key     bson.Raw `bson:"key"`
		Partial bson.Raw `bson:"partialFilterExpression"`
	}
	if err := cursor.All(ctx, &present); err != nil {
		return err
	}
	pattern, err := bson.Marshal(key)
	if err != nil {
		return err
	}
	var outdated string
	stands := false
	for _, ix := range present {
		switch {
		case !sameKey(ix.Key, pattern):
		case ix.Partial == nil:
			outdated = ix.Name
		default:
			stands = true
		}
	}
	create := func() error {
		_, err := st.users.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: key, Options: options.Index().SetName("identities").SetUnique(true).
			SetPartialFilterExpression(bson.D{{Key: "logins", Value: bson.D{{Key: "$exists", Value: true}}}})})
		return err
	}
	drop := func() error {
		err := st.users.Indexes().DropOne(ctx, outdated)
		if hasCode(err, indexNotFound) {
			return nil // another process was faster
		}
		return err
	}
	if !stands {
		err := create()
		if outdated != "" && (hasCode(err, indexOptionsConflict) || hasCode(err, indexKeySpecsConflict)) {
			// MongoDB before 5.0 has one index of a key pattern only.
			if err = drop(); err == nil {
				err = create()
			}
			outdated = ""
		}
		if err != nil {
			return err
		}
	}
	if outdated != "" {
		return drop()
	}
	return nil
}

// Error codes of MongoDB.
const (
	indexNotFound         = 27
	indexOptionsConflict  = 85
	indexKeySpecsConflict = 86
)

func hasCode(err error, code int) bool {
	var e mongo.ServerError
	return errors.As(err, &e) && e.HasErrorCode(code)
}

// sameKey compares key patterns, whose numbers tools write in several types.
func sameKey(a, b bson.Raw) bool {
	x, err1 := a.Elements()
	y, err2 := b.Elements()
	return err1 == nil && err2 == nil && slices.EqualFunc(x, y, func(x, y bson.RawElement) bool {
		n, ok1 := x.Value().AsInt64OK()
		m, ok2 := y.Value().AsInt64OK()
		return x.Key() == y.Key() && ok1 && ok2 && n == m
	})
}

func ascending(names ...string) bson.D {
	d := make(bson.D, len(names))
	for i, n := range names {
		d[i] = bson.E{Key: n, Value: 1}
	}
	return d
}

// record is a user as it lies in __regent.users:
//
//	{_id, app, type, created, last_login, disabled, data, identities: [{id, provider_type, provider_id, data}], logins: ["<provider>:<id>"],
//	 first_session}
//
// logins repeats the identities in the form that the unique index {app, logins}
// takes, but for an anonymous one that the user was made with.
type record struct {
	ID         bson.ObjectID   `bson:"_id"`
	App        bson.ObjectID   `bson:"app"`
	Type       user.Type       `bson:"type"`
	Created    time.Time       `bson:"created"`
	LastLogin  *time.Time      `bson:"last_login,omitempty"` // absent: never
	Disabled   bool            `bson:"disabled,omitempty"`
	Data       bson.Raw        `bson:"data,omitempty"` // brought along by an import; identities' data is added
	Identities []user.Identity `bson:"identities"`
	Logins     []string        `bson:"logins,omitempty"`
	Imported   bool            `bson:"imported,omitempty"`
	First      *session.First  `bson:"first_session,omitempty"` // session.FirstField; package session's

	view *user.User // what the rest of the program sees; set by shape
}

// encode writes a record as the driver would, without its reflection.
func (r *record) encode() bson.Raw {
	size := 320 + len(r.Data)
	for i := range r.Identities {
		size += 128 + 2*len(r.Identities[i].ID) + len(r.Identities[i].Data)
	}
	start, doc := bsoncore.AppendDocumentStart(make([]byte, 0, size))
	doc = bsoncore.AppendObjectIDElement(doc, "_id", r.ID)
	doc = bsoncore.AppendObjectIDElement(doc, "app", r.App)
	doc = bsoncore.AppendStringElement(doc, "type", string(r.Type))
	doc = bsoncore.AppendDateTimeElement(doc, "created", r.Created.UnixMilli())
	if r.LastLogin != nil {
		doc = bsoncore.AppendDateTimeElement(doc, "last_login", r.LastLogin.UnixMilli())
	}
	if r.Disabled {
		doc = bsoncore.AppendBooleanElement(doc, "disabled", true)
	}
	if len(r.Data) > 0 {
		doc = bsoncore.AppendDocumentElement(doc, "data", bsoncore.Document(r.Data))
	}
	list, doc := bsoncore.AppendArrayElementStart(doc, "identities")
	for i := range r.Identities {
		id := &r.Identities[i]
		var one int32
		one, doc = bsoncore.AppendDocumentElementStart(doc, strconv.Itoa(i))
		doc = bsoncore.AppendStringElement(doc, "id", id.ID)
		doc = bsoncore.AppendStringElement(doc, "provider_type", id.ProviderType)
		doc = bsoncore.AppendStringElement(doc, "provider_id", id.ProviderID)
		if len(id.Data) > 0 {
			doc = bsoncore.AppendDocumentElement(doc, "data", bsoncore.Document(id.Data))
		}
		doc, _ = bsoncore.AppendDocumentEnd(doc, one)
	}
	doc, _ = bsoncore.AppendArrayEnd(doc, list)
	if len(r.Logins) > 0 {
		list, doc = bsoncore.AppendArrayElementStart(doc, "logins")
		for i, key := range r.Logins {
			doc = bsoncore.AppendStringElement(doc, strconv.Itoa(i), key)
		}
		doc, _ = bsoncore.AppendArrayEnd(doc, list)
	}
	if r.Imported {
		doc = bsoncore.AppendBooleanElement(doc, "imported", true)
	}
	if r.First != nil {
		doc = r.First.Append(doc)
	}
	doc, _ = bsoncore.AppendDocumentEnd(doc, start)
	return bson.Raw(doc)
}

func loginKey(provider, id string) string { return provider + ":" + id }

// shape computes the user that the rest of the program sees.
func (r *record) shape() *record {
	r.view = &user.User{ID: r.ID.Hex(), Type: r.Type, Data: union(r.Data, r.Identities), Identities: r.Identities}
	return r
}

// union merges metadata. What came first stays: an identity that is linked later
// cannot change the e-mail address or name that an account already has.
func union(base bson.Raw, identities []user.Identity) bson.Raw {
	var out bson.D
	seen := map[string]bool{}
	add := func(doc bson.Raw) {
		elems, err := doc.Elements()
		if err != nil {
			return
		}
		for _, e := range elems {
			if k := e.Key(); !seen[k] {
				seen[k] = true
				out = append(out, bson.E{Key: k, Value: e.Value()})
			}
		}
	}
	for _, id := range identities {
		// The name of a user's API key says nothing of the user.
		if len(id.Data) > 0 && (id.ProviderType != user.APIKey || len(identities) == 1) {
			add(id.Data)
		}
	}
	if len(base) > 0 {
		add(base)
	}
	if len(out) == 0 {
		return emptyDocument
	}
	raw, err := bson.Marshal(out)
	if err != nil {
		return emptyDocument
	}
	return raw
}

var emptyDocument = bson.Raw{5, 0, 0, 0, 0}

var errNoUser = errors.New("no such user")

// readUser loads a user for the cache.
func (s *Service) readUser(ctx context.Context, id bson.ObjectID) (*record, error) {
	return s.findUser(ctx, bson.D{{Key: "_id", Value: id}, {Key: "app", Value: s.Domain}})
}

func (s *Service) userByLogin(ctx context.Context, provider, id string) (*record, error) {
	return s.findUser(ctx, bson.D{{Key: "app", Value: s.Domain}, {Key: "logins", Value: loginKey(provider, id)}})
}

func (s *Service) findUser(ctx context.Context, filter bson.D) (*record, error) {
	var r record
	err := s.store.users.FindOne(ctx, filter).Decode(&r)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, errNoUser
	}
	if err != nil {
		return nil, fmt.Errorf("reading a user: %w", err)
	}
	return r.shape(), nil
}

// derivedID is an id that every process computes alike.
func derivedID(app bson.ObjectID, of string) bson.ObjectID {
	sum := sha256.Sum256(append(append([]byte{}, app[:]...), of...))
	return bson.ObjectID(sum[:12])
}

// keyedLock serialises, within this process, work on the same key.
type keyedLock struct {
	mu   sync.Mutex
	held map[string]*heldLock
}

type heldLock struct {
	ch   chan struct{}
	uses int
}

func (k *keyedLock) lock(ctx context.Context, key string) (unlock func(), err error) {
	k.mu.Lock()
	if k.held == nil {
		k.held = map[string]*heldLock{}
	}
	h := k.held[key]
	if h == nil {
		h = &heldLock{ch: make(chan struct{}, 1)}
		k.held[key] = h
	}
	h.uses++
	k.mu.Unlock()
	done := func() {
		k.mu.Lock()
		if h.uses--; h.uses == 0 {
			delete(k.held, key)
		}
		k.mu.Unlock()
	}
	select {
	case h.ch <- struct{}{}:
		return func() { <-h.ch; done() }, nil
	case <-ctx.Done():
		done()
		return nil, ctx.Err()
	}
}
