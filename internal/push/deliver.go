package push

import (
	"context"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/internal/fault"
)

// maxClaim bounds the deliveries that a process holds.
const maxClaim = 256

// deliver sends what is due until ctx ends.
func (c *channel) deliver(ctx context.Context) {
	messages := &messageCache{channel: c}
	for ctx.Err() == nil {
		if d := c.heldFor(); d > 0 {
			// Only the time ends a pause, not a new message.
			c.idle(ctx, nil, min(d, c.s.config.Poll))
			continue
		}
		claimed, err := c.claim(ctx)
		if err == nil && claimed != nil {
			err = c.work(ctx, claimed, messages)
		}
		if err != nil && ctx.Err() == nil {
			c.s.log.Error("push messages wait: the queue can't be read", "service", c.name, "error", err)
		}
		if claimed == nil || err != nil {
			c.idle(ctx, c.wake, c.s.config.Poll)
		}
	}
}

// claim is a batch of leased deliveries with what sending them needs.
type claim struct {
	owner      string
	until      time.Time // no try begins after this
	deliveries []delivery
	devices    map[bson.ObjectID]*registration
}

// claimSize is how many deliveries are taken at once: what the bounds on
// requests let through in a fraction of the lease.
func (c *channel) claimSize() int64 {
	return int64(min(maxClaim, 4*c.concurrency, 10*int(c.limit.Limit())))
}

// claim leases deliveries that are due: it notes ids, takes those of them that
// nobody else took in between, and reads what it got. nil: nothing is due.
func (c *channel) claim(ctx context.Context) (*claim, error) {
	now := c.s.now()
	due := bson.E{Key: "due", Value: bson.D{{Key: "$lte", Value: now}}}
	cursor, err := c.s.store.deliveries.Find(ctx, bson.D{{Key: "app", Value: c.s.domain}, {Key: "service", Value: c.name}, due},
		options.Find().SetSort(ascending("app", "service", "due")).SetLimit(c.claimSize()).SetProjection(ascending("_id")))
	if err != nil {
		return nil, err
	}
	var found []struct {
		ID bson.Binary `bson:"_id"`
	}
	if err := cursor.All(ctx, &found); err != nil || len(found) == 0 {
		return nil, err
	}
	ids := make(bson.A, len(found))
	for i := range found {
		ids[i] = found[i].ID
	}
	among := bson.E{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}
	k := &claim{owner: bson.NewObjectID().Hex(), until: c.leaseEnd(now), devices: map[bson.ObjectID]*registration{}}
	_, err = c.s.store.deliveries.UpdateMany(ctx, bson.D{among, due}, bson.D{
		{Key: "$set", Value: bson.D{{Key: "due", Value: now.Add(c.s.config.Lease)}, {Key: "owner", Value: k.owner}}},
		{Key: "$inc", Value: bson.D{{Key: "attempts", Value: 1}}},
	})
	if err != nil {
		return nil, err
	}
	if cursor, err = c.s.store.deliveries.Find(ctx, bson.D{among, {Key: "owner", Value: k.owner}}); err != nil {
		return nil, err
	}
	if err := cursor.All(ctx, &k.deliveries); err != nil {
		return nil, err
	}
	var wanted bson.A
	for i := range k.deliveries {
		if d := &k.deliveries[i]; !d.Registration.IsZero() {
			wanted = append(wanted, d.Registration)
		}
	}
	if wanted == nil {
		return k, nil
	}
	if cursor, err = c.s.store.registrations.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: wanted}}}}); err != nil {
		return nil, err
	}
	var devices []registration
	if err := cursor.All(ctx, &devices); err != nil {
		return nil, err
	}
	for i := range devices {
		k.devices[devices[i].ID] = &devices[i]
	}
	return k, nil
}

// work sends a claim's deliveries, concurrency of them at once, and notes what
// became of them.
func (c *channel) work(ctx context.Context, k *claim, messages *messageCache) error {
	jobs, err := messages.of(ctx, k.deliveries)
	if err != nil {
		return err
	}
	notes := newNotes(c, k.owner)
	var wg sync.WaitGroup
	next := make(chan *delivery)
	for range min(c.concurrency, len(k.deliveries)) {
		wg.Go(func() {
			for d := range next {
				notes.add(c.try(ctx, k, d, jobs[d.Job]))
			}
		})
	}
	for i := range k.deliveries {
		next <- &k.deliveries[i]
	}
	close(next)
	wg.Wait()
	return notes.close()
}

// result is what became of one delivery.
type result struct {
	delivery *delivery
	device   *registration // nil: none
	state    string        // "": it stays in the queue until due
	due      time.Time
	returned bool // it was not tried
	remove   bool // the registration
	outcome  outcome
	kind     string
}

