package push

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// DeviceInfo is a registration as operators see it.
type DeviceInfo struct {
	Service, User, Device, Kind, To string
	Topics                          []string
	Created, Updated                time.Time
}

// Devices hands registrations to each, in the order of their first
// registration; service and user "" mean all.
func (s *Service) Devices(ctx context.Context, service, user string, limit int64, each func(DeviceInfo) error) error {
	filter := s.of(service)
	if user != "" {
		filter = append(filter, bson.E{Key: "user", Value: user})
	}
	return all(ctx, s.store.registrations, filter, options.Find().SetSort(ascending("_id")).SetLimit(limit), func(r registration) error {
		return each(DeviceInfo{
			Service: r.Service, User: r.User, Device: r.Device, Kind: r.Kind, To: shown(r.Kind, address{token: r.Token}),
			Topics: r.Topics, Created: r.Created, Updated: r.Updated,
		})
	})
}

// FailureInfo is a message that did not reach a device.
type FailureInfo struct {
	Service, Message, User, Device, Kind, To, Code, Detail string
	Attempts                                               int
	Time                                                   time.Time
}

// Failures hands the newest failures to each, the newest first.
func (s *Service) Failures(ctx context.Context, service string, since time.Time, limit int64, each func(FailureInfo) error) error {
	filter := s.of(service)
	if !since.IsZero() {
		filter = append(filter, bson.E{Key: "time", Value: bson.D{{Key: "$gte", Value: since}}})
	}
	return all(ctx, s.store.failures, filter, options.Find().SetSort(bson.D{{Key: "time", Value: -1}}).SetLimit(limit), func(f failure) error {
		return each(FailureInfo{
			Service: f.Service, Message: f.Job, User: f.User, Device: f.Device, Kind: f.Kind, To: f.To, Code: f.Code, Detail: f.Detail,
			Attempts: f.Attempts, Time: f.Time,
		})
	})
}

// Progress is how far a message is.
type Progress struct {
	Complete                    bool // all devices are known
	Waiting, Sent, Gone, Failed int64
}

// Done says whether nothing remains to be done.
func (p Progress) Done() bool { return p.Complete && p.Waiting == 0 }

// Progress counts a message's deliveries, as long as they are kept. Errors:
// mongo.ErrNoDocuments for a message that there is not.
func (s *Service) Progress(ctx context.Context, id string) (Progress, error) {
	var j job
	if err := s.store.jobs.FindOne(ctx, bson.D{{Key: "_id", Value: id}, {Key: "app", Value: s.domain}}).Decode(&j); err != nil {
		return Progress{}, err
	}
	p := Progress{Complete: j.Due == nil}
	cursor, err := s.store.deliveries.Aggregate(ctx, mongo.Pipeline{
		{{Key: "$match", Value: bson.D{{Key: "job", Value: id}}}},
		{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$state"}, {Key: "n", Value: bson.D{{Key: "$sum", Value: 1}}}}}},
	})
	if err != nil {
		return p, err
	}
	var groups []struct {
		State *string `bson:"_id"`
		N     int64   `bson:"n"`
	}
	if err := cursor.All(ctx, &groups); err != nil {
		return p, err
	}
	for _, g := range groups {
		switch {
		case g.State == nil:
			p.Waiting = g.N
		case *g.State == stateSent:
			p.Sent = g.N
		case *g.State == stateGone:
			p.Gone = g.N
		case *g.State == stateFailed:
			p.Failed = g.N
		}
	}
	return p, nil
}

// Queue is what waits in a push service's queue.
type Queue struct {
	Service    string
	Messages   int64 // whose devices are not all known
	Deliveries int64 // of messages to single devices
}

// Queues counts what waits for each service, in the order of their names.
func (s *Service) Queues(ctx context.Context) ([]Queue, error) {
	var queues []Queue
	for _, name := range s.Names() {
		q := Queue{Service: name}
		for _, c := range []struct {
			coll *mongo.Collection
			n    *int64
		}{{s.store.jobs, &q.Messages}, {s.store.deliveries, &q.Deliveries}} {
			n, err := c.coll.CountDocuments(ctx, append(s.of(name), bson.E{Key: "due", Value: bson.D{{Key: "$gt", Value: time.Time{}}}}))
			if err != nil {
				return nil, err
			}
			*c.n = n
		}
		queues = append(queues, q)
	}
	return queues, nil
}

// PublicKey is the key that a page gives as applicationServerKey. Errors:
// ServiceNotFound.
func (s *Service) PublicKey(service string) (string, error) {
	c := s.channel(service)
	if c == nil {
		return "", noService(service)
	}
	return c.web.key.public, nil
}

func (s *Service) of(service string) bson.D {
	f := bson.D{{Key: "app", Value: s.domain}}
	if service != "" {
		f = append(f, bson.E{Key: "service", Value: service})
	}
	return f
}

func all[T any](ctx context.Context, c *mongo.Collection, filter bson.D, o *options.FindOptionsBuilder, each func(T) error) error {
	cursor, err := c.Find(ctx, filter, o)
	if err != nil {
		return err
	}
	defer cursor.Close(ctx)
	for cursor.Next(ctx) {
		var v T
		if err := cursor.Decode(&v); err != nil {
			return err
		}
		if err := each(v); err != nil {
			return err
		}
	}
	return cursor.Err()
}
