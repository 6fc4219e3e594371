package push

import (
	"context"
	"time"
)

// provider hands one message to one address. Send must return within
// sendTimeout and must not keep m.
type provider interface {
	Send(ctx context.Context, to address, m *Message) outcome
}

// address is where a message goes. Exactly one of the three is set.
type address struct{ token, topic, condition string }

// verdict is what became of one try.
type verdict uint8

const (
	sent    verdict = iota // the provider took it
	gone                   // the address will never work again: the registration goes
	refused                // this message to this address will never work
	retry                  // a later try may work
	pause                  // as retry, and the whole service waits until then
)

// outcome is a verdict with its reason.
type outcome struct {
	verdict    verdict
	code       string        // the provider's own, for failures and metrics
	detail     string        // for the operator
	retryAfter time.Duration // as the provider asked; 0: it did not
	minimum    time.Duration // least wait before a retry that the provider's documents ask for
}

// Bounds of one try.
const (
	sendTimeout      = 15 * time.Second
	maxResponseBytes = 64 << 10
)
