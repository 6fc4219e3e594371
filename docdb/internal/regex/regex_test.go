package regex

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

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

func TestFindAll(t *testing.T) {
	for _, p := range []string{`a|$`, `\b`, `(?=a)`, `a*`} {
		re, err := Compile(p, "")
		if err != nil {
			t.Fatal(err)
		}
		all, err := re.FindAll("baéa", 100)
		if err != nil || len(all) == 0 || len(all) > 6 {
			t.Errorf("%s: %v, %v", p, all, err)
		}
	}
}
