package regex

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"regent/docdb/internal/cases"
	"regent/docdb/internal/mongoerr"
)

// TestCases runs testdata/cases.txt.
func TestCases(t *testing.T) {
	var re *Regexp
	var failure error
	cases.Run(t, "testdata/cases.txt", func(l *cases.Line) {
		switch l.Verb {
		case "pattern":
			i := strings.LastIndexByte(l.Arg, '/')
			l.About = l.Arg
			re, failure = Compile(l.Arg[1:i], l.Arg[i+1:])
			return
		case "error":
			l.WantError(failure)
			return
		}
		l.Succeeded(failure)
		var s string
		dec := json.NewDecoder(strings.NewReader(l.Arg))
		if err := dec.Decode(&s); err != nil {
			l.Fatalf("%s: %v", l.Place(), err)
		}
		switch l.Verb {
		case "yes", "no":
			if ok, err := re.MatchString(s); err != nil || ok != (l.Verb == "yes") {
				l.Wrong("%q gives %t, %v", s, ok, err)
			}
			if loc, err := re.Find(s, 0); err != nil || (loc != nil) != (l.Verb == "yes") {
				l.Wrong("finds %v in %q, %v", loc, s, err)
			}
		case "prefix":
			if re.Prefix() != s {
				l.Wrong("the prefix is %q, want %q", re.Prefix(), s)
			}
		case "find":
			loc, err := re.Find(s, 0)
			if got := strings.Trim(fmt.Sprint(loc), "[]"); err != nil || got != strings.TrimSpace(l.Arg[dec.InputOffset():]) {
				l.Wrong("finds %s in %q, %v", got, s, err)
			}
		default:
			l.Unknown()
		}
	})
}

// TestPrefixIsOfEveryMatch: an index scan over the prefix must not lose a match.
func TestPrefixIsOfEveryMatch(t *testing.T) {
	pattern := rapid.StringMatching(`\^?[ab.|*?+(){\[\]\\Q$x]{0,6}`)
	subject := rapid.StringMatching(`[abx.Q]{0,5}`)
	rapid.Check(t, func(t *rapid.T) {
		re, err := Compile(pattern.Draw(t, "pattern"), rapid.SampledFrom([]string{"", "i", "m", "x", "s"}).Draw(t, "options"))
		if err != nil {
			return
		}
		s := subject.Draw(t, "subject")
		if ok, err := re.MatchString(s); ok && err == nil && !strings.HasPrefix(s, re.Prefix()) {
			t.Fatalf("%s matches %q, which does not begin with %q", re, s, re.Prefix())
		}
	})
}

// TestEnginesAgree compares the two engines on patterns that both know.
func TestEnginesAgree(t *testing.T) {
	pattern := rapid.StringMatching(`\^?([ab.]|\[ab\]|a\*|b\?|\(a\|b\)|\\b|\\w){1,5}\$?`)
	subject := rapid.StringMatching(`[ab c\n]{0,6}`)
	rapid.Check(t, func(t *rapid.T) {
		re, err := Compile(pattern.Draw(t, "pattern"), rapid.SampledFrom([]string{"", "i", "m", "s"}).Draw(t, "options"))
		if err != nil || re.fast == nil {
			return
		}
		if err := re.backtracker(); err != nil {
			t.Fatal(err)
		}
		s := subject.Draw(t, "subject")
		fast, _ := re.MatchString(s)
		slow, err := re.slow.MatchString(s)
		if err != nil || fast != slow {
			t.Fatalf("%s on %q: %t and %t, %v", re, s, fast, slow, err)
		}
	})
}

func TestHostilePatternsEnd(t *testing.T) {
	start := time.Now()
	for _, p := range []string{
		strings.Repeat("(", 15000) + strings.Repeat(")", 15000),
		strings.Repeat("(a", 5000) + "(?=x)" + strings.Repeat(")*", 5000),
		strings.Repeat("(a{1,1000}", 50) + strings.Repeat("){1,1000}", 50) + "(?=b)",
		strings.Repeat("a?", 5000) + strings.Repeat("a", 5000),
		strings.Repeat("[", 30000),
		strings.Repeat("a", MaxPattern+1),
	} {
		re, err := Compile(p, "")
		if err != nil {
			continue
		}
		re.MatchString(strings.Repeat("a", 1000))
	}
	re, err := Compile(`^(a+)+(?=b)$`, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := re.MatchString(strings.Repeat("a", 60)); mongoerr.CodeOf(err) != 51156 {
		t.Errorf("a catastrophic match: %v", err)
	}
	if _, err := re.MatchString(strings.Repeat("a", MaxBacktrackInput+1)); mongoerr.CodeOf(err) != 51156 {
		t.Errorf("a long subject: %v", err)
	}
	if d := time.Since(start); d > 15*time.Second {
		t.Errorf("took %s", d)
	}
}

// TestFindAll compares all matches with one search after the other, by whichever engine.
func TestFindAll(t *testing.T) {
	for _, p := range []string{`a|$`, `\b`, `(?=a)`, `a*`, `a+`, ``, `^`, `a|`, `(x)?`, `[ab]{0,2}`, `(?i)A?`, `.`, `(?:a|b)+`, `\Bé?`} {
		re, err := Compile(p, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"", "a", "baéa", "aab aé", "éé"} {
			var want [][]int
			for at := 0; at < len(text) || at == 0; {
				m, err := re.Find(text, at)
				if err != nil {
					t.Fatal(err)
				}
				if m == nil {
					break
				}
				want = append(want, m)
				if at = m[1]; m[0] == m[1] {
					_, n := utf8.DecodeRuneInString(text[at:])
					at += max(n, 1)
				}
			}
			got, err := re.FindAll(text, 100)
			if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%q in %q: %v, %v; one by one %v", p, text, got, err, want)
			}
		}
	}
}

// TestFindAllEnds: all matches of a long text are found in one go, or the time is up; it does not take the text for each of them.
func TestFindAllEnds(t *testing.T) {
	text := strings.Repeat("a", MaxBacktrackInput)
	for pattern, want := range map[string]int{"(?=.)": len(text), "a*": 1, "": len(text), "a": len(text), `\b`: 2} {
		re, err := Compile(pattern, "")
		if err != nil {
			t.Fatal(err)
		}
		all, err := re.FindAll(text, len(text)+1)
		if e := mongoerr.As(err); e != nil && e.Code == 51156 {
			continue
		}
		if err != nil || len(all) != want {
			t.Errorf("%s: %d matches, %v; want %d", pattern, len(all), err, want)
		}
	}
}
