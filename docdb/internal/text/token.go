// Package text holds full-text search: words and their stems, the terms and scores of a document in a text index, and $text
// (mongo-engine.md §2.1, §2.7).
package text

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// fold says which differences between letters count.
type fold struct {
	caseSensitive, diacriticSensitive bool
}

// plain removes what does not count.
func (f fold) plain(s string) string {
	if !f.caseSensitive {
		s = strings.ToLower(s)
	}
	if !f.diacriticSensitive {
		s = stripMarks(s)
	}
	return s
}

func stripMarks(s string) string {
	ascii := true
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			ascii = false
			break
		}
	}
	if ascii {
		return s
	}
	return norm.NFC.String(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFD.String(s)))
}

// inWord reports whether a character belongs to a word.
func (l *Language) inWord(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) || unicode.IsNumber(r) || r == '_' || r == '\'' && l.apostrophe
}

// words calls f with each word of a text as it is written.
func (l *Language) words(s string, f func(word string)) {
	start := -1
	for i, r := range s {
		if l.inWord(r) {
			if start < 0 {
				start = i
			}
		} else if start >= 0 {
			f(s[start:i])
			start = -1
		}
	}
	if start >= 0 {
		f(s[start:])
	}
}

// terms calls f with the term of each word of a text that is no stop word.
func (l *Language) terms(s string, how fold, f func(term string)) {
	l.words(s, func(w string) {
		w = strings.Trim(w, "'")
		if w == "" {
			return
		}
		lower := strings.ToLower(w)
		if l.stop[lower] {
			return
		}
		if !how.caseSensitive {
			w = lower
		}
		f(fold{caseSensitive: true, diacriticSensitive: how.diacriticSensitive}.plain(l.stemmed(w)))
	})
}
