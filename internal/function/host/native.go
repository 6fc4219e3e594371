package host

import (
	"encoding/base64"
	"encoding/hex"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dop251/goja"
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/ejson"
)

// nativeFunc is a Go function that our modules may call.
type nativeFunc func(r *realm, c goja.FunctionCall) goja.Value

// nativeTable lists them by the name under which modules know them. Families
// with files of their own add theirs below.
var nativeTable = tables(encodingNatives, ejsonNatives, eventNatives, cryptoNatives, keyNatives, webNatives, unicodeNatives, classSetNatives, allocationNatives)

func tables(all ...map[string]nativeFunc) map[string]nativeFunc {
	out := map[string]nativeFunc{}
	for _, t := range all {
		for k, f := range t {
			out[k] = f
		}
	}
	return out
}

// throw makes a native function throw a JavaScript error of that name.
func (r *realm) throw(name, message string) goja.Value {
	panic(r.newError(name, message))
}

// function makes a native function with a name of its own, not Go's.
func (r *realm) function(name string, f func(goja.FunctionCall) goja.Value) goja.Value {
	v := r.vm.ToValue(f).(*goja.Object)
	_ = v.DefineDataProperty("name", r.vm.ToValue(name), goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE)
	return v
}

// argBytes gives an argument that is text or bytes as bytes.
func (r *realm) argBytes(v goja.Value) []byte {
	if o, ok := v.(*goja.Object); ok {
		if b, ok := r.bytesOf(o); ok {
			return b
		}
		if r.classOf(o) == classBinary {
			if b, ok := o.Get("buffer").(*goja.Object); ok {
				data, _ := r.bytesOf(b)
				return data
			}
		}
	}
	if v == nil || goja.IsUndefined(v) || goja.IsNull(v) {
		return nil
	}
	return []byte(v.String())
}

func (r *realm) newBytes(data []byte) goja.Value {
	v, err := r.bytes(data)
	if err != nil {
		panic(err)
	}
	return v
}

var encodingNatives = map[string]nativeFunc{
	"newObjectId": func(r *realm, c goja.FunctionCall) goja.Value {
		if s := c.Argument(0); !goja.IsUndefined(s) {
			return r.vm.ToValue(bson.NewObjectIDFromTimestamp(time.Unix(s.ToInteger(), 0)).Hex())
		}
		return r.vm.ToValue(bson.NewObjectIDFromTimestamp(r.host.now()).Hex())
	},
	"hexEncode": func(r *realm, c goja.FunctionCall) goja.Value {
		return r.vm.ToValue(hex.EncodeToString(r.argBytes(c.Argument(0))))
	},
	"hexDecode": func(r *realm, c goja.FunctionCall) goja.Value {
		b, err := hex.DecodeString(c.Argument(0).String())
		if err != nil {
			r.throw("TypeError", "not a hexadecimal text")
		}
		return r.newBytes(b)
	},
	"base64Encode": func(r *realm, c goja.FunctionCall) goja.Value {
		if c.Argument(1).ToBoolean() {
			return r.vm.ToValue(base64.RawURLEncoding.EncodeToString(r.argBytes(c.Argument(0))))
		}
		return r.vm.ToValue(base64.StdEncoding.EncodeToString(r.argBytes(c.Argument(0))))
	},
	// base64Decode(text, strict): strict wants the padding, else both alphabets
	// and anything between are taken, as Node does.
	"base64Decode": func(r *realm, c goja.FunctionCall) goja.Value {
		text := c.Argument(0).String()
		if c.Argument(1).ToBoolean() {
			b, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				r.throw("TypeError", "not a base64 text with padding")
			}
			return r.newBytes(b)
		}
		return r.newBytes(looseBase64(text))
	},
	"utf8Encode": func(r *realm, c goja.FunctionCall) goja.Value {
		return r.newBytes([]byte(strings.ToValidUTF8(c.Argument(0).String(), "\uFFFD")))
	},
	"utf8Decode": func(r *realm, c goja.FunctionCall) goja.Value {
		b := r.argBytes(c.Argument(0))
		if c.Argument(1).ToBoolean() && !utf8.Valid(b) {
			r.throw("TypeError", "The encoded data was not valid for encoding utf-8")
		}
		return r.vm.ToValue(strings.ToValidUTF8(string(b), "\uFFFD"))
	},
	"latin1Encode": func(r *realm, c goja.FunctionCall) goja.Value {
		text := c.Argument(0).String()
		b := make([]byte, 0, len(text))
		for _, x := range text {
			b = append(b, byte(x))
		}
		return r.newBytes(b)
	},
	"latin1Decode": func(r *realm, c goja.FunctionCall) goja.Value {
		var b strings.Builder
		for _, x := range r.argBytes(c.Argument(0)) {
			b.WriteRune(rune(x))
		}
		return r.vm.ToValue(b.String())
	},
	"decimal128": func(r *realm, c goja.FunctionCall) goja.Value {
		d, err := bson.ParseDecimal128(c.Argument(0).String())
		if err != nil {
			r.throw("TypeError", "'"+cutText(c.Argument(0).String(), 60)+"' is not a valid Decimal128 text")
		}
		return r.vm.ToValue(d.String())
	},
}

