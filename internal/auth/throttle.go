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

	mu       sync.Mutex
	inFlight map[string]*flight
}

// flight are attempts that are being checked in this process: they count as
// failures until they are known to be none, or many at once would all pass.
type flight struct {
	n       int
	changed chan struct{} // closed when one ends
}

func newThrottle(coll *mongo.Collection, domain bson.ObjectID, now func() time.Time) *throttle {
	return &throttle{coll: coll, domain: domain, now: now, inFlight: map[string]*flight{}}
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

// errReadAgain says that an attempt ended while reserve waited: the counts that
// it was given are out of date.
var errReadAgain = errors.New("read the counts again")

// reserve lets an attempt on key be checked, given the failures counted so far.
// It reports false when these alone reach the limit. When only attempts in
// flight stand in the way it waits for one to end and returns errReadAgain.
func (t *throttle) reserve(ctx context.Context, key string, failures float64, limit int) (bool, error) {
	if failures >= float64(limit) {
		return false, nil
	}
	t.mu.Lock()
	f := t.inFlight[key]
	if f == nil {
		f = &flight{changed: make(chan struct{})}
		t.inFlight[key] = f
	}
	if float64(f.n)+failures < float64(limit) {
		f.n++
		t.mu.Unlock()
		return true, nil
	}
	changed := f.changed
	t.mu.Unlock()
	select {
	case <-changed:
		return false, errReadAgain
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

func (t *throttle) release(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.inFlight[key]
	if f.n--; f.n == 0 {
		delete(t.inFlight, key)
	}
	close(f.changed)
	f.changed = make(chan struct{})
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
	for {
		counts, err := t.read(ctx, l.ThrottleWindow, keys...)
		if err != nil {
			return nil, err
		}
		var held []string
		free := func() {
			for _, k := range held {
				t.release(k)
			}
		}
		for i := range limits {
			ok, err := t.reserve(ctx, keys[i], counts[i], limits[i])
			if err == nil && ok {
				held = append(held, keys[i])
				continue
			}
			free()
			held = nil
			if errors.Is(err, errReadAgain) {
				break
			}
			if err != nil {
				return nil, err
			}
			return nil, s.errTooMany()
		}
		if held == nil {
			continue
		}
		if len(counts) == 3 {
			// Failures of an account as a whole never lock its owner out.
			if over := counts[2] - float64(orNone(l.ThrottleAccountSlowdownAfter)); over > 0 {
				wait := min(time.Duration(over)*100*time.Millisecond, l.ThrottleAccountSlowdownMax)
				select {
				case <-time.After(wait):
				case <-ctx.Done():
					free()
					return nil, ctx.Err()
				}
			}
		}
		return func(result error) {
			defer free()
			var f *fault.Error
			if !errors.As(result, &f) || f.Status != 401 {
				return
			}
			if err := t.add(context.WithoutCancel(ctx), l.ThrottleWindow, keys...); err != nil {
				s.Logger.Error("a failed log-in was not counted", "error", err)
			}
		}, nil
	}
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
	counts, err := t.read(ctx, l.ThrottleWindow, keys...)
	if err != nil {
		return err
	}
	for i, n := range counts {
		if n >= float64(limits[i]) {
			return s.errTooMany()
		}
	}
	return t.add(ctx, l.ThrottleWindow, keys...)
}
