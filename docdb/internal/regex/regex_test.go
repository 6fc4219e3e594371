package regex

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"regent/docdb/internal/mongoerr"
)

// TestCases runs testdata/cases.txt.
func TestCases(t *testing.T) {
	f, err := os.Open("testdata/cases.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var re *Regexp
	var failure error
	sc := bufio.NewScanner(f)
	for n := 1; sc.Scan(); n++ {
		verb, arg, _ := strings.Cut(strings.TrimSpace(sc.Text()), " ")
		if verb == "" || verb[0] == '#' {
			continue
		}
		switch verb {
		case "pattern":
			i := strings.LastIndexByte(arg, '/')
			re, failure = Compile(arg[1:i], arg[i+1:])
			continue
		case "error":
			if strconv.Itoa(int(mongoerr.CodeOf(failure))) != arg {
				t.Errorf("line %d: %v", n, failure)
			}
			continue
		}
		if failure != nil {
			t.Fatalf("line %d: %v", n, failure)
		}
		var s string
		dec := json.NewDecoder(strings.NewReader(arg))
		if err := dec.Decode(&s); err != nil {
			t.Fatalf("line %d: %v", n, err)
		}
		switch verb {
		case "yes", "no":
			if ok, err := re.MatchString(s); err != nil || ok != (verb == "yes") {
				t.Errorf("line %d: %s on %q gives %t, %v", n, re, s, ok, err)
			}
			if loc, err := re.Find(s, 0); err != nil || (loc != nil) != (verb == "yes") {
				t.Errorf("line %d: %s finds %v in %q, %v", n, re, loc, s, err)
			}
		case "prefix":
			if re.Prefix() != s {
				t.Errorf("line %d: %s has prefix %q, want %q", n, re, re.Prefix(), s)
			}
		case "find":
			loc, err := re.Find(s, 0)
			if got := strings.Trim(fmt.Sprint(loc), "[]"); err != nil || got != strings.TrimSpace(arg[dec.InputOffset():]) {
				t.Errorf("line %d: %s finds %s in %q, %v", n, re, got, s, err)
			}
		default:
			t.Fatalf("line %d: unknown verb %q", n, verb)
		}
	}
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
