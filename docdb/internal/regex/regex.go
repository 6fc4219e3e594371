// Package regex runs MongoDB's regular expressions, which are PCRE.
//
// A pattern that Go's regexp package understands with the same meaning runs there: in linear time, on bytes. Anything else
// (look-around, back-references, atomic groups, …) runs on a backtracking engine under a time limit. What neither knows, such as
// possessive quantifiers, is refused
// with code 51091 (mongo-engine.md §2.1).
package regex

import (
	"bytes"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/dlclark/regexp2"

	"regent/docdb/internal/mongoerr"
)

// Bounds of regular expressions.
const (
	// MaxPattern is the longest pattern in bytes; a longer one is refused with code 51091.
	MaxPattern = 32764
	// MatchTimeout ends a backtracking match; the operation fails with code 51156.
	MatchTimeout = time.Second
	// MaxBacktrackInput is the longest text in bytes that the backtracking engine is given; a longer one fails with code 51156.
	MaxBacktrackInput = 1 << 20
)

// codeMatchFailed is the code of a match that cannot be carried out.
const codeMatchFailed mongoerr.Code = 51156

// Regexp is a compiled regular expression. It is safe for concurrent use.
type Regexp struct {
	pattern, options string

	literal []byte // the whole pattern is this text …
	atStart bool   // … at the start of the subject (literal is set)

	fast *regexp.Regexp // nil when only the backtracking engine will do
	// position is set when fast finds the same texts as PCRE would, not only the same yes or no.
	position bool

	once    sync.Once
	slow    *regexp2.Regexp
	slowErr error
	slowSrc string
	slowOpt regexp2.RegexOptions
	prefix  string
}

// Compile compiles a pattern with options out of i, m, s, x and u (ignored: all patterns are UTF-8).
func Compile(pattern, options string) (*Regexp, error) {
	if len(pattern) > MaxPattern {
		return nil, mongoerr.New(mongoerr.InvalidRegex, "Regular expression is invalid: pattern of %d bytes is longer than %d", len(pattern), MaxPattern)
	}
	var flags string
	var extended, multiline, fold bool
	opt := regexp2.RegexOptions(regexp2.RE2)
	for _, o := range options {
		switch o {
		case 'i':
			fold = true
			opt |= regexp2.IgnoreCase
		case 'm':
			multiline = true
			opt |= regexp2.Multiline
		case 's':
			opt |= regexp2.Singleline
		case 'x':
			extended = true
			continue
		case 'u':
			continue
		default:
			return nil, mongoerr.New(mongoerr.RegexBadOptions, "invalid flag in regex options: %c", o)
		}
		if !strings.ContainsRune(flags, o) {
			flags += string(o)
		}
	}
	if strings.IndexByte(pattern, 0) >= 0 {
		return nil, mongoerr.New(mongoerr.BadValue, "Regular expression cannot contain an embedded null byte")
	}
	if !utf8.ValidString(pattern) {
		return nil, mongoerr.New(mongoerr.InvalidRegex, "Regular expression is invalid: UTF-8 error")
	}
	// The copies are ours: the arguments may share a message's memory.
	r := &Regexp{pattern: strings.Clone(pattern), options: strings.Clone(options), slowOpt: opt}
	t := translate(r.pattern, extended, multiline)
	r.slowSrc = t.backtracking
	if !fold && !multiline {
		r.prefix = t.prefix
		if t.literal {
			r.literal, r.atStart = []byte(t.prefix), t.anchored
			if !t.anchored {
				r.literal, r.prefix = []byte(t.text), ""
			}
		}
	}
	if !t.backtrackOnly {
		src := t.linear
		if flags != "" {
			src = "(?" + flags + ")" + src
		}
		if re, err := regexp.Compile(src); err == nil {
			r.fast, r.position = re, !t.dollar
			return r, nil
		}
	}
	if err := r.backtracker(); err != nil {
		return nil, err
	}
	return r, nil
}

