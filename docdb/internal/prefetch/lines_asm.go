//go:build amd64 || arm64

package prefetch

// lines fetches n cache lines from an address on, at least one.
//
//go:noescape
func lines(at uintptr, n int)
