package data_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/internal/caller"
	"regent/internal/data"
	"regent/internal/fault"
	"regent/internal/user"
)

// watcher reads a stream in the background.
type watcher struct {
	t      testing.TB
	stream *data.Stream
}

func (w *world) watch(as, collection, arg, after string) *watcher {
	w.Helper()
	s, err := w.start().Watch(context.Background(), w.caller(as), "mongodb-atlas", w.argument(collection, arg), after)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(s.Close)
	return &watcher{w, s}
}

// next gives an event in short: its type, _id, document and description.
func (w *watcher) next() (id, short string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	id, e, err := w.stream.Next(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	if id == "" {
		w.t.Error("the event has no id")
	}
	for _, hidden := range []string{"fullDocumentBeforeChange", "lsid", "txnNumber"} {
		if _, err := e.LookupErr(hidden); err == nil {
			w.t.Errorf("the event tells %s", hidden)
		}
	}
	parts := []string{e.Lookup("operationType").StringValue()}
	for _, field := range []string{"documentKey", "fullDocument", "updateDescription"} {
		if d, ok := e.Lookup(field).DocumentOK(); ok {
			parts = append(parts, field+" "+canonicalRelaxed(d))
		}
	}
	return id, strings.Join(parts, " ")
}

func canonicalRelaxed(d bson.Raw) string {
	b, _ := bson.MarshalExtJSON(d, false, false)
	return string(b)
}

func (w *watcher) expect(want string) string {
	w.t.Helper()
	id, got := w.next()
	if got != want {
		w.t.Errorf("got  %s\nwant %s", got, want)
	}
	return id
}

// silent expects that nothing comes.
func (w *watcher) silent() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 150*time.Millisecond)
	defer cancel()
	if _, e, err := w.stream.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		w.t.Errorf("got %s, %v; want nothing", e, err)
	}
}

const watchRules = `{"roles": [
	{"name": "owner", "apply_when": {"owner_id": "%%user.id"}, "read": true, "write": true},
	{"name": "team", "apply_when": {"team": "%%user.custom_data.team"}, "fields": {"_id": {"read": true}, "title": {"read": true}, "sub": {"fields": {"a": {"read": true}}}}}]}`

func TestWatchTellsEveryoneWhatHeMayRead(t *testing.T) {
	eachEngine(t, func(t *testing.T, client *mongo.Client) {
		w := newWorld(t, client)
		w.rules("c", watchRules)
		w.user("u1", "")
		w.user("u2", `{"team": "red"}`)
		w.user("u3", "")
		owner, mate, stranger := w.watch("u1", "c", "{}", ""), w.watch("u2", "c", "{}", ""), w.watch("u3", "c", "{}", "")
		system := w.watch("sys", "c", "{}", "")

		w.have("c", `{"_id": 1, "owner_id": "u1", "team": "red", "title": "t", "pin": 1, "sub": {"a": 1, "b": 2}}`)
		owner.expect(`insert documentKey {"_id":1} fullDocument {"_id":1,"owner_id":"u1","team":"red","title":"t","pin":1,"sub":{"a":1,"b":2}}`)
		mate.expect(`insert documentKey {"_id":1} fullDocument {"_id":1,"title":"t","sub":{"a":1}}`)

		if _, err := w.do("sys", "updateOne", "c", `{"query": {"_id": 1}, "update": {"$set": {"pin": 2, "title": "u", "sub.b": 5, "sub.a": 6}, "$unset": {"none": 1}}}`); err != nil {
			t.Fatal(err)
		}
		_, got := owner.next()
		if !strings.Contains(got, `"pin":2`) || !strings.Contains(got, `"sub.b":5`) {
			t.Error(got)
		}
		_, got = mate.next()
		if strings.Contains(got, "pin") || strings.Contains(got, "sub.b") || !strings.Contains(got, `"title":"u"`) || !strings.Contains(got, `"sub.a":6`) {
			t.Error(got)
		}
		if _, err := w.do("sys", "updateOne", "c", `{"query": {"_id": 1}, "update": {"$unset": {"pin": 1}}}`); err != nil {
			t.Fatal(err)
		}
		if _, got = owner.next(); !strings.Contains(got, `"removedFields":["pin"]`) {
			t.Error(got)
		}
		if _, got = mate.next(); !strings.Contains(got, `"removedFields":[]`) {
			t.Error(got)
		}
		if _, err := w.do("sys", "deleteOne", "c", `{"query": {"_id": 1}}`); err != nil {
			t.Fatal(err)
		}
		owner.expect(`delete documentKey {"_id":1}`)
		mate.expect(`delete documentKey {"_id":1}`)
		for range 4 {
			system.next()
		}
		stranger.silent()
		if _, err := w.do("sys", "dropCollection", "c", "{}"); err != nil {
			t.Fatal(err)
		}
		owner.silent()
		// The stream goes on over the drop.
		w.have("c", `{"_id": 2, "owner_id": "u1"}`)
		owner.expect(`insert documentKey {"_id":2} fullDocument {"_id":2,"owner_id":"u1"}`)
	})
}

