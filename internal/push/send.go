package push

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/internal/fault"
)

// maxKeyBytes bounds an idempotency key.
const maxKeyBytes = 256

// Receipt says what became of a Send.
type Receipt struct {
	ID        string // of the message, 24 hex
	Duplicate bool   // its idempotency key had been used for it: nothing new was queued
}

// Send takes a message with its addressee, as functions write it
// (app-services.md §14), and queues it: when it returns, the message will be
// sent even if this process dies. by is the sending user's id, "" for the
// system. Errors: ServiceNotFound, InvalidParameter, MissingParameter, GCMError
// when the service has no credentials.
func (s *Service) Send(ctx context.Context, service, by string, raw bson.Raw) (Receipt, error) {
	started := s.now()
	receipt, err := s.send(ctx, service, raw, started)
	e := Event{Time: started, Service: service, Job: receipt.ID, UserID: by, Text: "message queued"}
	if receipt.Duplicate {
		e.Text = "message was queued before, its idempotency key says"
	}
	if err != nil {
		e.Text, e.Error = "message refused", err.Error()
		code, _ := fault.CodeOf(err)
		e.Code = string(code)
	}
	s.config.Record(e)
	return receipt, err
}

func (s *Service) send(ctx context.Context, service string, raw bson.Raw, now time.Time) (Receipt, error) {
	c := s.channel(service)
	if c == nil {
		return Receipt{}, noService(service)
	}
	var (
		target Target
		key    string
	)
	message, err := parseMessage(raw, func(name string, v bson.RawValue) (bool, error) {
		if name != "idempotencykey" {
			return target.read(name, v)
		}
		k, err := text("idempotencyKey", v)
		if err == nil && (k == "" || len(k) > maxKeyBytes) {
			err = fault.New(fault.InvalidParameter, "idempotencyKey must have from 1 to %d bytes", maxKeyBytes)
		}
		key = k
		return true, err
	})
	if err == nil {
		err = target.check()
	}
	if err != nil {
		return Receipt{}, err
	}
	if c.fcm == nil && (!c.webOnly || target.Condition != "") {
		return Receipt{}, c.fcmProblem
	}
	digest, err := digestOf(target, message)
	if err != nil {
		return Receipt{}, err
	}
	j := job{
		ID: bson.NewObjectIDFromTimestamp(now).Hex(), App: s.domain, Service: service, Key: key, Digest: digest, Target: target, Message: message,
		Created: now, Expires: message.expires(now), Due: &now,
	}
	if key != "" {
		sum := sha256.Sum256([]byte(strings.Join([]string{s.domain.Hex(), service, key}, "\x00")))
		j.ID = hex.EncodeToString(sum[:12])
	}
	j.Purge = j.Expires.Add(jobRetention)
	_, err = s.store.jobs.InsertOne(ctx, j)
	switch {
	case key != "" && mongo.IsDuplicateKeyError(err):
		return s.again(ctx, &j)
	case err != nil:
		return Receipt{}, fmt.Errorf("queueing a push message: %w", err)
	}
	notify(c.fanWake)
	return Receipt{ID: j.ID}, nil
}

// again answers a Send whose idempotency key was used before.
func (s *Service) again(ctx context.Context, j *job) (Receipt, error) {
	var before job
	if err := s.store.jobs.FindOne(ctx, bson.D{{Key: "_id", Value: j.ID}}).Decode(&before); err != nil {
		return Receipt{}, fmt.Errorf("reading the message of an idempotency key: %w", err)
	}
	if !bytes.Equal(before.Digest.Data, j.Digest.Data) {
		return Receipt{}, fault.New(fault.InvalidParameter, "idempotencyKey was used for another message")
	}
	return Receipt{ID: j.ID, Duplicate: true}, nil
}

func digestOf(t Target, m Message) (bson.Binary, error) {
	h := sha256.New()
	for _, v := range []any{t, m} {
		raw, err := bson.Marshal(v)
		if err != nil {
			return bson.Binary{}, err
		}
		h.Write(raw)
	}
	return bson.Binary{Data: h.Sum(nil)}, nil
}
