package auth_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"regent/internal/auth"
	"regent/internal/auth/password"
	"regent/internal/fault"

	"crypto/rand"
)

// A script tries passwords from one address, in parallel and against two
// processes; it gets a handful of tries, and the owner logs in from elsewhere.
func TestGuessing(t *testing.T) {
	w := newWorld(t, everything())
	services := []*auth.Service{w.Service, w.another()}
	w.register("ann@example.com", "secret1")
	var mu sync.Mutex
	tried, stopped := 0, 0
	var wg sync.WaitGroup
	for g := range 40 {
		wg.Go(func() {
			for i := range 50 {
				_, err := services[g%2].Login(t.Context(), "local-userpass", doc(userpass("ann@example.com", fmt.Sprintf("guess%d-%d", g, i))), from("192.0.2.1"))
				var f *fault.Error
				if !errors.As(err, &f) {
					t.Errorf("got %v", err)
					return
				}
				mu.Lock()
				switch f.Status {
				case 401:
					tried++
				case 429:
					stopped++
					if f.RetryAfter <= 0 {
						t.Error("no Retry-After")
					}
				default:
					t.Errorf("status %d", f.Status)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	// Each process may have some in flight when the other's are counted.
	if tried > 20 {
		t.Errorf("%d passwords were tried", tried)
	}
	// Even the right password gets nothing from there.
	_, err := w.Login(t.Context(), "local-userpass", doc(userpass("ann@example.com", "secret1")), from("192.0.2.1"))
	refused(t, err, 429, fault.None, "")
	if _, err := w.Login(t.Context(), "local-userpass", doc(userpass("ann@example.com", "secret1")), from("192.0.2.2")); err != nil {
		t.Errorf("the owner cannot log in from elsewhere: %v", err)
	}
	w.clock.advance(11 * time.Minute)
	if _, err := w.Login(t.Context(), "local-userpass", doc(userpass("ann@example.com", "secret1")), from("192.0.2.1")); err != nil {
		t.Errorf("after the window: %v", err)
	}
}

// Failures from everywhere slow an account's log-ins down, and lock nobody out.
func TestSlowdown(t *testing.T) {
	w := newWorld(t, everything(), func(c *auth.Config) {
		c.App.Settings.ThrottleAccountSlowdownAfter = 5
		c.App.Settings.ThrottleAccountSlowdownMax = 150 * time.Millisecond
	})
	w.register("ann@example.com", "secret1")
	for i := range 12 {
		_, err := w.Login(t.Context(), "local-userpass", doc(userpass("ann@example.com", "wrong!!")), from(fmt.Sprintf("192.0.2.%d", i)))
		refused(t, err, 401, fault.InvalidPassword, "")
	}
	start := time.Now()
	if _, err := w.Login(t.Context(), "local-userpass", doc(userpass("ann@example.com", "secret1")), from("198.51.100.1")); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took < 150*time.Millisecond || took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

// Ten failures of one account from one address, as it is by default; what comes
// in between does not count anew.
func TestTenTries(t *testing.T) {
	w := newWorld(t, everything())
	w.register("ann@example.com", "secret1")
	w.register("bob@example.com", "secret1")
	tried := 0
	for i := range 30 {
		_, err := w.Login(t.Context(), "local-userpass", doc(userpass("ann@example.com", fmt.Sprintf("guess%d", i))), from("192.0.2.1"))
		if code, _ := fault.CodeOf(err); code != fault.InvalidPassword {
			refused(t, err, 429, fault.None, "")
			continue
		}
		tried++
		// The guesser's own log-ins buy no further tries.
		if _, err := w.Login(t.Context(), "local-userpass", doc(userpass("bob@example.com", "secret1")), from("192.0.2.1")); err != nil {
			t.Fatal(err)
		}
	}
	if tried != 10 {
		t.Errorf("%d passwords were tried", tried)
	}
}

// One password against many accounts meets the limit of the address.
func TestSpraying(t *testing.T) {
	w := newWorld(t, everything())
	tried := 0
	for i := range 150 {
		_, err := w.Login(t.Context(), "local-userpass", doc(userpass(fmt.Sprintf("u%d@example.com", i), "password1")), from("192.0.2.9"))
		var f *fault.Error
		if errors.As(err, &f) && f.Status == 401 {
			tried++
		}
	}
	if tried != 100 {
		t.Errorf("%d accounts were tried", tried)
	}
}

// Successes never count, however many.
func TestSuccessesNeverCount(t *testing.T) {
	w := newWorld(t, everything())
	w.register("ann@example.com", "secret1")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 25 {
				if _, err := w.Login(t.Context(), "local-userpass", doc(userpass("ann@example.com", "secret1")), from("192.0.2.1")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestThrottledCalls(t *testing.T) {
	w := mailWorld(t, "mail")
	w.have("done@x.org")
	sent := 0
	for range 20 {
		err := w.Userpass(t.Context(), "reset/send", conf("email", "done@x.org"), from("192.0.2.1"))
		if err == nil {
			sent++
			continue
		}
		refused(t, err, 429, fault.None, "")
	}
	if want := w.app.Settings.ThrottleMailsPerAccount; sent != want {
		t.Errorf("%d mails, want %d", sent, want)
	}
	registered := 0
	for i := range 310 {
		if w.Userpass(t.Context(), "register", conf("email", fmt.Sprintf("r%d@x.org", i), "password", "secret1"), from("192.0.2.1")) == nil {
			registered++
		}
	}
	if registered != 300 {
		t.Errorf("%d registrations", registered)
	}
}

// Calls side by side get no more through than one after the other.
func TestThrottledCallsAtOnce(t *testing.T) {
	w := mailWorld(t, "mail")
	w.have("done@x.org")
	var sent atomic.Int32
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			if w.Userpass(t.Context(), "reset/send", conf("email", "done@x.org"), from("192.0.2.1")) == nil {
				sent.Add(1)
			}
		})
	}
	wg.Wait()
	if want := int32(w.app.Settings.ThrottleMailsPerAccount); sent.Load() != want {
		t.Errorf("%d mails, want %d", sent.Load(), want)
	}
}

// Attack 25: an unknown account costs what a known one costs. Asked with real
// hashes, since these are what takes time.
func TestEqualTime(t *testing.T) {
	hasher, err := password.New(password.Params{Memory: 8 * 1024, Time: 1, Threads: 1}, 2, 100, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, everything(), func(c *auth.Config) { c.Passwords = hasher })
	w.register("ann@example.com", "secret1")
	// Taken in turns, and the quickest of each: other work on the machine slows
	// single ones down.
	least := map[string]time.Duration{}
	for range 20 {
		for _, email := range []string{"ann@example.com", "nobody@example.com"} {
			start := time.Now()
			w.Login(t.Context(), "local-userpass", doc(userpass(email, "wrong!!")), nil)
			if took := time.Since(start); least[email] == 0 || took < least[email] {
				least[email] = took
			}
		}
	}
	known, unknown := least["ann@example.com"], least["nobody@example.com"]
	if unknown < known/2 || known < unknown/2 {
		t.Errorf("known %v, unknown %v", known, unknown)
	}
}