func TestWatchSelects(t *testing.T) {
	eachEngine(t, func(t *testing.T, client *mongo.Client) {
		w := newWorld(t, client)
		w.rules("c", `{"roles": [{"name": "all", "apply_when": {}, "read": true, "write": true}], "filters": [{"name": "f", "apply_when": {}, "query": {"hidden": {"$ne": true}}}]}`)
		w.rules("d", `{"roles": [{"name": "all", "apply_when": {}, "fields": {"_id": {"read": true}}}]}`)
		w.rules("e", `{"roles": [{"name": "all", "apply_when": {}, "read": true, "write": true}], "filters": [{"name": "f", "apply_when": {}, "projection": {"pin": 0}}]}`)
		projected := w.watch("u1", "e", `{}`, "")
		w.have("e", `{"_id": 1, "pin": 5, "t": 1}`)
		projected.expect(`insert documentKey {"_id":1} fullDocument {"_id":1,"t":1}`)
		if _, err := w.do("sys", "updateOne", "e", `{"query": {"_id": 1}, "update": {"$set": {"pin": 6, "t": 2}, "$unset": {"x": 1}}}`); err != nil {
			t.Fatal(err)
		}
		projected.expect(`update documentKey {"_id":1} fullDocument {"_id":1,"t":2} updateDescription {"updatedFields":{"t":2},"removedFields":[]}`)
		ids := w.watch("u1", "c", `{"ids": [1, {"$numberLong": "3"}]}`, "")
		byField := w.watch("u1", "c", `{"filter": {"$or": [{"fullDocument.s": "%\n\r\n????>>>>"}, {"operationType": "delete"}]}}`, "")
		filtered := w.watch("u1", "c", `{}`, "")
		secret := w.watch("u1", "d", `{"filter": {"fullDocument.secret": 5}}`, "")
		w.have("c", `{"_id": 1}`, `{"_id": 2, "s": "%\n\r\n????>>>>"}`, `{"_id": 3, "hidden": true}`, `{"_id": {"$numberDouble": "3.5"}}`, `{"_id": 4}`)
		w.have("d", `{"_id": 1, "secret": 5}`)
		ids.expect(`insert documentKey {"_id":1} fullDocument {"_id":1}`)
		byField.expect(`insert documentKey {"_id":2} fullDocument {"_id":2,"s":"%\n\r\n????>>>>"}`)
		for _, want := range []string{`1`, `2`, `3.5`, `4`} {
			if _, got := filtered.next(); !strings.Contains(got, `documentKey {"_id":`+want+`}`) {
				t.Error(got)
			}
		}
		ids.silent()
		// A filter on what cannot be read tells nothing.
		secret.silent()
		for _, arg := range []string{`{"filter": {"$where": "true"}}`, `{"filter": {"$expr": true}}`, `{"ids": 5}`} {
			if _, err := w.service.Watch(t.Context(), w.caller("u1"), "mongodb-atlas", w.argument("c", arg), ""); err == nil {
				t.Errorf("%s is accepted", arg)
			}
		}
		if _, err := w.service.Watch(t.Context(), w.caller("u1"), "mongodb-atlas", w.argument("nowhere", "{}"), ""); err == nil || !strings.Contains(err.Error(), "no rule exists") {
			t.Error(err)
		}
	})
}

