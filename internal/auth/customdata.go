package auth

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// customData reads a user's custom data document, nil when there is none. The
// user id may be stored as a string or as an ObjectId; the string wins, and of
// several documents the one inserted first (app-services.md §3.1), which is the
// order in which a collection without a sort is read.
func (s *Service) customData(ctx context.Context, userID string) (bson.Raw, error) {
	c := &s.App.CustomUserData
	if !c.Enabled {
		return nil, nil
	}
	if s.CustomData == nil {
		return nil, errors.New("custom user data is enabled, but there is no database to read it from")
	}
	client, err := s.CustomData(ctx, c.DataSource)
	if err != nil {
		return nil, fmt.Errorf("custom user data: %w", err)
	}
	coll := client.Database(c.Database).Collection(c.Collection)
	id, err := bson.ObjectIDFromHex(userID)
	if err != nil {
		return nil, err
	}
	for _, value := range []any{userID, id} {
		doc, err := coll.FindOne(ctx, bson.D{{Key: c.UserIDField, Value: bson.D{{Key: "$eq", Value: value}}}}).Raw()
		if errors.Is(err, mongo.ErrNoDocuments) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading custom user data from %s.%s: %w", c.Database, c.Collection, err)
		}
		if warn := int(s.settings.CustomDataWarnSize); warn > 0 && len(doc) > warn {
			s.Logger.Warn("custom user data is large: it travels in a header with every request", "user", userID, "bytes", len(doc), "custom_data_warn_size", warn)
		}
		return doc, nil
	}
	return nil, nil
}
