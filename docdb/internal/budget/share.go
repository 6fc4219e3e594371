package budget

import "sync/atomic"

// Ledger is what one user of a Budget has of it in all, so that it can be given back at once. A nil Ledger has no bound.
type Ledger struct {
	b    *Budget
	held atomic.Int64
}

// Ledger opens a ledger.
func (b *Budget) Ledger() *Ledger { return &Ledger{b: b} }

func (l *Ledger) note(n int64, taken bool) bool {
	if taken {
		l.held.Add(n)
	}
	return taken
}

func (l *Ledger) give(n int64) {
	for {
		h := l.held.Load()
		n = min(n, h) // the rest has been given back by Close
		if l.held.CompareAndSwap(h, h-n) {
			l.b.Give(n)
			return
		}
	}
}

// Most is the size of the budget.
func (l *Ledger) Most() int64 {
	if l == nil {
		return 0
	}
	return l.b.Most()
}

// Tight is the budget's.
func (l *Ledger) Tight() bool { return l != nil && l.b.Tight() }

// Close gives everything back. The ledger may be used again.
func (l *Ledger) Close() {
	if l != nil {
		l.b.Give(l.held.Swap(0))
	}
}

// Share is what one holder has, with others on one ledger. It takes in steps, so that a growing number costs little.
type Share struct {
	*Ledger
	has int64
}

// What a share holds without counting it, and how it grows: by a quarter, at least by shareStep.
const (
	freeShare = 16 << 10
	shareStep = 64 << 10
)

// Hold says that the holder has n bytes; false if the budget has no more.
func (s *Share) Hold(n int) bool {
	if s.Ledger == nil || int64(n) <= max(s.has, freeShare) {
		return true
	}
	more := int64(n) + max(int64(n)/4, shareStep) - s.has
	if !s.note(more, s.b.Take(more)) {
		return false
	}
	s.has += more
	return true
}

// Need says that the holder has n bytes that it cannot do without; false if the budget has come to its end, too.
func (s *Share) Need(n int) bool {
	if s.Ledger == nil || int64(n) <= max(s.has, freeShare) {
		return true
	}
	if s.Hold(n) {
		return true
	}
	more := int64(n) - s.has
	if !s.note(more, s.b.Force(more)) {
		return false
	}
	s.has += more
	return true
}

// Release gives the share back.
func (s *Share) Release() {
	if s.has != 0 {
		s.give(s.has)
		s.has = 0
	}
}
