package function

import (
	"sync"
	"time"
)

// processors leaves one processor to the server while functions compute. However
// lowly a host is, the scheduler lets it finish its slice before whoever wakes up
// on its processor, and a log-in that is to be durable wakes up several times.
// While nothing computes for long hosts use all processors: one that could not
// move would starve on a busy processor beside an idle one.
type processors struct {
	most int // that hosts use while they compute; 0: no difference

	stirred chan struct{} // has room for one: a call has begun
	ended   chan struct{}

	mu      sync.Mutex
	crowded bool
}

const (
	// crowdTick is how often hosts that run calls are looked at.
	crowdTick = 10 * time.Millisecond
	// longCall is the age from which on a call may be one that computes for long.
	longCall = 50 * time.Millisecond
	// crowdEnd is for how long nothing may compute before hosts get all processors.
	crowdEnd = 300 * time.Millisecond
)

// crowd decides whether hosts compute for long.
type crowd struct {
	crowded bool
	quiet   time.Duration // since when none did
}

// see takes the processor time in a tick of the hosts that have a long call. Many
// hosts on one processor get little each, so all are counted together, and what
// keeps them there is less than what brought them.
func (c *crowd) see(used, tick time.Duration) bool {
	switch {
	case used >= tick/2:
		c.crowded, c.quiet = true, 0
	case used >= tick/4:
		c.quiet = 0
	default:
		if c.quiet += tick; c.quiet >= crowdEnd {
			c.crowded = false
		}
	}
	return c.crowded
}

// begun tells that a call has begun.
func (p *processors) begun() {
	if p.most == 0 {
		return
	}
	select {
	case p.stirred <- struct{}{}:
	default:
	}
}

// limit is how many processors a host that starts now may use; 0: all.
func (p *processors) limit() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.crowded {
		return p.most
	}
	return 0
}

// watch looks at the living hosts for as long as calls run, until ended.
func (p *processors) watch(living func() []*hostProcess) {
	var c crowd
	for {
		select {
		case <-p.ended:
			return
		case <-p.stirred:
		}
		used, last := map[*hostProcess]time.Duration{}, time.Now()
		for running := true; running || c.crowded; {
			select {
			case <-p.ended:
				return
			case <-time.After(crowdTick):
			}
			now, before := time.Now(), used
			used, running = make(map[*hostProcess]time.Duration, len(before)), false
			var long time.Duration
			for _, h := range living() {
				oldest := h.oldest()
				running = running || !oldest.IsZero()
				t, ok := processorTime(h.cmd.Process.Pid)
				if !ok {
					continue
				}
				used[h] = t
				if b, ok := before[h]; ok && !oldest.IsZero() && now.Sub(oldest) >= longCall {
					long += t - b
				}
			}
			p.set(c.see(long, now.Sub(last)), living)
			last = now
		}
	}
}

// set gives the living hosts all processors or not.
func (p *processors) set(crowded bool, living func() []*hostProcess) {
	p.mu.Lock()
	changed := p.crowded != crowded
	p.crowded = crowded
	p.mu.Unlock()
	if !changed {
		return
	}
	most := 0
	if crowded {
		most = p.most
	}
	// A host that starts now is among them, or has the new limit: both are asked
	// for under the lock that the list has.
	for _, h := range living() {
		confine(h.cmd.Process.Pid, most)
	}
}
