package host

import (
	"regexp"
	"strings"
	"sync"

	"github.com/dop251/goja"
	"github.com/dop251/goja/parser"

	"regent/internal/function/wire"
)

// deployment is an app's programs, compiled on first use and kept for its life.
type deployment struct {
	msg       *wire.DeployMessage
	functions map[string]*function
	services  map[string]string // name to type
	packages  map[string]*packageProgram
	parts     sync.Map // files of packages that they ask for by computed names, as packages
}

// packageProgram is an npm package, compiled when it is first required.
type packageProgram struct {
	mu      sync.Mutex
	program *goja.Program
}

// function is one function of a deployment.
type function struct {
	source *wire.FunctionSource

	once    sync.Once
	program *goja.Program
	err     error
	globals []string // names of our globals that the code mentions
	all     bool     // the code may reach globals by computed names
	classes bool     // the code holds classes
}

func newDeployment(m *wire.DeployMessage) *deployment {
	d := &deployment{msg: m, functions: map[string]*function{}, services: map[string]string{}, packages: map[string]*packageProgram{}}
	for i := range m.Functions {
		f := &m.Functions[i]
		d.functions[f.Name] = &function{source: f}
	}
	for _, s := range m.Services {
		d.services[s.Name] = s.Type
	}
	for _, p := range m.Packages {
		d.packages[p] = &packageProgram{}
	}
	return d
}

// Wrap makes a function file a script that gives what it exports. The file's
// own top-level names stay its own, implicit globals are the realm's, and
// `module` stays undeclared (real-apps.md §11, trap 18). Line numbers are the
// file's; columns of its first line are shifted by WrapColumns.
func Wrap(code string) string {
	return wrapHead + code + wrapTail
}

const (
	wrapHead = "(function(context,require,exports){return(function(){"
	wrapTail = "\n;return exports}).call(this)})"
)

// WrapColumns is by how much the first line of a file is moved by Wrap.
const WrapColumns = len(wrapHead)

// CompileWrapped compiles a function file. Programs may be shared by realms.
func CompileWrapped(file, code, sourceMap string) (*goja.Program, error) {
	options := []parser.Option{parser.WithDisableSourceMaps}
	text := Wrap(code)
	if sourceMap != "" {
		options = []parser.Option{parser.WithSourceMapLoader(func(string) ([]byte, error) { return []byte(sourceMap), nil })}
		text += "\n//# sourceMappingURL=" + mapName
	}
	return compileText(file, text, false, options...)
}

const mapName = "function.map"

func (f *function) compile() (*goja.Program, error) {
	f.once.Do(func() {
		f.program, f.err = CompileWrapped(f.source.File, f.source.Code, f.source.Map)
		f.globals, f.all = mentionedGlobals(f.source.Code)
		f.classes = strings.Contains(f.source.Code, "class")
	})
	return f.program, f.err
}

var wordPattern = regexp.MustCompile(`[A-Za-z_$][A-Za-z0-9_$]*`)

// mentionedGlobals gives those of our globals whose names occur in code, so a
// realm need not carry the others, and whether code may find globals by other
// means than their names.
func mentionedGlobals(code string) (names []string, all bool) {
	seen := map[string]bool{}
	for _, w := range wordPattern.FindAllString(code, -1) {
		if seen[w] {
			continue
		}
		seen[w] = true
		if _, ok := globalTable[w]; ok {
			names = append(names, w)
		}
		switch w {
		case "globalThis", "global", "window", "self", "eval", "Function", "constructor", "with":
			all = true
		}
	}
	if seen["RegExp"] || strings.Contains(code, `p{`) || strings.Contains(code, `P{`) {
		names = append(names, unicodeClasses)
	}
	if strings.Contains(code, `\u`) {
		all = true // identifiers may be written with escapes
	}
	return names, all
}
