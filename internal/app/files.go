package app

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"

	"regent/internal/app/jsonfile"
	"regent/internal/setting"
)

func (l *loader) checkDir() error {
	info, err := os.Stat(l.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("app directory %s does not exist; `regent init %s` makes one", l.dir, l.dir)
	case err != nil:
		return fmt.Errorf("app directory: %w", err)
	case !info.IsDir():
		return fmt.Errorf("%s is a file; give the folder that holds the app", l.dir)
	}
	if _, err := os.ReadDir(l.dir); err != nil {
		return fmt.Errorf("app directory: %w", err)
	}
	return nil
}

// file reads a regular file of at most limit bytes. name is relative, with
// slashes. A missing file is (nil, false) without a problem.
func (l *loader) file(name string, limit setting.Bytes, limitName string) ([]byte, bool) {
	full := filepath.Join(l.dir, filepath.FromSlash(name))
	info, err := os.Stat(full)
	if err != nil {
		if !missing(err) {
			l.fail(name, "cannot be read: %s", reason(err))
		}
		return nil, false
	}
	// A pipe or a device would block for ever.
	if !info.Mode().IsRegular() {
		return nil, false
	}
	f, err := os.Open(full)
	if err != nil {
		l.fail(name, "cannot be read: %s", reason(err))
		return nil, false
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err != nil {
		l.fail(name, "cannot be read: %s", reason(err))
		return nil, false
	}
	if len(data) > int(limit) {
		l.fail(name, "the file is larger than %s, which %s in regent.json allows", setting.BytesText(limit), limitName)
		return nil, false
	}
	return data, true
}

// missing also covers a path through something that is not a folder.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "not a directory")
}

// reason is an error without the path, which the problem names already.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// exists says whether a regular file of that name is there.
func (l *loader) exists(name string) bool {
	info, err := os.Stat(filepath.Join(l.dir, filepath.FromSlash(name)))
	return err == nil && info.Mode().IsRegular()
}

// isDir says whether a folder of that name is there.
func (l *loader) isDir(name string) bool {
	info, err := os.Stat(filepath.Join(l.dir, filepath.FromSlash(name)))
	return err == nil && info.IsDir()
}

// list gives the names in a folder that match keep, sorted; none when there is
// no such folder. Hidden files and the back-up copies of editors are left out
// (real-apps.md §11 trap 20).
func (l *loader) list(dir string, keep func(fs.DirEntry) bool) []string {
	entries, err := os.ReadDir(filepath.Join(l.dir, filepath.FromSlash(dir)))
	if err != nil && !missing(err) {
		l.fail(dir, "cannot be read: %s", reason(err))
	}
	var names []string
	for _, e := range entries {
		if n := e.Name(); !strings.HasPrefix(n, ".") && !strings.HasSuffix(n, "~") && keep(e) {
			names = append(names, n)
		}
	}
	sort.Strings(names)
	if len(names) > MaxFiles {
		l.warn(dir, "the folder holds %d entries; the first %d are read", len(names), MaxFiles)
		names = names[:MaxFiles]
	}
	return names
}

// folders lists the folders in a folder, links to folders included.
func (l *loader) folders(dir string) []string {
	return l.list(dir, func(e fs.DirEntry) bool {
		return e.IsDir() || e.Type()&fs.ModeSymlink != 0 && l.isDir(path.Join(dir, e.Name()))
	})
}

// jsonFiles lists the JSON files in a folder.
func (l *loader) jsonFiles(dir string) []string {
	return l.list(dir, func(e fs.DirEntry) bool {
		n := e.Name()
		return !e.IsDir() && strings.HasSuffix(n, ".json") && !strings.HasSuffix(n, ".bck.json")
	})
}

// walk visits every file below a folder, in order, with its name relative to
// the app. Links to folders are not followed; skip leaves a folder out.
func (l *loader) walk(dir string, skip func(name string) bool, visit func(name string)) {
	files := 0
	var in func(dir string, depth int)
	in = func(dir string, depth int) {
		if depth > MaxDirDepth {
			l.warn(dir, "nested too deeply: folders below %d levels are not read", MaxDirDepth)
			return
		}
		entries, err := os.ReadDir(filepath.Join(l.dir, filepath.FromSlash(dir)))
		if err != nil {
			if !missing(err) {
				l.fail(dir, "cannot be read: %s", reason(err))
			}
			return
		}
		for _, e := range entries {
			name := path.Join(dir, e.Name())
			switch {
			case strings.HasPrefix(e.Name(), "."):
			case e.IsDir():
				if !skip(e.Name()) {
					in(name, depth+1)
				}
			case files < MaxFiles:
				files++
				visit(name)
			case files == MaxFiles:
				files++
				l.warn(dir, "more than %d files: the rest is not read", MaxFiles)
			}
		}
	}
	in(dir, 0)
}

// json reads a JSON file. ok is false when it is missing, empty of meaning
// (null), or not JSON, which is a problem.
func (l *loader) json(name string) (value, bool) {
	return l.jsonGraded(name, SeverityError)
}

// jsonGraded is json with the severity of a syntax error.
func (l *loader) jsonGraded(name string, severity Severity) (value, bool) {
	data, ok := l.file(name, l.app.Settings.MaxConfigFileSize, "max_config_file_size")
	if !ok {
		return value{}, false
	}
	doc, err := jsonfile.Parse(data)
	if err != nil {
		p := Problem{Severity: severity, File: name, Message: "is not JSON: " + err.Error()}
		var syntax *jsonfile.SyntaxError
		if errors.As(err, &syntax) {
			p.Line, p.Column, p.Message = syntax.Line, syntax.Column, "is not JSON: "+syntax.Message
		}
		l.add(p)
		return value{}, false
	}
	l.docs[name] = doc
	for _, n := range doc.Notes {
		if n.Style && name == settingsFile {
			continue // ours alone: no other tool will read it
		}
		p := Problem{Severity: SeverityWarning, File: name, Message: n.Message}
		p.Line, p.Column = doc.Position(n.Offset)
		l.add(p)
	}
	v := value{l: l, file: name, path: "$", node: &doc.Root}
	if l.envTemplates {
		l.expandTemplates(v)
	}
	return v, doc.Root.Kind != jsonfile.Null
}

// object reads a JSON file that holds an object.
func (l *loader) object(name string) *object {
	v, ok := l.json(name)
	if !ok {
		return nil
	}
	return v.object()
}
