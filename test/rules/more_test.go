package rules

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const everybody = `{"roles": [{"name": "r", "apply_when": {}, "read": true, "write": true}]}`

// start serves one world.
func start(t *testing.T, engine, name string, configure func(w *world)) *world {
	w := newWorld(t, name)
	configure(w)
	serve(t, engine, w)
	return w
}

// watchAttacks holds open streams while what their users may see changes.
func watchAttacks(t *testing.T, engine string) {
	w := start(t, engine, "watch", func(w *world) {
		w.Configure("rules", "c", `{"roles": [{"name": "team", "apply_when": {"team": "%%user.custom_data.team"}, "read": true, "write": true}]}`)
		w.Configure("rules", "all", everybody)
		w.Configure("settings", "", `{"watch_heartbeat": "1s", "watch_buffer_events": 20}`)
		w.User("u1", `{"team": "red"}`)
		w.User("u2", `{"team": "red"}`)
	})
	teamOf := func(e event) string {
		return w.parse(e.data).Lookup("fullDocument", "team").StringValue()
	}

	t.Run("a role that changes takes effect", func(t *testing.T) {
		w.TB = t
		if refused := w.Watch("u1", "c", "{}"); refused != "" {
			t.Fatal(refused)
		}
		s := w.streams["u1 c"]
		w.Have("c", `{"team": "red"}`)
		if e, err := s.next(30 * time.Second); err != nil || teamOf(e) != "red" {
			t.Fatal(e, err)
		}
		w.setData("u1", `{"team": "blue"}`)
		// Within some seconds the stream tells blue, and from then on no red any more.
		blue := false
		for deadline := time.Now().Add(time.Minute); !blue; {
			if time.Now().After(deadline) {
				t.Fatal("the change never took effect")
			}
			w.Have("c", `{"team": "red"}`)
			w.Have("c", `{"team": "blue"}`)
			e, err := s.next(30 * time.Second)
			if err != nil {
				t.Fatal(err)
			}
			blue = teamOf(e) == "blue"
		}
		w.Have("c", `{"team": "red"}`)
		w.Have("c", `{"team": "blue", "last": true}`)
		for {
			e, err := s.next(30 * time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if teamOf(e) != "blue" {
				t.Fatalf("a document of the other team is told: %s", e.data)
			}
			if strings.Contains(e.data, `"last"`) {
				break
			}
		}
	})

	t.Run("a session that is revoked ends its stream", func(t *testing.T) {
		w.TB = t
		if refused := w.Watch("u2", "c", "{}"); refused != "" {
			t.Fatal(refused)
		}
		s := w.streams["u2 c"]
		if text, status := w.send("DELETE", "/auth/session", w.user("u2").refresh, ""); status != 204 {
			t.Fatal(status, text)
		}
		e, err := s.next(30 * time.Second)
		if err != nil || e.name != "error" || !strings.Contains(e.data, `"error_code":"InvalidSession"`) {
			t.Errorf("%+v, %v", e, err)
		}
		if e, err = s.next(30 * time.Second); err != errEnded {
			t.Errorf("the stream goes on: %+v, %v", e, err)
		}
		if _, refused := w.open("u2", "c", "{}", e.id); !strings.Contains(refused, "401") {
			t.Errorf("a dead session opens a stream: %s", refused)
		}
	})

	t.Run("a slow client is disconnected and resumes where it was", func(t *testing.T) {
		w.TB = t
		s, refused := w.open("u1", "all", "{}", "")
		if refused != "" {
			t.Fatal(refused)
		}
		defer s.close()
		// Nobody reads: the events fill the connection's buffers, then the queue.
		pad := strings.Repeat("x", 256<<10)
		const most = 400
		sent := 0
		for ; sent < most; sent++ {
			w.Have("all", fmt.Sprintf(`{"_id": %d, "pad": %q}`, sent, pad))
		}
		got, last := 0, ""
		for {
			e, err := s.next(30 * time.Second)
			if err != nil {
				t.Fatalf("%d of %d events, then %v without an error event", got, sent, err)
			}
			if e.name == "error" {
				if !strings.Contains(e.data, "watch_buffer_events") {
					t.Error(e.data)
				}
				break
			}
			last = e.id
			got++
		}
		if got >= sent {
			t.Fatalf("all %d events came", got)
		}
		again, refused := w.open("u1", "all", "{}", last)
		if refused != "" {
			t.Fatal(refused)
		}
		defer again.close()
		e, err := again.next(30 * time.Second)
		if err != nil || !strings.Contains(e.data, fmt.Sprintf(`"documentKey":{"_id":{"$numberInt":"%d"}}`, got)) {
			t.Errorf("after event %d comes %.300s, %v", got, e.data, err)
		}
	})
}

// raceAttack lets a user change documents whose owner locks and unlocks them all
// the while. The user's update copies the lock that it met: if the check were
// made on another version than the change, a copy would say that it was locked.
func raceAttack(t *testing.T, engine string) {
	w := start(t, engine, "race", func(w *world) {
		w.Configure("rules", "c", `{"roles": [{"name": "r", "apply_when": {}, "read": true, "write": {"%%prevRoot.locked": false}}]}`)
	})
	w.Have("c", `{"_id": 1, "locked": false, "n": 0}`)
	w.user("u1")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			for _, locked := range []bool{true, false} {
				_, _ = w.collection("c").UpdateOne(ctx, bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "$set", Value: bson.D{{Key: "locked", Value: locked}}}})
			}
		}
	})
	changed, refused := 0, 0
	for i := 0; i < 2000 && (i < 200 || changed < 20 || refused < 20); i++ {
		_, no := w.Do("u1", "updateOne", "c", `{"query": {"_id": 1}, "update": [{"$set": {"met": "$locked", "n": {"$add": ["$n", 1]}}}]}`)
		switch {
		case no == "":
			changed++
		case strings.Contains(no, "not permitted"):
			refused++
		}
		if text := w.Stored("c"); strings.Contains(text, `"met":true`) {
			t.Fatalf("a locked document was changed: %s", text)
		}
	}
	stop()
	wg.Wait()
	if changed == 0 || refused == 0 {
		t.Errorf("changed %d times, refused %d times: the race never was one", changed, refused)
	}
	if text := w.Stored("c"); !strings.Contains(text, fmt.Sprintf(`"n":{"$numberInt":"%d"}`, changed)) {
		t.Errorf("changed %d times, stored %s", changed, text)
	}
}

