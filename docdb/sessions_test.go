package docdb_test

import (
	"crypto/sha256"
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/docdb"
)

// TestKillSessionsOfUsers ends the sessions of one user of two, however the user is named; the other's transaction goes on.
func TestKillSessionsOfUsers(t *testing.T) {
	db, addr := listen(t, docdb.Options{})
	must(t, db.CreateUser("ann", "secret"))
	must(t, db.CreateUser("bob", "secret"))
	connect := func(user string) *mongo.Client {
		c, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + user + ":secret@" + addr + "/?directConnection=true"))
		must(t, err)
		t.Cleanup(func() { c.Disconnect(t.Context()) })
		return c
	}
	ann, bob := connect("ann"), connect("bob")
	must(t, ann.Database("t").CreateCollection(t.Context(), "c"))
	digest := sha256.Sum256([]byte("bob@admin"))
	user := bson.A{bson.D{{Key: "user", Value: "bob"}, {Key: "db", Value: "admin"}}}
	for name, cmd := range map[string]bson.D{
		"by name":             {{Key: "killAllSessions", Value: user}},
		"by a pattern's name": {{Key: "killAllSessionsByPattern", Value: bson.A{bson.D{{Key: "users", Value: user}}}}},
		"by digest":           {{Key: "killAllSessionsByPattern", Value: bson.A{bson.D{{Key: "uid", Value: bson.Binary{Data: digest[:]}}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			var sessions []*mongo.Session
			for _, c := range []*mongo.Client{ann, bob} {
				s, err := c.StartSession()
				must(t, err)
				defer s.EndSession(t.Context())
				must(t, s.StartTransaction())
				_, err = c.Database("t").Collection("c").InsertOne(mongo.NewSessionContext(t.Context(), s), bson.D{{Key: "by", Value: name}})
				must(t, err)
				sessions = append(sessions, s)
			}
			must(t, ann.Database("admin").RunCommand(t.Context(), cmd).Err())
			if err := sessions[0].CommitTransaction(t.Context()); err != nil {
				t.Errorf("ann's transaction: %v", err)
			}
			var e mongo.CommandError
			if err := sessions[1].CommitTransaction(t.Context()); !errors.As(err, &e) || e.Code != 251 {
				t.Errorf("bob's transaction: %v", err)
			}
		})
	}
	none := ann.Database("admin").RunCommand(t.Context(), bson.D{{Key: "killAllSessions", Value: bson.A{bson.D{{Key: "user", Value: "bob"}}}}}).Err()
	var e mongo.CommandError
	if !errors.As(none, &e) || e.Code != 40414 {
		t.Errorf("a user without a database: %v", none)
	}
}
