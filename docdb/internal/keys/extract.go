package keys

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strconv"

	"github.com/cespare/xxhash/v2"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// Set is the index keys of one document, without duplicates, in order, and the fields (as bits, by position) whose path went
// through an array or ended at one. A Set may be used again for another document; its keys are valid until then.
type Set struct {
	Keys     [][]byte
	Multikey uint64

	buf    []byte
	starts []int
	work   []place
}

// place is where the walk along one field's path stands.
type place struct {
	v    bson.RawValue // zero: missing
	rest []string
	done bool // v is the value of the field
}

// Extract fills set with the keys of doc under s.
func (s *Spec) Extract(doc bson.Raw, set *Set) error {
	set.Keys, set.Multikey = set.Keys[:0], 0
	set.buf, set.starts = set.buf[:0], set.starts[:0]
	if at := s.WildcardAt(); at >= 0 {
		if err := s.extractWildcard(doc, set, at); err != nil {
			return err
		}
		set.finish()
		return nil
	}
	places := set.work[:0]
	for _, f := range s.Fields {
		p := place{v: bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: doc}, rest: f.Parts}
		if f.Kind == Text || f.Kind == Geo {
			p = place{done: true}
		}
		places = append(places, p)
	}
	set.work = places
	if err := s.expand(doc, places, set, 0); err != nil {
		return err
	}
	set.finish()
	return nil
}

func (set *Set) finish() {
	for i, st := range set.starts {
		end := len(set.buf)
		if i+1 < len(set.starts) {
			end = set.starts[i+1]
		}
		set.Keys = append(set.Keys, set.buf[st:end:end])
	}
	if len(set.Keys) > 1 {
		slices.SortFunc(set.Keys, bytes.Compare)
		set.Keys = slices.CompactFunc(set.Keys, bytes.Equal)
	}
}

