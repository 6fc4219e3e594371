package compile

import (
	"strings"
	"unicode/utf16"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/parser"

	"regent/internal/function/host"
	"regent/internal/function/syntax"
)

// badExpression finds a regular expression that is none among the literals that
// were translated to calls of RegExp, as the engine does among the others: it is
// a syntax error of the file, at its place there.
func badExpression(name, code, translated, sourceMap string) (message string, line, column int) {
	if !strings.Contains(translated, "new RegExp(") {
		return "", 0, 0
	}
	tree, err := goja.Parse(name, translated+"\n//# sourceMappingURL="+mapName, parser.WithSourceMapLoader(func(string) ([]byte, error) { return []byte(sourceMap), nil }))
	if err != nil {
		return "", 0, 0
	}
	lines := strings.Split(code, "\n")
	syntax.Walk(tree.Body, func(node any) bool {
		n, ok := node.(*ast.NewExpression)
		if !ok || message != "" {
			return message == ""
		}
		pattern, flags, ok := expressionOf(n)
		if !ok {
			return true
		}
		p := tree.File.Position(int(n.Idx0()) - tree.File.Base())
		if !literalAt(lines, p.Line, p.Column) {
			return true // a call that the file itself makes, which may fail when it is made
		}
		if err := host.CheckExpression(pattern, flags); err != nil {
			message, line, column = "Invalid regular expression: /"+pattern+"/"+flags+": "+err.Error(), p.Line, p.Column+1
		}
		return true
	})
	return message, line, column
}

// literalAt reports whether a regular expression stands at a place as source
// maps have it: columns are units of UTF-16 and count from zero.
func literalAt(lines []string, line, column int) bool {
	if line < 1 || line > len(lines) {
		return false
	}
	units := utf16.Encode([]rune(lines[line-1]))
	return column >= 0 && column < len(units) && units[column] == '/'
}

// mapName is what the source map is called where it is handed over in memory.
const mapName = "function.map"

// expressionOf gives the texts of new RegExp("…", "…").
func expressionOf(n *ast.NewExpression) (pattern, flags string, ok bool) {
	callee, ok := n.Callee.(*ast.Identifier)
	if !ok || callee.Name != "RegExp" || len(n.ArgumentList) != 2 {
		return "", "", false
	}
	p, ok := n.ArgumentList[0].(*ast.StringLiteral)
	if !ok {
		return "", "", false
	}
	f, ok := n.ArgumentList[1].(*ast.StringLiteral)
	if !ok {
		return "", "", false
	}
	return p.Value.String(), f.Value.String(), true
}
