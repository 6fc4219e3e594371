package auth

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/bulk"
)

const (
	arrivalBatch = 256 // users that one command may carry
	arrivalLimit = 30 * time.Second
)

// arrivals inserts new users. Those that arrive while the writer is busy go into
// the database together, by one command and one commit; one that arrives alone is
// written at once. There is one writer: with more, each command carries less, and
// what that costs is more than what a commit waits for the disk.
type arrivals struct {
	users   *bulk.Inserter
	waiting chan *arrival
	closing context.Context
}

type arrival struct {
	id   bson.ObjectID
	user bson.Raw
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
	// In the order of their ids: the database need not look up one that lies above all that it has.
	slices.SortFunc(batch, func(a, b *arrival) int { return bytes.Compare(a.id[:], b.id[:]) })
	users := make([]bson.Raw, len(batch))
	for i, w := range batch {
		users[i] = w.user
	}
	refused, err := a.users.Insert(ctx, users)
	for _, e := range refused {
		batch[e.Index].done <- e
		batch[e.Index] = nil
	}
	for _, w := range batch {
		if w != nil {
			w.done <- err
		}
	}
}

// insert sends a user on its way into the database.
func (a *arrivals) insert(ctx context.Context, r *record) *arrival {
	w := &arrival{id: r.ID, user: r.encode(), done: make(chan error, 1)}
	select {
	case a.waiting <- w:
	case <-ctx.Done():
		w.done <- ctx.Err()
	case <-a.closing.Done():
		// The app's next version is served already; a log-in that began with this one still ends well.
		a.write([]*arrival{w})
	}
	return w
}

// durable returns when the user is. When ctx ends earlier, the user may exist or
// not.
func (w *arrival) durable(ctx context.Context) error {
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