func looseBase64(text string) []byte {
	text = strings.Map(func(x rune) rune {
		switch {
		case x == '-':
			return '+'
		case x == '_':
			return '/'
		case x >= 'A' && x <= 'Z', x >= 'a' && x <= 'z', x >= '0' && x <= '9', x == '+', x == '/':
			return x
		}
		return -1
	}, text)
	if len(text)%4 == 1 {
		text = text[:len(text)-1]
	}
	b, _ := base64.RawStdEncoding.DecodeString(text)
	return b
}

var ejsonNatives = map[string]nativeFunc{
	// ejsonStringify(value, relaxed)
	"ejsonStringify": func(r *realm, c goja.FunctionCall) goja.Value {
		v, err := r.message().value(c.Argument(0))
		if err != nil {
			r.throw("TypeError", "EJSON.stringify: "+err.Error())
		}
		var text []byte
		if c.Argument(1).ToBoolean() {
			text, err = ejson.AppendRelaxed(nil, v)
		} else {
			text, err = ejson.Append(nil, v)
		}
		if err != nil {
			r.throw("TypeError", "EJSON.stringify: "+err.Error())
		}
		return r.vm.ToValue(string(text))
	},
	"ejsonParse": func(r *realm, c goja.FunctionCall) goja.Value {
		v, err := ejson.Parse([]byte(c.Argument(0).String()))
		if err != nil {
			r.throw("SyntaxError", "EJSON.parse: "+err.Error())
		}
		js, err := r.toJS("", v)
		if err != nil {
			r.throw("SyntaxError", "EJSON.parse: "+err.Error())
		}
		return js
	},
	"bsonSize": func(r *realm, c goja.FunctionCall) goja.Value {
		d, err := r.message().document(c.Argument(0))
		if err != nil {
			r.throw("TypeError", err.Error())
		}
		return r.vm.ToValue(len(d))
	},
}

var proxyType = reflect.TypeFor[goja.Proxy]()

// maxProxies bounds the proxies of proxies that are seen through.
const maxProxies = 1000

// withoutProxy gives what a proxy stands for, nil when it was revoked.
func withoutProxy(o *goja.Object) *goja.Object {
	for n := 0; o != nil && n < maxProxies && o.ExportType() == proxyType; n++ {
		p, _ := o.Export().(goja.Proxy)
		o = p.Target()
	}
	return o
}

// behindProxy is the class of what a proxy stands for, "" for other objects.
func behindProxy(o *goja.Object) string {
	if o.ExportType() != proxyType {
		return ""
	}
	if o = withoutProxy(o); o != nil {
		return o.ClassName()
	}
	return ""
}

var eventNatives = map[string]nativeFunc{
	"log": func(r *realm, c goja.FunctionCall) goja.Value {
		r.call.log(c.Argument(0).String(), c.Argument(1).String())
		return goja.Undefined()
	},
	// timer(function, milliseconds, repeat) gives a function that stops it.
	"timer": func(r *realm, c goja.FunctionCall) goja.Value {
		fn, ok := goja.AssertFunction(c.Argument(0))
		if !ok {
			r.throw("TypeError", "the callback of a timer must be a function")
		}
		ms := c.Argument(1).ToInteger()
		if ms < 1 {
			ms = 1
		}
		if ms > 1<<31-1 {
			ms = 1 // as Node and browsers do
		}
		d := time.Duration(ms) * time.Millisecond
		r.call.timerSeq++
		t := &timer{at: r.host.now().Add(d), seq: r.call.timerSeq, index: -1, fn: func() error {
			_, err := fn(goja.Undefined())
			return err
		}}
		if c.Argument(2).ToBoolean() {
			t.every = d
		}
		if err := r.call.addTimer(t); err != nil {
			r.throw("RangeError", err.Error())
		}
		return r.function("stop", func(goja.FunctionCall) goja.Value {
			r.call.removeTimer(t)
			return goja.Undefined()
		})
	},
	// cursorClass(prototype) says which objects are cursors.
	"cursorClass": func(r *realm, c goja.FunctionCall) goja.Value {
		r.cursor, _ = c.Argument(0).(*goja.Object)
		return goja.Undefined()
	},
	"console": func(r *realm, c goja.FunctionCall) goja.Value { return r.console() },
	"className": func(r *realm, c goja.FunctionCall) goja.Value {
		if o, ok := c.Argument(0).(*goja.Object); ok {
			return r.vm.ToValue(o.ClassName())
		}
		return goja.Undefined()
	},
	// withoutProxy gives what a proxy stands for, so that looking at it runs none
	// of its traps; undefined when it was revoked.
	"withoutProxy": func(r *realm, c goja.FunctionCall) goja.Value {
		o, ok := c.Argument(0).(*goja.Object)
		if !ok {
			return c.Argument(0)
		}
		if o = withoutProxy(o); o == nil {
			return goja.Undefined()
		}
		return o
	},
	// detach takes the content of an array buffer away, as a transfer does.
	"detach": func(r *realm, c goja.FunctionCall) goja.Value {
		if o, ok := c.Argument(0).(*goja.Object); ok {
			if b, ok := o.Export().(goja.ArrayBuffer); ok {
				return r.vm.ToValue(b.Detach())
			}
		}
		return r.vm.ToValue(false)
	},
	"promise": func(r *realm, c goja.FunctionCall) goja.Value {
		p := asPromise(c.Argument(0))
		if p == nil {
			return goja.Undefined()
		}
		o := r.vm.NewObject()
		_ = o.Set("state", []string{"pending", "fulfilled", "rejected"}[p.State()])
		if p.State() != goja.PromiseStatePending {
			_ = o.Set("result", p.Result())
		}
		return o
	},
}
