package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/internal/caller"
	"regent/internal/fault"
	"regent/internal/user"
)

// orNone reads a limit: 0 stands for none.
func orNone(limit int) int {
	if limit <= 0 {
		return math.MaxInt
	}
	return limit
}

// count names what is counted.
type count string

const (
	countAccountAddress count = "login-account-address"
	countAddress        count = "login-address"
	countAccount        count = "login-account"
	countRegistrations  count = "register"
	countMails          count = "mail"
	countResets         count = "reset"
	countTokens         count = "token"
)

// throttle counts in __regent.throttle:
//
//	{_id: "<domain>|<what>|<hash of whom>|<number of the window>", n, expires}
//
// The count of the last Window is estimated from the present window and the
// part of the previous one that it still covers.
type throttle struct {
	coll   *mongo.Collection
	domain bson.ObjectID
	now    func() time.Time

	mu      sync.Mutex
	flights map[string]*flight // by key
}

// flight are the attempts on one key in this process. Those that are being made
// count as failures until they are known to be none, or many at once would all
// pass.
type flight struct {
	users   int           // attempts that hold on to this flight, waiting ones included
	n       int           // attempts being made
	counted int           // attempts that ended and were counted: counts read before that are out of date
	changed chan struct{} // closed when one ends
}

func newThrottle(coll *mongo.Collection, domain bson.ObjectID, now func() time.Time) *throttle {
	return &throttle{coll: coll, domain: domain, now: now, flights: map[string]*flight{}}
}

func (t *throttle) key(what count, whom string) string {
	sum := sha256.Sum256([]byte(whom))
	return t.domain.Hex() + "|" + string(what) + "|" + hex.EncodeToString(sum[:12])
}

// read estimates the counts of keys over the last window.
func (t *throttle) read(ctx context.Context, window time.Duration, keys ...string) ([]float64, error) {
	now := t.now()
	number := now.UnixNano() / int64(window)
	past := 1 - float64(now.UnixNano()%int64(window))/float64(window)
	ids := make(bson.A, 0, 2*len(keys))
	for _, k := range keys {
		ids = append(ids, windowID(k, number), windowID(k, number-1))
	}
	cursor, err := t.coll.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}})
	if err != nil {
		return nil, fmt.Errorf("reading throttle counts: %w", err)
	}
	var docs []struct {
		ID string `bson:"_id"`
		N  int64  `bson:"n"`
	}
	if err := cursor.All(ctx, &docs); err != nil {
		return nil, fmt.Errorf("reading throttle counts: %w", err)
	}
	counts := make([]float64, len(keys))
	for _, d := range docs {
		for i, k := range keys {
			switch d.ID {
			case windowID(k, number):
				counts[i] += float64(d.N)
			case windowID(k, number-1):
				counts[i] += past * float64(d.N)
			}
		}
	}
	return counts, nil
}

func windowID(key string, number int64) string { return fmt.Sprintf("%s|%d", key, number) }

// add counts one more for each key.
func (t *throttle) add(ctx context.Context, window time.Duration, keys ...string) error {
	now := t.now()
	number := now.UnixNano() / int64(window)
	for _, k := range keys {
		var err error
		for range 3 {
			_, err = t.coll.UpdateOne(ctx, bson.D{{Key: "_id", Value: windowID(k, number)}}, bson.D{
				{Key: "$inc", Value: bson.D{{Key: "n", Value: int64(1)}}},
				{Key: "$setOnInsert", Value: bson.D{{Key: "expires", Value: now.Add(2 * window)}}},
			}, options.UpdateOne().SetUpsert(true))
			if !mongo.IsDuplicateKeyError(err) { // two first ones at once
				break
			}
		}
		if err != nil {
			return fmt.Errorf("counting for the throttle: %w", err)
		}
	}
	return nil
}

// errOverLimit says that the counted attempts alone reach a limit.
var errOverLimit = errors.New("too many attempts")

// admit lets an attempt be made when, for each of the limits, the counts over
// the last window and the attempts being made in this process stay below it. It
// waits while only attempts being made stand in the way. Keys beyond the limits
// are counted only. The caller ends the attempt and says whether it counts.
func (t *throttle) admit(ctx context.Context, window time.Duration, keys []string, limits []int) (counts []float64, end func(counts bool) error, err error) {
	flights := t.enter(keys[:len(limits)])
	defer func() {
		if err != nil {
			t.leave(keys, flights)
		}
	}()
	for {
		seen := t.counted(flights)
		if counts, err = t.read(ctx, window, keys...); err != nil {
			return nil, nil, err
		}
		for i, limit := range limits {
			if counts[i] >= float64(limit) {
				return nil, nil, errOverLimit
			}
		}
		for outdated := false; !outdated; {
			var changed <-chan struct{}
			if changed, outdated = t.take(flights, counts, limits, seen); outdated {
				continue
			}
			if changed == nil {
				return counts, func(counts bool) error {
					var err error
					if counts {
						err = t.add(context.WithoutCancel(ctx), window, keys...)
					}
					t.release(flights, counts)
					t.leave(keys, flights)
					return err
				}, nil
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return nil, nil, ctx.Err()
			}
		}
	}
}

