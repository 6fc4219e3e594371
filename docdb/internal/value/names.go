package value

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Names are member names that documents are searched for, prepared so that a name is compared as one word.
type Names struct {
	all   []string
	words []nameWord
}

// nameWord has the first eight bytes of a name and its closing zero; mask leaves out what lies behind the zero.
type nameWord struct {
	word, mask uint64
	short      bool // the word is all of the name
	size       int  // of a member of this name without its value
}

// NewNames prepares a search for some names, which must be different.
func NewNames(names ...string) *Names {
	n := &Names{all: names, words: make([]nameWord, len(names))}
	for i, s := range names {
		var b [8]byte
		copy(b[:], s)
		w := nameWord{binary.LittleEndian.Uint64(b[:]), ^uint64(0), len(s) < 8, len(s) + 2}
		if len(s) < 7 {
			w.mask = 1<<(8*(len(s)+1)) - 1
		}
		n.words[i] = w
	}
	return n
}

// Len is the number of names.
func (n *Names) Len() int { return len(n.all) }

// Name is name number i.
func (n *Names) Name(i int) string { return n.all[i] }

// is reports whether the member at b, whose first eight bytes of name are those of name i, has this name.
func (n *Names) is(i int, b []byte) bool {
	s := n.all[i]
	return len(b) > len(s)+1 && b[len(s)+1] == 0 && string(b[1:len(s)+1]) == s
}

// Found is a member that was looked for, in parts: a RawValue is more than registers take. Type 0 is a missing one.
type Found struct {
	Type  bson.Type
	Value []byte
}

// Named walks the members of a document that have one of a few names, in the order of the document.
type Named struct {
	doc []byte
	at  int // where the next member begins

	steps   []layoutStep // what is expected
	step    int          // of them from at on
	strayed bool         // something else was there
}

// Members returns a walk over the members of a document.
func Members(doc []byte) (m Named) {
	(&Layout{}).Follow(&m, doc)
	return m
}

// The bytes of a word that are zero are found by a subtraction that borrows there first.
const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

// Find moves to the next member that has one of the names and returns which one, and its value in parts (a RawValue does not fit
// into registers); -1 at the end, or at malformed bytes. It is the inner loop of every scan.
func (m *Named) Find(names *Names) (i int, t bson.Type, v []byte) {
	if m.step < len(m.steps) {
		if i, t, v := m.follow(); i >= 0 {
			return i, t, v
		}
	}
	m.strayed = true
	doc, at := m.doc, m.at
	for at+9 <= len(doc) {
		head := doc[at : at+9 : at+9]
		w := binary.LittleEndian.Uint64(head[1:])
		t := head[0]
		if t == 0 {
			break
		}
		found, end := -1, 0 // end is where the value begins
		for i := range names.words {
			if n := &names.words[i]; w&n.mask == n.word && (n.short || names.is(i, doc[at:])) {
				found, end = i, at+n.size
				break
			}
		}
		if found < 0 {
			if z := (w - lowBits) &^ w & highBits; z != 0 {
				end = at + 2 + bits.TrailingZeros64(z)>>3
			} else if z := bytes.IndexByte(doc[at+9:], 0); z >= 0 {
				end = at + 10 + z
			} else {
				break
			}
		}
		next := end + int(fixedSize[t]) - 1
		if next < end {
			k := variableSize(bson.Type(t), doc[end:])
			if k < 0 {
				break
			}
			next = end + k
		}
		if next > len(doc) {
			break
		}
		if found >= 0 {
			m.at = next
			return found, bson.Type(t), doc[end:next:next]
		}
		at = next
	}
	return m.tail(names, at)
}

// tail goes on where fewer than nine bytes are left.
func (m *Named) tail(names *Names, at int) (int, bson.Type, []byte) {
	doc := m.doc
	for at+9 > len(doc) && at+1 < len(doc) && doc[at] != 0 {
		z := bytes.IndexByte(doc[at+1:], 0)
		if z < 0 {
			break
		}
		name, end := doc[at+1:at+1+z], at+2+z
		k := size(bson.Type(doc[at]), doc[end:])
		if k < 0 {
			break
		}
		for i, s := range names.all {
			if string(name) == s {
				m.at = end + k
				return i, bson.Type(doc[at]), doc[end : end+k : end+k]
			}
		}
		at = end + k
	}
	m.doc = nil
	return -1, 0, nil
}
