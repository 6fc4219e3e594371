package store

import "syscall"

// mapped gives memory from the system, in large pages where it has some: a random access to small ones waits for the page table, too.
func mapped(n int) []byte {
	b, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return make([]byte, n)
	}
	if n >= extent {
		syscall.Madvise(b, syscall.MADV_HUGEPAGE) // a wish
	}
	return b
}

// unmap gives it back; what came from the heap is not known to the system, which refuses it.
func unmap(b []byte) { syscall.Munmap(b) }
