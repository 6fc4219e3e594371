package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/internal/session/live"
)

// FirstField is the field of a user's document in __regent.users that holds the
// session which was opened by creating the user. Both are one document, so that
// one write makes both durable or neither. Such a session has the user's id for
// an id, and its identity is the user's first.
const FirstField = "first_session"

// First is a session inside its user's document.
type First struct {
	Device     bson.ObjectID `bson:"device"`
	DeviceInfo *DeviceInfo   `bson:"device_info,omitempty"`
	Created    time.Time     `bson:"created"`
	Used       time.Time     `bson:"used"`
	Address    string        `bson:"address"`
	Expires    *time.Time    `bson:"expires,omitempty"`
}

// Append appends f as FirstField of a user's document, as the driver would encode it.
func (f *First) Append(doc []byte) []byte {
	i, doc := bsoncore.AppendDocumentElementStart(doc, FirstField)
	doc = bsoncore.AppendObjectIDElement(doc, "device", f.Device)
	if f.DeviceInfo != nil {
		var j int32
		j, doc = bsoncore.AppendDocumentElementStart(doc, "device_info")
		for k := range deviceFields {
			if text := *deviceFields[k].Of(f.DeviceInfo); text != "" {
				doc = bsoncore.AppendStringElement(doc, deviceFields[k].Stored, text)
			}
		}
		doc, _ = bsoncore.AppendDocumentEnd(doc, j)
	}
	doc = bsoncore.AppendDateTimeElement(doc, "created", f.Created.UnixMilli())
	doc = bsoncore.AppendDateTimeElement(doc, "used", f.Used.UnixMilli())
	doc = bsoncore.AppendStringElement(doc, "address", f.Address)
	if f.Expires != nil {
		doc = bsoncore.AppendDateTimeElement(doc, "expires", f.Expires.UnixMilli())
	}
	doc, _ = bsoncore.AppendDocumentEnd(doc, i)
	return doc
}

// firstOwner is what of a user's document a First is completed by.
type firstOwner struct {
	ID         bson.ObjectID `bson:"_id"`
	App        bson.ObjectID `bson:"app"`
	Identities []Identity    `bson:"identities"`
	First      *First        `bson:"first_session"`
}

// Opening is a session that is not stored yet.
type Opening struct {
	service      *Service
	keys         *keyRing
	stored       *Stored
	userData     bson.Raw
	accessTTL    time.Duration
	refreshUntil time.Time
}

// Sign makes the session's tokens, which may be done while it is being stored.
func (o *Opening) Sign() (Tokens, error) {
	refresh, err := o.keys.sign(func(w claimWriter) claimWriter { return refreshClaims(w, o.stored, o.stored.Created, o.refreshUntil) })
	if err != nil {
		return Tokens{}, err
	}
	access, err := o.service.access(o.keys, o.stored, o.userData, o.accessTTL)
	return Tokens{SessionID: o.stored.ID, Access: access, Refresh: refresh}, err
}

// First is what the new user's document has to hold in FirstField.
func (o *Opening) First() *First {
	st := o.stored
	return &First{Device: st.Device, DeviceInfo: st.DeviceInfo, Created: st.Created, Used: st.Used, Address: st.Address, Expires: st.Expires}
}

// OpenFirst describes the session of a user that is about to be created. It
// exists once the caller has inserted the user with Opening.First; Opened is to be
// called then.
func (s *Service) OpenFirst(ctx context.Context, n New) (*Opening, error) {
	o, err := s.open(ctx, n.User, n)
	if err == nil {
		o.stored.first = true
	}
	return o, err
}

// Opened notes that the user of an Opening was inserted.
func (s *Service) Opened(o *Opening) { s.known.Put(o.stored.ID, o.stored.kept()) }

func hasFirst(user bson.ObjectID) bson.D {
	return bson.D{{Key: "_id", Value: user}, {Key: FirstField, Value: bson.D{{Key: "$exists", Value: true}}}}
}

// findFirst reads the session that was opened by creating a user.
func (s *Service) findFirst(ctx context.Context, id bson.ObjectID) (*Stored, error) {
	var u firstOwner
	err := s.users.FindOne(ctx, hasFirst(id), options.FindOne().SetProjection(bson.D{
		{Key: "app", Value: 1}, {Key: "identities", Value: 1}, {Key: FirstField, Value: 1},
	})).Decode(&u)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, errNoSession
	}
	if err != nil {
		return nil, fmt.Errorf("reading a user's first session: %w", err)
	}
	if u.First == nil || len(u.Identities) == 0 {
		return nil, errNoSession
	}
	f := u.First
	return &Stored{
		ID: u.ID, App: u.App, User: u.ID, Identity: u.Identities[0], Device: f.Device, DeviceInfo: f.DeviceInfo,
		Created: f.Created, Used: f.Used, Address: f.Address, Expires: f.Expires, first: true,
	}, nil
}

// endFirst ends the session that was opened by creating a user and reports
// whether it was there.
func (s *Service) endFirst(ctx context.Context, app, user bson.ObjectID) (bool, error) {
	res, err := s.users.UpdateOne(ctx, append(hasFirst(user), bson.E{Key: "app", Value: app}),
		bson.D{{Key: "$unset", Value: bson.D{{Key: FirstField, Value: ""}}}})
	s.known.Evict(user)
	if err != nil {
		return false, fmt.Errorf("ending a user's first session: %w", err)
	}
	return res.ModifiedCount == 1, nil
}

// endedFirst says whether a change of a user's document ended the session in it.
func endedFirst(c live.Change) bool {
	return c.Operation == "delete" || c.Operation == "replace" || c.Removed(FirstField)
}

// Ended calls f with the id of every session that ends, whichever process ended
// it; f must not block. It is a courtesy and no promise: sessions that end while
// the change stream is down are not named. The returned function ends it.
func (s *Service) Ended(f func(id bson.ObjectID)) (cancel func()) {
	tell := func(c live.Change) {
		if id, ok := c.ID.ObjectIDOK(); ok {
			f(id)
		}
	}
	sessions := s.watcher.Subscribe(&live.Subscriber{
		Collection: sessionsCollection,
		Changed: func(c live.Change) {
			if c.Operation == "delete" {
				tell(c)
			}
		},
		Reset: func() {},
	})
	users := s.watcher.Subscribe(&live.Subscriber{
		Collection: usersCollection,
		Changed: func(c live.Change) {
			if endedFirst(c) {
				tell(c)
			}
		},
		Reset: func() {},
	})
	return func() { sessions(); users() }
}
