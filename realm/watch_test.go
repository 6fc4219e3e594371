package realm_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"regent/realm"
)

const watchCall = "GET /app/" + appID + "/functions/call"

// change is a change event in the server's escaping.
func change(n int) string {
	return fmt.Sprintf(`data: {"_id":{"$numberInt":"%d"},"operationType":"insert","ns":{"db":"shop","coll":"cats"},"documentKey":{"_id":{"$numberInt":"%d"}},"fullDocument":{"_id":{"$numberInt":"%d"},"name":"Tom"}}`, n, n, n) + "\n\n"
}

// script makes the n-th watch request get the n-th answer; the last one is
// held open until the client leaves.
func script(s *server, t *testing.T, answers ...any) {
	var n atomic.Int32
	s.handle(watchCall, func(w http.ResponseWriter, r *http.Request) {
		i := int(n.Add(1)) - 1
		if i >= len(answers) {
			refused(400, "", "more requests than the script has answers").write(w)
			return
		}
		switch a := answers[i].(type) {
		case reply:
			a.write(w)
		case string:
			w.Header().Set("Content-Type", "text/event-stream")
			w.WriteHeader(200)
			_, _ = io.WriteString(w, a)
			w.(http.Flusher).Flush()
			if i == len(answers)-1 {
				<-r.Context().Done()
			}
		}
	})
}

// cats is the collection, with a clock that does not wait.
func cats(t *testing.T, s *server, opts ...realm.Option) *realm.Collection[bson.M] {
	user := logIn(t, newApp(t, s.URL, append([]realm.Option{realm.WithClock(stoppedClock{})}, opts...)...), realm.EmailPassword("ada@example.com", "secret1"))
	s.requests()
	return user.MongoClient("mongodb-atlas").Database("shop").Collection("cats")
}

// take collects up to n events, or what comes before an error.
func take(ctx context.Context, c *realm.Collection[bson.M], n int, opts ...realm.WatchOptions) (events []realm.ChangeEvent[bson.M], err error) {
	for ev, e := range c.Watch(ctx, opts...) {
		if e != nil {
			return events, e
		}
		if events = append(events, ev); len(events) == n {
			break
		}
	}
	return events, nil
}

func TestWatch(t *testing.T) {
	s := newServer(t)
	script(s, t, ": hello\r\n\r\nretry: 5\nunknown: x\nevent: message\ndata: {\"operationType\":\ndata:  \"update\",\"_id\":{\"_data\":\"82\"},\"clusterTime\":{\"$timestamp\":{\"t\":5,\"i\":1}},"+
		"\"ns\":{\"db\":\"shop\",\"coll\":\"cats\"},\"documentKey\":{\"_id\":1},\"fullDocument\":{\"_id\":1,\"text\":\"100%25 %2525 %41\"},"+
		"\"updateDescription\":{\"updatedFields\":{\"a.b\":{\"$numberLong\":\"3\"}},\"removedFields\":[\"c\"]},\"txnNumber\":{\"$numberLong\":\"4\"},\"lsid\":{\"id\":1}}\n\n"+
		"event: other\ndata: ignored\n\nid: no data\n\ndata: {\"operationType\":\"rename\",\"to\":{\"db\":\"x\",\"coll\":\"y\"}}\r\n\r\n")
	c := cats(t, s)
	events, err := take(t.Context(), c, 2, realm.WatchOptions{Filter: bson.M{"fullDocument._id": 1, "s": "%\n\r\n\\????>>>>"}})
	if err != nil {
		t.Fatal(err)
	}
	ev := events[0]
	if ev.OperationType != "update" || ev.ID.Type != bson.TypeEmbeddedDocument || ev.ClusterTime != (bson.Timestamp{T: 5, I: 1}) ||
		ev.Namespace != (realm.Namespace{Database: "shop", Collection: "cats"}) || ev.DocumentKey["_id"] != int32(1) ||
		ev.UpdateDescription.UpdatedFields["a.b"] != int64(3) || !slices.Equal(ev.UpdateDescription.RemovedFields, []string{"c"}) ||
		ev.TxnNumber != 4 || ev.SessionID["id"] != int32(1) || ev.ResumeID != "" {
		t.Errorf("event %+v", ev)
	}
	if got := (*ev.FullDocument)["text"]; got != "100% %25 %41" {
		t.Errorf("text %q", got)
	}
	if ev := events[1]; ev.OperationType != "rename" || ev.FullDocument != nil || *ev.To != (realm.Namespace{Database: "x", Collection: "y"}) || ev.ResumeID != "no data" {
		t.Errorf("event %+v", ev)
	}
	log := s.requests()
	if len(log) != 1 || log[0].accept != "text/event-stream" || log[0].contentType != "" || log[0].header.Get("Last-Event-ID") != "" || !strings.HasPrefix(log[0].auth, "Bearer ") {
		t.Errorf("requests %+v", log)
	}
	want := map[string]any{"baas_request": jsonValue(t, `{"arguments":[{"database":"shop","collection":"cats","filter":{"fullDocument._id":{"$numberInt":"1"},"s":"%\n\r\n\\????>>>>"}}],"name":"watch","service":"mongodb-atlas"}`)}
	if d := diff(want, readableQuery(t, log[0].query)); d != "" {
		t.Errorf("query (-want +got):\n%s", d)
	}
}

