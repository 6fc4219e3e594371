package password_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/argon2"

	"regent/internal/auth/password"
)

var cheap = password.Params{Memory: 64, Time: 1, Threads: 1}

func hasher(t *testing.T, p password.Params, parallel, waiting int) *password.Hasher {
	t.Helper()
	h, err := password.New(p, parallel, waiting, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHash(t *testing.T) {
	h, ctx := hasher(t, cheap, 2, 10), t.Context()
	a, err := h.Hash(ctx, "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := h.Hash(ctx, "correct horse")
	if a == b {
		t.Error("two hashes of one password are alike: no salt")
	}
	if !strings.HasPrefix(a, "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Errorf("hash: %s", a)
	}
	for _, c := range []struct {
		pass string
		ok   bool
	}{{"correct horse", true}, {"correct horsf", false}, {"", false}, {"correct horse ", false}} {
		ok, outdated, err := h.Verify(ctx, a, c.pass)
		if ok != c.ok || outdated || err != nil {
			t.Errorf("%q: %v %v %v", c.pass, ok, outdated, err)
		}
	}
	// bcrypt would not see what comes after 72 bytes.
	long := strings.Repeat("x", 100)
	l, _ := h.Hash(ctx, long)
	if ok, _, _ := h.Verify(ctx, l, long[:99]+"y"); ok {
		t.Error("the end of a long password does not count")
	}
	if ok, _, err := h.Verify(ctx, "", "anything"); ok || err != nil {
		t.Errorf("no hash: %v %v", ok, err)
	}
	raised := hasher(t, password.Params{Memory: 128, Time: 1, Threads: 1}, 1, 1)
	if ok, outdated, _ := raised.Verify(ctx, a, "correct horse"); !ok || !outdated {
		t.Errorf("a hash of weaker parameters: ok %v, outdated %v", ok, outdated)
	}
}

func TestHashesFromElsewhere(t *testing.T) {
	text, err := os.ReadFile("testdata/hashes.txt")
	if err != nil {
		t.Fatal(err)
	}
	h := hasher(t, cheap, 1, 1)
	for line := range strings.SplitSeq(string(text), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		pass, hash, _ := strings.Cut(line, " | ")
		if err := password.Check(hash); err != nil {
			t.Errorf("%s: %v", hash, err)
			continue
		}
		if ok, outdated, err := h.Verify(t.Context(), hash, pass); !ok || !outdated || err != nil {
			t.Errorf("%s: %v %v %v", hash, ok, outdated, err)
		}
		if ok, _, err := h.Verify(t.Context(), hash, pass+"x"); ok || err != nil {
			t.Errorf("%s with a wrong password: %v %v", hash, ok, err)
		}
	}
}

// What an import brings must not stop the server.
func TestRefusedHashes(t *testing.T) {
	for _, hash := range []string{
		"", "x", "$", "$$$$$$", "plain", "$argon2id$", "$argon2d$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$MDEyMzQ1Njc4OWFiY2RlZg",
		"$argon2id$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHQ$MDEyMzQ1Njc4OWFiY2RlZg", "$argon2id$v=19$m=64,t=4294967295,p=1$c2FsdHNhbHQ$MDEyMzQ1Njc4OWFiY2RlZg",
		"$argon2id$v=19$m=64,t=1,p=0$c2FsdHNhbHQ$MDEyMzQ1Njc4OWFiY2RlZg", "$argon2id$v=16$m=64,t=1,p=1$c2FsdHNhbHQ$MDEyMzQ1Njc4OWFiY2RlZg",
		"$argon2id$v=19$m=64,t=1,p=1$$", "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$!!",
		"$scrypt$ln=31,r=8,p=1$c2FsdA$MDEyMzQ1Njc4OWFiY2RlZg", "$scrypt$ln=99999999999999999999,r=8,p=1$c2FsdA$MDEyMzQ1Njc4OWFiY2RlZg", "$scrypt$ln=-1,r=8,p=1$c2FsdA$MDEyMzQ1Njc4OWFiY2RlZg",
		"$scrypt$ln=1,r=1073741824,p=1073741824$c2FsdA$MDEyMzQ1Njc4OWFiY2RlZg", "$scrypt$ln=14,r=8,p=1$c2FsdA$",
		"$pbkdf2-sha256$99999999$c2FsdA$MDEyMzQ1Njc4OWFiY2RlZg", "$pbkdf2-sha256$0$c2FsdA$MDEyMzQ1Njc4OWFiY2RlZg",
		"$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "$2b$", "$firebase-scrypt$ln=14,r=8$a$b$c$d",
	} {
		if err := password.Check(hash); err == nil {
			t.Errorf("%q is accepted", hash)
		}
		if ok, _, _ := hasher(t, cheap, 1, 1).Verify(t.Context(), hash, ""); ok {
			t.Errorf("%q lets in", hash)
		}
	}
}

// More than a few hashes wait in order; beyond the bound they are refused, and
// who goes away gives the place free.
func TestBound(t *testing.T) {
	h := hasher(t, password.Params{Memory: 16 * 1024, Time: 2, Threads: 1}, 1, 2)
	var wg sync.WaitGroup
	var mu sync.Mutex
	busy, done := 0, 0
	for range 20 {
		wg.Go(func() {
			_, err := h.Hash(t.Context(), "x")
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, password.ErrBusy):
				busy++
			case err == nil:
				done++
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if busy == 0 || done < 3 {
		t.Errorf("%d refused, %d done", busy, done)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 10 {
		if _, err := h.Hash(gone, "x"); errors.Is(err, password.ErrBusy) {
			t.Fatal("cancelled hashes keep their places")
		}
	}
	if _, err := h.Hash(t.Context(), "x"); err != nil {
		t.Error(err)
	}
}

// The hasher's own argon2id is the one that everybody else computes, also in
// memory that other passwords were hashed in.
func TestArgon2id(t *testing.T) {
	for _, p := range []password.Params{cheap, {Memory: 1000, Time: 2, Threads: 1}, {Memory: 256, Time: 3, Threads: 4}, {Memory: 67, Time: 1, Threads: 2}} {
		h := hasher(t, p, 1, 1)
		for _, pass := range []string{"", "x", "correct horse", strings.Repeat("\u00e4", 128)} {
			hash, err := h.Hash(t.Context(), pass)
			if err != nil {
				t.Fatal(err)
			}
			parts := strings.Split(hash, "$")
			salt, err := base64.RawStdEncoding.DecodeString(parts[4])
			if err != nil {
				t.Fatal(err)
			}
			want := base64.RawStdEncoding.EncodeToString(argon2.IDKey([]byte(pass), salt, p.Time, p.Memory, p.Threads, 32))
			if parts[5] != want {
				t.Errorf("%+v, %q: %s, want %s", p, pass, parts[5], want)
			}
			if ok, outdated, err := h.Verify(t.Context(), hash, pass); !ok || outdated || err != nil {
				t.Errorf("%+v, %q: %v %v %v", p, pass, ok, outdated, err)
			}
		}
	}
}

// Hashes leave no garbage of their size: one memory serves for all, one after
// the other.
func TestMemoryIsReused(t *testing.T) {
	const hashes, size = 64, 1 << 20
	h := hasher(t, password.Params{Memory: size / 1024, Time: 1, Threads: 1}, 1, 1)
	hash, err := h.Hash(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range hashes {
		verified := hash
		if i%2 == 1 {
			verified = "" // an unknown account
		}
		if _, _, err := h.Verify(t.Context(), verified, "x"); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	// The race detector makes a sync.Pool forget a quarter of what it is given.
	if got := after.TotalAlloc - before.TotalAlloc; got > hashes*size/2 {
		t.Errorf("%d hashes of 1 MiB took %d MiB of new memory", hashes, got>>20)
	}
}

func BenchmarkDefault(b *testing.B) {
	h, err := password.New(password.Default, 1, 1, rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		h.Hash(b.Context(), "correct horse battery staple")
	}
}