func TestWatchResumes(t *testing.T) {
	eachEngine(t, func(t *testing.T, client *mongo.Client) {
		w := newWorld(t, client)
		w.rules("c", `{"roles": [{"name": "all", "apply_when": {}, "read": true, "write": true}]}`)
		first := w.watch("u1", "c", "{}", "")
		var id string
		for i := range 20 {
			w.have("c", fmt.Sprintf(`{"_id": %d}`, i))
			if i == 4 {
				for range 5 {
					id, _ = first.next()
				}
			}
		}
		first.stream.Close()
		again := w.watch("u1", "c", "{}", id)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := 20; i < 120; i++ {
				w.have("c", fmt.Sprintf(`{"_id": %d}`, i))
			}
		}()
		for i := 5; i < 120; i++ {
			if _, got := again.next(); !strings.HasPrefix(got, fmt.Sprintf(`insert documentKey {"_id":%d}`, i)) {
				t.Fatalf("event %d: %s", i, got)
			}
		}
		<-done
		again.silent()
		for _, bad := range []string{"zz", "00ff", strings.Repeat("a", 5000)} {
			if _, err := w.service.Watch(t.Context(), w.caller("u1"), "mongodb-atlas", w.argument("c", "{}"), bad); err == nil {
				t.Errorf("the event id %.10q is accepted", bad)
			} else if f := (*fault.Error)(nil); !errors.As(err, &f) {
				t.Errorf("%.10q: %v is not for clients", bad, err)
			}
		}
	})
}

func TestASlowWatcherIsDisconnectedAndOthersAreNot(t *testing.T) {
	w := newWorld(t, engines["docdb"])
	w.config = func(c *data.Config) { c.Limits.WatchBuffer = 10 }
	w.rules("c", `{"roles": [{"name": "all", "apply_when": {}, "read": true, "write": true}]}`)
	slow, quick := w.watch("u1", "c", "{}", ""), w.watch("u1", "c", "{}", "")
	for i := range 30 {
		w.have("c", fmt.Sprintf(`{"_id": %d}`, i))
		quick.next()
	}
	last := ""
	for range 10 {
		last, _ = slow.next()
	}
	_, _, err := slow.stream.Next(t.Context())
	if f := (*fault.Error)(nil); !errors.As(err, &f) || !strings.Contains(f.Message, "watch_buffer_events") {
		t.Fatal(err)
	}
	again := w.watch("u1", "c", "{}", last)
	if _, got := again.next(); !strings.Contains(got, `{"_id":10}`) {
		t.Error(got)
	}
}

