package docdb_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"regent/docdb"
)

// version is a document as the oracle knows it: its value, and how many documents of that _id there were before it.
type version struct{ v, life int }

// oracleTxn is an open transaction in the oracle: what it saw when it began, and what it has written since.
type oracleTxn struct {
	lsid   bson.D
	number int64
	open   bool // startTransaction has been sent
	snap   map[int]version
	own    map[int]*version // nil: deleted
}

func (x *oracleTxn) view(id int) (version, bool) {
	if v, ok := x.own[id]; ok {
		if v == nil {
			return version{}, false
		}
		return *v, true
	}
	v, ok := x.snap[id]
	return v, ok
}

// oracle runs transactions one statement at a time and knows what each must see (snapshot isolation, the first writer wins).
type oracle struct {
	t     *rapid.T
	conn  rawConn
	coll  string
	now   map[int]version // committed
	lives map[int]int
	holds map[int]*oracleTxn
	txns  []*oracleTxn
}

// code gives an answer's error code, from whichever place it is in, and the error labels.
func answerCode(r bson.Raw) (code int, transient bool) {
	n, _ := r.Lookup("code").AsInt64OK()
	if n == 0 {
		n, _ = r.Lookup("writeErrors", "0", "code").AsInt64OK()
	}
	if labels, ok := r.Lookup("errorLabels").ArrayOK(); ok {
		vs, _ := labels.Values()
		for _, v := range vs {
			transient = transient || v.StringValue() == "TransientTransactionError"
		}
	}
	return int(n), transient
}

func (o *oracle) send(x *oracleTxn, cmd bson.D) bson.Raw {
	db := "serial"
	if x != nil {
		cmd = append(cmd, bson.E{Key: "lsid", Value: x.lsid}, bson.E{Key: "txnNumber", Value: x.number}, bson.E{Key: "autocommit", Value: false})
		if !x.open {
			cmd = append(cmd, bson.E{Key: "startTransaction", Value: true})
			x.open, x.snap, x.own = true, maps.Clone(o.now), map[int]*version{}
		}
	} else if cmd[0].Key != "find" {
		cmd = append(cmd, bson.E{Key: "writeConcern", Value: bson.D{{Key: "j", Value: false}}}, bson.E{Key: "maxTimeMS", Value: 5000})
	}
	r, err := o.conn.exchange(db, cmd)
	if err != nil {
		o.t.Fatal(err)
	}
	return r
}

// conflict reports whether a write of x to id must fail: another open transaction has written it, or it has changed since the snapshot.
func (o *oracle) conflict(x *oracleTxn, id int) bool {
	if h := o.holds[id]; h != nil && h != x {
		return true
	}
	was, ok := x.snap[id]
	is, ok2 := o.now[id]
	return ok != ok2 || was != is
}

func (o *oracle) end(x *oracleTxn) {
	maps.DeleteFunc(o.holds, func(_ int, h *oracleTxn) bool { return h == x })
	x.open = false
	x.number++
}

// write runs one write inside x. touches says that the write meets a document (or, for inserts, none).
func (o *oracle) write(x *oracleTxn, id int, cmd bson.D, insert bool, after *version) {
	r := o.send(x, cmd)
	code, transient := answerCode(r)
	_, there := x.view(id)
	conflict := o.conflict(x, id)
	switch code {
	case 112:
		if !conflict || !insert && !there || !transient {
			o.t.Fatalf("an unexpected conflict for %d (conflict %v, there %v): %s", id, conflict, there, r)
		}
		o.end(x)
		return
	case 11000:
		if !insert || !there {
			o.t.Fatalf("an unexpected duplicate %d: %s", id, r)
		}
		o.end(x)
		return
	case 0:
	default:
		o.t.Fatalf("%s", r)
	}
	n := int(r.Lookup("n").AsInt64())
	if insert && there || !insert && there != (n == 1) || insert && n != 1 {
		o.t.Fatalf("write to %d: there %v, %s", id, there, r)
	}
	if n == 0 {
		return
	}
	if conflict {
		o.t.Fatalf("no conflict for %d, which was written by others: %s", id, r)
	}
	o.holds[id] = x
	x.own[id] = after
}

