package docdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"regent/docdb/internal/command"
	"regent/docdb/internal/store"
)

// partial is the end of the name of a folder that a backup, or a restored database, has until it is complete.
const partial = ".partial"

// Backup writes a copy of the database, as it is at this moment, into a new folder. Readers and writers go on meanwhile. Data files
// are linked where the file system can, so a backup on the same disk takes little room at first. The folder has its name when the backup is
// complete: until then it ends in ".partial", and is removed when ctx ends or something fails. Restore it with the function Restore, or
// by opening it.
func (db *DB) Backup(ctx context.Context, dir string) error {
	return inPlace(dir, "backup to", func(part string) error { return db.st.Backup(ctx, part) })
}

// inPlace has f make a folder under another name, and gives it its own when it is complete and on the disk.
func inPlace(dir, what string, f func(part string) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("docdb: %s %s: %w", what, dir, err)
		}
	}()
	if list, err := os.ReadDir(dir); err == nil && len(list) > 0 {
		return errors.New("the folder is there already and is not empty; name a new one")
	} else if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	parent, part := filepath.Dir(filepath.Clean(dir)), filepath.Clean(dir)+partial
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	// What one that was interrupted has left.
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	if err := f(part); err != nil {
		os.RemoveAll(part)
		return err
	}
	if err := syncFolder(part); err != nil {
		return err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Rename(part, dir); err != nil {
		return err
	}
	return syncFolder(parent)
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Restore makes the database folder dir from a backup. dir must be missing or empty; it has its name when the copy is complete, as Backup's
// folder has. The backup stays as it is. copied, if not nil, is told now and then how many bytes are there, of how many.
func Restore(ctx context.Context, backup, dir string, copied func(bytes, total int64)) error {
	files, total, err := backupFiles(backup)
	if err != nil {
		return fmt.Errorf("docdb: restore: %w", err)
	}
	if copied == nil {
		copied = func(int64, int64) {}
	}
	return inPlace(dir, "restore into", func(part string) error {
		if err := os.Mkdir(part, 0o700); err != nil {
			return err
		}
		done := int64(0)
		for _, name := range files {
			n, err := copyFile(ctx, filepath.Join(backup, name), filepath.Join(part, name), func(n int64) { copied(done+n, total) })
			if err != nil {
				return err
			}
			done += n
		}
		// A file that is missing or cut off is noticed now, not when the database is needed.
		st, err := store.Open(part, command.Language{}, store.Options{CacheBytes: 8 << 20})
		if err != nil {
			return fmt.Errorf("%s is not all of a backup, or damaged: %w", backup, err)
		}
		return st.Close()
	})
}

// backupFiles lists the files of a backup, with their size.
func backupFiles(backup string) (names []string, total int64, err error) {
	entries, err := os.ReadDir(backup)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, 0, fmt.Errorf("there is no folder %s", backup)
	case err != nil:
		return nil, 0, err
	case strings.HasSuffix(filepath.Clean(backup), partial):
		return nil, 0, fmt.Errorf("%s is a backup that was interrupted; take a complete one", backup)
	}
	manifest := false
	for _, e := range entries {
		if e.IsDir() || e.Name() == "LOCK" {
			continue
		}
		manifest = manifest || strings.HasPrefix(e.Name(), "MANIFEST-")
		info, err := e.Info()
		if err != nil {
			return nil, 0, err
		}
		names, total = append(names, e.Name()), total+info.Size()
	}
	if manifest {
		return names, total, nil
	}
	if _, err := os.Stat(filepath.Join(backup, "db", "LOCK")); err == nil {
		return nil, 0, fmt.Errorf("%s is not a backup of docdb but a whole data folder, with its database in %s", backup, filepath.Join(backup, "db"))
	}
	return nil, 0, fmt.Errorf("%s is not a backup of docdb, or not all of one: it has no MANIFEST", backup)
}

// copyStep is how much is copied between two looks at the context.
const copyStep = 4 << 20

