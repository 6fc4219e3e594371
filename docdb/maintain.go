package docdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"regent/docdb/internal/store"
)

// Backup writes a copy of the database, as it is at this moment, into a new folder. Readers and writers go on meanwhile. Data files
// are linked where the file system can, so a backup on the same disk takes little room at first. Restore it by opening the folder,
// or with the function Restore.
func (db *DB) Backup(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return fmt.Errorf("docdb: backup to %s: the folder exists already", dir)
	} else if !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("docdb: backup to %s: %w", dir, err)
	}
	if err := db.st.Backup(dir); err != nil {
		return fmt.Errorf("docdb: backup to %s: %w", dir, err)
	}
	return nil
}

// Restore makes the database folder dir from a backup. dir must be missing or empty. The backup stays as it is.
func Restore(backup, dir string) error {
	if _, err := os.Stat(filepath.Join(backup, "LOCK")); err != nil {
		if ms, _ := filepath.Glob(filepath.Join(backup, "MANIFEST-*")); len(ms) == 0 {
			return fmt.Errorf("docdb: restore: %s is not a backup of docdb", backup)
		}
	}
	if list, err := os.ReadDir(dir); err == nil && len(list) > 0 {
		return fmt.Errorf("docdb: restore: the folder %s is not empty", dir)
	} else if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("docdb: restore: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("docdb: restore: %w", err)
	}
	entries, err := os.ReadDir(backup)
	if err != nil {
		return fmt.Errorf("docdb: restore: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() || e.Name() == "LOCK" {
			continue
		}
		if err := copyFile(filepath.Join(backup, e.Name()), filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("docdb: restore: %w", err)
		}
	}
	return nil
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if e := out.Close(); err == nil {
			err = e
		}
	}()
	if _, err := out.ReadFrom(in); err != nil {
		return err
	}
	return out.Sync()
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
func (db *DB) Check(ctx context.Context) ([]CheckReport, error) {
	var out []CheckReport
	for _, c := range db.st.All() {
		d := c.Def()
		if d.View {
			continue
		}
		r, err := db.st.Check(ctx, c)
		if store.IsCorruption(err) {
			out = append(out, CheckReport{Namespace: d.Namespace(), Problems: []string{store.Damaged(err).Error()}})
			continue
		}
		if err != nil {
			return out, fmt.Errorf("docdb: check %s: %w", d.Namespace(), err)
		}
		out = append(out, CheckReport{Namespace: d.Namespace(), Documents: r.Documents, Keys: r.Keys, Problems: r.Problems})
	}
	return out, nil
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
