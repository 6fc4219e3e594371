package docdb_test

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"regent/docdb"
)

// TestNodeDriver runs a session of the Node driver over TCP, with and without a login. DOCDB_NODE_MODULES names a folder node_modules
// that has the package mongodb.
func TestNodeDriver(t *testing.T) {
	modules := os.Getenv("DOCDB_NODE_MODULES")
	if modules == "" {
		t.Skip("DOCDB_NODE_MODULES is not set")
	}
	db, _ := open(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	go db.Serve(ln)
	run := func(uri string) {
		t.Helper()
		cmd := exec.Command("node", "testdata/node/session.js", uri)
		cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "ok") {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	run("mongodb://" + ln.Addr().String() + "/")
	must(t, db.CreateUser("ann", "pässword"))
	run("mongodb://ann:p%C3%A4ssword@" + ln.Addr().String() + "/")
	cmd := exec.Command("node", "testdata/node/session.js", "mongodb://ann:wrong@"+ln.Addr().String()+"/")
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "Authentication failed") {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd = exec.Command("node", "testdata/node/session.js", "mongodb://"+ln.Addr().String()+"/")
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "requires authentication") {
		t.Fatalf("%v\n%s", err, out)
	}
}

// TestMongosh runs a session of the shell. DOCDB_NODE_MODULES names a folder node_modules that has the package mongosh.
func TestMongosh(t *testing.T) {
	modules := os.Getenv("DOCDB_NODE_MODULES")
	if modules == "" {
		t.Skip("DOCDB_NODE_MODULES is not set")
	}
	if _, err := os.Stat(modules + "/.bin/mongosh"); err != nil {
		t.Skip("DOCDB_NODE_MODULES has no mongosh")
	}
	_, addr := listen(t, docdb.Options{})
	cmd := exec.Command(modules+"/.bin/mongosh", "--quiet", "--norc", "mongodb://"+addr+"/", "testdata/mongosh/session.js")
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "mongosh ok") {
		t.Fatalf("%v\n%s", err, out)
	}
}
