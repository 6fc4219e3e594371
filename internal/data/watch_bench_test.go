package data_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// BenchmarkWatchers measures 1,000 watchers of one collection under an owner
// rule while 100 documents a second are written for one of them: bytes a
// watcher takes, and how long an event is on its way.
func BenchmarkWatchers(b *testing.B) {
	const watchers = 1000
	w, s := benchService(b, ownerRules, "")
	memory := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	before := memory()
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var mu sync.Mutex
	var delays []time.Duration
	for i := range watchers {
		st, err := s.Watch(ctx, w.caller(fmt.Sprintf("u%d", i)), "mongodb-atlas", w.argument("c", "{}"), "")
		if err != nil {
			b.Fatal(err)
		}
		wg.Go(func() {
			defer st.Close()
			for {
				_, e, err := st.Next(ctx)
				if err != nil {
					return
				}
				sent := time.Unix(0, e.Lookup("fullDocument", "sent").Int64())
				mu.Lock()
				delays = append(delays, time.Since(sent))
				mu.Unlock()
			}
		})
	}
	each := (memory() - before) / watchers
	coll := w.client.Database(w.db).Collection("c")
	// One change stream of the driver beside them says what the machine takes.
	var alone []time.Duration
	direct, err := coll.Watch(ctx, mongo.Pipeline{})
	if err != nil {
		b.Fatal(err)
	}
	wg.Go(func() {
		defer direct.Close(context.WithoutCancel(ctx))
		for direct.Next(ctx) {
			alone = append(alone, time.Since(time.Unix(0, direct.Current.Lookup("fullDocument", "sent").Int64())))
		}
	})
	n := 0
	for b.Loop() {
		if _, err := coll.InsertOne(ctx, bson.D{{Key: "owner_id", Value: fmt.Sprintf("u%d", n%watchers)}, {Key: "sent", Value: time.Now().UnixNano()}}); err != nil {
			b.Fatal(err)
		}
		n++
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(300 * time.Millisecond)
	stop()
	wg.Wait()
	slices.Sort(delays)
	if len(delays) < n {
		b.Errorf("%d of %d events came", len(delays), n)
	}
	b.ReportMetric(float64(each), "B/watcher")
	slices.Sort(alone)
	if len(alone) == 0 {
		b.Fatal("the driver's change stream told nothing")
	}
	milli := func(d []time.Duration, percent int) float64 {
		return float64(d[len(d)*percent/100].Microseconds()) / 1000
	}
	b.ReportMetric(milli(delays, 50), "p50-ms")
	b.ReportMetric(milli(delays, 99), "p99-ms")
	b.ReportMetric(milli(alone, 99), "p99-ms-driver-alone")
	b.ReportMetric(0, "ns/op")
}
