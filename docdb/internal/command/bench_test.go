package command

import (
	"context"
	"encoding/binary"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/store"
	"regent/docdb/internal/wire"
)

// BenchmarkCommands runs commands as the Go driver sends them, without a driver, a connection and an fsync: what the engine costs.
func BenchmarkCommands(b *testing.B) {
	st, err := store.Open(b.TempDir(), Language{}, store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	e := New(st, Options{})
	defer e.Close()
	cl := e.NewClient(nil, true, "")
	defer cl.Close()
	marshal := func(d any) bson.Raw {
		raw, err := bson.Marshal(d)
		if err != nil {
			b.Fatal(err)
		}
		return raw
	}
	var out []byte
	serve := func(r *wire.Request) bson.Raw {
		out, _ = cl.Serve(context.Background(), r, out[:0])
		if ok, _ := bson.Raw(out).Lookup("ok").DoubleOK(); ok != 1 {
			b.Fatalf("%v", bson.Raw(out))
		}
		return out
	}
	const docs = 20_000
	doc := func(i int) bson.D {
		return bson.D{{Key: "_id", Value: bson.ObjectID{0x65, 8: byte(i >> 24), 9: byte(i >> 16), 10: byte(i >> 8), 11: byte(i)}}, {Key: "n", Value: int32(i)},
			{Key: "k", Value: int32(uint32(i) * 2654435761)}, {Key: "g", Value: "g42"}, {Key: "v", Value: 1.5}, {Key: "pad", Value: strings.Repeat("xy", 450)}}
	}
	var batch bson.A
	for i := range docs {
		if batch = append(batch, doc(i)); len(batch) == 1000 {
			serve(&wire.Request{Body: marshal(bson.D{{Key: "insert", Value: "items"}, {Key: "documents", Value: batch}, {Key: "$db", Value: "bench"}})})
			batch = nil
		}
	}
	var indexes bson.A
	for _, f := range []string{"n", "k", "g"} {
		indexes = append(indexes, bson.D{{Key: "key", Value: bson.D{{Key: f, Value: 1}}}, {Key: "name", Value: f + "_1"}})
	}
	serve(&wire.Request{Body: marshal(bson.D{{Key: "createIndexes", Value: "items"}, {Key: "indexes", Value: indexes}, {Key: "$db", Value: "bench"}})})
	if err := st.Compact(context.Background()); err != nil {
		b.Fatal(err)
	}
	lsid := bson.E{Key: "lsid", Value: bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: make([]byte, 16)}}}}
	db := bson.E{Key: "$db", Value: "bench"}
	clusterTime := bson.E{Key: "$clusterTime", Value: bson.D{{Key: "clusterTime", Value: bson.Timestamp{T: 1, I: 1}}}}
	// Numbers in a command are changed in place.
	find := func(filter bson.D) *wire.Request {
		return &wire.Request{Body: marshal(bson.D{{Key: "find", Value: "items"}, {Key: "filter", Value: filter}, {Key: "limit", Value: int64(1)},
			{Key: "singleBatch", Value: true}, lsid, clusterTime, db})}
	}
	b.Run("findOne by _id", func(b *testing.B) {
		r := find(bson.D{{Key: "_id", Value: bson.ObjectID{0x65}}})
		id := r.Body.Lookup("filter", "_id").Value
		b.ReportAllocs()
		for i := range b.N {
			binary.BigEndian.PutUint32(id[8:], uint32(i*31%docs))
			serve(r)
		}
	})
	b.Run("findOne by an indexed field", func(b *testing.B) {
		r := find(bson.D{{Key: "k", Value: int32(0)}})
		k := r.Body.Lookup("filter", "k").Value
		b.ReportAllocs()
		for i := range b.N {
			binary.LittleEndian.PutUint32(k, uint32(i*31%docs)*2654435761)
			serve(r)
		}
	})
	b.Run("range of 100 by an index", func(b *testing.B) {
		r := &wire.Request{Body: marshal(bson.D{{Key: "find", Value: "items"}, {Key: "filter", Value: bson.D{{Key: "n", Value: bson.D{{Key: "$gte", Value: int32(0)}, {Key: "$lt", Value: int32(0)}}}}},
			{Key: "limit", Value: int64(100)}, lsid, clusterTime, db})}
		from, to := r.Body.Lookup("filter", "n", "$gte").Value, r.Body.Lookup("filter", "n", "$lt").Value
		b.ReportAllocs()
		for i := range b.N {
			at := uint32(i * 131 % (docs - 100))
			binary.LittleEndian.PutUint32(from, at)
			binary.LittleEndian.PutUint32(to, at+100)
			serve(r)
		}
	})
	number := int64(0)
	write := func(name string, args bson.D) (r *wire.Request, next func()) {
		d := append(bson.D{{Key: name, Value: "items"}, {Key: "ordered", Value: true}}, args...)
		r = &wire.Request{Body: marshal(append(d, lsid, bson.E{Key: "txnNumber", Value: number}, clusterTime, db, bson.E{Key: "writeConcern", Value: bson.D{{Key: "j", Value: false}}}))}
		at := r.Body.Lookup("txnNumber").Value
		return r, func() {
			number++
			binary.LittleEndian.PutUint64(at, uint64(number))
		}
	}
	b.Run("updateOne $inc by _id", func(b *testing.B) {
		statement := marshal(bson.D{{Key: "q", Value: bson.D{{Key: "_id", Value: bson.ObjectID{0x65}}}}, {Key: "u", Value: bson.D{{Key: "$inc", Value: bson.D{{Key: "v", Value: 1}}}}}})
		r, next := write("update", nil)
		r.Sequences = []wire.Sequence{{Name: "updates", Docs: statement}}
		id := statement.Lookup("q", "_id").Value
		b.ReportAllocs()
		for i := range b.N {
			next()
			binary.BigEndian.PutUint32(id[8:], uint32(i*31%docs))
			serve(r)
		}
	})
	b.Run("insertOne with 3 indexes", func(b *testing.B) {
		d := marshal(doc(docs))
		r, next := write("insert", nil)
		r.Sequences = []wire.Sequence{{Name: "documents", Docs: d}}
		id, n := d.Lookup("_id").Value, d.Lookup("n").Value
		b.ReportAllocs()
		for range b.N {
			next()
			binary.BigEndian.PutUint64(id[4:], uint64(number)<<20)
			binary.LittleEndian.PutUint32(n, uint32(number))
			serve(r)
		}
	})
}
