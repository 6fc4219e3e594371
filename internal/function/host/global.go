package host

import (
	"github.com/dop251/goja"
)

// globalTable lists our globals: where each comes from. A realm carries those
// that the code names; all of them, made on first use, when code could reach
// them otherwise.
var globalTable = map[string]globalSource{
	"context":  {"", "context"},
	"console":  {"", "console"},
	"EJSON":    {"ejson", "EJSON"},
	"BSON":     {"bson", "BSON"},
	"ObjectId": {"bson_objectid", "ObjectId"}, // some apps use it bare
	"ObjectID": {"bson_objectid", "ObjectId"},

	"setTimeout":     {"timers", "setTimeout"},
	"clearTimeout":   {"timers", "clearTimeout"},
	"setInterval":    {"timers", "setInterval"},
	"clearInterval":  {"timers", "clearInterval"},
	"setImmediate":   {"timers", "setImmediate"},
	"clearImmediate": {"timers", "clearImmediate"},
	"queueMicrotask": {"timers", "queueMicrotask"},

	"utils":   {"utils", "utils"},
	"process": {"process", "process"},
	"Buffer":  {"buffer", "Buffer"},
	"crypto":  {"crypto", "webcrypto"},

	"URL":             {"url", "URL"},
	"URLSearchParams": {"url", "URLSearchParams"},
	"TextEncoder":     {"encoding", "TextEncoder"},
	"TextDecoder":     {"encoding", "TextDecoder"},
	"atob":            {"encoding", "atob"},
	"btoa":            {"encoding", "btoa"},
	"structuredClone": {"structuredclone", "structuredClone"},
	"fetch":           {"fetch", "fetch"},
	"Headers":         {"fetch", "Headers"},
	"Request":         {"fetch", "Request"},
	"Response":        {"fetch", "Response"},
	"Blob":            {"fetch", "Blob"},
	"File":            {"fetch", "File"},
	"FormData":        {"fetch", "FormData"},
	"ReadableStream":  {"webstreams", "ReadableStream"},
	"AbortController": {"abort", "AbortController"},
	"AbortSignal":     {"abort", "AbortSignal"},
	"Event":           {"abort", "Event"},
	"EventTarget":     {"abort", "EventTarget"},
	"DOMException":    {"abort", "DOMException"},
	"performance":     {"perfhooks", "performance"},

	"Intl": {"intl", "Intl"},

	// Not globals: members that the engine lacks, defined by their module when
	// code mentions them.
	"asyncIterator":        {"asynciterator", ""},
	"toLocaleString":       {"intl", ""},
	"toLocaleDateString":   {"intl", ""},
	"toLocaleTimeString":   {"intl", ""},
	"localeCompare":        {"intl", ""},
	"groupBy":              {"builtins", ""},
	"withResolvers":        {"builtins", ""},
	"isWellFormed":         {"builtins", ""},
	"toWellFormed":         {"builtins", ""},
	"fromAsync":            {"builtins", ""},
	"WeakRef":              {"builtins", ""},
	"captureStackTrace":    {"builtins", ""},
	"stackTraceLimit":      {"builtins", ""},
	"FinalizationRegistry": {"builtins", ""},
	"union":                {"builtins", ""},
	"intersection":         {"builtins", ""},
	"difference":           {"builtins", ""},
	"symmetricDifference":  {"builtins", ""},
	"isSubsetOf":           {"builtins", ""},
	"isSupersetOf":         {"builtins", ""},
	"isDisjointFrom":       {"builtins", ""},
	unicodeClasses:         {"unicodeclasses", ""},

	// Members that would do as they are, were they never used amiss.
	"sort": {"sort", ""}, "fill": {"largearrays", ""}, "from": {"largearrays", ""}, "repeat": {"largetexts", ""}, "padStart": {"largetexts", ""}, "padEnd": {"largetexts", ""},
	"ArrayBuffer": {"largebuffers", ""}, "Int8Array": {"largebuffers", ""}, "Uint8Array": {"largebuffers", ""}, "Uint8ClampedArray": {"largebuffers", ""},
	"Int16Array": {"largebuffers", ""}, "Uint16Array": {"largebuffers", ""}, "Int32Array": {"largebuffers", ""}, "Uint32Array": {"largebuffers", ""},
	"Float32Array": {"largebuffers", ""}, "Float64Array": {"largebuffers", ""}, "BigInt64Array": {"largebuffers", ""}, "BigUint64Array": {"largebuffers", ""},
}

// unicodeClasses stands for \p{…} in a regular expression, which no name tells.
const unicodeClasses = `\p{`

// globalSource is a module and its member; an empty module means Go.
type globalSource struct {
	module string
	member string
}

// patch reports whether the entry adds to the engine's own objects.
func (s globalSource) patch() bool { return s.member == "" }

// installGlobals defines the named globals that the realm lacks.
func (r *realm) installGlobals(names []string, all bool) error {
	if r.all {
		return nil
	}
	return r.enter(func() {
		if all {
			r.all = true
			for name, source := range globalTable {
				switch {
				case r.have[name]:
				case source.patch():
					r.load(source.module)
				default:
					r.defineLazy(name, source)
				}
			}
			r.defineAliases()
			return
		}
		for _, name := range names {
			if r.have[name] {
				continue
			}
			r.have[name] = true
			source := globalTable[name]
			if source.patch() {
				r.load(source.module)
				continue
			}
			v := r.global(source)
			if err := r.vm.GlobalObject().DefineDataProperty(name, v, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE); err != nil {
				panic(err)
			}
		}
	})
}

func (r *realm) global(s globalSource) goja.Value {
	switch {
	case s.module != "":
	case s.member == "console":
		return r.console()
	default:
		return r.context
	}
	return r.load(s.module).Get(s.member)
}

// console gives the realm's one console.
func (r *realm) console() goja.Value {
	if r.consoleValue == nil {
		r.consoleValue = r.newConsole()
	}
	return r.consoleValue
}

// defineLazy defines a global that is made when it is first read.
func (r *realm) defineLazy(name string, s globalSource) {
	g := r.vm.GlobalObject()
	define := func(v goja.Value) {
		_ = g.DefineDataProperty(name, v, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
	}
	get := r.function("get", func(goja.FunctionCall) goja.Value {
		v := r.global(s)
		define(v)
		return v
	})
	set := r.function("set", func(c goja.FunctionCall) goja.Value {
		define(c.Argument(0))
		return goja.Undefined()
	})
	_ = g.DefineAccessorProperty(name, get, set, goja.FLAG_TRUE, goja.FLAG_FALSE)
}

// defineAliases defines the names that packages use for the global object.
func (r *realm) defineAliases() {
	g := r.vm.GlobalObject()
	_ = g.DefineDataProperty("global", g, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
}
