package data_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/docdb"
	"regent/internal/data"
	"regent/internal/fault"
)

// searching is a deployment with a search service: docdb, in front of which stands a
// proxy that reads the wire protocol, notes the pipelines that begin with a search, and
// answers the search by a $match. It finds what the query's text is part of, newest first.
type searching struct {
	t  testing.TB
	db *docdb.DB

	mu    sync.Mutex
	asked []bson.A
}

func newSearching(t testing.TB) (*searching, *mongo.Client) {
	db, err := docdb.Open(t.TempDir(), docdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &searching{t: t, db: db}
	client, err := mongo.Connect(db.ClientOptions().SetDialer(s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.Disconnect(context.Background())
		db.Close()
	})
	return s, client
}

// DialContext gives the driver a connection through the proxy.
func (s *searching) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	behind, err := s.db.Dialer().DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	ours, theirs := net.Pipe()
	go func() {
		defer behind.Close()
		for {
			message, err := readMessage(ours)
			if err != nil {
				return
			}
			if _, err := behind.Write(s.answered(message)); err != nil {
				return
			}
		}
	}()
	go func() {
		defer ours.Close()
		_, _ = io.Copy(ours, behind)
	}()
	return theirs, nil
}

func readMessage(from io.Reader) ([]byte, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(from, head); err != nil {
		return nil, err
	}
	message := make([]byte, binary.LittleEndian.Uint32(head))
	copy(message, head)
	_, err := io.ReadFull(from, message[4:])
	return message, err
}

// answered is a message with the search in it, if any, replaced. An OP_MSG is a header
// of 16 bytes, 4 of flags, and a section of kind 0: a byte and the command.
func (s *searching) answered(message []byte) []byte {
	const opMsg, body = 2013, 16 + 4 + 1
	if binary.LittleEndian.Uint32(message[12:]) != opMsg || message[20] != 0 {
		return message
	}
	size := int(binary.LittleEndian.Uint32(message[body:]))
	var command bson.D
	if err := bson.Unmarshal(message[body:body+size], &command); err != nil || command[0].Key != "aggregate" {
		return message
	}
	for i, e := range command {
		stages, _ := e.Value.(bson.A)
		if e.Key != "pipeline" || len(stages) == 0 {
			continue
		}
		var found bson.A
		switch lead := stages[0].(bson.D)[0]; lead.Key {
		case "$search":
			text := lead.Value.(bson.D)[0].Value.(bson.D) // {text: {query, path}}
			found = bson.A{bson.D{{Key: "$match", Value: bson.D{{Key: text[1].Value.(string), Value: bson.D{{Key: "$regex", Value: text[0].Value}}}}}}, bson.D{{Key: "$sort", Value: bson.D{{Key: "_id", Value: -1}}}}}
		case "$vectorSearch":
			found = bson.A{bson.D{{Key: "$match", Value: bson.D{{Key: "vector", Value: bson.D{{Key: "$exists", Value: true}}}}}}, bson.D{{Key: "$limit", Value: lead.Value.(bson.D)[2].Value}}} // {path, queryVector, limit}
		default:
			return message
		}
		s.mu.Lock()
		s.asked = append(s.asked, stages)
		s.mu.Unlock()
		command[i].Value = append(found, stages[1:]...)
		out := append([]byte(nil), message[:body]...)
		out = append(out, bsonOf(command)...)
		out = append(out, message[body+size:]...)
		binary.LittleEndian.PutUint32(out, uint32(len(out)))
		return out
	}
	return message
}

// last gives the pipeline that was asked last, as text.
func (s *searching) last() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.asked) == 0 {
		return ""
	}
	return string(canonicalText(raw(s.asked[len(s.asked)-1])))
}