// read compares everything that x (or nobody, nil) sees.
func (o *oracle) read(x *oracleTxn) {
	r := o.send(x, bson.D{{Key: "find", Value: o.coll}, {Key: "sort", Value: bson.D{{Key: "_id", Value: 1}}}})
	if code, _ := answerCode(r); code != 0 {
		o.t.Fatalf("%s", r)
	}
	want := map[int]int{}
	for id := 0; id < oracleDocs; id++ {
		if x == nil {
			if v, ok := o.now[id]; ok {
				want[id] = v.v
			}
		} else if v, ok := x.view(id); ok {
			want[id] = v.v
		}
	}
	got := map[int]int{}
	vs, _ := r.Lookup("cursor", "firstBatch").Array().Values()
	for _, d := range vs {
		got[int(d.Document().Lookup("_id").AsInt64())] = int(d.Document().Lookup("v").AsInt64())
	}
	if !maps.Equal(want, got) {
		o.t.Fatalf("reads %v, want %v", got, want)
	}
}

const oracleDocs = 5

var oracleRuns atomic.Uint64

// TestSerialOracle runs random interleavings of transactions and single writes against an oracle: every statement sees its snapshot and
// what its own transaction has written, the first writer wins and the other gets WriteConflict with TransientTransactionError at once,
// abort leaves nothing, commit everything.
func TestSerialOracle(t *testing.T) {
	db, err := docdb.Open(t.TempDir(), docdb.Options{})
	must(t, err)
	defer db.Close()
	conn := rawDial(t, db)
	rapid.Check(t, func(rt *rapid.T) {
		run := oracleRuns.Add(1)
		o := &oracle{t: rt, conn: conn, coll: fmt.Sprintf("c%d", run), now: map[int]version{}, lives: map[int]int{}, holds: map[int]*oracleTxn{}}
		if c, _ := answerCode(o.send(nil, bson.D{{Key: "create", Value: o.coll}})); c != 0 {
			rt.Fatal(c)
		}
		o.send(nil, bson.D{{Key: "createIndexes", Value: o.coll}, {Key: "indexes", Value: bson.A{bson.D{{Key: "key", Value: bson.D{{Key: "v", Value: 1}}}, {Key: "name", Value: "v"}}}}})
		for i := 0; i < 3; i++ {
			id := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, run), uint64(i))
			o.txns = append(o.txns, &oracleTxn{number: 1, lsid: bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: id}}}})
		}
		update := func(id int) bson.D {
			return bson.D{{Key: "update", Value: o.coll}, {Key: "updates", Value: bson.A{bson.D{{Key: "q", Value: bson.D{{Key: "_id", Value: id}}}, {Key: "u", Value: bson.D{{Key: "$inc", Value: bson.D{{Key: "v", Value: 1}}}}}}}}}
		}
		remove := func(id int) bson.D {
			return bson.D{{Key: "delete", Value: o.coll}, {Key: "deletes", Value: bson.A{bson.D{{Key: "q", Value: bson.D{{Key: "_id", Value: id}}}, {Key: "limit", Value: 1}}}}}
		}
		insert := func(id int) bson.D {
			return bson.D{{Key: "insert", Value: o.coll}, {Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: id}, {Key: "v", Value: 0}}}}}
		}
		for i := rapid.IntRange(5, 40).Draw(rt, "steps"); i > 0; i-- {
			x := o.txns[rapid.IntRange(0, len(o.txns)-1).Draw(rt, "txn")]
			id := rapid.IntRange(0, oracleDocs-1).Draw(rt, "id")
			switch rapid.SampledFrom([]string{"insert", "update", "update", "delete", "read", "commit", "abort", "alone", "alone", "look"}).Draw(rt, "step") {
			case "insert":
				o.lives[id]++
				o.write(x, id, insert(id), true, &version{0, o.lives[id]})
			case "update":
				var after *version
				if x.open {
					v, _ := x.view(id)
					after = &version{v.v + 1, v.life}
				} else {
					v := o.now[id]
					after = &version{v.v + 1, v.life}
				}
				o.write(x, id, update(id), false, after)
			case "delete":
				o.write(x, id, remove(id), false, nil)
			case "read":
				o.read(x)
			case "look":
				o.read(nil)
			case "commit", "abort":
				if !x.open {
					continue
				}
				how := "commitTransaction"
				if rapid.Bool().Draw(rt, "abort") {
					how = "abortTransaction"
				}
				cmd := bson.D{{Key: how, Value: 1}, {Key: "lsid", Value: x.lsid}, {Key: "txnNumber", Value: x.number}, {Key: "autocommit", Value: false}}
				r, err := conn.exchange("admin", cmd)
				if err != nil {
					rt.Fatal(err)
				}
				if c, _ := answerCode(r); c != 0 {
					rt.Fatalf("%s", r)
				}
				if how == "commitTransaction" {
					for id, v := range x.own {
						if v == nil {
							delete(o.now, id)
						} else {
							o.now[id] = *v
						}
					}
				}
				o.end(x)
				o.read(nil)
			case "alone": // a write of nobody's transaction; it would wait for one that holds the document
				if o.holds[id] != nil {
					continue
				}
				if v, ok := o.now[id]; !ok {
					o.lives[id]++
					o.send(nil, insert(id))
					o.now[id] = version{0, o.lives[id]}
				} else if rapid.Bool().Draw(rt, "gone") {
					o.send(nil, remove(id))
					delete(o.now, id)
				} else {
					o.send(nil, update(id))
					o.now[id] = version{v.v + 1, v.life}
				}
			}
		}
		o.read(nil)
		for _, x := range o.txns {
			if x.open {
				conn.exchange("admin", bson.D{{Key: "abortTransaction", Value: 1}, {Key: "lsid", Value: x.lsid}, {Key: "txnNumber", Value: x.number}, {Key: "autocommit", Value: false}})
			}
		}
		if r, err := conn.exchange("serial", bson.D{{Key: "validate", Value: o.coll}}); err != nil || !r.Lookup("valid").Boolean() {
			rt.Fatalf("%v %s", err, r)
		}
	})
}

