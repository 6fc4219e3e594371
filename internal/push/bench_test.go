package push_test

import (
	"testing"
	"time"
)

// BenchmarkBroadcast sends one message to 10,000 devices through a Firebase
// that answers at once, on the embedded database.
func BenchmarkBroadcast(b *testing.B) {
	w := newWorld(b)
	w.Service.Close()
	w.app.Services[0].Config = must(withField(w.app.Services[0].Config, "ratePerSecond", 100_000))
	if err := registerMany(b.Context(), w.db, w.domain, killDevices); err != nil {
		b.Fatal(err)
	}
	w.Service = w.open()
	w.Start()
	for b.Loop() {
		id := w.send(`{"all":true,"notification":{"title":"Hi"}}`).ID
		for {
			p, err := w.Progress(b.Context(), id)
			if err != nil {
				b.Fatal(err)
			}
			if p.Done() {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	b.ReportMetric(float64(killDevices*b.N)/b.Elapsed().Seconds(), "messages/s")
}