// enter holds on to the flights of keys.
func (t *throttle) enter(keys []string) []*flight {
	t.mu.Lock()
	defer t.mu.Unlock()
	flights := make([]*flight, len(keys))
	for i, key := range keys {
		f := t.flights[key]
		if f == nil {
			f = &flight{changed: make(chan struct{})}
			t.flights[key] = f
		}
		f.users++
		flights[i] = f
	}
	return flights
}

func (t *throttle) leave(keys []string, flights []*flight) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, f := range flights {
		if f.users--; f.users == 0 {
			delete(t.flights, keys[i])
		}
	}
}

func (t *throttle) counted(flights []*flight) []int {
	t.mu.Lock()
	defer t.mu.Unlock()
	counted := make([]int, len(flights))
	for i, f := range flights {
		counted[i] = f.counted
	}
	return counted
}

// take makes the attempt one that is being made. When others stand in the way
// it returns what is closed as soon as one of them ends, and when an attempt was
// counted since counts were read it says that they are outdated.
func (t *throttle) take(flights []*flight, counts []float64, limits, seen []int) (changed <-chan struct{}, outdated bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, f := range flights {
		if f.counted != seen[i] {
			return nil, true
		}
		if float64(f.n)+counts[i] >= float64(limits[i]) {
			changed = f.changed
		}
	}
	if changed == nil {
		for _, f := range flights {
			f.n++
		}
	}
	return changed, false
}

func (t *throttle) release(flights []*flight, counted bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range flights {
		f.n--
		if counted {
			f.counted++
		}
		close(f.changed)
		f.changed = make(chan struct{})
	}
}

func (s *Service) errTooMany() *fault.Error {
	f := fault.New(fault.None, "too many attempts, try again later").WithStatus(429)
	f.RetryAfter = s.settings.ThrottleWindow
	return f
}

// throttleLogin admits an attempt to log in. The returned function ends it: a
// refusal of the credentials counts.
func (s *Service) throttleLogin(ctx context.Context, providerName string, a *attempt) (func(error), error) {
	from := address(a.request)
	if from == "" || providerName == user.AnonUser {
		return func(error) {}, nil // inside this process, or nothing to guess
	}
	t, l := s.throttle, &s.settings
	keys := []string{t.key(countAddress, from)}
	limits := []int{orNone(l.ThrottleFailedLoginsPerAddress)}
	if providerName == user.LocalUserpass {
		if email := optionalText(a.body, "username"); email != "" {
			keys = append(keys, t.key(countAccountAddress, from+"\x00"+email), t.key(countAccount, email))
			limits = append(limits, orNone(l.ThrottleFailedLoginsPerAccount))
		}
	}
	counts, end, err := t.admit(ctx, l.ThrottleWindow, keys, limits)
	if errors.Is(err, errOverLimit) {
		return nil, s.errTooMany()
	}
	if err != nil {
		return nil, err
	}
	if len(counts) == 3 {
		// Failures of an account as a whole never lock its owner out.
		if over := counts[2] - float64(orNone(l.ThrottleAccountSlowdownAfter)); over > 0 {
			wait := min(time.Duration(over)*100*time.Millisecond, l.ThrottleAccountSlowdownMax)
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return nil, errors.Join(ctx.Err(), end(false))
			}
		}
	}
	return func(result error) {
		var f *fault.Error
		if err := end(errors.As(result, &f) && f.Status == 401); err != nil {
			s.Logger.Error("a failed log-in was not counted", "error", err)
		}
	}, nil
}

// throttleCall counts a registration, mail, reset or token and refuses it above
// the limits.
func (s *Service) throttleCall(ctx context.Context, what count, account string, request *caller.Request) error {
	from := address(request)
	if from == "" {
		return nil
	}
	t, l := s.throttle, &s.settings
	perAddress := map[count]int{countRegistrations: l.ThrottleRegistrationsPerAddress, countMails: l.ThrottleMailsPerAddress,
		countResets: l.ThrottleResetsPerAddress, countTokens: l.ThrottleResetsPerAddress}[what]
	keys, limits := []string{t.key(what, "address "+from)}, []int{orNone(perAddress)}
	if account != "" {
		keys, limits = append(keys, t.key(what, "account "+account)), append(limits, orNone(l.ThrottleMailsPerAccount))
	}
	_, end, err := t.admit(ctx, l.ThrottleWindow, keys, limits)
	if errors.Is(err, errOverLimit) {
		return s.errTooMany()
	}
	if err != nil {
		return err
	}
	return end(true)
}
