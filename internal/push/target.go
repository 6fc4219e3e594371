package push

import (
	"regexp"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/fault"
)

// Bounds of a target.
const (
	maxTargetUsers  = 10_000
	maxTargetTokens = 1000
	maxTopicBytes   = 900
)

// Target says who gets a message. Exactly one way is set.
type Target struct {
	UserIDs   []string `bson:"user_ids,omitempty"`
	Tokens    []string `bson:"tokens,omitempty"`
	Topic     string   `bson:"topic,omitempty"`
	Condition string   `bson:"condition,omitempty"` // of topics, FCM only
	All       bool     `bson:"all,omitempty"`       // every device of the service
}

var topicName = regexp.MustCompile(`^[a-zA-Z0-9\-_.~%]+$`)

// read takes one option when it belongs to the target.
func (t *Target) read(name string, v bson.RawValue) (bool, error) {
	var err error
	switch name {
	case "userids":
		t.UserIDs, err = texts("userIds", v)
	case "userid":
		var id string
		id, err = text("userId", v)
		t.UserIDs = []string{id}
	case "registrationtokens", "registrationids":
		t.Tokens, err = texts("registrationTokens", v)
	case "to":
		var to string
		if to, err = text("to", v); err != nil {
			return true, err
		}
		if topic, ok := strings.CutPrefix(to, "/topics/"); ok {
			t.Topic = topic
		} else {
			t.Tokens = []string{to}
		}
	case "topic":
		var topic string
		topic, err = text("topic", v)
		t.Topic = strings.TrimPrefix(topic, "/topics/")
	case "condition":
		t.Condition, err = text("condition", v)
	case "all", "broadcast":
		t.All, err = flag("all", v)
	default:
		return false, nil
	}
	return true, err
}

// check says whether the target is one way, within its bounds.
func (t *Target) check() error {
	ways := 0
	for _, set := range []bool{len(t.UserIDs) > 0, len(t.Tokens) > 0, t.Topic != "", t.Condition != "", t.All} {
		if set {
			ways++
		}
	}
	switch {
	case ways == 0:
		return fault.New(fault.MissingParameter, "a push message needs an addressee: one of userIds, to, registrationTokens, topic, condition, all")
	case ways > 1:
		return fault.New(fault.InvalidParameter, "a push message has one addressee: one of userIds, to, registrationTokens, topic, condition, all")
	case len(t.UserIDs) > maxTargetUsers:
		return fault.New(fault.InvalidParameter, "userIds has %d ids, at most %d are allowed; use a topic or all", len(t.UserIDs), maxTargetUsers)
	case len(t.Tokens) > maxTargetTokens:
		return fault.New(fault.InvalidParameter, "registrationTokens has %d tokens, at most %d are allowed", len(t.Tokens), maxTargetTokens)
	case t.Topic != "":
		return checkTopic(t.Topic)
	case len(t.Condition) > maxTopicBytes:
		return fault.New(fault.InvalidParameter, "condition has %d bytes, at most %d are allowed", len(t.Condition), maxTopicBytes)
	}
	for _, token := range t.Tokens {
		if _, err := kindOf(token); err != nil {
			return err
		}
	}
	return nil
}

func checkTopic(topic string) error {
	if len(topic) > maxTopicBytes || !topicName.MatchString(topic) {
		return fault.New(fault.InvalidParameter, "a topic has letters, digits and -_.~%% only, at most %d", maxTopicBytes)
	}
	return nil
}