func copyFile(ctx context.Context, from, to string, copied func(int64)) (size int64, err error) {
	in, err := os.Open(from)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() {
		if e := out.Close(); err == nil {
			err = e
		}
	}()
	for {
		if err := context.Cause(ctx); err != nil {
			return size, err
		}
		n, err := io.CopyN(out, in, copyStep)
		size += n
		copied(size)
		if errors.Is(err, io.EOF) {
			return size, out.Sync()
		}
		if err != nil {
			return size, err
		}
	}
}

// CheckReport is what Check found in one collection.
type CheckReport struct {
	Namespace string
	Documents int64
	// Keys counts the entries of each index.
	Keys map[string]int64
	// Problems describes what is wrong; empty when all is well.
	Problems []string
}

// Check compares the indexes of every collection with its documents.
func (db *DB) Check(ctx context.Context) (reports []CheckReport, err error) {
	err = db.CheckEach(ctx, nil, func(r CheckReport) error {
		reports = append(reports, r)
		return nil
	})
	return reports, err
}

// CheckEach is Check that tells of each collection as soon as it is known. looked, if not nil, is told now and then how many of a collection's
// documents have been looked at, of about how many.
func (db *DB) CheckEach(ctx context.Context, looked func(namespace string, documents, total int64), each func(CheckReport) error) error {
	for _, c := range db.st.All() {
		d := c.Def()
		if d.View {
			continue
		}
		var count func(int64)
		if looked != nil {
			count = func(n int64) { looked(d.Namespace(), n, c.Count()) }
		}
		out := CheckReport{Namespace: d.Namespace()}
		r, err := db.st.Check(ctx, c, count)
		switch {
		case store.IsCorruption(err):
			out.Problems = []string{store.Damaged(err).Error()}
		case err != nil:
			return fmt.Errorf("docdb: check %s: %w", d.Namespace(), err)
		default:
			out.Documents, out.Keys, out.Problems = r.Documents, r.Keys, r.Problems
		}
		if err := each(out); err != nil {
			return err
		}
	}
	return nil
}

// Compact rewrites the data files so that deleted and replaced documents no longer take room.
func (db *DB) Compact(ctx context.Context) error {
	if err := db.st.Compact(ctx); err != nil {
		return fmt.Errorf("docdb: compact: %w", err)
	}
	return nil
}

// CollectionStats measures one collection.
type CollectionStats struct {
	Namespace        string
	Documents, Bytes int64
	// DiskBytes and IndexBytes are estimates of what is on disk.
	DiskBytes, IndexBytes int64
	Indexes               int
}

// Stats measures a database.
type Stats struct {
	Collections []CollectionStats
	// DiskBytes is the size of all files, OplogBytes an estimate of the oplog's part.
	DiskBytes, OplogBytes int64
	// CacheBytes is the memory of the caches of blocks and of single documents, MemtableBytes that of writes not yet in data files.
	CacheBytes, MemtableBytes int64
	Connections               int
	OpenCursors               int
	Sessions                  int
}

// Stats measures the database.
func (db *DB) Stats() Stats {
	m := db.st.Metrics()
	s := Stats{DiskBytes: int64(m.DiskSpaceUsage()), OplogBytes: int64(db.st.OplogBytes()), CacheBytes: db.st.CacheBytes(), MemtableBytes: int64(m.MemTable.Size)}
	s.Connections, s.OpenCursors, s.Sessions = db.engine.Load()
	for _, c := range db.st.All() {
		d := c.Def()
		if d.View {
			continue
		}
		lo, hi := c.Bounds()
		cs := CollectionStats{Namespace: d.Namespace(), Documents: c.Count(), Bytes: c.Size(), DiskBytes: int64(db.st.DiskUsage(lo, hi)), Indexes: len(d.Indexes)}
		for _, ix := range d.Indexes {
			cs.IndexBytes += int64(db.st.DiskUsage(ix.Prefix(), ix.Upper()))
		}
		s.Collections = append(s.Collections, cs)
	}
	return s
}

// Users lists the users as "db.name".
func (db *DB) Users() ([]string, error) {
	names, err := db.engine.UserNames()
	for i := range names {
		names[i] = strings.TrimPrefix(names[i], "user:")
	}
	return names, err
}

// DropUser removes a user of database admin.
func (db *DB) DropUser(name string) error { return db.engine.DropUser("admin", name) }
