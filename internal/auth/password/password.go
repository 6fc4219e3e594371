// Package password hashes and verifies passwords.
//
// New hashes are argon2id in PHC form. Hashes that were brought along from
// elsewhere (bcrypt, scrypt, Firebase's scrypt, PBKDF2) verify too and are
// replaced at the next log-in. At most a fixed number of hashes is computed at
// once; the others wait in order, and beyond a bound are refused, so that a
// storm of log-ins degrades instead of exhausting memory.
package password

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	pooled "github.com/minio/argon2"
	"golang.org/x/crypto/argon2"
	"golang.org/x/sync/semaphore"
)

// Params are argon2id's costs.
type Params struct {
	Memory  uint32 // KiB
	Time    uint32
	Threads uint8
}

// Default is what OWASP recommends as its first choice for argon2id at 19 MiB:
// about 25 ms of one core of the machine that this was measured on.
var Default = Params{Memory: 19 * 1024, Time: 2, Threads: 1}

const (
	saltLength = 16
	keyLength  = 32
)

// DefaultWaiting is how many log-ins may wait for their hash.
const DefaultWaiting = 2000

// ErrBusy is returned when too many hashes are waiting.
var ErrBusy = errors.New("too many passwords are being checked")

// Hasher computes hashes under a bound.
type Hasher struct {
	params  Params
	rand    io.Reader
	slots   *semaphore.Weighted
	waiting atomic.Int64
	bound   int64
	decoy   string

	// derive is argon2id of params in memory that the next hash uses again, wiped
	// in between. x/crypto/argon2 takes new memory each time (golang/go#36634): at 19 MiB a
	// hash, log-ins would make 1.5 GB of garbage a second, and the collector, which
	// walks all that the server holds, would take a third of the processor.
	derive func(password, salt, secret, data []byte, keyLen uint32) []byte
}

// New returns a Hasher that computes at most parallel hashes at once, each of
// which takes params.Memory.
func New(params Params, parallel, waiting int, random io.Reader) (*Hasher, error) {
	if params.Memory < 8*uint32(params.Threads) || params.Time < 1 || params.Threads < 1 || parallel < 1 || waiting < 0 {
		return nil, fmt.Errorf("argon2id parameters out of range: %+v, %d at once, %d waiting", params, parallel, waiting)
	}
	h := &Hasher{
		params: params, rand: random, slots: semaphore.NewWeighted(int64(parallel)), bound: int64(parallel + waiting),
		derive: pooled.NewIDKey(params.Time, params.Memory, params.Threads),
	}
	// What unknown accounts are checked against costs what a real one does.
	h.decoy = encodeArgon2(params, make([]byte, saltLength), make([]byte, keyLength))
	return h, nil
}

func (h *Hasher) enter(ctx context.Context) (leave func(), err error) {
	if h.waiting.Add(1) > h.bound {
		h.waiting.Add(-1)
		return nil, ErrBusy
	}
	if err := h.slots.Acquire(ctx, 1); err != nil {
		h.waiting.Add(-1)
		return nil, err
	}
	return func() {
		h.slots.Release(1)
		h.waiting.Add(-1)
	}, nil
}

// Hash returns the PHC string of a new password.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	leave, err := h.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	salt := make([]byte, saltLength)
	if _, err := io.ReadFull(h.rand, salt); err != nil {
		return "", err
	}
	key := h.derive([]byte(password), salt, nil, nil, keyLength)
	return encodeArgon2(h.params, salt, key), nil
}

// Verify says whether password belongs to hash, and whether the hash should be
// replaced by a new one (another scheme or weaker parameters). An empty hash
// belongs to no password; the answer takes as long as for a real one.
func (h *Hasher) Verify(ctx context.Context, hash, password string) (ok, outdated bool, err error) {
	leave, err := h.enter(ctx)
	if err != nil {
		return false, false, err
	}
	defer leave()
	if hash == "" {
		_, err := h.verify(h.decoy, password)
		return false, false, err
	}
	ok, err = h.verify(hash, password)
	return ok, ok && h.outdated(hash), err
}

func (h *Hasher) verify(hash, password string) (bool, error) {
	if !strings.HasPrefix(hash, argon2idPrefix) {
		return verify(hash, password)
	}
	p, salt, key, err := decodeArgon2(hash)
	if err != nil || p != h.params {
		return verify(hash, password)
	}
	got := h.derive([]byte(password), salt, nil, nil, uint32(len(key)))
	return subtle.ConstantTimeCompare(got, key) == 1, nil
}

