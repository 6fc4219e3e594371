package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"regent/docdb/internal/budget"
)

// Options are the settings of Open. Zero values mean the defaults.
type Options struct {
	// CacheBytes bounds the caches of blocks and of documents together; default DefaultCacheBytes. They grow as they are used.
	CacheBytes int64
	// OplogBytes and OplogAge bound the history that change streams can resume from; default 1 GiB and 7 days. The older part
	// goes when either bound is passed.
	OplogBytes int64
	OplogAge   time.Duration
	// TransactionBytes bounds the writes of one transaction; default 128 MiB.
	TransactionBytes int64
	// TransactionsBytes bounds the writes of all open transactions together; default four times TransactionBytes.
	TransactionsBytes int64
	// ReserveBytes is the room on the disk below which inserts and updates are refused; default as defaultReserve has it;
	// negative for none.
	ReserveBytes int64
	// MemtableBytes is how much is written to memory and the log before it goes to a data file; default 32 MiB.
	MemtableBytes uint64
	// FS is the file system; default the operating system's.
	FS vfs.FS
	// Now is the clock; default time.Now.
	Now func() time.Time
	// Log is told of background errors.
	Log func(format string, args ...any)
}

func (o *Options) defaults() {
	if o.CacheBytes == 0 {
		o.CacheBytes = DefaultCacheBytes()
	}
	if o.OplogBytes == 0 {
		o.OplogBytes = 1 << 30
	}
	if o.OplogAge == 0 {
		o.OplogAge = 7 * 24 * time.Hour
	}
	if o.TransactionBytes == 0 {
		o.TransactionBytes = 128 << 20
	}
	if o.TransactionsBytes == 0 {
		o.TransactionsBytes = 4 * o.TransactionBytes
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
}

// blockSize is the size of a data block before compression. Most of a scan's time goes into moving from block to block: with 32 KB
// it is three times as fast as with 4 KB, and a point read from the cache costs the same.
const blockSize = 32 << 10

// Store is an open folder.
type Store struct {
	opts  Options
	lang  Language
	dir   string
	lock  *pebble.Lock
	disk  *disk
	cache *pebble.Cache
	db    *pebble.DB
	clock clock
	// records and packs are nil where the cache is too small to have them.
	records *recordCache
	packs   *packCache

	// names is the catalogue by name; replaced as a whole under ddl.
	names atomic.Pointer[map[nsKey]*Collection]
	// ddl is held by changes of the catalogue.
	ddl    sync.Mutex
	lastID uint32
	// closedAt is the time at which the folder was closed, 0 if it was not.
	closedAt uint64

	// commit is held while a batch gets its times and is applied, so that times become visible in order.
	commit  sync.Mutex
	stripes stripes
	tail    tail
	// transactions is what the writes of open transactions take.
	transactions *budget.Budget
	// latest is the last snapshot that was made, nil when something has been written since; loads counts the writes without a time.
	latest atomic.Pointer[moment]
	loads  atomic.Uint64
	// oplogFirst is a time that is not after the first entry of the oplog that is kept.
	oplogFirst atomic.Uint64
	// processors is how many are taken by scans that share out their work.
	processors atomic.Int64

	stop chan struct{}
	done sync.WaitGroup
}

// Open opens or makes the store in dir.
func Open(dir string, lang Language, opts Options) (*Store, error) {
	opts.defaults()
	if err := opts.FS.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("docdb: folder %s: %w", dir, err)
	}
	lock, err := pebble.LockDirectory(dir, opts.FS)
	if err != nil {
		// Whoever cannot even open the file does not know whether somebody has locked it.
		if path := (*os.PathError)(nil); errors.As(err, &path) {
			return nil, fmt.Errorf("docdb: folder %s: a database cannot be opened where nothing can be written: %w", dir, err)
		}
		return nil, fmt.Errorf("docdb: folder %s: %w (%v)", dir, ErrLocked, err)
	}
	s := &Store{opts: opts, lang: lang, dir: dir, lock: lock, stop: make(chan struct{})}
	s.clock.now = opts.Now
	s.transactions = budget.New(opts.TransactionsBytes, opts.TransactionsBytes)
	s.stripes.seed = maphash.MakeSeed()
	s.tail.init()
	s.disk = newDisk(opts.FS, dir, opts.ReserveBytes, opts.Log)
	part := opts.CacheBytes / documentPart
	s.cache, s.records, s.packs = pebble.NewCache(opts.CacheBytes-2*part), newRecordCache(part), newPackCache(part)
	if err := s.open(); err != nil {
		s.disk.close()
		if s.db != nil {
			s.db.Close()
		}
		s.records.close()
		s.cache.Unref()
		lock.Close()
		return nil, fmt.Errorf("docdb: folder %s: %w", dir, Damaged(err))
	}
	s.done.Add(1)
	go s.background()
	return s, nil
}

func (s *Store) open() (err error) {
	// What Pebble can't go on after when it opens a folder, it says by Fatalf.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	if s.closedAt, err = s.checkFiles(); err != nil {
		return err
	}
	po := EngineOptions(s.cache)
	if s.opts.MemtableBytes != 0 {
		po.MemTableSize = s.opts.MemtableBytes
	}
	po.Lock, po.FS, po.Logger, po.EventListener = s.lock, s.disk, logger{s.opts.Log}, s.listener()
	db, err := pebble.Open(s.dir, po)
	if err != nil {
		return err
	}
	s.db = db
	behind := s.behind
	s.disk.pacer.behind.Store(&behind)
	if err := s.checkVersion(); err != nil {
		return err
	}
	if err := s.loadCatalog(); err != nil {
		return err
	}
	if err := s.recover(); err != nil {
		return err
	}
	return s.disk.err()
}