// expand walks every field to its value or to an array, then takes the array's elements one by one.
func (s *Spec) expand(doc bson.Raw, places []place, set *Set, depth int) error {
	array := -1
	var arrays uint64
	for i := range places {
		p := &places[i]
		if p.done {
			continue
		}
		if err := s.walk(p, s.Fields[i].Path); err != nil {
			return err
		}
		if p.done {
			continue
		}
		// p stands at an array.
		if s.Fields[i].Kind == Hashed {
			return &HashedArrayError{s.Fields[i].Path}
		}
		if array >= 0 && &places[array].v.Value[0] != &p.v.Value[0] {
			return &ParallelArraysError{s.Fields[array].Path, s.Fields[i].Path}
		}
		if array < 0 {
			array = i
		}
		arrays |= 1 << i
	}
	if array < 0 {
		return s.emit(doc, places, set)
	}
	set.Multikey |= arrays
	rem := elements(places[array].v.Value)
	next := make([]place, len(places))
	if len(rem) == 0 {
		copy(next, places)
		for i := range next {
			if arrays&(1<<i) == 0 {
				continue
			}
			next[i].done = true
			if len(next[i].rest) == 0 {
				next[i].v = bson.RawValue{Type: bson.TypeUndefined}
			} else {
				next[i].v = bson.RawValue{}
			}
		}
		return s.emit(doc, next, set)
	}
	for len(rem) > 0 {
		e, rest, ok := bsoncore.ReadElement(rem)
		if !ok {
			break
		}
		rem = rest
		cv := e.Value()
		v := bson.RawValue{Type: bson.Type(cv.Type), Value: cv.Data}
		copy(next, places)
		for i := range next {
			if arrays&(1<<i) == 0 {
				continue
			}
			next[i].v = v
			switch {
			case len(next[i].rest) == 0:
				next[i].done = true // an array inside the array is a value
			case v.Type != bson.TypeEmbeddedDocument:
				next[i].v, next[i].done = bson.RawValue{}, true
			}
		}
		if err := s.expand(doc, next, set, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// walk follows p's path through documents until the value, a missing member, or an array.
func (s *Spec) walk(p *place, path string) error {
	for {
		if p.v.Type == bson.TypeArray {
			if len(p.rest) == 0 {
				return nil
			}
			n, isPos := position(p.rest[0])
			if !isPos {
				return nil
			}
			el, found, named := elementAt(p.v.Value, n, p.rest[0])
			if named && found {
				return &AmbiguousPathError{path, p.rest[0]}
			}
			if !found {
				return nil
			}
			p.v, p.rest = el, p.rest[1:]
			continue
		}
		if len(p.rest) == 0 {
			p.done = true
			return nil
		}
		if p.v.Type != bson.TypeEmbeddedDocument {
			p.v, p.done = bson.RawValue{}, true
			return nil
		}
		v, ok := Member(p.v.Value, p.rest[0])
		if !ok {
			p.v, p.done = bson.RawValue{}, true
			return nil
		}
		p.v, p.rest = v, p.rest[1:]
	}
}

func position(part string) (int, bool) {
	if part == "" || part[0] < '0' || part[0] > '9' || (len(part) > 1 && part[0] == '0') || len(part) > 7 {
		return 0, false
	}
	n, err := strconv.Atoi(part)
	return n, err == nil
}

func elementAt(arr []byte, n int, name string) (el bson.RawValue, found, named bool) {
	rem := elements(arr)
	for i := 0; len(rem) > 0; i++ {
		e, rest, ok := bsoncore.ReadElement(rem)
		if !ok {
			break
		}
		rem = rest
		cv := e.Value()
		v := bson.RawValue{Type: bson.Type(cv.Type), Value: cv.Data}
		if i == n {
			el, found = v, true
		}
		if v.Type == bson.TypeEmbeddedDocument {
			if _, ok := Member(v.Value, name); ok {
				named = true
			}
		}
	}
	return el, found, named
}

// Member finds the first member called name in a document.
func Member(doc []byte, name string) (bson.RawValue, bool) {
	rem := elements(doc)
	for len(rem) > 0 {
		t := bson.Type(rem[0])
		z := bytes.IndexByte(rem[1:], 0)
		if z < 0 {
			return bson.RawValue{}, false
		}
		v, rest, ok := bsoncore.ReadValue(rem[z+2:], bsoncore.Type(t))
		if !ok {
			return bson.RawValue{}, false
		}
		if string(rem[1:z+1]) == name {
			return bson.RawValue{Type: t, Value: v.Data}, true
		}
		rem = rest
	}
	return bson.RawValue{}, false
}

// emit appends the key of the values that places hold.
func (s *Spec) emit(doc bson.Raw, places []place, set *Set) error {
	if s.Sparse && s.Terms == nil {
		all := true
		for i := range places {
			if places[i].v.Type != 0 {
				all = false
				break
			}
		}
		if all {
			return nil
		}
	}
	if s.Terms != nil {
		return s.emitTerms(doc, places, set)
	}
	set.starts = append(set.starts, len(set.buf))
	for i := range places {
		set.buf = s.appendPlace(set.buf, i, places[i].v)
	}
	return nil
}

func (s *Spec) appendPlace(dst []byte, i int, v bson.RawValue) []byte {
	f := &s.Fields[i]
	if f.Kind == Hashed {
		return AppendHash(dst, v, f.Desc, s.Collator)
	}
	return AppendField(dst, v, f.Desc, s.Collator)
}

// emitTerms writes one key for each term of the document, in the place of its text or geo field.
func (s *Spec) emitTerms(doc bson.Raw, places []place, set *Set) error {
	terms, err := s.Terms(doc)
	if err != nil {
		return err
	}
	if len(terms) > 1 {
		for i, f := range s.Fields {
			if f.Kind == Text || f.Kind == Geo {
				set.Multikey |= 1 << i
			}
		}
	}
	for _, t := range terms {
		set.starts = append(set.starts, len(set.buf))
		written := false
		for i := range places {
			if k := s.Fields[i].Kind; k == Text || k == Geo {
				if !written {
					set.buf = append(set.buf, t...)
					written = true
				}
				continue
			}
			set.buf = s.appendPlace(set.buf, i, places[i].v)
		}
	}
	return nil
}

// AppendHash appends the key of v in a hashed field.
func AppendHash(dst []byte, v bson.RawValue, desc bool, c Collator) []byte {
	h := xxhash.Sum64(AppendValue(nil, v, c))
	n := len(dst)
	dst = binary.BigEndian.AppendUint64(append(dst, byteDate), h)
	if desc {
		Invert(dst[n:])
	}
	return dst
}

// ValuesOf gives the values of the fields that made a key of doc; a missing one is the zero value.
func (s *Spec) ValuesOf(doc bson.Raw, key []byte) []bson.RawValue {
	out := make([]bson.RawValue, len(s.Fields))
	places := make([]place, len(s.Fields))
	for i, f := range s.Fields {
		places[i] = place{v: bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: doc}, rest: f.Parts}
	}
	s.search(places, key, out)
	return out
}

// search walks as expand does and stops at the values whose key is key.
func (s *Spec) search(places []place, key []byte, out []bson.RawValue) bool {
	array := -1
	for i := range places {
		if !places[i].done && s.walk(&places[i], s.Fields[i].Path) != nil {
			return true
		}
		if !places[i].done && array < 0 {
			array = i
		}
	}
	if array < 0 {
		var b []byte
		for i := range places {
			out[i] = places[i].v
			b = s.appendPlace(b, i, places[i].v)
		}
		return bytes.Equal(b, key)
	}
	first := &places[array].v.Value[0]
	rem := elements(places[array].v.Value)
	next := make([]place, len(places))
	for empty := len(rem) == 0; empty || len(rem) > 0; {
		v := bson.RawValue{Type: bson.TypeUndefined}
		if !empty {
			e, rest, ok := bsoncore.ReadElement(rem)
			if !ok {
				break
			}
			rem = rest
			cv := e.Value()
			v = bson.RawValue{Type: bson.Type(cv.Type), Value: cv.Data}
		}
		copy(next, places)
		for i := range next {
			if next[i].done || &next[i].v.Value[0] != first {
				continue
			}
			next[i].v = v
			if len(next[i].rest) == 0 {
				next[i].done = true
			} else if v.Type != bson.TypeEmbeddedDocument {
				next[i].v, next[i].done = bson.RawValue{}, true
			}
		}
		if s.search(next, key, out) {
			return true
		}
		if empty {
			break
		}
	}
	return false
}