// try sends one delivery.
func (c *channel) try(ctx context.Context, k *claim, d *delivery, j *job) (r result) {
	r = result{delivery: d, device: k.devices[d.Registration], kind: d.Kind}
	late := func() bool { return c.s.now().After(k.until) || ctx.Err() != nil || c.heldFor() > 0 }
	if late() || c.limit.Wait(ctx) != nil || late() {
		r.due, r.returned = c.s.now(), true
		return r
	}
	if j == nil {
		r.state, r.outcome = stateGone, outcome{code: "MESSAGE_GONE"}
		return r
	}
	if c.s.now().After(j.Expires) {
		r.state, r.outcome = stateFailed, outcome{code: "EXPIRED", detail: "its time to live ended in the queue; the last failure was " + orNone(d.Code)}
		return r
	}
	// What was begun is finished when the server stops.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
	defer cancel()
	if !d.Registration.IsZero() {
		if done := c.checkDevice(ctx, &r); done {
			return r
		}
	}
	p, err := c.provider(r.kind)
	if err != nil {
		r.state, r.outcome = stateFailed, outcome{code: "NOT_CONFIGURED", detail: err.Error()}
		return r
	}
	began := time.Now()
	r.outcome = p.Send(ctx, addressOf(d, r.device), &j.Message)
	c.judge(&r)
	c.s.config.Observe(Attempt{Service: c.name, Kind: r.kind, Result: r.name(), Took: time.Since(began)})
	return r
}

// checkDevice looks whether the device may still be sent to; true: it may not.
func (c *channel) checkDevice(ctx context.Context, r *result) bool {
	if r.device == nil {
		r.state, r.outcome = stateGone, outcome{code: "DEREGISTERED"}
		return true
	}
	r.kind = r.device.Kind
	err := c.s.config.Sessions.Alive(ctx, r.device.Session, r.device.User)
	code, _ := fault.CodeOf(err)
	switch {
	case err == nil:
		return false
	case isGone(err):
		r.state, r.remove, r.outcome = stateGone, true, outcome{code: "LOGGED_OUT"}
	case code == fault.UserDisabled:
		r.state, r.outcome = stateGone, outcome{code: "USER_DISABLED"}
	default:
		r.outcome = outcome{verdict: retry, code: "DATABASE", detail: err.Error()}
		r.due = c.s.now().Add(wait(r.delivery.Attempts, r.outcome))
	}
	return true
}

// judge turns a provider's verdict into the delivery's fate.
func (c *channel) judge(r *result) {
	o := r.outcome
	switch o.verdict {
	case sent:
		r.state = stateSent
		c.flows()
		return
	case gone:
		r.state, r.remove = stateGone, true
		if r.device == nil {
			r.state = stateFailed // there is nothing to remove: somebody must learn of it
		}
		return
	case refused:
		r.state = stateFailed
		return
	}
	d := wait(r.delivery.Attempts, o)
	if o.verdict == pause {
		c.hold(max(o.retryAfter, o.minimum, firstWait), o)
	}
	if r.delivery.Attempts >= maxAttempts {
		r.state = stateFailed
		return
	}
	r.due = c.s.now().Add(d)
}

// name is the result's name in metrics.
func (r *result) name() string {
	if r.state == "" {
		return "retry"
	}
	return r.state
}

func addressOf(d *delivery, device *registration) address {
	if device != nil {
		return address{token: device.Token}
	}
	how, to, _ := strings.Cut(d.To, ":")
	switch how {
	case "topic":
		return address{topic: to}
	case "condition":
		return address{condition: to}
	}
	return address{token: to}
}

func orNone(code string) string {
	if code == "" {
		return "none"
	}
	return code
}

// maxCachedMessages bounds the messages that a process keeps at hand.
const maxCachedMessages = 64

// messageCache keeps the messages of the jobs that are being sent. One loop
// uses it.
type messageCache struct {
	channel *channel
	jobs    map[string]*job
}

// of returns the jobs of deliveries; one that is no more is missing.
func (m *messageCache) of(ctx context.Context, list []delivery) (map[string]*job, error) {
	out := map[string]*job{}
	for i := range list {
		id := list[i].Job
		if _, ok := out[id]; ok {
			continue
		}
		if j := m.jobs[id]; j != nil {
			out[id] = j
			continue
		}
		out[id] = nil
		cursor, err := m.channel.s.store.jobs.Find(ctx, bson.D{{Key: "_id", Value: id}},
			options.Find().SetProjection(bson.D{{Key: "target", Value: 0}}))
		if err != nil {
			return nil, err
		}
		var found []job
		if err := cursor.All(ctx, &found); err != nil {
			return nil, err
		}
		if len(found) == 1 {
			if len(m.jobs) >= maxCachedMessages || m.jobs == nil {
				m.jobs = map[string]*job{}
			}
			m.jobs[id], out[id] = &found[0], &found[0]
		}
	}
	return out, nil
}
