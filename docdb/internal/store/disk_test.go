package store

import "testing"

func TestDefaultReserve(t *testing.T) {
	for total, want := range map[uint64]uint64{40 << 20: 10 << 20, 200 << 20: 50 << 20, 1 << 30: 96 << 20, 4 << 30: 4 << 30 / 20, 100 << 30: 256 << 20} {
		if got := defaultReserve(total); got != want {
			t.Errorf("of %d MiB %d are kept, not %d", total>>20, got>>20, want>>20)
		}
	}
}
