package rules

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent"
	"regent/docdb"
)

// BenchmarkFindOne compares findOne by _id under an owner rule, through the API,
// with its parts: a bare HTTP server that answers the same request with the same
// bytes, and the same findOne through the driver. All are in this process.
func BenchmarkFindOne(b *testing.B) {
	const documents = 10_000
	document := func(i int, owner string) bson.D {
		return bson.D{{Key: "_id", Value: int32(i)}, {Key: "owner_id", Value: owner}, {Key: "title", Value: "a title of some length"}, {Key: "done", Value: false}}
	}

	w := &world{TB: b, dir: b.TempDir(), id: "bench-abcde", db: "bench", users: map[string]*user{}}
	w.file("root_config.json", `{"app_id": "bench-abcde", "config_version": 20210101, "name": "bench"}`)
	w.file("auth/providers.json", `{"anon-user": {"name": "anon-user", "type": "anon-user", "disabled": false}}`)
	w.file("data_sources/mongodb-atlas/config.json", `{"name": "mongodb-atlas", "type": "mongodb-atlas", "config": {}}`)
	w.Configure("rules", "c", `{"roles": [{"name": "owner", "apply_when": {"owner_id": "%%user.id"}, "read": true, "write": true}]}`)
	srv, err := regent.Open(b.Context(), regent.Config{Dirs: []string{w.dir}, DataDir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer srv.Close(b.Context())
	api := httptest.NewServer(srv)
	defer api.Close()
	w.url = api.URL
	u := w.user("u1")
	text, status := w.send("POST", "/app/"+w.id+"/functions/call", u.access, w.invocation("insertMany", "c", `{"documents": `+documentsText(b, documents, func(i int) bson.D { return document(i, u.id) })+`}`))
	if status != 200 {
		b.Fatal(status, text[:min(200, len(text))])
	}

	db, err := docdb.Open(filepath.Join(b.TempDir(), "db"), docdb.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	client, err := mongo.Connect(db.ClientOptions())
	if err != nil {
		b.Fatal(err)
	}
	defer client.Disconnect(b.Context())
	coll := client.Database("bench").Collection("c")
	all := make([]any, documents)
	for i := range all {
		all[i] = document(i, u.id)
	}
	if _, err := coll.InsertMany(b.Context(), all); err != nil {
		b.Fatal(err)
	}

	body := []byte(w.invocation("findOne", "c", `{"query": {"_id": {"$numberInt": "5000"}}}`))
	answer := []byte{}
	post := func(b *testing.B, url string) {
		r, err := http.NewRequest("POST", url+"/api/client/v2.0/app/bench-abcde/functions/call", bytes.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		r.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + u.access}}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		answer, err = io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != 200 || !bytes.HasPrefix(answer, []byte(`{"_id"`)) {
			b.Fatal(res.StatusCode, string(answer), err)
		}
	}
	post(b, api.URL)
	same := answer
	bare := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err == nil {
			rw.Header().Set("Content-Type", "application/json")
			rw.Write(same)
		}
	}))
	defer bare.Close()
	filter := bson.D{{Key: "_id", Value: int32(5000)}}

	// The three take turns, so that what else happens on the machine hits all.
	var took [3]time.Duration
	turns := 0
	for b.Loop() {
		turns++
		for i, one := range []func(){
			func() { post(b, bare.URL) },
			func() {
				if _, err := coll.FindOne(b.Context(), filter).Raw(); err != nil {
					b.Fatal(err)
				}
			},
			func() { post(b, api.URL) },
		} {
			began := time.Now()
			one()
			took[i] += time.Since(began)
		}
	}
	micro := func(i int) float64 { return float64(took[i].Nanoseconds()) / 1e3 / float64(turns) }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(micro(0), "µs-bare-HTTP")
	b.ReportMetric(micro(1), "µs-driver")
	b.ReportMetric(micro(2), "µs-owner-rule")
	b.ReportMetric(micro(2)/(micro(0)+micro(1)), "of-the-sum")
}

func documentsText(b *testing.B, n int, document func(int) bson.D) string {
	list := make([]json.RawMessage, n)
	for i := range list {
		text, err := bson.MarshalExtJSON(document(i), true, false)
		if err != nil {
			b.Fatal(err)
		}
		list[i] = text
	}
	text, err := json.Marshal(list)
	if err != nil {
		b.Fatal(err)
	}
	return string(text)
}
