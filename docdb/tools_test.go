package docdb_test

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb"
)

// fill makes a database that uses what a dump has to carry: options, indexes of each kind, a view, all types.
func fill(t *testing.T, conn rawConn) {
	d := func(e ...bson.E) bson.D { return e }
	e := func(k string, v any) bson.E { return bson.E{Key: k, Value: v} }
	conn.run(t, "src", d(e("create", "strict"), e("validator", d(e("$jsonSchema", d(e("required", bson.A{"a"}))))), e("validationAction", "error")))
	conn.run(t, "src", d(e("create", "log"), e("capped", true), e("size", 8192), e("max", 50)))
	conn.run(t, "src", d(e("create", "names"), e("collation", d(e("locale", "de"), e("strength", 2)))))
	conn.run(t, "src", d(e("create", "view"), e("viewOn", "many"), e("pipeline", bson.A{d(e("$match", d(e("k", 1))))})))
	conn.run(t, "src", d(e("insert", "strict"), e("documents", bson.A{d(e("_id", 1), e("a", bson.NewDateTimeFromTime(time.Unix(1700000000, 0))), e("b", bson.Decimal128{}), e("c", bson.Regex{Pattern: "x", Options: "i"}), e("d", bson.Timestamp{T: 1, I: 2}))})))
	conn.run(t, "src", d(e("insert", "log"), e("documents", bson.A{d(e("_id", 1)), d(e("_id", 2))})))
	conn.run(t, "src", d(e("insert", "names"), e("documents", bson.A{d(e("_id", "Ärger"))})))
	var docs bson.A
	for i := 0; i < 1000; i++ {
		docs = append(docs, d(e("_id", i), e("k", i%5), e("u", i), e("t", strings.Repeat("word ", i%9)), e("loc", bson.A{i % 90, i % 80})))
	}
	conn.run(t, "src", d(e("insert", "many"), e("documents", docs)))
	conn.run(t, "src", d(e("createIndexes", "many"), e("indexes", bson.A{
		d(e("key", d(e("k", 1), e("_id", -1))), e("name", "k_id")),
		d(e("key", d(e("u", 1))), e("name", "u"), e("unique", true), e("partialFilterExpression", d(e("k", d(e("$gt", 0)))))),
		d(e("key", d(e("t", "text"))), e("name", "words"), e("default_language", "english")),
		d(e("key", d(e("loc", "2dsphere"))), e("name", "place")),
		d(e("key", d(e("when", 1))), e("name", "old"), e("expireAfterSeconds", 3600)),
		d(e("key", d(e("$**", 1))), e("name", "all")),
		d(e("key", d(e("h", "hashed"))), e("name", "h")),
	})))
}

// all reads a cursor to its end, in small batches as tools do.
func (r rawConn) all(t *testing.T, db string, cmd bson.D) []bson.Raw {
	t.Helper()
	rep := r.run(t, db, cmd)
	var out []bson.Raw
	for field := "firstBatch"; ; field = "nextBatch" {
		vs, err := rep.Lookup("cursor", field).Array().Values()
		must(t, err)
		for _, v := range vs {
			out = append(out, bytes.Clone(v.Document()))
		}
		id := rep.Lookup("cursor", "id").Int64()
		if id == 0 {
			return out
		}
		_, coll, _ := strings.Cut(rep.Lookup("cursor", "ns").StringValue(), ".")
		rep = r.run(t, db, bson.D{{Key: "getMore", Value: id}, {Key: "collection", Value: coll}})
	}
}

