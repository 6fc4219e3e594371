package app

import (
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// newApp holds the files that Init writes, with APP_NAME and APP_ID in them.
//
//go:embed newapp
var newApp embed.FS

// appName is what App Services allows as the name of an app (app-services.md §1.3).
var appName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,31}$`)

// Init writes a small app that can be served as it is: two ways to log in, a
// collection with an owner rule, a function, a page. The folder is made; one
// that has files in it is refused. An empty name is taken from the folder.
func Init(dir, name string) error {
	return initWith(rand.Reader, dir, name)
}

func initWith(random io.Reader, dir, name string) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if name == "" {
		name = nameOf(filepath.Base(abs))
	}
	if !appName.MatchString(name) {
		return fmt.Errorf("%q cannot be an app's name: 1 to 32 letters, digits, _ and -, the first one a letter", name)
	}
	if err := emptyDir(abs); err != nil {
		return err
	}
	id, err := newID(random, name)
	if err != nil {
		return err
	}
	replace := strings.NewReplacer("APP_NAME", name, "APP_ID", id)
	return fs.WalkDir(newApp, "newapp", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel("newapp", filepath.FromSlash(path))
		if err != nil {
			return err
		}
		full := filepath.Join(abs, rel)
		if d.IsDir() {
			return os.MkdirAll(full, 0o755)
		}
		text, err := newApp.ReadFile(path)
		if err != nil {
			return err
		}
		return writeNew(full, replace.Replace(string(text)))
	})
}

// writeNew writes a file that must not exist.
func writeNew(name, text string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// emptyDir refuses a folder that has anything but hidden files, such as .git.
func emptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			return fmt.Errorf("%s is not empty: %s is in it; give a new or an empty folder", dir, e.Name())
		}
	}
	return nil
}

// nameOf makes a name of a folder's name.
func nameOf(folder string) string {
	var b strings.Builder
	for _, r := range folder {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', b.Len() > 0 && (r >= '0' && r <= '9' || r == '_' || r == '-'):
			b.WriteRune(r)
		case b.Len() > 0:
			b.WriteByte('-')
		}
	}
	name := strings.Trim(b.String()[:min(b.Len(), 32)], "-_")
	if name == "" {
		return "app"
	}
	return name
}

// newID makes a client app id as App Services did: the name and five lower-case letters.
func newID(random io.Reader, name string) (string, error) {
	letters := make([]byte, 0, 5)
	for len(letters) < 5 {
		var one [1]byte
		if _, err := io.ReadFull(random, one[:]); err != nil {
			return "", err
		}
		// 234 is the largest multiple of 26: all letters are equally likely.
		if one[0] < 234 {
			letters = append(letters, 'a'+one[0]%26)
		}
	}
	return name + "-" + string(letters), nil
}