func TestWatchFollowsTheUserAndEndsWithTheService(t *testing.T) {
	w := newWorld(t, engines["docdb"])
	now := time.Now()
	w.config = func(c *data.Config) {
		c.Now = func() time.Time { return now }
		c.Refresh = func(_ context.Context, c caller.Caller) (caller.Caller, error) {
			c.User = &user.User{ID: c.User.ID, CustomData: parse(t, `{"team": "blue"}`).Document()}
			return c, nil
		}
	}
	w.user("u1", `{"team": "red"}`)
	w.rules("c", `{"roles": [{"name": "team", "apply_when": {"team": "%%user.custom_data.team"}, "read": true, "write": true}]}`)
	s := w.watch("u1", "c", "{}", "")
	w.have("c", `{"_id": 1, "team": "red"}`)
	s.expect(`insert documentKey {"_id":1} fullDocument {"_id":1,"team":"red"}`)
	now = now.Add(time.Minute)
	w.have("c", `{"_id": 2, "team": "red"}`, `{"_id": 3, "team": "blue"}`)
	s.expect(`insert documentKey {"_id":3} fullDocument {"_id":3,"team":"blue"}`)
	w.service.Close()
	if _, _, err := s.stream.Next(t.Context()); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

func TestWatchersAreBounded(t *testing.T) {
	w := newWorld(t, engines["docdb"])
	w.config = func(c *data.Config) { c.Limits.UserWatchers = 2; c.Limits.Watchers = 3 }
	w.rules("c", `{"roles": [{"name": "all", "apply_when": {}, "read": true, "write": true}]}`)
	w.watch("u1", "c", "{}", "")
	second := w.watch("u1", "c", "{}", "")
	open := func(as string) error {
		s, err := w.service.Watch(t.Context(), w.caller(as), "mongodb-atlas", w.argument("c", "{}"), "")
		if err == nil {
			t.Cleanup(s.Close)
		}
		return err
	}
	if err := open("u1"); err == nil || !strings.Contains(err.Error(), "watch_max_per_session") {
		t.Error(err)
	}
	if err := open("u2"); err != nil {
		t.Error(err)
	}
	if err := open("u3"); err == nil || !strings.Contains(err.Error(), "watch_max_per_app") {
		t.Error(err)
	}
	second.stream.Close()
	if err := open("u3"); err != nil {
		t.Error(err)
	}
}

// TestWatchJudgesTheDocumentOfItsTime: a stream that reads events late gets each
// document as it is by then. What it was when the event happened decides as well, and
// values of that time are not told to those who may read only the later document
// (rules-attacks.md 7).
func TestWatchJudgesTheDocumentOfItsTime(t *testing.T) {
	eachEngine(t, func(t *testing.T, client *mongo.Client) {
		w := newWorld(t, client)
		w.rules("c", watchRules)
		first := w.watch("u1", "c", "{}", "")
		w.have("c", `{"_id": 1, "owner_id": "u1", "more": "a text that makes the document so long that a change is not told as a replacement"}`)
		id, _ := first.next()
		for _, update := range []string{`{"$set": {"pin": 1234}}`, `{"$unset": {"pin": 1}, "$set": {"owner_id": "u2"}}`, `{"$set": {"pin": 5}}`, `{"$set": {"owner_id": "u3"}}`, `{"$set": {"owner_id": "u2"}}`} {
			if _, err := w.do("sys", "updateOne", "c", `{"query": {"_id": 1}, "update": `+update+`}`); err != nil {
				t.Fatal(err)
			}
		}
		late := w.watch("u2", "c", "{}", id)
		for _, want := range []string{`{"updatedFields":{"owner_id":"u2"},"removedFields":[]}`, `{"updatedFields":{"pin":5},"removedFields":[],"truncatedArrays":[]}`, `{"updatedFields":{"owner_id":"u2"},"removedFields":[]}`} {
			if _, got := late.next(); !strings.HasSuffix(got, "updateDescription "+want) {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		}
		late.silent()
	})
}

// TestWatchTellsNothingOfAmbiguousPaths: "sub.a" may be a field of sub, or a field of
// that name, which nobody may read here.
func TestWatchTellsNothingOfAmbiguousPaths(t *testing.T) {
	eachEngine(t, func(t *testing.T, client *mongo.Client) {
		w := newWorld(t, client)
		w.user("u2", `{"team": "red"}`)
		w.rules("c", watchRules)
		long := strings.Repeat("x.", 300) + "x"
		w.have("c", `{"_id": 1, "team": "red", "title": "t", "sub": {"a": 1}, "more": "a text that makes the document so long that a change is not told as a replacement"}`)
		mate := w.watch("u2", "c", "{}", "")
		for _, name := range []string{"sub.a", long} {
			update := mongo.Pipeline{{{Key: "$replaceWith", Value: bson.D{{Key: "$setField", Value: bson.D{{Key: "field", Value: name}, {Key: "input", Value: "$$ROOT"}, {Key: "value", Value: "secret"}}}}}}}
			if _, err := w.collection("c").UpdateOne(t.Context(), bson.D{}, update); err != nil {
				t.Fatal(err)
			}
			if _, got := mate.next(); !strings.HasSuffix(got, `fullDocument {"_id":1,"title":"t","sub":{"a":1}} updateDescription {"updatedFields":{},"removedFields":[]}`) {
				t.Error(got)
			}
		}
	})
}

// TestWatchWithoutPreImages tells the descriptions that the looked-up document vouches
// for.
func TestWatchWithoutPreImages(t *testing.T) {
	eachEngine(t, func(t *testing.T, client *mongo.Client) {
		w := newWorld(t, client)
		w.config = func(c *data.Config) { c.PreImages = nil }
		w.user("u2", `{"team": "red"}`)
		w.rules("c", watchRules)
		w.have("c", `{"_id": 1, "team": "red", "title": "t", "pin": 1, "sub": 0, "more": "a text that makes the document so long that a change is not told as a replacement"}`)
		mate := w.watch("u2", "c", "{}", "")
		for _, x := range []struct{ update, want string }{
			{`{"$set": {"sub": {"a": 1, "b": 2}}, "$unset": {"title": 1, "pin": 1}}`, `{"updatedFields":{"sub":{"a":1}},"removedFields":["title"]}`},
			{`{"$unset": {"sub.a": 1}}`, `{"updatedFields":{},"removedFields":["sub.a"]}`},
		} {
			if _, err := w.do("sys", "updateOne", "c", `{"query": {"_id": 1}, "update": `+x.update+`}`); err != nil {
				t.Fatal(err)
			}
			if _, got := mate.next(); !strings.HasSuffix(got, "updateDescription "+x.want) {
				t.Errorf("got  %s\nwant %s", got, x.want)
			}
		}
	})
}

// TestWatchTellsManyPathsByTheirFields: a description of very many paths is told by
// the document's own fields, in time that grows with their number.
func TestWatchTellsManyPathsByTheirFields(t *testing.T) {
	w := newWorld(t, engines["docdb"])
	w.rules("c", `{"roles": [{"name": "r", "apply_when": {}, "fields": {"_id": {"read": true}, "sub": {"fields": {"f7": {"read": true}}}}}]}`)
	before, sub, many := bson.D{}, bson.D{}, bson.D{}
	for i := range 20_000 {
		f := fmt.Sprintf("f%d", i)
		before = append(before, bson.E{Key: f, Value: "a text that makes the document long"})
		if i < 200 {
			sub = append(sub, bson.E{Key: f, Value: int32(0)})
			many = append(many, bson.E{Key: "sub." + f, Value: int32(i)})
		}
		if i%4 == 0 {
			many = append(many, bson.E{Key: f, Value: "x"})
		}
	}
	if _, err := w.collection("c").InsertOne(t.Context(), append(bson.D{{Key: "_id", Value: 1}, {Key: "sub", Value: sub}}, before...)); err != nil {
		t.Fatal(err)
	}
	s := w.watch("u1", "c", "{}", "")
	if _, err := w.collection("c").UpdateOne(t.Context(), bson.D{}, bson.D{{Key: "$set", Value: many}}); err != nil {
		t.Fatal(err)
	}
	s.expect(`update documentKey {"_id":1} fullDocument {"_id":1,"sub":{"f7":7}} updateDescription {"updatedFields":{"sub":{"f7":7}},"removedFields":[]}`)
}
