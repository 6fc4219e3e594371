package plan

import (
	"regent/docdb/internal/keys"
)

// SortField is a field to sort by.
type SortField struct {
	Path string
	Desc bool
}

// order reports whether a scan of the index gives the wanted order, from its start or from its end. The first fixed fields hold
// one value each; when there are several prefixes, only those fields are in order.
func order(sort []SortField, fields []keys.Field, fixed, prefixes int) (ok, reverse bool) {
	isFixed := func(path string) bool {
		for _, f := range fields[:fixed] {
			if f.Path == path {
				return true
			}
		}
		return false
	}
	if prefixes > 1 {
		// $in on a field before: the scan is in the index's order all the same, if the sort begins with the index's own fields.
		fixed = 0
	}
	i := fixed
	decided := false
	for _, s := range sort {
		if prefixes <= 1 && isFixed(s.Path) {
			continue
		}
		if i >= len(fields) || fields[i].Path != s.Path || fields[i].Kind != keys.Plain {
			return false, false
		}
		rev := fields[i].Desc != s.Desc
		if decided && rev != reverse {
			return false, false
		}
		decided, reverse = true, rev
		i++
	}
	return true, reverse
}
