package host

import (
	"github.com/dop251/goja"

	"regent/internal/function/wire"
)

// invokeEndpoint runs a function as the handler of an HTTP endpoint: with the
// request and an object by which it may form the response (app-services.md §9.4).
// The result is {configured, status, headers, body, result}.
func (r *realm) invokeEndpoint(fn goja.Callable, args []goja.Value) (goja.Value, *wire.Failure) {
	var request goja.Value = goja.Undefined()
	if len(args) > 0 {
		request = args[0]
	}
	var out goja.Value
	err := r.enter(func() {
		m := r.load("endpoint")
		run, _ := goja.AssertFunction(m.Get("run"))
		wrapped := r.function("handler", func(c goja.FunctionCall) goja.Value {
			v, err := fn(goja.Undefined(), c.Arguments...)
			if err != nil {
				panic(err)
			}
			return v
		})
		v, err := run(goja.Undefined(), wrapped, request)
		if err != nil {
			panic(err)
		}
		out = v
	})
	if err != nil {
		return nil, r.failure(err)
	}
	return out, nil
}
