// Package prefetch asks the processor to fetch memory that is about to be read.
//
// A scan reads the first hundred bytes of one document after the other. They lie a document's length apart, so that the processor
// does not guess them, and each costs a wait for memory that is longer than all the work on the document. In a block of the store
// documents lie one behind the other; where the next ones begin is known, or nearly, while the present one is still being read.
package prefetch

import "unsafe"

// Line is the number of bytes that are fetched at once.
const Line = 64

// Behind fetches the first n bytes of what begins skip bytes behind the start of b. It is a hint: nothing is read, nothing fails
// where there is no such memory, and a wrong guess costs a few cycles.
func Behind(b []byte, skip, n int) {
	lines(uintptr(unsafe.Pointer(unsafe.SliceData(b)))+uintptr(skip), (n+Line-1)/Line)
}

// At fetches the first n bytes of what lies at an address.
func At(p uintptr, n int) { lines(p, (n+Line-1)/Line) }
