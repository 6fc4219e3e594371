package docdb_test

import (
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/docdb"
)

func TestBackup(t *testing.T) {
	db, client := open(t)
	c := ctx(t)
	_, err := client.Database("a").Collection("b").InsertOne(c, bson.D{{Key: "_id", Value: 1}})
	must(t, err)
	dir := t.TempDir()
	must(t, db.Backup(dir+"/copy"))
	if err := db.Backup(dir + "/copy"); err == nil {
		t.Fatal("a backup over a backup")
	}
	_, err = client.Database("a").Collection("b").InsertOne(c, bson.D{{Key: "_id", Value: 2}})
	must(t, err)
	must(t, docdb.Restore(dir+"/copy", dir+"/restored"))
	other, err := docdb.Open(dir+"/restored", docdb.Options{})
	must(t, err)
	defer other.Close()
	cl, err := mongo.Connect(other.ClientOptions())
	must(t, err)
	defer cl.Disconnect(c)
	n, err := cl.Database("a").Collection("b").CountDocuments(c, bson.D{})
	must(t, err)
	if n != 1 {
		t.Fatal(n)
	}
	must(t, db.Compact(c))
	if _, err := docdb.Open(dir+"/restored", docdb.Options{}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Fatal(err)
	}
}
