package host

import (
	"path"
	"slices"
	"strings"

	"github.com/dop251/goja"
	"github.com/dop251/goja/parser"

	"regent/internal/function/wire"
)

// builtinModules maps the names of Node's own modules to ours. Those that are
// mapped to absentPrefix can be required, and say which member is not there
// when one is used.
var builtinModules = map[string]string{
	"assert": "assert", "assert/strict": "assert", "buffer": "buffer", "console": "consolemodule", "constants": "constants", "crypto": "crypto",
	"dns": "dns", "dns/promises": "dnspromises", "events": "events", "fs": "fs", "fs/promises": "fspromises",
	"http": "nodehttp_http", "https": "nodehttp_https", "net": "net_net", "os": "os", "path": "path", "path/posix": "path", "path/win32": "pathwin32",
	"process": "process", "punycode": "punycode", "querystring": "querystring", "stream": "stream", "stream/consumers": "streamconsumers",
	"stream/promises": "streampromises", "stream/web": "streamweb", "string_decoder": "stringdecoder", "sys": "util", "timers": "nodetimers",
	"timers/promises": "timerspromises", "tls": "net_tls", "tty": "tty", "url": "url", "util": "util", "util/types": "utiltypes", "zlib": "zlib",
	"async_hooks": "asynchooks", "perf_hooks": "perfhooks", "diagnostics_channel": "diagnosticschannel",
	"child_process": absentPrefix, "cluster": absentPrefix, "dgram": absentPrefix, "domain": absentPrefix, "http2": absentPrefix,
	"inspector": absentPrefix, "inspector/promises": absentPrefix, "module": absentPrefix, "readline": absentPrefix, "readline/promises": absentPrefix,
	"repl": absentPrefix, "trace_events": absentPrefix, "v8": absentPrefix, "vm": absentPrefix, "wasi": absentPrefix, "worker_threads": absentPrefix,
	// Node's own parts, which some packages reach for.
	"_http_agent": absentPrefix, "_http_client": absentPrefix, "_http_common": absentPrefix, "_http_incoming": absentPrefix, "_http_outgoing": absentPrefix,
	"_http_server": absentPrefix, "_stream_duplex": absentPrefix, "_stream_passthrough": absentPrefix, "_stream_readable": absentPrefix,
	"_stream_transform": absentPrefix, "_stream_wrap": absentPrefix, "_stream_writable": absentPrefix, "_tls_common": absentPrefix, "_tls_wrap": absentPrefix,
}

// prefixedModules are built-ins only with "node:" before their names.
var prefixedModules = map[string]bool{"sea": true, "sqlite": true, "test": true, "test/reporters": true}

// builtinModule gives ours for the name of a built-in.
func builtinModule(name string) (module string, ok bool) {
	bare, prefixed := strings.CutPrefix(name, "node:")
	if module, ok = builtinModules[bare]; !ok && prefixed && prefixedModules[bare] {
		return absentPrefix, true
	}
	return module, ok
}

// absentPrefix marks modules that cannot work in a function.
const absentPrefix = "absent"

// requireFunction is require() as functions and packages see it.
func (r *realm) requireFunction() goja.Value {
	if r.require == nil {
		v := r.function("require", func(c goja.FunctionCall) goja.Value {
			name := c.Argument(0)
			if !goja.IsString(name) {
				panic(r.vm.NewTypeError("require: the name of a module must be a text"))
			}
			return r.requireModule(name.String())
		})
		r.require = v
	}
	return r.require
}

func (r *realm) requireModule(name string) goja.Value {
	bare := strings.TrimSuffix(strings.TrimPrefix(name, "node:"), "/")
	// A package that is installed wins over a built-in of the same name only
	// when it was asked for with a slash, as in Node.
	if module, ok := builtinModule(name); ok {
		if module == absentPrefix {
			if prefixedModules[bare] {
				bare = name
			}
			return r.absentModule(bare)
		}
		m := r.load(module)
		if d := m.Get("exports"); d != nil {
			return d
		}
		return m
	}
	if v := r.requirePackage(strings.TrimSuffix(name, "/")); v != nil {
		return v
	}
	text := "Cannot find module '" + name + "'"
	switch {
	case strings.HasPrefix(name, "node:"):
		text = "No such built-in module: " + name
	case strings.HasPrefix(name, "."), strings.HasPrefix(name, "/"):
		text += ": functions share code through context.functions.execute, not through files"
	default:
		text += ": install it with `npm install " + packageOf(name) + "` in the app's functions folder"
	}
	o := r.newError("Error", text)
	_ = o.Set("code", "MODULE_NOT_FOUND")
	panic(o)
}

// absentModule is a module whose every use says that it is not available.
func (r *realm) absentModule(name string) goja.Value {
	key := absentPrefix + ":" + name
	if m := r.loaded[key]; m != nil {
		return m
	}
	make, _ := goja.AssertFunction(r.load("absent").Get("make"))
	v, err := make(goja.Undefined(), r.vm.ToValue(name))
	if err != nil {
		panic(err)
	}
	m := v.(*goja.Object)
	r.loaded[key] = m
	return m
}

