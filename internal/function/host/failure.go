package host

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dop251/goja"
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/function/wire"
)

// failure describes an error of the engine for the server.
func (r *realm) failure(err error) *wire.Failure {
	var overflow *goja.StackOverflowError
	if errors.As(err, &overflow) {
		return &wire.Failure{Name: "RangeError", Message: fmt.Sprintf("RangeError: Maximum call stack size exceeded (function_call_depth = %d)", r.dep.msg.Limits.Depth), Stack: userFrames(overflow.Stack())}
	}
	var interrupted *goja.InterruptedError
	if errors.As(err, &interrupted) {
		return &wire.Failure{Name: "Error", Message: fmt.Sprint(interrupted.Value())}
	}
	var ex *goja.Exception
	if errors.As(err, &ex) {
		f := r.failureOf(ex.Value())
		if f.Stack == "" {
			f.Stack = withoutWrap(userFrames(ex.Stack()))
		}
		return f
	}
	return &wire.Failure{Name: "Error", Message: err.Error()}
}

// failureOf describes a thrown value: the text of an error or string, the JSON
// of any other object (client-api.md §1.16.3).
func (r *realm) failureOf(v goja.Value) *wire.Failure {
	f := &wire.Failure{Name: "Error"}
	if err := r.throwing(func() { r.describe(f, v) }); err != nil && f.Message == "" {
		f.Message = "an error that cannot be shown"
	}
	f.Message = cutText(originalWording(f.Message), 64<<10)
	f.Stack = cutText(withoutWrap(f.Stack), 16<<10)
	return f
}

// wrapFrames are the last frames of an error that is thrown while a file is
// evaluated: the file's, and that of Wrap around it, which is no line of the file.
var wrapFrames = regexp.MustCompile(`(\tat \(([^()]+):\d+:\d+\)\n)\tat \(([^()]+):\d+:\d+\)\n?$`)

var wrapFrame = fmt.Sprintf(":%d)", strings.Index(wrapTail, "(this)"))

// withoutWrap leaves the frame of Wrap out of a stack.
func withoutWrap(stack string) string {
	m := wrapFrames.FindStringSubmatchIndex(stack)
	if m == nil || stack[m[4]:m[5]] != stack[m[6]:m[7]] || !strings.HasSuffix(strings.TrimSuffix(stack, "\n"), wrapFrame) {
		return stack
	}
	return stack[:m[3]]
}

// describe fills f; what the code's own getters throw ends it where it is.
func (r *realm) describe(f *wire.Failure, v goja.Value) {
	o, ok := v.(*goja.Object)
	if !ok {
		f.Message = v.String()
		if _, ok := v.(*goja.Symbol); ok {
			f.Message = "Symbol(" + f.Message + ")"
		}
		return
	}
	if _, ok := goja.AssertFunction(o); ok {
		f.Message = o.String()
		return
	}
	if o.ClassName() != "Error" && !r.isError(o) {
		if text, err := r.stringify(o); err == nil {
			f.Message = text
			return
		}
		f.Message = o.String()
		return
	}
	f.Message = o.String()
	if name := o.Get("name"); name != nil {
		f.Name = name.String()
	}
	if code := o.Get("code"); code != nil && goja.IsNumber(code) {
		f.Number = int32(code.ToInteger())
	}
	if stack := o.Get("stack"); stack != nil && !goja.IsUndefined(stack) {
		f.Stack = originalWording(userStack(stack.String()))
	}
}

func (r *realm) isError(o *goja.Object) bool {
	ctor, ok := r.vm.Get("Error").(*goja.Object)
	return ok && r.vm.InstanceOf(o, ctor)
}

func (r *realm) stringify(o *goja.Object) (string, error) {
	b, err := o.MarshalJSON()
	return string(b), err
}

var (
	notDefined = regexp.MustCompile(`^ReferenceError: ([\w$]+) is not defined`)
	notMember  = regexp.MustCompile(`^TypeError: Cannot read property '([^']*)' of (undefined|null)(?: or null)?`)
)

