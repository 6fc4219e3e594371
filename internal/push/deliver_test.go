package push_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"regent/internal/fault"
	"regent/internal/push"
	"regent/internal/push/pushtest"
)

// TestOutcomes goes through FCM's documented errors: what becomes of the
// message, and of the registration.
func TestOutcomes(t *testing.T) {
	for _, c := range []struct {
		name       string
		fail       pushtest.Failure
		gone, kept bool
		code       string // of the failure; "": none
	}{
		{"Unregistered", pushtest.Unregistered, true, false, ""},
		{"BadToken", pushtest.BadToken, true, false, ""},
		{"BadTokenField", pushtest.BadTokenField, true, false, ""},
		{"BadPayload", pushtest.BadPayload, false, true, "INVALID_ARGUMENT"},
		{"SenderMismatch", pushtest.SenderMismatch, false, true, "SENDER_ID_MISMATCH"},
		{"ThirdPartyAuth", pushtest.ThirdPartyAuth, false, true, "THIRD_PARTY_AUTH_ERROR"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.Start()
			w.register("gcm", "ann", 0, "bad")
			w.register("gcm", "ann", 1, "good")
			w.fcm.Fail(func(r pushtest.Received, _ int) *pushtest.Failure {
				if r.Token == "bad" {
					return &c.fail
				}
				return nil
			})
			p := w.wait(w.send(`{"userIds":["ann"],"data":{"a":1}}`).ID)
			if p.Sent != 1 || (p.Gone == 1) != c.gone || (p.Failed == 1) != (c.code != "") {
				t.Errorf("%+v", p)
			}
			if kept := slices.Contains(w.devices(), "ann bad"); kept != c.kept {
				t.Errorf("registration kept: %t", kept)
			}
			f := w.failures()
			if c.code == "" && len(f) > 0 || c.code != "" && (len(f) != 1 || f[0].Code != c.code || f[0].User != "ann" || f[0].To != "bad") {
				t.Errorf("%+v", f)
			}
		})
	}
}

// TestRetry tries again what may work later, and not before it may.
func TestRetry(t *testing.T) {
	for _, c := range []struct {
		name   string
		fail   pushtest.Failure
		before time.Duration // nothing may be tried before this
		after  time.Duration // it must be tried by then
	}{
		{"Unavailable", pushtest.Unavailable, 0, 3 * time.Second},
		{"Internal", pushtest.Internal, 0, 3 * time.Second},
		{"Gateway", pushtest.GatewayTimeout, 0, 3 * time.Second},
		{"Dropped", pushtest.Dropped, 0, 3 * time.Second},
		{"RetryAfter", pushtest.Failure{Status: 503, Code: "UNAVAILABLE", General: "UNAVAILABLE", RetryAfter: "200"}, 190 * time.Second, 310 * time.Second},
		{"Quota", pushtest.Quota, 55 * time.Second, 95 * time.Second},
		{"QuotaRetryAfter", pushtest.Failure{Status: 429, Code: "QUOTA_EXCEEDED", General: "RESOURCE_EXHAUSTED", RetryAfter: "7"}, 6 * time.Second, 12 * time.Second},
		{"NotFound", pushtest.NotFound, 55 * time.Second, 95 * time.Second},
		{"Forbidden", pushtest.Forbidden, 55 * time.Second, 95 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.Start()
			w.register("gcm", "ann", 0, "slow")
			w.fcm.Fail(func(r pushtest.Received, earlier int) *pushtest.Failure {
				if earlier == 0 {
					return &c.fail
				}
				return nil
			})
			id := w.send(`{"userIds":["ann"],"data":{"a":1}}`).ID
			w.until("the first try", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.attempts["fcm retry"] == 1 })
			if c.before > 0 {
				w.skip(c.before)
				time.Sleep(100 * time.Millisecond)
				if n := len(w.fcm.Received()); n != 0 {
					t.Fatal("tried too early")
				}
			}
			w.skip(c.after - c.before)
			if p := w.wait(id); p.Sent != 1 {
				t.Errorf("%+v", p)
			}
			w.gotTokens("slow")
		})
	}
}

// TestNotFoundHoldsUpNobody: a 404 without FCM's own code may be about the
// device alone.
func TestNotFoundHoldsUpNobody(t *testing.T) {
	w := newWorld(t)
	w.Start()
	w.register("gcm", "ann", 0, "lost")
	w.register("gcm", "bob", 0, "fine")
	w.fcm.Fail(func(r pushtest.Received, _ int) *pushtest.Failure {
		if r.Token == "lost" {
			return &pushtest.NotFound
		}
		return nil
	})
	w.send(`{"userIds":["ann"],"data":{"a":1}}`)
	w.until("the first try", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.attempts["fcm retry"] == 1 })
	if p := w.wait(w.send(`{"userIds":["bob"],"data":{"a":1}}`).ID); p.Sent != 1 {
		t.Errorf("%+v", p)
	}
	queues, err := w.Queues(t.Context())
	if err != nil || len(queues) == 0 || queues[0] != (push.Queue{Service: "gcm", Deliveries: 1}) {
		t.Errorf("%+v, %v", queues, err)
	}
}

