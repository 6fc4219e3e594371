package host

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/dop251/goja"
	"golang.org/x/net/idna"

	"regent/internal/function/wire"
)

// maxInflated bounds what compressed data may unpack to.
const maxInflated = 64 << 20

var webNatives = map[string]nativeFunc{
	// operate(kind, action, argument, drains) asks the server on the call's own
	// behalf; only for what needs no identity: HTTP, sockets, names.
	"operate": func(r *realm, c goja.FunctionCall) goja.Value {
		kind := c.Argument(0).String()
		switch kind {
		case "http", "net", "dns":
		default:
			r.throw("TypeError", "no operation "+kind)
		}
		return r.operate(wire.OperationMessage{Kind: kind, Action: c.Argument(1).String()}, c.Argument(2), c.Argument(3).ToBoolean())
	},
	"deflate": func(r *realm, c goja.FunctionCall) goja.Value {
		level := flate.DefaultCompression
		if l := c.Argument(2); goja.IsNumber(l) && l.ToInteger() >= -1 && l.ToInteger() <= 9 {
			level = int(l.ToInteger())
		}
		var b bytes.Buffer
		var w io.WriteCloser
		switch c.Argument(0).String() {
		case "gzip":
			w, _ = gzip.NewWriterLevel(&b, level)
		case "raw":
			w, _ = flate.NewWriter(&b, level)
		default:
			w, _ = zlib.NewWriterLevel(&b, level)
		}
		_, _ = w.Write(r.argBytes(c.Argument(1)))
		_ = w.Close()
		return r.newBytes(b.Bytes())
	},
	// brotli(data, quality, window): 0 to 11, 0 or 10 to 24.
	"brotli": func(r *realm, c goja.FunctionCall) goja.Value {
		options := brotli.WriterOptions{Quality: int(min(max(c.Argument(1).ToInteger(), 0), brotli.BestCompression)), LGWin: int(c.Argument(2).ToInteger())}
		if options.LGWin != 0 {
			options.LGWin = min(max(options.LGWin, 10), 24)
		}
		var b bytes.Buffer
		w := brotli.NewWriterOptions(&b, options)
		_, _ = w.Write(r.argBytes(c.Argument(0)))
		_ = w.Close()
		return r.newBytes(b.Bytes())
	},
	"inflate": func(r *realm, c goja.FunctionCall) goja.Value {
		in := bytes.NewReader(r.argBytes(c.Argument(1)))
		kind := c.Argument(0).String()
		if kind == "unzip" {
			kind = "zlib"
			if head := r.argBytes(c.Argument(1)); len(head) > 1 && head[0] == 0x1f && head[1] == 0x8b {
				kind = "gzip"
			}
		}
		var z io.Reader
		var err error
		switch kind {
		case "gzip":
			z, err = gzip.NewReader(in)
		case "raw":
			z = flate.NewReader(in)
		case "brotli":
			z = brotli.NewReader(in)
		default:
			z, err = zlib.NewReader(in)
		}
		var out []byte
		if err == nil {
			out, err = io.ReadAll(io.LimitReader(z, maxInflated+1))
		}
		if err != nil {
			r.throw("Error", "incorrect data: "+err.Error())
		}
		if len(out) > maxInflated {
			r.throw("RangeError", fmt.Sprintf("the data unpacks to more than %d bytes", maxInflated))
		}
		return r.newBytes(out)
	},
	// crc32(data, start)
	"crc32": func(r *realm, c goja.FunctionCall) goja.Value {
		return r.vm.ToValue(int64(crc32.Update(uint32(c.Argument(1).ToInteger()), crc32.IEEETable, r.argBytes(c.Argument(0)))))
	},
	"toASCII": func(r *realm, c goja.FunctionCall) goja.Value {
		s, err := idna.Lookup.ToASCII(c.Argument(0).String())
		if err != nil {
			if strings.Trim(c.Argument(0).String(), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=") == "" {
				return r.vm.ToValue(strings.ToLower(c.Argument(0).String()))
			}
			return goja.Undefined()
		}
		return r.vm.ToValue(s)
	},
	"toUnicode": func(r *realm, c goja.FunctionCall) goja.Value {
		s, err := idna.ToUnicode(c.Argument(0).String())
		if err != nil {
			return c.Argument(0)
		}
		return r.vm.ToValue(s)
	},
	"hrtime": func(r *realm, c goja.FunctionCall) goja.Value {
		return r.vm.ToValue(float64(time.Since(r.call.started).Nanoseconds()))
	},
	// zone(milliseconds, name) gives [offset in minutes, abbreviation], undefined
	// for an unknown time zone.
	"zone": func(r *realm, c goja.FunctionCall) goja.Value {
		name := c.Argument(1).String()
		if name == "Local" || strings.Contains(name, "..") || len(name) > 64 {
			return goja.Undefined()
		}
		loc, err := time.LoadLocation(name)
		if err != nil {
			return goja.Undefined()
		}
		abbreviation, offset := time.UnixMilli(c.Argument(0).ToInteger()).In(loc).Zone()
		return r.vm.NewArray(offset/60, abbreviation)
	},
	"marker": func(r *realm, c goja.FunctionCall) goja.Value { return r.host.raw },
}
