package text

import (
	"strings"

	"github.com/blevesearch/snowballstem"
	"github.com/blevesearch/snowballstem/danish"
	"github.com/blevesearch/snowballstem/dutch"
	"github.com/blevesearch/snowballstem/english"
	"github.com/blevesearch/snowballstem/finnish"
	"github.com/blevesearch/snowballstem/french"
	"github.com/blevesearch/snowballstem/german"
	"github.com/blevesearch/snowballstem/hungarian"
	"github.com/blevesearch/snowballstem/italian"
	"github.com/blevesearch/snowballstem/norwegian"
	"github.com/blevesearch/snowballstem/portuguese"
	"github.com/blevesearch/snowballstem/romanian"
	"github.com/blevesearch/snowballstem/russian"
	"github.com/blevesearch/snowballstem/spanish"
	"github.com/blevesearch/snowballstem/swedish"
	"github.com/blevesearch/snowballstem/turkish"

	"regent/docdb/internal/mongoerr"
)

// Language is how the words of a text are cut to their stems. "none" leaves them as they are.
type Language struct {
	name string
	stem func(*snowballstem.Env) bool
	stop map[string]bool
	// apostrophe: ' belongs to words.
	apostrophe bool
}

// Name returns the language's name.
func (l *Language) Name() string { return l.name }

type languageInfo struct {
	name, code string
	stem       func(*snowballstem.Env) bool
}

// languages are those that MongoDB's text indexes know.
var languages = []languageInfo{
	{"none", "none", nil},
	{"danish", "da", danish.Stem},
	{"dutch", "nl", dutch.Stem},
	{"english", "en", english.Stem},
	{"finnish", "fi", finnish.Stem},
	{"french", "fr", french.Stem},
	{"german", "de", german.Stem},
	{"hungarian", "hu", hungarian.Stem},
	{"italian", "it", italian.Stem},
	{"norwegian", "nb", norwegian.Stem},
	{"portuguese", "pt", portuguese.Stem},
	{"romanian", "ro", romanian.Stem},
	{"russian", "ru", russian.Stem},
	{"spanish", "es", spanish.Stem},
	{"swedish", "sv", swedish.Stem},
	{"turkish", "tr", turkish.Stem},
}

// FindLanguage returns a language by its name or two-letter code.
func FindLanguage(name string) (*Language, error) {
	lower := strings.ToLower(name)
	for _, l := range languages {
		if lower == l.name || lower == l.code {
			return &Language{name: l.name, stem: l.stem, stop: stopWords(l.name), apostrophe: l.name == "english"}, nil
		}
	}
	return nil, mongoerr.New(mongoerr.BadValue, "unsupported language: \"%s\" for text index version 3", name)
}

// maxStemmed is the longest word in bytes that is cut to its stem.
const maxStemmed = 128

// stemmed returns the stem of a word in small letters.
func (l *Language) stemmed(word string) string {
	if l.stem == nil || len(word) > maxStemmed {
		return word
	}
	env := snowballstem.NewEnv(word)
	l.stem(env)
	return env.Current()
}

// stopWords returns the words that a language's texts are full of, which are not searched for. Only English has them here: in the
// other languages such words are indexed like all others.
func stopWords(language string) map[string]bool {
	if language != "english" {
		return nil
	}
	words := strings.Fields(`a about above after again against all am an and any are aren't as at be because been before being below
		between both but by can't cannot could couldn't did didn't do does doesn't doing don't down during each few for from further had
		hadn't has hasn't have haven't having he he'd he'll he's her here here's hers herself him himself his how how's i i'd i'll i'm
		i've if in into is isn't it it's its itself let's me more most mustn't my myself no nor not of off on once only or other ought
		our ours ourselves out over own same shan't she she'd she'll she's should shouldn't so some such than that that's the their
		theirs them themselves then there there's these they they'd they'll they're they've this those through to too under until up
		very was wasn't we we'd we'll we're we've were weren't what what's when when's where where's which while who who's whom why
		why's with won't would wouldn't you you'd you'll you're you've your yours yourself yourselves`)
	m := make(map[string]bool, len(words))
	for _, w := range words {
		m[w] = true
	}
	return m
}
