package store

import "strings"

// A log is written ahead with zeros. A sync of bytes that lie in blocks that were written before touches nothing but these blocks; one of
// new blocks, allocated or not, also changes what the file system knows of the file, and that goes through its journal and its threads:
// twice the time on ext4, and longer where the processors are busy. Logs that the engine uses again are written already.
const (
	// firstAhead is by how many bytes a log is written ahead at its beginning; later it is as many as there are, so that a small
	// database stays small.
	firstAhead = 32 << 10
	// logAhead is by how many it is at most.
	logAhead = 512 << 10
)

var zeros [logAhead]byte

// isLog reports whether a name is a file of the write-ahead log.
func isLog(name string) bool { return strings.HasSuffix(name, ".log") }

// logFile is the part of a diskFile that only the log has: how far it has come, and how far it has been written before. The engine has one
// goroutine that writes a log.
type logFile struct {
	at, written int64
}

// writeAhead sees to it that the next n bytes of the log lie in blocks that were written before. The zeros that are left at the end of a log
// mean the end to whoever reads it. It is no error when there is no room: then the write itself will tell.
func (f *diskFile) writeAhead(n int) {
	l := f.log
	l.at += int64(n)
	if l.at <= l.written {
		return
	}
	start := max(l.written, l.at-int64(n))
	step := min(max(l.at, firstAhead), logAhead)
	end := (l.at + step) / firstAhead * firstAhead
	for start < end {
		k := min(end-start, logAhead)
		if _, err := f.File.WriteAt(zeros[:k], start); err != nil {
			break
		}
		start += k
	}
	l.written = end
}
