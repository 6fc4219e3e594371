package store

import "strings"

// logAhead is the number of bytes by which the log is written ahead with zeros. A sync of bytes that lie in blocks that were written before
// touches nothing but these blocks; one of new blocks, allocated or not, also changes what the file system knows of the file, and that goes
// through its journal and its threads: twice the time on ext4, and longer where the processors are busy. Logs that the engine uses
// again are written already.
const logAhead = 512 << 10

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
	end := (l.at + logAhead) / logAhead * logAhead
	for start < end {
		k := min(end-start, logAhead)
		if _, err := f.File.WriteAt(zeros[:k], start); err != nil {
			break
		}
		start += k
	}
	l.written = end
}
