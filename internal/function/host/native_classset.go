package host

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf16"

	"github.com/dop251/goja"
)

var classSetNatives = map[string]nativeFunc{
	// setPattern(pattern, ignoreCase) writes a pattern of the flag v as one of the
	// flag u.
	"setPattern": func(r *realm, c goja.FunctionCall) goja.Value {
		out, err := SetPattern(c.Argument(0).String(), c.Argument(1).ToBoolean())
		if err != nil {
			r.throw("SyntaxError", "Invalid regular expression: /"+cutText(c.Argument(0).String(), 200)+"/: "+err.Error())
		}
		return r.vm.ToValue(out)
	},
}

// SetPattern writes a regular expression of the flag v (ECMAScript's
// UnicodeSetsMode) as one of the flag u that matches the same: nested classes,
// differences (--), intersections (&&) and texts (\q{…}) are worked out. A class
// with texts becomes alternatives, the longest first.
func SetPattern(pattern string, ignoreCase bool) (string, error) {
	p := &setParser{text: []rune(pattern), fold: ignoreCase}
	var out strings.Builder
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == '[':
			p.at++
			set, err := p.class(0)
			if err != nil {
				return "", err
			}
			set.write(&out)
		case c == '\\' && p.at+1 < len(p.text) && (p.text[p.at+1] == 'p' || p.text[p.at+1] == 'P'):
			set, err := p.escape()
			if err != nil {
				return "", err
			}
			set.write(&out)
		case c == '\\' && p.at+1 < len(p.text):
			out.WriteRune(c)
			out.WriteRune(p.text[p.at+1])
			p.at += 2
		default:
			out.WriteRune(c)
			p.at++
		}
		if out.Len() > maxSetPattern {
			return "", fmt.Errorf("its classes are too large")
		}
	}
	return out.String(), nil
}

// CheckExpression reports what is wrong with a regular expression of the flags u
// or v.
func CheckExpression(pattern, flags string) (err error) {
	switch {
	case strings.Contains(flags, "v") && strings.Contains(flags, "u"):
		return errors.New("Invalid flags")
	case strings.Contains(flags, "v"):
		pattern, err = SetPattern(pattern, strings.Contains(flags, "i"))
	case strings.Contains(flags, "u"):
		for _, m := range propertyPattern.FindAllStringSubmatch(pattern, -1) {
			if _, known := unicodeClass(m[1]); !known {
				return fmt.Errorf("Invalid property name %s", cutText(m[1], 60))
			}
		}
		pattern = propertyPattern.ReplaceAllString(pattern, "x")
	}
	if err != nil {
		return err
	}
	vm := goja.New()
	if _, err := vm.New(vm.Get("RegExp"), vm.ToValue(pattern), vm.ToValue(strings.Replace(flags, "v", "u", 1))); err != nil {
		return errors.New(strings.TrimPrefix(strings.TrimPrefix(err.Error(), "SyntaxError: "), "Invalid regular expression: "))
	}
	return nil
}

var propertyPattern = regexp.MustCompile(`\\[pP]\{([^}]*)\}`)

const (
	maxSetPattern = 4 << 20 // bytes of what is written
	maxSetDepth   = 100     // nested classes
)

// classSet is what a class holds: characters, and texts of other lengths.
type classSet struct {
	runes []runeRange
	texts map[string]bool
}

func (s classSet) union(o classSet) classSet {
	out := classSet{runes: append(slices.Clone(s.runes), o.runes...), texts: map[string]bool{}}
	for _, from := range []map[string]bool{s.texts, o.texts} {
		for t := range from {
			out.texts[t] = true
		}
	}
	return out
}

// among keeps what the other set has too, or has not.
func (s classSet) among(o classSet, has bool) classSet {
	others := complement(o.runes)
	if !has {
		others = o.runes
	}
	out := classSet{runes: complement(append(complement(s.runes), others...)), texts: map[string]bool{}}
	for t := range s.texts {
		if o.texts[t] == has {
			out.texts[t] = true
		}
	}
	return out
}

func (s classSet) write(b *strings.Builder) {
	class := ""
	if runes := complement(complement(s.runes)); len(runes) > 0 { // in order, merged
		var c strings.Builder
		c.WriteByte('[')
		for _, x := range runes {
			fmt.Fprintf(&c, `\u{%x}`, x.lo)
			if x.hi > x.lo {
				fmt.Fprintf(&c, `-\u{%x}`, x.hi)
			}
		}
		c.WriteByte(']')
		class = c.String()
	}
	if len(s.texts) == 0 {
		if class == "" {
			class = "(?!)" // nothing
		}
		b.WriteString(class)
		return
	}
	texts := make([]string, 0, len(s.texts))
	for t := range s.texts {
		texts = append(texts, t)
	}
	sort.Slice(texts, func(i, j int) bool {
		a, b := len([]rune(texts[i])), len([]rune(texts[j]))
		return a > b || a == b && texts[i] < texts[j]
	})
	b.WriteString("(?:")
	for i, t := range texts {
		if t == "" && class != "" {
			b.WriteString(class + "|") // a character before nothing at all
			class = ""
		}
		for _, r := range t {
			fmt.Fprintf(b, `\u{%x}`, r)
		}
		if i < len(texts)-1 || class != "" {
			b.WriteByte('|')
		}
	}
	b.WriteString(class + ")")
}

