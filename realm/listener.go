package realm

import (
	"maps"
	"slices"
	"sync"
)

// listeners are callbacks without payload, called in the order they were
// added, in the goroutine of the operation that caused the change, after the
// change is visible and with no lock held.
type listeners struct {
	mu   sync.Mutex
	next int
	fns  map[int]func()
}

// add registers fn and returns the function that takes it out again.
func (l *listeners) add(fn func()) (remove func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fns == nil {
		l.fns = map[int]func(){}
	}
	key := l.next
	l.next++
	l.fns[key] = fn
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.fns, key)
	}
}

func (l *listeners) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fns = nil
}

// fire calls everybody who was registered when it began.
func (l *listeners) fire() {
	l.mu.Lock()
	keys := slices.Sorted(maps.Keys(l.fns))
	fns := make([]func(), 0, len(keys))
	for _, k := range keys {
		fns = append(fns, l.fns[k])
	}
	l.mu.Unlock()
	for _, fn := range fns {
		fn()
	}
}
