package function

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"regent/internal/app"
)

// maxUnpackedFiles bounds the files of an archive of packages.
const maxUnpackedFiles = 100_000

// packageFolder gives the folder that holds the app's node_modules, unpacking
// an archive into a temporary one; "" when the app has no packages.
func packageFolder(a *app.App, limit int64) (dir string, cleanup func(), err error) {
	cleanup = func() {}
	switch {
	case a.Dependencies.Dir != "":
		return filepath.Dir(a.Dependencies.Dir), cleanup, nil
	case a.Dependencies.Archive != "":
		dir, err = os.MkdirTemp("", "regent-packages-")
		if err != nil {
			return "", cleanup, err
		}
		cleanup = func() { os.RemoveAll(dir) }
		err := unpack(a.Dependencies.Archive, filepath.Join(dir, unpacked), limit)
		if err == nil {
			err = placePackages(dir)
		}
		if err != nil {
			cleanup()
			return "", func() {}, fmt.Errorf("%s: %w", filepath.Base(a.Dependencies.Archive), err)
		}
		return dir, cleanup, nil
	}
	return "", cleanup, nil
}

func unpack(archive, dir string, limit int64) error {
	u := &unpacker{dir: dir, left: limit, limit: limit, files: maxUnpackedFiles}
	if strings.HasSuffix(archive, ".zip") {
		z, err := zip.OpenReader(archive)
		if err != nil {
			return err
		}
		defer z.Close()
		for _, f := range z.File {
			if f.FileInfo().Mode()&os.ModeType != 0 {
				continue // folders appear with their files; links are left out
			}
			r, err := f.Open()
			if err != nil {
				return err
			}
			err = u.file(f.Name, r)
			r.Close()
			if err != nil {
				return err
			}
		}
		return nil
	}
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReader(f)
	var in io.Reader = r
	if head, _ := r.Peek(2); len(head) == 2 && head[0] == 0x1f && head[1] == 0x8b {
		z, err := gzip.NewReader(r)
		if err != nil {
			return err
		}
		in = z
	}
	t := tar.NewReader(in)
	for {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if err := u.file(h.Name, t); err != nil {
			return err
		}
	}
}

// unpacked is where an archive's files are before their node_modules is found.
const unpacked = "unpacked"

// placePackages makes dir/node_modules of what was unpacked: an archive may hold
// node_modules, a folder that holds it, or what is in it. Files of other kinds
// may be beside it, such as those that macOS adds.
func placePackages(dir string) error {
	root := filepath.Join(dir, unpacked)
	from := root
	if isFolder(filepath.Join(root, "node_modules")) {
		from = filepath.Join(root, "node_modules")
	} else {
		entries, err := os.ReadDir(root)
		if err != nil {
			return fmt.Errorf("the archive is empty")
		}
		var folders []string
		for _, e := range entries {
			if e.IsDir() && e.Name() != "__MACOSX" && e.Name()[0] != '.' {
				folders = append(folders, e.Name())
			}
		}
		if len(folders) == 1 && isFolder(filepath.Join(root, folders[0], "node_modules")) {
			from = filepath.Join(root, folders[0], "node_modules")
		}
	}
	return os.Rename(from, filepath.Join(dir, "node_modules"))
}

func isFolder(path string) bool {
	i, err := os.Stat(path)
	return err == nil && i.IsDir()
}

// unpacker writes an archive's files below a folder.
type unpacker struct {
	dir   string
	left  int64
	limit int64
	files int
}

func (u *unpacker) file(name string, r io.Reader) error {
	name = path.Clean("/" + strings.ReplaceAll(name, `\`, "/"))
	if u.files--; u.files < 0 {
		return fmt.Errorf("more than %d files", maxUnpackedFiles)
	}
	target := filepath.Join(u.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(target, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, io.LimitReader(r, u.left+1))
	u.left -= n
	if u.left < 0 {
		err = fmt.Errorf("unpacks to more than %d bytes (function_module_archive_size)", u.limit)
	}
	return errors.Join(err, f.Close())
}
