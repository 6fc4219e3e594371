package realm_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// store adds to the protocol's server what the examples need: functions, API
// keys, push, and a collection that understands filters by equality and $set.
type store struct {
	mu       sync.Mutex
	docs     []bson.M
	nextID   int
	watchers map[chan string]bool
	keys     []map[string]any
}

// newExampleServer returns a running server for the examples. It is closed by
// TestMain.
func newExampleServer() *server {
	s := &server{handlers: map[string]http.HandlerFunc{}, live: map[string]bool{}, access: map[string]bool{}, identity: map[string]string{}}
	s.Server = httptest.NewServer(s)
	st := &store{watchers: map[chan string]bool{}}
	app := "/app/" + appID
	s.handle("POST "+app+"/functions/call", func(w http.ResponseWriter, r *http.Request) {
		if rep := s.answer(r, app+"/functions/call", nil); rep.status != 200 {
			rep.write(w)
			return
		}
		body, _ := io.ReadAll(r.Body)
		st.call(body, subject(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))).write(w)
	})
	s.handle("GET "+app+"/functions/call", st.watch)
	s.handle("GET /auth/profile", func(w http.ResponseWriter, r *http.Request) {
		rep := s.answer(r, "/auth/profile", nil)
		if rep.status == 200 {
			rep.body = strings.Replace(rep.body, `"data":{}`, `"data":{"name":"Ada Lovelace","email":"ada@example.com"}`, 1)
		}
		rep.write(w)
	})
	s.handle("PUT "+app+"/push/providers/gcm/registration", func(w http.ResponseWriter, r *http.Request) { empty(204).write(w) })
	s.handle("DELETE "+app+"/push/providers/gcm/registration", func(w http.ResponseWriter, r *http.Request) { empty(204).write(w) })
	for _, call := range []string{"register", "confirm", "confirm/send", "confirm/call", "reset", "reset/send", "reset/call"} {
		s.handle("POST "+app+"/auth/providers/local-userpass/"+call, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if strings.Contains(string(body), "nobody@") {
				refused(404, "UserNotFound", "user not found").write(w)
				return
			}
			empty(204).write(w)
		})
	}
	s.handle("POST "+app+"/auth/providers/local-userpass/login", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case strings.Contains(string(body), `"wrong`):
			refused(401, "InvalidPassword", "unauthorized").write(w)
		case r.URL.Query().Get("link") == "true":
			token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			ok(fmt.Sprintf(`{"access_token":%q,"user_id":%q}`, token, subject(token))).write(w)
		default:
			s.answer(r, app+"/auth/providers/local-userpass/login", body).write(w)
		}
	})
	s.handle("POST /auth/session", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		id := subject(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		s.sessions++
		token := jwt(map[string]any{"sub": id, "exp": 4102444800, "iat": 1700000000 + s.sessions, "user_data": map[string]any{"colour": "teal", "since": 1843}})
		s.access[token] = true
		reply{status: 201, body: fmt.Sprintf(`{"access_token":%q}`, token)}.write(w)
	})
	keys := func(f func() reply) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			st.mu.Lock()
			defer st.mu.Unlock()
			f().write(w)
		}
	}
	const keyID = "5f1a00000000000000000009"
	s.handle("POST /auth/api_keys", keys(func() reply {
		st.keys = []map[string]any{{"_id": keyID, "name": "backup-job", "disabled": false}}
		return reply{status: 201, body: `{"_id":"` + keyID + `","key":"s3cret","name":"backup-job","disabled":false}`}
	}))
	s.handle("GET /auth/api_keys", keys(func() reply { return ok(jsonText(st.keys)) }))
	s.handle("GET /auth/api_keys/"+keyID, keys(func() reply { return ok(jsonText(st.keys[0])) }))
	s.handle("DELETE /auth/api_keys/"+keyID, keys(func() reply { st.keys = []map[string]any{}; return empty(204) }))
	s.handle("PUT /auth/api_keys/"+keyID+"/disable", keys(func() reply { st.keys[0]["disabled"] = true; return empty(204) }))
	s.handle("PUT /auth/api_keys/"+keyID+"/enable", keys(func() reply { st.keys[0]["disabled"] = false; return empty(204) }))
	return s
}

func jsonText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func ejson(v any) reply {
	text, err := bson.MarshalExtJSON(bson.D{{Key: "v", Value: v}}, true, false)
	if err != nil {
		panic(err)
	}
	return ok(strings.TrimSuffix(strings.TrimPrefix(string(text), `{"v":`), "}"))
}

// call is functions/call.
func (s *store) call(body []byte, user string) reply {
	var in struct {
		Name, Service string
		Arguments     []any
	}
	if err := bson.UnmarshalExtJSON(body, false, &in); err != nil {
		return refused(400, "BadRequest", err.Error())
	}
	if in.Service == "mongodb-atlas" {
		var arg struct{ Arguments []bson.M }
		if r, err := bson.NewExtJSONValueReader(bytes.NewReader(body), false); err == nil {
			d := bson.NewDecoder(r)
			d.DefaultDocumentM()
			_ = d.Decode(&arg)
		}
		return s.action(in.Name, arg.Arguments[0])
	}
	switch in.Name {
	case "sum":
		sum := int32(0)
		for _, a := range in.Arguments {
			n, _ := a.(int32)
			sum += n
		}
		return ejson(sum)
	case "summary":
		return ejson(bson.M{"greeting": "Hello", "open": 2, "done": 1})
	}
	return refused(404, "FunctionNotFound", "function not found: '"+in.Name+"'")
}

