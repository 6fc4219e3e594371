package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// DiskError says that a file could not be written, or holds what was not written to it. From then on the store only reads, until it
// is opened again: it is then as after a loss of power at the moment of the error, with everything that was acknowledged.
type DiskError struct {
	// Op is what was being done to File: "write", "sync", "create", "read".
	Op, File string
	Err      error
}

func (e *DiskError) Error() string {
	return fmt.Sprintf("%s %s: %v; this database only reads from now on, and what was not acknowledged may be lost: %s", e.Op, e.File, e.Err, e.advice())
}

func (e *DiskError) Unwrap() error { return e.Err }

// Full reports whether there was no room.
func (e *DiskError) Full() bool {
	return errors.Is(e.Err, syscall.ENOSPC) || errors.Is(e.Err, syscall.EDQUOT)
}

func (e *DiskError) advice() string {
	switch {
	case e.Full():
		return "make room on this disk and restart"
	case errors.Is(e.Err, syscall.EROFS):
		return "the disk has become read-only; find out why (the system's log), then restart"
	case e.Op == "read":
		return "the file is damaged; check the disk and restore a backup"
	}
	return "check the disk (the system's log), then restart; restore a backup if that fails"
}

// ErrDiskLow is the error of writes that would take room while the disk has hardly any. They work again as soon as there is room.
var ErrDiskLow = errors.New("the disk is nearly full")

// disk is the file system as the store uses it. It notices the first failure to write, and from then on nothing on the disk is changed
// any more. Pebble cannot go on after such a failure and cannot say so (it panics while holding locks), so it is not told: the log
// and the manifest seem to be written, data files go to memory. Whoever waits for a write asks err before acknowledging it, and so does who
// opens the folder, when Pebble has done with it: a flush that fails then would be tried again for ever.
type disk struct {
	vfs.FS
	dir string
	log func(format string, args ...any)
	// reserve is the room below which writes are refused; 0 for none.
	reserve uint64

	failed atomic.Pointer[DiskError]
	// shadow has the files that were made after the failure.
	shadow *vfs.MemFS
	// closing lets compactions go that wait because there is no disk to write to.
	closing chan struct{}
	once    sync.Once
	// broken is closed by the failure.
	broken chan struct{}

	pacer pacer
	// copying are the contexts of the backups that are being written: no file is begun after one has ended.
	copying sync.Map

	low     atomic.Bool
	written atomic.Int64 // bytes since room was last measured
}

// measureEvery is the number of bytes written after which room is measured again, if a part of the reserve is not less.
const (
	measureEvery = 8 << 20
	measurePart  = 8
)

// What is kept free of a disk: a twentieth, at most mostReserve. A log takes 35 MiB when it is begun, and the memory that goes to a data file then as
// much, so it is at least leastReserve, but of a disk that is hardly larger a quarter.
const (
	mostReserve  = 256 << 20
	leastReserve = 96 << 20
)

func defaultReserve(total uint64) uint64 {
	return min(mostReserve, max(total/20, min(leastReserve, total/4)))
}

func newDisk(fs vfs.FS, dir string, reserve int64, log func(string, ...any)) *disk {
	d := &disk{FS: fs, dir: filepath.Clean(dir), log: log, shadow: vfs.NewMem(), closing: make(chan struct{}), broken: make(chan struct{})}
	if u, err := fs.GetDiskUsage(dir); err == nil && reserve >= 0 {
		d.reserve = uint64(reserve)
		if reserve == 0 {
			d.reserve = defaultReserve(u.TotalBytes)
		}
		d.measure()
	}
	return d
}

// err is the failure after which nothing is durable any more, or nil.
func (d *disk) err() error {
	if e := d.failed.Load(); e != nil {
		return e
	}
	return nil
}

// room is the error of writes that take room.
func (d *disk) room() error {
	if e := d.failed.Load(); e != nil {
		return e
	}
	if d.low.Load() {
		return fmt.Errorf("%w: less than %d MiB are free for %s; inserts and updates are refused until there is more, deletions are not", ErrDiskLow, d.reserve>>20, d.dir)
	}
	return nil
}

