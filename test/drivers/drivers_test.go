// Package drivers runs sessions of the Go and Node drivers of MongoDB, of its shell and of PyMongo, all unmodified, with docdb: embedded in a program
// without a login, and inside `regent serve --docdb-listen` with one.
package drivers

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"regent/docdb"
	"regent/test/npm"
	"regent/test/server"
)

func TestMain(m *testing.M) { server.Main(m) }

const password = "pässword"

// node runs a script of this folder with the packages of its lock file.
func node(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return typed(t, "", args...)
}

// typed runs a script with what somebody types into it.
func typed(t *testing.T, keys string, args ...string) (string, error) {
	t.Helper()
	npm.Install(t, ".")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", args...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir()) // where the shell keeps its settings
	if keys != "" {
		cmd.Stdin = strings.NewReader(keys)
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// mongosh runs a script in the shell.
func mongosh(t *testing.T, uri, script string) {
	t.Helper()
	out, err := node(t, "node_modules/.bin/mongosh", "--quiet", "--norc", uri, filepath.Join("mongosh", script))
	if err != nil || !strings.Contains(out, "mongosh ok") {
		t.Fatalf("%v\n%s", err, out)
	}
}

// pymongo runs the script of a session in PyMongo, where the system's Python has it (Debian: python3-pymongo, python3-gridfs).
func pymongo(t *testing.T, uri string) {
	t.Helper()
	python := ""
	for _, p := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(p, "-c", "import pymongo, gridfs").Run() == nil {
			python = p
		}
	}
	if python == "" {
		t.Skip("no PyMongo: apt-get install python3-pymongo python3-gridfs")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, python, "-B", filepath.Join("python", "session.py"), uri).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "python ok") {
		t.Fatalf("%v\n%s", err, out)
	}
}

// sections runs every section of the driver's session.
func sections(t *testing.T, uri string) {
	t.Helper()
	files, err := filepath.Glob("node/sections/*.js")
	if err != nil || len(files) == 0 {
		t.Fatal("no sections: ", err)
	}
	out, err := node(t, "node/run.js", uri)
	if n := strings.Count(out, "ok "); err != nil || n != len(files) {
		t.Fatalf("%d of %d sections: %v\n%s", n, len(files), err, out)
	}
}

// embedded opens a database without users and serves it.
func embedded(t *testing.T) (uri string) {
	t.Helper()
	npm.Install(t, ".")
	db, err := docdb.Open(t.TempDir(), docdb.Options{Log: t.Logf, TestCommands: true})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- db.Serve(ln) }()
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	return "mongodb://" + ln.Addr().String() + "/"
}

// served starts regent with its database open to drivers, and makes a user ann as its owner does.
func served(t *testing.T) (host string) {
	t.Helper()
	npm.Install(t, ".")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host = ln.Addr().String()
	ln.Close()
	s := server.Start(t, server.Options{Args: []string{"--docdb-listen", host}})
	if out, err := exec.Command(server.Binary(t), "docdb", "user", "ann", "--password", password, "--data", s.Data).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return host
}

func TestNodeDriver(t *testing.T) { sections(t, embedded(t)) }

// TestTyping types at the shell's prompt, as people do, and gives it expressions on its command line.
func TestTyping(t *testing.T) {
	uri := embedded(t)
	const shell = "node_modules/.bin/mongosh"
	out, err := typed(t, strings.Join([]string{
		"use typing", "for (let i = 0; i < 45; i++) db.c.insertOne({ _id: i, name: 'number ' + i })", "db.c.find()", "it", "it", "it", "db.c.findOne({ _id: 7 })", "db.c.createIndex({ name: 1 })",
		"show collections", "show dbs", "db.c.insertOne({ _id: 7 })", "db.nothing.find()", "db.c.find({ _id: { $gt: 42 } }).explain().queryPlanner.winningPlan.stage", "db.dropDatabase()", "exit",
	}, "\n")+"\n", shell, "--quiet", "--norc", uri)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	at := 0
	for _, want := range []string{"switched to db typing", "{ _id: 0, name: 'number 0' }", "{ _id: 19, name: 'number 19' }", `Type "it" for more`, "{ _id: 20, name: 'number 20' }", `Type "it" for more`, "{ _id: 44, name: 'number 44' }",
		"no cursor", "{ _id: 7, name: 'number 7' }", "name_1", "c", "typing", "E11000 duplicate key error collection: typing.c index: _id_ dup key: { _id: 7 }", "FETCH", "dropped: 'typing'"} {
		i := strings.Index(out[at:], want)
		if i < 0 {
			t.Fatalf("nothing says %q behind %q in\n%s", want, out[max(0, at-100):at], out)
		}
		at += i + len(want)
	}
	out, err = node(t, shell, "--quiet", "--norc", "--json=canonical", "--eval", "db.e.insertOne({_id: Long('5'), d: Decimal128('1.10'), at: new Date(5)})", "--eval", "db.e.find().toArray()", uri+"evals")
	if err != nil || !strings.Contains(out, `"$numberDecimal": "1.10"`) || !strings.Contains(out, `"$numberLong": "5"`) {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err = node(t, shell, "--quiet", "--norc", "--eval", "db.e.insertOne({_id: Long('5')})", uri+"evals"); err == nil || !strings.Contains(out, "E11000") {
		t.Errorf("a failure is no failure: %v\n%s", err, out)
	}
}

func TestMongosh(t *testing.T) {
	uri := embedded(t)
	mongosh(t, uri, "session.js")
	mongosh(t, uri, "helpers.js")
	mongosh(t, uri, "users.js")
}

func TestPyMongo(t *testing.T) { pymongo(t, embedded(t)) }

func TestServed(t *testing.T) {
	host := served(t)
	uri := "mongodb://ann:p%C3%A4ssword@" + host + "/"
	t.Run("node", func(t *testing.T) { sections(t, uri) })
	t.Run("mongosh", func(t *testing.T) { mongosh(t, uri, "session.js") })
	t.Run("pymongo", func(t *testing.T) { pymongo(t, uri) })
	for name, c := range map[string]struct{ uri, text string }{
		"no login":       {"mongodb://" + host + "/", "requires authentication"},
		"wrong password": {"mongodb://ann:wrong@" + host + "/", "Authentication failed"},
		"unknown user":   {"mongodb://bob:wrong@" + host + "/", "Authentication failed"},
	} {
		t.Run(name, func(t *testing.T) {
			if out, err := node(t, "node/run.js", c.uri); err == nil || !strings.Contains(out, c.text) {
				t.Fatalf("%v\n%s", err, out)
			}
		})
	}
}
