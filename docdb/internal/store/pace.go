package store

import (
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Flushes and compactions are work that nobody waits for, in one piece of hundreds of milliseconds: on few processors whoever is served
// meanwhile waits for it, though there would be time for both. So they rest in between, for as long as writers do not fill memory
// faster than it is written out.
const (
	// paceWork is after how much work there is a rest.
	paceWork = time.Millisecond
	// paceRest is how much longer than the work a rest is, in halves.
	paceRest = 6
	// paceLong is what is taken for work at most, between two writes: a compaction may have waited for the disk.
	paceLong = 5 * time.Millisecond
	// paceLook is how often it is looked at whether there is time to rest.
	paceLook = 50 * time.Millisecond
)

// pacer decides whether flushes and compactions may rest.
type pacer struct {
	hurried atomic.Int32                // how many wait for one
	behind  atomic.Pointer[func() bool] // whether writers are faster; none while the store opens
	looked  atomic.Int64
	late    atomic.Bool
}

// hurry lets nothing rest until the function that it returns is called.
func (p *pacer) hurry() (done func()) {
	p.hurried.Add(1)
	return func() { p.hurried.Add(-1) }
}

func (p *pacer) mayRest(now time.Time) bool {
	behind := p.behind.Load()
	if behind == nil || p.hurried.Load() > 0 {
		return false
	}
	if last := p.looked.Load(); now.UnixNano()-last > int64(paceLook) && p.looked.CompareAndSwap(last, now.UnixNano()) {
		p.late.Store((*behind)())
	}
	return !p.late.Load()
}

// paced reports whether files of a category are written by a flush or a compaction.
func paced(category vfs.DiskWriteCategory) bool {
	return category == flushCategory || category == compactionCategory
}

// pace is the state of one file that a flush or a compaction writes. It has one writer.
type pace struct {
	p      *pacer
	last   time.Time // of the end of the last write
	worked time.Duration
}

// rest is called before each write.
func (c *pace) rest() {
	now := time.Now()
	if !c.last.IsZero() {
		c.worked += min(now.Sub(c.last), paceLong)
	}
	if c.worked >= paceWork {
		if c.p.mayRest(now) {
			time.Sleep(c.worked * paceRest / 2)
		}
		c.worked = 0
	}
	c.last = time.Now()
}

// behind reports whether writers fill memory, or the first level of files, faster than they are worked off.
func (s *Store) behind() bool {
	m := s.db.Metrics()
	return m.MemTable.Count >= 3 || m.Levels[0].Sublevels >= 8
}
