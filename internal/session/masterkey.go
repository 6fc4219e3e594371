package session

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// MasterKey encrypts what must not be readable in the database: signing keys.
// It never enters the database itself.
type MasterKey struct {
	aead  cipher.AEAD
	where string // it came from, for people
}

// NewMasterKey wants exactly 32 bytes.
func NewMasterKey(key []byte) (*MasterKey, error) {
	if len(key) != 32 {
		return nil, fmt.Errorf("the master key has %d bytes, it must have 32", len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &MasterKey{aead, "the master key"}, nil
}

// LoadMasterKey reads the key (base64 of 32 bytes) from file, which is created
// with mode 0600 when it does not exist. Processes that share a database need the
// same key.
func LoadMasterKey(file string) (*MasterKey, error) {
	if data, err := os.ReadFile(file); err == nil {
		return parseMasterKey(string(data), file)
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("reading the master key: %w", err)
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, fmt.Errorf("creating the master key: %w", err)
	}
	// Linked into place whole: a process that starts at the same time reads
	// either nothing or all of it, and only one of two keys survives.
	tmp, err := os.CreateTemp(filepath.Dir(file), ".master-key-*")
	if err != nil {
		return nil, fmt.Errorf("creating the master key: %w", err)
	}
	defer os.Remove(tmp.Name())
	_, err = io.WriteString(tmp, base64.StdEncoding.EncodeToString(key)+"\n")
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		if err = os.Link(tmp.Name(), file); errors.Is(err, os.ErrExist) {
			err = nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("creating the master key: %w", err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the master key: %w", err)
	}
	return parseMasterKey(string(data), file)
}

// MasterKeyOf loads the key of a database. A new one is made only for a new
// database: beside one that was written with another key it would be of no use,
// and in the way of the right file.
func MasterKeyOf(ctx context.Context, db *mongo.Database, file string) (*MasterKey, error) {
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		err := db.Collection(keysCollection).FindOne(ctx, bson.D{}).Err()
		if err == nil {
			return nil, fmt.Errorf("there is no master key in %s, and this database was written with one. %s", file, otherKey)
		}
		if !errors.Is(err, mongo.ErrNoDocuments) {
			return nil, fmt.Errorf("reading signing keys: %w", err)
		}
	}
	return LoadMasterKey(file)
}

// otherKey is what to do about a master key that does not fit.
const otherKey = "Give the file that the server had before (--master-key FILE; without the flag it is master.key in the data folder). " +
	"If it is lost, delete the app's documents from __regent.keys: every session of the app ends and new keys are made"

func parseMasterKey(text, where string) (*MasterKey, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(key) != 32 {
		return nil, fmt.Errorf("%s is not base64 of 32 bytes; make one with: openssl rand -base64 32", where)
	}
	k, err := NewMasterKey(key)
	if err == nil {
		k.where = where
	}
	return k, err
}

// Seal encrypts plain for the given purpose; the layout is
//
//	| 12 bytes nonce | ciphertext | 16 bytes tag |
//
// and purpose is authenticated, so that a value cannot be moved elsewhere.
func (m *MasterKey) Seal(random io.Reader, plain []byte, purpose string) ([]byte, error) {
	nonce := make([]byte, m.aead.NonceSize(), m.aead.NonceSize()+len(plain)+m.aead.Overhead())
	if _, err := io.ReadFull(random, nonce); err != nil {
		return nil, err
	}
	return m.aead.Seal(nonce, nonce, plain, []byte(purpose)), nil
}

// Open reverses Seal.
func (m *MasterKey) Open(sealed []byte, purpose string) ([]byte, error) {
	n := m.aead.NonceSize()
	if len(sealed) < n {
		return nil, errors.New("sealed value is too short")
	}
	return m.aead.Open(nil, sealed[:n], sealed[n:], []byte(purpose))
}