func TestWatchEscapes(t *testing.T) {
	s := newServer(t)
	script(s, t, `data: {"operationType":"insert",%0A "fullDocument":{"a":"100%25","b":"%250A","c":"%41%"}}`+"\n\n")
	events, err := take(t.Context(), cats(t, s), 1)
	if err != nil {
		t.Fatal(err)
	}
	if d := diff(bson.M{"a": "100%", "b": "%0A", "c": "%41%"}, *events[0].FullDocument); d != "" {
		t.Error(d)
	}
}

func TestWatchByIDs(t *testing.T) {
	s := newServer(t)
	script(s, t, change(1))
	c := cats(t, s)
	if _, err := take(t.Context(), c, 1, realm.WatchOptions{IDs: []any{1, "two", oid}, ResumeAfter: "77"}); err != nil {
		t.Fatal(err)
	}
	log := s.requests()
	want := map[string]any{"baas_request": jsonValue(t, `{"arguments":[{"database":"shop","collection":"cats","ids":[{"$numberInt":"1"},"two",{"$oid":"5f1a00000000000000000001"}]}],"name":"watch","service":"mongodb-atlas"}`)}
	if d := diff(want, readableQuery(t, log[0].query)); d != "" {
		t.Errorf("query (-want +got):\n%s", d)
	}
	if id := log[0].header.Get("Last-Event-ID"); id != "77" {
		t.Errorf("Last-Event-ID %q", id)
	}
	if _, err := take(t.Context(), c, 1, realm.WatchOptions{IDs: []any{1}, Filter: bson.M{}}); err == nil {
		t.Error("IDs and Filter together: no error")
	}
	noRequests(t, s)
}

func TestWatchReconnectsAndResumes(t *testing.T) {
	s := newServer(t)
	script(s, t,
		"id: a1\n"+change(1)+"id: a2\n"+change(2),
		reply{status: 503, typ: "text/html", body: "<html>"},
		refused(429, "", "slow down"),
		"id: a3\n"+change(3)+"data: {\"cut off",
		change(4), // without an id: the last one still counts
		change(5),
	)
	var reconnects []string
	events, err := take(t.Context(), cats(t, s), 5, realm.WatchOptions{OnReconnect: func(cause error, resumed bool) {
		reconnects = append(reconnects, fmt.Sprint(resumed, " ", cause))
	}})
	if err != nil {
		t.Fatal(err)
	}
	var got []int32
	for _, ev := range events {
		got = append(got, ev.ID.Int32())
	}
	if !slices.Equal(got, []int32{1, 2, 3, 4, 5}) {
		t.Errorf("events %v", got)
	}
	var ids []string
	for _, r := range s.requests() {
		ids = append(ids, r.header.Get("Last-Event-ID"))
	}
	if !slices.Equal(ids, []string{"", "a2", "a2", "a2", "a3", "a3"}) {
		t.Errorf("Last-Event-ID %q", ids)
	}
	if len(reconnects) != 3 || !strings.HasPrefix(reconnects[0], "true ") || !strings.Contains(reconnects[0], "slow down") || !strings.Contains(reconnects[1], "ended the change stream") {
		t.Errorf("reconnects %q", reconnects)
	}
}

func TestWatchRenewsTheAccessToken(t *testing.T) {
	s := newServer(t)
	c := cats(t, s)
	var n atomic.Int32
	s.handle(watchCall, func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		live := s.access[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
		s.mu.Unlock()
		if !live {
			refused(401, "InvalidSession", "invalid session: access token expired").write(w)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "id: x\n"+change(int(n.Add(1))))
		// The token is used up while the stream is open.
		s.expire()
		_, _ = io.WriteString(w, "event: error\ndata: {\"error_code\":\"InvalidSession\",\"error\":\"invalid session\"}\n\n")
	})
	events, err := take(t.Context(), c, 3)
	if err != nil || len(events) != 3 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	if n := count(s.requests(), "POST /auth/session"); n != 2 {
		t.Errorf("%d refreshes, want 2", n)
	}
	s.revoke()
	_, err = take(t.Context(), c, 1)
	if !errors.Is(err, realm.ErrLoggedOut) {
		t.Errorf("after revocation: %v", err)
	}
}

