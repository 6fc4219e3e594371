package update

import (
	"bytes"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/value"
)

// Truncated is an array that a change cut to a new size.
type Truncated struct {
	Field   string
	NewSize int
}

// Diff describes the change from before to after as a change stream's updateDescription does (mongo-engine.md §1.6): the fields
// that are new or have another value, by dotted path; the names of those that are gone; and arrays that only lost their tail. An
// array whose elements changed in place is reported by element. Fields that merely moved are not reported.
func Diff(before, after bson.Raw) (updated bson.Raw, removed []string, truncated []Truncated) {
	d := differ{}
	start, dst := value.Begin(nil)
	d.updated = dst
	d.docs("", before, after)
	return value.End(d.updated, start), d.removed, d.truncated
}

type differ struct {
	updated   []byte
	removed   []string
	truncated []Truncated
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

func (d *differ) docs(prefix string, before, after []byte) {
	if bytes.Equal(before, after) {
		return
	}
	it := value.Over(before)
	for it.Next() {
		if value.Lookup(after, it.Key()).Type == 0 {
			d.removed = append(d.removed, join(prefix, it.Key()))
		}
	}
	it = value.Over(after)
	for it.Next() {
		d.value(join(prefix, it.Key()), value.Lookup(before, it.Key()), it.Value())
	}
}

func (d *differ) value(path string, before, after bson.RawValue) {
	switch {
	case value.Identical(before, after):
	case before.Type == bson.TypeEmbeddedDocument && after.Type == bson.TypeEmbeddedDocument && sharesName(before.Value, after.Value):
		d.docs(path, before.Value, after.Value)
	case before.Type == bson.TypeArray && after.Type == bson.TypeArray && d.arrays(path, before.Value, after.Value):
	default:
		d.updated = value.Append(d.updated, path, after)
	}
}

// sharesName reports whether two documents have a member in common; if not, the change is a replacement of the whole.
func sharesName(a, b []byte) bool {
	it := value.Over(a)
	for it.Next() {
		if value.Lookup(b, it.Key()).Type != 0 {
			return true
		}
	}
	return false
}

// arrays reports a change within an array, unless most of it changed.
func (d *differ) arrays(path string, before, after []byte) bool {
	old, cur := value.Elements(before), value.Elements(after)
	common := min(len(old), len(cur))
	var changed []int
	for i := range common {
		if !value.Identical(old[i], cur[i]) {
			changed = append(changed, i)
		}
	}
	if common == 0 || 2*(len(changed)+len(cur)-common) > len(cur)+1 {
		return false
	}
	if len(old) > len(cur) {
		d.truncated = append(d.truncated, Truncated{path, len(cur)})
	}
	for _, i := range changed {
		d.value(join(path, strconv.Itoa(i)), old[i], cur[i])
	}
	for i := common; i < len(cur); i++ {
		d.updated = value.Append(d.updated, join(path, strconv.Itoa(i)), cur[i])
	}
	return true
}

// Larger reports whether a diff takes more bytes than the document itself, in which case a pipeline update is reported as a
// replacement.
func Larger(updated bson.Raw, removed []string, after bson.Raw) bool {
	n := len(updated)
	for _, r := range removed {
		n += len(r) + 2
	}
	return n > len(after)
}
