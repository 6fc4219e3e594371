package docdb_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/docdb"
)

// drain reads a stream until nothing more comes.
func drain(t *testing.T, s *mongo.ChangeStream) []bson.Raw {
	t.Helper()
	c := ctx(t)
	defer s.Close(c)
	var out []bson.Raw
	for s.TryNext(c) {
		out = append(out, bytes.Clone(s.Current))
	}
	must(t, s.Err())
	return out
}

func stream() *options.ChangeStreamOptionsBuilder {
	return options.ChangeStream().SetMaxAwaitTime(time.Millisecond).SetBatchSize(1000)
}

var fromStart = &bson.Timestamp{T: 1, I: 1}

// sameEvents compares two lists of events byte by byte.
func sameEvents(t *testing.T, what string, got, want []bson.Raw) {
	t.Helper()
	for i := range want {
		if i >= len(got) {
			t.Fatalf("%s: the stream ends before %s", what, want[i])
		}
		if !bytes.Equal(got[i], want[i]) {
			t.Fatalf("%s: event %d is\n%s, want\n%s", what, i, got[i], want[i])
		}
	}
	if len(got) > len(want) {
		t.Fatalf("%s: too much: %s", what, got[len(want)])
	}
}

// TestReplay does random things to a database and rebuilds it from its change events alone; it resumes the stream at every event, before and
// after a restart, and gets the same events again.
func TestReplay(t *testing.T) {
	dir := t.TempDir()
	db, err := docdb.Open(dir, docdb.Options{})
	must(t, err)
	client, err := mongo.Connect(db.ClientOptions())
	must(t, err)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	w := &eventWorker{t: t, c: ctx(t), d: client.Database("replay"), client: client, rng: rand.New(rand.NewPCG(seed, 1))}
	for i := 0; i < 250; i++ {
		w.step()
	}
	rep := newReplica("replay")
	_, err = rep.follow(w.c, client)
	must(t, err)
	if bad, err := rep.compare(w.c, client); err != nil || bad != "" {
		t.Fatal(err, bad)
	}
	s, err := w.d.Watch(w.c, mongo.Pipeline{}, stream().SetStartAtOperationTime(fromStart))
	must(t, err)
	all := drain(t, s)
	if len(all) < 100 {
		t.Fatalf("%d events only", len(all))
	}
	for i, e := range all[1:] {
		// Tokens sort as their events do, also those of one transaction.
		if before, token := all[i].Lookup("_id", "_data").StringValue(), e.Lookup("_id", "_data").StringValue(); before >= token {
			t.Fatalf("the token %s comes behind %s", token, before)
		}
	}
	resumeEverywhere(t, w.d, all)
	must(t, client.Disconnect(w.c))
	must(t, db.Close())

	db, err = docdb.Open(dir, docdb.Options{})
	must(t, err)
	client, err = mongo.Connect(db.ClientOptions())
	must(t, err)
	defer func() {
		client.Disconnect(context.Background())
		db.Close()
	}()
	d := client.Database("replay")
	resumeEverywhere(t, d, all)
	// The deployment's stream has the same events.
	s, err = client.Watch(ctx(t), mongo.Pipeline{{{Key: "$match", Value: bson.D{{Key: "ns.db", Value: "replay"}}}}}, stream().SetStartAtOperationTime(fromStart))
	must(t, err)
	sameEvents(t, "deployment", drain(t, s), all)
	// A pipeline leaves events out, and the tokens of the others still resume.
	var inserts []bson.Raw
	for _, e := range all {
		if e.Lookup("operationType").StringValue() == "insert" {
			inserts = append(inserts, e)
		}
	}
	only := mongo.Pipeline{{{Key: "$match", Value: bson.D{{Key: "operationType", Value: "insert"}}}}}
	s, err = d.Watch(ctx(t), only, stream().SetStartAtOperationTime(fromStart))
	must(t, err)
	sameEvents(t, "inserts", drain(t, s), inserts)
	s, err = d.Watch(ctx(t), only, stream().SetResumeAfter(inserts[len(inserts)/2].Lookup("_id").Document()))
	must(t, err)
	sameEvents(t, "inserts from the middle", drain(t, s), inserts[len(inserts)/2+1:])
}

