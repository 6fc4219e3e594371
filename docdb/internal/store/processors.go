package store

import "runtime"

// Processors is how many goroutines can run at once.
func Processors() int { return runtime.GOMAXPROCS(0) }

// TakeProcessors reserves processors for a scan that shares out its work: all of them when nobody else does, and always at least
// one, so that many scans at once do not make more goroutines than help. Give them back.
func (c *Collection) TakeProcessors() int {
	taken := &c.store.processors
	for {
		busy := taken.Load()
		n := max(int64(Processors())-busy, 1)
		if taken.CompareAndSwap(busy, busy+n) {
			return int(n)
		}
	}
}

// GiveProcessors gives back what TakeProcessors gave.
func (c *Collection) GiveProcessors(n int) { c.store.processors.Add(-int64(n)) }
