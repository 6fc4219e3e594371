package push_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/docdb"
	"regent/internal/app"
	"regent/internal/ejson"
	"regent/internal/fault"
	"regent/internal/push"
	"regent/internal/push/pushtest"
	"regent/internal/session"
)

var client *mongo.Client

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if dir := os.Getenv("REGENT_PUSH_CHILD"); dir != "" {
		if err := killChild(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}
	dir, err := os.MkdirTemp("", "push-test")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	db, err := docdb.Open(dir, docdb.Options{})
	if err != nil {
		panic(err)
	}
	defer db.Close()
	if client, err = mongo.Connect(db.ClientOptions()); err != nil {
		panic(err)
	}
	defer client.Disconnect(context.Background())
	return m.Run()
}

// world is an app with a push service "gcm", Firebase and browsers.
type world struct {
	testing.TB
	ctx      context.Context
	db       *mongo.Database
	domain   bson.ObjectID
	app      *app.App
	fcm      *pushtest.FCM
	browsers *pushtest.Browsers
	sessions *sessions
	config   push.Config
	*push.Service

	skipped  atomic.Int64 // added to the clock
	mu       sync.Mutex
	events   []push.Event
	attempts map[string]int
}

// sessions are all alive but those that ended.
type sessions struct {
	mu    sync.Mutex
	ended map[string]fault.Code
}

func (s *sessions) Alive(_ context.Context, id, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if code, ok := s.ended[id]; ok {
		return fault.New(code, "no")
	}
	return nil
}

func (s *sessions) end(id string, code fault.Code) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended[id] = code
}

func newWorld(t testing.TB, change ...func(*push.Config)) *world {
	t.Helper()
	w := &world{TB: t, ctx: t.Context(), domain: bson.NewObjectID(), fcm: pushtest.NewFCM(), browsers: pushtest.NewBrowsers(),
		sessions: &sessions{ended: map[string]fault.Code{}}, attempts: map[string]int{}}
	w.db = client.Database("push_" + w.domain.Hex())
	t.Cleanup(func() {
		w.fcm.Close()
		w.browsers.Close()
		w.db.Drop(context.Background())
	})
	config, err := bson.Marshal(bson.D{{Key: "senderId", Value: "1"}, {Key: "fcmURL", Value: w.fcm.URL}, {Key: "topicURL", Value: w.fcm.URL}})
	if err != nil {
		t.Fatal(err)
	}
	w.app = &app.App{ID: "demo", Secrets: map[string]string{"account": w.fcm.ServiceAccount()}, Services: []*app.Service{
		{Name: "gcm", Type: "gcm", Config: config, SecretConfig: map[string][]string{"apiKey": {"account"}}},
		{Name: "web", Type: "webpush", Config: must(bson.Marshal(bson.D{{Key: "vapidSubject", Value: "mailto:admin@example.com"}}))},
		{Name: "other", Type: "twilio"},
	}}
	key, err := session.NewMasterKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	w.config = push.Config{
		App: w.app, Domain: w.domain, DB: w.db, Sessions: w.sessions, Sealer: key, Dial: new(net.Dialer).DialContext, Poll: 20 * time.Millisecond,
		WebTLS: &tls.Config{RootCAs: w.browsers.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs},
		Now:    func() time.Time { return time.Now().Add(time.Duration(w.skipped.Load())) },
		Record: func(e push.Event) { w.mu.Lock(); w.events = append(w.events, e); w.mu.Unlock() },
		Observe: func(a push.Attempt) {
			w.mu.Lock()
			w.attempts[a.Kind+" "+a.Result]++
			w.mu.Unlock()
		},
	}
	for _, c := range change {
		c(&w.config)
	}
	w.Service = w.open()
	return w
}

