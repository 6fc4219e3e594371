package plan

import (
	"bytes"
	"slices"

	"regent/docdb/internal/keys"
	"regent/docdb/internal/store"
)

func (r *Request) geoOn(path string) bool {
	for _, g := range r.Geo {
		if g.Path == path {
			return true
		}
	}
	return false
}

// geoScan gives the ranges of a geo field behind each prefix: those of the condition with the fewest.
func (r *Request) geoScan(ix *store.Index, path string, prefixes [][]byte) []Range {
	var best []Range
	for _, g := range r.Geo {
		if g.Path != path {
			continue
		}
		if l := g.Ranges(ix, path); best == nil || len(l) < len(best) {
			best = l
		}
	}
	out := []Range{}
	for _, pre := range prefixes {
		for _, t := range best {
			out = append(out, Range{append(append([]byte(nil), pre...), t.Low...), append(append([]byte(nil), pre...), t.High...)})
		}
	}
	return out
}

func hasText(s *keys.Spec) bool {
	for _, f := range s.Fields {
		if f.Kind == keys.Text {
			return true
		}
	}
	return false
}

// textScan gives the ranges of the terms behind each prefix.
func (r *Request) textScan(prefixes [][]byte) []Range {
	tokens := slices.Clone(r.Text)
	slices.SortFunc(tokens, bytes.Compare)
	tokens = slices.CompactFunc(tokens, bytes.Equal)
	out := []Range{}
	for _, pre := range prefixes {
		for _, t := range tokens {
			lo := append(append([]byte(nil), pre...), t...)
			out = append(out, Range{lo, append(append([]byte(nil), lo...), 0xFF)})
		}
	}
	return out
}
