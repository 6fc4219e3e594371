package plan

import (
	"fmt"
	"slices"

	"regent/docdb/internal/keys"
)

// Bound is a field of an index, or a path of a wildcard index, with the intervals that are scanned.
type Bound struct {
	Path     string
	ivs      []interval // nil for all values
	desc     bool
	collated bool   // texts are keys of a collation
	text     string // what stands for the intervals of a place
}

// maxShown bounds the intervals that a description lists.
const maxShown = 20

// Described are the bounds of every field, those too that the scan does not narrow down; nil where they are not known field by field.
func (p *Plan) Described() []Bound {
	fields := p.Index.Keys.Fields
	at := p.Index.Keys.WildcardAt()
	out := slices.Clone(p.Bounds)
	if len(out) == 0 || at >= 0 && len(out) <= at {
		return out
	}
	if at >= 0 {
		fields = fields[1:] // the wildcard has two bounds, its path and the values there
	}
	for _, f := range fields[min(len(out), len(fields)):] {
		out = append(out, Bound{Path: f.Path, desc: f.Desc})
	}
	return out
}

// Intervals describes the intervals as explain shows them, in the order in which they are scanned.
func (b Bound) Intervals(reverse bool) []string {
	desc := b.desc != reverse
	if b.text != "" {
		return []string{b.text}
	}
	list := b.ivs
	if list == nil {
		list = []interval{full}
	}
	out := make([]string, 0, min(len(list), maxShown+1))
	for i := range list {
		iv := list[i]
		if desc {
			iv = list[len(list)-1-i]
		}
		if i == maxShown {
			return append(out, fmt.Sprintf("… %d more", len(list)-maxShown))
		}
		from, to := show(iv.lo, b.collated), show(iv.hi, b.collated)
		excludesFrom, excludesTo := iv.lo.after, !iv.hi.after && !(iv.hi.typ && limits[iv.hi.b[0]].closed)
		if desc {
			from, to, excludesFrom, excludesTo = to, from, excludesTo, excludesFrom
		}
		open, end := "[", "]"
		if excludesFrom {
			open = "("
		}
		if excludesTo {
			end = ")"
		}
		out = append(out, open+from+", "+to+end)
	}
	return out
}

// limit is how explain shows the place before a type byte: by the least value of the type that begins there, or, with closed, by the
// greatest one of the type that ends there.
type limit struct {
	text   string
	closed bool
}

// limits follow keys.TypeRange.
var limits = map[byte]limit{
	0: {"MinKey", false}, 10: {"MinKey", false}, 11: {"MinKey", true},
	15: {"undefined", false}, 16: {"undefined", true}, 20: {"null", false}, 21: {"null", true},
	30: {"nan", false}, 31: {"-inf", false}, 32: {"inf", true},
	60: {`""`, false}, 61: {"{}", false}, 70: {"{}", false}, 71: {"[]", false}, 80: {"[]", false}, 81: {"BinData(0, )", false}, 90: {"BinData(0, )", false},
	91: {"ObjectId('000000000000000000000000')", false}, 100: {"ObjectId('000000000000000000000000')", false}, 101: {"ObjectId('ffffffffffffffffffffffff')", true},
	110: {"false", false}, 112: {"true", true}, 120: {"new Date(-9223372036854775808)", false}, 121: {"new Date(9223372036854775807)", true},
	130: {"Timestamp(0, 0)", false}, 131: {"Timestamp(4294967295, 4294967295)", true}, 140: {"//", false},
	240: {"MaxKey", false}, 241: {"MaxKey", true}, 255: {"MaxKey", true},
}

func show(e endpoint, collated bool) string {
	if !e.typ {
		return keys.Show(e.b, collated)
	}
	if l, ok := limits[e.b[0]]; ok {
		return l.text
	}
	return fmt.Sprintf("type %d", e.b[0])
}
