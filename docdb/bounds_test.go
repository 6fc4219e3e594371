package docdb_test

import (
	"encoding/binary"
	"net"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/docdb"
)

// peakOf is by how much the heap grows while f runs. The collector runs often meanwhile, so that this is about what is held.
func peakOf(t *testing.T, f func()) int64 {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	before := heap()
	var peak atomic.Int64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		for {
			metrics.Read(s)
			peak.Store(max(peak.Load(), int64(s[0].Value.Uint64())))
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	f()
	peak.Store(max(peak.Load(), heap()))
	close(stop)
	<-stopped
	return peak.Load() - before
}

// insertLarge inserts n documents of a size.
func insertLarge(t *testing.T, client *mongo.Client, coll string, n, size int) {
	t.Helper()
	for i := range n {
		_, err := client.Database("app").Collection(coll).InsertOne(ctx(t), bson.D{{Key: "_id", Value: i}, {Key: "n", Value: n - i}, {Key: "s", Value: strings.Repeat("x", size)}})
		must(t, err)
	}
}

// TestAnswersThatNobodyReads has two hundred clients ask for 16 MB each and not read it, over TCP and in memory: together they hold no more than
// MaxBuffered, and an honest client gets all that it asks for meanwhile, large documents too.
func TestAnswersThatNobodyReads(t *testing.T) {
	const buffered, docs = 32 << 20, 300
	ask, err := bson.Marshal(bson.D{{Key: "find", Value: "large"}, {Key: "batchSize", Value: 1000}, {Key: "$db", Value: "app"}})
	must(t, err)
	request := opMsg(ask, 0)
	for _, kind := range []string{"tcp", "memory"} {
		t.Run(kind, func(t *testing.T) {
			db, addr := listen(t, docdb.Options{MaxBuffered: buffered})
			client, err := mongo.Connect(db.ClientOptions())
			must(t, err)
			defer client.Disconnect(ctx(t))
			insertLarge(t, client, "large", docs, 64<<10)
			insertLarge(t, client, "single", 1, 15<<20)
			peak := peakOf(t, func() {
				for range 200 {
					var conn net.Conn
					if kind == "tcp" {
						conn = tcp(t, addr)
						conn.(rawConn).Conn.(*net.TCPConn).SetReadBuffer(4 << 10)
					} else {
						conn, err = db.Dialer().DialContext(ctx(t), "", "")
						must(t, err)
						defer conn.Close()
					}
					_, err := conn.Write(request)
					must(t, err)
					if kind == "memory" {
						conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)) // the later ones wait
						conn.Read(make([]byte, 1))
					}
				}
				if kind == "memory" {
					return // nothing throws out those who do not read in memory: they are this program
				}
				honest := tcp(t, addr)
				honest.SetDeadline(time.Now().Add(2 * time.Minute))
				rep := honest.run(t, "app", bson.D{{Key: "find", Value: "large"}})
				n := 0
				for batch := "firstBatch"; ; batch = "nextBatch" {
					vals, err := rep.Lookup("cursor", batch).Array().Values()
					must(t, err)
					n += len(vals)
					id := rep.Lookup("cursor", "id").Int64()
					if id == 0 {
						break
					}
					rep = honest.run(t, "app", bson.D{{Key: "getMore", Value: id}, {Key: "collection", Value: "large"}})
				}
				if n != docs {
					t.Errorf("an honest client gets %d documents, not %d", n, docs)
				}
				honest.run(t, "app", bson.D{{Key: "find", Value: "single"}})
				if vals, err := honest.run(t, "app", bson.D{{Key: "find", Value: "large"}, {Key: "limit", Value: 200}, {Key: "batchSize", Value: 200}, {Key: "singleBatch", Value: true}}).Lookup("cursor", "firstBatch").Array().Values(); err != nil || len(vals) != 200 {
					t.Errorf("an only batch has %d documents, not 200 (%v)", len(vals), err)
				}
			})
			if peak > 6*buffered {
				t.Errorf("%d MiB are held", peak>>20)
			}
			t.Logf("%d MiB at most", peak>>20)
		})
	}
}