// packageOf is the package that a module belongs to.
func packageOf(name string) string {
	parts := strings.SplitN(name, "/", 3)
	if strings.HasPrefix(name, "@") && len(parts) > 1 {
		return parts[0] + "/" + parts[1]
	}
	return parts[0]
}

// requirePackage gives a module of an npm package that the app's code names,
// nil when there is none. As in Node, a module that is being loaded is given as
// far as it is.
func (r *realm) requirePackage(name string) goja.Value {
	p := r.dep.packages[name]
	if p == nil {
		return nil
	}
	return r.runPackage(p, name)
}

// packageRequire is require() within a package: what esbuild could not follow,
// as moment's require('./locale/' + name), is a file of the package.
func (r *realm) packageRequire(name string) goja.Value {
	return r.function("require", func(c goja.FunctionCall) goja.Value {
		asked := c.Argument(0).String()
		if part := packageOf(name) + "/" + strings.TrimPrefix(asked, "./"); strings.HasPrefix(asked, "./") && path.Clean(part) == part {
			known, ok := r.dep.parts.Load(part)
			if !ok {
				known = &packageProgram{}
			}
			if v := r.runPackage(known.(*packageProgram), part); v != nil {
				r.dep.parts.Store(part, known)
				return v
			}
		}
		return r.requireModule(asked)
	})
}

// ModulesOf lists those of an app's modules that are of one package with a name
// among them, where there are several: they are one bundle, whose exports are
// functions that give each.
func ModulesOf(names []string, name string) (group []string) {
	if !slices.Contains(names, name) {
		return nil
	}
	for _, n := range names {
		if packageOf(n) == packageOf(name) {
			group = append(group, n)
		}
	}
	if len(group) < 2 {
		return nil
	}
	return group
}

func (r *realm) runPackage(p *packageProgram, name string) goja.Value {
	group := ModulesOf(r.dep.msg.Packages, name)
	if group == nil {
		return r.runBundle(p, name)
	}
	// The first stands for all.
	bundle, ok := r.runBundle(r.dep.packages[group[0]], group[0]).(*goja.Object)
	if !ok {
		return nil
	}
	give, ok := goja.AssertFunction(bundle.Get(name))
	if !ok {
		return nil
	}
	v, err := give(goja.Undefined())
	if err != nil {
		panic(err)
	}
	return v
}

func (r *realm) runBundle(p *packageProgram, name string) goja.Value {
	key := "node_modules/" + name
	if m := r.loaded[key]; m != nil {
		return m.Get("exports")
	}
	program := r.packageCode(p, name)
	if program == nil {
		return nil
	}
	// Packages look for what the platform offers in every way there is.
	if err := r.installGlobals(nil, true); err != nil {
		panic(err)
	}
	v, err := r.vm.RunProgram(program)
	if err != nil {
		panic(err)
	}
	fn, _ := goja.AssertFunction(v)
	module := r.vm.NewObject()
	_ = module.Set("exports", r.vm.NewObject())
	r.loaded[key] = module
	if _, err := fn(r.vm.GlobalObject(), module, module.Get("exports"), r.packageRequire(name), r.vm.ToValue("/"+key+".js"), r.vm.ToValue("/node_modules")); err != nil {
		delete(r.loaded, key)
		panic(err)
	}
	return module.Get("exports")
}

// How many times its text a package takes in memory, as measured with packages of
// 0.2 to 5 MB: 10.6 with its syntax tree while it is compiled, 4.7 afterwards.
const (
	compilingFactor = 11
	programFactor   = 5
)

// packageCode compiles a package, asking the server for its text the first
// time; nil when it is not installed.
func (r *realm) packageCode(p *packageProgram, name string) *goja.Program {
	p.mu.Lock()
	program := p.program
	p.mu.Unlock()
	if program != nil {
		return program
	}
	v, failure := r.call.askNow(wire.OperationMessage{Kind: "package", Action: name})
	if failure != nil {
		if r.dep.packages[name] != nil {
			r.call.log("error", "package '"+name+"': "+failure.Message)
		}
		return nil
	}
	text, _ := v.StringValueOK()
	// The deployment's, not the call's: it is kept for the calls that follow.
	r.host.programs.Add(int64(len(text)) * compilingFactor)
	defer r.host.programs.Add(-int64(len(text)) * (compilingFactor - programFactor))
	program, err := compileText("node_modules/"+name, "(function(module,exports,require,__filename,__dirname){"+text+"\n})", false, parser.WithDisableSourceMaps)
	if err != nil {
		panic(r.vm.NewTypeError("package '" + name + "' cannot be compiled: " + err.Error()))
	}
	p.mu.Lock()
	p.program = program
	p.mu.Unlock()
	return program
}

// IsBuiltin reports whether a name is one of Node's own modules.
func IsBuiltin(name string) bool {
	_, ok := builtinModule(name)
	return ok
}

// BuiltinNames lists Node's own modules, with and without their prefix.
func BuiltinNames() []string {
	var names []string
	for n := range builtinModules {
		names = append(names, n, "node:"+n)
	}
	for n := range prefixedModules {
		names = append(names, "node:"+n)
	}
	return names
}

// PackageOf is the package that a module name belongs to.
func PackageOf(name string) string { return packageOf(name) }