// TestGivesUp bounds the tries.
func TestGivesUp(t *testing.T) {
	w := newWorld(t)
	w.Start()
	w.register("gcm", "ann", 0, "never")
	w.fcm.Fail(func(pushtest.Received, int) *pushtest.Failure { return &pushtest.Internal })
	id := w.send(`{"userIds":["ann"],"data":{"a":1}}`).ID
	stop := make(chan struct{})
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				w.skip(time.Minute)
			}
		}
	}()
	defer close(stop)
	if p := w.wait(id); p.Failed != 1 {
		t.Errorf("%+v", p)
	}
	if f := w.failures(); len(f) != 1 || f[0].Code != "INTERNAL" || f[0].Attempts != 13 {
		t.Errorf("%+v", f)
	}
}

// TestExpired gives up what its time to live has left behind.
func TestExpired(t *testing.T) {
	w := newWorld(t)
	w.register("gcm", "ann", 0, "late")
	id := w.send(`{"userIds":["ann"],"data":{"a":1},"timeToLive":600}`).ID
	w.skip(11 * time.Minute)
	w.Start()
	if p := w.wait(id); p.Failed != 1 {
		t.Errorf("%+v", p)
	}
	if f := w.failures(); len(f) != 1 || f[0].Code != "EXPIRED" {
		t.Errorf("%+v", f)
	}
	w.gotTokens()
}

func TestAccessTokens(t *testing.T) {
	w := newWorld(t)
	w.Start()
	w.register("gcm", "ann", 0, "a")
	w.wait(w.send(`{"userIds":["ann"],"data":{"a":1}}`).ID)
	w.fcm.ForgetTokens() // revoked: FCM answers 401, a new one is asked for at once
	w.wait(w.send(`{"userIds":["ann"],"data":{"a":2}}`).ID)
	w.gotTokens("a", "a")
	if issued, _, _ := w.fcm.Stats(); issued != 2 {
		t.Errorf("%d access tokens", issued)
	}
	// A revoked account holds the service up until it is set right.
	w.fcm.ForgetTokens()
	w.fcm.RefuseTokens("invalid_grant")
	id := w.send(`{"userIds":["ann"],"data":{"a":3}}`).ID
	w.until("the refusal", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.attempts["fcm retry"] == 1 })
	w.fcm.RefuseTokens("")
	time.Sleep(20 * time.Millisecond)
	w.Service.Close() // what is held up survives a restart
	w.skip(10 * time.Minute)
	w.Service = w.open()
	w.Start()
	if p := w.wait(id); p.Sent != 1 {
		t.Errorf("%+v", p)
	}
}

// TestEndedSessions sends nothing to who is logged out, deleted or disabled.
func TestEndedSessions(t *testing.T) {
	w := newWorld(t)
	w.Start()
	w.register("gcm", "ann", 0, "out")
	w.register("gcm", "ann", 1, "in")
	w.register("gcm", "bob", 0, "disabled")
	w.sessions.end(device("ann", 0).SessionID, fault.InvalidSession)
	w.sessions.end(device("bob", 0).SessionID, fault.UserDisabled)
	p := w.wait(w.send(`{"all":true,"data":{"a":1}}`).ID)
	if p.Sent != 1 || p.Gone != 2 {
		t.Errorf("%+v", p)
	}
	w.gotTokens("in")
	if got := w.devices(); !slices.Equal(got, []string{"ann in", "bob disabled"}) {
		t.Errorf("%q", got)
	}
}

func TestIdempotency(t *testing.T) {
	w := newWorld(t)
	w.Start()
	w.register("gcm", "ann", 0, "a")
	const text = `{"userIds":["ann"],"data":{"a":1},"idempotencyKey":"order-7"}`
	first, second := w.send(text), w.send(text)
	if first.Duplicate || !second.Duplicate || first.ID != second.ID {
		t.Errorf("%+v %+v", first, second)
	}
	w.wait(first.ID)
	if r := w.send(text); !r.Duplicate {
		t.Error("sent twice")
	}
	w.gotTokens("a")
	_, err := w.Send(w.ctx, "gcm", "", doc(strings.Replace(text, `"a":1`, `"a":2`, 1)))
	if code(err) != "InvalidParameter" {
		t.Error(err)
	}
}

// TestShared lets several processes work on one queue: each device gets the
// message once.
func TestShared(t *testing.T) {
	w := newWorld(t)
	w.fcm.SetDelay(2 * time.Millisecond)
	var want []string
	for i := range 900 {
		token := fmt.Sprintf("t%04d", i)
		w.register("gcm", fmt.Sprint("user", i), 0, token)
		want = append(want, token)
	}
	w.Start()
	for range 3 {
		w.open().Start()
	}
	w.wait(w.send(`{"all":true,"data":{"a":1}}`).ID)
	w.gotTokens(want...)
}

