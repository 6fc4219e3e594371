package update

import (
	"bytes"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/value"
)

// Change is what an update did to a document, as a change stream's updateDescription says it (mongo-engine.md §1.6).
type Change struct {
	// Updated has the fields that are new or have another value, by dotted path.
	Updated bson.Raw
	// Removed are the paths of the fields that are gone.
	Removed []string
	// Truncated are the arrays that only lost their tail.
	Truncated []Truncated
	// Disambiguated has, for each path that may be read in two ways, its parts: names as strings, positions in arrays as numbers.
	Disambiguated []Disambiguated
}

// Truncated is an array that a change cut to a new size.
type Truncated struct {
	Field   string
	NewSize int
}

// Disambiguated is a path with a name that has a dot or looks like a position.
type Disambiguated struct {
	Path  string
	Parts []bson.RawValue
}

// Diff finds the change from before to after. An array whose elements changed in place is reported by element. Fields that merely
// moved are not reported.
func Diff(before, after bson.Raw) Change {
	var d differ
	d.path = d.room[:0]
	start, dst := value.Begin(nil)
	d.change.Updated = dst
	d.docs(before, after)
	d.change.Updated = value.End(d.change.Updated, start)
	return d.change
}

// differ walks two documents side by side; path is where it is.
type differ struct {
	change Change
	path   []part
	room   [8]part
}

// part is a name, or a position in an array.
type part struct {
	name     string
	position int
	array    bool
}

// here is the dotted path, which is noted if it may be read in two ways.
func (d *differ) here() string {
	ambiguous := false
	for _, p := range d.path {
		ambiguous = ambiguous || !p.array && (strings.Contains(p.name, ".") || numeric(p.name))
	}
	if len(d.path) == 1 && !ambiguous {
		return d.path[0].text()
	}
	names := make([]string, len(d.path))
	for i, p := range d.path {
		names[i] = p.text()
	}
	path := strings.Join(names, ".")
	if ambiguous {
		parts := make([]bson.RawValue, len(d.path))
		for i, p := range d.path {
			if parts[i] = value.String(p.name); p.array {
				parts[i] = value.Int32(int32(p.position))
			}
		}
		d.change.Disambiguated = append(d.change.Disambiguated, Disambiguated{path, parts})
	}
	return path
}

func (p *part) text() string {
	if p.array {
		return strconv.Itoa(p.position)
	}
	return p.name
}

func numeric(name string) bool {
	for i := range len(name) {
		if name[i] < '0' || name[i] > '9' {
			return false
		}
	}
	return name != ""
}

func (d *differ) enter(p part) { d.path = append(d.path, p) }
func (d *differ) leave()       { d.path = d.path[:len(d.path)-1] }

func (d *differ) docs(before, after []byte) {
	if bytes.Equal(before, after) {
		return
	}
	it := value.Over(before)
	for it.Next() {
		if value.Lookup(after, it.Key()).Type == 0 {
			d.enter(part{name: it.Key()})
			d.change.Removed = append(d.change.Removed, d.here())
			d.leave()
		}
	}
	it = value.Over(after)
	for it.Next() {
		d.enter(part{name: it.Key()})
		d.value(value.Lookup(before, it.Key()), it.Value())
		d.leave()
	}
}

func (d *differ) value(before, after bson.RawValue) {
	switch {
	case value.Identical(before, after):
	case before.Type == bson.TypeEmbeddedDocument && after.Type == bson.TypeEmbeddedDocument && sharesName(before.Value, after.Value):
		d.docs(before.Value, after.Value)
	case before.Type == bson.TypeArray && after.Type == bson.TypeArray && d.arrays(before.Value, after.Value):
	default:
		d.change.Updated = value.Append(d.change.Updated, d.here(), after)
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
func (d *differ) arrays(before, after []byte) bool {
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
		d.change.Truncated = append(d.change.Truncated, Truncated{d.here(), len(cur)})
	}
	for _, i := range changed {
		d.enter(part{position: i, array: true})
		d.value(old[i], cur[i])
		d.leave()
	}
	for i := common; i < len(cur); i++ {
		d.enter(part{position: i, array: true})
		d.change.Updated = value.Append(d.change.Updated, d.here(), cur[i])
		d.leave()
	}
	return true
}
