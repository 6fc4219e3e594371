package auth_test

import (
	"context"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

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
			var names []string
			specs, err := users.Indexes().ListSpecifications(t.Context())
			must(err)
			for _, s := range specs {
				if s.KeysDocument.Lookup("logins").Type != 0 {
					names = append(names, s.Name)
				}
			}
			if len(names) != 1 {
				t.Errorf("indexes of identities: %q", names)
			}
		})
	}
}
