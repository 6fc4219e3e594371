package compile

import (
	"regexp"
	"strings"

	"regent/internal/function/wire"
)

// referencePatterns find what code names literally. They are for warnings and
// for choosing packages; a computed name is found when it is used.
var referencePatterns = []struct {
	kind    string
	pattern *regexp.Regexp
}{
	{"package", regexp.MustCompile(`\brequire\s*\(\s*(?:"([^"\\\n]+)"|'([^'\\\n]+)'|` + "`([^`\\\\\n$]+)`" + `)\s*\)`)},
	{"package", regexp.MustCompile(`(?m)^\s*import\b[^'"\n;]*?(?:"([^"\\\n]+)"|'([^'\\\n]+)'|` + "`(-)`" + `)`)},
	{"function", regexp.MustCompile(`\bfunctions\s*\.\s*execute\s*\(\s*(?:"([^"\\\n]+)"|'([^'\\\n]+)'|` + "`([^`\\\\\n$]+)`" + `)`)},
	{"service", regexp.MustCompile(`\bservices\s*\.\s*get\s*\(\s*(?:"([^"\\\n]+)"|'([^'\\\n]+)'|` + "`([^`\\\\\n$]+)`" + `)`)},
	{"value", regexp.MustCompile(`\bvalues\s*\.\s*get\s*\(\s*(?:"([^"\\\n]+)"|'([^'\\\n]+)'|` + "`([^`\\\\\n$]+)`" + `)`)},
}

// maxReferences bounds what one file reports.
const maxReferences = 1000

func references(code string) []wire.Ref {
	var refs []wire.Ref
	for _, p := range referencePatterns {
		for _, m := range p.pattern.FindAllStringSubmatchIndex(code, maxReferences) {
			for g := 1; g <= 3; g++ {
				if m[2*g] >= 0 {
					start := m[2*g]
					line := 1 + strings.Count(code[:start], "\n")
					col := start - strings.LastIndexByte(code[:start], '\n')
					refs = append(refs, wire.Ref{Kind: p.kind, Name: code[m[2*g]:m[2*g+1]], Line: line, Col: col})
				}
			}
		}
	}
	return refs
}

// blankComments overwrites comments with blanks, keeping every position.
// Regular expression literals are told from division by what stands before.
func blankComments(code string) string {
	b := []byte(code)
	var last byte // last significant byte
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case c == '/' && i+1 < len(b) && b[i+1] == '/':
			for i < len(b) && b[i] != '\n' {
				b[i] = ' '
				i++
			}
		case c == '/' && i+1 < len(b) && b[i+1] == '*':
			end := strings.Index(string(b[i+2:]), "*/")
			stop := len(b)
			if end >= 0 {
				stop = i + 2 + end + 2
			}
			for ; i < stop; i++ {
				if b[i] != '\n' {
					b[i] = ' '
				}
			}
			i--
		case c == '"' || c == '\'' || c == '`':
			i = skipText(b, i, c)
			last = c
		case c == '/' && strings.IndexByte("(,=:[!&|?{};+-*%~^<>\n", last) >= 0 || c == '/' && last == 0:
			i = skipRegexp(b, i)
			last = '/'
		case c != ' ' && c != '\t' && c != '\r' && c != '\n':
			last = c
		}
	}
	return string(b)
}

func skipText(b []byte, i int, quote byte) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case quote:
			return i
		case '\n':
			if quote != '`' {
				return i
			}
		}
	}
	return i
}

func skipRegexp(b []byte, i int) int {
	class := false
	for i++; i < len(b) && b[i] != '\n'; i++ {
		switch b[i] {
		case '\\':
			i++
		case '[':
			class = true
		case ']':
			class = false
		case '/':
			if !class {
				return i
			}
		}
	}
	return i
}