// headerAttack sends operators and expansions as header values.
func headerAttack(t *testing.T, engine string) {
	w := start(t, engine, "header", func(w *world) {
		w.Configure("rules", "c", `{"roles": [{"name": "key", "apply_when": {"key": "%%request.requestHeaders.x-key"}, "read": true}]}`)
		w.Configure("rules", "f", `{"roles": [{"name": "r", "apply_when": {}, "read": true}], "filters": [{"name": "f", "apply_when": {}, "query": {"key": "%%request.requestHeaders.x-key"}}]}`)
		w.Configure("rules", "g", `{"roles": [{"name": "r", "apply_when": {"%%true": {"%function": {"name": "isOwner", "arguments": ["%%root.key", "%%request.requestHeaders.x-key"]}}}, "read": true}]}`)
	})
	for _, c := range []string{"c", "f", "g"} {
		w.Have(c, `{"_id": 1, "key": "secret"}`)
	}
	u := w.user("u1")
	for header, want := range map[string]string{`{"$ne": null}`: "[]", "%%true": "[]", "$key": "[]", "%%root.key": "[]", `/.*/`: "[]", "": "[]", "secret": `[{"_id":{"$numberInt":"1"},"key":"secret"}]`} {
		for _, c := range []string{"c", "f", "g"} {
			r, err := http.NewRequest("POST", w.url+"/api/client/v2.0/app/"+w.id+"/functions/call", strings.NewReader(w.invocation("find", c, "{}")))
			if err != nil {
				t.Fatal(err)
			}
			r.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + u.access}, "X-Key": {header}}
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			var got json.RawMessage
			err = json.NewDecoder(res.Body).Decode(&got)
			res.Body.Close()
			want := want
			if c == "g" {
				want = "[]" // a header's value is a list, which no text equals in JavaScript
			}
			if err != nil || string(got) != want {
				t.Errorf("%s with the header %q: %s, %v; want %s", c, header, got, err, want)
			}
		}
	}
}

// slowFunctionAttack asks a function that never ends.
func slowFunctionAttack(t *testing.T, engine string) {
	w := start(t, engine, "slow", func(w *world) {
		w.file("functions/config.json", `[{"name": "never", "private": true}]`)
		w.file("functions/never.js", `exports = () => { for (;;) {} };`)
		w.Configure("settings", "", `{"user_query_timeout": "20s", "function_timeout": "1s"}`)
		w.Configure("rules", "c", `{"roles": [{"name": "r", "apply_when": {"%%true": {"%function": {"name": "never"}}}, "read": true, "write": true}]}`)
		w.Configure("rules", "n", `{"roles": [{"name": "r", "apply_when": {"%not": {"%%true": {"%function": {"name": "never"}}}}, "read": true, "write": true}]}`)
	})
	for _, c := range []string{"c", "n"} {
		w.Have(c, `{"_id": 1}`)
		if got, refused := w.Do("u1", "find", c, "{}"); got != "[]" {
			t.Errorf("find in %s: %s%s", c, got, refused)
		}
		if got, refused := w.Do("u1", "updateMany", c, `{"query": {}, "update": {"$set": {"a": 1}}}`); !strings.Contains(got, `"matchedCount":{"$numberInt":"0"}`) {
			t.Errorf("updateMany in %s: %s%s", c, got, refused)
		}
		if got, refused := w.Do("u1", "insertOne", c, `{"document": {}}`); !strings.Contains(refused, "insert not permitted") {
			t.Errorf("insertOne in %s: %s%s", c, got, refused)
		}
	}
}

