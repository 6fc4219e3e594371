package function

import (
	"context"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/caller"
)

func BenchmarkAdd(b *testing.B) {
	r := mustStart(b, Config{Hosts: 2})
	d := mustDeploy(b, r, nil, map[string]string{"add": `exports = function (a, b) { return a + b; };`})
	args := []bson.RawValue{value(int32(1)), value(int32(2))}
	c := caller.Caller{User: testUser(b), Request: testRequest()}
	call := func() {
		if _, err := d.CallAsClient(context.Background(), c, "add", args); err != nil {
			b.Error(err)
		}
	}
	call()
	b.Run("one", func(b *testing.B) {
		for b.Loop() {
			call()
		}
	})
	b.Run("sixteen", func(b *testing.B) {
		b.SetParallelism(8)
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				call()
			}
		})
	})
}

// BenchmarkCold is the first call after a deploy.
func BenchmarkCold(b *testing.B) {
	r := mustStart(b, Config{Hosts: 2})
	files := map[string]string{"add": `exports = function (a, b) { return a + b; };`}
	warm := mustDeploy(b, r, nil, files)
	args := []bson.RawValue{value(int32(1)), value(int32(2))}
	if _, err := warm.Call(context.Background(), caller.Caller{}, "add", args); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		d := mustDeploy(b, r, nil, files)
		if _, err := d.Call(context.Background(), caller.Caller{}, "add", args); err != nil {
			b.Fatal(err)
		}
		d.Close()
	}
}
