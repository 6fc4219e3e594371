package data

import "sync"

type feeds struct {
	mu   sync.Mutex
	open map[collectionKey]*feed
}
type feed struct{}

func (f *feeds) close() {}