func (s *store) match(filter any) (found []int) {
	want, _ := filter.(bson.M)
	for i, doc := range s.docs {
		fits := true
		for k, v := range want {
			fits = fits && doc[k] == v
		}
		if fits {
			found = append(found, i)
		}
	}
	return found
}

func (s *store) insert(doc bson.M) any {
	if doc["_id"] == nil {
		s.nextID++
		doc["_id"], _ = bson.ObjectIDFromHex(fmt.Sprintf("%024x", s.nextID))
	}
	s.docs = append(s.docs, doc)
	s.tell("insert", doc)
	return doc["_id"]
}

func (s *store) tell(what string, doc bson.M) {
	text, _ := bson.MarshalExtJSON(bson.M{"operationType": what, "documentKey": bson.M{"_id": doc["_id"]}, "fullDocument": doc}, true, false)
	for c := range s.watchers {
		c <- "id: 1\ndata: " + string(text) + "\n\n"
	}
}

func change1(doc bson.M, update any) bson.M {
	out := maps.Clone(doc)
	u, _ := update.(bson.M)
	if set, ok := u["$set"].(bson.M); ok {
		maps.Copy(out, set)
		return out
	}
	out = maps.Clone(u)
	out["_id"] = doc["_id"]
	return out
}

// action is one action of client-api.md §1.17.
func (s *store) action(name string, arg bson.M) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	filter := arg["query"]
	if filter == nil {
		filter = arg["filter"]
	}
	found := s.match(filter)
	update := arg["update"]
	if update == nil {
		update = arg["replacement"]
	}
	first := func() any {
		if len(found) == 0 {
			return nil
		}
		return s.docs[found[0]]
	}
	remove := func(n int) int {
		n = min(n, len(found))
		for i := n - 1; i >= 0; i-- {
			s.docs = append(s.docs[:found[i]], s.docs[found[i]+1:]...)
		}
		return n
	}
	apply := func(n int) any {
		for _, i := range found[:min(n, len(found))] {
			s.docs[i] = change1(s.docs[i], update)
			s.tell("update", s.docs[i])
		}
		return bson.M{"matchedCount": min(n, len(found)), "modifiedCount": min(n, len(found))}
	}
	switch name {
	case "find":
		docs := bson.A{}
		for _, i := range found {
			docs = append(docs, s.docs[i])
		}
		return ejson(docs)
	case "findOne":
		return ejson(first())
	case "count":
		return ejson(int64(len(found)))
	case "distinct":
		values := bson.A{}
		seen := map[any]bool{}
		for _, i := range found {
			if v := s.docs[i][arg["key"].(string)]; !seen[v] {
				seen[v] = true
				values = append(values, v)
			}
		}
		return ejson(values)
	case "aggregate":
		return ejson(bson.A{bson.M{"_id": nil, "count": int32(len(s.docs))}})
	case "insertOne":
		return ejson(bson.M{"insertedId": s.insert(arg["document"].(bson.M))})
	case "insertMany":
		ids := bson.A{}
		for _, d := range arg["documents"].(bson.A) {
			ids = append(ids, s.insert(d.(bson.M)))
		}
		return ejson(bson.M{"insertedIds": ids})
	case "updateOne", "replaceOne":
		return ejson(apply(1))
	case "updateMany":
		return ejson(apply(len(found)))
	case "deleteOne":
		return ejson(bson.M{"deletedCount": remove(1)})
	case "deleteMany":
		return ejson(bson.M{"deletedCount": remove(len(found))})
	case "findOneAndUpdate", "findOneAndReplace":
		before := first()
		apply(1)
		if arg["returnNewDocument"] == true {
			return ejson(first())
		}
		return ejson(before)
	case "findOneAndDelete":
		before := first()
		remove(1)
		return ejson(before)
	case "bulkWrite":
		n := len(arg["operations"].(bson.A))
		return ejson(bson.M{"insertedCount": n - 1, "deletedCount": 1})
	}
	return refused(404, "ServiceCommandNotFound", "no action "+name)
}

// watch is client-api.md §1.18 without a filter.
func (s *store) watch(w http.ResponseWriter, r *http.Request) {
	if _, err := base64.StdEncoding.DecodeString(r.URL.Query().Get("baas_request")); err != nil {
		refused(400, "BadRequest", err.Error()).write(w)
		return
	}
	events := make(chan string, 16)
	s.mu.Lock()
	s.watchers[events] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.watchers, events)
		s.mu.Unlock()
	}()
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = io.WriteString(w, ": watching\n\n")
	w.(http.Flusher).Flush()
	for {
		select {
		case <-r.Context().Done():
			return
		case e := <-events:
			_, _ = io.WriteString(w, e)
			w.(http.Flusher).Flush()
		}
	}
}
