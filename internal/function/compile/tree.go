package compile

import (
	"reflect"

	"github.com/dop251/goja/ast"
)

var astPackage = reflect.TypeFor[ast.BlockStatement]().PkgPath()

// walk calls visit with every node below v, a node or a list of nodes, as a
// pointer; the engine's package offers no walk of its own. Where visit says
// false it does not go deeper.
func walk(v any, visit func(node any) bool) { walkValue(reflect.ValueOf(v), visit) }

func walkValue(v reflect.Value, visit func(node any) bool) {
	switch v.Kind() {
	case reflect.Interface:
		if !v.IsNil() {
			walkValue(v.Elem(), visit)
		}
	case reflect.Pointer:
		if v.IsNil() || v.Type().Elem().PkgPath() != astPackage || !visit(v.Interface()) {
			return
		}
		walkValue(v.Elem(), visit)
	case reflect.Slice:
		for i := range v.Len() {
			walkValue(v.Index(i), visit)
		}
	case reflect.Struct:
		if v.Type().PkgPath() != astPackage {
			return
		}
		for i := range v.NumField() {
			// DeclarationList repeats what is in the body.
			if f := v.Type().Field(i); f.IsExported() && f.Name != "DeclarationList" {
				walkValue(v.Field(i), visit)
			}
		}
	}
}
