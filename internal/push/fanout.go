package push

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Bounds of one step of a fan-out, which bound its memory.
const (
	fanOutDevices = 500
	fanOutUsers   = 50
)

// fanOut turns jobs into deliveries until ctx ends.
func (c *channel) fanOut(ctx context.Context) {
	for ctx.Err() == nil {
		j, err := c.takeJob(ctx)
		if err == nil && j != nil {
			err = c.fanOutJob(ctx, j)
		}
		if err != nil && ctx.Err() == nil {
			c.s.log.Error("push messages wait: the queue can't be read", "service", c.name, "error", err)
		}
		if j == nil || err != nil {
			c.idle(ctx, c.fanWake, c.s.config.Poll)
		}
	}
}

// takeJob leases a job whose fan-out is not complete; nil: there is none.
func (c *channel) takeJob(ctx context.Context) (*job, error) {
	now := c.s.now()
	var j job
	err := c.s.store.jobs.FindOneAndUpdate(ctx,
		bson.D{{Key: "app", Value: c.s.domain}, {Key: "service", Value: c.name}, {Key: "due", Value: bson.D{{Key: "$lte", Value: now}}}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "due", Value: now.Add(c.s.config.Lease)}, {Key: "owner", Value: bson.NewObjectID().Hex()}}}},
		options.FindOneAndUpdate().SetSort(ascending("due")).SetReturnDocument(options.After)).Decode(&j)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, nil
	}
	return &j, err
}

// fanOutJob makes the deliveries of a job, step by step. Each step's deliveries
// are in the database before the job's cursor moves: a process that takes over
// repeats at most one step, whose deliveries have the same ids.
func (c *channel) fanOutJob(ctx context.Context, j *job) error {
	for {
		list, done, err := c.step(ctx, j)
		if err != nil {
			return fmt.Errorf("finding the devices of a push message: %w", err)
		}
		made, err := c.insert(ctx, list)
		if err != nil {
			return fmt.Errorf("queueing a push message for its devices: %w", err)
		}
		j.Devices += made
		set := bson.D{{Key: "cursor", Value: j.Cursor}, {Key: "next", Value: j.Next}, {Key: "devices", Value: j.Devices}}
		update := bson.D{{Key: "$set", Value: append(set, bson.E{Key: "due", Value: c.s.now().Add(c.s.config.Lease)})}}
		if done {
			update = bson.D{{Key: "$set", Value: set}, {Key: "$unset", Value: bson.D{{Key: "due", Value: ""}, {Key: "owner", Value: ""}}}}
		}
		res, err := c.s.store.jobs.UpdateOne(ctx, bson.D{{Key: "_id", Value: j.ID}, {Key: "owner", Value: j.Owner}}, update)
		if err != nil {
			return err
		}
		notify(c.wake)
		if res.MatchedCount == 0 {
			return nil // the lease ran out and another process goes on
		}
		if done {
			c.s.config.Record(Event{Time: c.s.now(), Service: c.name, Job: j.ID, Text: fmt.Sprintf("message queued for %d devices or topics", j.Devices)})
			return nil
		}
	}
}

// step lists the next deliveries of a job and moves its cursor in memory.
func (c *channel) step(ctx context.Context, j *job) (list []delivery, done bool, err error) {
	t := &j.Target
	switch {
	case t.Condition != "":
		return []delivery{c.direct(j, kindFCM, "condition:"+t.Condition)}, true, nil
	case len(t.Tokens) > 0:
		return c.stepTokens(ctx, j)
	case len(t.UserIDs) > 0:
		until := min(j.Next+fanOutUsers, len(t.UserIDs))
		users := t.UserIDs[j.Next:until]
		j.Next = until
		list, err = c.registered(ctx, j, bson.D{{Key: "user", Value: bson.D{{Key: "$in", Value: users}}}}, 0)
		return list, until == len(t.UserIDs), err
	}
	filter := bson.D{}
	if t.Topic != "" {
		// FCM knows its topics' devices; those of browsers are in the registrations.
		if j.Cursor.IsZero() && c.fcm != nil {
			list = append(list, c.direct(j, kindFCM, "topic:"+t.Topic))
		}
		filter = bson.D{{Key: "topics", Value: t.Topic}, {Key: "kind", Value: kindWebPush}}
	}
	filter = append(filter, bson.E{Key: "_id", Value: bson.D{{Key: "$gt", Value: j.Cursor}}}, bson.E{Key: "created", Value: bson.D{{Key: "$lte", Value: j.Created}}})
	found, err := c.registered(ctx, j, filter, fanOutDevices)
	if len(found) > 0 {
		j.Cursor = found[len(found)-1].Registration
	}
	return append(list, found...), len(found) < fanOutDevices, err
}

