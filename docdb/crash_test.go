package docdb_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/docdb"
)

const crashFolder = "DOCDB_CRASH_FOLDER"

// TestMain runs the writers of TestKilledWriters when it is asked to.
func TestMain(m *testing.M) {
	if dir := os.Getenv(crashFolder); dir != "" {
		crashWriters(dir)
		return
	}
	os.Exit(m.Run())
}

// crashWriters writes until the process is killed, and prints a line for each acknowledged write: "i worker number" for an insert,
// "u worker number" for an update, "t worker number" for a transaction that put a document into each of two collections.
func crashWriters(dir string) {
	db, err := docdb.Open(dir, docdb.Options{})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	client, err := mongo.Connect(db.ClientOptions())
	if err != nil {
		fmt.Println("error", err)
		return
	}
	c := context.Background()
	d := client.Database("crash")
	d.Collection("items").Indexes().CreateMany(c, []mongo.IndexModel{{Keys: bson.D{{Key: "w", Value: 1}, {Key: "n", Value: 1}}, Options: options.Index().SetUnique(true)}, {Keys: bson.D{{Key: "tags", Value: 1}}}})
	start := int(time.Now().UnixNano() / 1000 % 1e12)
	var out sync.Mutex
	ack := func(kind string, w, n int) {
		out.Lock()
		fmt.Println(kind, w, n)
		out.Unlock()
	}
	for w := 0; w < 16; w++ {
		go func() {
			s, _ := client.StartSession()
			for n := start; ; n++ {
				switch n % 4 {
				case 0, 1:
					if _, err := d.Collection("items").InsertOne(c, bson.D{{Key: "w", Value: w}, {Key: "n", Value: n}, {Key: "tags", Value: bson.A{n % 5, n % 7}}}); err == nil {
						ack("i", w, n)
					}
				case 2:
					if _, err := d.Collection("counters").UpdateOne(c, bson.D{{Key: "_id", Value: w}}, bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: n}}}}, options.UpdateOne().SetUpsert(true)); err == nil {
						ack("u", w, n)
					}
				case 3:
					_, err := s.WithTransaction(c, func(tx context.Context) (any, error) {
						id := fmt.Sprintf("%d-%d", w, n)
						if _, err := d.Collection("left").InsertOne(tx, bson.D{{Key: "_id", Value: id}}); err != nil {
							return nil, err
						}
						return d.Collection("right").InsertOne(tx, bson.D{{Key: "_id", Value: id}})
					})
					if err == nil {
						ack("t", w, n)
					}
				}
			}
		}()
	}
	select {}
}

