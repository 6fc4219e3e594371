package auth_test

import (
	"testing"
)

// BenchmarkAnonymous is a log-in with all that it stores, sixteen at a time.
func BenchmarkAnonymous(b *testing.B) {
	w := newWorld(b, everything())
	body := doc(`{"options": {"device": {"platform": "node"}}}`)
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := w.Login(b.Context(), "anon-user", body, nil); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkAuthenticate is what every request with an access token costs.
func BenchmarkAuthenticate(b *testing.B) {
	w := newWorld(b, everything())
	tok := w.login("anon-user", `{}`)
	for b.Loop() {
		if _, err := w.Authenticate(b.Context(), tok.AccessToken); err != nil {
			b.Fatal(err)
		}
	}
}
