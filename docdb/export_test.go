package docdb

import "github.com/cockroachdb/pebble/v2/vfs"

// WithFS gives options that open a database on another file system.
func WithFS(o Options, fs vfs.FS) Options {
	o.fs = fs
	return o
}

// WithSortBytes gives options under which sorts and groups spill beyond n bytes.
func WithSortBytes(o Options, n int) Options {
	o.sortBytes = n
	return o
}

// WithMemtableBytes gives options under which a data file is written after so many bytes.
func WithMemtableBytes(o Options, n uint64) Options {
	o.memtableBytes = n
	return o
}

// TrimOplog trims the oplog now.
func TrimOplog(db *DB) error { return db.st.TrimOplog() }

// QueryBytesUsed is what is counted against QueryBytes now.
func QueryBytesUsed(db *DB) int64 { return db.engine.MemoryUsed() }

// WithTransactionsBytes gives options that bound the writes of all open transactions.
func WithTransactionsBytes(o Options, n int64) Options {
	o.transactionsBytes = n
	return o
}
