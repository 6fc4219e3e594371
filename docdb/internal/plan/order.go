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
// one value each in all that is scanned, so that they may stand anywhere in the order, and the next ones decide.
func order(sort []SortField, fields []keys.Field, fixed int) (ok, reverse bool) {
	isFixed := func(path string) bool {
		for _, f := range fields[:fixed] {
			if f.Path == path {
				return true
			}
		}
		return false
	}
	i := fixed
	decided := false
	for _, s := range sort {
		if isFixed(s.Path) {
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
