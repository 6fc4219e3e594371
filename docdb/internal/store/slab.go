package store

import (
	"math/bits"
	"sync"
	"unsafe"
)

const (
	slabPage    = 4 << 10
	extentPages = extent / slabPage
)

// slab is memory outside of Go's heap, as an arena is, for what comes and goes: runs of pages in extents, which lie in large pages where
// the system has some. Memory in small ones, each run mapped by itself, had a scan wait for the page table at every fourth document.
type slab struct {
	mu      sync.Mutex
	most    int // extents
	extents []*slabExtent
}

type slabExtent struct {
	mem  []byte
	used [extentPages / 64]uint64 // a bit for each page
	free int
}

// take gives n bytes, or nil if there is no room. What they hold is not known.
func (s *slab) take(n int) []byte {
	pages := (n + slabPage - 1) / slabPage
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.extents {
		if at := e.find(pages); at >= 0 {
			return e.mark(at, pages)[:n:n]
		}
	}
	if pages > extentPages || len(s.extents) >= s.most {
		return nil
	}
	e := &slabExtent{mem: mapped(extent), free: extentPages}
	s.extents = append(s.extents, e)
	return e.mark(0, pages)[:n:n]
}

// give takes back what take gave. One extent without a run is kept.
func (s *slab) give(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	empty := 0
	for i, e := range s.extents {
		at := uintptr(unsafe.Pointer(unsafe.SliceData(b))) - uintptr(unsafe.Pointer(unsafe.SliceData(e.mem)))
		if at < extent {
			e.mark(int(at/slabPage), (len(b)+slabPage-1)/slabPage)
		}
		if e.free == extentPages {
			if empty++; empty == 2 {
				unmap(e.mem)
				s.extents[i] = s.extents[len(s.extents)-1]
				s.extents = s.extents[:len(s.extents)-1]
				return
			}
		}
	}
}

// find gives the first page of a run of free ones, or -1.
func (e *slabExtent) find(pages int) int {
	if e.free < pages {
		return -1
	}
	run := 0
	for i := 0; i < extentPages; {
		w := e.used[i/64] >> (i % 64)
		if w&1 != 0 {
			run = 0
			i += bits.TrailingZeros64(^w) // those behind the word's end count as free
			continue
		}
		n := min(bits.TrailingZeros64(w), 64-i%64)
		if run += n; run >= pages {
			return i + n - run
		}
		i += n
	}
	return -1
}

// mark turns a run of pages from free to used, or back, and gives their memory.
func (e *slabExtent) mark(at, pages int) []byte {
	for i := at; i < at+pages; i++ {
		e.used[i/64] ^= 1 << (i % 64)
		if e.used[i/64]&(1<<(i%64)) != 0 {
			e.free--
		} else {
			e.free++
		}
	}
	return e.mem[at*slabPage : (at+pages)*slabPage]
}
