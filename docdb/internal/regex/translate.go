package regex

import "strings"

// translation is a PCRE pattern rewritten for the two engines.
type translation struct {
	linear       string // for Go's regexp
	backtracking string // for regexp2
	// backtrackOnly: the pattern has something that Go's engine would take for something else, or not at all.
	backtrackOnly bool
	dollar        bool   // has a $ that also stands before a last newline
	anchored      bool   // begins with ^
	literal       bool   // nothing but text, after an optional ^
	prefix        string // text that every match starts with; only if anchored, or literal
	text          string // the text of a literal pattern
}

// boundaries are \b and \B by the letters of ASCII, as PCRE has them; the backtracking engine's are by those of Unicode.
var boundaries = map[byte]string{
	'b': `(?:(?<=[0-9A-Za-z_])(?![0-9A-Za-z_])|(?<![0-9A-Za-z_])(?=[0-9A-Za-z_]))`,
	'B': `(?:(?<=[0-9A-Za-z_])(?=[0-9A-Za-z_])|(?<![0-9A-Za-z_])(?![0-9A-Za-z_]))`,
}

// translate rewrites what the engines understand differently from PCRE: $ without the m option (also before a last newline), the
// classes \h, \H, \N, \R, \s and \S (which have the vertical tab), \b and \B, and the x option's blanks and comments.
func translate(p string, extended, multiline bool) translation {
	var lin, back, text strings.Builder
	var t translation
	plain := true // all before this point is literal text
	alternatives := strings.Contains(p, "|")
	if inline := strings.Contains(p, "(?"); inline {
		multiline = multiline || inlineMultiline(p)
	}
	both := func(s string) {
		lin.WriteString(s)
		back.WriteString(s)
	}
	// special ends the literal prefix; a quantifier takes the last character away from it.
	special := func() { plain = false }
	for i := 0; i < len(p); i++ {
		c := p[i]
		switch {
		case c == '\\' && i+1 < len(p):
			i++
			e := p[i]
			switch {
			case e == 'Q':
				end := strings.Index(p[i+1:], `\E`)
				quoted := p[i+1:]
				if end >= 0 {
					quoted = quoted[:end]
					i += end + 2
				} else {
					i = len(p)
				}
				for _, r := range quoted {
					both(escape(string(r)))
				}
				if plain {
					text.WriteString(quoted)
				}
				if quoted == "" {
					special()
				}
			case e == 'E':
			case e == 'h':
				special()
				both(`[ \t\x{a0}\x{1680}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}]`)
			case e == 'H':
				special()
				both(`[^ \t\x{a0}\x{1680}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}]`)
			case e == 'N':
				special()
				both(`[^\n]`)
			case e == 'R':
				special()
				both(`(?:\r\n|[\n\x0b\f\r\x{85}\x{2028}\x{2029}])`)
			case e == 'b' || e == 'B':
				special()
				lin.WriteString(p[i-1 : i+1])
				back.WriteString(boundaries[e])
			case e == 's':
				special()
				both(`[\t-\r ]`)
			case e == 'S':
				special()
				both(`[^\t-\r ]`)
			case e == 'Z':
				special()
				t.dollar = true
				lin.WriteString(`(?:\n?\z)`)
				back.WriteString(`(?=\n?\z)`)
			case e >= '1' && e <= '9', e == 'k', e == 'g', e == 'K', e == 'G', e == 'X':
				special()
				t.backtrackOnly = true
				both(p[i-1 : i+1])
			case e >= '0' && e <= '9', e >= 'a' && e <= 'z', e >= 'A' && e <= 'Z':
				special()
				both(p[i-1 : i+1])
			case e >= 0x80:
				i-- // a backslash before a letter beyond ASCII means nothing
			default:
				both(p[i-1 : i+1])
				if plain {
					text.WriteByte(e)
				}
			}
		case c == '[':
			special()
			end := classEnd(p, i)
			both(p[i:end])
			i = end - 1
		case c == '(' && strings.HasPrefix(p[i:], "(?#"):
			end := strings.IndexByte(p[i:], ')')
			if end < 0 {
				both(p[i:])
				i = len(p)
				break
			}
			i += end
		case c == '(':
			special()
			if strings.HasPrefix(p[i:], "(*") {
				t.backtrackOnly = true
			}
			both("(")
		case c == '$':
			special()
			if multiline {
				both("$")
				break
			}
			t.dollar = true
			lin.WriteString(`(?:\n?\z)`)
			back.WriteString(`(?=\n?\z)`)
		case c == '^':
			if i == 0 {
				t.anchored = true
			} else {
				special()
			}
			both("^")
		case c == '*' || c == '?' || c == '{' || c == '+':
			if plain {
				s := text.String()
				text.Reset()
				text.WriteString(dropLast(s))
			}
			special()
			both(string(c))
		case c == '.' || c == '|' || c == ')':
			special()
			both(string(c))
		case extended && (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f'):
		case extended && c == '#':
			for i+1 < len(p) && p[i+1] != '\n' {
				i++
			}
		default:
			lin.WriteByte(c)
			back.WriteByte(c)
			if plain {
				text.WriteByte(c)
			}
		}
	}
	t.linear, t.backtracking = lin.String(), back.String()
	t.text = text.String()
	if plain && t.text != "" && (t.anchored || !strings.HasPrefix(p, "^")) {
		t.literal = true
		t.prefix = t.text
	}
	if t.anchored && !alternatives && !strings.Contains(p, "(?") {
		t.prefix = t.text
	} else if !t.literal {
		t.prefix = ""
	}
	return t
}

// inlineMultiline reports whether some (?flags) in the pattern turns m on.
func inlineMultiline(p string) bool {
	for i := strings.Index(p, "(?"); i >= 0; {
		for j := i + 2; j < len(p); j++ {
			if p[j] == 'm' {
				return true
			}
			if p[j] < 'a' || p[j] > 'z' {
				break
			}
		}
		next := strings.Index(p[i+2:], "(?")
		if next < 0 {
			return false
		}
		i += 2 + next
	}
	return false
}

// classEnd returns the index behind the bracket expression that starts at i.
func classEnd(p string, i int) int {
	j := i + 1
	if j < len(p) && p[j] == '^' {
		j++
	}
	if j < len(p) && p[j] == ']' {
		j++
	}
	for ; j < len(p); j++ {
		switch {
		case p[j] == '\\':
			j++
		case p[j] == '[' && j+1 < len(p) && p[j+1] == ':':
			if end := strings.Index(p[j:], ":]"); end >= 0 {
				j += end + 1
			}
		case p[j] == ']':
			return j + 1
		}
	}
	return len(p)
}

func escape(s string) string {
	if len(s) == 1 && strings.Contains(`\.+*?()|[]{}^$#/-`, s) {
		return `\` + s
	}
	return s
}

func dropLast(s string) string {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i]&0xc0 != 0x80 {
			return s[:i]
		}
	}
	return ""
}
