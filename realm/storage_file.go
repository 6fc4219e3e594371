package realm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// maxStorageFile bounds the file that FileStorage is willing to read, in bytes.
const maxStorageFile = 64 << 20

// lockPoll is how often a locked file is tried again.
const lockPoll = 5 * time.Millisecond

// FileStorage returns a Storage in one JSON file, for any number of apps. The
// file has mode 0600, its folder is made with mode 0700 if it is missing.
//
// Writing replaces the file in one step, so that a crash leaves either the old
// or the new content, and holds a lock on a second file, path + ".lock", so
// that several processes may use the same path. Waiting for the lock ends with
// the context, and after ten seconds at the latest.
func FileStorage(path string) Storage { return &fileStorage{path: path} }

type fileStorage struct{ path string }

// storedFile is the file's content.
type storedFile struct {
	Version int                  `json:"version"` // 1
	Apps    map[string]StoredApp `json:"apps"`
}

func (f *fileStorage) Load(ctx context.Context, key string) (StoredApp, error) {
	if err := ctx.Err(); err != nil {
		return StoredApp{}, err
	}
	// A file is only ever replaced, so reading needs no lock.
	content, err := f.read()
	return content.Apps[key], err
}

func (f *fileStorage) Update(ctx context.Context, key string, change func(*StoredApp)) error {
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return err
	}
	unlock, err := f.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	content, err := f.read()
	if err != nil {
		return err
	}
	app := content.Apps[key]
	change(&app)
	if content.Apps == nil {
		content.Apps = map[string]StoredApp{}
	}
	content.Apps[key] = app
	return f.write(content)
}

func (f *fileStorage) read() (storedFile, error) {
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return storedFile{Version: 1}, nil
	}
	if err != nil {
		return storedFile{}, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxStorageFile+1))
	if err != nil {
		return storedFile{}, err
	}
	if len(text) > maxStorageFile {
		return storedFile{}, fmt.Errorf("%s is larger than %d bytes", f.path, maxStorageFile)
	}
	var content storedFile
	if err := json.Unmarshal(text, &content); err != nil {
		return storedFile{}, fmt.Errorf("%s is not a file of stored users: %w", f.path, err)
	}
	if content.Version != 1 {
		return storedFile{}, fmt.Errorf("%s has version %d, this program reads version 1", f.path, content.Version)
	}
	return content, nil
}

// write replaces the file: temporary file beside it (made with mode 0600),
// synced, renamed over the old one, folder synced. The caller holds the lock, so
// a temporary file that is there already is what a killed process has left.
func (f *fileStorage) write(content storedFile) (err error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(content); err != nil {
		return err
	}
	name := f.path + ".tmp"
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	tmp, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			tmp.Close()
			os.Remove(name)
		}
	}()
	if _, err := tmp.Write(text.Bytes()); err != nil {
		return err
	}
	if err := tmp.Sync(); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	if err := os.Rename(name, f.path); err != nil {
		return err
	}
	// Not every system lets a folder be synced; the rename has happened anyway.
	if d, err := os.Open(filepath.Dir(f.path)); err == nil {
		_ = d.Sync()
		d.Close()
	}
	return nil
}

// lock waits for the lock file. The file stays when the lock is given up:
// removing it would let two processes hold locks on different files.
func (f *fileStorage) lock(ctx context.Context) (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, storageTimeout)
	defer cancel()
	file, err := os.OpenFile(f.path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		held, err := tryLock(file)
		if err != nil {
			file.Close()
			return nil, fmt.Errorf("locking %s: %w", file.Name(), err)
		}
		if held {
			return func() { file.Close() }, nil // closing gives the lock up
		}
		select {
		case <-ctx.Done():
			file.Close()
			return nil, fmt.Errorf("waiting for the lock on %s: %w", file.Name(), context.Cause(ctx))
		case <-time.After(lockPoll):
		}
	}
}