// registered lists deliveries for the registrations that match, in the order of
// their ids; limit 0: all.
func (c *channel) registered(ctx context.Context, j *job, filter bson.D, limit int64) ([]delivery, error) {
	filter = append(bson.D{{Key: "app", Value: c.s.domain}, {Key: "service", Value: c.name}}, filter...)
	cursor, err := c.s.store.registrations.Find(ctx, filter, options.Find().SetSort(ascending("_id")).SetLimit(limit).SetProjection(ascending("_id")))
	if err != nil {
		return nil, err
	}
	defer cursor.Close(ctx)
	var list []delivery
	for cursor.Next(ctx) {
		id, ok := cursor.Current.Lookup("_id").ObjectIDOK()
		if !ok {
			continue
		}
		d := c.newDelivery(j)
		d.ID, d.Registration = deliveryID(j.ID, id), id
		list = append(list, d)
	}
	return list, cursor.Err()
}

// stepTokens delivers to tokens: through their registration where there is one,
// so that its end is noticed, else directly.
func (c *channel) stepTokens(ctx context.Context, j *job) ([]delivery, bool, error) {
	until := min(j.Next+fanOutDevices, len(j.Target.Tokens))
	tokens := j.Target.Tokens[j.Next:until]
	hashes := make(bson.A, len(tokens))
	for i, t := range tokens {
		hashes[i] = hashOf(t)
	}
	cursor, err := c.s.store.registrations.Find(ctx, bson.D{
		{Key: "app", Value: c.s.domain}, {Key: "service", Value: c.name}, {Key: "hash", Value: bson.D{{Key: "$in", Value: hashes}}},
	})
	if err != nil {
		return nil, false, err
	}
	var known []registration
	if err := cursor.All(ctx, &known); err != nil {
		return nil, false, err
	}
	byToken := map[string]bson.ObjectID{}
	for _, r := range known {
		byToken[r.Token] = r.ID
	}
	var list []delivery
	for _, t := range tokens {
		if id, ok := byToken[t]; ok {
			d := c.newDelivery(j)
			d.ID, d.Registration = deliveryID(j.ID, id), id
			list = append(list, d)
			continue
		}
		kind, err := kindOf(t)
		if err != nil {
			continue // Send has refused it
		}
		list = append(list, c.direct(j, kind, "token:"+t))
	}
	j.Next = until
	return list, until == len(j.Target.Tokens), nil
}

func (c *channel) newDelivery(j *job) delivery {
	due := c.s.now()
	return delivery{App: c.s.domain, Service: c.name, Job: j.ID, Due: &due}
}

// direct is a delivery that needs no registration.
func (c *channel) direct(j *job, kind, to string) delivery {
	d := c.newDelivery(j)
	hash := hashOf(to)
	d.ID, d.Kind, d.To = deliveryID(j.ID, [12]byte(hash.Data[:12])), kind, to
	return d
}

// insert adds deliveries and returns how many there were not before.
func (c *channel) insert(ctx context.Context, list []delivery) (int64, error) {
	if len(list) == 0 {
		return 0, nil
	}
	docs := make([]any, len(list))
	for i := range list {
		docs[i] = &list[i]
	}
	res, err := c.s.store.deliveries.InsertMany(ctx, docs, options.InsertMany().SetOrdered(false))
	var bulk mongo.BulkWriteException
	if errors.As(err, &bulk) && bulk.WriteConcernError == nil {
		for _, e := range bulk.WriteErrors {
			if !mongo.IsDuplicateKeyError(e) {
				return 0, err
			}
		}
		return int64(len(list) - len(bulk.WriteErrors)), nil
	}
	if err != nil {
		return 0, err
	}
	return int64(len(res.InsertedIDs)), nil
}

// leaseEnd is when a lease that was taken at t must not be relied on any more:
// one try must fit before it ends.
func (c *channel) leaseEnd(t time.Time) time.Time {
	return t.Add(c.s.config.Lease - sendTimeout - 5*time.Second)
}
