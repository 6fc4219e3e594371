package auth

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// KnownApp is an app that was served from a database, with the folder that it
// was served from last.
type KnownApp struct {
	App `bson:",inline"`
	Dir string `bson:"dir,omitempty"`
}

// NoteDir remembers the folder of an app for operators' commands, which find the
// app again when no server runs.
func NoteDir(ctx context.Context, db *mongo.Database, domain bson.ObjectID, dir string) error {
	_, err := db.Collection(appsCollection).UpdateOne(ctx,
		bson.D{{Key: "_id", Value: domain}, {Key: "dir", Value: bson.D{{Key: "$ne", Value: dir}}}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "dir", Value: dir}}}})
	if err != nil {
		return fmt.Errorf("noting the app's folder: %w", err)
	}
	return nil
}

// KnownApps lists the apps that were ever served from a database.
func KnownApps(ctx context.Context, db *mongo.Database) ([]KnownApp, error) {
	cursor, err := db.Collection(appsCollection).Find(ctx, bson.D{})
	if err != nil {
		return nil, fmt.Errorf("reading the list of apps: %w", err)
	}
	var out []KnownApp
	if err := cursor.All(ctx, &out); err != nil {
		return nil, fmt.Errorf("reading the list of apps: %w", err)
	}
	return out, nil
}
