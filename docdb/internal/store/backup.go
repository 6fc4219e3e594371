package store

import (
	"context"

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
	defer s.disk.pacer.hurry()()
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
	return s.db.Compact(ctx, []byte{0}, []byte{0xFF}, true)
}

// OplogBytes estimates the size of the oplog on disk.
func (s *Store) OplogBytes() uint64 { return s.DiskUsage([]byte{spaceOplog}, []byte{spaceOplog + 1}) }
