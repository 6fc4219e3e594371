package store

import "testing"

func TestCacheBytes(t *testing.T) {
	const info = "MemFree: 5 kB\nMemTotal:       8388608 kB\n"
	for _, c := range []struct {
		name, info, limit string
		want              int64
	}{
		{"Unknown", "", "", 128 << 20},
		{"AllOfTheMachine", info, "max\n", 512 << 20},
		{"ControlGroup", info, "4294967296\n", 256 << 20},
		{"ControlGroupAboveTheMachine", "MemTotal: 4194304 kB\n", "99999999999\n", 256 << 20},
		{"SmallMachine", "MemTotal: 524288 kB\n", "max\n", 64 << 20},
		{"LargeMachine", "MemTotal: 268435456 kB\n", "", 512 << 20},
	} {
		if got := cacheBytes(c.info, c.limit); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