// TestSearch searches as users on a deployment that can: the search goes there as it
// was asked, and of what it finds the user gets what the roles that have search show.
func TestSearch(t *testing.T) {
	deployment, client := newSearching(t)
	for _, pushdown := range []bool{true, false} {
		w := newWorld(t, client)
		w.config = func(c *data.Config) { c.NoPushdown = !pushdown }
		w.rules("c", `{"roles": [
			{"name": "owner", "apply_when": {"owner_id": "%%user.id"}, "read": true, "write": true},
			{"name": "reader", "apply_when": {"shared": true}, "fields": {"_id": {"read": true}, "title": {"read": true}}},
			{"name": "unsearchable", "apply_when": {"shared": "found by find only"}, "read": true, "search": false}],
			"filters": [{"name": "live", "apply_when": {}, "query": {"gone": {"$ne": true}}}]}`)
		w.have("c",
			`{"_id": 1, "owner_id": "u1", "title": "an apple", "pin": 1}`, `{"_id": 2, "owner_id": "u2", "title": "apples", "pin": 2}`,
			`{"_id": 3, "shared": true, "title": "apple pie", "pin": 3}`, `{"_id": 4, "shared": "found by find only", "title": "apple tree", "pin": 4}`,
			`{"_id": 5, "owner_id": "u1", "title": "a pear", "pin": 5}`, `{"_id": 6, "owner_id": "u1", "title": "old apple", "gone": true}`,
			`{"_id": 7, "owner_id": "u1", "title": "apple juice", "vector": [1]}`, `{"_id": 8, "owner_id": "u2", "vector": [2]}`, `{"_id": 9, "shared": true, "title": "v", "vector": [3]}`)
		const search = `{"$search": {"text": {"query": "apple", "path": "title"}}}`
		for _, x := range []struct{ as, pipeline, want string }{
			{"u1", search, `[{"_id":7,"owner_id":"u1","title":"apple juice","vector":[1]},{"_id":3,"title":"apple pie"},{"_id":1,"owner_id":"u1","title":"an apple","pin":1}]`},
			{"u3", search, `[{"_id":3,"title":"apple pie"}]`},
			// What follows works on what can be read, in the order of the search.
			{"u1", search + `, {"$limit": 2}, {"$project": {"title": 1}}`, `[{"_id":7,"title":"apple juice"},{"_id":3,"title":"apple pie"}]`},
			{"u3", search + `, {"$match": {"pin": {"$gte": 0}}}`, `[]`},
			{"u1", search + `, {"$group": {"_id": null, "n": {"$sum": 1}, "pins": {"$sum": "$pin"}}}`, `[{"_id":null,"n":3,"pins":1}]`},
			{"u1", `{"$vectorSearch": {"path": "vector", "queryVector": [1], "limit": 5}}`, `[{"_id":7,"owner_id":"u1","title":"apple juice","vector":[1]},{"_id":9,"title":"v"}]`},
		} {
			v, err := w.do(x.as, "aggregate", "c", `{"pipeline": [`+x.pipeline+`]}`)
			if err != nil {
				t.Errorf("%s %s: %v", x.as, x.pipeline, err)
				continue
			}
			if got := string(canonicalText(v)); got != x.want {
				t.Errorf("%s %s (pushdown %t)\ngot  %s\nwant %s", x.as, x.pipeline, pushdown, got, x.want)
			}
			lead, _, _ := strings.Cut(strings.ReplaceAll(x.pipeline, " ", ""), `,{"$l`)
			lead, _, _ = strings.Cut(lead, `,{"$m`)
			lead, _, _ = strings.Cut(lead, `,{"$g`)
			got := deployment.last()
			if !strings.HasPrefix(got, "["+lead) || strings.Contains(got, "$limit") || strings.Contains(got, "$project") || strings.Contains(got, "$group") {
				t.Errorf("the deployment is asked %s, want it to begin with %s and to end with the rules' $match", got, lead)
			}
		}
		if v, err := w.do("u1", "find", "c", `{"query": {"_id": 4}}`); err != nil || len(mustValues(t, v)) != 1 {
			t.Error("a document that must not be searched for is to be found:", v, err)
		}
		// The system's pipelines go there whole.
		const whole = `[` + search + `,{"$match":{"pin":4}},{"$project":{"title":1}}]`
		v, err := w.do("sys", "aggregate", "c", `{"pipeline": `+whole+`}`)
		if got := string(canonicalText(v)); err != nil || got != `[{"_id":4,"title":"apple tree"}]` || deployment.last() != strings.ReplaceAll(whole, " ", "") {
			t.Error(got, err, deployment.last())
		}
	}
}

// TestSearchIsRefusedByName where there is no search service, and in places where it
// must not be.
func TestSearchIsRefusedByName(t *testing.T) {
	w := newWorld(t, engines["docdb"])
	w.rules("c", `{"roles": [{"name": "r", "apply_when": {}, "read": true, "write": true}]}`)
	w.have("c", `{"_id": 1}`)
	for _, as := range []string{"u1", "sys"} {
		for _, stage := range []string{`{"$search": {"text": {"query": "a", "path": "b"}}}`, `{"$vectorSearch": {"path": "v", "queryVector": [1], "limit": 1}}`} {
			_, err := w.do(as, "aggregate", "c", `{"pipeline": [`+stage+`]}`)
			name, _, _ := strings.Cut(stage[2:], `"`)
			var f *fault.Error
			if !errors.As(err, &f) || f.Code != fault.MongoDBError || !strings.Contains(f.Message, name) {
				t.Errorf("%s, %s: %v does not name %s", as, stage, err, name)
			}
		}
	}
	for _, x := range []struct{ pipeline, want string }{
		{`{"$match": {}}, {"$search": {}}`, "$search is only valid as the first stage"},
		{`{"$match": {}}, {"$vectorSearch": {}}`, "$vectorSearch is only valid as the first stage"},
		{`{"$searchMeta": {}}`, "the stage $searchMeta is not allowed for users"},
		{`{"$rankFusion": {}}`, "the stage $rankFusion is not allowed for users"},
		{`{"$facet": {"a": [{"$search": {}}]}}`, "the stage $facet is not allowed for users"},
		{`{"$search": {"text": {"query": {"$function": {"body": "f"}}}}}`, "the operator $function is not allowed for users"},
		{`{"$vectorSearch": {"filter": {"$where": "1"}}}`, "the operator $where is not allowed for users"},
		{`{"$search": {}}, {"$project": {"h": {"$meta": "searchHighlights"}}}`, "the operator $meta is not allowed for users"},
	} {
		if _, err := w.do("u1", "aggregate", "c", `{"pipeline": [`+x.pipeline+`]}`); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v, want %q", x.pipeline, err, x.want)
		}
	}
}

