package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"regent/internal/auth/password"
)

// measureHash prints what the password hash alone costs and allows here: an
// e-mail log-in can't be faster.
func measureHash(duration time.Duration) error {
	h, err := password.New(password.Default, runtime.NumCPU(), password.DefaultWaiting, rand.Reader)
	if err != nil {
		return err
	}
	ctx := context.Background()
	began := time.Now()
	if _, err := h.Hash(ctx, "correct horse"); err != nil {
		return err
	}
	one := time.Since(began)
	var n atomic.Int64
	var wg sync.WaitGroup
	end := time.Now().Add(duration)
	began = time.Now()
	for range runtime.NumCPU() {
		wg.Go(func() {
			for time.Now().Before(end) {
				if _, err := h.Hash(ctx, "correct horse"); err == nil {
					n.Add(1)
				}
			}
		})
	}
	wg.Wait()
	fmt.Printf("\nOne password hash (%+v) takes %.1f ms; %d at once make %.0f a second, which bounds e-mail log-ins.\n",
		password.Default, ms(one), runtime.NumCPU(), float64(n.Load())/time.Since(began).Seconds())
	return nil
}