// originalWording gives the two commonest errors the text that apps and SDK
// tests know from the original (client-api.md §1.16.3).
func originalWording(text string) string {
	if m := notDefined.FindStringSubmatch(text); m != nil {
		return "ReferenceError: '" + m[1] + "' is not defined" + text[len(m[0]):]
	}
	if m := notMember.FindStringSubmatch(text); m != nil {
		return "TypeError: Cannot access member '" + m[1] + "' of " + m[2] + text[len(m[0]):]
	}
	return text
}

// userFrames writes a stack without the frames of our own modules.
func userFrames(stack []goja.StackFrame) string {
	var b strings.Builder
	for i := range stack {
		f := &stack[i]
		name := f.SrcName()
		if strings.HasPrefix(name, modulePrefix) || name == "<native>" {
			continue
		}
		p := f.Position()
		fmt.Fprintf(&b, "\tat %s (%s:%d:%d)\n", f.FuncName(), p.Filename, p.Line, unshift(p.Line, p.Column))
	}
	return b.String()
}

var framePosition = regexp.MustCompile(`\(?([^\s()]+):(\d+):(\d+)(\(\d+\))?\)?$`)

// userStack cleans the text of error.stack the same way.
func userStack(stack string) string {
	lines := strings.Split(stack, "\n")
	out := lines[:0]
	for i, l := range lines {
		if i > 0 && (strings.Contains(l, modulePrefix) || strings.HasSuffix(l, "(native)")) {
			continue
		}
		if m := framePosition.FindStringSubmatchIndex(l); i > 0 && m != nil {
			line, column := atoi(l[m[4]:m[5]]), atoi(l[m[6]:m[7]])
			head := strings.TrimRight(l[:m[0]], " ")
			l = fmt.Sprintf("%s (%s:%d:%d)", head, l[m[2]:m[3]], line, unshift(line, column))
		}
		out = append(out, l)
	}
	return strings.Join(out, "\n")
}

// unshift takes back what Wrap added to the first line.
func unshift(line, column int) int {
	if line == 1 && column > WrapColumns {
		return column - WrapColumns
	}
	return column
}

func atoi(s string) int {
	n := 0
	for _, c := range s {
		n = n*10 + int(c-'0')
	}
	return n
}

// cutText shortens s to at most n bytes without breaking a character.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// newError makes an error of one of the language's classes, whatever the code
// has made of the globals of that name.
func (r *realm) newError(name, message string) *goja.Object {
	if ctor, ok := r.vm.Get(name).(*goja.Object); ok {
		if o, err := r.vm.New(ctor, r.vm.ToValue(message)); err == nil && o.ClassName() == "Error" {
			return o
		}
	}
	o := r.vm.NewTypeError("%s", message)
	if name != "TypeError" {
		_ = o.DefineDataProperty("name", r.vm.ToValue(name), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
	}
	return o
}

// errorValue makes a JavaScript Error of a failure, to be thrown or rejected with.
func (r *realm) errorValue(f *wire.Failure) *goja.Object {
	o := r.newError("Error", f.Message)
	set := func(k string, v any) {
		_ = o.DefineDataProperty(k, r.vm.ToValue(v), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
	}
	if f.Name != "" && f.Name != "Error" {
		set("name", f.Name)
	}
	if f.Number != 0 {
		set("code", f.Number)
	}
	if f.Code != "" {
		set("errorCode", f.Code)
	}
	if f.Number != 0 || len(f.Labels) > 0 {
		labels := make([]any, len(f.Labels))
		for i, l := range f.Labels {
			labels[i] = l
		}
		set("errorLabels", r.vm.NewArray(labels...))
		_ = o.DefineDataProperty("hasErrorLabel", r.function("hasErrorLabel", func(c goja.FunctionCall) goja.Value {
			return r.vm.ToValue(slices.Contains(f.Labels, c.Argument(0).String()))
		}), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
	}
	if f.Detail != nil {
		if v, err := r.toJS("", bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: f.Detail}); err == nil {
			set("details", v)
		}
	}
	return o
}