// setParser reads the classes of a pattern.
type setParser struct {
	text []rune
	at   int
	fold bool // the flag i: characters count as equal by case folding
}

func (p *setParser) has(s string) bool {
	return p.at+len(s) <= len(p.text) && string(p.text[p.at:p.at+len(s)]) == s
}

func (p *setParser) take(s string) bool {
	if !p.has(s) {
		return false
	}
	p.at += len(s)
	return true
}

// class reads what follows a bracket, to the end of its class: operands that are
// united, or taken from one another, or intersected, and never a mixture.
func (p *setParser) class(depth int) (set classSet, err error) {
	if depth > maxSetDepth {
		return set, fmt.Errorf("classes are nested deeper than %d levels", maxSetDepth)
	}
	negated := p.take("^")
	if !p.has("]") {
		var isRange bool
		if set, isRange, err = p.item(depth); err != nil {
			return set, err
		}
		switch {
		case !isRange && p.has("--"):
			set, err = p.operands(depth, "--", set, false)
		case !isRange && p.has("&&"):
			set, err = p.operands(depth, "&&", set, true)
		default:
			for err == nil && p.at < len(p.text) && !p.has("]") {
				var more classSet
				if more, _, err = p.item(depth); err == nil {
					set = set.union(more)
				}
			}
		}
		if err != nil {
			return set, err
		}
	}
	if !p.take("]") {
		return set, errors.New("Unterminated character class")
	}
	if !negated {
		return set, nil
	}
	if len(set.texts) > 0 {
		return set, errors.New("Negated character class may contain strings")
	}
	return classSet{runes: complement(set.runes)}, nil
}

// operands reads what follows the first operand of an operator.
func (p *setParser) operands(depth int, operator string, set classSet, has bool) (classSet, error) {
	for p.take(operator) {
		if p.has("&") || p.has("-") {
			return set, errInvalidSet
		}
		more, isRange, err := p.item(depth)
		if err != nil {
			return set, err
		}
		if isRange {
			return set, errInvalidSet
		}
		set = set.among(more, has)
	}
	if !p.has("]") {
		return set, errInvalidSet
	}
	return set, nil
}

var (
	errInvalidSet   = errors.New("Invalid set operation in character class")
	errInvalidClass = errors.New("Invalid character in character class")
)