// TestRequestsThatNobodyEnds has fifty clients in memory send most of a large request each; the last one waits and is told when its time is over.
func TestRequestsThatNobodyEnds(t *testing.T) {
	db, err := docdb.Open(t.TempDir(), docdb.Options{MaxBuffered: 32 << 20})
	must(t, err)
	defer db.Close()
	half := append(binary.LittleEndian.AppendUint32(nil, 4<<20), make([]byte, 3<<20)...)
	late := 0
	peak := peakOf(t, func() {
		for range 50 {
			conn, err := db.Dialer().DialContext(ctx(t), "", "")
			must(t, err)
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(20 * time.Millisecond))
			if _, err := conn.Write(half); err != nil {
				late++
			}
		}
	})
	if peak > 64<<20 || late < 30 {
		t.Errorf("%d MiB are held, %d of 50 wait", peak>>20, late)
	}
}

// TestManyQueriesAtOnce has forty clients sort, group and join 8 MB each, and leave their cursors open: together they hold no more than
// QueryBytes, the rest lies in files, and each has the right result.
func TestManyQueriesAtOnce(t *testing.T) {
	const most = 16 << 20
	db, err := docdb.Open(t.TempDir(), docdb.Options{QueryBytes: most, CacheBytes: 1 << 20})
	must(t, err)
	defer db.Close()
	client, err := mongo.Connect(db.ClientOptions())
	must(t, err)
	defer client.Disconnect(ctx(t))
	const docs = 8000
	var list []any
	for i := range docs {
		list = append(list, bson.D{{Key: "_id", Value: i}, {Key: "n", Value: (i * 7919) % docs}, {Key: "s", Value: strings.Repeat("x", 1000)}})
	}
	coll := client.Database("app").Collection("c")
	_, err = coll.InsertMany(ctx(t), list)
	must(t, err)
	for _, c := range []struct {
		name string
		pipe bson.A
		n    int
	}{
		{"sort", bson.A{bson.D{{Key: "$sort", Value: bson.D{{Key: "n", Value: 1}}}}}, docs},
		{"group", bson.A{bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: bson.A{"$n", "$s"}}, {Key: "n", Value: bson.D{{Key: "$first", Value: "$n"}}}}}}}, docs},
		{"window", bson.A{bson.D{{Key: "$setWindowFields", Value: bson.D{{Key: "partitionBy", Value: "$n"}, {Key: "sortBy", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "output", Value: bson.D{{Key: "k", Value: bson.D{{Key: "$documentNumber", Value: bson.D{}}}}}}}}}}, docs},
		{"join", bson.A{bson.D{{Key: "$limit", Value: 50}}, bson.D{{Key: "$lookup", Value: bson.D{{Key: "from", Value: "c"}, {Key: "localField", Value: "n"}, {Key: "foreignField", Value: "n"}, {Key: "as", Value: "j"}}}}, bson.D{{Key: "$unwind", Value: "$j"}}}, 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			var open []*mongo.Cursor
			refused := 0
			peak := peakOf(t, func() {
				for range 40 {
					cur, err := coll.Aggregate(ctx(t), c.pipe)
					if err != nil {
						var se mongo.ServerError
						if !asServerError(err, &se) || !se.HasErrorCode(146) {
							t.Fatal(err)
						}
						refused++
						continue
					}
					if !cur.Next(ctx(t)) {
						t.Fatal(cur.Err())
					}
					open = append(open, cur)
				}
			})
			if peak > 6*most {
				t.Errorf("%d MiB are held", peak>>20)
			}
			t.Logf("%d MiB at most, %d refused", peak>>20, refused)
			if len(open) < 5 {
				t.Fatalf("%d of 40 are served", len(open))
			}
			// The first has its rows in memory, the last in files.
			for _, cur := range []*mongo.Cursor{open[0], open[len(open)-1]} {
				n := 1
				for last := int64(-1); cur.Next(ctx(t)); n++ {
					if v := cur.Current.Lookup("n").AsInt64(); c.name == "sort" && v <= last {
						t.Fatalf("%d after %d", v, last)
					} else {
						last = v
					}
				}
				if cur.Err() != nil || n != c.n {
					t.Errorf("%d rows, not %d (%v)", n, c.n, cur.Err())
				}
			}
			for _, cur := range open {
				must(t, cur.Close(ctx(t)))
			}
			if used := docdb.QueryBytesUsed(db); used != 0 {
				t.Errorf("%d bytes are counted when nothing is open", used)
			}
		})
	}
}

