// Package bulk inserts documents that are BSON already, many by one command. The
// driver's own inserts encode, decode and number each document; where a log-in
// inserts one of a few hundred bytes, that costs more than the database does.
package bulk

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// maxCommand is the size from which documents go into another command; a
// command is a document itself, which MongoDB bounds at 16 MB.
const maxCommand = 4 << 20

// Inserter inserts into one collection.
type Inserter struct {
	coll    *mongo.Collection
	concern bson.Raw
}

// New returns an Inserter. concern is the collection's write concern, which the
// driver does not tell; nil stands for the deployment's default.
func New(coll *mongo.Collection, concern *writeconcern.WriteConcern) (*Inserter, error) {
	in := &Inserter{coll: coll}
	if concern == nil {
		return in, nil
	}
	d := bson.D{}
	if concern.W != nil {
		d = append(d, bson.E{Key: "w", Value: concern.W})
	}
	if concern.Journal != nil {
		d = append(d, bson.E{Key: "j", Value: *concern.Journal})
	}
	var err error
	in.concern, err = bson.Marshal(d)
	return in, err
}

// Insert inserts documents, each with its _id, in no order. It returns what the
// database refused, by position; with an error nothing is known of any of them.
func (in *Inserter) Insert(ctx context.Context, docs []bson.Raw) (refused []mongo.WriteError, err error) {
	for first := 0; first < len(docs); {
		n, size := 1, len(docs[first])
		for first+n < len(docs) && size+len(docs[first+n]) <= maxCommand {
			size += len(docs[first+n])
			n++
		}
		some, err := in.insert(ctx, docs[first:first+n], size)
		if err != nil {
			return nil, err
		}
		for _, e := range some {
			e.Index += first
			refused = append(refused, e)
		}
		first += n
	}
	return refused, nil
}

func (in *Inserter) insert(ctx context.Context, docs []bson.Raw, size int) ([]mongo.WriteError, error) {
	err := in.coll.Database().RunCommand(ctx, in.command(docs, size)).Err()
	var written mongo.WriteException
	if errors.As(err, &written) && written.WriteConcernError == nil {
		return written.WriteErrors, nil
	}
	if err == nil || ctx.Err() != nil {
		return nil, err
	}
	return in.again(ctx, docs)
}

// again inserts by the driver, which tries anew when the primary has changed, as it
// does not with a mere command. What the command inserted all the same has its _id
// there now.
func (in *Inserter) again(ctx context.Context, docs []bson.Raw) (refused []mongo.WriteError, err error) {
	_, err = in.coll.InsertMany(ctx, docs, options.InsertMany().SetOrdered(false))
	var each mongo.BulkWriteException
	if !errors.As(err, &each) || each.WriteConcernError != nil {
		return nil, err
	}
	for _, e := range each.WriteErrors {
		if e.Code != duplicateKey || !strings.Contains(e.Message, " index: _id_ ") {
			refused = append(refused, e.WriteError)
		}
	}
	return refused, nil
}

// duplicateKey is the server's error code.
const duplicateKey = 11000

func (in *Inserter) command(docs []bson.Raw, size int) bson.Raw {
	i, cmd := bsoncore.AppendDocumentStart(make([]byte, 0, size+8*len(docs)+len(in.concern)+128))
	cmd = bsoncore.AppendStringElement(cmd, "insert", in.coll.Name())
	cmd = bsoncore.AppendBooleanElement(cmd, "ordered", false)
	if in.concern != nil {
		cmd = bsoncore.AppendDocumentElement(cmd, "writeConcern", bsoncore.Document(in.concern))
	}
	j, cmd := bsoncore.AppendArrayElementStart(cmd, "documents")
	for n, d := range docs {
		cmd = bsoncore.AppendDocumentElement(cmd, strconv.Itoa(n), bsoncore.Document(d))
	}
	cmd, _ = bsoncore.AppendArrayEnd(cmd, j)
	cmd, _ = bsoncore.AppendDocumentEnd(cmd, i)
	return bson.Raw(cmd)
}