func TestWatchEndsWithAnError(t *testing.T) {
	for name, test := range map[string]struct {
		answers []any
		is      error
		text    string
		events  int
	}{
		"of the stream":               {[]any{change(1) + "event: error\ndata: {\"error_code\":\"MongoDBError\",\"error\":\"no 100%25\"}\n\n"}, realm.ErrMongoDB, "no 100%", 1},
		"of the stream, unknown":      {[]any{"event: error\ndata: {\"error_code\":\"New\",\"error\":\"x\"}\n\n"}, realm.Code("New"), "", 0},
		"of the stream, no JSON":      {[]any{"event: error\ndata: oh no\n\n"}, nil, "oh no", 0},
		"of a malformed event":        {[]any{"data: {\"a\":\n\n"}, realm.ErrBadBSON, "malformed event", 0},
		"of an event of another type": {[]any{"data: [1]\n\n"}, realm.ErrBadBSON, "", 0},
		"of an oversized event":       {[]any{"data: " + strings.Repeat("x", 2<<20) + "\n\n"}, realm.ErrResponseTooLarge, "WithMaxResponseSize", 0},
		"of many oversized lines":     {[]any{strings.Repeat("data: "+strings.Repeat("x", 1<<19)+"\n", 3) + "\n"}, realm.ErrResponseTooLarge, "", 0},
		"of an endless line":          {[]any{": " + strings.Repeat("x", 3<<20)}, realm.ErrResponseTooLarge, "a line of more than", 0},
		"of the rules":                {[]any{refused(403, "NoMatchingRuleFound", "no rule")}, realm.ErrNoMatchingRule, "", 0},
		"at the first connection":     {[]any{refused(503, "", "away")}, nil, "away", 0},
		"of no event stream":          {[]any{ok("{}")}, realm.ErrMalformedJSON, "event stream", 0},
		"later, of the rules":         {[]any{change(1), refused(403, "NoMatchingRuleFound", "no rule")}, realm.ErrNoMatchingRule, "", 1},
		"of too many attempts":        {[]any{change(1), refused(503, "", "away"), refused(503, "", "away"), refused(503, "", "still away"), "never reached"}, nil, "3 attempts to reconnect failed", 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			script(s, t, append(test.answers, "")...)
			if name == "of an endless line" {
				script(s, t, test.answers[0]) // held open
			}
			events, err := take(t.Context(), cats(t, s, realm.WithMaxResponseSize(1<<20)), 9, realm.WatchOptions{MaxRetries: 3})
			var e *realm.Error
			if !errors.As(err, &e) || (test.is != nil && !errors.Is(err, test.is)) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("got %v, want %v %q", err, test.is, test.text)
			}
			if len(events) != test.events {
				t.Errorf("%d events", len(events))
			}
			if e != nil && strings.Contains(e.URL, "baas_request") {
				t.Errorf("URL %s", e.URL)
			}
		})
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	s := newServer(t)
	script(s, t, change(1))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	for _, err := range cats(t, s).Watch(ctx) {
		if err != nil {
			t.Errorf("error %v", err)
		}
		n++
		time.AfterFunc(20*time.Millisecond, cancel)
	}
	if n != 1 {
		t.Errorf("%d rounds", n)
	}
}

func TestLeavingTheLoopClosesTheConnection(t *testing.T) {
	s := newServer(t)
	closed := make(chan struct{})
	s.handle(watchCall, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, change(1))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		close(closed)
	})
	if _, err := take(t.Context(), cats(t, s), 1); err != nil {
		t.Fatal(err)
	}
	select {
	case <-closed:
	case <-time.After(5 * time.Second):
		t.Error("the connection is still open")
	}
}

