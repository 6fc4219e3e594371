package stage_test

import (
	"context"
	"fmt"
	"io"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/stage"
)

// hundredThousand are documents of about 1 KB, as the table of docdb's speed has them.
func hundredThousand(b *testing.B, n int) []bson.Raw {
	b.Helper()
	docs := make([]bson.Raw, n)
	pad := make([]byte, 900)
	for i := range pad {
		pad[i] = 'x'
	}
	for i := range docs {
		d, err := bson.Marshal(bson.D{{Key: "_id", Value: i}, {Key: "city", Value: fmt.Sprint("city", i%100)}, {Key: "age", Value: int32(i % 90)}, {Key: "score", Value: float64(i) / 7}, {Key: "pad", Value: string(pad)}})
		if err != nil {
			b.Fatal(err)
		}
		docs[i] = d
	}
	return docs
}

func benchPipeline(b *testing.B, pipeline string) {
	docs := hundredThousand(b, 100_000)
	stages, err := array(pipeline)
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		p, err := stage.Compile(stages, stage.Env{DB: "db", Collection: "c", AllowDiskUse: true, Options: expr.Options{}})
		if err != nil {
			b.Fatal(err)
		}
		it := p.Run(ctx, stage.Documents(docs...))
		n := 0
		for {
			if _, err := it.Next(ctx); err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
			n++
		}
		it.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100_000, "ns/doc")
}

func BenchmarkMatchGroup(b *testing.B) {
	benchPipeline(b, `[{$match: {age: {$gte: 20}}}, {$group: {_id: "$city", n: {$sum: 1}, avg: {$avg: "$score"}, total: {$sum: "$age"}}}]`)
}

func BenchmarkProject(b *testing.B) {
	benchPipeline(b, `[{$project: {city: 1, old: {$gt: ["$age", 60]}, next: {$add: ["$age", 1]}}}]`)
}

func BenchmarkSort(b *testing.B) { benchPipeline(b, `[{$sort: {score: -1}}]`) }

func BenchmarkSortLimit(b *testing.B) { benchPipeline(b, `[{$sort: {score: -1}}, {$limit: 10}]`) }