// EngineOptions are the options under which the store runs Pebble, but for the folder's.
func EngineOptions(cache *pebble.Cache) *pebble.Options {
	po := &pebble.Options{
		Cache:                       cache,
		FormatMajorVersion:          pebble.FormatNewest,
		MemTableSize:                32 << 20,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       24,
		LBaseMaxBytes:               64 << 20,
		MaxOpenFiles:                2000,
		CompactionConcurrencyRange:  func() (int, int) { return 1, 2 },
		Logger:                      logger{func(string, ...any) {}},
	}
	// Upper levels hold what is hot and soon rewritten; the cache holds decompressed blocks.
	comp := pebble.DBCompressionFastest
	for i := 0; i < len(comp.Levels)-2; i++ {
		comp.Levels[i] = pebble.DBCompressionNone.Levels[i]
	}
	po.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return comp })
	for i := range po.Levels {
		po.Levels[i].BlockSize = blockSize
		po.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		po.Levels[i].FilterType = pebble.TableFilter
	}
	return po
}

// checkVersion writes the format version into a new folder and compares it in an old one.
func (s *Store) checkVersion() error {
	v, err := s.Present().Get(keyVersion, nil)
	if isNotFound(err) {
		b := s.db.NewBatch()
		defer b.Close()
		b.Set(keyVersion, binary.BigEndian.AppendUint32(nil, formatVersion), nil)
		b.Set(keyIDs, binary.BigEndian.AppendUint32(nil, 0), nil)
		return s.write(b, true)
	}
	if err != nil {
		return err
	}
	if n := binary.BigEndian.Uint32(v); n > formatVersion {
		return fmt.Errorf("%w (format %d, this version knows %d)", ErrFormat, n, formatVersion)
	}
	v, err = s.Present().Get(keyIDs, nil)
	if err != nil {
		return err
	}
	s.lastID = binary.BigEndian.Uint32(v)
	return nil
}

// Close ends background work, writes the counts, and closes the folder. Nothing may use the store afterwards.
func (s *Store) Close() error {
	close(s.stop)
	s.done.Wait()
	s.tail.close()
	defer s.disk.pacer.hurry()()
	err := s.saveCounts(true)
	s.passed()
	s.records.close()
	s.disk.close()
	if e := s.db.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = s.writeClean()
	}
	s.cache.Unref()
	if e := s.lock.Close(); err == nil {
		err = e
	}
	return err
}

// Applied is the time of the last write that readers see.
func (s *Store) Applied() uint64 { return s.clock.applied.Load() }

// Tick gives a new time, later than every write so far.
func (s *Store) Tick() uint64 {
	s.commit.Lock()
	defer s.commit.Unlock()
	t := s.clock.reserve(1)
	s.clock.applied.Store(t)
	return t
}

// newIDs gives n new ids; the caller holds ddl and writes what it gets with putIDs.
func (s *Store) newID() uint32 {
	s.lastID++
	return s.lastID
}

func (s *Store) putIDs(b *pebble.Batch) error {
	return b.Set(keyIDs, binary.BigEndian.AppendUint32(nil, s.lastID), nil)
}

type logger struct {
	f func(format string, args ...any)
}

func (l logger) Infof(string, ...interface{})         {}
func (l logger) Errorf(f string, args ...interface{}) { l.f(f, args...) }
func (l logger) Fatalf(f string, args ...interface{}) { panic(fmt.Sprintf(f, args...)) }

// listener is told by Pebble of what goes wrong in the background.
func (s *Store) listener() *pebble.EventListener {
	return &pebble.EventListener{
		DataCorruption: func(i pebble.DataCorruptionInfo) { s.disk.fail("read", i.Path, i.Details) },
		BackgroundError: func(err error) {
			if pebble.IsCorruptionError(err) {
				s.disk.fail("read", s.dir, err)
			} else if s.disk.err() == nil {
				s.opts.Log("docdb: in the background: %v", err)
			}
		},
	}
}

// write applies a batch that no event belongs to; with sync it returns after the batch is durable.
func (s *Store) write(b *pebble.Batch, sync bool) error {
	if err := s.disk.err(); err != nil {
		return err
	}
	o := pebble.NoSync
	if sync {
		o = pebble.Sync
	}
	if err := s.db.Apply(b, o); err != nil {
		return err
	}
	s.loads.Add(1)
	s.passed()
	return s.disk.err()
}

// Alive is nil as long as what is written gets onto the disk; otherwise a *DiskError.
func (s *Store) Alive() error { return s.disk.err() }

// Metrics of the storage engine.
func (s *Store) Metrics() *pebble.Metrics { return s.db.Metrics() }

// CacheBytes is the memory that the caches of blocks and of documents have taken.
func (s *Store) CacheBytes() int64 {
	return s.db.Metrics().BlockCache.Size + s.records.bytes() + s.packs.taken()
}

// DiskUsage estimates the bytes on disk between two keys.
func (s *Store) DiskUsage(lower, upper []byte) uint64 {
	n, err := s.db.EstimateDiskUsage(lower, upper)
	if err != nil {
		return 0
	}
	return n
}
