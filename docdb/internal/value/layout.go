package value

import (
	"bytes"
	"encoding/binary"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Layout remembers the members that documents begin with, as most documents of a collection begin with the same ones: a walk that
// follows it compares each member's type and name with the one that is expected, as one word, and need not look for the name among
// those that are wanted. From the first difference on it is a walk like any other. A Layout is for one goroutine and one Names.
type Layout struct {
	steps []layoutStep
	// A layout is learned anew when a walk has strayed from it, but not by every document of a collection of many kinds: pause is how
	// many more may stray before, wait how many after the next time, and followed how many documents have followed this one.
	pause, wait, followed int
}

// layoutStep is a member: its first eight bytes from the type on, as far as they are type and name, and what the name has beyond.
type layoutStep struct {
	word, mask uint64
	beyond     string
	head       int // how many bytes lie before the value
	size       int // of the value; -1 where it says so itself
	name       int // the number of the wanted name, or -1
	kind       bson.Type
}

const (
	// layoutSteps is the most members of a layout.
	layoutSteps = 64
	// layoutWait is the most documents that stray before a layout is learned anew.
	layoutWait = 64
)

// Follow begins a walk over the members of a document that follows the layout. Whoever has found what it wanted tells Learn.
func (l *Layout) Follow(m *Named, doc []byte) {
	m.at, m.step, m.strayed, m.steps = 4, 0, false, l.steps
	if m.doc = nil; len(doc) >= 5 {
		if n := int(int32(binary.LittleEndian.Uint32(doc))); n >= 5 && n <= len(doc) {
			m.doc = doc[:n]
		}
	}
}

// Learn tells the layout that a walk has found all that was wanted.
func (l *Layout) Learn(m *Named, names *Names) {
	if !m.strayed {
		l.followed++
		return
	}
	if l.pause > 0 {
		l.pause--
		return
	}
	if l.wait = min(2*l.wait+1, layoutWait); l.followed > 2*layoutWait {
		l.wait = 0
	}
	l.pause, l.followed, l.steps = l.wait, 0, l.steps[:0]
	if m.doc == nil {
		return // it has come to the end
	}
	for at := 4; at < m.at; {
		if len(l.steps) == layoutSteps {
			l.steps = l.steps[:0]
			return
		}
		z := bytes.IndexByte(m.doc[at+1:], 0)
		name := m.doc[at+1 : at+1+z]
		s := layoutStep{head: z + 2, size: int(fixedSize[m.doc[at]]) - 1, name: -1, kind: bson.Type(m.doc[at]), mask: ^uint64(0)}
		var b [8]byte
		if n := copy(b[:], m.doc[at:at+s.head]); n < 8 {
			s.mask = 1<<(8*n) - 1
		} else {
			s.beyond = string(m.doc[at+8 : at+s.head])
		}
		s.word = binary.LittleEndian.Uint64(b[:])
		for i, want := range names.all {
			if string(name) == want {
				s.name = i
			}
		}
		size := s.size
		if size < 0 {
			s.size, size = -1, variableSize(s.kind, m.doc[at+s.head:])
		}
		l.steps = append(l.steps, s)
		at += s.head + size
	}
}

// follow is Find for as long as the document is laid out as expected.
func (m *Named) follow() (i int, t bson.Type, v []byte) {
	doc, at := m.doc, m.at
	for j := m.step; j < len(m.steps); j++ {
		s := &m.steps[j]
		if at+8 > len(doc) || binary.LittleEndian.Uint64(doc[at:])&s.mask != s.word {
			break
		}
		begin := at + s.head
		if s.beyond != "" && (begin > len(doc) || string(doc[at+8:begin]) != s.beyond) {
			break
		}
		next := begin + s.size
		if s.size < 0 {
			if begin > len(doc) {
				break
			}
			k := variableSize(s.kind, doc[begin:])
			if k < 0 {
				break
			}
			next = begin + k
		}
		if next > len(doc) {
			break
		}
		at = next
		if s.name >= 0 {
			m.at, m.step = at, j+1
			return s.name, s.kind, doc[begin:next:next]
		}
	}
	m.at, m.step, m.strayed = at, len(m.steps), true
	return -1, 0, nil
}
