package store

import (
	"bytes"
	"io"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// aheads counts the writes at an offset, which are those of zeros, and makes them fail with err.
type aheads struct {
	n   int
	err error
}

func (a *aheads) String() string { return "aheads" }

func (a *aheads) MaybeError(op errorfs.Op) error {
	if op.Kind != errorfs.OpFileWriteAt {
		return nil
	}
	a.n++
	return a.err
}

// TestLogIsWrittenAhead has a log hold what was written, then zeros by which it at most doubles; one that is used again is not written twice, and
// where there is no room for zeros the log is written without.
func TestLogIsWrittenAhead(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		size int
	}{{"room", nil, 1 << 20}, {"no room", syscall.ENOSPC, 100 * 9000}} {
		t.Run(c.name, func(t *testing.T) {
			a := &aheads{err: c.err}
			d := newDisk(errorfs.Wrap(vfs.NewMem(), a), "", -1, t.Logf)
			write := func(f vfs.File, err error, b byte) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
				for range 100 {
					if _, err := f.Write(bytes.Repeat([]byte{b}, 9000)); err != nil {
						t.Fatal(err)
					}
				}
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
			}
			check := func(name string, b byte) {
				t.Helper()
				f, err := d.Open(name)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(f)
				want := make([]byte, c.size)
				copy(want, bytes.Repeat([]byte{b}, 100*9000))
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("%s holds %d bytes, want %d (%v)", name, len(got), len(want), err)
				}
			}
			f, err := d.Create("1.log", "wal")
			write(f, err, 1)
			check("1.log", 1)
			if a.n != 6 { // to 32, 64, 128, 256, 512 KB and 1 MB
				t.Errorf("%d writes of zeros, want 6", a.n)
			}
			f, err = d.ReuseForWrite("1.log", "2.log", "wal")
			write(f, err, 2)
			check("2.log", 2)
			if c.err == nil && a.n != 6 {
				t.Errorf("%d writes of zeros after the log was used again, want 6", a.n)
			}
			f, err = d.Create("3.sst", "data")
			write(f, err, 3)
			if i, err := d.Stat("3.sst"); err != nil || i.Size() != 100*9000 {
				t.Errorf("a data file was written ahead: %v %v", i, err)
			}
			if err := d.err(); err != nil {
				t.Error(err)
			}
		})
	}
}