// resumeEverywhere opens a stream behind and at every event.
func resumeEverywhere(t *testing.T, d *mongo.Database, all []bson.Raw) {
	t.Helper()
	c := ctx(t)
	for i, e := range all {
		o := stream()
		what := fmt.Sprintf("resumeAfter event %d", i)
		want := all[i+1:]
		switch i % 3 {
		case 0:
			o.SetResumeAfter(e.Lookup("_id").Document())
		case 1:
			what = fmt.Sprintf("startAfter event %d", i)
			o.SetStartAfter(e.Lookup("_id").Document())
		case 2:
			what = fmt.Sprintf("startAtOperationTime of event %d", i)
			tt, ti := e.Lookup("clusterTime").Timestamp()
			o.SetStartAtOperationTime(&bson.Timestamp{T: tt, I: ti})
			want = all[i:]
			for j := i - 1; j >= 0 && all[j].Lookup("clusterTime").Equal(e.Lookup("clusterTime")); j-- {
				want = all[j:] // the events of a transaction have one time
			}
		}
		s, err := d.Watch(c, mongo.Pipeline{}, o)
		must(t, err)
		sameEvents(t, what, drain(t, s), want)
	}
}

// eventWorker does random things.
type eventWorker struct {
	t      *testing.T
	c      context.Context
	d      *mongo.Database
	client *mongo.Client
	rng    *rand.Rand
}

func (w *eventWorker) value(depth int) any {
	switch n := w.rng.IntN(8); {
	case n < 3:
		return w.rng.IntN(10)
	case n == 3:
		return strings.Repeat("s", w.rng.IntN(5))
	case n == 4:
		return float64(w.rng.IntN(8)) / 2
	case n == 5 || depth == 0:
		return nil
	case n == 6:
		a := bson.A{}
		for i := w.rng.IntN(5); i > 0; i-- {
			a = append(a, w.value(depth-1))
		}
		return a
	}
	d := bson.D{}
	for _, k := range []string{"a", "b", "c"}[:w.rng.IntN(4)] {
		d = append(d, bson.E{Key: k, Value: w.value(depth - 1)})
	}
	return d
}

func (w *eventWorker) doc() bson.D {
	d := bson.D{{Key: "_id", Value: w.rng.IntN(12)}}
	for _, k := range []string{"a", "b", "c", "list"} {
		if w.rng.IntN(3) > 0 {
			d = append(d, bson.E{Key: k, Value: w.value(2)})
		}
	}
	return d
}

// write is one change of documents; what is refused (a duplicate, a path that can't be made) makes no event.
func (w *eventWorker) write(c context.Context) error {
	coll := w.d.Collection([]string{"one", "two", "three"}[w.rng.IntN(3)])
	id := bson.D{{Key: "_id", Value: w.rng.IntN(12)}}
	path := []string{"a", "b.a", "c", "list.0", "list.2", "a.b.c", "b"}[w.rng.IntN(7)]
	updates := []any{
		bson.D{{Key: "$set", Value: bson.D{{Key: path, Value: w.value(2)}}}},
		bson.D{{Key: "$unset", Value: bson.D{{Key: path, Value: 1}}}},
		bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}},
		bson.D{{Key: "$push", Value: bson.D{{Key: "list", Value: w.value(1)}}}},
		bson.D{{Key: "$push", Value: bson.D{{Key: "list", Value: bson.D{{Key: "$each", Value: bson.A{1, w.value(1), 3}}, {Key: "$slice", Value: w.rng.IntN(5) - 2}}}}}},
		bson.D{{Key: "$pop", Value: bson.D{{Key: "list", Value: 1}}}},
		bson.D{{Key: "$pull", Value: bson.D{{Key: "list", Value: bson.D{{Key: "$gt", Value: 3}}}}}},
		bson.D{{Key: "$rename", Value: bson.D{{Key: "a", Value: "z"}}}},
		bson.A{bson.D{{Key: "$set", Value: bson.D{{Key: "c", Value: bson.D{{Key: "$concatArrays", Value: bson.A{bson.A{1, 2}, bson.A{"$n"}}}}}}}}, bson.D{{Key: "$unset", Value: "b"}}},
		bson.A{bson.D{{Key: "$replaceWith", Value: bson.D{{Key: "_id", Value: "$_id"}, {Key: "was", Value: "$list"}}}}},
	}
	u := updates[w.rng.IntN(len(updates))]
	var err error
	switch w.rng.IntN(8) {
	case 0, 1:
		_, err = coll.InsertOne(c, w.doc())
	case 2, 3:
		_, err = coll.UpdateOne(c, id, u, options.UpdateOne().SetUpsert(w.rng.IntN(3) == 0))
	case 4:
		_, err = coll.UpdateMany(c, bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: 6}}}}, u)
	case 5:
		_, err = coll.ReplaceOne(c, id, w.doc()[1:], options.Replace().SetUpsert(true))
	case 6:
		_, err = coll.DeleteOne(c, id)
	case 7:
		err = coll.FindOneAndUpdate(c, id, u).Err()
	}
	return err
}

