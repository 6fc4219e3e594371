package compile

import (
	"regexp"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/parser"

	"regent/internal/function/syntax"
)

// nestedFunction is what a file must contain at least to declare a function in a
// block; it spares most files the look at their syntax tree.
var nestedFunction = regexp.MustCompile(`[{};)]\s*(async\s+)?function\b`)

// declaresInBlock reports whether code declares a function in a block that is
// not a function's body.
func declaresInBlock(name, code string) bool {
	tree, err := goja.Parse(name, code, parser.WithDisableSourceMaps)
	if err != nil {
		return false
	}
	found := false
	bodies := map[*ast.BlockStatement]bool{}
	syntax.Walk(tree.Body, func(node any) bool {
		switch n := node.(type) {
		case *ast.FunctionLiteral:
			bodies[n.Body] = true
		case *ast.ArrowFunctionLiteral:
			if b, ok := n.Body.(*ast.BlockStatement); ok {
				bodies[b] = true
			}
		case *ast.BlockStatement:
			found = found || !bodies[n] && holdsDeclaration(n.List)
		case *ast.CaseStatement:
			found = found || holdsDeclaration(n.Consequent)
		}
		return !found
	})
	return found
}

func holdsDeclaration(list []ast.Statement) bool {
	for _, s := range list {
		if _, ok := s.(*ast.FunctionDeclaration); ok {
			return true
		}
	}
	return false
}
