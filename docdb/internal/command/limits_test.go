package command

import (
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/store"
	"regent/docdb/internal/wire"
)

// limits is an engine with a clock of its own and a client.
type limits struct {
	*testing.T
	e   *Engine
	c   wire.Client
	now time.Time
}

func newLimits(t *testing.T) *limits {
	st, err := store.Open(t.TempDir(), Language{}, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l := &limits{T: t, now: time.UnixMilli(1_700_000_000_000)}
	l.e = New(st, Options{Log: t.Logf, Now: func() time.Time { return l.now }, TTLInterval: time.Hour})
	l.c = l.e.NewClient(nil, true, "")
	t.Cleanup(func() { l.c.Close(); l.e.Close(); st.Close() })
	return l
}

func (l *limits) send(cmd bson.D) bson.Raw {
	l.Helper()
	raw, err := bson.Marshal(append(cmd, bson.E{Key: "$db", Value: "t"}))
	if err != nil {
		l.Fatal(err)
	}
	out, _ := l.c.Serve(l.Context(), &wire.Request{Body: raw}, nil)
	return out
}

// code is that of a reply, or of its first write error; 0 for success.
func (l *limits) code(cmd bson.D) int64 {
	l.Helper()
	r := l.send(cmd)
	if n, ok := r.Lookup("code").AsInt64OK(); ok {
		return n
	}
	n, _ := r.Lookup("writeErrors", "0", "code").AsInt64OK()
	return n
}

func doc(kv ...any) bson.D {
	d := bson.D{}
	for i := 0; i < len(kv); i += 2 {
		d = append(d, bson.E{Key: kv[i].(string), Value: kv[i+1]})
	}
	return d
}

// TestLimitsOfStatements: sizes, depths and numbers that are just within the bounds, and just beyond (mongo-engine.md §1.3, §3.6).
func TestLimitsOfStatements(t *testing.T) {
	l := newLimits(t)
	nested := func(n int) bson.D { // n levels, with the document's own
		d := doc("x", 1)
		for ; n > 1; n-- {
			d = doc("a", d)
		}
		return d
	}
	many := func(n int, of bson.D) bson.A {
		out := make(bson.A, n)
		for i := range out {
			out[i] = of
		}
		return out
	}
	sized := func(id any, n int) bson.D {
		d := doc("_id", id, "a", "")
		raw, err := bson.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		return doc("_id", id, "a", strings.Repeat("x", n-len(raw)))
	}
	insert := func(d ...any) bson.D { return doc("insert", "c", "documents", bson.A(d)) }
	update := func(id any, u any) bson.D {
		return doc("update", "c", "updates", bson.A{doc("q", doc("_id", id), "u", u)})
	}
	half := strings.Repeat("x", 9<<20)
	for _, c := range []struct {
		name string
		cmd  bson.D
		code int64
	}{
		{"100 levels", insert(append(doc("_id", "deep"), nested(100)...)), 0},
		{"101 levels", insert(nested(101)), 15},
		{"101 levels by an update", update("deep", doc("$set", doc("b", nested(100)))), 15},
		{"more levels than a message may have", insert(nested(300)), 22},
		{"16 MiB", insert(sized(1, 16<<20)), 0},
		{"16 MiB and a byte", insert(sized(2, 16<<20+1)), 10334},
		{"a replacement of 16 MiB and a byte", update(1, sized(1, 16<<20+1)[1:]), 17419},
		{"an update that makes it too large", update("deep", doc("$set", doc("b", half, "c", half))), 17419},
		{"100001 inserts", doc("insert", "c", "documents", many(100_001, doc())), 16},
		{"100001 updates", doc("update", "c", "updates", many(100_001, doc("q", doc(), "u", doc("$set", doc("a", 1))))), 16},
		{"100001 deletes", doc("delete", "c", "deletes", many(100_001, doc("q", doc(), "limit", 1))), 16},
		{"100000 deletes", doc("delete", "none", "deletes", many(100_000, doc("q", doc(), "limit", 1))), 0},
		{"1000 stages", doc("aggregate", "none", "pipeline", many(1000, doc("$match", doc())), "cursor", doc()), 0},
		{"1001 stages", doc("aggregate", "none", "pipeline", many(1001, doc("$match", doc())), "cursor", doc()), 7749501},
		{"32 fields of a sort", doc("find", "c", "sort", func() (d bson.D) {
			for i := range 32 {
				d = append(d, doc("f"+strings.Repeat("x", i), 1)...)
			}
			return d
		}()), 0},
		{"a list of $in of 10 MiB", doc("find", "none", "filter", doc("a", doc("$in", many(10<<20/7, nil)))), 0},
	} {
		if code := l.code(c.cmd); code != c.code {
			t.Errorf("%s: code %d, want %d", c.name, code, c.code)
		}
	}
}

// TestCursorsThatNobodyAsks: a cursor ends after ten minutes without a getMore, unless it belongs to a session, which lives for thirty, or
// was told not to (mongo-engine.md §3.6).
func TestCursorsThatNobodyAsks(t *testing.T) {
	l := newLimits(t)
	l.send(doc("insert", "c", "documents", bson.A{doc("_id", 1), doc("_id", 2), doc("_id", 3), doc("_id", 4)}))
	lsid := doc("id", bson.Binary{Subtype: 4, Data: []byte("0123456789abcdef")})
	open := func(more ...any) int64 {
		return l.send(append(doc("find", "c", "batchSize", 1), doc(more...)...)).Lookup("cursor", "id").Int64()
	}
	ask := func(id int64, more ...any) int64 {
		return l.code(append(doc("getMore", id, "collection", "c", "batchSize", 1), doc(more...)...))
	}
	wait := func(d time.Duration) {
		l.now = l.now.Add(d)
		l.e.cursors.sweep()
		l.e.sessions.sweep()
	}
	plain, asked, endless, sessions := open(), open(), open("noCursorTimeout", true), open("lsid", lsid)
	if plain == 0 || sessions == 0 {
		t.Fatal("no cursor")
	}
	wait(9 * time.Minute)
	if code := ask(asked); code != 0 {
		t.Errorf("after 9 minutes: %d", code)
	}
	wait(2 * time.Minute)
	for name, c := range map[string]struct {
		id   int64
		more []any
		code int64
	}{"one that nobody asked": {plain, nil, 43}, "one that was asked": {asked, nil, 0}, "one without a time limit": {endless, nil, 0}, "one of a session": {sessions, []any{"lsid", lsid}, 0}} {
		if code := ask(c.id, c.more...); code != c.code {
			t.Errorf("%s, after 11 minutes: %d, want %d", name, code, c.code)
		}
	}
	wait(29 * time.Minute)
	if code := ask(sessions, "lsid", lsid); code != 0 {
		t.Errorf("one of a session, asked 29 minutes ago: %d", code)
	}
	again := open("lsid", lsid)
	wait(31 * time.Minute)
	if code := ask(again, "lsid", lsid); code != 43 {
		t.Errorf("one of a session that has ended: %d", code)
	}
}

// TestRetriesForAsLongAsTheSession: what a retryable write has done is known for as long as its session, half an hour after it was used last
// (mongo-engine.md §1.5).
func TestRetriesForAsLongAsTheSession(t *testing.T) {
	l := newLimits(t)
	write := doc("insert", "c", "documents", bson.A{doc("_id", 1)}, "lsid", doc("id", bson.Binary{Subtype: 4, Data: []byte("0123456789abcdef")}), "txnNumber", int64(1))
	for i := range 4 {
		r := l.send(write[:len(write):len(write)])
		if n, _ := r.Lookup("n").AsInt64OK(); n != 1 || r.Lookup("writeErrors").Type != 0 || (r.Lookup("retriedStmtIds").Type != 0) != (i > 0) {
			t.Fatalf("the %d. time: %s", i+1, r)
		}
		l.now = l.now.Add(29 * time.Minute)
		l.e.sessions.sweep()
	}
}

// TestTimesOfReplies: every reply of a member of a replica set has the operation's time and the cluster's, signed with nothing
// (mongo-engine.md §1.1).
func TestTimesOfReplies(t *testing.T) {
	l := newLimits(t)
	for _, cmd := range []bson.D{doc("ping", 1), doc("hello", 1), doc("insert", "c", "documents", bson.A{doc("_id", 1)}), doc("insert", "c", "documents", bson.A{doc("_id", 1)}), doc("nope", 1), doc("find", "c", "nope", 1)} {
		r := l.send(cmd)
		subtype, hash := r.Lookup("$clusterTime", "signature", "hash").Binary()
		if len(hash) != 20 || strings.Trim(string(hash), "\x00") != "" || subtype != 0 || r.Lookup("$clusterTime", "signature", "keyId").Type != bson.TypeInt64 {
			t.Errorf("%v: the signature is %s", cmd, r.Lookup("$clusterTime", "signature"))
		}
		if at := r.Lookup("operationTime"); at.Type != bson.TypeTimestamp || !at.Equal(r.Lookup("$clusterTime", "clusterTime")) {
			t.Errorf("%v: %s", cmd, r)
		}
	}
}

// TestLongRetries sends updates of many statements again, whole and with more behind them: what was run is answered as it was and not run
// again, whatever a longer write of the session has left in the store.
func TestLongRetries(t *testing.T) {
	l := newLimits(t)
	lsid := doc("id", bson.Binary{Subtype: 4, Data: []byte("0123456789abcdef")})
	send := func(number int64, statements int) (ids []string, retried int) {
		t.Helper()
		var updates bson.A
		for i := range statements {
			// Every third one finds what the one before it has made.
			updates = append(updates, doc("q", doc("a", i-i%3/2, "of", number), "u", doc("$set", doc("b", i)), "upsert", true))
		}
		r := l.send(doc("update", "c", "updates", updates, "lsid", lsid, "txnNumber", number))
		if n, _ := r.Lookup("n").AsInt64OK(); int(n) != statements {
			t.Fatalf("%d of %d statements: %.300s", n, statements, r)
		}
		upserted, _ := r.Lookup("upserted").Array().Values()
		for _, u := range upserted {
			ids = append(ids, u.String())
		}
		done, _ := r.Lookup("retriedStmtIds").ArrayOK()
		list, _ := done.Values()
		return ids, len(list)
	}
	count := func() int64 {
		n, _ := l.send(doc("count", "c")).Lookup("n").AsInt64OK()
		return n
	}
	first, retried := send(1, 300)
	if len(first) != 200 || retried != 0 || count() != 200 {
		t.Fatalf("%d upserted, %d retried, %d documents", len(first), retried, count())
	}
	if again, retried := send(1, 300); !slices.Equal(again, first) || retried != 300 || count() != 200 {
		t.Errorf("again: %d upserted, %d retried, %d documents", len(again), retried, count())
	}
	// A shorter write leaves pages of the longer one behind.
	for _, n := range []int{retryPage, retryPage + 1, 2 * retryPage} {
		number := int64(n)
		ids, _ := send(number, n)
		before := count()
		if again, retried := send(number, n); !slices.Equal(again, ids) || retried != n || count() != before {
			t.Errorf("%d statements again: %d retried, %d documents, %d before", n, retried, count(), before)
		}
		more, retried := send(number, n+99)
		if !slices.Equal(more[:len(ids)], ids) || retried != n || count() <= before {
			t.Errorf("%d statements, 99 of them new: %d retried, %d documents, %d before", n+99, retried, count(), before)
		}
	}
	var id string
	for id = range l.e.sessions.m {
	}
	l.send(doc("endSessions", bson.A{lsid}))
	if raw, err := loadRetry(l.e.st, id); err != store.ErrNotFound {
		t.Errorf("after the session: %v, %v", raw, err)
	}
	if _, err := l.e.st.SessionResult([]byte(id), 1); err != store.ErrNotFound {
		t.Errorf("its second page after the session: %v", err)
	}
}

// TestCursorsReadTheirMoment: what a cursor has found by an index, and not yet read, is written by others meanwhile. It gets every document
// as it was, also those that a cache had when they were found and has no longer.
func TestCursorsReadTheirMoment(t *testing.T) {
	l := newLimits(t)
	var docs bson.A
	for i := range 200 {
		docs = append(docs, doc("_id", i, "k", i*7919%200, "v", 0)) // scattered, so that they are looked for one by one
	}
	l.send(doc("insert", "c", "documents", docs))
	l.send(doc("createIndexes", "c", "indexes", bson.A{doc("key", doc("k", 1), "name", "k")}))
	byK := func() bson.D { return doc("find", "c", "filter", doc("k", doc("$gte", 0)), "hint", "k") }
	for range 2 {
		l.send(append(byK(), doc("batchSize", 1000)...)) // now the cache has them
	}
	// After the second batch more has been found than was read.
	r := l.send(append(byK(), doc("batchSize", 100)...))
	id := r.Lookup("cursor", "id").Int64()
	batch := r.Lookup("cursor", "firstBatch")
	next := func(size int) {
		batch = l.send(doc("getMore", id, "collection", "c", "batchSize", size)).Lookup("cursor", "nextBatch")
	}
	var seen []int64
	read := func() {
		t.Helper()
		values, _ := batch.Array().Values()
		for _, v := range values {
			k, _ := v.Document().Lookup("k").AsInt64OK()
			if n, ok := v.Document().Lookup("v").AsInt64OK(); !ok || n != 0 {
				t.Errorf("%s is not of the cursor's moment", v)
			}
			seen = append(seen, k)
		}
	}
	read()
	next(3)
	read()
	l.send(doc("update", "c", "updates", bson.A{doc("q", doc("_id", doc("$mod", bson.A{2, 0})), "u", doc("$set", doc("v", 1)), "multi", true)}))
	l.send(doc("delete", "c", "deletes", bson.A{doc("q", doc("_id", doc("$mod", bson.A{4, 1})), "limit", 0)}))
	next(1000)
	read()
	for i, k := range seen {
		if int64(i) != k {
			t.Fatalf("document %d has k %d", i, k)
		}
	}
	if len(seen) != 200 {
		t.Errorf("%d documents", len(seen))
	}
}
