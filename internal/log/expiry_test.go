package log_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/docdb"
	"regent/internal/log"
)

// TestEntriesExpire checks that the database removes entries after the time that
// they are given, and no others.
func TestEntriesExpire(t *testing.T) {
	engine, err := docdb.Open(t.TempDir(), docdb.Options{TTLInterval: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	client, err := mongo.Connect(engine.ClientOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Disconnect(context.Background()) }()
	db := client.Database("expiry")
	store, err := log.Open(t.Context(), db, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for id, e := range map[string]log.Entry{
		"soon":      {Started: now, Expires: now.Add(2 * time.Second)},
		"past":      {Started: now.AddDate(0, 0, -2), Expires: now.AddDate(0, 0, -1)},
		"by itself": {Started: now},
		"too old":   {Started: now.Add(-log.DefaultRetention - time.Minute)},
		"for ever":  {Started: now, Expires: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		e.RequestID, e.AppID = id, "app"
		store.Add(e)
	}
	store.Close()
	var left []string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		cursor, err := db.Collection("logs").Find(t.Context(), bson.D{})
		if err != nil {
			t.Fatal(err)
		}
		var all []log.Entry
		if err := cursor.All(t.Context(), &all); err != nil {
			t.Fatal(err)
		}
		left = left[:0]
		for _, e := range all {
			left = append(left, e.RequestID)
		}
		if len(left) <= 2 && time.Since(now) > 3*time.Second {
			break
		}
	}
	kept := map[string]bool{}
	for _, id := range left {
		kept[id] = true
	}
	if len(left) != 2 || !kept["by itself"] || !kept["for ever"] {
		t.Errorf("left: %q, want those that live on by their own and by the usual retention", left)
	}
}