// backtracker compiles the pattern for the backtracking engine, once.
func (r *Regexp) backtracker() error {
	r.once.Do(func() {
		re, err := regexp2.Compile(r.slowSrc, r.slowOpt)
		if err != nil {
			r.slowErr = mongoerr.New(mongoerr.InvalidRegex, "Regular expression is invalid: %s", reason(err))
			return
		}
		re.MatchTimeout = MatchTimeout
		r.slow = re
	})
	return r.slowErr
}

func reason(err error) string {
	s := err.Error()
	if i := strings.Index(s, ": "); i >= 0 && strings.HasPrefix(s, "error parsing regexp") {
		s = s[i+2:]
	}
	return s
}

// String returns the pattern between slashes with its options.
func (r *Regexp) String() string { return "/" + r.pattern + "/" + r.options }

// Pattern and Options return what the expression was compiled from.
func (r *Regexp) Pattern() string { return r.pattern }

// Options returns the options that the expression was compiled with.
func (r *Regexp) Options() string { return r.options }

// Linear reports whether the expression runs in time linear in its subject.
func (r *Regexp) Linear() bool { return r.fast != nil }

// Prefix returns the text that every match begins with at the start of the subject, for index bounds. It is empty when there is
// none, and always for case-insensitive and multi-line expressions.
func (r *Regexp) Prefix() string { return r.prefix }

// Match reports whether the expression matches anywhere in b.
func (r *Regexp) Match(b []byte) (bool, error) {
	switch {
	case r.literal != nil && r.atStart:
		return bytes.HasPrefix(b, r.literal), nil
	case r.literal != nil:
		return bytes.Contains(b, r.literal), nil
	case r.fast != nil:
		return r.fast.Match(b), nil
	}
	if len(b) > MaxBacktrackInput {
		return false, mongoerr.New(codeMatchFailed, "Error occurred while executing the regular expression %s: a subject of %d bytes is longer than %d, the limit for expressions with look-around or back-references", r, len(b), MaxBacktrackInput)
	}
	ok, err := r.slow.MatchString(unsafe.String(unsafe.SliceData(b), len(b)))
	if err != nil {
		return false, r.timeout()
	}
	return ok, nil
}

// MatchString is Match for a string.
func (r *Regexp) MatchString(s string) (bool, error) {
	return r.Match(unsafe.Slice(unsafe.StringData(s), len(s)))
}

func (r *Regexp) timeout() error {
	return mongoerr.New(codeMatchFailed, "Error occurred while executing the regular expression %s: it took longer than %s", r, MatchTimeout)
}

// Find returns the first match at or after byte start of s: pairs of byte offsets for the match and each of its groups, -1 for a
// group that took no part; nil when there is none.
func (r *Regexp) Find(s string, start int) ([]int, error) {
	if start > len(s) {
		return nil, nil
	}
	if r.fast != nil && r.position && start == 0 {
		return r.fast.FindStringSubmatchIndex(s), nil
	}
	// A search that goes on behind the start must still see what is before it (\b, ^), which Go's package does not offer.
	if err := r.backtracker(); err != nil {
		return nil, err
	}
	if len(s) > MaxBacktrackInput {
		return nil, mongoerr.New(codeMatchFailed, "Error occurred while executing the regular expression %s: the subject is longer than %d bytes", r, MaxBacktrackInput)
	}
	m, err := r.slow.FindStringMatchStartingAt(s, start)
	if err != nil {
		return nil, r.timeout()
	}
	if m == nil {
		return nil, nil
	}
	return byteOffsets(runeOffsets(s), m), nil
}

