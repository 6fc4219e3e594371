package command

import (
	"context"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"regent/docdb/internal/store"
	"regent/docdb/internal/wire"
)

// engine opens an engine in a new folder; what it logs fails the test.
func engine(t testing.TB) *Engine {
	t.Helper()
	log := func(format string, args ...any) { t.Errorf(format, args...) }
	st, err := store.Open(t.TempDir(), Language{}, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e := New(st, Options{Log: log, TempDir: t.TempDir(), TestCommands: false})
	t.Cleanup(func() {
		e.Close()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// anything draws a value that somebody might send in an argument's place.
func anything(t *rapid.T, depth int) any {
	n := 14
	if depth == 0 {
		n = 11
	}
	switch rapid.IntRange(0, n).Draw(t, "kind") {
	case 0:
		return nil
	case 1:
		return rapid.Bool().Draw(t, "b")
	case 2:
		return rapid.SampledFrom([]int32{0, 1, -1, 2, 1000, -1 << 31, 1<<31 - 1}).Draw(t, "i")
	case 3:
		return rapid.SampledFrom([]int64{0, 1, -1, 1 << 62, -1 << 63}).Draw(t, "l")
	case 4:
		return rapid.Float64().Draw(t, "f")
	case 5, 6, 7:
		return rapid.SampledFrom([]string{"", "x", "$x", "a.b", "$$ROOT", "_id", "*", "a\x00b", "local", "db.c", "2dsphere", "text", "hashed", "^a"}).Draw(t, "s")
	case 8:
		return bson.NewObjectID()
	case 9:
		return bson.Regex{Pattern: rapid.SampledFrom([]string{"a", "(", "^a", "(a+)+$"}).Draw(t, "re")}
	case 10:
		return bson.Binary{Subtype: 4, Data: []byte("0123456789abcdef")}
	case 11:
		return bson.Timestamp{T: rapid.Uint32().Draw(t, "ts")}
	case 12:
		a := bson.A{}
		for i := rapid.IntRange(0, 3).Draw(t, "len"); i > 0; i-- {
			a = append(a, anything(t, depth-1))
		}
		return a
	default:
		return someDocument(t, depth-1)
	}
}

var names = []string{"a", "b", "_id", "a.b", "a.$", "a.$[]", "a.$[x]", "$set", "$inc", "$push", "$each", "$unset", "$or", "$and", "$nor", "$in", "$gt", "$lt", "$eq", "$not", "$exists", "$elemMatch", "$regex",
	"$options", "$expr", "$match", "$group", "$project", "$sort", "$limit", "$skip", "$lookup", "$unwind", "$out", "$merge", "$facet", "$changeStream", "$sum", "$near", "$geometry", "$geoWithin", "$text", "$search",
	"$jsonSchema", "$where", "$sample", "key", "name", "unique", "q", "u", "limit", "multi", "upsert", "arrayFilters", "id", "locale", "strength", "from", "as", "pipeline", "let", "localField", "foreignField", "",
	"$natural", "$meta", "batchSize", "level", "w", "j", "size", "path", "_data", "resumeAfter", "fullDocument", "enabled", "expireAfterSeconds", "$addFields", "$set", "$replaceRoot", "newRoot", "$bit", "$rename", "$pull", "$addToSet", "$mul", "$min", "$currentDate"}

func someDocument(t *rapid.T, depth int) bson.D {
	d := bson.D{}
	for i := rapid.IntRange(0, 3).Draw(t, "members"); i > 0; i-- {
		d = append(d, bson.E{Key: rapid.SampledFrom(names).Draw(t, "name"), Value: anything(t, max(depth, 0))})
	}
	return d
}

// TestHostileCommands sends commands with arguments of every kind: each gets an answer in time, and none fails inside.
func TestHostileCommands(t *testing.T) {
	e := engine(t)
	c := e.NewClient(nil, true, "")
	defer c.Close()
	table := Commands()
	rapid.Check(t, func(rt *rapid.T) {
		cmd := rapid.SampledFrom(table).Draw(rt, "command")
		if rapid.IntRange(0, 4).Draw(rt, "usual") > 0 {
			cmd = *e.commands[rapid.SampledFrom([]string{"find", "aggregate", "insert", "update", "delete", "findAndModify", "count", "distinct", "create", "createIndexes", "collMod", "explain", "listCollections", "dropIndexes"}).Draw(rt, "name")]
		}
		var target any = "c"
		if rapid.IntRange(0, 19).Draw(rt, "odd") == 0 {
			target = anything(rt, 3)
		}
		body := bson.D{{Key: cmd.Name, Value: target}}
		for _, a := range cmd.Args {
			p := rapid.IntRange(0, 3).Draw(rt, "has")
			if a.Required && p > 0 || p == 0 {
				body = append(body, bson.E{Key: a.Name, Value: plausible(rt, a)})
			}
		}
		if rapid.IntRange(0, 5).Draw(rt, "generic") == 0 {
			body = append(body, bson.E{Key: rapid.SampledFrom([]string{"lsid", "txnNumber", "readConcern", "writeConcern", "autocommit", "startTransaction", "comment", "$readPreference"}).Draw(rt, "g"), Value: anything(rt, 2)})
		}
		if rapid.IntRange(0, 5).Draw(rt, "session") == 0 {
			body = append(body, bson.E{Key: "lsid", Value: bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: []byte("0123456789abcdef")}}}}, bson.E{Key: "txnNumber", Value: rapid.Int64Range(0, 50).Draw(rt, "n")})
			if rapid.Bool().Draw(rt, "txn") {
				body = append(body, bson.E{Key: "autocommit", Value: false}, bson.E{Key: "startTransaction", Value: true})
			}
		}
		body = append(body, bson.E{Key: "maxTimeMS", Value: 200}, bson.E{Key: "$db", Value: rapid.SampledFrom([]string{"t", "t", "admin"}).Draw(rt, "db")})
		raw, err := bson.Marshal(body)
		if err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		start := time.Now()
		out, _ := c.Serve(ctx, &wire.Request{Body: raw}, nil)
		if d := time.Since(start); d > 3*time.Second {
			rt.Fatalf("%v took %v", body, d)
		}
		reply := bson.Raw(out)
		if err := reply.Validate(); err != nil {
			rt.Fatalf("%v: the reply is no BSON: %v", body, err)
		}
		if code, _ := reply.Lookup("code").AsInt64OK(); code == 1 {
			x, _ := bson.MarshalExtJSON(body, false, false)
			rt.Fatalf("%s\n%s", x, reply.Lookup("errmsg"))
		}
	})
}

// plausible draws a value for an argument, mostly of its type.
func plausible(t *rapid.T, a Arg) any {
	if rapid.IntRange(0, 19).Draw(t, "wrong") == 0 {
		return anything(t, 2)
	}
	switch a.Name {
	case "documents":
		return bson.A{someDocument(t, 2), someDocument(t, 2)}
	case "updates":
		return bson.A{bson.D{{Key: "q", Value: someDocument(t, 2)}, {Key: "u", Value: someDocument(t, 3)}, {Key: "upsert", Value: rapid.Bool().Draw(t, "ups")}, {Key: "multi", Value: rapid.Bool().Draw(t, "mul")}}}
	case "deletes":
		return bson.A{bson.D{{Key: "q", Value: someDocument(t, 2)}, {Key: "limit", Value: rapid.IntRange(0, 1).Draw(t, "lim")}}}
	case "pipeline":
		a := bson.A{}
		for i := rapid.IntRange(0, 3).Draw(t, "len"); i > 0; i-- {
			a = append(a, bson.D{{Key: rapid.SampledFrom([]string{"$match", "$group", "$project", "$sort", "$limit", "$skip", "$lookup", "$unwind", "$facet", "$set", "$sample", "$count", "$changeStream", "$collStats", "$indexStats", "$unionWith", "$graphLookup", "$merge"}).Draw(t, "stage"), Value: anything(t, 3)}})
		}
		return a
	case "indexes":
		return bson.A{bson.D{{Key: "key", Value: bson.D{{Key: rapid.SampledFrom([]string{"a", "b", "a.b", "$**", "_id"}).Draw(t, "f"), Value: rapid.SampledFrom([]any{1, -1, "text", "2dsphere", "2d", "hashed", 0, "x"}).Draw(t, "k")}}}, {Key: "name", Value: rapid.SampledFrom([]string{"i", "j", "k"}).Draw(t, "iname")}}}
	case "cursor":
		return bson.D{}
	case "key":
		return rapid.SampledFrom([]string{"a", "a.b", "_id", ""}).Draw(t, "dk")
	case "to":
		return rapid.SampledFrom([]string{"t.d", "t.c", "x", "t.", ".t"}).Draw(t, "to")
	}
	switch a.Name {
	case "sort":
		return bson.D{{Key: rapid.SampledFrom([]string{"a", "a.b", "_id", "$natural"}).Draw(t, "sf"), Value: rapid.SampledFrom([]int{1, -1}).Draw(t, "sd")}}
	case "hint":
		return rapid.SampledFrom([]any{"_id_", "i", bson.D{{Key: "a", Value: 1}}}).Draw(t, "hint")
	case "collation":
		return bson.D{{Key: "locale", Value: rapid.SampledFrom([]string{"en", "simple", "de", "zz"}).Draw(t, "loc")}, {Key: "strength", Value: rapid.IntRange(1, 3).Draw(t, "str")}}
	}
	switch a.Kind {
	case object, hintValue, updateValue:
		return someDocument(t, 3)
	case array, documents:
		return bson.A{anything(t, 2)}
	case textValue:
		return rapid.SampledFrom([]string{"a", "c", "error", "x"}).Draw(t, "tv")
	case boolean, flag:
		return rapid.Bool().Draw(t, "flag")
	case integer, numeric:
		return rapid.SampledFrom([]int64{0, 1, 2, 100, -1}).Draw(t, "int")
	}
	return anything(t, 2)
}
