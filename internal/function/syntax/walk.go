// Package syntax walks the syntax trees of the engine, which offers no walk of its
// own.
package syntax

import (
	"reflect"
	"sync"

	"github.com/dop251/goja/ast"
)

var astPackage = reflect.TypeFor[ast.BlockStatement]().PkgPath()

// Walk calls visit with every node below v, a node or a list of nodes, as a
// pointer. Where visit says false it does not go deeper.
func Walk(v any, visit func(node any) bool) { walk(reflect.ValueOf(v), visit) }

func walk(v reflect.Value, visit func(node any) bool) {
	switch v.Kind() {
	case reflect.Interface:
		if !v.IsNil() {
			walk(v.Elem(), visit)
		}
	case reflect.Pointer:
		if v.IsNil() || v.Type().Elem().PkgPath() != astPackage || !visit(v.Interface()) {
			return
		}
		walk(v.Elem(), visit)
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), visit)
		}
	case reflect.Struct:
		for _, i := range fieldsOf(v.Type()) {
			walk(v.Field(i), visit)
		}
	}
}

// fields are those of each type of node that may lead to other nodes.
var fields sync.Map // reflect.Type to []int

func fieldsOf(t reflect.Type) []int {
	if known, ok := fields.Load(t); ok {
		return known.([]int)
	}
	var list []int
	for i := range t.NumField() {
		f := t.Field(i)
		switch f.Type.Kind() {
		case reflect.Interface, reflect.Pointer, reflect.Slice, reflect.Struct:
			// DeclarationList repeats what is in the body.
			if t.PkgPath() == astPackage && f.IsExported() && f.Name != "DeclarationList" {
				list = append(list, i)
			}
		}
	}
	fields.Store(t, list)
	return list
}
