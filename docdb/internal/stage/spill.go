package stage

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/mongoerr"
)

// spillFile is a temporary file of rows: written once, then read once from the start. Where the system allows it the file has no
// name, so that nothing is left behind when the process dies.
//
//	row  = document (BSON) · metadata (BSON, an empty document for none)
type spillFile struct {
	f    *os.File
	name string
	w    *bufio.Writer
	r    *bufio.Reader
	buf  [2][]byte
	rows int
	// largest is the size of the largest row.
	largest int
	mem     held
}

// spillBuffer is the size of the buffer that a file is written or read through.
const spillBuffer = 32 << 10

func newSpillFile(env *Env, stage string) (*spillFile, error) {
	if !env.AllowDiskUse {
		return nil, memoryExceeded(stage, env.limit())
	}
	mem := env.held()
	if err := mem.needs(spillBuffer); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(env.TempDir, "docdb-spill-*")
	if err != nil {
		mem.release()
		return nil, fmt.Errorf("opening a temporary file for %s: %w", stage, err)
	}
	s := &spillFile{f: f, name: f.Name(), w: bufio.NewWriterSize(f, spillBuffer), mem: mem}
	if os.Remove(s.name) == nil {
		s.name = ""
	}
	return s, nil
}

// memoryExceeded is the error of a stage that may not use the disk.
func memoryExceeded(stage string, limit int) error {
	return mongoerr.New(mongoerr.QueryExceededMemoryLimitNoDiskUseAllowed, "Exceeded memory limit of %d bytes for %s, but didn't allow external spilling. Pass allowDiskUse:true to opt in.", limit, stage)
}

func (s *spillFile) write(r row) error {
	if _, err := s.w.Write(r.doc); err != nil {
		return err
	}
	meta := encodeMeta(r.meta)
	_, err := s.w.Write(meta)
	s.rows++
	s.largest = max(s.largest, len(r.doc)+len(meta))
	return err
}

// rewind ends writing and begins reading.
func (s *spillFile) rewind() error {
	if err := s.w.Flush(); err != nil {
		return err
	}
	s.w = nil
	s.mem.release()
	_, err := s.f.Seek(0, io.SeekStart)
	return err
}

// read returns the next row, valid until the following read; io.EOF at the end.
func (s *spillFile) read() (row, error) {
	if s.rows == 0 {
		return row{}, io.EOF
	}
	if s.r == nil {
		if err := s.mem.needs(spillBuffer + s.largest); err != nil {
			return row{}, err
		}
		s.r = bufio.NewReaderSize(s.f, spillBuffer)
	}
	s.rows--
	for i := range s.buf {
		head, err := s.r.Peek(4)
		if err != nil {
			return row{}, fmt.Errorf("reading a temporary file: %w", err)
		}
		n := int(binary.LittleEndian.Uint32(head))
		if cap(s.buf[i]) < n {
			s.buf[i] = make([]byte, n)
		}
		s.buf[i] = s.buf[i][:n]
		if _, err := io.ReadFull(s.r, s.buf[i]); err != nil {
			return row{}, fmt.Errorf("reading a temporary file: %w", err)
		}
	}
	return row{s.buf[0], decodeMeta(s.buf[1])}, nil
}

func (s *spillFile) close() error {
	if s.f == nil {
		return nil
	}
	err := s.f.Close()
	s.f = nil
	s.mem.release()
	if s.name != "" {
		os.Remove(s.name)
	}
	return err
}

// metaFields pairs the members of a Meta with the names that they are stored under.
func metaFields(m *expr.Meta) []struct {
	name string
	v    *bson.RawValue
} {
	return []struct {
		name string
		v    *bson.RawValue
	}{
		{"t", &m.TextScore}, {"d", &m.GeoDistance}, {"p", &m.GeoPoint}, {"s", &m.SortKey}, {"i", &m.IndexKey},
		{"r", &m.RecordID}, {"n", &m.RandVal}, {"c", &m.SearchScore}, {"h", &m.HighlightSet},
	}
}

var emptyDocument = []byte{5, 0, 0, 0, 0}

func encodeMeta(m *expr.Meta) []byte {
	if m == nil {
		return emptyDocument
	}
	d := newDoc(nil)
	for _, f := range metaFields(m) {
		d.add(f.name, *f.v)
	}
	return d.done()
}

func decodeMeta(b []byte) *expr.Meta {
	if len(b) <= 5 {
		return nil
	}
	m := &expr.Meta{}
	for _, f := range metaFields(m) {
		*f.v = expr.Clone(expr.Lookup(b, f.name))
	}
	return m
}

// cloneMeta copies metadata so that it outlives its row.
func cloneMeta(m *expr.Meta) *expr.Meta {
	if m == nil {
		return nil
	}
	return decodeMeta(encodeMeta(m))
}

// restart reads from the start again.
func (s *spillFile) restart() error {
	if _, err := s.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if s.r != nil {
		s.r.Reset(s.f)
	}
	return nil
}