// TestConcurrency keeps within the service's bound.
func TestConcurrency(t *testing.T) {
	w := newWorld(t, func(c *push.Config) {
		svc := *c.App.Services[0]
		svc.Config = must(withField(svc.Config, "concurrency", 3))
		c.App.Services[0] = &svc
	})
	w.fcm.SetDelay(5 * time.Millisecond)
	w.Start()
	for i := range 40 {
		w.register("gcm", fmt.Sprint("user", i), 0, fmt.Sprint("t", i))
	}
	w.wait(w.send(`{"all":true,"data":{"a":1}}`).ID)
	if _, active, _ := w.fcm.Stats(); active != 3 {
		t.Errorf("%d requests at once", active)
	}
}

func TestTopics(t *testing.T) {
	w := newWorld(t)
	w.Start()
	w.register("gcm", "ann", 0, "a")
	w.register("gcm", "ann", 1, "unknown-1")
	w.register("gcm", "ann", 2, w.browsers.Subscribe("ann"))
	w.register("gcm", "bob", 0, w.browsers.Subscribe("bob"))
	change, err := w.Subscribe(w.ctx, "gcm", doc(`{"topic":"news","userIds":["ann"]}`), true)
	if err != nil || change.Devices != 2 || change.Failed["unknown-1"] != "NOT_FOUND" {
		t.Fatalf("%+v %v", change, err)
	}
	if !w.fcm.InTopic("news", "a") {
		t.Error("FCM does not know")
	}
	w.wait(w.send(`{"topic":"news","notification":{"title":"N"}}`).ID)
	w.gotTokens("news")
	if got := w.browsers.Received(); len(got) != 1 || got[0].Browser != "ann" {
		t.Errorf("%+v", got)
	}
	if _, err := w.Subscribe(w.ctx, "gcm", doc(`{"topic":"news","userIds":["ann"]}`), false); err != nil || w.fcm.InTopic("news", "a") {
		t.Error(err)
	}
	p := w.wait(w.send(`{"topic":"news","notification":{"title":"N"}}`).ID)
	if p.Sent != 1 {
		t.Errorf("%+v", p)
	}
	for text, want := range map[string]string{
		`{"userIds":["ann"]}`: "MissingParameter", `{"topic":"a b","userIds":["ann"]}`: "InvalidParameter", `{"topic":"a"}`: "MissingParameter", `{"topic":"a","all":true}`: "InvalidParameter",
	} {
		if _, err := w.Subscribe(w.ctx, "gcm", doc(text), true); code(err) != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestStop(t *testing.T) {
	w := newWorld(t)
	w.fcm.SetDelay(20 * time.Millisecond)
	w.Start()
	for i := range 300 {
		w.register("gcm", fmt.Sprint("user", i), 0, fmt.Sprintf("t%03d", i))
	}
	id := w.send(`{"all":true,"data":{"a":1}}`).ID
	w.until("a beginning", func() bool { return len(w.fcm.Received()) > 20 })
	w.Service.Close()
	n := len(w.fcm.Received())
	if n == 300 {
		t.Skip("everything was sent before the end")
	}
	w.Service = w.open() // the rest is free at once, without waiting for a lease
	w.Start()
	if p := w.wait(id); p.Sent != 300 {
		t.Errorf("%+v", p)
	}
	if got := w.tokens(); len(got) != 300 || len(slices.Compact(got)) != 300 {
		t.Errorf("%d messages", len(got))
	}
}

// TestRate keeps within the service's rate, and what waits for it is not sent
// twice.
func TestRate(t *testing.T) {
	w := newWorld(t, func(c *push.Config) {
		svc := *c.App.Services[0]
		svc.Config = must(withField(svc.Config, "ratePerSecond", 20))
		c.App.Services[0] = &svc
	})
	var want []string
	for i := range 30 {
		want = append(want, fmt.Sprintf("t%02d", i))
		w.register("gcm", fmt.Sprint("user", i), 0, want[i])
	}
	w.Start()
	w.open().Start() // a second process has a rate of its own
	started := time.Now()
	w.wait(w.send(`{"all":true,"data":{"a":1}}`).ID)
	if took := time.Since(started); took < 500*time.Millisecond {
		t.Errorf("30 messages in %s", took)
	}
	w.gotTokens(want...)
}

// TestStalled lets another process send what one holds for longer than its
// lease; the note of the first that comes late changes nothing.
func TestStalled(t *testing.T) {
	w := newWorld(t)
	w.register("gcm", "ann", 0, "a")
	w.fcm.SetDelay(600 * time.Millisecond)
	w.Start()
	id := w.send(`{"userIds":["ann"],"data":{"a":1}}`).ID
	w.until("a request", func() bool { _, active, _ := w.fcm.Stats(); return active == 1 })
	w.skip(2 * time.Minute)
	w.open().Start()
	if p := w.wait(id); p.Sent != 1 {
		t.Errorf("%+v", p)
	}
	w.until("both", func() bool { return len(w.fcm.Received()) == 2 })
	time.Sleep(100 * time.Millisecond)
	if p := w.wait(id); p.Sent != 1 || p.Waiting != 0 {
		t.Errorf("%+v", p)
	}
}
