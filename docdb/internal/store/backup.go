package store

import (
	"context"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Backup writes a copy of the store into a new folder, with all that is acknowledged.
func (s *Store) Backup(dir string) error {
	if err := s.saveCounts(true); err != nil {
		return err
	}
	return s.db.Checkpoint(dir, pebble.WithFlushedWAL())
}

// Compact rewrites all data files.
func (s *Store) Compact(ctx context.Context) error {
	if err := s.disk.room(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.disk.broken:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := s.compact(ctx)
	if e := s.disk.err(); e != nil {
		return e
	}
	return err
}

func (s *Store) compact(ctx context.Context) error {
	if err := s.db.Compact(ctx, []byte{0}, []byte{0xFF}, true); err != nil {
		return err
	}
	// The old files go in the background; whoever asks how much room there is now wants them gone.
	for wait := time.Millisecond; wait < 2*time.Second; wait *= 2 {
		m := s.db.Metrics()
		if m.Table.Local.ObsoleteCount == 0 && m.BlobFiles.Local.ObsoleteCount == 0 && m.WAL.ObsoleteFiles == 0 {
			break
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// OplogBytes estimates the size of the oplog on disk.
func (s *Store) OplogBytes() uint64 { return s.DiskUsage([]byte{spaceOplog}, []byte{spaceOplog + 1}) }
