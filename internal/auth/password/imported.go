package password

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/scrypt"
)

// Hashes of other systems. Their parameters are bounded like argon2's: memory
// to 256 MiB, work to some seconds.

func checkBcrypt(hash string) error {
	cost, err := bcrypt.Cost([]byte(hash))
	if err != nil {
		return fmt.Errorf("bcrypt hash: %w", err)
	}
	if cost > 16 {
		return fmt.Errorf("bcrypt hash: cost %d is above 16", cost)
	}
	return nil
}

func verifyBcrypt(hash, password string) (bool, error) {
	// bcrypt looks at 72 bytes; the systems that made the hash cut there.
	p := []byte(password)
	if len(p) > 72 {
		p = p[:72]
	}
	err := bcrypt.CompareHashAndPassword([]byte(hash), p)
	if errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		return false, nil
	}
	return err == nil, err
}

// fields reads "ln=14,r=8,p=1" with integer values.
func fields(text string, names ...string) ([]int, error) {
	values := make([]int, len(names))
	seen := 0
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(part, "=")
		for i, n := range names {
			if n == name {
				v, err := strconv.Atoi(value)
				if err != nil || v < 1 {
					return nil, fmt.Errorf("parameter %s must be a positive number", n)
				}
				values[i] = v
				seen++
			}
		}
	}
	if seen != len(names) {
		return nil, fmt.Errorf("expected the parameters %s", strings.Join(names, ", "))
	}
	return values, nil
}

// decode accepts the base64 alphabets that the field uses, padded or not;
// passlib writes "." for "+".
func decode(text string) ([]byte, error) {
	text = strings.TrimRight(text, "=")
	text = strings.NewReplacer("-", "+", "_", "/", ".", "+").Replace(text)
	return base64.RawStdEncoding.DecodeString(text)
}

// A scrypt hash is $scrypt$ln=14,r=8,p=1$<salt>$<key>.
type scryptHash struct {
	n, r, p   int
	salt, key []byte
}

func parseScrypt(hash string) (*scryptHash, error) {
	parts := strings.Split(hash, "$")
	if len(parts) != 5 {
		return nil, errors.New("scrypt hash: expected $scrypt$ln=…,r=…,p=…$salt$key")
	}
	v, err := fields(parts[2], "ln", "r", "p")
	if err != nil {
		return nil, fmt.Errorf("scrypt hash: %w", err)
	}
	if err := boundScrypt(v[0], v[1], v[2]); err != nil {
		return nil, err
	}
	salt, err1 := decode(parts[3])
	key, err2 := decode(parts[4])
	if err1 != nil || err2 != nil || len(key) < 16 || len(key) > 128 {
		return nil, errors.New("scrypt hash: salt and key must be base64, the key of 16–128 bytes")
	}
	return &scryptHash{1 << v[0], v[1], v[2], salt, key}, nil
}

// boundScrypt: scrypt takes 128·r·2^ln bytes.
func boundScrypt(ln, r, p int) error {
	if ln > 20 || r > 32 || p > 16 || 128*r<<ln > maxMemory*1024 {
		return errors.New("scrypt hash: parameters out of range (128·r·2^ln at most 256 MiB, p at most 16)")
	}
	return nil
}

func checkScrypt(hash string) error {
	_, err := parseScrypt(hash)
	return err
}

func verifyScrypt(hash, password string) (bool, error) {
	h, err := parseScrypt(hash)
	if err != nil {
		return false, err
	}
	got, err := scrypt.Key([]byte(password), h.salt, h.n, h.r, h.p, len(h.key))
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, h.key) == 1, nil
}

// A Firebase hash carries the project's parameters, as `firebase auth:export`
// and the console show them:
//
//	$firebase-scrypt$ln=<mem cost>,r=<rounds>$<salt>$<salt separator>$<signer key>$<hash>
//
// The key that scrypt derives encrypts the project's signer key with AES-256 in
// counter mode; the result is the hash.
type firebaseHash struct {
	ln, rounds                   int
	salt, separator, signer, sum []byte
}

func parseFirebase(hash string) (*firebaseHash, error) {
	parts := strings.Split(hash, "$")
	if len(parts) != 7 {
		return nil, errors.New("firebase hash: expected $firebase-scrypt$ln=…,r=…$salt$separator$signer key$hash")
	}
	v, err := fields(parts[2], "ln", "r")
	if err != nil {
		return nil, fmt.Errorf("firebase hash: %w", err)
	}
	if err := boundScrypt(v[0], v[1], 1); err != nil {
		return nil, err
	}
	h := &firebaseHash{ln: v[0], rounds: v[1]}
	for i, dst := range []*[]byte{&h.salt, &h.separator, &h.signer, &h.sum} {
		if *dst, err = decode(parts[3+i]); err != nil {
			return nil, errors.New("firebase hash: salt, separator, signer key and hash must be base64")
		}
	}
	if len(h.signer) == 0 || len(h.signer) != len(h.sum) {
		return nil, errors.New("firebase hash: the hash must be as long as the signer key")
	}
	return h, nil
}

func checkFirebase(hash string) error {
	_, err := parseFirebase(hash)
	return err
}

func verifyFirebase(hash, password string) (bool, error) {
	h, err := parseFirebase(hash)
	if err != nil {
		return false, err
	}
	salt := append(append([]byte{}, h.salt...), h.separator...)
	key, err := scrypt.Key([]byte(password), salt, 1<<h.ln, h.rounds, 1, 32)
	if err != nil {
		return false, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return false, err
	}
	got := make([]byte, len(h.signer))
	cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(got, h.signer)
	return subtle.ConstantTimeCompare(got, h.sum) == 1, nil
}

// A PBKDF2 hash is $pbkdf2-sha256$<rounds>$<salt>$<key> (passlib) or with
// i=<rounds> in place of the bare number; $pbkdf2$ alone means SHA-1.
type pbkdf2Hash struct {
	hash      func() hash.Hash
	rounds    int
	salt, key []byte
}

func parsePBKDF2(text string) (*pbkdf2Hash, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 5 {
		return nil, errors.New("pbkdf2 hash: expected $pbkdf2-sha256$rounds$salt$key")
	}
	h := &pbkdf2Hash{hash: sha1.New}
	switch parts[1] {
	case "pbkdf2-sha256":
		h.hash = sha256.New
	case "pbkdf2-sha512":
		h.hash = sha512.New
	}
	var err error
	if h.rounds, err = strconv.Atoi(strings.TrimPrefix(parts[2], "i=")); err != nil || h.rounds < 1 || h.rounds > 5_000_000 {
		return nil, errors.New("pbkdf2 hash: rounds must be a number up to 5,000,000")
	}
	var err1, err2 error
	h.salt, err1 = decode(parts[3])
	h.key, err2 = decode(parts[4])
	if err1 != nil || err2 != nil || len(h.key) < 16 || len(h.key) > 128 {
		return nil, errors.New("pbkdf2 hash: salt and key must be base64, the key of 16–128 bytes")
	}
	return h, nil
}

func checkPBKDF2(hash string) error {
	_, err := parsePBKDF2(hash)
	return err
}

func verifyPBKDF2(text, password string) (bool, error) {
	h, err := parsePBKDF2(text)
	if err != nil {
		return false, err
	}
	got, err := pbkdf2.Key(h.hash, password, h.salt, h.rounds, len(h.key))
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, h.key) == 1, nil
}
