package host

import (
	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/parser"
	"github.com/dop251/goja/token"
	"github.com/dop251/goja/unistring"

	"regent/internal/function/syntax"
)

// compileText compiles a script whose variables begin as undefined.
//
// The engine puts what a function is given beyond its parameters where its
// variables are, if inner functions use both: in
//
//	list.map(function (item) { var found; other.forEach(o => { if (o === item) found = o; }); return found; })
//
// found begins as the index of item. So such functions first set their variables
// to what they should be.
func compileText(name, text string, strict bool, options ...parser.Option) (*goja.Program, error) {
	program, err := goja.Parse(name, text, options...)
	if err != nil {
		return nil, err
	}
	syntax.Walk(program, new(hoisting).visit)
	return goja.CompileAST(program, strict)
}

// hoisting is the state of a walk through functions.
type hoisting struct {
	captures bool // the function that is walked has others within
}

func (h *hoisting) visit(node any) bool {
	switch n := node.(type) {
	case *ast.FunctionLiteral:
		h.function(n.ParameterList, n.Body, n.DeclarationList)
		return false
	case *ast.ArrowFunctionLiteral:
		body, _ := n.Body.(*ast.BlockStatement)
		if body == nil {
			h.captures = true
			return true
		}
		h.function(n.ParameterList, body, n.DeclarationList)
		return false
	case *ast.ClassLiteral:
		h.captures = true
	case *ast.CallExpression:
		if name, ok := n.Callee.(*ast.Identifier); ok && name.Name == "eval" {
			h.captures = true
		}
	}
	return true
}

func (h *hoisting) function(parameters *ast.ParameterList, body *ast.BlockStatement, declared []*ast.VariableDeclaration) {
	h.captures = false
	syntax.Walk(parameters, h.visit)
	syntax.Walk(body, h.visit)
	if h.captures && len(declared) > 0 {
		setVariables(parameters, body, declared)
	}
	h.captures = true // of the function around
}

// setVariables makes the body begin, after its directives, with a = b = void 0.
func setVariables(parameters *ast.ParameterList, body *ast.BlockStatement, declared []*ast.VariableDeclaration) {
	taken := map[unistring.String]bool{"arguments": true}
	if parameters == nil || parameters.Rest != nil || len(parameters.List) == 0 {
		return // the engine does it right
	}
	for _, p := range parameters.List {
		name, ok := p.Target.(*ast.Identifier)
		if !ok || p.Initializer != nil {
			return
		}
		taken[name.Name] = true
	}
	directives := 0
	for i, s := range body.List {
		if f, ok := s.(*ast.FunctionDeclaration); ok {
			taken[f.Function.Name.Name] = true
		}
		if directives == i && isDirective(s) {
			directives++
		}
	}
	at := body.LeftBrace
	var value ast.Expression = &ast.UnaryExpression{Operator: token.VOID, Idx: at, Operand: &ast.NumberLiteral{Idx: at, Literal: "0", Value: int64(0)}}
	set := false
	for _, d := range declared {
		for _, b := range d.List {
			if name, ok := b.Target.(*ast.Identifier); ok && !taken[name.Name] {
				taken[name.Name], set = true, true
				value = &ast.AssignExpression{Operator: token.ASSIGN, Left: &ast.Identifier{Name: name.Name, Idx: at}, Right: value}
			}
		}
	}
	if set {
		list := make([]ast.Statement, 0, len(body.List)+1)
		list = append(list, body.List[:directives]...)
		list = append(list, &ast.ExpressionStatement{Expression: value})
		body.List = append(list, body.List[directives:]...)
	}
}

func isDirective(s ast.Statement) bool {
	e, ok := s.(*ast.ExpressionStatement)
	if ok {
		_, ok = e.Expression.(*ast.StringLiteral)
	}
	return ok
}
