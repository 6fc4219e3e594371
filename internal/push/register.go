package push

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/internal/fault"
)

// Bounds of registrations.
const (
	maxTokenBytes     = 4096 // of a token or a subscription
	maxDevicesPerUser = 100  // of a service; the ones that were not renewed for longest go first
)

// Device is where a registration comes from.
type Device struct {
	UserID    string
	SessionID string
	DeviceID  string // zero ObjectID or empty: the client named none
}

// key is the device's name in registrations. A client without a device id has
// its session for one.
func (d Device) key() string {
	if strings.Trim(d.DeviceID, "0") == "" {
		return "session:" + d.SessionID
	}
	return d.DeviceID
}

// Register lets messages to the user reach a device (client-api.md §1.20). The
// token is FCM's, or a browser's PushSubscription as JSON. It replaces the
// device's earlier one, and moves here when it was another user's. Errors:
// ServiceNotFound, InvalidParameter.
func (s *Service) Register(ctx context.Context, service string, d Device, token string) error {
	if s.channel(service) == nil {
		return noService(service)
	}
	kind, err := kindOf(token)
	if err != nil {
		return err
	}
	hash, now := hashOf(token), s.now()
	mine := bson.D{{Key: "app", Value: s.domain}, {Key: "service", Value: service}, {Key: "user", Value: d.UserID}, {Key: "device", Value: d.key()}}
	// Two registrations of one token, or of one device, may meet: the loser
	// sees a duplicate key and tries again on what the winner left.
	for range registerTries {
		_, err = s.store.registrations.DeleteMany(ctx, bson.D{
			{Key: "app", Value: s.domain}, {Key: "service", Value: service}, {Key: "hash", Value: hash},
			{Key: "$nor", Value: bson.A{bson.D{{Key: "user", Value: d.UserID}, {Key: "device", Value: d.key()}}}},
		})
		if err != nil {
			return fmt.Errorf("moving a push token: %w", err)
		}
		_, err = s.store.registrations.UpdateOne(ctx, mine, bson.D{
			{Key: "$set", Value: bson.D{
				{Key: "session", Value: d.SessionID}, {Key: "kind", Value: kind}, {Key: "token", Value: token},
				{Key: "hash", Value: hash}, {Key: "updated", Value: now},
			}},
			{Key: "$setOnInsert", Value: bson.D{{Key: "_id", Value: bson.NewObjectIDFromTimestamp(now)}, {Key: "created", Value: now}}},
		}, options.UpdateOne().SetUpsert(true))
		if !mongo.IsDuplicateKeyError(err) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("keeping a push registration: %w", err)
	}
	return s.dropOldest(ctx, service, d.UserID)
}

// registerTries bounds the tries of a registration that meets others.
const registerTries = 8

// dropOldest keeps maxDevicesPerUser: a client may invent devices.
func (s *Service) dropOldest(ctx context.Context, service, user string) error {
	mine := bson.D{{Key: "app", Value: s.domain}, {Key: "service", Value: service}, {Key: "user", Value: user}}
	n, err := s.store.registrations.CountDocuments(ctx, mine)
	if err != nil || n <= maxDevicesPerUser {
		return err
	}
	cursor, err := s.store.registrations.Find(ctx, mine, options.Find().SetSort(ascending("updated")).SetLimit(n-maxDevicesPerUser).SetProjection(ascending("_id")))
	if err != nil {
		return err
	}
	var old []struct {
		ID bson.ObjectID `bson:"_id"`
	}
	if err := cursor.All(ctx, &old); err != nil {
		return err
	}
	ids := make(bson.A, len(old))
	for i := range old {
		ids[i] = old[i].ID
	}
	_, err = s.store.registrations.DeleteMany(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}})
	return err
}

// Deregister ends a device's registration; it succeeds when there was none.
// Errors: ServiceNotFound.
func (s *Service) Deregister(ctx context.Context, service string, d Device) error {
	if s.channel(service) == nil {
		return noService(service)
	}
	_, err := s.store.registrations.DeleteOne(ctx, bson.D{
		{Key: "app", Value: s.domain}, {Key: "service", Value: service}, {Key: "user", Value: d.UserID}, {Key: "device", Value: d.key()},
	})
	if err != nil {
		return fmt.Errorf("ending a push registration: %w", err)
	}
	return nil
}

// SessionEnded removes what an ended session had registered. Deliveries look at
// the session themselves: this only tidies early.
func (s *Service) SessionEnded(ctx context.Context, sessionID string) error {
	_, err := s.store.registrations.DeleteMany(ctx, bson.D{{Key: "session", Value: sessionID}})
	return err
}

// noService has the exact text of client-api.md §1.20.
func noService(name string) error {
	return fault.New(fault.ServiceNotFound, "service not found: '%s'", name)
}

// kindOf tells a browser's subscription from an FCM token and checks either.
func kindOf(token string) (string, error) {
	switch {
	case token == "":
		return "", fault.New(fault.InvalidParameter, "registrationToken must not be empty")
	case len(token) > maxTokenBytes:
		return "", fault.New(fault.InvalidParameter, "registrationToken has %d bytes, at most %d are allowed", len(token), maxTokenBytes)
	case strings.HasPrefix(strings.TrimSpace(token), "{"):
		if _, err := parseSubscription(token); err != nil {
			return "", fault.New(fault.InvalidParameter, "registrationToken is no PushSubscription: %s", err)
		}
		return kindWebPush, nil
	}
	for _, c := range []byte(token) {
		if c <= ' ' || c >= 0x7f {
			return "", fault.New(fault.InvalidParameter, "registrationToken has a character that no FCM token has")
		}
	}
	return kindFCM, nil
}

// isGone reports whether an error of Sessions says that the session ended.
func isGone(err error) bool {
	var f *fault.Error
	return errors.As(err, &f) && f.Code == fault.InvalidSession
}
