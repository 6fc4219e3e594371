package stage_test

import (
	"context"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/stage"
)

// TestGrowthIsBounded lets every stage double its document. Twenty-five would make 32 MB times what a document has; a hundred
// would be more than any machine holds.
func TestGrowthIsBounded(t *testing.T) {
	root := bson.D{{Key: "x", Value: "$$ROOT"}, {Key: "y", Value: "$$ROOT"}}
	for name, spec := range map[string]bson.D{
		"$set":         {{Key: "$set", Value: bson.D{{Key: "a", Value: root}}}},
		"$set new":     {{Key: "$set", Value: bson.D{{Key: "a.b", Value: "$$ROOT"}, {Key: "c.d", Value: "$$ROOT"}}}},
		"$project":     {{Key: "$project", Value: bson.D{{Key: "x", Value: "$$ROOT"}, {Key: "y", Value: "$$ROOT"}}}},
		"$replaceWith": {{Key: "$replaceWith", Value: root}},
		"array":        {{Key: "$set", Value: bson.D{{Key: "l.x", Value: "$$ROOT"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			one, err := bson.Marshal(spec)
			if err != nil {
				t.Fatal(err)
			}
			var pipeline []bson.Raw
			for range 90 {
				pipeline = append(pipeline, one)
			}
			doc, err := bson.Marshal(bson.D{{Key: "_id", Value: 1}, {Key: "l", Value: bson.A{bson.D{}, bson.D{}, bson.D{}}}})
			if err != nil {
				t.Fatal(err)
			}
			p, err := stage.Compile(pipeline, testEnv(t, newWorld()))
			if err != nil {
				t.Fatal(err)
			}
			ctx := context.Background()
			if _, err = stage.All(ctx, p.Run(ctx, stage.Documents(doc))); mongoerr.CodeOf(err) != mongoerr.BSONObjectTooLarge {
				t.Errorf("%v, want BSONObjectTooLarge", err)
			}
		})
	}
}