// TestWatchSilence: a stream that had heartbeats and falls silent is dead; one
// that never had them may be silent.
func TestWatchSilence(t *testing.T) {
	s := newServer(t)
	var n atomic.Int32
	s.handle(watchCall, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		switch n.Add(1) {
		case 1: // heartbeats, then silence
			_, _ = io.WriteString(w, ": beat\n\n")
		case 2: // no heartbeat, a pause longer than the limit
			_, _ = io.WriteString(w, change(1))
			w.(http.Flusher).Flush()
			time.Sleep(150 * time.Millisecond)
			_, _ = io.WriteString(w, change(2))
		}
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	var cause error
	events, err := take(t.Context(), cats(t, s), 2, realm.WatchOptions{
		IdleTimeout: 50 * time.Millisecond, OnReconnect: func(err error, _ bool) { cause = err },
	})
	if err != nil || len(events) != 2 {
		t.Fatalf("%v, %v", events, err)
	}
	if !errors.Is(cause, realm.ErrStreamStalled) || n.Load() != 2 {
		t.Errorf("%d connections, cause %v", n.Load(), cause)
	}
}

// TestSlowReaders: what the loop's body takes is not the stream's silence.
func TestSlowReaders(t *testing.T) {
	s := newServer(t)
	s.handle(watchCall, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for n := 1; r.Context().Err() == nil; n++ {
			_, _ = io.WriteString(w, ": beat\n\n"+change(n))
			w.(http.Flusher).Flush()
			time.Sleep(20 * time.Millisecond)
		}
	})
	n := 0
	for _, err := range cats(t, s).Watch(t.Context(), realm.WatchOptions{
		IdleTimeout: 300 * time.Millisecond,
		OnReconnect: func(err error, _ bool) { t.Errorf("interrupted: %v", err) },
	}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 3 {
			break
		}
		time.Sleep(450 * time.Millisecond)
	}
}

func TestWatchOutlivesTheTimeouts(t *testing.T) {
	s := newServer(t)
	s.handle(watchCall, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		time.Sleep(900 * time.Millisecond)
		_, _ = io.WriteString(w, change(1))
	})
	c := cats(t, s, realm.WithTimeout(500*time.Millisecond), realm.WithHTTPClient(&http.Client{Timeout: 500 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}))
	failed := func(err error, _ bool) { t.Errorf("interrupted: %v", err) }
	if _, err := take(t.Context(), c, 1, realm.WatchOptions{OnReconnect: failed}); err != nil {
		t.Error(err)
	}
	// But a server that does not even begin to answer is given up.
	s.handle(watchCall, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	if _, err := take(t.Context(), c, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// TestEventStreamAgainstOracle sends random events in random framing and
// compares with what went in.
func TestEventStreamAgainstOracle(t *testing.T) {
	s := newServer(t)
	c := cats(t, s)
	rapid.Check(t, func(rt *rapid.T) {
		texts := rapid.SliceOfN(rapid.StringOf(rapid.RuneFrom([]rune("ab%250AD:\n\r \"\\{}é😀"))), 1, 5).Draw(rt, "texts")
		var stream strings.Builder
		for i, text := range texts {
			doc, err := bson.MarshalExtJSON(bson.D{{Key: "operationType", Value: "insert"}, {Key: "fullDocument", Value: bson.D{{Key: "t", Value: text}}}}, true, false)
			if err != nil {
				rt.Fatal(err)
			}
			end := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(rt, "end")
			if rapid.Bool().Draw(rt, "comment") {
				stream.WriteString(": beat" + end)
			}
			if rapid.Bool().Draw(rt, "dropped event") {
				stream.WriteString("event: error" + end + end)
			}
			data := strings.NewReplacer("%", "%25", "\n", "%0A", "\r", "%0D").Replace(string(doc))
			stream.WriteString(fmt.Sprintf("id: %d", i) + end + "data:" + rapid.SampledFrom([]string{"", " "}).Draw(rt, "space") + data + end + end)
		}
		script(s, t, stream.String())
		events, err := take(t.Context(), c, len(texts))
		if err != nil {
			rt.Fatal(err)
		}
		for i, ev := range events {
			if got := (*ev.FullDocument)["t"]; got != texts[i] || ev.ResumeID != fmt.Sprint(i) {
				rt.Fatalf("event %d: %q, want %q", i, got, texts[i])
			}
		}
	})
}

// TestWatchEndsWithTheSession: a log-out ends the loop at once.
func TestWatchEndsWithTheSession(t *testing.T) {
	s := newServer(t)
	script(s, t, change(1))
	app := newApp(t, s.URL)
	user := logIn(t, app, realm.EmailPassword("ada@example.com", "secret1"))
	var got error
	start := time.Now()
	for _, err := range user.MongoClient("mongodb-atlas").Database("shop").Collection("cats").Watch(t.Context()) {
		if got = err; err == nil {
			if err := user.LogOut(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
	if !errors.Is(got, realm.ErrLoggedOut) || time.Since(start) > 5*time.Second {
		t.Errorf("got %v after %v", got, time.Since(start))
	}
}