// measure looks how much room there is.
func (d *disk) measure() {
	if d.reserve == 0 {
		return
	}
	d.written.Store(0)
	u, err := d.FS.GetDiskUsage(d.dir)
	if err != nil {
		return
	}
	low := u.AvailBytes < d.reserve
	if d.low.Swap(low) == low {
		return
	}
	if low {
		d.log("docdb: the disk of %s is nearly full (%d MiB are free, the limit is %d MiB): inserts and updates are refused", d.dir, u.AvailBytes>>20, d.reserve>>20)
	} else {
		d.log("docdb: there is room again on the disk of %s", d.dir)
	}
}

// DiskSpace is the room on the disk that the database lies on, all of it and what is taken.
func (s *Store) DiskSpace() (total, used uint64) {
	u, err := s.disk.FS.GetDiskUsage(s.disk.dir)
	if err != nil {
		return 0, 0
	}
	return u.TotalBytes, u.UsedBytes
}

// close lets go of what waits for a disk that has failed.
func (d *disk) close() { d.once.Do(func() { close(d.closing) }) }

// fail notes the first failure.
func (d *disk) fail(op, file string, err error) {
	e := &DiskError{Op: op, File: file, Err: cause(err)}
	if d.failed.CompareAndSwap(nil, e) {
		d.shadow.MkdirAll(d.dir, 0o700)
		close(d.broken)
		d.log("docdb: %v", e)
	}
}

// cause leaves out the operation and path that the error repeats.
func cause(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// copyWhile lets files outside of the folder be made until ctx ends, or the function that it returns is called.
func (d *disk) copyWhile(ctx context.Context) (done func()) {
	key := new(byte)
	d.copying.Store(key, ctx)
	return func() { d.copying.Delete(key) }
}

// stopped is the error of a context that a file outside of the folder belongs to. Which backup is whose is not known: when one is given up,
// others fail that are written at the same time.
func (d *disk) stopped() (err error) {
	d.copying.Range(func(_, ctx any) bool {
		err = ctx.(context.Context).Err()
		return err == nil
	})
	return err
}

// own reports whether a name is a file of the store itself, not of a backup that is being written.
func (d *disk) own(name string) bool { return filepath.Dir(filepath.Clean(name)) == d.dir }

// data reports whether a name is a data file; the others are the log, the manifest and what names them.
func data(name string) bool {
	return strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".blob")
}

// How Pebble calls writes of what is in memory, and of files that are merged.
const (
	flushCategory      = "pebble-memtable-flush"
	compactionCategory = "pebble-compaction"
)

// create makes a file by means of f, or in memory when the disk has failed.
func (d *disk) create(name string, category vfs.DiskWriteCategory, f func() (vfs.File, error)) (vfs.File, error) {
	if !d.own(name) {
		if err := d.stopped(); err != nil {
			return nil, err
		}
		return f()
	}
	if d.failed.Load() == nil {
		file, err := f()
		if err == nil {
			return d.file(name, category, file), nil
		}
		d.fail("create", name, err)
	}
	if data(name) && category != flushCategory {
		<-d.closing // a compaction need not be done, and may not fit into memory
		return nil, d.err()
	}
	return d.shadow.Create(name, category)
}

// file is a new file, or one that is used again.
func (d *disk) file(name string, category vfs.DiskWriteCategory, file vfs.File) *diskFile {
	f := &diskFile{File: file, d: d, name: name, data: data(name)}
	if isLog(name) {
		f.log = &logFile{}
		if i, err := file.Stat(); err == nil {
			f.log.written = i.Size()
		}
	}
	if f.data && paced(category) {
		f.pace = &pace{p: &d.pacer}
	}
	return f
}

// Create implements vfs.FS.
func (d *disk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return d.create(name, category, func() (vfs.File, error) { return d.FS.Create(name, category) })
}

// ReuseForWrite implements vfs.FS.
func (d *disk) ReuseForWrite(from, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return d.create(name, category, func() (vfs.File, error) { return d.FS.ReuseForWrite(from, name, category) })
}

// OpenReadWrite implements vfs.FS.
func (d *disk) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return d.create(name, category, func() (vfs.File, error) { return d.FS.OpenReadWrite(name, category, opts...) })
}