// TestDumpAndRestore plays the commands of mongodump and mongorestore: a database is read whole with all that belongs to it, and made again
// under another name, the same.
func TestDumpAndRestore(t *testing.T) {
	_, addr := listen(t, docdb.Options{})
	conn := tcp(t, addr)
	fill(t, conn)
	one := func(name string, more ...bson.E) bson.D { return append(bson.D{{Key: name, Value: 1}}, more...) }
	conn.run(t, "admin", one("isMaster"))
	conn.run(t, "admin", one("buildInfo"))
	conn.run(t, "admin", one("serverStatus"))
	conn.run(t, "admin", one("listDatabases", bson.E{Key: "nameOnly", Value: true}))
	dump := func(db string) (colls []bson.Raw, indexes map[string][]bson.Raw, docs map[string][]bson.Raw) {
		indexes, docs = map[string][]bson.Raw{}, map[string][]bson.Raw{}
		colls = conn.all(t, db, one("listCollections", bson.E{Key: "filter", Value: bson.D{}}, bson.E{Key: "cursor", Value: bson.D{}}))
		for _, c := range colls {
			name := c.Lookup("name").StringValue()
			if c.Lookup("type").StringValue() == "view" || strings.HasPrefix(name, "system.") {
				continue
			}
			conn.run(t, db, bson.D{{Key: "collStats", Value: name}})
			conn.run(t, db, bson.D{{Key: "count", Value: name}})
			indexes[name] = conn.all(t, db, bson.D{{Key: "listIndexes", Value: name}, {Key: "cursor", Value: bson.D{}}})
			docs[name] = conn.all(t, db, bson.D{{Key: "find", Value: name}, {Key: "filter", Value: bson.D{}}, {Key: "hint", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "noCursorTimeout", Value: true}, {Key: "batchSize", Value: 100}})
		}
		return colls, indexes, docs
	}
	colls, indexes, docs := dump("src")
	for _, c := range colls {
		name := c.Lookup("name").StringValue()
		if strings.HasPrefix(name, "system.") {
			continue
		}
		cmd := bson.D{{Key: "create", Value: name}}
		opts, err := c.Lookup("options").Document().Elements()
		must(t, err)
		for _, o := range opts {
			cmd = append(cmd, bson.E{Key: o.Key(), Value: o.Value()})
		}
		if id, ok := c.Lookup("idIndex").DocumentOK(); ok {
			cmd = append(cmd, bson.E{Key: "idIndex", Value: id})
		}
		conn.run(t, "dst", cmd)
		for list := docs[name]; len(list) > 0; {
			n := min(len(list), 300)
			rep := conn.run(t, "dst", bson.D{{Key: "insert", Value: name}, {Key: "documents", Value: list[:n]}, {Key: "ordered", Value: false}, {Key: "bypassDocumentValidation", Value: true}, {Key: "writeConcern", Value: bson.D{{Key: "w", Value: "majority"}}}})
			if rep.Lookup("n").AsInt64() != int64(n) {
				t.Fatalf("%s", rep)
			}
			list = list[n:]
		}
		var specs bson.A
		for _, ix := range indexes[name] {
			if ix.Lookup("name").StringValue() == "_id_" {
				continue
			}
			// The version is left out, the namespace is put in.
			spec := bson.D{{Key: "ns", Value: "dst." + name}}
			opts, err := ix.Elements()
			must(t, err)
			for _, o := range opts {
				if o.Key() != "v" {
					spec = append(spec, bson.E{Key: o.Key(), Value: o.Value()})
				}
			}
			specs = append(specs, spec)
		}
		if len(specs) > 0 {
			conn.run(t, "dst", bson.D{{Key: "createIndexes", Value: name}, {Key: "indexes", Value: specs}, {Key: "ignoreUnknownIndexOptions", Value: true}})
		}
	}
	colls2, indexes2, docs2 := dump("dst")
	if len(colls) != len(colls2) || len(colls) < 6 {
		t.Fatalf("%d collections, %d before", len(colls2), len(colls))
	}
	for i := range colls {
		for _, f := range []string{"name", "type", "options", "idIndex"} {
			if a, b := colls[i].Lookup(f), colls2[i].Lookup(f); !sameValue(a, b) {
				t.Errorf("%s of a collection: %v, before %v", f, b, a)
			}
		}
	}
	for name := range docs {
		for i := range docs[name] {
			if !bytes.Equal(docs[name][i], docs2[name][i]) {
				t.Fatalf("%s: %s, before %s", name, docs2[name][i], docs[name][i])
			}
		}
		for i := range indexes[name] {
			if !bytes.Equal(indexes[name][i], indexes2[name][i]) {
				t.Errorf("%s: index %s, before %s", name, indexes2[name][i], indexes[name][i])
			}
		}
	}
	if n := len(conn.all(t, "dst", bson.D{{Key: "find", Value: "view"}})); n != 200 {
		t.Errorf("the view has %d documents", n)
	}
}

