package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// How many commands insert new users at once, and how many users one may carry.
// With few a user waits longer for its turn, with many they share less: four keep
// the disk busy while it is slow, and carry several users each while it is fast.
const (
	arrivalWriters = 4
	arrivalBatch   = 64
	arrivalLimit   = 30 * time.Second
)

// arrivals inserts new users. Those that arrive while the writers are busy go
// into the database together, by one command and one commit; one that arrives
// alone is written at once.
type arrivals struct {
	users   *mongo.Collection
	waiting chan *arrival
	closing context.Context
}

type arrival struct {
	user *record
	done chan error // has room for the one answer
}

// run writes until the context that arrivals was made with ends.
func (a *arrivals) run() {
	for {
		select {
		case <-a.closing.Done():
			return
		case first := <-a.waiting:
			a.write(a.batch(first))
		}
	}
}

func (a *arrivals) batch(first *arrival) []*arrival {
	batch := []*arrival{first}
	for len(batch) < arrivalBatch {
		select {
		case next := <-a.waiting:
			batch = append(batch, next)
		default:
			return batch
		}
	}
	return batch
}

func (a *arrivals) write(batch []*arrival) {
	// Not under closing: what has begun is finished and answered.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.closing), arrivalLimit)
	defer cancel()
	var err error
	if len(batch) == 1 {
		_, err = a.users.InsertOne(ctx, batch[0].user)
	} else {
		// In the order of their ids: the database need not look up one that lies above all that it has.
		slices.SortFunc(batch, func(a, b *arrival) int { return bytes.Compare(a.user.ID[:], b.user.ID[:]) })
		users := make([]*record, len(batch))
		for i, w := range batch {
			users[i] = w.user
		}
		_, err = a.users.InsertMany(ctx, users, options.InsertMany().SetOrdered(false))
	}
	var each mongo.BulkWriteException
	if errors.As(err, &each) && each.WriteConcernError == nil {
		for _, e := range each.WriteErrors {
			batch[e.Index].done <- e
			batch[e.Index] = nil
		}
		err = nil
	}
	for _, w := range batch {
		if w != nil {
			w.done <- err
		}
	}
}

// insert returns when the user is durable. When ctx ends earlier, the user may
// exist or not.
func (a *arrivals) insert(ctx context.Context, r *record) error {
	w := &arrival{user: r, done: make(chan error, 1)}
	select {
	case a.waiting <- w:
	case <-ctx.Done():
		return ctx.Err()
	case <-a.closing.Done():
		// The app's next version is served already; a log-in that began with this one still ends well.
		_, err := a.users.InsertOne(ctx, r)
		w.done <- err
	}
	select {
	case err := <-w.done:
		if err != nil {
			return fmt.Errorf("creating a user: %w", err)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