// TestLargeValuesOfManyQueries has many clients build large values and leave them in open cursors.
func TestLargeValuesOfManyQueries(t *testing.T) {
	const most = 32 << 20
	db, err := docdb.Open(t.TempDir(), docdb.Options{QueryBytes: most, MaxBuffered: 32 << 20, CacheBytes: 1 << 20})
	must(t, err)
	defer db.Close()
	client, err := mongo.Connect(db.ClientOptions())
	must(t, err)
	defer client.Disconnect(ctx(t))
	insertLarge(t, client, "c", 2, 5<<20)
	chain := func(stage bson.D, n int) (p bson.A) {
		for range n {
			p = append(p, stage)
		}
		return p
	}
	for name, pipe := range map[string]bson.A{
		"values":   chain(bson.D{{Key: "$replaceWith", Value: bson.D{{Key: "s", Value: bson.D{{Key: "$concat", Value: bson.A{"$s", "x"}}}}}}}, 30),
		"unwind":   chain(bson.D{{Key: "$unwind", Value: bson.D{{Key: "path", Value: "$_id"}, {Key: "preserveNullAndEmptyArrays", Value: true}}}}, 30),
		"redact":   chain(bson.D{{Key: "$redact", Value: "$$KEEP"}}, 30),
		"set":      chain(bson.D{{Key: "$set", Value: bson.D{{Key: "s", Value: bson.D{{Key: "$concat", Value: bson.A{"$s", "x"}}}}}}}, 30),
		"held":     {},
		"a range":  {bson.D{{Key: "$project", Value: bson.D{{Key: "n", Value: bson.D{{Key: "$size", Value: bson.D{{Key: "$range", Value: bson.A{0, 200_000}}}}}}}}}},
		"big push": {bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: nil}, {Key: "l", Value: bson.D{{Key: "$push", Value: "$s"}}}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			raw := rawDial(t, db)
			var open bson.A
			peak := peakOf(t, func() {
				for range 40 {
					rep, err := raw.exchange("app", bson.D{{Key: "aggregate", Value: "c"}, {Key: "pipeline", Value: pipe}, {Key: "cursor", Value: bson.D{{Key: "batchSize", Value: 1}}}})
					must(t, err)
					if code, _ := answerCode(rep); code != 0 && code != 146 {
						t.Fatal(rep)
					} else if code == 0 {
						open = append(open, rep.Lookup("cursor", "id").AsInt64())
					}
				}
			})
			if peak > 6*most {
				t.Errorf("%d MiB are held", peak>>20)
			}
			t.Logf("%d MiB at most, %d of 40 served", peak>>20, len(open))
			if len(open) == 0 {
				return
			}
			raw.run(t, "app", bson.D{{Key: "killCursors", Value: "c"}, {Key: "cursors", Value: open}})
			if used := docdb.QueryBytesUsed(db); used != 0 {
				t.Errorf("%d bytes are counted when nothing is open", used)
			}
		})
	}
}

