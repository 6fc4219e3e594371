package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

const (
	idleStreams = 1000
	writeRate   = 1000
)

// streamLines opens 1,000 change streams on other collections than the written one, and one on that, over TCP; at 1,000 writes a
// second it measures how long events take from the insert's sending to the watcher, and what a stream costs the server's memory.
func streamLines(ctx context.Context, c *config) ([]line, error) {
	s, err := startChild("docdb", filepath.Join(c.dir, "streams"))
	if err != nil {
		return nil, err
	}
	defer s.stop()
	writer, err := s.connect()
	if err != nil {
		return nil, err
	}
	defer disconnect(writer)
	watcher, err := s.connect(options.Client().SetMaxPoolSize(2 * idleStreams).SetMaxConnecting(50))
	if err != nil {
		return nil, err
	}
	defer disconnect(watcher)
	coll := writer.Database(dbName).Collection(collName)
	t := newTemplate(300)
	if _, err := coll.InsertOne(ctx, t.make(nil, 1<<30)); err != nil {
		return nil, err
	}
	before, _, err := s.memory()
	if err != nil {
		return nil, err
	}
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	opened := make(chan error, idleStreams)
	for i := range idleStreams {
		wg.Go(func() {
			cs, err := watcher.Database(dbName).Collection(fmt.Sprintf("other%d", i)).Watch(watching, mongo.Pipeline{}, options.ChangeStream().SetMaxAwaitTime(time.Minute))
			opened <- err
			if err != nil {
				return
			}
			cs.Next(watching)
			cs.Close(context.Background())
		})
	}
	defer wg.Wait()
	defer cancel()
	for range idleStreams {
		if err := <-opened; err != nil {
			return nil, err
		}
	}
	time.Sleep(time.Second) // until all of them wait in a getMore
	after, _, err := s.memory()
	if err != nil {
		return nil, err
	}
	cs, err := writer.Database(dbName).Collection(collName).Watch(watching, mongo.Pipeline{})
	if err != nil {
		return nil, err
	}
	total := int(c.duration.Seconds()*writeRate) + writeRate
	sent := make([]time.Time, total)
	var mu sync.Mutex
	var delays []time.Duration
	wg.Go(func() {
		defer cs.Close(context.Background())
		for range total {
			if !cs.Next(watching) {
				return
			}
			d, _ := cs.Current.Lookup("fullDocument").DocumentOK()
			n, _ := d.Lookup("n").Int32OK()
			mu.Lock()
			delays = append(delays, time.Since(sent[n]))
			mu.Unlock()
		}
	})
	err = s.profiled(c, func() error { return paced(ctx, coll, t, sent, &mu) })
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		mu.Lock()
		n := len(delays)
		mu.Unlock()
		if n == total {
			break
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(delays) != total {
		return nil, fmt.Errorf("%d of %d events have arrived", len(delays), total)
	}
	slices.Sort(delays)
	p50, p99 := delays[total/2], delays[total*99/100]
	perStream := float64(after-before) / idleStreams / 1024
	return []line{
		{name: "1,000 idle change streams and one at 1,000 writes/s, TCP: delivery", docdb: fmt.Sprintf("p50 %s, p99 %s", short(p50), short(p99)), aim: "p99 < 50 ms", reached: p99 < 50*time.Millisecond},
		{name: "the same: heap and stacks of the server a stream, its connection included", docdb: fmt.Sprintf("%.1f KB", perStream), aim: "< 20 KB", reached: perStream < 20},
	}, nil
}

// paced inserts len(sent) documents at the write rate with a few writers.
func paced(ctx context.Context, coll *mongo.Collection, t *template, sent []time.Time, mu *sync.Mutex) error {
	const hands = 4
	errs := make(chan error, hands)
	start := time.Now()
	for h := range hands {
		go func() {
			for i := h; i < len(sent); i += hands {
				time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second / writeRate)))
				mu.Lock()
				sent[i] = time.Now()
				mu.Unlock()
				if _, err := coll.InsertOne(ctx, bson.Raw(t.make(nil, i))); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range hands {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}
