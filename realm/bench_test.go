package realm_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/realm"
)

// BenchmarkOverhead compares the SDK's Find of some documents with the same
// call written by hand on net/http and bson, in turns in one run. The metric
// overhead-% is what the SDK adds; the project's bound is 10.
func BenchmarkOverhead(b *testing.B) {
	for _, documents := range []int{1, 20} {
		b.Run(fmt.Sprintf("documents=%d", documents), func(b *testing.B) { benchmarkOverhead(b, documents) })
	}
}

func benchmarkOverhead(b *testing.B, documents int) {
	s := newServer(b)
	user := logIn(b, newApp(b, s.URL), realm.Anonymous())
	docs := bson.A{}
	for i := range documents {
		docs = append(docs, bson.M{"_id": oid, "text": fmt.Sprintf("Todo number %d with a text of a usual length", i), "done": i%2 == 0})
	}
	s.on(functionsCall, ejson(docs))
	todos := realm.CollectionOf[Todo](user.MongoClient("mongodb-atlas").Database("todo"), "items")
	filter := bson.M{"owner_id": user.ID()}
	bySDK := func() int {
		found, err := todos.Find(b.Context(), filter)
		if err != nil {
			b.Fatal(err)
		}
		return len(found)
	}

	client := &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	defer client.CloseIdleConnections()
	token := user.AccessToken()
	byHand := func() int {
		body, err := bson.MarshalExtJSON(bson.D{
			{Key: "arguments", Value: bson.A{bson.D{{Key: "database", Value: "todo"}, {Key: "collection", Value: "items"}, {Key: "query", Value: filter}}}},
			{Key: "name", Value: "find"}, {Key: "service", Value: "mongodb-atlas"},
		}, true, false)
		if err != nil {
			b.Fatal(err)
		}
		req, err := http.NewRequestWithContext(b.Context(), "POST", s.URL+appPath+"/functions/call", bytes.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := client.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != 200 {
			b.Fatal(res.Status, err)
		}
		var found struct{ V []Todo }
		if err := bson.UnmarshalExtJSON([]byte(`{"v":`+string(text)+`}`), false, &found); err != nil {
			b.Fatal(err)
		}
		return len(found.V)
	}
	for range 100 { // connections, caches
		if bySDK() != documents || byHand() != documents {
			b.Fatal("wrong number of documents")
		}
		s.requests()
	}
	var sdk, hand []time.Duration
	took := func(call func() int) time.Duration {
		start := time.Now()
		call()
		return time.Since(start)
	}
	for b.Loop() {
		if len(sdk)%2 == 0 { // neither always comes first
			sdk, hand = append(sdk, took(bySDK)), append(hand, took(byHand))
		} else {
			hand, sdk = append(hand, took(byHand)), append(sdk, took(bySDK))
		}
		s.requests()
	}
	// Medians: what else the machine does must not count for one of them.
	slices.Sort(sdk)
	slices.Sort(hand)
	middle := len(sdk) / 2
	b.ReportMetric(float64(sdk[middle].Nanoseconds()), "sdk-ns/op")
	b.ReportMetric(float64(hand[middle].Nanoseconds()), "hand-ns/op")
	b.ReportMetric(100*(float64(sdk[middle])/float64(hand[middle])-1), "overhead-%")
	b.ReportMetric(0, "ns/op")
}
