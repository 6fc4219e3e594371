package host

import (
	"embed"
	"errors"
	"strings"
	"sync"

	"github.com/dop251/goja"
	"github.com/dop251/goja/parser"
)

//go:embed js
var moduleFiles embed.FS

// modulePrefix begins the file names of our own modules, whose frames do not
// appear in stacks.
const modulePrefix = "regent:"

// moduleCache holds our modules' programs, compiled once for a process. A
// module is a file js/NAME.js holding the body of a strict function of
// (native, load, realm) that returns what it exports.
type moduleCache struct {
	programs sync.Map // name to *moduleProgram
}

type moduleProgram struct {
	once    sync.Once
	program *goja.Program
	err     error
}

func (m *moduleCache) program(name string) (*goja.Program, error) {
	v, _ := m.programs.LoadOrStore(name, &moduleProgram{})
	p := v.(*moduleProgram)
	p.once.Do(func() {
		text, err := moduleFiles.ReadFile("js/" + name + ".js")
		if err != nil {
			p.err = errors.New("no module " + name)
			return
		}
		p.program, p.err = compileText(modulePrefix+name, "(function(native,load,global){'use strict';"+string(text)+"\n})", true, parser.WithDisableSourceMaps)
	})
	return p.program, p.err
}

// load gives the exports of one of our modules, running it on first use in this realm.
func (r *realm) load(name string) *goja.Object {
	if m := r.loaded[name]; m != nil {
		return m
	}
	p, err := r.host.modules.program(name)
	if err != nil {
		panic(r.vm.NewTypeError(err.Error()))
	}
	v, err := r.vm.RunProgram(p)
	if err != nil {
		panic(err)
	}
	fn, _ := goja.AssertFunction(v)
	if r.native == nil {
		r.native = r.vm.NewDynamicObject(&nativeObject{r: r, made: map[string]goja.Value{}})
	}
	exports, err := fn(goja.Undefined(), r.native, r.function("load", func(c goja.FunctionCall) goja.Value {
		return r.load(c.Argument(0).String())
	}), r.vm.GlobalObject())
	if err != nil {
		panic(err)
	}
	m := exports.(*goja.Object)
	r.loaded[name] = m
	if strings.HasPrefix(name, "bson_") {
		r.learnBSON(name, m)
	}
	return m
}

// nativeObject gives our modules the Go functions of nativeTable, made on first use.
type nativeObject struct {
	r    *realm
	made map[string]goja.Value
}

// Get implements goja.DynamicObject.
func (n *nativeObject) Get(key string) goja.Value {
	if v := n.made[key]; v != nil {
		return v
	}
	if key == "raw" {
		return n.r.host.raw
	}
	f := nativeTable[key]
	if f == nil {
		return nil
	}
	r := n.r
	v := r.function(key, func(c goja.FunctionCall) goja.Value { return f(r, c) })
	n.made[key] = v
	return v
}

// Has implements goja.DynamicObject.
func (n *nativeObject) Has(key string) bool { return nativeTable[key] != nil }

// Set implements goja.DynamicObject.
func (n *nativeObject) Set(string, goja.Value) bool { return false }

// Delete implements goja.DynamicObject.
func (n *nativeObject) Delete(string) bool { return false }

// Keys implements goja.DynamicObject.
func (n *nativeObject) Keys() []string { return nil }
