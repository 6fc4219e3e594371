package store

import (
	"context"

	"github.com/cockroachdb/pebble/v2"
)

// Backup writes a copy of the store into a new folder, with all that is acknowledged. The folder has a file CLEAN that tells what has been cut
// off. When ctx ends, what is there is left behind.
func (s *Store) Backup(ctx context.Context, dir string) error {
	at, err := s.saveCountsAt(true)
	if err != nil {
		return err
	}
	defer s.disk.copyWhile(ctx)()
	if err := s.db.Checkpoint(dir, pebble.WithFlushedWAL()); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return err
	}
	return s.markComplete(dir, at)
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