// FindAll returns all matches that do not overlap, at most limit of them, as MongoDB's $regexFindAll finds them: each search begins where
// the last match ended, a character further on if that was empty; and none begins at the end of s but the first.
func (r *Regexp) FindAll(s string, limit int) ([][]int, error) {
	if r.fast == nil || !r.position {
		return r.backtrackAll(s, limit)
	}
	empty, before := r.shape()
	switch {
	case !empty:
		return r.fast.FindAllStringSubmatchIndex(s, limit), nil
	case before:
		return r.backtrackAll(s, limit)
	}
	var out [][]int
	for at := 0; (at < len(s) || at == 0) && len(out) < limit; {
		m := r.fast.FindStringSubmatchIndex(s[at:])
		if m == nil {
			break
		}
		for i := range m {
			if m[i] >= 0 {
				m[i] += at
			}
		}
		out = append(out, m)
		at = max(m[1], 1)
		if m[0] == m[1] {
			_, n := utf8.DecodeRuneInString(s[m[1]:])
			at = m[1] + max(n, 1)
		}
	}
	return out, nil
}

// shape says whether the linear expression may match an empty text, and whether it looks at what is before a match.
func (r *Regexp) shape() (empty, before bool) {
	re, err := syntax.Parse(r.fast.String(), syntax.Perl)
	if err != nil {
		return true, true
	}
	return least(re) == 0, looksBack(re)
}

// least is a lower bound of the length of a match, 0 or 1.
func least(re *syntax.Regexp) int {
	switch re.Op {
	case syntax.OpLiteral, syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return 1
	case syntax.OpCapture, syntax.OpPlus:
		return least(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return least(re.Sub[0])
		}
	case syntax.OpConcat:
		return slices.Max(lengths(re.Sub))
	case syntax.OpAlternate:
		return slices.Min(lengths(re.Sub))
	}
	return 0
}

func lengths(list []*syntax.Regexp) []int {
	out := make([]int, 0, len(list))
	for _, re := range list {
		out = append(out, least(re))
	}
	return out
}

func looksBack(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpBeginLine, syntax.OpBeginText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return true
	}
	return slices.ContainsFunc(re.Sub, looksBack)
}

// backtrackAll is FindAll by the backtracking engine, all within one time limit.
func (r *Regexp) backtrackAll(s string, limit int) ([][]int, error) {
	if err := r.backtracker(); err != nil {
		return nil, err
	}
	if len(s) > MaxBacktrackInput {
		return nil, mongoerr.New(codeMatchFailed, "Error occurred while executing the regular expression %s: the subject is longer than %d bytes", r, MaxBacktrackInput)
	}
	until := time.Now().Add(MatchTimeout)
	var out [][]int
	offsets := runeOffsets(s)
	last := len(offsets) - 1
	m, err := r.slow.FindStringMatch(s)
	for err == nil && m != nil && len(out) < limit {
		if len(out)&0xff == 0xff && time.Now().After(until) {
			return nil, r.timeout()
		}
		out = append(out, byteOffsets(offsets, m))
		if end := m.Index + m.Length; end >= last || m.Length == 0 && end+1 >= last {
			return out, nil
		}
		m, err = r.slow.FindNextMatch(m)
	}
	if err != nil {
		return nil, r.timeout()
	}
	return out, nil
}

// Groups returns the number of capture groups.
func (r *Regexp) Groups() int {
	if r.fast != nil {
		return r.fast.NumSubexp()
	}
	return len(r.slow.GetGroupNumbers()) - 1
}

// runeOffsets are the bytes at which the characters of s begin, and its end.
func runeOffsets(s string) []int {
	at := make([]int, 0, utf8.RuneCountInString(s)+1)
	for i := range s {
		at = append(at, i)
	}
	return append(at, len(s))
}

// byteOffsets converts the rune positions of a match.
func byteOffsets(at []int, m *regexp2.Match) []int {
	groups := m.Groups()
	out := make([]int, 2*len(groups))
	for i, g := range groups {
		if len(g.Captures) == 0 {
			out[2*i], out[2*i+1] = -1, -1
			continue
		}
		out[2*i], out[2*i+1] = at[g.Index], at[g.Index+g.Length]
	}
	return out
}