// TestKilledWriters kills a process with 16 writers at random moments: every acknowledged write is there afterwards, no transaction
// is there by half, and the indexes agree with the documents. DOCDB_CRASH_ROUNDS sets the number of rounds.
func TestKilledWriters(t *testing.T) {
	rounds := 3
	if n, err := strconv.Atoi(os.Getenv("DOCDB_CRASH_ROUNDS")); err == nil {
		rounds = n
	}
	dir := t.TempDir()
	counters := map[string]int{}
	var token bson.Raw
	events := map[string]bool{}
	for round := 0; round < rounds; round++ {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), crashFolder+"="+dir)
		pipe, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		time.AfterFunc(time.Duration(300+rand.IntN(500))*time.Millisecond, func() { cmd.Process.Kill() })
		var inserts, txns [][2]int
		sc := bufio.NewScanner(pipe)
		for sc.Scan() {
			var kind string
			var w, n int
			if _, err := fmt.Sscan(sc.Text(), &kind, &w, &n); err != nil {
				if strings.HasPrefix(sc.Text(), "error") {
					t.Fatal(sc.Text())
				}
				continue // the last line may be cut off
			}
			switch kind {
			case "i":
				inserts = append(inserts, [2]int{w, n})
			case "t":
				txns = append(txns, [2]int{w, n})
			case "u":
				counters[fmt.Sprint(w)] = n
			}
		}
		cmd.Wait()
		db, err := docdb.Open(dir, docdb.Options{Log: t.Logf})
		must(t, err)
		reports, err := db.Check(context.Background())
		must(t, err)
		for _, r := range reports {
			if len(r.Problems) > 0 {
				t.Fatalf("round %d: %s: %v", round, r.Namespace, r.Problems)
			}
		}
		client, err := mongo.Connect(db.ClientOptions())
		must(t, err)
		c := context.Background()
		d := client.Database("crash")
		lost := 0
		for _, i := range inserts {
			if err := d.Collection("items").FindOne(c, bson.D{{Key: "w", Value: i[0]}, {Key: "n", Value: i[1]}}).Err(); err != nil {
				lost++
			}
		}
		for _, i := range txns {
			if err := d.Collection("left").FindOne(c, bson.D{{Key: "_id", Value: fmt.Sprintf("%d-%d", i[0], i[1])}}).Err(); err != nil {
				lost++
			}
		}
		for w, n := range counters {
			id, _ := strconv.Atoi(w)
			var got struct{ N int }
			if err := d.Collection("counters").FindOne(c, bson.D{{Key: "_id", Value: id}}).Decode(&got); err != nil || got.N < n {
				lost++
			}
		}
		if lost > 0 {
			t.Fatalf("round %d: %d of %d acknowledged writes are lost", round, lost, len(inserts)+len(txns))
		}
		half, err := d.Collection("left").Aggregate(c, mongo.Pipeline{
			{{Key: "$lookup", Value: bson.D{{Key: "from", Value: "right"}, {Key: "localField", Value: "_id"}, {Key: "foreignField", Value: "_id"}, {Key: "as", Value: "r"}}}},
			{{Key: "$match", Value: bson.D{{Key: "r", Value: bson.A{}}}}}})
		must(t, err)
		if half.Next(c) {
			t.Fatalf("round %d: half a transaction: %s", round, half.Current)
		}
		l, err := d.Collection("left").EstimatedDocumentCount(c)
		must(t, err)
		r, err := d.Collection("right").EstimatedDocumentCount(c)
		must(t, err)
		if l != r {
			t.Fatalf("round %d: %d on the left, %d on the right", round, l, r)
		}
		// A change stream that goes on from the token of the round before shows every insert once.
		o := options.ChangeStream().SetMaxAwaitTime(10 * time.Millisecond).SetBatchSize(5000)
		if token != nil {
			o.SetStartAfter(token)
		} else {
			o.SetStartAtOperationTime(&bson.Timestamp{T: 1, I: 1})
		}
		s, err := d.Collection("items").Watch(c, mongo.Pipeline{{{Key: "$match", Value: bson.D{{Key: "operationType", Value: "insert"}}}}}, o)
		must(t, err)
		for s.TryNext(c) {
			key := s.Current.Lookup("fullDocument", "_id").String()
			if events[key] {
				t.Fatalf("round %d: the stream repeats %s", round, key)
			}
			events[key] = true
			token = append(bson.Raw(nil), s.ResumeToken()...)
		}
		must(t, s.Err())
		s.Close(c)
		n, err := d.Collection("items").CountDocuments(c, bson.D{})
		must(t, err)
		if int(n) != len(events) {
			t.Fatalf("round %d: %d documents, %d events", round, n, len(events))
		}
		t.Logf("round %d: %d inserts, %d transactions", round, len(inserts), len(txns))
		must(t, client.Disconnect(c))
		must(t, db.Close())
	}
}

func TestBackup(t *testing.T) {
	db, client := open(t)
	c := ctx(t)
	_, err := client.Database("a").Collection("b").InsertOne(c, bson.D{{Key: "_id", Value: 1}})
	must(t, err)
	dir := t.TempDir()
	must(t, db.Backup(dir+"/copy"))
	if err := db.Backup(dir + "/copy"); err == nil {
		t.Fatal("a backup over a backup")
	}
	_, err = client.Database("a").Collection("b").InsertOne(c, bson.D{{Key: "_id", Value: 2}})
	must(t, err)
	must(t, docdb.Restore(dir+"/copy", dir+"/restored"))
	other, err := docdb.Open(dir+"/restored", docdb.Options{})
	must(t, err)
	defer other.Close()
	cl, err := mongo.Connect(other.ClientOptions())
	must(t, err)
	defer cl.Disconnect(c)
	n, err := cl.Database("a").Collection("b").CountDocuments(c, bson.D{})
	must(t, err)
	if n != 1 {
		t.Fatal(n)
	}
	must(t, db.Compact(c))
	if _, err := docdb.Open(dir+"/restored", docdb.Options{}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Fatal(err)
	}
}
