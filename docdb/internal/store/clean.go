package store

import (
	"bufio"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The file CLEAN says what the folder was like when it was closed:
//
//	closed at [time]
//	[name] [size] [CRC-32C in hex, - for data files, whose blocks have sums of their own]
//	…
//
// A log or a manifest that was cut off looks like one that a crash has cut off, and so does one with a changed byte: Pebble goes on with what is
// before it. After a clean close there was no crash, so this tells the two apart. It is compared and removed before anything is changed, so that
// a crash from then on is one of an open folder. Earlier versions wrote the first line only, which is compared when the log has been read.
const cleanName = "CLEAN"

// ErrTruncated: files of the folder are not what they were when it was closed.
var ErrTruncated = errors.New("files are not what they were when the database was closed")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// fileSum is a line of CLEAN.
type fileSum struct {
	name string
	size int64
	sum  string
}

// sumFile reads what CLEAN says of a file.
func sumFile(fs vfs.FS, dir, name string) (fileSum, error) {
	out := fileSum{name: name, sum: "-"}
	info, err := fs.Stat(filepath.Join(dir, name))
	if err != nil {
		return out, err
	}
	out.size = info.Size()
	if data(name) {
		return out, nil
	}
	f, err := fs.Open(filepath.Join(dir, name))
	if err != nil {
		return out, err
	}
	defer f.Close()
	sum := crc32.New(castagnoli)
	_, err = io.Copy(sum, f)
	out.sum = fmt.Sprintf("%08x", sum.Sum32())
	return out, err
}

// writeClean notes the time; the caller has written everything.
func (s *Store) writeClean() error {
	if err := s.disk.err(); err != nil {
		return err
	}
	return s.markComplete(s.dir, s.Applied())
}

// markComplete notes in a folder that it has everything up to a time, and its files.
func (s *Store) markComplete(dir string, at uint64) error {
	fs := s.opts.FS
	list, err := fs.List(dir)
	if err != nil {
		return err
	}
	slices.Sort(list)
	text := fmt.Sprintf("closed at %d\n", at)
	for _, name := range list {
		info, err := fs.Stat(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if info.IsDir() || name == "LOCK" || strings.HasPrefix(name, cleanName) {
			continue
		}
		sum, err := sumFile(fs, dir, name)
		if err != nil {
			return err
		}
		text += fmt.Sprintf("%s %d %s\n", sum.name, sum.size, sum.sum)
	}
	name := filepath.Join(dir, cleanName)
	f, err := fs.Create(name+".tmp", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(text))
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return fs.Rename(name+".tmp", name)
}

// checkFiles compares the files with what CLEAN says of them, if there is one, and removes it. Of one that says nothing of them it gives the time.
func (s *Store) checkFiles() (closed uint64, err error) {
	name := filepath.Join(s.dir, cleanName)
	f, err := s.opts.FS.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	if lines.Scan() {
		fmt.Sscanf(lines.Text(), "closed at %d", &closed)
	}
	listed := false
	for lines.Scan() {
		listed = true
		var was fileSum
		if n, err := fmt.Sscanf(lines.Text(), "%s %d %s", &was.name, &was.size, &was.sum); n != 3 {
			return 0, fmt.Errorf("%w: a line of %s is %q (%v); %s", ErrTruncated, name, lines.Text(), err, s.whatNow())
		}
		now, err := sumFile(s.opts.FS, s.dir, was.name)
		switch {
		case errors.Is(err, os.ErrNotExist):
			return 0, fmt.Errorf("%w: %s is missing; %s", ErrTruncated, filepath.Join(s.dir, was.name), s.whatNow())
		case err != nil:
			return 0, err
		case now.size != was.size:
			return 0, fmt.Errorf("%w: %s has %d bytes, and had %d; %s", ErrTruncated, filepath.Join(s.dir, was.name), now.size, was.size, s.whatNow())
		case now.sum != was.sum:
			return 0, fmt.Errorf("%w: %s has other contents; %s", ErrTruncated, filepath.Join(s.dir, was.name), s.whatNow())
		}
	}
	if err := lines.Err(); err != nil || !listed {
		return closed, err
	}
	return 0, s.opts.FS.Remove(name)
}

// whatNow is the advice of ErrTruncated.
func (s *Store) whatNow() string {
	return "restore a backup, or remove " + filepath.Join(s.dir, cleanName) + " to open what is left"
}

// checkClean compares what was found, written up to time last, with the time at which the folder was closed, if that is all that CLEAN
// said, and removes it.
func (s *Store) checkClean(last uint64) error {
	if s.closedAt == 0 {
		return nil
	}
	if last < s.closedAt {
		return fmt.Errorf("%w: the log or the manifest ends at time %d, and should at %d; %s", ErrTruncated, last, s.closedAt, s.whatNow())
	}
	return s.opts.FS.Remove(filepath.Join(s.dir, cleanName))
}
