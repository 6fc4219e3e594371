package docdb_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// TestTransfers moves money between accounts from many goroutines, in transactions and without: the sum stays what it was in
// every snapshot that a reader sees, and no conflict goes unnoticed.
func TestTransfers(t *testing.T) {
	_, client := open(t)
	c := ctx(t)
	coll := client.Database("bank").Collection("accounts")
	const accounts, total = 8, 8 * 100
	for i := 0; i < accounts; i++ {
		_, err := coll.InsertOne(c, bson.D{{Key: "_id", Value: i}, {Key: "n", Value: 100}, {Key: "moves", Value: 0}})
		must(t, err)
	}
	_, err := coll.Indexes().CreateOne(c, mongo.IndexModel{Keys: bson.D{{Key: "n", Value: 1}}})
	must(t, err)
	var wg sync.WaitGroup
	moves := 40
	if testing.Short() {
		moves = 10
	}
	for w := 0; w < 6; w++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			s, err := client.StartSession()
			if err != nil {
				t.Error(err)
				return
			}
			defer s.EndSession(context.Background())
			r := rand.New(rand.NewPCG(1, uint64(w)))
			for i := 0; i < moves; i++ {
				from, to, n := r.IntN(accounts), r.IntN(accounts), r.IntN(5)
				fail := r.IntN(5) == 0
				boom := errors.New("boom")
				_, err := s.WithTransaction(c, func(tx context.Context) (any, error) {
					for _, m := range [][2]int{{from, -n}, {to, n}} {
						res, err := coll.UpdateOne(tx, bson.D{{Key: "_id", Value: m[0]}}, bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: m[1]}, {Key: "moves", Value: 1}}}})
						if err != nil {
							return nil, err
						}
						if res.MatchedCount != 1 {
							return nil, fmt.Errorf("matched %d", res.MatchedCount)
						}
					}
					if fail {
						return nil, boom
					}
					return nil, nil
				})
				if fail && !errors.Is(err, boom) || !fail && err != nil {
					t.Error(err)
					return
				}
			}
		}()
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	readers.Add(1)
	go func() {
		defer readers.Done()
		for {
			select {
			case <-stop:
				return
			default:
			}
			cur, err := coll.Aggregate(c, mongo.Pipeline{{{Key: "$group", Value: bson.D{{Key: "_id", Value: nil}, {Key: "n", Value: bson.D{{Key: "$sum", Value: "$n"}}}}}}})
			if err != nil {
				t.Error(err)
				return
			}
			var out []struct{ N int }
			if err := cur.All(c, &out); err != nil || len(out) != 1 || out[0].N != total {
				t.Errorf("a reader saw %v %v", out, err)
				return
			}
		}
	}()
	wg.Wait()
	close(stop)
	readers.Wait()
	rep, err := client.Database("bank").RunCommand(c, bson.D{{Key: "validate", Value: "accounts"}}).Raw()
	must(t, err)
	if !rep.Lookup("valid").Boolean() {
		t.Fatal(rep)
	}
}

func TestTransactionErrors(t *testing.T) {
	_, client := open(t)
	c := ctx(t)
	coll := client.Database("app").Collection("items")
	_, err := coll.InsertOne(c, bson.D{{Key: "_id", Value: 1}})
	must(t, err)
	begin := func() (*mongo.Session, context.Context) {
		s, err := client.StartSession()
		must(t, err)
		must(t, s.StartTransaction())
		return s, mongo.NewSessionContext(c, s)
	}
	s1, tx1 := begin()
	s2, tx2 := begin()
	set := bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}}
	_, err = coll.UpdateOne(tx1, bson.D{{Key: "_id", Value: 1}}, set)
	must(t, err)
	_, err = coll.UpdateOne(tx2, bson.D{{Key: "_id", Value: 1}}, set)
	var ce mongo.ServerError
	if !errors.As(err, &ce) || !ce.HasErrorCode(112) || !ce.HasErrorLabel("TransientTransactionError") {
		t.Fatalf("%v", err)
	}
	_, err = coll.InsertOne(tx2, bson.D{})
	if !errors.As(err, &ce) || !ce.HasErrorCode(251) || !ce.HasErrorLabel("TransientTransactionError") {
		t.Fatalf("%v", err)
	}
	s2.AbortTransaction(c)
	must(t, s1.CommitTransaction(c))
	must(t, s1.CommitTransaction(c)) // again
	s3, tx3 := begin()
	_, err = coll.InsertOne(tx3, bson.D{{Key: "_id", Value: 1}})
	if !mongo.IsDuplicateKeyError(err) {
		t.Fatal(err)
	}
	s3.AbortTransaction(c)
	// A write outside waits for the transaction that holds the document.
	s4, tx4 := begin()
	_, err = coll.UpdateOne(tx4, bson.D{{Key: "_id", Value: 1}}, set)
	must(t, err)
	done := make(chan error)
	go func() {
		_, err := coll.UpdateOne(c, bson.D{{Key: "_id", Value: 1}}, set)
		done <- err
	}()
	must(t, s4.CommitTransaction(c))
	must(t, <-done)
	var d struct{ N int }
	must(t, coll.FindOne(c, bson.D{{Key: "_id", Value: 1}}).Decode(&d))
	if d.N != 3 {
		t.Fatal(d)
	}
}