// TestStrictSearch: under strict_filters a search must not look at what nobody may
// read, in whatever part of it the field is named (rules-attacks.md 3).
func TestStrictSearch(t *testing.T) {
	_, client := newSearching(t)
	w := newWorld(t, client)
	w.file("regent.json", `{"strict_filters": true}`)
	w.rules("c", `{"roles": [{"name": "r", "apply_when": {}, "fields": {"_id": {"read": true}, "title": {"read": true}}}]}`)
	w.have("c", `{"_id": 1, "title": "t", "pin": "1"}`)
	if v, err := w.do("u1", "aggregate", "c", `{"pipeline": [{"$search": {"text": {"query": "t", "path": "title"}}}]}`); err != nil || len(mustValues(t, v)) != 1 {
		t.Error(v, err)
	}
	for _, search := range []string{
		`{"text": {"query": "1", "path": "pin"}}`, `{"text": {"query": "1", "path": ["title", "pin"]}}`, `{"text": {"query": "1", "path": {"value": "pin", "multi": "title"}}}`,
		`{"text": {"query": "1", "path": [{"value": "pin"}]}}`, `{"text": {"query": "1", "path": {"wildcard": "p*"}}}`, `{"text": {"query": "1", "path": [{"wildcard": "*"}]}}`,
		`{"compound": {"should": [{"range": {"path": "pin", "gt": 0}}]}}`, `{"exists": {"path": "pin.deep"}}`, `{"wildcard": {"query": "*", "path": "pin"}}`,
		`{"text": {"query": "t", "path": "title", "score": {"boost": {"path": "pin"}}}}`, `{"text": {"query": "t", "path": "title"}, "sort": {"pin": 1}}`,
		`{"text": {"query": "t", "path": "title"}, "highlight": {"path": "pin"}}`, `{"queryString": {"defaultPath": "title", "query": "pin:1"}}`, `{"moreLikeThis": {"like": {"pin": "1"}}}`,
	} {
		if v, err := w.do("u1", "aggregate", "c", `{"pipeline": [{"$search": `+search+`}]}`); err == nil || !strings.Contains(err.Error(), "strict_filters") {
			t.Errorf("%s: %v, %v", search, v, err)
		}
	}
	for _, search := range []string{`{"path": "pin", "queryVector": [1], "limit": 1}`, `{"path": "title", "queryVector": [1], "limit": 1, "filter": {"$or": [{"pin": 1}]}}`} {
		if v, err := w.do("u1", "aggregate", "c", `{"pipeline": [{"$vectorSearch": `+search+`}]}`); err == nil || !strings.Contains(err.Error(), "strict_filters") {
			t.Errorf("%s: %v, %v", search, v, err)
		}
	}
}

// TestSearchEndsAtItsLimit: a search that finds more than an answer may have is read as
// far as the $limit behind it says.
func TestSearchEndsAtItsLimit(t *testing.T) {
	_, client := newSearching(t)
	w := newWorld(t, client)
	w.config = func(c *data.Config) { c.Limits.FindDocuments = 3 }
	w.rules("c", `{"roles": [{"name": "even", "apply_when": {"odd": false}, "read": true}]}`)
	for i := range 10 {
		w.have("c", fmt.Sprintf(`{"_id": %d, "title": "t", "odd": %t}`, i, i%2 == 1))
	}
	const search = `{"$search": {"text": {"query": "t", "path": "title"}}}`
	if v, err := w.do("u1", "aggregate", "c", `{"pipeline": [`+search+`, {"$limit": 3}, {"$project": {"_id": 1}}]}`); err != nil || string(canonicalText(v)) != `[{"_id":8},{"_id":6},{"_id":4}]` {
		t.Error(v, err)
	}
	if _, err := w.do("u1", "aggregate", "c", `{"pipeline": [`+search+`]}`); err == nil || !strings.Contains(err.Error(), "find_limit") {
		t.Error(err)
	}
}