// TestLargeTransactionsAtOnce has twenty sessions write 4 MB each in a transaction, and leave it open: some are told to try again, and can when others
// have ended.
func TestLargeTransactionsAtOnce(t *testing.T) {
	db, err := docdb.Open(t.TempDir(), docdb.WithTransactionsBytes(docdb.Options{}, 40<<20))
	must(t, err)
	defer db.Close()
	raw := rawDial(t, db)
	raw.run(t, "app", bson.D{{Key: "create", Value: "c"}})
	lsid := func(i int) bson.D {
		return bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: []byte{byte(i), 15: 1}}}}
	}
	end := func(i int, how string) {
		raw.run(t, "admin", bson.D{{Key: how, Value: 1}, {Key: "lsid", Value: lsid(i)}, {Key: "txnNumber", Value: int64(1)}, {Key: "autocommit", Value: false}})
	}
	write := func(i, n int) bson.Raw {
		rep, err := raw.exchange("app", bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{{Key: "s", Value: strings.Repeat("x", 4<<20)}}}},
			{Key: "lsid", Value: lsid(i)}, {Key: "txnNumber", Value: int64(n)}, {Key: "autocommit", Value: false}, {Key: "startTransaction", Value: true}})
		must(t, err)
		return rep
	}
	refused := 0
	peak := peakOf(t, func() {
		for i := range 20 {
			if rep := write(i, 1); rep.Lookup("ok").AsFloat64() != 1 {
				if code, _ := answerCode(rep); code != 112 || rep.Lookup("errorLabels", "0").StringValue() != "TransientTransactionError" {
					t.Fatal(rep)
				}
				refused++
			}
		}
	})
	if refused != 16 || peak > 100<<20 {
		t.Errorf("%d of 20 transactions are refused, %d MiB held", refused, peak>>20)
	}
	end(0, "commitTransaction")
	end(1, "abortTransaction")
	for i := range 2 {
		if rep := write(i, 2); rep.Lookup("ok").AsFloat64() != 1 {
			t.Fatal(rep)
		}
	}
}

// TestLargeResultsOfSessions has fifty sessions change a large document by a retryable findAndModify: what is kept of the answer lies on the disk, and is
// given when the command is sent again. Beside each other they take turns.
func TestLargeResultsOfSessions(t *testing.T) {
	const most = 32 << 20
	db, err := docdb.Open(t.TempDir(), docdb.Options{QueryBytes: most})
	must(t, err)
	defer db.Close()
	client, err := mongo.Connect(db.ClientOptions())
	must(t, err)
	defer client.Disconnect(ctx(t))
	insertLarge(t, client, "c", 8, 2<<20)
	command := func(i int) bson.D {
		return bson.D{{Key: "findAndModify", Value: "c"}, {Key: "query", Value: bson.D{{Key: "_id", Value: i % 8}}}, {Key: "update", Value: bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}}},
			{Key: "lsid", Value: bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: []byte{byte(i), 15: 1}}}}}, {Key: "txnNumber", Value: int64(1)}}
	}
	answers := make([]string, 50)
	peak := peakOf(t, func() {
		var all sync.WaitGroup
		for i := range answers {
			raw := rawDial(t, db)
			all.Go(func() {
				rep, err := raw.exchange("app", command(i))
				if err != nil || rep.Lookup("ok").AsFloat64() != 1 {
					t.Errorf("%v %.300s", err, rep)
					return
				}
				answers[i] = rep.Lookup("value").String()
				answers[i] = answers[i][len(answers[i])-10:] + rep.Lookup("value", "n").String()
			})
		}
		all.Wait()
	})
	if peak > 8*most {
		t.Errorf("%d MiB are held", peak>>20)
	}
	t.Logf("%d MiB at most", peak>>20)
	if used := docdb.QueryBytesUsed(db); used != 0 {
		t.Errorf("%d bytes are counted when nothing runs", used)
	}
	raw := rawDial(t, db)
	for i := range answers {
		rep := raw.run(t, "app", command(i))
		if again := rep.Lookup("value").String(); again[len(again)-10:]+rep.Lookup("value", "n").String() != answers[i] {
			t.Errorf("sent again, command %d has another answer", i)
		}
	}
	changed := int32(0)
	for i := range 8 {
		rep := raw.run(t, "app", bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: bson.D{{Key: "_id", Value: i}}}, {Key: "projection", Value: bson.D{{Key: "n", Value: 1}}}})
		changed += rep.Lookup("cursor", "firstBatch", "0", "n").Int32() - int32(8-i)
	}
	if changed != int32(len(answers)) {
		t.Errorf("%d changes, not %d", changed, len(answers))
	}
	// A session's id is as large as it has to be.
	if code := raw.code(t, "app", bson.D{{Key: "ping", Value: 1}, {Key: "lsid", Value: bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: make([]byte, 16)}}, {Key: "uid", Value: strings.Repeat("x", 1000)}}}}); code != 14 {
		t.Errorf("code %d for a large uid", code)
	}
}
