package text

import (
	"math"
	"slices"
	"testing"

	"regent/docdb/internal/cases"
	"regent/docdb/internal/mongoerr"
)

// TestCases runs testdata/cases.txt. What a search takes must share a token with it.
func TestCases(t *testing.T) {
	var x *Index
	var s *Search
	var failure error
	cases.Run(t, "testdata/cases.txt", func(l *cases.Line) {
		switch l.Verb {
		case "index":
			l.About = l.Arg
			x, failure = ParseIndex(l.Doc())
			l.Succeeded(failure)
		case "search":
			l.About = l.Arg
			s, failure = x.Compile(l.Doc())
		case "error":
			l.WantError(failure)
		case "yes", "no", "score":
			l.Succeeded(failure)
			want := 0.0
			if l.Verb == "score" {
				want = l.Number()
			}
			d := l.Doc()
			score, ok, err := s.Score(d)
			if err != nil || ok != (l.Verb != "no") {
				l.Wrong("%s gives %t, %v", l.Arg, ok, err)
			}
			if l.Verb == "score" && math.Abs(score-want) > 1e-9 {
				l.Wrong("%s scores %v, want %v", l.Arg, score, want)
			}
			if ok {
				tokens, err := x.Tokens(d)
				shared := slices.ContainsFunc(s.Tokens(), func(a []byte) bool {
					return slices.ContainsFunc(tokens, func(b []byte) bool { return string(a) == string(b) })
				})
				if err != nil || !shared {
					l.Wrong("%s has none of the tokens searched for (%v)", l.Arg, err)
				}
			}
		default:
			l.Unknown()
		}
	})
}

func TestUnsupportedLanguages(t *testing.T) {
	if _, err := ParseIndex(cases.Doc(t, `{"key": {"a": "text"}, "default_language": "klingon"}`)); mongoerr.CodeOf(err) != mongoerr.CannotCreateIndex {
		t.Error(err)
	}
	x, err := ParseIndex(cases.Doc(t, `{"key": {"a": "text"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.Tokens(cases.Doc(t, `{"a": "x", "language": "klingon"}`)); mongoerr.CodeOf(err) != 17262 {
		t.Error(err)
	}
}
