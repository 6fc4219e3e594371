package drivers

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

// d makes a document of names and values in turn.
func d(kv ...any) bson.D {
	out := bson.D{}
	for i := 0; i < len(kv); i += 2 {
		out = append(out, bson.E{Key: kv[i].(string), Value: kv[i+1]})
	}
	return out
}

type goSession struct {
	*testing.T
	c  context.Context
	cl *mongo.Client
	db *mongo.Database
}

func (t goSession) must(err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (t goSession) code(err error, code int) {
	t.Helper()
	var e mongo.ServerError
	if !errors.As(err, &e) || !e.HasErrorCode(code) {
		t.Fatalf("%v, want code %d", err, code)
	}
}

func (t goSession) all(cur *mongo.Cursor, err error) []bson.D {
	t.Helper()
	t.must(err)
	var out []bson.D
	t.must(cur.All(t.c, &out))
	return out
}

// TestGoDriver runs what the other drivers' sessions do in MongoDB's Go driver, over TCP.
func TestGoDriver(t *testing.T) {
	uri := embedded(t)
	cl, err := mongo.Connect(options.Client().ApplyURI(uri + "?replicaSet=docdb&directConnection=true").SetServerAPIOptions(options.ServerAPI(options.ServerAPIVersion1)))
	if err != nil {
		t.Fatal(err)
	}
	c, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	defer cl.Disconnect(context.Background())
	for name, f := range map[string]func(goSession){"files": goFiles, "bulks": goBulks, "options": goOptions, "streams": goStreams, "sessions": goSessions, "catalogue": goCatalogue} {
		t.Run(name, func(t *testing.T) { f(goSession{t, c, cl, cl.Database("go_" + name)}) })
	}
}

func goFiles(t goSession) {
	bucket := t.db.GridFSBucket(options.GridFSBucket().SetName("photos").SetChunkSizeBytes(64 << 10))
	data := bytes.Repeat([]byte("0123456789abcdef"), 50_000)
	id, err := bucket.UploadFromStream(t.c, "a.bin", bytes.NewReader(data), options.GridFSUpload().SetMetadata(d("by", "ann")))
	t.must(err)
	var out bytes.Buffer
	n, err := bucket.DownloadToStream(t.c, id, &out)
	t.must(err)
	if n != int64(len(data)) || !bytes.Equal(out.Bytes(), data) {
		t.Errorf("%d bytes came back", n)
	}
	up, err := bucket.OpenUploadStream(t.c, "a.bin")
	t.must(err)
	_, err = up.Write([]byte("second"))
	t.must(err)
	t.must(up.Close())
	for revision, want := range map[int32]int{-1: 6, 0: len(data), 1: 6} {
		down, err := bucket.OpenDownloadStreamByName(t.c, "a.bin", options.GridFSName().SetRevision(revision))
		t.must(err)
		got, err := io.ReadAll(down)
		t.must(err)
		if len(got) != want {
			t.Errorf("revision %d has %d bytes, want %d", revision, len(got), want)
		}
	}
	given, err := bucket.OpenUploadStream(t.c, "given up")
	t.must(err)
	_, err = given.Write(data[:200_000])
	t.must(err)
	t.must(given.Abort())
	cur, err := bucket.Find(t.c, d("metadata.by", "ann"), options.GridFSFind().SetSort(d("uploadDate", -1)))
	if files := t.all(cur, err); len(files) != 1 {
		t.Errorf("%v", files)
	}
	t.must(bucket.Rename(t.c, id, "b.bin"))
	t.must(bucket.Delete(t.c, id))
	if err := bucket.Delete(t.c, id); !errors.Is(err, mongo.ErrFileNotFound) {
		t.Error(err)
	}
	if n, err := t.db.Collection("photos.chunks").CountDocuments(t.c, d("files_id", d("$in", bson.A{id, given.FileID}))); err != nil || n != 0 {
		t.Error(n, err)
	}
	t.must(bucket.Drop(t.c))
}

func goBulks(t goSession) {
	coll := t.db.Collection("items")
	r, err := coll.BulkWrite(t.c, []mongo.WriteModel{
		mongo.NewInsertOneModel().SetDocument(d("_id", 1, "s", "x", "l", bson.A{1, 5})),
		mongo.NewInsertOneModel().SetDocument(d("_id", 2, "s", "X", "l", bson.A{7})),
		mongo.NewUpdateOneModel().SetFilter(d("s", "X")).SetUpdate(d("$set", d("one", 1))).SetCollation(&options.Collation{Locale: "en", Strength: 2}).SetSort(d("_id", 1)),
		mongo.NewUpdateManyModel().SetFilter(d()).SetUpdate(d("$set", d("l.$[big]", 0))).SetArrayFilters([]any{d("big", d("$gt", 4))}).SetHint("_id_"),
		mongo.NewUpdateOneModel().SetFilter(d("_id", 9)).SetUpdate(bson.A{d("$set", d("up", "$_id"))}).SetUpsert(true),
		mongo.NewReplaceOneModel().SetFilter(d("_id", 2)).SetReplacement(d("r", 1)),
		mongo.NewDeleteOneModel().SetFilter(d("_id", 1)),
		mongo.NewDeleteManyModel().SetFilter(d("up", 9)),
	}, options.BulkWrite().SetComment("c").SetLet(d()))
	t.must(err)
	if r.InsertedCount != 2 || r.MatchedCount != 4 || r.ModifiedCount != 4 || r.UpsertedCount != 1 || r.DeletedCount != 2 || r.UpsertedIDs[4] != int32(9) {
		t.Errorf("%+v", r)
	}
	_, err = coll.BulkWrite(t.c, []mongo.WriteModel{mongo.NewInsertOneModel().SetDocument(d("_id", 2)), mongo.NewInsertOneModel().SetDocument(d("_id", 3)), mongo.NewInsertOneModel().SetDocument(d("_id", 3))}, options.BulkWrite().SetOrdered(false))
	var failed mongo.BulkWriteException
	if !errors.As(err, &failed) || len(failed.WriteErrors) != 2 || failed.WriteErrors[1].Index != 2 || failed.WriteErrors[1].Code != 11000 {
		t.Errorf("%v", err)
	}
	both, err := t.cl.BulkWrite(t.c, []mongo.ClientBulkWrite{
		{Database: t.db.Name(), Collection: "items", Model: mongo.NewClientInsertOneModel().SetDocument(d("_id", 40))},
		{Database: t.db.Name(), Collection: "more", Model: mongo.NewClientUpdateOneModel().SetFilter(d("_id", 1)).SetUpdate(d("$set", d("x", 1))).SetUpsert(true)},
		{Database: t.db.Name(), Collection: "items", Model: mongo.NewClientUpdateManyModel().SetFilter(d()).SetUpdate(d("$set", d("m", 1)))},
		{Database: t.db.Name(), Collection: "more", Model: mongo.NewClientReplaceOneModel().SetFilter(d("_id", 1)).SetReplacement(d("y", 1))},
		{Database: t.db.Name(), Collection: "items", Model: mongo.NewClientDeleteOneModel().SetFilter(d("_id", 40))},
		{Database: t.db.Name(), Collection: "more", Model: mongo.NewClientDeleteManyModel().SetFilter(d())},
	}, options.ClientBulkWrite().SetVerboseResults(true))
	t.must(err)
	if both.InsertedCount != 1 || both.UpsertedCount != 1 || both.MatchedCount != 4 || both.DeletedCount != 2 || both.UpdateResults[1].UpsertedID != int32(1) || both.DeleteResults[5].DeletedCount != 1 {
		t.Errorf("%+v", both)
	}
	_, err = t.cl.BulkWrite(t.c, []mongo.ClientBulkWrite{
		{Database: t.db.Name(), Collection: "items", Model: mongo.NewClientInsertOneModel().SetDocument(d("_id", 2))},
		{Database: t.db.Name(), Collection: "more", Model: mongo.NewClientInsertOneModel().SetDocument(d("_id", 2))},
	}, options.ClientBulkWrite().SetOrdered(false))
	var part mongo.ClientBulkWriteException
	if !errors.As(err, &part) || part.WriteErrors[0].Code != 11000 || part.PartialResult.InsertedCount != 1 {
		t.Errorf("%v", err)
	}
	// More than one message holds: the driver sends several.
	var many []any
	for i := range 3000 {
		many = append(many, d("_id", i, "pad", bytes.Repeat([]byte{1}, 20_000)))
	}
	res, err := t.db.Collection("many").InsertMany(t.c, many)
	t.must(err)
	if len(res.InsertedIDs) != 3000 {
		t.Error(len(res.InsertedIDs))
	}
}

func goOptions(t goSession) {
	coll := t.db.Collection("items")
	var docs []any
	for i := range 30 {
		docs = append(docs, d("_id", i, "a", i%3, "s", string("bB"[i%2])))
	}
	_, err := coll.InsertMany(t.c, docs)
	t.must(err)
	_, err = coll.Indexes().CreateOne(t.c, mongo.IndexModel{Keys: d("a", 1, "_id", 1), Options: options.Index().SetName("a")})
	t.must(err)
	got := t.all(coll.Find(t.c, d("$expr", d("$eq", bson.A{"$a", "$$n"})), options.Find().SetSort(d("_id", -1)).SetProjection(d("_id", 1)).SetSkip(2).SetLimit(3).SetBatchSize(2).SetHint("a").SetComment("c").
		SetAllowDiskUse(true).SetNoCursorTimeout(true).SetAllowPartialResults(true).SetCollation(&options.Collation{Locale: "simple"}).SetLet(d("n", 1))))
	if len(got) != 3 || got[0][0].Value != int32(22) {
		t.Errorf("%v", got)
	}
	if got := t.all(coll.Find(t.c, d(), options.Find().SetMin(d("a", 1, "_id", 4)).SetMax(d("a", 1, "_id", 10)).SetHint("a").SetReturnKey(true))); len(got) != 2 || got[0][1].Value != int32(4) {
		t.Errorf("%v", got)
	}
	if got := t.all(coll.Find(t.c, d(), options.Find().SetShowRecordID(true).SetLimit(-2))); len(got) != 2 || got[0][3].Key != "$recordId" {
		t.Errorf("%v", got)
	}
	if n, err := coll.CountDocuments(t.c, d("s", "b"), options.Count().SetCollation(&options.Collation{Locale: "en", Strength: 2}).SetSkip(5).SetLimit(10).SetHint("_id_")); err != nil || n != 10 {
		t.Error(n, err)
	}
	if n, err := coll.EstimatedDocumentCount(t.c); err != nil || n != 30 {
		t.Error(n, err)
	}
	var values []string
	t.must(coll.Distinct(t.c, "s", d(), options.Distinct().SetCollation(&options.Collation{Locale: "en", Strength: 2}).SetHint("a")).Decode(&values))
	if !slices.Equal(values, []string{"b"}) {
		t.Error(values)
	}
	var one bson.D
	t.must(coll.FindOneAndUpdate(t.c, d("a", 1), d("$inc", d("n", 5)), options.FindOneAndUpdate().SetSort(d("_id", -1)).SetReturnDocument(options.After).SetProjection(d("n", 1)).SetHint("a")).Decode(&one))
	if one[0].Value != int32(28) || one[1].Value != int32(5) {
		t.Error(one)
	}
	if err := coll.FindOneAndReplace(t.c, d("_id", "none"), d("a", 1)).Err(); !errors.Is(err, mongo.ErrNoDocuments) {
		t.Error(err)
	}
	t.must(coll.FindOneAndDelete(t.c, d("_id", 0)).Err())
	groups := t.all(coll.Aggregate(t.c, mongo.Pipeline{d("$match", d("a", d("$lt", 2))), d("$group", d("_id", "$a", "n", d("$sum", 1))), d("$sort", d("_id", 1))}, options.Aggregate().SetBatchSize(1).SetAllowDiskUse(true).SetHint("a").SetLet(d("x", 1)).SetComment("c")))
	if len(groups) != 2 || groups[0][1].Value != int32(9) {
		t.Errorf("%v", groups)
	}
	if out := t.all(coll.Aggregate(t.c, mongo.Pipeline{d("$match", d("a", 1)), d("$out", "ones")})); len(out) != 0 {
		t.Error(out)
	}
	t.all(coll.Aggregate(t.c, mongo.Pipeline{d("$match", d("a", 2)), d("$merge", d("into", "ones", "whenMatched", "fail"))}, options.Aggregate().SetBypassDocumentValidation(true)))
	if n, err := t.db.Collection("ones").CountDocuments(t.c, d()); err != nil || n != 20 {
		t.Error(n, err)
	}
	cur, err := t.db.RunCommandCursor(t.c, d("find", "items", "batchSize", 4))
	if list := t.all(cur, err); len(list) != 29 {
		t.Error(len(list))
	}
	t.must(t.db.RunCommand(t.c, d("collStats", "items")).Err())
	_, err = coll.UpdateOne(t.c, d("_id", 1), d("$set", d("_id", 2)))
	t.code(err, 66)
	hurry, cancel := context.WithTimeout(t.c, 30*time.Millisecond)
	defer cancel()
	_, err = coll.Find(hurry, d("$expr", d("$gt", bson.A{d("$reduce", d("input", d("$range", bson.A{0, 3_000_000}), "initialValue", 0, "in", d("$add", bson.A{"$$value", "$$this"}))), -1})))
	if !mongo.IsTimeout(err) {
		t.Error(err)
	}
}

func goStreams(t goSession) {
	coll := t.db.Collection("items")
	next := func(s *mongo.ChangeStream) bson.Raw {
		t.Helper()
		if !s.Next(t.c) {
			t.Fatal(s.Err())
		}
		return bytes.Clone(s.Current)
	}
	t.must(t.db.CreateCollection(t.c, "items", options.CreateCollection().SetChangeStreamPreAndPostImages(d("enabled", true))))
	s, err := coll.Watch(t.c, mongo.Pipeline{}, options.ChangeStream().SetFullDocument(options.UpdateLookup).SetMaxAwaitTime(100*time.Millisecond).SetBatchSize(2))
	t.must(err)
	if s.TryNext(t.c) || s.ResumeToken() == nil {
		t.Error("an event of nothing, or no token")
	}
	_, err = coll.InsertOne(t.c, d("_id", 1))
	t.must(err)
	_, err = coll.UpdateByID(t.c, 1, d("$set", d("a", 1)))
	t.must(err)
	first := next(s)
	if e := next(s); e.Lookup("fullDocument", "a").AsInt64() != 1 {
		t.Error(e)
	}
	t.must(s.Close(t.c))
	for name, o := range map[string]*options.ChangeStreamOptionsBuilder{"resume": options.ChangeStream().SetResumeAfter(first.Lookup("_id").Document()), "start": options.ChangeStream().SetStartAfter(first.Lookup("_id").Document())} {
		s, err := coll.Watch(t.c, mongo.Pipeline{}, o.SetFullDocument(options.Required).SetFullDocumentBeforeChange(options.Required).SetShowExpandedEvents(true))
		t.must(err)
		if e := next(s); e.Lookup("operationType").StringValue() != "update" || e.Lookup("fullDocumentBeforeChange", "a").Type != 0 || e.Lookup("collectionUUID").Type != bson.TypeBinary {
			t.Error(name, e)
		}
		t.must(s.Close(t.c))
	}
	sec, inc := first.Lookup("clusterTime").Timestamp()
	s, err = t.db.Watch(t.c, mongo.Pipeline{d("$match", d("operationType", "update"))}, options.ChangeStream().SetStartAtOperationTime(&bson.Timestamp{T: sec, I: inc}))
	t.must(err)
	next(s)
	t.must(s.Close(t.c))
	s, err = t.cl.Watch(t.c, mongo.Pipeline{d("$match", d("ns.db", t.db.Name()))})
	t.must(err)
	_, err = t.db.Collection("others").InsertOne(t.c, d("_id", 1))
	t.must(err)
	if e := next(s); e.Lookup("ns", "coll").StringValue() != "others" {
		t.Error(e)
	}
	t.must(s.Close(t.c))
	// Too large for one document: in fragments.
	big := d("_id", "big", "a", bytes.Repeat([]byte("x"), 9<<20))
	s, err = coll.Watch(t.c, mongo.Pipeline{d("$changeStreamSplitLargeEvent", d())}, options.ChangeStream().SetFullDocument(options.Required).SetFullDocumentBeforeChange(options.WhenAvailable))
	t.must(err)
	_, err = coll.InsertOne(t.c, big)
	t.must(err)
	next(s)
	_, err = coll.UpdateByID(t.c, "big", d("$set", d("b", 1)))
	t.must(err)
	for i := int64(1); i <= 2; i++ {
		if e := next(s); e.Lookup("splitEvent", "fragment").AsInt64() != i || e.Lookup("splitEvent", "of").AsInt64() != 2 {
			t.Error(e.Lookup("splitEvent"))
		}
	}
	t.must(s.Close(t.c))
}

func goSessions(t goSession) {
	coll := t.db.Collection("items", options.Collection().SetReadConcern(readconcern.Majority()).SetWriteConcern(writeconcern.Majority()).SetReadPreference(readpref.SecondaryPreferred()))
	_, err := coll.InsertOne(t.c, d("_id", 1, "n", 0))
	t.must(err)
	s, err := t.cl.StartSession(options.Session().SetCausalConsistency(true))
	t.must(err)
	defer s.EndSession(t.c)
	in := mongo.NewSessionContext(t.c, s)
	_, err = coll.UpdateByID(in, 1, d("$inc", d("n", 1)))
	t.must(err)
	if err := coll.FindOne(in, d("n", 1)).Err(); err != nil || s.OperationTime() == nil || s.ClusterTime() == nil {
		t.Error(err)
	}
	r, err := s.WithTransaction(t.c, func(in context.Context) (any, error) {
		if _, err := coll.UpdateByID(in, 1, d("$inc", d("n", 1))); err != nil {
			return nil, err
		}
		n, err := coll.CountDocuments(t.c, d("n", 2))
		return n, err
	}, options.Transaction().SetReadConcern(readconcern.Snapshot()).SetWriteConcern(writeconcern.Majority()))
	if err != nil || r != int64(0) {
		t.Error(r, err)
	}
	t.must(s.StartTransaction())
	_, err = coll.InsertOne(mongo.NewSessionContext(t.c, s), d("_id", 1))
	t.code(err, 11000)
	t.must(s.AbortTransaction(t.c))
	snap, err := t.cl.StartSession(options.Session().SetSnapshot(true))
	t.must(err)
	defer snap.EndSession(t.c)
	fixed := mongo.NewSessionContext(t.c, snap)
	before, err := t.db.Collection("items").CountDocuments(fixed, d())
	t.must(err)
	_, err = coll.InsertOne(t.c, d("_id", 2))
	t.must(err)
	if n, err := t.db.Collection("items").CountDocuments(fixed, d()); err != nil || n != before {
		t.Error(n, err)
	}
	var list []bson.D
	cur, err := coll.Find(in, d(), options.Find().SetBatchSize(1))
	t.must(err)
	if !cur.Next(in) {
		t.Fatal(cur.Err())
	}
	s.EndSession(t.c)
	if err := cur.All(t.c, &list); err == nil {
		t.Error("a cursor outlives its session")
	}
}

func goCatalogue(t goSession) {
	t.must(t.db.CreateCollection(t.c, "strict", options.CreateCollection().SetValidator(d("$jsonSchema", d("required", bson.A{"a"}))).SetValidationLevel("moderate").SetCollation(&options.Collation{Locale: "en", Strength: 2})))
	_, err := t.db.Collection("strict").InsertOne(t.c, d("b", 1))
	t.code(err, 121)
	t.must(t.db.CreateView(t.c, "view", "strict", mongo.Pipeline{d("$match", d("a", "x"))}, options.CreateView().SetCollation(&options.Collation{Locale: "en", Strength: 2})))
	_, err = t.db.Collection("strict").InsertOne(t.c, d("a", "X"))
	t.must(err)
	if n, err := t.db.Collection("view").CountDocuments(t.c, d()); err != nil || n != 1 {
		t.Error(n, err)
	}
	t.must(t.db.CreateCollection(t.c, "log", options.CreateCollection().SetCapped(true).SetSizeInBytes(4096).SetMaxDocuments(3)))
	for i := range 5 {
		_, err := t.db.Collection("log").InsertOne(t.c, d("_id", i))
		t.must(err)
	}
	tail, err := t.db.Collection("log").Find(t.c, d(), options.Find().SetCursorType(options.TailableAwait).SetMaxAwaitTime(100*time.Millisecond))
	t.must(err)
	for range 3 {
		tail.Next(t.c)
	}
	_, err = t.db.Collection("log").InsertOne(t.c, d("_id", 9))
	t.must(err)
	if !tail.Next(t.c) || tail.Current.Lookup("_id").AsInt64() != 9 {
		t.Error(tail.Current, tail.Err())
	}
	t.must(tail.Close(t.c))
	names, err := t.db.Collection("i").Indexes().CreateMany(t.c, []mongo.IndexModel{
		{Keys: d("a", 1, "b", -1), Options: options.Index().SetUnique(true).SetSparse(true)}, {Keys: d("t", 1), Options: options.Index().SetExpireAfterSeconds(60).SetHidden(true)},
		{Keys: d("p", 1), Options: options.Index().SetPartialFilterExpression(d("p", d("$gt", 1))).SetCollation(&options.Collation{Locale: "en"})}, {Keys: d("$**", 1), Options: options.Index().SetWildcardProjection(d("a", 0))},
		{Keys: d("h", "hashed")}, {Keys: d("g", "2dsphere"), Options: options.Index().SetSphereVersion(3)}, {Keys: d("q", "2d"), Options: options.Index().SetBits(20).SetMin(-10).SetMax(10)},
		{Keys: d("w", "text"), Options: options.Index().SetWeights(d("w", 3)).SetDefaultLanguage("german").SetLanguageOverride("lang").SetTextVersion(3)},
	})
	t.must(err)
	specs, err := t.db.Collection("i").Indexes().ListSpecifications(t.c)
	t.must(err)
	if len(specs) != 9 || len(names) != 8 || specs[1].Name != "a_1_b_-1" || !*specs[1].Unique || *specs[2].ExpireAfterSeconds != 60 {
		t.Errorf("%v %+v", names, specs)
	}
	t.must(t.db.Collection("i").Indexes().DropOne(t.c, "t_1"))
	t.must(t.db.Collection("i").Indexes().DropWithKey(t.c, d("h", "hashed")))
	t.must(t.db.Collection("i").Indexes().DropAll(t.c))
	list, err := t.db.ListCollectionSpecifications(t.c, d("type", "collection", "name", d("$not", bson.Regex{Pattern: "^system"})))
	t.must(err)
	var got []string
	for _, s := range list {
		got = append(got, s.Name)
		if s.UUID == nil || s.IDIndex.Name != "_id_" {
			t.Errorf("%+v", s)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, []string{"i", "log", "strict"}) {
		t.Error(got)
	}
	dbs, err := t.cl.ListDatabases(t.c, d("name", t.db.Name()), options.ListDatabases().SetNameOnly(true).SetAuthorizedDatabases(true))
	t.must(err)
	if len(dbs.Databases) != 1 {
		t.Errorf("%+v", dbs)
	}
	_, err = t.db.Collection("i").SearchIndexes().CreateOne(t.c, mongo.SearchIndexModel{Definition: d()})
	t.code(err, 115)
	t.must(t.db.Collection("strict").Drop(t.c))
	t.must(t.db.Collection("none").Drop(t.c))
	t.must(t.db.Drop(t.c))
}