// TestRetryableWrite sends one command several times and expects one effect and one answer.
func TestRetryableWrite(t *testing.T) {
	db, _ := open(t)
	conn := rawDial(t, db)
	lsid := bson.E{Key: "lsid", Value: bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: []byte("0123456789abcdef")}}}}
	with := func(number int64, cmd bson.D) bson.D {
		return append(cmd[:len(cmd):len(cmd)], lsid, bson.E{Key: "txnNumber", Value: number})
	}
	send := func(number int64, cmd bson.D) bson.Raw { t.Helper(); return conn.run(t, "app", with(number, cmd)) }
	ins := bson.D{{Key: "insert", Value: "x"}, {Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "_id", Value: 2}}}}}
	for i := 0; i < 2; i++ {
		r := send(1, ins)
		if r.Lookup("n").Int32() != 2 || r.Lookup("writeErrors").Type != 0 {
			t.Fatal(r)
		}
		if again := r.Lookup("retriedStmtIds").Type != 0; again != (i > 0) {
			t.Fatal(r)
		}
	}
	up := bson.D{{Key: "update", Value: "x"}, {Key: "updates", Value: bson.A{bson.D{{Key: "q", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "u", Value: bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}}}}}}}
	for i := 0; i < 3; i++ {
		if r := send(2, up); r.Lookup("nModified").Int32() != 1 {
			t.Fatal(r)
		}
	}
	fam := bson.D{{Key: "findAndModify", Value: "x"}, {Key: "query", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "update", Value: bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}}}, {Key: "new", Value: true}}
	for i := 0; i < 3; i++ {
		if r := send(3, fam); r.Lookup("value", "n").Int32() != 2 {
			t.Fatal(r)
		}
	}
	upsert := bson.D{{Key: "update", Value: "x"}, {Key: "updates", Value: bson.A{bson.D{{Key: "q", Value: bson.D{{Key: "k", Value: 1}}}, {Key: "u", Value: bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}}}, {Key: "upsert", Value: true}}}}}
	first := send(4, upsert).Lookup("upserted", "0", "_id")
	if again := send(4, upsert).Lookup("upserted", "0", "_id"); first.Type == 0 || !again.Equal(first) {
		t.Fatalf("%v, the second time %v", first, again)
	}
	del := bson.D{{Key: "delete", Value: "x"}, {Key: "deletes", Value: bson.A{bson.D{{Key: "q", Value: bson.D{}}, {Key: "limit", Value: 1}}}}}
	for i := 0; i < 3; i++ {
		if r := send(5, del); r.Lookup("n").Int32() != 1 {
			t.Fatal(r)
		}
	}
	if n := conn.run(t, "app", bson.D{{Key: "count", Value: "x"}}).Lookup("n").AsInt64(); n != 2 {
		t.Fatalf("%d documents, want 2", n)
	}
	// In this order: a refused command raises the session's number all the same.
	for _, c := range []struct {
		name string
		cmd  bson.D
		code int
	}{
		{"older number", with(4, up), 225},
		{"update many", with(6, bson.D{{Key: "update", Value: "x"}, {Key: "updates", Value: bson.A{bson.D{{Key: "q", Value: bson.D{}}, {Key: "u", Value: bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: 1}}}}}, {Key: "multi", Value: true}}}}}), 72},
		{"delete many", with(7, bson.D{{Key: "delete", Value: "x"}, {Key: "deletes", Value: bson.A{bson.D{{Key: "q", Value: bson.D{}}, {Key: "limit", Value: 0}}}}}), 72},
		{"lsid twice", append(with(8, up), lsid), 40413},
		{"no lsid", append(up[:len(up):len(up)], bson.E{Key: "txnNumber", Value: int64(9)}), 72},
		{"not a write", with(9, bson.D{{Key: "find", Value: "x"}}), 50768},
	} {
		rep, err := conn.exchange("app", c.cmd)
		must(t, err)
		code, _ := rep.Lookup("code").AsInt64OK()
		if code == 0 {
			code, _ = rep.Lookup("writeErrors", "0", "code").AsInt64OK()
		}
		if int(code) != c.code {
			t.Errorf("%s: %s, want code %d", c.name, rep, c.code)
		}
	}
}