// OpenDir implements vfs.FS.
func (d *disk) OpenDir(name string) (vfs.File, error) {
	f, err := d.FS.OpenDir(name)
	if err != nil || filepath.Clean(name) != d.dir {
		return f, err
	}
	return &diskFile{File: f, d: d, name: name}, nil
}

// Open implements vfs.FS.
func (d *disk) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	if d.failed.Load() != nil && d.own(name) {
		if f, err := d.shadow.Open(name, opts...); err == nil {
			return f, nil
		}
	}
	return d.FS.Open(name, opts...)
}

// Stat implements vfs.FS.
func (d *disk) Stat(name string) (vfs.FileInfo, error) {
	if d.failed.Load() != nil && d.own(name) {
		if i, err := d.shadow.Stat(name); err == nil {
			return i, nil
		}
	}
	return d.FS.Stat(name)
}

// Remove implements vfs.FS.
func (d *disk) Remove(name string) error {
	if d.failed.Load() != nil && d.own(name) {
		return nil
	}
	return d.FS.Remove(name)
}

// RemoveAll implements vfs.FS.
func (d *disk) RemoveAll(name string) error {
	if d.failed.Load() != nil && d.own(name) {
		return nil
	}
	return d.FS.RemoveAll(name)
}

// Rename implements vfs.FS.
func (d *disk) Rename(from, to string) error {
	if !d.own(to) {
		return d.FS.Rename(from, to)
	}
	if d.failed.Load() == nil {
		err := d.FS.Rename(from, to)
		if err == nil {
			return nil
		}
		d.fail("rename", from, err)
	}
	d.shadow.Rename(from, to)
	return nil
}

// Link implements vfs.FS.
func (d *disk) Link(from, to string) error {
	if err := d.err(); err != nil {
		return err
	}
	if err := d.stopped(); err != nil {
		return err
	}
	return d.FS.Link(from, to)
}

// diskFile is a file that is written.
type diskFile struct {
	vfs.File
	d    *disk
	name string
	data bool
	log  *logFile // of a file of the log
	pace *pace    // of what is written in the background
}

// done says what Pebble is told of a result. A failure of a data file is told, since the file is not used then.
func (f *diskFile) done(op string, err error) error {
	if err == nil {
		return nil
	}
	f.d.fail(op, f.name, err)
	if f.data {
		return err
	}
	return nil
}

// dead reports whether nothing may be written any more, with the error for Pebble.
func (f *diskFile) dead() (bool, error) {
	e := f.d.failed.Load()
	if e == nil {
		return false, nil
	}
	if f.data {
		return true, e
	}
	return true, nil
}

// Write implements vfs.File.
func (f *diskFile) Write(p []byte) (int, error) {
	if dead, err := f.dead(); dead {
		return len(p), err
	}
	if n := f.d.written.Add(int64(len(p))); n > measureEvery || n > int64(f.d.reserve/measurePart) && f.d.reserve > 0 {
		f.d.measure()
	}
	if f.log != nil {
		f.writeAhead(len(p))
	}
	if f.pace != nil {
		f.pace.rest()
	}
	n, err := f.File.Write(p)
	if err = f.done("write", err); err == nil {
		n = len(p)
	}
	return n, err
}

// WriteAt implements vfs.File.
func (f *diskFile) WriteAt(p []byte, off int64) (int, error) {
	if dead, err := f.dead(); dead {
		return len(p), err
	}
	n, err := f.File.WriteAt(p, off)
	if err = f.done("write", err); err == nil {
		n = len(p)
	}
	return n, err
}

// Sync implements vfs.File.
func (f *diskFile) Sync() error {
	if dead, err := f.dead(); dead {
		return err
	}
	return f.done("sync", f.File.Sync())
}

// SyncData implements vfs.File.
func (f *diskFile) SyncData() error {
	if dead, err := f.dead(); dead {
		return err
	}
	return f.done("sync", f.File.SyncData())
}

// SyncTo implements vfs.File.
func (f *diskFile) SyncTo(length int64) (bool, error) {
	if dead, err := f.dead(); dead {
		return true, err
	}
	full, err := f.File.SyncTo(length)
	return full, f.done("sync", err)
}

// Close implements vfs.File.
func (f *diskFile) Close() error {
	err := f.File.Close()
	if dead, e := f.dead(); dead {
		return e
	}
	return f.done("close", err)
}
