package push

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/internal/fault"
)

// TopicChange says what a change of subscriptions did.
type TopicChange struct {
	Devices int               // that were changed
	Failed  map[string]string // the provider's error by shortened token
}

// Subscribe adds devices to a topic, or takes them out of it: raw has topic, and
// userIds or registrationTokens. Firebase keeps phones' subscriptions, Regent
// the browsers'. At most maxTopicBatch devices. Errors: ServiceNotFound,
// InvalidParameter, MissingParameter, GCMError.
func (s *Service) Subscribe(ctx context.Context, service string, raw bson.Raw, subscribe bool) (TopicChange, error) {
	c := s.channel(service)
	if c == nil {
		return TopicChange{}, noService(service)
	}
	var t Target
	d := &draft{}
	if err := d.read(raw, nil, "", t.read); err != nil {
		return TopicChange{}, err
	}
	topic := t.Topic
	t.Topic = ""
	if topic == "" {
		return TopicChange{}, fault.New(fault.MissingParameter, "a change of subscriptions needs a topic")
	}
	if err := checkTopic(topic); err != nil {
		return TopicChange{}, err
	}
	if err := t.check(); err != nil {
		return TopicChange{}, err
	}
	filter := bson.D{{Key: "app", Value: s.domain}, {Key: "service", Value: service}}
	switch {
	case len(t.UserIDs) > 0:
		filter = append(filter, bson.E{Key: "user", Value: bson.D{{Key: "$in", Value: t.UserIDs}}})
	case len(t.Tokens) > 0:
		hashes := make(bson.A, len(t.Tokens))
		for i, token := range t.Tokens {
			hashes[i] = hashOf(token)
		}
		filter = append(filter, bson.E{Key: "hash", Value: bson.D{{Key: "$in", Value: hashes}}})
	default:
		return TopicChange{}, fault.New(fault.InvalidParameter, "subscriptions change for userIds or registrationTokens")
	}
	return c.subscribe(ctx, topic, filter, subscribe)
}

func (c *channel) subscribe(ctx context.Context, topic string, filter bson.D, subscribe bool) (TopicChange, error) {
	cursor, err := c.s.store.registrations.Find(ctx, filter, options.Find().SetLimit(maxTopicBatch+1))
	if err != nil {
		return TopicChange{}, err
	}
	var devices []registration
	if err := cursor.All(ctx, &devices); err != nil {
		return TopicChange{}, err
	}
	if len(devices) > maxTopicBatch {
		return TopicChange{}, fault.New(fault.InvalidParameter, "these are more than %d devices: name fewer users at once", maxTopicBatch)
	}
	var tokens []string
	ids := bson.A{}
	out := TopicChange{Failed: map[string]string{}}
	for i := range devices {
		if devices[i].Kind == kindFCM {
			tokens = append(tokens, devices[i].Token)
		}
	}
	failed := map[string]string{}
	if len(tokens) > 0 {
		if c.fcm == nil {
			return TopicChange{}, c.fcmProblem
		}
		if failed, err = c.fcm.manageTopic(ctx, topic, tokens, subscribe); err != nil {
			return TopicChange{}, err
		}
	}
	for i := range devices {
		if reason, bad := failed[devices[i].Token]; bad {
			out.Failed[cut(devices[i].Token, 12)] = reason
			continue
		}
		ids = append(ids, devices[i].ID)
	}
	operator := "$pull"
	if subscribe {
		operator = "$addToSet"
	}
	_, err = c.s.store.registrations.UpdateMany(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}},
		bson.D{{Key: operator, Value: bson.D{{Key: "topics", Value: topic}}}})
	if err != nil {
		return TopicChange{}, fmt.Errorf("keeping a subscription: %w", err)
	}
	out.Devices = len(ids)
	return out, nil
}
