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
	// Each bound has its own words, so that none can be out unnoticed behind another:
	// that of queries and expressions, and that of any text.
	const tooDeep, tooDeepText = "nested more than 100 levels (InvalidParameter 400)", "nested too deeply: at most 200 levels are allowed (BadRequest 400)"
	many := func(text string, n int) string { return strings.TrimSuffix(strings.Repeat(text+",", n), ",") }
	for _, x := range []struct {
		name, action, collection, argument string
		want                               string // part of the result or of the error
	}{
		{"1,000 roles", "find", "many", `{}`, `[{"_id":{"$numberInt":"1"},"group":"g999"}]`},
		{"10,000 terms", "find", "c", `{"query": {"$or": [` + many(`{"_id": -1}`, 10_000) + `, {"_id": 3}]}}`, `[{"_id":{"$numberInt":"3"}}]`},
		{"10,000 values", "find", "c", `{"query": {"_id": {"$in": [` + many(`-1`, 10_000) + `, 3]}}}`, `[{"_id":{"$numberInt":"3"}}]`},
		{"101 levels of $not", "find", "c", `{"query": {"a": ` + nested(`{"$not": `, `{"$gt": 1}`, `}`, 101) + `}}`, tooDeep},
		{"101 levels of $elemMatch", "count", "c", `{"query": ` + nested(`{"a": {"$elemMatch": `, `{}`, `}}`, 70) + `}`, tooDeep},
		{"101 levels of a $match", "aggregate", "c", `{"pipeline": [{"$match": {"a": ` + nested(`{"$not": `, `{"$gt": 1}`, `}`, 101) + `}}]}`, tooDeep},
		{"101 levels of what a delete means", "deleteMany", "c", `{"query": {"a": ` + nested(`{"$not": `, `{"$gt": 1}`, `}`, 101) + `}}`, tooDeep},
		{"101 levels of what an update means", "updateMany", "c", `{"query": {"a": ` + nested(`{"$not": `, `{"$gt": 1}`, `}`, 101) + `}, "update": {"$set": {"x": 1}}}`, tooDeep},
		{"101 levels of an array filter", "updateMany", "c", `{"query": {}, "update": {"$set": {"x.$[e]": 1}}, "arrayFilters": [{"e": ` + nested(`{"$not": `, `{"$gt": 1}`, `}`, 101) + `}]}`, tooDeep},
		{"101 levels of a $pull", "updateMany", "c", `{"query": {}, "update": {"$pull": {"x": ` + nested(`{"$not": `, `{"$gt": 1}`, `}`, 101) + `}}}`, tooDeep},
		{"101 levels of a pipeline update", "updateMany", "c", `{"query": {}, "update": [{"$set": {"x": ` + nested(`{"$abs": `, `1`, `}`, 101) + `}}]}`, tooDeep},
		{"101 levels of an expression", "aggregate", "c", `{"pipeline": [{"$project": {"a": ` + nested(`{"$abs": `, `1`, `}`, 101) + `}}]}`, tooDeep},
		{"101 levels of a computed projection", "find", "c", `{"project": {"a": ` + nested(`{"$abs": `, `1`, `}`, 101) + `}}`, tooDeep},
		{"101 levels of a $search", "aggregate", "c", `{"pipeline": [{"$search": ` + nested(`{"a": `, `1`, `}`, 102) + `}]}`, tooDeep},
		{"201 levels of a document", "insertOne", "fields", `{"document": {"a": ` + nested(`{"b": `, `1`, `}`, 200) + `}}`, tooDeepText},
		{"a million levels", "find", "c", `{"query": ` + nested(`{"a":`, `1`, `}`, 1_000_000) + `}`, tooDeepText},
		{"101 stages", "aggregate", "c", `{"pipeline": [` + many(`{"$match": {}}`, 101) + `]}`, "user_pipeline_max_stages"},
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
