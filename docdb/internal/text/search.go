package text

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// MaxSearch is the longest $search in bytes.
const MaxSearch = 64 << 10

// Search is a compiled $text. It is safe for concurrent use and satisfies match.TextSearch.
type Search struct {
	index    *Index
	language *Language
	how      fold
	// terms are looked up in the index, folded as the index is.
	terms []string
	// exact are the terms as the query's sensitivities tell them apart; terms if it has none.
	exact    []string
	negated  []string
	phrases  []string
	excluded []string // negated phrases
}

// Compile compiles the argument of $text for an index.
func (x *Index) Compile(args bson.Raw) (*Search, error) {
	s := &Search{index: x, language: x.language}
	var query string
	found := false
	it := value.Over(args)
	for it.Next() {
		v := it.Value()
		switch it.Key() {
		case "$search":
			q, isText := value.Text(v)
			if !isText || v.Type != bson.TypeString {
				return nil, wrongType("$search", v, "string")
			}
			query, found = q, true
		case "$language":
			name, isText := value.Text(v)
			if !isText {
				return nil, wrongType("$language", v, "string")
			}
			l, err := FindLanguage(name)
			if err != nil {
				return nil, err
			}
			s.language = l
		case "$caseSensitive", "$diacriticSensitive":
			b, isBool := value.Bool(v)
			if !isBool {
				return nil, wrongType(it.Key(), v, "bool")
			}
			if it.Key() == "$caseSensitive" {
				s.how.caseSensitive = b
			} else {
				s.how.diacriticSensitive = b
			}
		default:
			return nil, mongoerr.New(mongoerr.BadValue, "extra fields in $text")
		}
	}
	if !found {
		return nil, mongoerr.New(mongoerr.MissingArgument, "Missing required field $search")
	}
	if len(query) > MaxSearch {
		return nil, mongoerr.New(mongoerr.BadValue, "$search is longer than %d bytes", MaxSearch)
	}
	s.parse(query)
	return s, nil
}

func wrongType(name string, v bson.RawValue, want string) error {
	return mongoerr.New(mongoerr.TypeMismatch, "%s had the wrong type. Expected %s, found %s", name, want, value.TypeName(v.Type))
}

// parse splits a search into words, "phrases" and what is -negated. A hyphen negates at the start of a word only.
func (s *Search) parse(query string) {
	for i := 0; i < len(query); {
		c := query[i]
		if c == ' ' || c == '\t' || c == '\n' || c == '\r' {
			i++
			continue
		}
		neg := c == '-'
		if neg {
			i++
			if i == len(query) {
				break
			}
		}
		if query[i] == '"' {
			end := strings.IndexByte(query[i+1:], '"')
			if end < 0 { // no second quotation mark: words
				query = query[:i] + " " + query[i+1:]
				continue
			}
			s.phrase(query[i+1:i+1+end], neg)
			i += end + 2
			continue
		}
		end := strings.IndexAny(query[i:], " \t\n\r\"")
		if end < 0 {
			end = len(query) - i
		}
		s.words(query[i:i+end], neg)
		i += end
	}
	for _, list := range []*[]string{&s.terms, &s.exact, &s.negated} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
}

func (s *Search) phrase(p string, neg bool) {
	if strings.TrimSpace(p) == "" {
		return
	}
	if neg {
		s.excluded = append(s.excluded, s.how.plain(p))
		return
	}
	s.phrases = append(s.phrases, s.how.plain(p))
	s.words(p, false)
}

func (s *Search) words(w string, neg bool) {
	if neg {
		s.language.terms(w, s.how, func(t string) { s.negated = append(s.negated, t) })
		return
	}
	s.language.terms(w, fold{}, func(t string) { s.terms = append(s.terms, t) })
	s.language.terms(w, s.how, func(t string) { s.exact = append(s.exact, t) })
}

// Tokens returns the index tokens of which every result has at least one. None means that nothing matches.
func (s *Search) Tokens() [][]byte {
	out := make([][]byte, 0, len(s.terms))
	for _, t := range s.terms {
		out = append(out, Token(t))
	}
	return out
}

// Matches reports whether a document has a term of the search, all of its phrases, and nothing that it negates.
func (s *Search) Matches(doc bson.Raw) (bool, error) {
	_, ok, err := s.Score(doc)
	return ok, err
}

// Score returns how well a document matches: {$meta: "textScore"}. ok is false when it does not.
func (s *Search) Score(doc bson.Raw) (score float64, ok bool, err error) {
	if len(s.terms) == 0 {
		return 0, false, nil
	}
	scores, err := s.index.Scores(doc)
	if err != nil {
		return 0, false, err
	}
	for _, t := range s.terms {
		score += scores[t]
	}
	if score == 0 {
		return 0, false, nil
	}
	exact := scores
	if s.how != (fold{}) {
		if exact, err = s.index.scores(doc, s.how); err != nil {
			return 0, false, err
		}
		if !slices.ContainsFunc(s.exact, func(t string) bool { return exact[t] > 0 }) {
			return 0, false, nil
		}
	}
	for _, t := range s.negated {
		if exact[t] > 0 {
			return 0, false, nil
		}
	}
	for _, p := range s.phrases {
		if has, err := s.hasPhrase(doc, p); err != nil || !has {
			return 0, false, err
		}
	}
	for _, p := range s.excluded {
		if has, err := s.hasPhrase(doc, p); err != nil || has {
			return 0, false, err
		}
	}
	return score, true, nil
}

func (s *Search) hasPhrase(doc bson.Raw, phrase string) (bool, error) {
	found := false
	err := s.index.eachText(doc, func(t string, _ *Language, _ float64) {
		found = found || strings.Contains(s.how.plain(t), phrase)
	})
	return found, err
}
