package command

import (
	"context"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/wire"
)

// FuzzCommand sends bytes as a command: every one is answered with BSON, in time, and none fails inside.
func FuzzCommand(f *testing.F) {
	lsid := bson.E{Key: "lsid", Value: bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: []byte("0123456789abcdef")}}}}
	in := bson.E{Key: "$db", Value: "t"}
	one := bson.A{bson.D{{Key: "_id", Value: 1}, {Key: "a", Value: bson.A{1, "x", bson.D{{Key: "b", Value: 2.5}}}}}}
	for _, cmd := range []bson.D{
		{{Key: "hello", Value: 1}, in},
		{{Key: "insert", Value: "c"}, {Key: "documents", Value: one}, in},
		{{Key: "find", Value: "c"}, {Key: "filter", Value: bson.D{{Key: "a.b", Value: bson.D{{Key: "$gt", Value: 1}}}}}, {Key: "sort", Value: bson.D{{Key: "a", Value: -1}}}, {Key: "projection", Value: bson.D{{Key: "a", Value: bson.D{{Key: "$slice", Value: 1}}}}}, in},
		{{Key: "update", Value: "c"}, {Key: "updates", Value: bson.A{bson.D{{Key: "q", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "u", Value: bson.D{{Key: "$set", Value: bson.D{{Key: "a.$[x].b", Value: 1}}}}}, {Key: "arrayFilters", Value: bson.A{bson.D{{Key: "x.b", Value: 1}}}}, {Key: "upsert", Value: true}}}}, lsid, {Key: "txnNumber", Value: int64(3)}, in},
		{{Key: "delete", Value: "c"}, {Key: "deletes", Value: bson.A{bson.D{{Key: "q", Value: bson.D{}}, {Key: "limit", Value: 1}}}}, in},
		{{Key: "findAndModify", Value: "c"}, {Key: "query", Value: bson.D{}}, {Key: "update", Value: bson.A{bson.D{{Key: "$set", Value: bson.D{{Key: "z", Value: bson.D{{Key: "$add", Value: bson.A{"$a", 1}}}}}}}}}, in},
		{{Key: "aggregate", Value: "c"}, {Key: "pipeline", Value: bson.A{bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$a"}, {Key: "n", Value: bson.D{{Key: "$sum", Value: 1}}}}}}, bson.D{{Key: "$sort", Value: bson.D{{Key: "n", Value: 1}}}}}}, {Key: "cursor", Value: bson.D{}}, in},
		{{Key: "aggregate", Value: "c"}, {Key: "pipeline", Value: bson.A{bson.D{{Key: "$changeStream", Value: bson.D{{Key: "resumeAfter", Value: bson.D{{Key: "_data", Value: "6B0AC2D9000000AA000000010100"}}}}}}}}, {Key: "cursor", Value: bson.D{}}, in},
		{{Key: "createIndexes", Value: "c"}, {Key: "indexes", Value: bson.A{bson.D{{Key: "key", Value: bson.D{{Key: "a", Value: 1}}}, {Key: "name", Value: "a"}}}}, in},
		{{Key: "create", Value: "d"}, {Key: "validator", Value: bson.D{{Key: "$jsonSchema", Value: bson.D{{Key: "required", Value: bson.A{"a"}}}}}}, in},
		{{Key: "collMod", Value: "d"}, {Key: "validationLevel", Value: "off"}, in},
		{{Key: "distinct", Value: "c"}, {Key: "key", Value: "a"}, in},
		{{Key: "count", Value: "c"}, {Key: "query", Value: bson.D{{Key: "a", Value: bson.Regex{Pattern: "^x"}}}}, in},
		{{Key: "explain", Value: bson.D{{Key: "find", Value: "c"}}}, in},
		{{Key: "listCollections", Value: 1}, in},
		{{Key: "saslStart", Value: 1}, {Key: "mechanism", Value: "SCRAM-SHA-256"}, {Key: "payload", Value: bson.Binary{Data: []byte("n,,n=a,r=b")}}, {Key: "$db", Value: "admin"}},
		{{Key: "bulkWrite", Value: 1}, {Key: "ops", Value: bson.A{bson.D{{Key: "insert", Value: 0}, {Key: "document", Value: bson.D{}}}}}, {Key: "nsInfo", Value: bson.A{bson.D{{Key: "ns", Value: "t.c"}}}}, {Key: "$db", Value: "admin"}},
		{{Key: "renameCollection", Value: "t.c"}, {Key: "to", Value: "t.d"}, {Key: "dropTarget", Value: true}, {Key: "$db", Value: "admin"}},
		{{Key: "commitTransaction", Value: 1}, lsid, {Key: "txnNumber", Value: int64(1)}, {Key: "autocommit", Value: false}, {Key: "$db", Value: "admin"}},
	} {
		b, err := bson.Marshal(cmd)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	e := engine(f)
	c := e.NewClient(nil, true, "")
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) < 5 {
			return // framing does not let it through
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		start := time.Now()
		out, _ := c.Serve(ctx, &wire.Request{Body: body}, nil)
		if d := time.Since(start); d > 20*time.Second {
			t.Fatalf("it took %v", d)
		}
		if err := bson.Raw(out).Validate(); err != nil {
			t.Fatalf("the reply is no BSON: %v", err)
		}
		if code, _ := bson.Raw(out).Lookup("code").AsInt64OK(); code == 1 {
			t.Fatalf("%s", bson.Raw(out))
		}
	})
}
