package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestBackgroundWorkRests has flushes, compactions and others write files, with and without somebody waiting, and counts the rests.
func TestBackgroundWorkRests(t *testing.T) {
	for _, c := range []struct {
		category         vfs.DiskWriteCategory
		name             string
		open, late, wait bool
		rests            bool
	}{
		{flushCategory, "1.sst", true, false, false, true},
		{compactionCategory, "1.sst", true, false, false, true},
		{flushCategory, "1.sst", false, false, false, false},    // the store opens
		{flushCategory, "1.sst", true, true, false, false},      // writers are faster
		{compactionCategory, "1.sst", true, false, true, false}, // somebody waits
		{"pebble-ingest", "1.sst", true, false, false, false},   // somebody waits for these always
		{"pebble-wal", "1.log", true, false, false, false},
		{"pebble-manifest", "MANIFEST-1", true, false, false, false},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			d := newDisk(vfs.NewMem(), "", -1, t.Logf)
			behind := func() bool { return c.late }
			if c.open {
				d.pacer.behind.Store(&behind)
			}
			if c.wait {
				defer d.pacer.hurry()()
			}
			f, err := d.Create(c.name, c.category)
			if err != nil {
				t.Fatal(err)
			}
			var work, all time.Duration
			for range 8 {
				begin := time.Now()
				for time.Since(begin) < 2*paceWork { // work
				}
				work += 2 * paceWork
				if _, err := f.Write(make([]byte, 100)); err != nil {
					t.Fatal(err)
				}
				all += time.Since(begin)
			}
			// The first write does not know how long the work before it was.
			least := work + 7*2*paceWork*paceRest/2
			if c.rests && all < least {
				t.Errorf("%s for %s of work, want %s at least", all, work, least)
			}
			if f := f.(*diskFile); !c.rests && f.pace != nil && f.pace.p.mayRest(time.Now()) {
				t.Error("it may rest")
			}
			if f := f.(*diskFile); (f.pace != nil) != paced(c.category) {
				t.Errorf("paced: %v", f.pace != nil)
			}
		})
	}
}
