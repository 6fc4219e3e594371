package sdk

import (
	"go/ast"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"regent/test/server"
)

// TestFirstProgram does what a newcomer does: a module of its own, the lines
// that README.md says it needs, the program as the documentation prints it. The
// package's documentation and docs/go-sdk.md must have the same one.
func TestFirstProgram(t *testing.T) {
	s := start(t)
	program := packageProgram(t)
	if guide := read(t, "docs/go-sdk.md"); codeBlock(t, guide, `realm.NewApp(`) != program {
		t.Error("docs/go-sdk.md prints another first program than package realm")
	}
	preamble := codeBlock(t, read(t, "docs/go-sdk.md"), `import (`)
	module := codeBlock(t, read(t, "README.md"), `replace regent =>`)
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("main.go", "package main\n"+preamble+"\nfunc main() {\n"+strings.ReplaceAll(program, "http://127.0.0.1:8080", s.URL)+"\n}\n")
	write("go.mod", "module example.com/first\n\ngo 1.26\n\n"+strings.ReplaceAll(module, "../regent", server.Root())+"\n")
	write("go.sum", read(t, "go.sum")) // of modules that are there already: the test needs no network
	cmd := exec.Command("go", "run", "-mod=mod", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Buy milk") {
		t.Errorf("%v\n%s", err, out)
	}
	if lines := strings.Count(program, "\n") + 1; lines > 10 {
		t.Errorf("the first program has %d lines", lines)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(server.Root(), filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// packageProgram is the first block of code in package realm's documentation.
func packageProgram(t *testing.T) string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(server.Root(), "realm", "doc.go"), nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	return firstCode(t, file.Doc)
}

func firstCode(t *testing.T, doc *ast.CommentGroup) string {
	t.Helper()
	for _, block := range new(comment.Parser).Parse(doc.Text()).Content {
		if code, ok := block.(*comment.Code); ok {
			return strings.TrimSpace(code.Text)
		}
	}
	t.Fatal("no code in the package's documentation")
	return ""
}

var fenced = regexp.MustCompile("(?s)```[a-z]*\n(.*?)\n```")

// codeBlock is the first fenced block of a page that contains the text.
func codeBlock(t *testing.T, page, contains string) string {
	t.Helper()
	for _, m := range fenced.FindAllStringSubmatch(page, -1) {
		if strings.Contains(m[1], contains) {
			return m[1]
		}
	}
	t.Fatalf("no block with %q", contains)
	return ""
}
