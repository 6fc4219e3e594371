package host

import (
	"testing"
	"time"

	"github.com/dop251/goja"
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/function/wire"
)

// benchHost is a host without a connection, for what needs none.
func benchHost() *Host {
	return &Host{now: time.Now, modules: &moduleCache{}, raw: goja.NewSymbol("bson")}
}

func benchCall(h *Host, d *deployment, args bson.RawValue) *call {
	c := &call{host: h, dep: d, inbox: make(chan event, 16), started: time.Now(), done: make(chan struct{})}
	c.usage.meter = &h.meter
	c.msg.CallMessage = wire.CallMessage{Name: "f", Args: args, TimeMS: 60000}
	return c
}

func benchmarkRun(b *testing.B, code string) {
	h := benchHost()
	d := newDeployment(&wire.DeployMessage{Limits: wire.Limits{Time: time.Minute, Depth: 10000, Operations: 100, Result: 1 << 24}, Functions: []wire.FunctionSource{{Name: "f", File: "f.js", Code: code}}})
	raw := bson.Raw(wire.Marshal(bson.D{{Key: "a", Value: bson.A{int32(1), int32(2)}}}))
	args := raw.Lookup("a")
	b.ReportAllocs()
	for b.Loop() {
		r := benchCall(h, d, args).run()
		if r.Failure != nil {
			b.Fatal(r.Failure.Message)
		}
	}
}

func BenchmarkRunAdd(b *testing.B) { benchmarkRun(b, `exports = (a, b) => a + b;`) }
func BenchmarkRunBSON(b *testing.B) {
	benchmarkRun(b, `exports = () => BSON.ObjectId('64b0c0c0c0c0c0c0c0c0c0c0');`)
}
func BenchmarkRunMongo(b *testing.B) {
	benchmarkRun(b, `exports = (a) => { const c = context.services; return typeof c; };`)
}
func BenchmarkRunLog(b *testing.B) {
	benchmarkRun(b, `exports = async () => { await null; return typeof console.log; };`)
}
func BenchmarkRunCrypto(b *testing.B) {
	benchmarkRun(b, `exports = () => require('crypto').createHash('sha256').update('x').digest('hex');`)
}
func BenchmarkRunSort(b *testing.B) {
	benchmarkRun(b, `exports = () => { let x = 12345; const a = []; for (let i = 0; i < 100000; i++) { x = (x * 1103515245 + 12345) % 2147483648; a.push(x); } a.sort((p, q) => p - q); return a[50000]; };`)
}
func BenchmarkRunJSON(b *testing.B) {
	benchmarkRun(b, `exports = () => { const rows = []; for (let i = 0; i < 1000; i++) rows.push({ id: i, name: "name " + i, tags: ["a", "b"], nested: { on: true, value: i / 3 } }); const text = JSON.stringify(rows); return JSON.parse(text).length + text.length; };`)
}
func BenchmarkRunFib(b *testing.B) {
	benchmarkRun(b, `exports = () => { const fib = (n) => (n < 2 ? n : fib(n - 1) + fib(n - 2)); return fib(27); };`)
}
