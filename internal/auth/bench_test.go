package auth_test

import (
	"crypto/rand"
	"runtime"
	"testing"

	"regent/internal/auth"
	"regent/internal/auth/password"
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

// BenchmarkUserpass is a log-in by password with real hashes, sixteen at a time;
// BenchmarkHashAlone is what the hashes alone allow.
func BenchmarkUserpass(b *testing.B) {
	w := newWorld(b, everything(), func(c *auth.Config) { c.Passwords = realHasher(b) })
	w.register("ann@example.com", "secret1")
	body := doc(userpass("ann@example.com", "secret1"))
	b.SetParallelism(8)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := w.Login(b.Context(), "local-userpass", body, from("192.0.2.1")); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkHashAlone(b *testing.B) {
	h := realHasher(b)
	hash, err := h.Hash(b.Context(), "secret1")
	if err != nil {
		b.Fatal(err)
	}
	b.SetParallelism(8)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if ok, _, err := h.Verify(b.Context(), hash, "secret1"); !ok || err != nil {
				b.Error(err)
			}
		}
	})
}

func realHasher(b *testing.B) *password.Hasher {
	h, err := password.New(password.Default, runtime.GOMAXPROCS(0), password.DefaultWaiting, rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	return h
}