func (w *eventWorker) step() {
	admin := w.client.Database("admin")
	switch n := w.rng.IntN(40); n {
	default:
		w.write(w.c)
	case 0, 1, 2, 3, 4:
		s, err := w.client.StartSession()
		must(w.t, err)
		must(w.t, s.StartTransaction())
		tx := mongo.NewSessionContext(w.c, s)
		for i := w.rng.IntN(6); i > 0 && err == nil; i-- {
			err = w.write(tx)
		}
		if err != nil || w.rng.IntN(4) == 0 {
			s.AbortTransaction(w.c)
		} else {
			must(w.t, s.CommitTransaction(w.c))
		}
		s.EndSession(w.c)
	case 5:
		w.d.Collection("two").Drop(w.c)
	case 6:
		admin.RunCommand(w.c, bson.D{{Key: "renameCollection", Value: "replay.one"}, {Key: "to", Value: "replay.three"}, {Key: "dropTarget", Value: true}})
	case 7:
		admin.RunCommand(w.c, bson.D{{Key: "renameCollection", Value: "replay.three"}, {Key: "to", Value: "replay.one"}})
	case 8:
		if w.rng.IntN(8) == 0 {
			w.d.Collection("one").Indexes().CreateOne(w.c, mongo.IndexModel{Keys: bson.D{{Key: "a", Value: 1}}})
		}
	case 10, 11, 12:
		// A capped collection forgets by itself; a view is nobody's event.
		w.d.CreateCollection(w.c, "log", options.CreateCollection().SetCapped(true).SetSizeInBytes(600).SetMaxDocuments(5))
		w.d.Collection("log").InsertOne(w.c, append(bson.D{{Key: "_id", Value: w.rng.IntN(1000)}}, w.doc()[1:]...))
		w.d.CreateView(w.c, "view", "log", mongo.Pipeline{})
		w.d.Collection("view").Drop(w.c)
	case 9:
		cur, err := w.d.Collection("one").Aggregate(w.c, mongo.Pipeline{{{Key: "$match", Value: bson.D{}}}, {{Key: "$out", Value: "three"}}})
		if err == nil {
			cur.Close(w.c)
		}
	}
}

