package data

import "sync/atomic"

// Backlog counts the watch streams of an app and what waits in their queues for
// clients to take it. Versions of the app that serve side by side share one.
type Backlog struct{ streams, events, bytes atomic.Int64 }

// Backlogged is what a Backlog counts. An event that waits in several queues is
// counted, and bounded, in each, though its memory is shared.
type Backlogged struct{ Streams, Events, Bytes int64 }

// Read gives the counts.
func (b *Backlog) Read() Backlogged {
	return Backlogged{b.streams.Load(), b.events.Load(), b.bytes.Load()}
}

func (b *Backlog) add(events int, bytes int64) {
	b.events.Add(int64(events))
	b.bytes.Add(bytes)
}
