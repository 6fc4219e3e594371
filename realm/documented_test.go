package realm_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TestEverythingIsDocumented fails for each exported name without a comment:
// constants, variables, functions, types, methods, and fields of structs.
func TestEverythingIsDocumented(t *testing.T) {
	for _, dir := range []string{".", "../docdb"} {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			if files, _ := filepath.Glob(filepath.Join(dir, "*.go")); len(files) == 0 {
				t.Skipf("%s is not in this tree", dir)
			}
			checkDocumented(t, dir)
		})
	}
}

func checkDocumented(t *testing.T, dir string) {
	set := token.NewFileSet()
	packages, err := parser.ParseDir(set, dir, func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	missing := func(pos token.Pos, name string) { t.Errorf("%s: %s has no documentation", set.Position(pos), name) }
	checked := 0
	for _, pkg := range packages {
		d := doc.New(pkg, dir, doc.PreserveAST)
		if strings.TrimSpace(d.Doc) == "" {
			t.Errorf("%s: package %s has no documentation", dir, d.Name)
		}
		values := func(list []*doc.Value) {
			for _, v := range list {
				for _, spec := range v.Decl.Specs {
					s := spec.(*ast.ValueSpec)
					for _, name := range s.Names {
						checked++
						alone := len(v.Decl.Specs) == 1 && v.Doc != ""
						if name.IsExported() && !alone && s.Doc.Text() == "" && s.Comment.Text() == "" {
							missing(name.Pos(), name.Name)
						}
					}
				}
			}
		}
		funcs := func(list []*doc.Func, of string) {
			for _, f := range list {
				checked++
				if ast.IsExported(f.Name) && f.Doc == "" {
					missing(f.Decl.Pos(), of+f.Name)
				}
			}
		}
		values(d.Consts)
		values(d.Vars)
		funcs(d.Funcs, "")
		for _, typ := range d.Types {
			if !ast.IsExported(typ.Name) {
				continue
			}
			checked++
			if typ.Doc == "" {
				missing(typ.Decl.Pos(), typ.Name)
			}
			values(typ.Consts)
			values(typ.Vars)
			funcs(typ.Funcs, "")
			funcs(typ.Methods, typ.Name+".")
			for _, spec := range typ.Decl.Specs {
				var fields *ast.FieldList
				switch s := spec.(*ast.TypeSpec).Type.(type) {
				case *ast.StructType:
					fields = s.Fields
				case *ast.InterfaceType:
					fields = s.Methods
				default:
					continue
				}
				for _, f := range fields.List {
					for _, name := range f.Names {
						checked++
						if name.IsExported() && f.Doc.Text() == "" && f.Comment.Text() == "" {
							missing(name.Pos(), typ.Name+"."+name.Name)
						}
					}
				}
			}
		}
	}
	if checked == 0 {
		t.Errorf("nothing found in %s", dir)
	}
}
