// Package compile turns the files of an app's functions, and the packages that
// they name, into what the engine runs: syntax is checked with line and column,
// newer syntax is translated only where the engine lacks it, packages are
// bundled once for a deployment. It runs in a process of its own, because a
// hostile text can end any parser's process.
package compile

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/dop251/goja"
	"github.com/dop251/goja/file"
	"github.com/dop251/goja/parser"
	"github.com/evanw/esbuild/pkg/api"

	"regent/internal/function/host"
	"regent/internal/function/wire"
)

// MaxSource is the largest file of a function in bytes.
const MaxSource = 4 << 20

// MaxNesting is the deepest nesting of brackets that is handed to a parser.
const MaxNesting = 1500

// Source checks and translates the file of one function.
func Source(m wire.CompileMessage) wire.CompiledMessage {
	code := strings.TrimPrefix(string(m.Code), "\ufeff")
	if len(code) > MaxSource {
		return wire.CompiledMessage{Error: fmt.Sprintf("the file is larger than %d bytes", MaxSource)}
	}
	if line, ok := tooDeep(code); ok {
		return wire.CompiledMessage{Error: fmt.Sprintf("brackets are nested deeper than %d levels", MaxNesting), Line: line}
	}
	if strings.HasPrefix(code, "#!") {
		code = "//" + code[2:]
	}
	plain := blankComments(code)
	out := wire.CompiledMessage{Code: code, Refs: references(plain), NoEntry: !entryPattern.MatchString(plain)}
	if needsTranslation(m.File, code, plain) || !runs(m.File, code) {
		out = translate(m.File, code, out)
	}
	out.Flows = flowsOf(m.File, out.Code)
	return out
}

var entryPattern = regexp.MustCompile(`\bexports\b|\bexport\s+default\b`)

// runs reports whether the engine takes the code as it is.
func runs(name, code string) bool {
	tree, err := goja.Parse(name, code, parser.WithDisableSourceMaps)
	if err != nil {
		return false
	}
	if _, err := goja.CompileAST(tree, false); err != nil {
		return false
	}
	_, err = host.CompileWrapped(name, code, "")
	return err == nil
}

// needsTranslation finds what the engine parses and would run otherwise:
// regular expressions with the flag u that it gets wrong, and functions declared
// in blocks, whose names sloppy code sees outside of them.
func needsTranslation(name, code, plain string) bool {
	if needsRegExp(plain) {
		return true
	}
	return nestedFunction.MatchString(plain) && declaresInBlock(name, code)
}

// needsRegExp finds Unicode classes, which the engine takes for letters, and
// named groups beside a flag u, whose names it loses.
func needsRegExp(code string) bool {
	return strings.Contains(code, `\p{`) || strings.Contains(code, `\P{`) || namedGroup.MatchString(code) && flagU.MatchString(code)
}

var (
	namedGroup = regexp.MustCompile(`\(\?<[^=!]`)
	flagU      = regexp.MustCompile(`/[dgimsy]*u`)
)

// loweredFor is lowered for one text. Neither a class within brackets nor a named
// group is seen by esbuild, so where there is any, every expression with the flag
// u is made by RegExp, which knows better (host/js/unicodeclasses.js).
func loweredFor(code string) map[string]bool {
	if !needsRegExp(code) {
		return lowered
	}
	out := maps.Clone(lowered)
	out["regexp-sticky-and-unicode-flags"] = false
	return out
}

// lowered names the syntax that the engine lacks. A plain ES target would also
// rewrite private members and object rest, which makes both many times slower
// (docs/functions.md).
var lowered = map[string]bool{
	"for-await":                       false,
	"async-generator":                 false,
	"dynamic-import":                  false,
	"import-meta":                     false,
	"decorators":                      false,
	"using":                           false,
	"top-level-await":                 false,
	"hashbang":                        false,
	"regexp-unicode-property-escapes": false,
	"regexp-set-notation":             false,
}

// environment is how esbuild names what the engine lacks.
var environment = regexp.MustCompile(` in the configured target environment.*$`)

var modulePattern = regexp.MustCompile(`(?m)^\s*(import\b[^(]|export\b)`)

func translate(name, code string, out wire.CompiledMessage) wire.CompiledMessage {
	options := api.TransformOptions{
		Loader:         api.LoaderJS,
		Target:         api.ESNext,
		Supported:      loweredFor(code),
		Sourcefile:     path.Base(name), // the map is resolved beside the file
		Sourcemap:      api.SourceMapExternal,
		SourcesContent: api.SourcesContentExclude,
		LogLevel:       api.LogLevelSilent,
		Charset:        api.CharsetUTF8,
	}
	module := modulePattern.MatchString(code)
	if module {
		options.Format = api.FormatCommonJS
	}
	r := api.Transform(code, options)
	if len(r.Errors) > 0 {
		e := r.Errors[0]
		out.Code = ""
		out.Error = environment.ReplaceAllString(e.Text, " in functions")
		if e.Location != nil {
			out.Line, out.Column = e.Location.Line, e.Location.Column+1
		}
		return out
	}
	text := string(r.Code)
	if module {
		// esbuild's form of a module ends in module.exports.
		text = "var module={get exports(){return exports},set exports(v){exports=v}};" + text
	}
	if _, err := host.CompileWrapped(name, text, string(r.Map)); err != nil {
		out.Code = ""
		out.Error, out.Line, out.Column = describe(err)
		if wantsIndices.MatchString(out.Error) {
			out.Error = "regular expressions with the flag d are not available in functions"
		}
		return out
	}
	if message, line, column := badExpression(name, code, text, string(r.Map)); message != "" {
		out.Code = ""
		out.Error, out.Line, out.Column = message, line, column
		return out
	}
	out.Code, out.Map = text, string(r.Map)
	return out
}

// wantsIndices is how the engine refuses the flag d.
var wantsIndices = regexp.MustCompile(`^Invalid flags supplied to RegExp constructor '[a-z]*d[a-z]*'$`)

var placedMessage = regexp.MustCompile(`: Line (\d+):(\d+) (.*?)(?: \(and \d+ more errors?\))?$`)

// describe takes a message and its place from the engine's error.
func describe(err error) (text string, line, column int) {
	var list parser.ErrorList
	if errors.As(err, &list) && len(list) > 0 {
		return list[0].Message, list[0].Position.Line, list[0].Position.Column
	}
	var one *parser.Error
	if errors.As(err, &one) {
		return one.Message, one.Position.Line, one.Position.Column
	}
	var syntax *goja.CompilerSyntaxError
	if errors.As(err, &syntax) {
		// The engine's parser gives its place in words only.
		if m := placedMessage.FindStringSubmatch(syntax.Message); m != nil {
			line, _ = strconv.Atoi(m[1])
			column, _ = strconv.Atoi(m[2])
			if line == 1 && column > host.WrapColumns {
				column -= host.WrapColumns
			}
			return m[3], line, column
		}
		p := file.Position{}
		if syntax.File != nil {
			p = syntax.File.Position(syntax.Offset)
		}
		return syntax.Message, p.Line, p.Column
	}
	return err.Error(), 0, 0
}

// tooDeep counts brackets without regard to texts, so it may refuse a file that
// holds thousands of opening brackets in texts, which no app does.
func tooDeep(code string) (line int, deep bool) {
	depth := 0
	line = 1
	for i := 0; i < len(code); i++ {
		switch code[i] {
		case '\n':
			line++
		case '(', '[', '{':
			if depth++; depth > MaxNesting {
				return line, true
			}
		case ')', ']', '}':
			if depth > 0 {
				depth--
			}
		}
	}
	return 0, false
}
