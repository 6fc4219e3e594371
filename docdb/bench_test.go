package docdb_test

import (
	"context"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

func BenchmarkFindOneByID(b *testing.B) {
	_, client := open(b)
	coll := client.Database("app").Collection("items")
	pad := strings.Repeat("x", 900)
	var docs []any
	for i := 0; i < 10000; i++ {
		docs = append(docs, bson.D{{Key: "_id", Value: i}, {Key: "k", Value: i % 100}, {Key: "pad", Value: pad}})
	}
	_, err := coll.InsertMany(context.Background(), docs)
	must(b, err)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		if _, err := coll.FindOne(context.Background(), bson.D{{Key: "_id", Value: i % 10000}}).Raw(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkInsertOne(b *testing.B) {
	_, client := open(b)
	coll := client.Database("app").Collection("items")
	pad := strings.Repeat("x", 900)
	b.ReportAllocs()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := coll.InsertOne(context.Background(), bson.D{{Key: "pad", Value: pad}}); err != nil {
				b.Error(err)
			}
		}
	})
}
