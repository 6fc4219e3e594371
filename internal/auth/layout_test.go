package auth_test

import (
	"context"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/docdb"
	"regent/internal/auth"
	"regent/internal/session"
)

// Layouts of __regent.users that earlier builds left behind become the present
// one, with the users that are in them.
func TestIndexesOfEarlierBuilds(t *testing.T) {
	key := bson.D{{Key: "app", Value: 1}, {Key: "logins", Value: 1}}
	partial := bson.D{{Key: "logins", Value: bson.D{{Key: "$exists", Value: true}}}}
	for name, o := range map[string]*options.IndexOptionsBuilder{
		"EverybodyInIt":    options.Index().SetUnique(true),
		"UnderItsOldName":  options.Index().SetUnique(true).SetPartialFilterExpression(partial),
		"MadeByATool":      options.Index().SetUnique(true).SetName("by hand"),
		"NothingThere":     nil,
		"OfTheSameVersion": options.Index().SetUnique(true).SetName("identities").SetPartialFilterExpression(partial),
	} {
		t.Run(name, func(t *testing.T) {
			db := shared.client.Database("layout_" + name)
			must(db.Drop(t.Context()))
			users := db.Collection("users")
			if o != nil {
				_, err := users.Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: key, Options: o})
				must(err)
			}
			sessions, err := session.Open(context.Background(), session.Config{DB: db, Master: shared.master, Logger: quiet()})
			must(err)
			t.Cleanup(sessions.Close)
			w := newWorld(t, everything(), func(c *auth.Config) { c.DB, c.Sessions = db, sessions })
			// A user whom the earlier build made.
			_, err = users.InsertOne(t.Context(), bson.D{{Key: "_id", Value: bson.NewObjectID()}, {Key: "app", Value: w.Domain}, {Key: "type", Value: "normal"},
				{Key: "identities", Value: bson.A{bson.D{{Key: "id", Value: "x"}, {Key: "provider_type", Value: "custom-function"}, {Key: "provider_id", Value: "p"}}}},
				{Key: "logins", Value: bson.A{"custom-function:x"}}})
			must(err)
			for range 3 {
				w.login("anon-user", `{}`)
			}
			_, err = users.InsertOne(t.Context(), bson.D{{Key: "app", Value: w.Domain}, {Key: "logins", Value: bson.A{"custom-function:x"}}})
			if !mongo.IsDuplicateKeyError(err) {
				t.Errorf("an identity of two users: %v", err)
			}
			again, err := auth.New(t.Context(), w.config) // the next start
			must(err)
			again.Close()
			if names := identityIndexes(t, users); len(names) != 1 {
				t.Errorf("indexes of identities: %q", names)
			}
		})
	}
}

// A deployment that has one index of a key pattern only, as MongoDB before 5.0,
// refuses the new index while the earlier one stands: that one goes first then. Other
// processes that start at the same time may have dropped it already.
func TestIndexesOfOldDeployments(t *testing.T) {
	engine, err := docdb.Open(t.TempDir(), docdb.Options{TestCommands: true})
	must(err)
	t.Cleanup(func() { engine.Close() })
	key := bson.D{{Key: "app", Value: 1}, {Key: "logins", Value: 1}}
	refuse := func(client *mongo.Client, command string, code int) {
		must(client.Database("admin").RunCommand(t.Context(), bson.D{{Key: "configureFailPoint", Value: "failCommand"}, {Key: "mode", Value: bson.D{{Key: "times", Value: 1}}},
			{Key: "data", Value: bson.D{{Key: "failCommands", Value: bson.A{command}}, {Key: "errorCode", Value: code}}}}).Err())
	}
	for name, code := range map[string]int{"IndexOptionsConflict": 85, "IndexKeySpecsConflict": 86} {
		t.Run(name, func(t *testing.T) {
			var did []string // what happened to the index of identities, in order
			client, err := mongo.Connect(engine.ClientOptions().SetMonitor(&event.CommandMonitor{
				Started: func(_ context.Context, e *event.CommandStartedEvent) {
					if on, _ := e.Command.Lookup(e.CommandName).StringValueOK(); on == "users" && (e.CommandName == "createIndexes" || e.CommandName == "dropIndexes") {
						did = append(did, e.CommandName)
					}
				}}))
			must(err)
			t.Cleanup(func() { client.Disconnect(context.Background()) })
			db := client.Database("layout_" + name)
			users := db.Collection("users")
			_, err = users.Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: key, Options: options.Index().SetUnique(true)})
			must(err)
			sessions, err := session.Open(context.Background(), session.Config{DB: db, Master: shared.master, Logger: quiet()})
			must(err)
			t.Cleanup(sessions.Close)
			w := newWorld(t, everything(), func(c *auth.Config) {
				c.DB, c.Sessions = db, sessions
				did = nil
				refuse(client, "createIndexes", code)
			})
			if len(did) < 3 || !slices.Equal(did[:3], []string{"createIndexes", "dropIndexes", "createIndexes"}) {
				t.Errorf("commands %q", did)
			}
			for range 2 { // a second one would violate the earlier index
				w.login("anon-user", `{}`)
			}
			names := identityIndexes(t, users)
			if !slices.Equal(names, []string{"identities"}) {
				t.Errorf("indexes of identities: %q", names)
			}
		})
	}
	t.Run("DroppedByAnother", func(t *testing.T) {
		client, err := mongo.Connect(engine.ClientOptions())
		must(err)
		t.Cleanup(func() { client.Disconnect(context.Background()) })
		db := client.Database("layout_dropped")
		_, err = db.Collection("users").Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: key, Options: options.Index().SetUnique(true)})
		must(err)
		sessions, err := session.Open(context.Background(), session.Config{DB: db, Master: shared.master, Logger: quiet()})
		must(err)
		t.Cleanup(sessions.Close)
		newWorld(t, everything(), func(c *auth.Config) {
			c.DB, c.Sessions = db, sessions
			refuse(client, "dropIndexes", 27)
		}).login("anon-user", `{}`)
	})
}

// identityIndexes are the names of the indexes of identities.
func identityIndexes(t *testing.T, users *mongo.Collection) (names []string) {
	t.Helper()
	specs, err := users.Indexes().ListSpecifications(t.Context())
	must(err)
	for _, s := range specs {
		if s.KeysDocument.Lookup("logins").Type != 0 {
			names = append(names, s.Name)
		}
	}
	return names
}