// sizeAttacks sends much of everything: an answer or a clear error each time.
func sizeAttacks(t *testing.T, engine string) {
	w := start(t, engine, "size", func(w *world) {
		var roles []string
		for i := range 1000 {
			roles = append(roles, fmt.Sprintf(`{"name": "r%d", "apply_when": {"group": "g%d"}, "read": true, "write": true}`, i, i))
		}
		w.Configure("rules", "many", `{"roles": [`+strings.Join(roles, ",")+`]}`)
		w.Configure("rules", "c", everybody)
		w.Configure("rules", "wide", everybody)
		w.Configure("rules", "fields", `{"roles": [{"name": "r", "apply_when": {}, "fields": {"a": {"read": true, "write": true}}}]}`)
		w.Configure("settings", "", `{"find_limit": 50, "write_max_documents": 40}`)
	})
	w.Have("many", `{"_id": 1, "group": "g999"}`)
	w.Have("many", `{"_id": 2, "group": "none"}`)
	for i := range 60 {
		w.Have("c", fmt.Sprintf(`{"_id": %d}`, i))
	}
	w.Have("wide", `{"l": [`+strings.TrimSuffix(strings.Repeat("{},", 20_000), ",")+`]}`)
	nested := func(open, inner, shut string, n int) string {
		return strings.Repeat(open, n) + inner + strings.Repeat(shut, n)
	}
	many := func(text string, n int) string { return strings.TrimSuffix(strings.Repeat(text+",", n), ",") }
	for _, x := range []struct {
		name, action, collection, argument string
		want                               string // part of the result or of the error
	}{
		{"1,000 roles", "find", "many", `{}`, `[{"_id":{"$numberInt":"1"},"group":"g999"}]`},
		{"10,000 terms", "find", "c", `{"query": {"$or": [` + many(`{"_id": -1}`, 10_000) + `, {"_id": 3}]}}`, `[{"_id":{"$numberInt":"3"}}]`},
		{"10,000 values", "find", "c", `{"query": {"_id": {"$in": [` + many(`-1`, 10_000) + `, 3]}}}`, `[{"_id":{"$numberInt":"3"}}]`},
		{"101 levels of a query", "find", "c", `{"query": ` + nested(`{"$and": [`, `{}`, `]}`, 101) + `}`, "nest"},
		{"101 levels of a document", "insertOne", "fields", `{"document": {"a": ` + nested(`{"b": `, `1`, `}`, 200) + `}}`, "nest"},
		{"a million levels", "find", "c", `{"query": ` + nested(`{"a":`, `1`, `}`, 1_000_000) + `}`, "nest"},
		{"101 stages", "aggregate", "c", `{"pipeline": [` + many(`{"$match": {}}`, 101) + `]}`, "user_pipeline_max_stages"},
		{"an expression of 300 levels", "aggregate", "c", `{"pipeline": [{"$project": {"a": ` + nested(`{"$not": [`, `1`, `]}`, 300) + `}}]}`, "nest"},
		{"a 17 MB document", "insertOne", "c", `{"document": {"big": "` + strings.Repeat("x", 17<<20) + `"}}`, "4"},
		{"more documents than an answer may have", "find", "c", `{}`, "find_limit"},
		{"more documents than a pipeline may take", "aggregate", "c", `{"pipeline": []}`, "find_limit"},
		{"more documents than a write may change", "updateMany", "c", `{"query": {}, "update": {"a": 1}}`, "write_max_documents"},
		{"more documents than an insert may bring", "insertMany", "c", `{"documents": [` + many(`{}`, 41) + `]}`, "write_max_documents"},
		{"more operations than a bulk may have", "bulkWrite", "c", `{"operations": [` + many(`{"insertOne": {"document": {}}}`, 41) + `]}`, "write_max_documents"},
		{"a pipeline that doubles its document", "aggregate", "c", `{"pipeline": [{"$limit": 1}, ` + many(`{"$set": {"a": {"x": "$$ROOT", "y": "$$ROOT"}}}`, 90) + `]}`, "(MongoDBError 400)"},
		{"an update that doubles its document", "updateOne", "c", `{"query": {}, "update": [` + many(`{"$set": {"a": {"x": "$$ROOT", "y": "$$ROOT"}}}`, 90) + `]}`, "(MongoDBError 400)"},
		{"a projection that names its document for every element", "find", "wide", `{"project": {"l.x": "$$ROOT"}}`, "(MongoDBError 400)"},
	} {
		t.Run(x.name, func(t *testing.T) {
			w.TB = t
			began := time.Now()
			got, refused := w.Do("u1", x.action, x.collection, x.argument)
			if !strings.Contains(got+refused, x.want) {
				t.Errorf("%.300s%.300s, want %q", got, refused, x.want)
			}
			if d := time.Since(began); d > 90*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
	if got, refused := w.Do("u1", "count", "c", `{}`); got != `{"$numberLong":"60"}` {
		t.Errorf("afterwards: %s%s", got, refused)
	}
}