func (h *Hasher) outdated(hash string) bool {
	p, _, key, err := decodeArgon2(hash)
	return err != nil || p.Memory < h.params.Memory || p.Time < h.params.Time || len(key) < keyLength
}

// Check says whether a hash from elsewhere is of a kind that Verify knows.
func Check(hash string) error {
	_, err := schemeOf(hash)
	return err
}

// scheme is one way to hash.
type scheme struct {
	prefixes []string // of the PHC or modular crypt string
	verify   func(hash, password string) (bool, error)
	check    func(hash string) error
}

var schemes = []scheme{
	{[]string{argon2idPrefix}, verifyArgon2, checkArgon2},
	{[]string{"$argon2i$"}, verifyArgon2, checkArgon2},
	{[]string{"$2a$", "$2b$", "$2x$", "$2y$"}, verifyBcrypt, checkBcrypt},
	{[]string{"$scrypt$"}, verifyScrypt, checkScrypt},
	{[]string{"$firebase-scrypt$"}, verifyFirebase, checkFirebase},
	{[]string{"$pbkdf2-sha1$", "$pbkdf2-sha256$", "$pbkdf2-sha512$", "$pbkdf2$"}, verifyPBKDF2, checkPBKDF2},
}

func schemeOf(hash string) (*scheme, error) {
	for i := range schemes {
		for _, p := range schemes[i].prefixes {
			if strings.HasPrefix(hash, p) {
				return &schemes[i], schemes[i].check(hash)
			}
		}
	}
	return nil, errors.New("unknown kind of password hash (known: $argon2id$, $argon2i$, $2a$/$2b$/$2y$ bcrypt, $scrypt$, $firebase-scrypt$, $pbkdf2-sha1$/-sha256$/-sha512$)")
}

func verify(hash, password string) (bool, error) {
	s, err := schemeOf(hash)
	if err != nil {
		return false, err
	}
	return s.verify(hash, password)
}

const argon2idPrefix = "$argon2id$"

// Argon2 strings are $argon2id$v=19$m=19456,t=2,p=1$<salt>$<key>, base64 without padding.

func encodeArgon2(p Params, salt, key []byte) string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.Memory, p.Time, p.Threads,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

// Bounds of imported parameters: an imported hash must not become a way to
// stop the server.
const (
	maxMemory = 256 * 1024 // KiB
	maxTime   = 32
)

func decodeArgon2(hash string) (p Params, salt, key []byte, err error) {
	parts := strings.Split(hash, "$")
	bad := func(what string) error { return fmt.Errorf("argon2 hash: %s", what) }
	if len(parts) != 6 {
		return p, nil, nil, bad("expected $argon2id$v=19$m=…,t=…,p=…$salt$key")
	}
	if parts[2] != "v=19" {
		return p, nil, nil, bad("only version 19 is known")
	}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.Memory, &p.Time, &p.Threads); err != nil || n != 3 {
		return p, nil, nil, bad("parameters must be m=…,t=…,p=…")
	}
	if p.Threads < 1 || p.Time < 1 || p.Time > maxTime || p.Memory < 8*uint32(p.Threads) || p.Memory > maxMemory {
		return p, nil, nil, bad("parameters out of range (m at most 262144, t at most 32)")
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(strings.TrimRight(parts[4], "="))
	key, err2 := base64.RawStdEncoding.DecodeString(strings.TrimRight(parts[5], "="))
	if err1 != nil || err2 != nil || len(salt) < 8 || len(salt) > 64 || len(key) < 16 || len(key) > 128 {
		return p, nil, nil, bad("salt and key must be base64 of 8–64 and 16–128 bytes")
	}
	return p, salt, key, nil
}

func checkArgon2(hash string) error {
	_, _, _, err := decodeArgon2(hash)
	return err
}

func verifyArgon2(hash, password string) (bool, error) {
	p, salt, key, err := decodeArgon2(hash)
	if err != nil {
		return false, err
	}
	derive := argon2.IDKey
	if strings.HasPrefix(hash, "$argon2i$") {
		derive = argon2.Key
	}
	got := derive([]byte(password), salt, p.Time, p.Memory, p.Threads, uint32(len(key)))
	return subtle.ConstantTimeCompare(got, key) == 1, nil
}
