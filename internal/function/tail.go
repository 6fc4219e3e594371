package function

import (
	"bytes"
	"strings"
	"sync"
)

// tail keeps the first lines that a host writes on its way down, which say why.
type tail struct {
	mu sync.Mutex
	b  bytes.Buffer
}

const maxTail = 16 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if room := maxTail - t.b.Len(); room > 0 {
		t.b.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// reason is the line that names the cause of death.
func (t *tail) reason() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := t.b.String()
	for _, l := range strings.Split(text, "\n") {
		for _, mark := range []string{"stack exceeds", "stack overflow", "out of memory", "cannot allocate memory", "fatal error", "panic"} {
			if strings.Contains(l, mark) {
				return strings.TrimSpace(l)
			}
		}
	}
	first, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return first
}
