package host

import (
	"runtime/metrics"
	"sync"
	"time"
)

// meter tells what each call allocated. The engine and Go account memory for
// the process alone, so what was allocated while several calls computed counts
// to each of them in equal parts: exact for a call that computes alone, a
// fair guess for others.
//
// share grows by what a computing call is charged for; a call's own charge is
// the growth of share while it computed. So a change costs the same however
// many calls there are.
type meter struct {
	mu        sync.Mutex
	sample    []metrics.Sample
	read      time.Time
	allocated uint64 // at the last reading
	computing int
	share     float64
}

// minMeterGap is how long a reading is good for while several calls compute.
const minMeterGap = 20 * time.Microsecond

// advance charges what was allocated since the last reading.
func (m *meter) advance(now time.Time) {
	if m.sample == nil {
		m.sample = []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	}
	if m.computing > 1 && now.Sub(m.read) < minMeterGap {
		return
	}
	metrics.Read(m.sample)
	total := m.sample[0].Value.Uint64()
	if m.computing > 0 {
		m.share += float64(total-m.allocated) / float64(m.computing)
	}
	m.allocated, m.read = total, now
}

// usage is what one call was charged.
type usage struct {
	meter   *meter
	running bool
	since   float64 // share when it began to compute
	bytes   float64
}

// begin says that the call computes.
func (u *usage) begin(now time.Time) {
	u.meter.mu.Lock()
	defer u.meter.mu.Unlock()
	u.meter.advance(now)
	u.meter.computing++
	u.running, u.since = true, u.meter.share
}

// end says that the call waits or has ended.
func (u *usage) end(now time.Time) {
	u.meter.mu.Lock()
	defer u.meter.mu.Unlock()
	if !u.running {
		return
	}
	u.meter.advance(now)
	u.meter.computing--
	u.running = false
	u.bytes += u.meter.share - u.since
}

// state gives what the call was charged so far, and whether it computes.
func (u *usage) state(now time.Time) (allocated int64, computing bool) {
	u.meter.mu.Lock()
	defer u.meter.mu.Unlock()
	if !u.running {
		return int64(u.bytes), false
	}
	u.meter.advance(now)
	return int64(u.bytes + u.meter.share - u.since), true
}
