package push

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Bounds of notes. What a killed process has sent without a note of it, its
// successor sends again: at most the requests under way, noteResults that wait
// and noteResults being written.
const (
	noteResults = 64
	noteTries   = 3
	noteTimeout = 10 * time.Second
)

// notes writes what became of a claim's deliveries behind the senders. No result
// waits for others: a batch is what arrived while the one before was written.
type notes struct {
	c     *channel
	owner string
	in    chan result
	done  chan struct{}
	err   error // for close
}

func newNotes(c *channel, owner string) *notes {
	n := &notes{c: c, owner: owner, in: make(chan result, noteResults), done: make(chan struct{})}
	go n.run()
	return n
}

func (n *notes) add(r result) { n.in <- r }

// close waits until everything is noted. What can't be noted is sent again
// after its lease.
func (n *notes) close() error {
	close(n.in)
	<-n.done
	return n.err
}

func (n *notes) run() {
	defer close(n.done)
	for first := range n.in {
		batch := append(make([]result, 0, noteResults), first)
	fill:
		for len(batch) < noteResults {
			select {
			case r, ok := <-n.in:
				if !ok {
					break fill
				}
				batch = append(batch, r)
			default:
				break fill
			}
		}
		n.write(batch)
	}
}

// write notes a batch; it also runs while the server stops.
func (n *notes) write(batch []result) {
	var err error
	for try := range noteTries {
		ctx, cancel := context.WithTimeout(context.Background(), noteTimeout)
		err = n.c.note(ctx, n.owner, batch)
		cancel()
		if err == nil {
			n.report(batch)
			return
		}
		time.Sleep(time.Duration(try) * 200 * time.Millisecond)
	}
	n.err = errors.Join(n.err, fmt.Errorf("noting %d sent push messages: %w", len(batch), err))
}

// note is one write of results. It can be repeated.
func (c *channel) note(ctx context.Context, owner string, batch []result) error {
	now := c.s.now()
	ended := map[string]bson.A{} // state to ids
	var (
		failures []any
		models   []mongo.WriteModel
		removed  []mongo.WriteModel
		returned bson.A
	)
	for i := range batch {
		r := &batch[i]
		if r.remove && r.device != nil {
			// Only while the token is the one that was tried.
			removed = append(removed, mongo.NewDeleteOneModel().SetFilter(bson.D{
				{Key: "_id", Value: r.device.ID}, {Key: "hash", Value: r.device.Hash}, {Key: "session", Value: r.device.Session},
			}))
		}
		switch {
		case r.returned:
			returned = append(returned, r.delivery.ID)
		case r.state == "":
			models = append(models, mongo.NewUpdateOneModel().SetFilter(bson.D{{Key: "_id", Value: r.delivery.ID}, {Key: "owner", Value: owner}}).
				SetUpdate(bson.D{
					{Key: "$set", Value: bson.D{{Key: "due", Value: r.due}, {Key: "code", Value: r.outcome.code}}},
					{Key: "$unset", Value: bson.D{{Key: "owner", Value: ""}}},
				}))
		default:
			ended[r.state] = append(ended[r.state], r.delivery.ID)
			if r.state == stateFailed {
				failures = append(failures, c.failureOf(r, now))
			}
		}
	}
	mine := func(ids bson.A) bson.D {
		return bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}, {Key: "owner", Value: owner}}
	}
	// The consequences first: who sees a delivery ended finds them, and a process
	// that dies in between repeats them.
	if removed != nil {
		if _, err := c.s.store.registrations.BulkWrite(ctx, removed, options.BulkWrite().SetOrdered(false)); err != nil {
			return err
		}
	}
	if failures != nil {
		_, err := c.s.store.failures.InsertMany(ctx, failures, options.InsertMany().SetOrdered(false))
		if err != nil && !mongo.IsDuplicateKeyError(err) {
			return err
		}
	}
	for state, ids := range ended {
		_, err := c.s.store.deliveries.UpdateMany(ctx, mine(ids), bson.D{
			{Key: "$set", Value: bson.D{{Key: "state", Value: state}, {Key: "purge", Value: now.Add(deliveryRetention)}}},
			{Key: "$unset", Value: bson.D{{Key: "due", Value: ""}, {Key: "owner", Value: ""}}},
		})
		if err != nil {
			return err
		}
	}
	if returned != nil {
		_, err := c.s.store.deliveries.UpdateMany(ctx, mine(returned), bson.D{
			{Key: "$set", Value: bson.D{{Key: "due", Value: now}}}, {Key: "$unset", Value: bson.D{{Key: "owner", Value: ""}}},
			{Key: "$inc", Value: bson.D{{Key: "attempts", Value: -1}}},
		})
		if err != nil {
			return err
		}
	}
	if models != nil {
		if _, err := c.s.store.deliveries.BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false)); err != nil {
			return err
		}
	}
	return nil
}

func (c *channel) failureOf(r *result, now time.Time) failure {
	f := failure{
		ID: r.delivery.ID, App: c.s.domain, Service: c.name, Job: r.delivery.Job, Kind: r.kind, Code: r.outcome.code,
		Detail: cut(r.outcome.detail, 1000), Attempts: r.delivery.Attempts, Time: now,
	}
	a := addressOf(r.delivery, r.device)
	f.To = shown(r.kind, a)
	if r.device != nil {
		f.User, f.Device = r.device.User, r.device.Device
	}
	return f
}

// shown is an address as people may see it: a token gives the right to send to
// a device, so most of it stays out of lists.
func shown(kind string, a address) string {
	switch {
	case a.topic != "":
		return "topic " + a.topic
	case a.condition != "":
		return "condition " + a.condition
	case kind == kindWebPush:
		if s, err := parseSubscription(a.token); err == nil {
			return (&url.URL{Scheme: s.endpoint.Scheme, Host: s.endpoint.Host}).String() + "/…"
		}
		return "a subscription"
	}
	return cut(a.token, 12)
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xc0 == 0x80 {
		n-- // not inside a character
	}
	return s[:n] + "…"
}

// report tells the app's log of failures: one entry for each message and code.
func (n *notes) report(batch []result) {
	type group struct{ job, code string }
	counts := map[group]int{}
	for i := range batch {
		if r := &batch[i]; r.state == stateFailed {
			counts[group{r.delivery.Job, r.outcome.code}]++
		}
	}
	for g, count := range counts {
		text := ""
		for i := range batch {
			if r := &batch[i]; r.state == stateFailed && r.delivery.Job == g.job && r.outcome.code == g.code {
				text = r.outcome.detail
				break
			}
		}
		n.c.s.config.Record(Event{
			Time: n.c.s.now(), Service: n.c.name, Job: g.job, Code: g.code, Text: fmt.Sprintf("message not delivered to %d devices", count), Error: g.code + ": " + text,
		})
	}
}