// sameValue compares values without regard to the order of fields.
func sameValue(a, b bson.RawValue) bool {
	var x, y bson.D
	if a.Type == bson.TypeEmbeddedDocument && b.Type == a.Type && a.Unmarshal(&x) == nil && b.Unmarshal(&y) == nil {
		return sameFields(x, y)
	}
	return a.Equal(b)
}

// TestMongoTools dumps with mongodump and restores with mongorestore, into a folder and into a compressed archive, where they are installed.
func TestMongoTools(t *testing.T) {
	for _, tool := range []string{"mongodump", "mongorestore"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not on the PATH", tool)
		}
	}
	_, addr := listen(t, docdb.Options{})
	conn := tcp(t, addr)
	fill(t, conn)
	uri, dir := "mongodb://"+addr+"/", t.TempDir()
	run := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.Command(name, append([]string{"--uri", uri}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	run("mongodump", "--db", "src", "--out", dir)
	run("mongorestore", "--nsFrom", "src.*", "--nsTo", "one.*", dir)
	run("mongodump", "--db", "src", "--gzip", "--archive="+filepath.Join(dir, "a.gz"))
	run("mongorestore", "--gzip", "--archive="+filepath.Join(dir, "a.gz"), "--nsFrom", "src.*", "--nsTo", "two.*")
	for _, db := range []string{"one", "two"} {
		for coll, n := range map[string]int{"many": 1000, "strict": 1, "log": 2, "names": 1, "view": 200} {
			if got := len(conn.all(t, db, bson.D{{Key: "find", Value: coll}})); got != n {
				t.Errorf("%s.%s has %d documents, want %d", db, coll, got, n)
			}
		}
		if got := len(conn.all(t, db, bson.D{{Key: "listIndexes", Value: "many"}})); got != 8 {
			t.Errorf("%s.many has %d indexes", db, got)
		}
	}
}

// TestCompass plays what Compass sends when it connects, lists, opens a collection and shows performance (mongo-engine.md §1.3), and looks
// for what it reads in the answers.
func TestCompass(t *testing.T) {
	db, addr := listen(t, docdb.Options{})
	fill(t, tcp(t, addr))
	must(t, db.CreateUser("ann", "secret"))
	conn := rawDial(t, db)
	one := func(name string, more ...bson.E) bson.D { return append(bson.D{{Key: name, Value: 1}}, more...) }
	pipeline := func(coll any, stages ...bson.D) bson.D {
		return bson.D{{Key: "aggregate", Value: coll}, {Key: "pipeline", Value: stages}, {Key: "cursor", Value: bson.D{}}}
	}
	stage := func(name string, v any) bson.D { return bson.D{{Key: name, Value: v}} }
	first := []string{"cursor", "firstBatch", "0"}
	for _, c := range []struct {
		db    string
		cmd   bson.D
		paths []string
	}{
		{"admin", one("hello"), []string{"isWritablePrimary", "setName", "maxWireVersion", "logicalSessionTimeoutMinutes"}},
		{"admin", one("connectionStatus", bson.E{Key: "showPrivileges", Value: true}), []string{"authInfo.authenticatedUsers", "authInfo.authenticatedUserPrivileges"}},
		{"admin", one("hostInfo"), []string{"system.memSizeMB", "system.numCores", "system.cpuArch", "system.hostname", "os.type", "os.name", "os.version", "extra"}},
		{"admin", one("buildInfo"), []string{"version", "versionArray.3", "modules", "gitVersion", "bits"}},
		{"admin", one("getParameter", bson.E{Key: "featureCompatibilityVersion", Value: 1}), []string{"featureCompatibilityVersion.version"}},
		{"admin", one("getCmdLineOpts"), []string{"argv", "parsed"}},
		{"admin", one("listDatabases", bson.E{Key: "nameOnly", Value: true}), []string{"databases.0.name"}},
		{"src", one("listCollections", bson.E{Key: "nameOnly", Value: true}), append([]string{}, "cursor.firstBatch.0.name", "cursor.firstBatch.0.type")},
		{"src", one("dbStats"), []string{"collections", "objects", "dataSize", "storageSize", "indexes", "indexSize", "avgObjSize"}},
		{"src", bson.D{{Key: "collStats", Value: "many"}}, []string{"ns", "count", "size", "avgObjSize", "storageSize", "nindexes", "indexSizes.k_id", "totalIndexSize"}},
		{"src", pipeline("many", stage("$collStats", bson.D{{Key: "storageStats", Value: bson.D{}}})), []string{"cursor.firstBatch.0.storageStats.count", "cursor.firstBatch.0.storageStats.indexSizes"}},
		{"src", pipeline("many", stage("$indexStats", bson.D{})), []string{"cursor.firstBatch.0.name", "cursor.firstBatch.0.accesses.ops", "cursor.firstBatch.0.accesses.since"}},
		{"src", bson.D{{Key: "listIndexes", Value: "many"}}, []string{"cursor.firstBatch.6.name"}},
		{"src", pipeline("many", stage("$sample", bson.D{{Key: "size", Value: 100}})), []string{strings.Join(append(first, "_id"), ".")}},
		{"src", bson.D{{Key: "explain", Value: bson.D{{Key: "find", Value: "many"}, {Key: "filter", Value: bson.D{{Key: "k", Value: 1}}}}}, {Key: "verbosity", Value: "executionStats"}}, []string{"queryPlanner.winningPlan.stage", "executionStats.nReturned", "executionStats.totalKeysExamined"}},
		{"admin", one("serverStatus"), []string{"connections.current", "network.bytesIn", "opcounters.insert", "mem.resident", "globalLock.activeClients", "uptime", "localTime"}},
		{"admin", one("top"), []string{"totals"}},
		{"admin", one("currentOp"), []string{"inprog"}},
		{"admin", pipeline(1, stage("$currentOp", bson.D{{Key: "allUsers", Value: true}})), []string{"cursor.firstBatch"}},
		{"admin", one("usersInfo"), []string{"users.0.user"}},
		{"admin", one("rolesInfo"), []string{"roles"}},
		{"admin", one("replSetGetStatus"), []string{"myState", "members.0.stateStr"}},
		{"admin", bson.D{{Key: "getLog", Value: "startupWarnings"}}, []string{"log"}},
	} {
		r := conn.run(t, c.db, c.cmd)
		for _, p := range c.paths {
			if v := r.Lookup(strings.Split(p, ".")...); v.Type == 0 {
				t.Errorf("%s: no %s in %s", c.cmd[0].Key, p, r)
			}
		}
	}
	for name, cmd := range map[string]bson.D{"atlasVersion": one("atlasVersion"), "an unknown name": one("nonsense")} {
		if code := conn.code(t, "admin", cmd); code != 59 {
			t.Errorf("%s: code %d, want 59", name, code)
		}
	}
	if n := conn.run(t, "admin", bson.D{{Key: "count", Value: "atlascli"}}).Lookup("n").AsInt64(); n != 0 {
		t.Errorf("admin.atlascli has %d documents", n)
	}
}
