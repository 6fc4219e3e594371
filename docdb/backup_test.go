package docdb_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
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
	must(t, db.Backup(c, dir+"/copy"))
	if err := db.Backup(c, dir+"/copy"); err == nil {
		t.Fatal("a backup over a backup")
	}
	_, err = client.Database("a").Collection("b").InsertOne(c, bson.D{{Key: "_id", Value: 2}})
	must(t, err)
	must(t, docdb.Restore(c, dir+"/copy", dir+"/restored", nil))
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

// TestBackupsThatAreNotWhole takes files out of a backup, or cuts them off: it is restored as a whole or not at all, and what was given up
// leaves nothing.
func TestBackupsThatAreNotWhole(t *testing.T) {
	db, client := open(t)
	c := ctx(t)
	coll := client.Database("a").Collection("b")
	insert := func(from, to int) {
		var list []any
		for i := from; i < to; i++ {
			list = append(list, bson.D{{Key: "_id", Value: i}, {Key: "s", Value: strings.Repeat("x", 300)}})
		}
		_, err := coll.InsertMany(c, list)
		must(t, err)
	}
	insert(0, 200)
	must(t, db.Compact(c))
	insert(200, 300) // these are in the log only
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole")
	must(t, os.MkdirAll(whole+".partial/rest", 0o700)) // of a backup that was killed
	must(t, db.Backup(c, whole))
	over, cancel := context.WithCancel(c)
	cancel()
	if err := db.Backup(over, filepath.Join(dir, "given up")); !errors.Is(err, context.Canceled) {
		t.Errorf("a backup that was given up: %v", err)
	}
	if err := docdb.Restore(over, whole, filepath.Join(dir, "given up"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a restore that was given up: %v", err)
	}
	files, err := os.ReadDir(whole)
	must(t, err)
	failed := 0
	for _, f := range files {
		for how, damage := range map[string]func(string) error{
			"missing": os.Remove,
			"half": func(name string) error {
				info, err := os.Stat(name)
				must(t, err)
				return os.Truncate(name, info.Size()/2)
			},
		} {
			bad, to := filepath.Join(dir, "bad"), filepath.Join(dir, "restored")
			must(t, os.CopyFS(bad, os.DirFS(whole)))
			must(t, damage(filepath.Join(bad, f.Name())))
			if err := docdb.Restore(c, bad, to, nil); err != nil {
				failed++
				if testing.Verbose() {
					t.Logf("%s %s: %v", f.Name(), how, err)
				}
			} else {
				other, err := docdb.Open(to, docdb.Options{})
				must(t, err)
				cl, err := mongo.Connect(other.ClientOptions())
				must(t, err)
				if n, err := cl.Database("a").Collection("b").CountDocuments(c, bson.D{{Key: "s", Value: bson.D{{Key: "$exists", Value: true}}}}); err == nil && n != 300 {
					t.Errorf("%s %s: %d documents of 300 are restored without an error", f.Name(), how, n)
				}
				must(t, cl.Disconnect(c))
				must(t, other.Close())
			}
			must(t, os.RemoveAll(bad))
			must(t, os.RemoveAll(to))
		}
	}
	if failed < 6 {
		t.Errorf("%d damages are noticed", failed)
	}
	left, err := os.ReadDir(dir)
	must(t, err)
	for _, f := range left {
		if f.Name() != "whole" {
			t.Errorf("%s is left", f.Name())
		}
	}
	must(t, os.Rename(whole, whole+".partial"))
	if err := docdb.Restore(c, whole+".partial", filepath.Join(dir, "x"), nil); err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("half a backup: %v", err)
	}
}