// item reads one operand, or a range.
func (p *setParser) item(depth int) (set classSet, isRange bool, err error) {
	switch {
	case p.take("["):
		set, err = p.class(depth + 1)
		return set, false, err
	case p.take(`\q{`):
		set, err = p.alternatives()
		return set, false, err
	case p.has(`\`) && p.at+1 < len(p.text) && strings.ContainsRune("dDsSwWpP", p.text[p.at+1]):
		set, err = p.escape()
		return set, false, err
	}
	lo, err := p.character()
	if err != nil {
		return set, false, err
	}
	hi := lo
	if p.has("-") && !p.has("--") {
		p.at++
		if hi, err = p.character(); err != nil {
			return set, false, err
		}
		if hi < lo {
			return set, false, errors.New("Range out of order in character class")
		}
		isRange = true
	}
	return classSet{runes: p.folded([]runeRange{{lo, hi}})}, isRange, nil
}

// alternatives reads what follows \q{.
func (p *setParser) alternatives() (set classSet, err error) {
	set.texts = map[string]bool{}
	var text []rune
	for {
		if p.at >= len(p.text) {
			return set, errors.New("Invalid escape")
		}
		if c := p.text[p.at]; c == '|' || c == '}' {
			p.at++
			if len(text) == 1 {
				set.runes = append(set.runes, p.folded([]runeRange{{text[0], text[0]}})...)
			} else {
				set.texts[string(text)] = true
			}
			if text = text[:0]; c == '}' {
				return set, nil
			}
			continue
		}
		r, err := p.character()
		if err != nil {
			return set, err
		}
		if p.fold {
			r = foldOf(r)
		}
		text = append(text, r)
	}
}

// singleEscapes are the control escapes within a class.
var singleEscapes = map[rune]rune{'b': '\b', 't': '\t', 'n': '\n', 'v': '\v', 'f': '\f', 'r': '\r', '0': 0}

const (
	setSyntax   = `()[]{}/-\|`                         // must be escaped
	setEscapes  = `^$\.*+?()[]{}|/&-!#%,:;<=>@` + "`~" // may be escaped
	setDoubles  = "&!#$%*+,.:;<=>?@^`~"                // stand for nothing where doubled
	hexadecimal = "0123456789abcdefABCDEF"
)

// character reads one character or its escape.
func (p *setParser) character() (rune, error) {
	if p.at >= len(p.text) {
		return 0, errors.New("Unterminated character class")
	}
	c := p.text[p.at]
	p.at++
	if c != '\\' {
		if strings.ContainsRune(setSyntax, c) || strings.ContainsRune(setDoubles, c) && p.at < len(p.text) && p.text[p.at] == c {
			return 0, errInvalidClass
		}
		return c, nil
	}
	if p.at >= len(p.text) {
		return 0, errors.New("Invalid escape")
	}
	c = p.text[p.at]
	p.at++
	if r, ok := singleEscapes[c]; ok {
		return r, nil
	}
	switch {
	case c == 'c' && p.at < len(p.text) && p.text[p.at] < unicode.MaxASCII && unicode.IsLetter(p.text[p.at]):
		p.at++
		return p.text[p.at-1] % 32, nil
	case c == 'x':
		return p.hex(2)
	case c == 'u' && p.take("{"):
		end := p.at
		for end < len(p.text) && p.text[end] != '}' {
			end++
		}
		r, err := p.hex(end - p.at)
		if err == nil && !p.take("}") {
			err = errors.New("Invalid Unicode escape")
		}
		return r, err
	case c == 'u':
		r, err := p.hex(4)
		if err == nil && utf16.IsSurrogate(r) && p.has(`\u`) {
			before := p.at
			p.at += 2
			if low, err := p.hex(4); err == nil && utf16.DecodeRune(r, low) != unicode.ReplacementChar {
				return utf16.DecodeRune(r, low), nil
			}
			p.at = before
		}
		return r, err
	case strings.ContainsRune(setEscapes, c):
		return c, nil
	}
	return 0, errors.New("Invalid escape")
}

// hex reads a character's number of n digits.
func (p *setParser) hex(n int) (rune, error) {
	if n < 1 || n > 8 || p.at+n > len(p.text) {
		return 0, errors.New("Invalid Unicode escape")
	}
	digits := string(p.text[p.at : p.at+n])
	v, err := strconv.ParseUint(digits, 16, 32)
	if err != nil || strings.Trim(digits, hexadecimal) != "" || v > unicode.MaxRune {
		return 0, errors.New("Invalid Unicode escape")
	}
	p.at += n
	return rune(v), nil
}

// escape reads an escape that stands for a class.
func (p *setParser) escape() (set classSet, err error) {
	c := p.text[p.at+1]
	p.at += 2
	switch c {
	case 'd', 'D':
		set.runes = []runeRange{{'0', '9'}}
	case 's', 'S':
		set.runes = append(tableRanges(unicode.Zs), runeRange{'\t', '\r'}, runeRange{0x2028, 0x2029}, runeRange{0xfeff, 0xfeff})
	case 'w', 'W':
		set.runes = []runeRange{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}
	default:
		end := p.at
		for end < len(p.text) && p.text[end] != '}' {
			end++
		}
		if !p.has("{") || end == len(p.text) {
			return set, errors.New("Invalid property name")
		}
		name := string(p.text[p.at+1 : end])
		var known bool
		if set.runes, known = unicodeClass(name); !known {
			return set, fmt.Errorf("Invalid property name %s", cutText(name, 60))
		}
		p.at = end + 1
	}
	set.runes = p.folded(set.runes)
	if unicode.IsUpper(c) {
		set.runes = complement(set.runes)
	}
	return set, nil
}

// folded adds to characters, where case does not count, those that differ by it
// alone, so that sets are compared as the flag i says; what such a set leaves out
// is of that kind too.
func (p *setParser) folded(runes []runeRange) []runeRange {
	if !p.fold {
		return runes
	}
	runes = complement(complement(runes)) // in order
	out := slices.Clone(runes)
	for _, r := range foldingRunes() {
		i := sort.Search(len(runes), func(i int) bool { return runes[i].hi >= r })
		if i < len(runes) && runes[i].lo <= r {
			for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
				out = append(out, runeRange{o, o})
			}
		}
	}
	return out
}

// foldOf is one of the characters that differ by case alone.
func foldOf(r rune) rune {
	least := r
	for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
		least = min(least, o)
	}
	return least
}

// foldingRunes are the characters that others differ from by case alone.
var foldingRunes = sync.OnceValue(func() (all []rune) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if unicode.SimpleFold(r) != r {
			all = append(all, r)
		}
	}
	return all
})
