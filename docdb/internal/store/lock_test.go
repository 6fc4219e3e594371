package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLock: a folder that is open is refused as such, and a lock file that cannot be opened, as on a read-only disk, is not taken for one
// that another process has.
func TestLock(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := Open(dir, nil, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("a second time: %v", err)
	}
	dir = t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "LOCK"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, nil, Options{}); err == nil || errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a lock that cannot be opened: %v", err)
	}
}
