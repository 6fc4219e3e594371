package docdb_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// TestFindOneByAnIndexedFieldFindsWhatAScanFinds compares the short way of findOne with a scan, for every kind of index and value.
func TestFindOneByAnIndexedFieldFindsWhatAScanFinds(t *testing.T) {
	_, client := open(t)
	ctx := context.Background()
	values := []any{int32(5), int64(6), 7.0, 7.5, "a", "", "ab", true, nil, bson.A{int32(1), "x"}, bson.A{}, bson.D{{Key: "a", Value: 1}}, bson.D{}, bson.NewObjectID(),
		bson.DateTime(5), bson.Regex{Pattern: "^q"}, bson.MinKey{}, bson.MaxKey{}, bson.Binary{Data: []byte{1}}, bson.Timestamp{T: 1}}
	asked := append([]any{int64(5), 5.0, int32(1), "x", "abc", int32(99), false}, values...)
	d, _ := bson.ParseDecimal128("7.5")
	asked = append(asked, d)
	for name, model := range map[string]*mongo.IndexModel{
		"ascending":  {Keys: bson.D{{Key: "k", Value: 1}}},
		"descending": {Keys: bson.D{{Key: "k", Value: -1}}},
		"unique":     {Keys: bson.D{{Key: "k", Value: 1}}, Options: options.Index().SetUnique(true)},
		"sparse":     {Keys: bson.D{{Key: "k", Value: 1}}, Options: options.Index().SetSparse(true)},
		"partial":    {Keys: bson.D{{Key: "k", Value: 1}}, Options: options.Index().SetPartialFilterExpression(bson.D{{Key: "n", Value: bson.D{{Key: "$gt", Value: 3}}}})},
		"hashed":     {Keys: bson.D{{Key: "h", Value: "hashed"}}},
		"collation":  {Keys: bson.D{{Key: "k", Value: 1}}, Options: options.Index().SetCollation(&options.Collation{Locale: "en", Strength: 2})},
		"compound":   {Keys: bson.D{{Key: "k", Value: 1}, {Key: "n", Value: 1}}},
	} {
		coll := client.Database("app").Collection(name)
		_, err := coll.Indexes().CreateOne(ctx, *model)
		must(t, err)
		for i, v := range values {
			_, err := coll.InsertOne(ctx, bson.D{{Key: "_id", Value: i}, {Key: "n", Value: i}, {Key: "k", Value: v}})
			must(t, err)
		}
		for _, v := range asked {
			filter := bson.D{{Key: "k", Value: v}}
			short, errA := coll.FindOne(ctx, filter).Raw()
			scan, errB := coll.FindOne(ctx, filter, options.FindOne().SetHint(bson.D{{Key: "$natural", Value: 1}})).Raw()
			if !errors.Is(errA, errB) || !bytes.Equal(short, scan) {
				t.Errorf("%s: {k: %#v} gives %v %v, a scan %v %v", name, v, short, errA, scan, errB)
			}
			short, errA = coll.FindOne(ctx, filter, options.FindOne().SetProjection(bson.D{{Key: "n", Value: 1}, {Key: "_id", Value: 0}})).Raw()
			if !errors.Is(errA, errB) || errB == nil && !short.Lookup("n").Equal(scan.Lookup("n")) {
				t.Errorf("%s: {k: %#v} with a projection gives %v %v, not of %v", name, v, short, errA, scan)
			}
		}
	}
}

// TestPointReadsNeverMissADocumentThatIsAlwaysThere has transactions move a value, and an _id, from one document to another: at every
// moment there is one that has it.
func TestPointReadsNeverMissADocumentThatIsAlwaysThere(t *testing.T) {
	_, client := open(t)
	ctx := context.Background()
	coll := client.Database("app").Collection("moving")
	_, err := coll.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "k", Value: 1}}})
	must(t, err)
	_, err = coll.InsertMany(ctx, []any{bson.D{{Key: "_id", Value: "a"}, {Key: "k", Value: 1}}, bson.D{{Key: "_id", Value: "b"}, {Key: "k", Value: 2}}})
	must(t, err)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(stop)
		s, err := client.StartSession()
		if err != nil {
			t.Error(err)
			return
		}
		defer s.EndSession(ctx)
		for i := range 200 {
			_, err := s.WithTransaction(ctx, func(ctx context.Context) (any, error) {
				for j, id := range []string{"a", "b"} {
					if _, err := coll.UpdateOne(ctx, bson.D{{Key: "_id", Value: id}}, bson.D{{Key: "$set", Value: bson.D{{Key: "k", Value: (i+j)%2 + 1}}}}); err != nil {
						return nil, err
					}
				}
				if _, err := coll.DeleteOne(ctx, bson.D{{Key: "_id", Value: "b"}}); err != nil {
					return nil, err
				}
				return coll.InsertOne(ctx, bson.D{{Key: "_id", Value: "b"}, {Key: "k", Value: (i+1)%2 + 1}})
			})
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	for _, filter := range []bson.D{{{Key: "k", Value: 1}}, {{Key: "_id", Value: "b"}}} {
		for range 2 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					var d bson.M
					if err := coll.FindOne(ctx, filter).Decode(&d); err != nil {
						t.Errorf("%v: %v", filter, err)
						return
					}
					if filter[0].Key == "k" && d["k"] != int32(1) {
						t.Errorf("%v gives %v", filter, d)
						return
					}
				}
			})
		}
	}
	wg.Wait()
}
