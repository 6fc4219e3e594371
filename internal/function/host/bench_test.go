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
