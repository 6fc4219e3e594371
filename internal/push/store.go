package push

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Collections of __regent.
const (
	registrationsCollection = "push_registrations"
	jobsCollection          = "push_jobs"
	deliveriesCollection    = "push_deliveries"
	failuresCollection      = "push_failures"
	keysCollection          = "push_keys"
)

// The kinds of address, each served by its own provider.
const (
	kindFCM     = "fcm"
	kindWebPush = "webpush"
)

// registration is a device that wants messages, as it lies in
// __regent.push_registrations. Unique are {app, service, user, device}, and
// {app, service, hash}: a token belongs to one registration.
//
// The user is part of the key because clients choose their device ids: nobody
// can take the place of somebody else's device by naming it.
type registration struct {
	ID      bson.ObjectID `bson:"_id"`
	App     bson.ObjectID `bson:"app"`
	Service string        `bson:"service"`
	User    string        `bson:"user"`
	Device  string        `bson:"device"`
	Session string        `bson:"session"`
	Kind    string        `bson:"kind"`
	Token   string        `bson:"token"` // FCM registration token, or a subscription as JSON
	Hash    bson.Binary   `bson:"hash"`  // of Token
	Topics  []string      `bson:"topics,omitempty"`
	Created time.Time     `bson:"created"`
	Updated time.Time     `bson:"updated"`
}

// job is a message on its way to its devices, as it lies in __regent.push_jobs.
// While due is there, its fan-out is not complete; due is then the time from
// which a process may take it.
type job struct {
	ID      string        `bson:"_id"` // 24 hex; of an idempotency key: from its hash
	App     bson.ObjectID `bson:"app"`
	Service string        `bson:"service"`
	Key     string        `bson:"key,omitempty"` // idempotency key
	Digest  bson.Binary   `bson:"digest"`        // of target and message, to recognise a reused key
	Target  Target        `bson:"target"`
	Message Message       `bson:"message"`
	Created time.Time     `bson:"created"`
	Expires time.Time     `bson:"expires"` // of the message: undelivered after this, it is given up
	Purge   time.Time     `bson:"purge"`
	Due     *time.Time    `bson:"due,omitempty"`
	Owner   string        `bson:"owner,omitempty"`
	Cursor  bson.ObjectID `bson:"cursor"`  // the last registration that was fanned out to
	Next    int           `bson:"next"`    // the next of Target.UserIDs or Target.Tokens
	Devices int64         `bson:"devices"` // deliveries made so far
}

// delivery is one message for one device. Its id is the job's followed by the
// registration's, so that a fan-out that is done twice makes it once:
//
//	Binary: 12 bytes job, 12 bytes registration (or the start of a token's hash)
//
// While due is there it waits or is leased until then; afterwards state says
// how it ended. It stays until purge, for the same reason.
type delivery struct {
	ID           bson.Binary   `bson:"_id"`
	App          bson.ObjectID `bson:"app"`
	Service      string        `bson:"service"`
	Job          string        `bson:"job"`
	Registration bson.ObjectID `bson:"registration,omitempty"` // zero: Kind and To say where
	Kind         string        `bson:"kind,omitempty"`
	To           string        `bson:"to,omitempty"`
	Due          *time.Time    `bson:"due,omitempty"`
	Owner        string        `bson:"owner,omitempty"`
	Attempts     int           `bson:"attempts"`
	State        string        `bson:"state,omitempty"`
	Code         string        `bson:"code,omitempty"` // of the last failed try
	Purge        *time.Time    `bson:"purge,omitempty"`
}

// failure is a message that did not reach a device, as it lies in
// __regent.push_failures for a month.
type failure struct {
	ID       bson.Binary   `bson:"_id"` // of the delivery
	App      bson.ObjectID `bson:"app"`
	Service  string        `bson:"service"`
	Job      string        `bson:"job"`
	User     string        `bson:"user,omitempty"`
	Device   string        `bson:"device,omitempty"`
	To       string        `bson:"to"` // a shortened token, the push service's host, or a topic
	Kind     string        `bson:"kind"`
	Code     string        `bson:"code"`
	Detail   string        `bson:"detail"`
	Attempts int           `bson:"attempts"`
	Time     time.Time     `bson:"time"`
}

// How a delivery ended.
const (
	stateSent   = "sent"
	stateGone   = "gone"   // the device or its session is no more
	stateFailed = "failed" // there is a failure with the reason
)

// How long things are kept after they ended.
const (
	deliveryRetention = 24 * time.Hour
	jobRetention      = 24 * time.Hour // after the message's expiry
	failureRetention  = 30 * 24 * time.Hour
)

type store struct {
	registrations, jobs, deliveries, failures, keys *mongo.Collection
}

func newStore(db *mongo.Database) store {
	return store{
		registrations: db.Collection(registrationsCollection), jobs: db.Collection(jobsCollection),
		deliveries: db.Collection(deliveriesCollection), failures: db.Collection(failuresCollection),
		keys: db.Collection(keysCollection),
	}
}

func (st *store) ensureIndexes(ctx context.Context) error {
	unique := func(keys ...string) mongo.IndexModel {
		return mongo.IndexModel{Keys: ascending(keys...), Options: options.Index().SetUnique(true)}
	}
	expiring := func(key string, after time.Duration) mongo.IndexModel {
		return mongo.IndexModel{Keys: ascending(key), Options: options.Index().SetExpireAfterSeconds(int32(after / time.Second))}
	}
	for _, c := range []struct {
		coll    *mongo.Collection
		indexes []mongo.IndexModel
	}{
		{st.registrations, []mongo.IndexModel{
			unique("app", "service", "user", "device"), unique("app", "service", "hash"),
			{Keys: ascending("app", "service", "_id")}, {Keys: ascending("app", "service", "topics", "_id")}, {Keys: ascending("session")},
		}},
		{st.jobs, []mongo.IndexModel{{Keys: ascending("app", "service", "due")}, expiring("purge", 0)}},
		{st.deliveries, []mongo.IndexModel{{Keys: ascending("app", "service", "due")}, {Keys: ascending("job", "state")}, expiring("purge", 0)}},
		{st.failures, []mongo.IndexModel{{Keys: ascending("app", "service", "time")}, expiring("time", failureRetention)}},
	} {
		if _, err := c.coll.Indexes().CreateMany(ctx, c.indexes); err != nil {
			return fmt.Errorf("indexes of %s: %w", c.coll.Name(), err)
		}
	}
	return nil
}

func ascending(names ...string) bson.D {
	d := make(bson.D, len(names))
	for i, n := range names {
		d[i] = bson.E{Key: n, Value: 1}
	}
	return d
}

// hashOf identifies a token in indexes, whatever its length.
func hashOf(token string) bson.Binary {
	sum := sha256.Sum256([]byte(token))
	return bson.Binary{Data: sum[:]}
}

// deliveryID is described at delivery.
func deliveryID(jobID string, to [12]byte) bson.Binary {
	id, _ := bson.ObjectIDFromHex(jobID)
	return bson.Binary{Data: append(id[:], to[:]...)}
}
