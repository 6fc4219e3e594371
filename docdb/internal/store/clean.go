package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The file CLEAN says up to which time the store was written when it was closed. A log or a manifest that was cut off looks like one
// that a crash has cut off, and Pebble goes on with what is left; after a clean close there was no crash, so this tells the two apart.
const cleanName = "CLEAN"

// ErrTruncated: files of the folder end before the time at which it was closed.
var ErrTruncated = errors.New("files are shorter than when the database was closed")

// writeClean notes the time; the caller has written everything.
func (s *Store) writeClean() (err error) {
	if err := s.disk.err(); err != nil {
		return err
	}
	name := filepath.Join(s.dir, cleanName)
	f, err := s.opts.FS.Create(name+".tmp", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "closed at %d\n", s.Applied())
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return s.opts.FS.Rename(name+".tmp", name)
}

// checkClean compares what was found, written up to time last, with what CLEAN says, and removes it.
func (s *Store) checkClean(last uint64) error {
	name := filepath.Join(s.dir, cleanName)
	f, err := s.opts.FS.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	b, err := io.ReadAll(io.LimitReader(f, 100))
	f.Close()
	if err != nil {
		return err
	}
	var closed uint64
	if _, err := fmt.Sscanf(string(b), "closed at %d\n", &closed); err == nil && last < closed {
		return fmt.Errorf("%w: the log or the manifest ends at time %d, and should at %d; restore a backup, or remove %s to open what is left", ErrTruncated, last, closed, name)
	}
	return s.opts.FS.Remove(name)
}
