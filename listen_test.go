package regent_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"regent"
	"regent/docdb"
)

// TestDocDBListensBeyondLoopbackForUsersOnly: without a user the server does not start, and says how to make one; it does not start and keep
// silent about a listener that is closed.
func TestDocDBListensBeyondLoopbackForUsersOnly(t *testing.T) {
	data := t.TempDir()
	config := regent.Config{Dirs: []string{filepath.Join("examples", "todo")}, DataDir: data, DocDBListen: "0.0.0.0:0"}
	srv, err := regent.Open(t.Context(), config)
	if err == nil {
		srv.Close(t.Context())
	}
	if !errors.Is(err, docdb.ErrNeedUser) || !strings.Contains(err.Error(), "regent docdb user") {
		t.Fatal(err)
	}
	db, err := docdb.Open(filepath.Join(data, "db"), docdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.CreateUser("ann", "secret"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if srv, err = regent.Open(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	srv.Close(t.Context())
}