// open makes a service on the world's database, as another process would.
func (w *world) open() *push.Service {
	w.Helper()
	s, problems, err := push.New(w.ctx, w.config)
	if err != nil {
		w.Fatal(err)
	}
	for _, p := range problems {
		w.Log(p)
	}
	w.Cleanup(s.Close)
	return s
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func device(user string, n int) push.Device {
	return push.Device{UserID: user, SessionID: fmt.Sprintf("%s-session-%d", user, n), DeviceID: fmt.Sprintf("%024x", n+1)}
}

func (w *world) register(service, user string, n int, token string) {
	w.Helper()
	if err := w.Register(w.ctx, service, device(user, n), token); err != nil {
		w.Fatal(err)
	}
}

func doc(text string) bson.Raw { return must(ejson.ParseDocument([]byte(text))) }

func (w *world) send(text string) push.Receipt {
	w.Helper()
	r, err := w.Send(w.ctx, "gcm", "", doc(text))
	if err != nil {
		w.Fatal(err)
	}
	return r
}

// wait waits until a message has no deliveries left.
func (w *world) wait(id string) push.Progress {
	w.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		p, err := w.Progress(w.ctx, id)
		if err != nil {
			w.Fatal(err)
		}
		if p.Done() {
			return p
		}
		if time.Now().After(deadline) {
			w.Fatalf("not done: %+v", p)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// skip moves the clock on.
func (w *world) skip(d time.Duration) { w.skipped.Add(int64(d)) }

// until waits for a condition.
func (w *world) until(what string, ok func() bool) {
	w.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.Fatal("in vain waited for: " + what)
		}
	}
}

// tokens are those that got a message, sorted.
func (w *world) tokens() []string {
	var out []string
	for _, r := range w.fcm.Received() {
		out = append(out, r.Token+r.Topic+r.Condition)
	}
	slices.Sort(out)
	return out
}

func (w *world) gotTokens(want ...string) {
	w.Helper()
	if got := w.tokens(); !slices.Equal(got, want) {
		w.Errorf("sent to %q, want %q", got, want)
	}
	if _, _, problems := w.fcm.Stats(); problems != nil {
		w.Error(strings.Join(problems, "\n"))
	}
}

func (w *world) devices() []string {
	var out []string
	err := w.Devices(w.ctx, "", "", 0, func(d push.DeviceInfo) error {
		out = append(out, d.User+" "+d.To)
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
	return out
}

func (w *world) failures() []push.FailureInfo {
	var out []push.FailureInfo
	if err := w.Failures(w.ctx, "", time.Time{}, 0, func(f push.FailureInfo) error { out = append(out, f); return nil }); err != nil {
		w.Fatal(err)
	}
	return out
}

func code(err error) string {
	c, ok := fault.CodeOf(err)
	if !ok {
		return fmt.Sprint(err)
	}
	return string(c)
}

func TestRegister(t *testing.T) {
	w := newWorld(t)
	w.register("gcm", "ann", 0, "token-a")
	w.register("gcm", "ann", 1, "token-b")
	w.register("gcm", "ann", 0, "token-a") // twice is once
	w.register("gcm", "bob", 0, "token-c") // a device id of ann's: it takes nothing from her
	want := []string{"ann token-a", "ann token-b", "bob token-c"}
	if got := w.devices(); !slices.Equal(got, want) {
		t.Fatalf("%q", got)
	}
	w.register("gcm", "bob", 3, "token-b") // the token moves
	w.register("gcm", "ann", 0, "token-d") // and is replaced
	slices.Sort(want)
	if got := w.devices(); len(got) != 3 || !slices.Contains(got, "bob token-b") || !slices.Contains(got, "ann token-d") || !slices.Contains(got, "bob token-c") {
		t.Fatalf("%q", got)
	}
	for range 2 { // also when nothing is registered
		if err := w.Deregister(w.ctx, "gcm", device("bob", 3)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.SessionEnded(w.ctx, device("ann", 0).SessionID); err != nil {
		t.Fatal(err)
	}
	if got := w.devices(); !slices.Equal(got, []string{"bob token-c"}) {
		t.Fatalf("%q", got)
	}
	for _, c := range []struct{ service, token, code, text string }{
		{"gcm_blah", "x", "ServiceNotFound", "service not found: 'gcm_blah'"},
		{"other", "x", "ServiceNotFound", "service not found: 'other'"},
		{"gcm", "", "InvalidParameter", "registrationToken must not be empty"},
		{"gcm", strings.Repeat("x", 5000), "InvalidParameter", "registrationToken has 5000 bytes, at most 4096 are allowed"},
		{"gcm", "a b", "InvalidParameter", "registrationToken has a character that no FCM token has"},
		{"gcm", `{"endpoint":"http://127.0.0.1/"}`, "InvalidParameter", "registrationToken is no PushSubscription: its endpoint is no https address"},
	} {
		err := w.Register(w.ctx, c.service, device("ann", 0), c.token)
		if code(err) != c.code || err.Error() != c.text {
			t.Errorf("%s %.20q: %s %v", c.service, c.token, code(err), err)
		}
	}
}

func TestRegisterBounds(t *testing.T) {
	w := newWorld(t)
	for i := range 103 {
		w.register("gcm", "ann", i, fmt.Sprintf("token-%03d", i))
	}
	got := w.devices()
	if len(got) != 100 || got[0] != "ann token-003" {
		t.Fatalf("%d devices, the first is %s", len(got), got[0])
	}
}

func TestRegisterTogether(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			if err := w.Register(w.ctx, "gcm", device(fmt.Sprint("user", i), 0), "the-token"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := w.devices(); len(got) != 1 {
		t.Fatalf("%q", got)
	}
}

func TestSend(t *testing.T) {
	w := newWorld(t)
	w.Start()
	w.register("gcm", "ann", 0, "ann-0")
	w.register("gcm", "ann", 1, "ann-1")
	w.register("gcm", "bob", 0, "bob-0")
	w.wait(w.send(`{"userIds":["ann"],"notification":{"title":"Hi","body":"there"},"data":{"n":1,"s":"x"}}`).ID)
	w.gotTokens("ann-0", "ann-1")
	m := w.fcm.Received()[0].Message
	if fmt.Sprint(m["notification"], m["data"]) != "map[body:there title:Hi] map[n:1 s:x]" {
		t.Error(m)
	}
	w.wait(w.send(`{"all":true,"data":{"n":2}}`).ID)
	w.gotTokens("ann-0", "ann-0", "ann-1", "ann-1", "bob-0")
	w.wait(w.send(`{"to":"/topics/news","data":{"n":3}}`).ID)
	w.wait(w.send(`{"to":"stranger","data":{"n":4}}`).ID)
	w.wait(w.send(`{"registrationTokens":["bob-0","stranger2"],"data":{"n":5}}`).ID)
	w.wait(w.send(`{"condition":"'a' in topics","data":{"n":6}}`).ID)
	p := w.wait(w.send(`{"userIds":["nobody"],"data":{"n":7}}`).ID)
	w.gotTokens("'a' in topics", "ann-0", "ann-0", "ann-1", "ann-1", "bob-0", "bob-0", "news", "stranger", "stranger2")
	if p.Sent != 0 {
		t.Error(p)
	}
	if issued, _, _ := w.fcm.Stats(); issued != 1 {
		t.Errorf("%d access tokens", issued)
	}
}
