//go:build !linux

package store

func mapped(n int) []byte { return make([]byte, n) }

func unmap([]byte) {}