// TestStreamModes looks at one collection's stream: images before and after, what is missing where they are required, the ends of a
// stream and how it goes on.
func TestStreamModes(t *testing.T) {
	_, client := open(t)
	c := ctx(t)
	d := client.Database("modes")
	must(t, d.RunCommand(c, bson.D{{Key: "create", Value: "images"}, {Key: "changeStreamPreAndPostImages", Value: bson.D{{Key: "enabled", Value: true}}}}).Err())
	change := func(name string) {
		coll := d.Collection(name)
		_, err := coll.InsertOne(c, bson.D{{Key: "_id", Value: 1}, {Key: "a", Value: 1}})
		must(t, err)
		for v := 2; v <= 3; v++ {
			_, err = coll.UpdateOne(c, bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "$set", Value: bson.D{{Key: "a", Value: v}}}})
			must(t, err)
		}
		_, err = coll.DeleteOne(c, bson.D{{Key: "_id", Value: 1}})
		must(t, err)
	}
	change("images")
	change("plain")
	watch := func(name string, full options.FullDocument, before options.FullDocument) ([]bson.Raw, error) {
		o := stream().SetStartAtOperationTime(fromStart)
		if full != "" {
			o.SetFullDocument(full)
		}
		if before != "" {
			o.SetFullDocumentBeforeChange(before)
		}
		s, err := d.Collection(name).Watch(c, mongo.Pipeline{}, o)
		if err != nil {
			return nil, err
		}
		defer s.Close(c)
		var out []bson.Raw
		for s.TryNext(c) {
			out = append(out, bytes.Clone(s.Current))
		}
		return out, s.Err()
	}
	show := func(v bson.RawValue) string {
		switch v.Type {
		case 0:
			return "-"
		case bson.TypeNull:
			return "null"
		}
		return fmt.Sprint(v.Document().Lookup("a").AsInt64())
	}
	for _, x := range []struct {
		coll         string
		full, before options.FullDocument
		want         string // fullDocument/before of the four events, or what the error says
	}{
		{"images", "", "", "1/- -/- -/- -/-"},
		{"images", "updateLookup", "", "1/- null/- null/- -/-"},
		{"images", "whenAvailable", "whenAvailable", "1/- 2/1 3/2 -/3"},
		{"images", "required", "required", "1/- 2/1 3/2 -/3"},
		{"plain", "whenAvailable", "whenAvailable", "1/- null/null null/null -/null"},
		{"plain", "required", "", "post-image"},
		{"plain", "", "required", "pre-image"},
	} {
		events, err := watch(x.coll, x.full, x.before)
		var got []string
		for _, e := range events {
			got = append(got, show(e.Lookup("fullDocument"))+"/"+show(e.Lookup("fullDocumentBeforeChange")))
		}
		if strings.HasSuffix(x.want, "image") {
			var se mongo.ServerError
			if !asServerError(err, &se) || !strings.Contains(err.Error(), x.want) || !se.HasErrorLabel("NonResumableChangeStreamError") || len(events) != 1 {
				t.Errorf("%+v: %v, %v", x, got, err)
			}
		} else if s := strings.Join(got, " "); err != nil || s != x.want {
			t.Errorf("%+v: %s, %v", x, s, err)
		}
	}

	// rename and drop end a collection's stream with an invalidate; startAfter goes on behind it, resumeAfter does not.
	admin := client.Database("admin")
	must(t, admin.RunCommand(c, bson.D{{Key: "renameCollection", Value: "modes.plain"}, {Key: "to", Value: "modes.other"}}).Err())
	change("plain")
	must(t, d.Collection("plain").Drop(c))
	s, err := d.Collection("plain").Watch(c, mongo.Pipeline{}, stream().SetStartAtOperationTime(fromStart))
	must(t, err)
	first := drain(t, s)
	kinds := func(list []bson.Raw) string {
		var out []string
		for _, e := range list {
			out = append(out, e.Lookup("operationType").StringValue())
		}
		return strings.Join(out, " ")
	}
	if k := kinds(first); k != "insert update update delete rename invalidate" {
		t.Fatal(k)
	}
	end := first[len(first)-1].Lookup("_id").Document()
	s, err = d.Collection("plain").Watch(c, mongo.Pipeline{}, stream().SetStartAfter(end))
	must(t, err)
	if k := kinds(drain(t, s)); k != "insert update update delete drop invalidate" {
		t.Fatal(k)
	}
	var se mongo.ServerError
	if _, err := d.Collection("plain").Watch(c, mongo.Pipeline{}, stream().SetResumeAfter(end)); !asServerError(err, &se) || !se.HasErrorCode(260) {
		t.Fatal(err)
	}
	s, err = d.Collection("plain").Watch(c, mongo.Pipeline{}, stream().SetResumeAfter(first[4].Lookup("_id").Document()))
	must(t, err)
	if k := kinds(drain(t, s)); k != "invalidate" {
		t.Fatal(k)
	}
	// Who watches the new name is told, and has to look anew.
	s, err = d.Collection("other").Watch(c, mongo.Pipeline{}, stream().SetStartAtOperationTime(fromStart))
	must(t, err)
	if k := kinds(drain(t, s)); k != "rename invalidate" {
		t.Fatal(k)
	}
	// A database's stream ends with the database.
	must(t, d.Drop(c))
	s, err = d.Watch(c, mongo.Pipeline{{{Key: "$match", Value: bson.D{{Key: "operationType", Value: bson.D{{Key: "$in", Value: bson.A{"dropDatabase", "invalidate"}}}}}}}}, stream().SetStartAtOperationTime(fromStart))
	must(t, err)
	if k := kinds(drain(t, s)); k != "dropDatabase invalidate" {
		t.Fatal(k)
	}
	// A pipeline may not touch the token.
	_, err = d.Collection("t").InsertOne(c, bson.D{})
	must(t, err)
	s, err = d.Collection("t").Watch(c, mongo.Pipeline{{{Key: "$unset", Value: "_id"}}}, stream().SetStartAtOperationTime(fromStart))
	if err == nil {
		for s.TryNext(c) {
		}
		err = s.Err()
	}
	if !asServerError(err, &se) || !se.HasErrorCode(280) {
		t.Fatal(err)
	}
}

