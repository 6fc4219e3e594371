package host

import (
	"strings"

	"github.com/dop251/goja"
)

// consoleObject is the console. Texts and numbers are written from here; what
// needs to be shown as an object, and the rarer methods, are in JavaScript.
type consoleObject struct {
	r      *realm
	made   map[string]goja.Value
	indent string // of console.group
}

// consoleLevels maps the common methods to the levels of their lines.
var consoleLevels = map[string]string{"log": "info", "info": "info", "warn": "warn", "error": "error", "debug": "debug"}

var consoleKeys = []string{"log", "info", "warn", "error", "debug", "trace", "dir", "table", "assert", "group", "groupCollapsed", "groupEnd", "count", "countReset", "time", "timeLog", "timeEnd"}

func (r *realm) newConsole() goja.Value {
	return r.vm.NewDynamicObject(&consoleObject{r: r, made: map[string]goja.Value{}})
}

// write writes one line of a call of the console's methods.
func (o *consoleObject) write(level string, args []goja.Value) {
	text, ok := plainText(args)
	if !ok {
		print, _ := goja.AssertFunction(o.r.load("inspect").Get("print"))
		v, err := print(goja.Undefined(), args...)
		if err != nil {
			panic(err)
		}
		text = v.String()
	}
	o.r.call.log(level, o.indent+text)
}

// plainText joins texts and numbers; false when there is anything else, or a
// format.
func plainText(args []goja.Value) (string, bool) {
	var b strings.Builder
	for i, a := range args {
		switch {
		case goja.IsString(a):
			s := a.String()
			if i == 0 && len(args) > 1 && strings.IndexByte(s, '%') >= 0 {
				return "", false
			}
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(s)
		case goja.IsNumber(a) && !isObject(a):
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(a.String())
		default:
			return "", false
		}
	}
	return b.String(), true
}

func isObject(v goja.Value) bool {
	_, ok := v.(*goja.Object)
	return ok
}

// Get implements goja.DynamicObject.
func (o *consoleObject) Get(key string) goja.Value {
	if v := o.made[key]; v != nil {
		return v
	}
	var v goja.Value
	if level := consoleLevels[key]; level != "" {
		v = o.r.function(key, func(c goja.FunctionCall) goja.Value {
			o.write(level, c.Arguments)
			return goja.Undefined()
		})
	} else if key == "group" || key == "groupCollapsed" {
		v = o.r.function(key, func(c goja.FunctionCall) goja.Value {
			if len(c.Arguments) > 0 {
				o.write("info", c.Arguments)
			}
			if len(o.indent) < 40 {
				o.indent += "  "
			}
			return goja.Undefined()
		})
	} else if key == "groupEnd" {
		v = o.r.function(key, func(goja.FunctionCall) goja.Value {
			o.indent = strings.TrimSuffix(o.indent, "  ")
			return goja.Undefined()
		})
	} else if v = o.r.load("console").Get(key); v == nil {
		return nil
	}
	o.made[key] = v
	return v
}

// Set implements goja.DynamicObject.
func (o *consoleObject) Set(key string, v goja.Value) bool {
	o.made[key] = v
	return true
}

// Has implements goja.DynamicObject.
func (o *consoleObject) Has(key string) bool { return o.Get(key) != nil }

// Delete implements goja.DynamicObject.
func (o *consoleObject) Delete(key string) bool {
	o.made[key] = goja.Undefined()
	return true
}

// Keys implements goja.DynamicObject.
func (o *consoleObject) Keys() []string { return consoleKeys }
