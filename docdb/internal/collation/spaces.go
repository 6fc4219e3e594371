package collation

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// spacesOnly reports whether spaces are left out and punctuation is not: {alternate: "shifted", maxVariable: "space"}. The tables of
// golang.org/x/text know one border only, that behind punctuation, so that spaces are taken out of the text instead.
func (c *Collation) spacesOnly() bool { return c.alternate == "shifted" && c.maxVariable == "space" }

// spaces are the white space of the root collation by weight; those that are written otherwise for the same thing weigh the same. What
// is not here weighs as the space does.
var spaces = map[rune]byte{
	'\t': 1, '\n': 2, '\v': 3, '\f': 4, '\r': 5, '\u0085': 6, '\u2028': 7, '\u2029': 8, ' ': 9,
}

// nothing stands in the place of a space: it has no weight, and keeps letters and digits apart that would be one together (Czech ch).
const nothing = 0

// withoutSpaces appends s without its spaces, and without the accents that stand on one (Unicode Technical Standard 10, shifted).
func (c *Collation) withoutSpaces(dst, s []byte, w *weigher) []byte {
	on := false
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		switch {
		case unicode.IsSpace(r):
			on = true
			dst = append(dst, nothing)
		case on && w.mark(r, s[:n]):
		default:
			on = false
			dst = append(dst, s[:n]...)
		}
		s = s[n:]
	}
	return dst
}

// appendSpaces appends the fourth level: the weight of each space, and a greater one for everything else that has a weight.
func (c *Collation) appendSpaces(dst, s []byte, w *weigher) []byte {
	const other = 0xFF
	on := false
	for s = norm.NFD.Bytes(s); len(s) > 0; {
		r, n := utf8.DecodeRune(s)
		switch weight, listed := spaces[r]; {
		case unicode.IsSpace(r):
			on = true
			if !listed {
				weight = spaces[' ']
			}
			dst = append(dst, weight)
		case on && w.mark(r, s[:n]), unicode.In(r, unicode.Cc, unicode.Cf):
		default:
			on = false
			dst = append(dst, other)
		}
		s = s[n:]
	}
	return dst
}

// mark reports whether r has no weight among the letters: an accent, not a vowel sign.
func (w *weigher) mark(r rune, encoded []byte) bool {
	if !unicode.Is(unicode.M, r) {
		return false
	}
	w.buf.Reset()
	return len(w.letters.Key(&w.buf, encoded)) == 0
}
