package session_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"regent/internal/session"
)

func TestMasterKeyFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "data", "master.key")
	// Processes that start at once get one key.
	keys := make([]*session.MasterKey, 8)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			var err error
			if keys[i], err = session.LoadMasterKey(file); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	sealed, err := keys[0].Seal(rand.Reader, []byte("secret"), "here")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if plain, err := k.Open(sealed, "here"); err != nil || string(plain) != "secret" {
			t.Errorf("%q %v", plain, err)
		}
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(file)); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestMasterKeyText(t *testing.T) {
	file := filepath.Join(t.TempDir(), "k")
	load := func(text string) error {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := session.LoadMasterKey(file)
		return err
	}
	text := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32))
	if err := load(text + "\n"); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"x", "", base64.StdEncoding.EncodeToString([]byte("short")), text + text, "garbage"} {
		if load(bad) == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestSeal(t *testing.T) {
	k, err := session.NewMasterKey(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	other, _ := session.NewMasterKey(bytes.Repeat([]byte{2}, 32))
	sealed, err := k.Seal(rand.Reader, []byte("secret"), "app 1")
	if err != nil || bytes.Contains(sealed, []byte("secret")) {
		t.Fatalf("%q %v", sealed, err)
	}
	again, _ := k.Seal(rand.Reader, []byte("secret"), "app 1")
	if bytes.Equal(sealed, again) {
		t.Error("two seals are alike")
	}
	tampered := bytes.Clone(sealed)
	tampered[len(tampered)-1]++
	for name, open := range map[string]func() ([]byte, error){
		"another purpose": func() ([]byte, error) { return k.Open(sealed, "app 2") },
		"another key":     func() ([]byte, error) { return other.Open(sealed, "app 1") },
		"tampered":        func() ([]byte, error) { return k.Open(tampered, "app 1") },
		"cut":             func() ([]byte, error) { return k.Open(sealed[:5], "app 1") },
		"empty":           func() ([]byte, error) { return k.Open(nil, "app 1") },
	} {
		if plain, err := open(); err == nil {
			t.Errorf("%s: %q", name, plain)
		}
	}
}