// TestLargeEvents makes events beyond 16 MB: refused without $changeStreamSplitLargeEvent, in fragments with it.
func TestLargeEvents(t *testing.T) {
	_, client := open(t)
	c := ctx(t)
	d := client.Database("large")
	must(t, d.RunCommand(c, bson.D{{Key: "create", Value: "c"}, {Key: "changeStreamPreAndPostImages", Value: bson.D{{Key: "enabled", Value: true}}}}).Err())
	coll := d.Collection("c")
	_, err := coll.InsertOne(c, bson.D{{Key: "_id", Value: 1}, {Key: "a", Value: strings.Repeat("x", 9<<20)}})
	must(t, err)
	_, err = coll.UpdateOne(c, bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "$set", Value: bson.D{{Key: "a", Value: strings.Repeat("y", 9<<20)}}}})
	must(t, err)
	_, err = coll.DeleteOne(c, bson.D{{Key: "_id", Value: 1}})
	must(t, err)
	o := func() *options.ChangeStreamOptionsBuilder {
		return stream().SetStartAtOperationTime(fromStart).SetFullDocument("required").SetFullDocumentBeforeChange("required")
	}
	s, err := coll.Watch(c, mongo.Pipeline{}, o())
	must(t, err)
	n := 0
	for s.TryNext(c) {
		n++
	}
	var se mongo.ServerError
	if !asServerError(s.Err(), &se) || !se.HasErrorCode(10334) || n != 1 {
		t.Fatal(n, s.Err())
	}
	split := mongo.Pipeline{{{Key: "$changeStreamSplitLargeEvent", Value: bson.D{}}}}
	s, err = coll.Watch(c, split, o())
	must(t, err)
	var parts []string
	var tokens []bson.Raw
	for _, e := range drain(t, s) {
		if len(e) > 16<<20 {
			t.Fatalf("a fragment of %d bytes", len(e))
		}
		p := "whole"
		if v, ok := e.Lookup("splitEvent").DocumentOK(); ok {
			p = fmt.Sprintf("%d/%d", v.Lookup("fragment").AsInt64(), v.Lookup("of").AsInt64())
		}
		parts = append(parts, p)
		tokens = append(tokens, e.Lookup("_id").Document())
	}
	all := strings.Join(parts, " ")
	if !strings.HasPrefix(all, "whole 1/") || !strings.HasSuffix(all, " whole") || len(parts) < 4 {
		t.Fatal(all)
	}
	// It goes on behind every fragment.
	for i, token := range tokens {
		s, err := coll.Watch(c, split, stream().SetFullDocument("required").SetFullDocumentBeforeChange("required").SetResumeAfter(token))
		must(t, err)
		if got := len(drain(t, s)); got != len(tokens)-i-1 {
			t.Errorf("behind %s: %d more events, want %d", parts[i], got, len(tokens)-i-1)
		}
	}
}

// TestHistoryLost resumes from what the oplog no longer has.
func TestHistoryLost(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	db, err := docdb.Open(dir, docdb.Options{OplogAge: time.Hour, Now: func() time.Time { return now }})
	must(t, err)
	client, err := mongo.Connect(db.ClientOptions())
	must(t, err)
	defer hangUp(client)
	defer db.Close()
	c := ctx(t)
	coll := client.Database("d").Collection("c")
	_, err = coll.InsertOne(c, bson.D{{Key: "_id", Value: 1}})
	must(t, err)
	s, err := coll.Watch(c, mongo.Pipeline{}, stream().SetStartAtOperationTime(fromStart))
	must(t, err)
	old := drain(t, s)
	open, err := coll.Watch(c, mongo.Pipeline{}, stream().SetResumeAfter(old[0].Lookup("_id").Document()))
	must(t, err)
	now = now.Add(2 * time.Hour)
	_, err = coll.InsertOne(c, bson.D{{Key: "_id", Value: 2}})
	must(t, err)
	must(t, docdb.TrimOplog(db))
	var se mongo.ServerError
	_, err = coll.Watch(c, mongo.Pipeline{}, stream().SetResumeAfter(old[0].Lookup("_id").Document()))
	if !asServerError(err, &se) || !se.HasErrorCode(286) || !se.HasErrorLabel("NonResumableChangeStreamError") {
		t.Fatal(err)
	}
	// So is a stream that is open, but has not been asked for so long.
	for open.Err() == nil {
		if open.TryNext(c) {
			t.Fatal(open.Current)
		}
	}
	if !asServerError(open.Err(), &se) || !se.HasErrorCode(286) {
		t.Fatal(open.Err())
	}
	// A new one begins with what there is.
	s, err = coll.Watch(c, mongo.Pipeline{}, stream())
	must(t, err)
	_, err = coll.InsertOne(c, bson.D{{Key: "_id", Value: 3}})
	must(t, err)
	for !s.TryNext(c) {
		must(t, s.Err())
	}
	if s.Current.Lookup("documentKey", "_id").AsInt64() != 3 {
		t.Fatal(s.Current)
	}
	s.Close(c)
	open.Close(c)
	for _, bad := range []any{bson.D{{Key: "_data", Value: "nonsense"}}, bson.D{{Key: "_data", Value: 5}}, bson.D{}} {
		if _, err := coll.Watch(c, mongo.Pipeline{}, stream().SetResumeAfter(bad)); err == nil {
			t.Errorf("a stream resumes after %v", bad)
		}
	}
}