// TestTransactionTime lets a transaction stay open for too long: it is rolled back, whoever waited for its documents goes on, and its next
// statement is told so in a way that makes drivers begin again.
func TestTransactionTime(t *testing.T) {
	db, err := docdb.Open(t.TempDir(), docdb.Options{TransactionTimeout: 300 * time.Millisecond})
	must(t, err)
	defer db.Close()
	conn, other := rawDial(t, db), rawDial(t, db)
	conn.run(t, "app", bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: 1}}}}})
	in := []bson.E{{Key: "lsid", Value: bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: []byte("0123456789abcdef")}}}}, {Key: "txnNumber", Value: int64(1)}, {Key: "autocommit", Value: false}}
	set := func(v int, more ...bson.E) bson.D {
		return append(bson.D{{Key: "update", Value: "c"}, {Key: "updates", Value: bson.A{bson.D{{Key: "q", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "u", Value: bson.D{{Key: "$set", Value: bson.D{{Key: "v", Value: v}}}}}}}}}, more...)
	}
	conn.run(t, "app", set(1, append(slices.Clone(in), bson.E{Key: "startTransaction", Value: true})...))
	other.run(t, "app", set(2)) // waits
	r, err := conn.exchange("app", set(3, in...))
	must(t, err)
	if code, transient := answerCode(r); code != 251 || !transient {
		t.Fatalf("%s", r)
	}
	r, err = conn.exchange("admin", append(bson.D{{Key: "commitTransaction", Value: 1}}, in...))
	must(t, err)
	if code, _ := answerCode(r); code != 251 {
		t.Fatalf("%s", r)
	}
	if v := conn.run(t, "app", bson.D{{Key: "find", Value: "c"}}).Lookup("cursor", "firstBatch", "0", "v").AsInt64(); v != 2 {
		t.Fatal(v)
	}
}

// TestSnapshotReads reads one moment outside transactions, and again later.
func TestSnapshotReads(t *testing.T) {
	db, _ := open(t)
	conn := rawDial(t, db)
	insert := func(id int) {
		conn.run(t, "app", bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: id}}}}})
	}
	insert(1)
	lsid := bson.E{Key: "lsid", Value: bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: []byte("0123456789abcdef")}}}}
	find := func(level ...bson.E) bson.Raw {
		return conn.run(t, "app", bson.D{{Key: "find", Value: "c"}, lsid, {Key: "readConcern", Value: append(bson.D{{Key: "level", Value: "snapshot"}}, level...)}})
	}
	count := func(r bson.Raw) int { vs, _ := r.Lookup("cursor", "firstBatch").Array().Values(); return len(vs) }
	r := find()
	at := r.Lookup("cursor", "atClusterTime")
	if at.Type != bson.TypeTimestamp || count(r) != 1 {
		t.Fatalf("%s", r)
	}
	insert(2)
	if r := find(bson.E{Key: "atClusterTime", Value: at}); count(r) != 1 {
		t.Fatalf("%s", r)
	}
	if r := find(); count(r) != 2 {
		t.Fatalf("%s", r)
	}
}
