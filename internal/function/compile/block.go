package compile

import (
	"reflect"
	"regexp"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/parser"
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
	return blockDeclares(reflect.ValueOf(tree.Body))
}

var (
	functionBody = reflect.TypeFor[*ast.BlockStatement]()
	astPackage   = functionBody.Elem().PkgPath()
)

// blockDeclares walks a syntax tree, whose package offers no walk of its own.
func blockDeclares(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Interface:
		return !v.IsNil() && blockDeclares(v.Elem())
	case reflect.Pointer:
		if v.IsNil() || v.Type().Elem().PkgPath() != astPackage {
			return false
		}
		switch n := v.Interface().(type) {
		case *ast.BlockStatement:
			if holdsDeclaration(n.List) {
				return true
			}
		case *ast.CaseStatement:
			if holdsDeclaration(n.Consequent) {
				return true
			}
		case *ast.FunctionLiteral:
			return blockDeclares(reflect.ValueOf(n.ParameterList)) || blockDeclares(reflect.ValueOf(n.Body.List))
		case *ast.ArrowFunctionLiteral:
			body := reflect.ValueOf(n.Body)
			if b, ok := n.Body.(*ast.BlockStatement); ok {
				body = reflect.ValueOf(b.List)
			}
			return blockDeclares(reflect.ValueOf(n.ParameterList)) || blockDeclares(body)
		}
		return blockDeclares(v.Elem())
	case reflect.Slice:
		for i := range v.Len() {
			if blockDeclares(v.Index(i)) {
				return true
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Name != "DeclarationList" && blockDeclares(v.Field(i)) {
				return true
			}
		}
	}
	return false
}

func holdsDeclaration(list []ast.Statement) bool {
	for _, s := range list {
		if _, ok := s.(*ast.FunctionDeclaration); ok {
			return true
		}
	}
	return false
}
