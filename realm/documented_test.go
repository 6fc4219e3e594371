package realm_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestEverythingIsDocumented fails for each exported name without a comment:
// constants, variables, functions, types and methods, and in this package also
// the fields of structs.
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

// parseFolder reads the Go files of a package, without its tests.
func parseFolder(t *testing.T, set *token.FileSet, dir string) (files []*ast.File) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

func checkDocumented(t *testing.T, dir string) {
	set := token.NewFileSet()
	missing := func(pos token.Pos, name string) { t.Errorf("%s: %s has no documentation", set.Position(pos), name) }
	checked := 0
	d, err := doc.NewFromFiles(set, parseFolder(t, set, dir), dir, doc.PreserveAST)
	if err != nil {
		t.Fatal(err)
	}
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
			// A comment also covers the lines right below its field.
			covered := -1
			for _, f := range fields.List {
				line := set.Position(f.Pos()).Line
				documented := f.Doc.Text() != "" || f.Comment.Text() != "" || line == covered
				for _, name := range f.Names {
					checked++
					if name.IsExported() && !documented && dir == "." {
						missing(name.Pos(), typ.Name+"."+name.Name)
					}
				}
				if covered = -1; documented && f.Comment.Text() == "" {
					covered = set.Position(f.End()).Line + 1
				}
			}
		}
	}
	if checked == 0 {
		t.Errorf("nothing found in %s", dir)
	}
}

// TestEveryEntryPointHasAnExample: example_test.go uses each exported function
// and method of the package.
func TestEveryEntryPointHasAnExample(t *testing.T) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "example_test.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			used[s.Sel.Name] = true
		}
		return true
	})
	// Called by fmt, errors and encoding/json, not by name.
	for _, name := range []string{"Error", "String", "GoString", "Is", "Unwrap", "MarshalJSON"} {
		used[name] = true
	}
	n := 0
	for _, f := range parseFolder(t, set, ".") {
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || !fn.Name.IsExported() || fn.Recv != nil && !exportedReceiver(fn) {
				continue
			}
			n++
			if !used[fn.Name.Name] {
				t.Errorf("%s: no example uses %s", set.Position(fn.Pos()), fn.Name.Name)
			}
		}
	}
	if n < 100 {
		t.Errorf("found only %d exported functions and methods", n)
	}
}

func exportedReceiver(fn *ast.FuncDecl) bool {
	typ := fn.Recv.List[0].Type
	for {
		switch x := typ.(type) {
		case *ast.StarExpr:
			typ = x.X
		case *ast.IndexExpr:
			typ = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return false
		}
	}
}
