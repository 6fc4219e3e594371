package store

import (
	"sync/atomic"
	"time"
)

// Tally counts operations and the time they took, since the server started.
type Tally struct{ count, nanos atomic.Int64 }

// Add counts an operation.
func (t *Tally) Add(d time.Duration) {
	t.count.Add(1)
	t.nanos.Add(int64(d))
}

// Read gives the number of operations and their time.
func (t *Tally) Read() (int64, time.Duration) { return t.count.Load(), time.Duration(t.nanos.Load()) }

// Kind is a kind of operation that a collection's use is counted by.
type Kind uint8

// Kinds of operations, as the command top tells them apart.
const (
	Query Kind = iota + 1
	GetMore
	Insert
	Update
	Remove
	ReadCommand  // aggregate, count, distinct
	WriteCommand // findAndModify
	kinds
)

// Usage counts what a collection was used for since the server started.
type Usage struct {
	tallies [kinds]Tally
	// CollScans counts walks through the whole collection.
	CollScans atomic.Int64
}

// Of is the tally of one kind.
func (u *Usage) Of(k Kind) *Tally { return &u.tallies[k] }

// Sum adds up the tallies of some kinds.
func (u *Usage) Sum(list ...Kind) (n int64, d time.Duration) {
	for _, k := range list {
		a, b := u.tallies[k].Read()
		n, d = n+a, d+b
	}
	return n, d
}

// indexUse counts the operations that an index was used by.
type indexUse struct {
	ops   atomic.Int64
	since time.Time
}

// Use counts an operation that uses the index.
func (ix *Index) Use() { ix.use.ops.Add(1) }

// Uses is how many operations have used the index, and since when they are counted.
func (ix *Index) Uses() (int64, time.Time) { return ix.use.ops.Load(), ix.use.since }
