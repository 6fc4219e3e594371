package store

import (
	"os"
	"strconv"
	"strings"
)

// The bounds of DefaultCacheBytes, and the part of the memory that it is.
const (
	minCache  = 64 << 20
	maxCache  = 512 << 20
	cachePart = 16
)

// documentPart is the part of the caches that is for single documents, and that for packs of them; the rest is for blocks.
const documentPart = 4

// DefaultCacheBytes is the default size of the caches: a sixteenth of the memory that this process may use.
func DefaultCacheBytes() int64 {
	info, _ := os.ReadFile("/proc/meminfo")
	limit, _ := os.ReadFile("/sys/fs/cgroup/memory.max")
	return cacheBytes(string(info), string(limit))
}

// cacheBytes takes the texts of /proc/meminfo and of a control group's memory.max; either may be empty.
func cacheBytes(info, limit string) int64 {
	memory := memoryBytes(info, limit)
	if memory == 0 {
		return 2 * minCache
	}
	return min(max(memory/cachePart, minCache), maxCache)
}

// Memory is the machine's memory and what this process may use of it, in bytes; 0 where it is not known.
func Memory() (machine, usable int64) {
	info, _ := os.ReadFile("/proc/meminfo")
	limit, _ := os.ReadFile("/sys/fs/cgroup/memory.max")
	return memoryBytes(string(info), ""), memoryBytes(string(info), string(limit))
}

func memoryBytes(info, limit string) (memory int64) {
	for l := range strings.Lines(info) {
		if f := strings.Fields(l); len(f) > 1 && f[0] == "MemTotal:" {
			kb, _ := strconv.ParseInt(f[1], 10, 64)
			memory = kb << 10
		}
	}
	// Without a limit the file says "max".
	if n, err := strconv.ParseInt(strings.TrimSpace(limit), 10, 64); err == nil && (memory == 0 || n < memory) {
		memory = n
	}
	return memory
}
