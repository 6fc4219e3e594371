// Package hosting serves an app's static files, hosting/files, as App Services
// did (app-services.md §1.16, §12): index.html for folders, the headers of
// metadata.json, and either the app's own page for unknown paths (a single-page
// app) or a 404.
package hosting

import (
	"errors"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"regent/internal/app"
)

// allowedAttributes maps the attribute names of metadata.json to headers.
var allowedAttributes = map[string]string{
	"content-type":              "Content-Type",
	"content-disposition":       "Content-Disposition",
	"content-language":          "Content-Language",
	"content-encoding":          "Content-Encoding",
	"cache-control":             "Cache-Control",
	"website-redirect-location": "Location",
}

// Site is the http.Handler of one app's files.
type Site struct {
	root       *os.Root
	attributes map[string]map[string]string
	errorPath  string
	errorCode  int
}

// New opens the files of h. It fails when the folder can't be read.
func New(h *app.Hosting) (*Site, error) {
	// os.Root keeps every lookup, links included, inside the folder.
	root, err := os.OpenRoot(h.Dir)
	if err != nil {
		return nil, err
	}
	s := &Site{root: root, attributes: h.Attributes, errorPath: h.DefaultErrorPath, errorCode: h.DefaultResponseCode}
	if s.errorCode < 200 || s.errorCode > 599 {
		s.errorCode = http.StatusNotFound
	}
	return s, nil
}

// Close releases the folder.
func (s *Site) Close() error { return s.root.Close() }

func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "static hosting answers GET and HEAD only", http.StatusMethodNotAllowed)
		return
	}
	name := path.Clean("/" + r.URL.Path)
	f, info, err := s.open(name)
	if err == nil && info.IsDir() {
		f.Close()
		if !strings.HasSuffix(r.URL.Path, "/") {
			// Relative links of a folder's page need the slash. The
			// target is relative, so a path prefix in front stays.
			w.Header().Set("Location", path.Base(name)+"/")
			w.WriteHeader(http.StatusFound)
			return
		}
		name = path.Join(name, "index.html")
		f, info, err = s.open(name)
	}
	if err != nil || info.IsDir() {
		if err == nil {
			f.Close()
		}
		s.missing(w, r, err)
		return
	}
	defer f.Close()
	s.send(w, r, name, f, info, 0)
}

func (s *Site) open(name string) (*os.File, fs.FileInfo, error) {
	rel := strings.TrimPrefix(name, "/")
	if rel == "" {
		rel = "."
	}
	f, err := s.root.Open(rel)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// missing answers for a path without a file: the app's error page with the
// app's code, else a plain 404.
func (s *Site) missing(w http.ResponseWriter, r *http.Request, cause error) {
	if cause != nil && !errors.Is(cause, fs.ErrNotExist) && !errors.Is(cause, fs.ErrInvalid) && !errors.Is(cause, fs.ErrPermission) {
		// A name that escapes the folder, or one too long for the system.
		http.NotFound(w, r)
		return
	}
	if s.errorPath != "" {
		name := path.Clean("/" + s.errorPath)
		if f, info, err := s.open(name); err == nil {
			defer f.Close()
			if !info.IsDir() {
				s.send(w, r, name, f, info, s.errorCode)
				return
			}
		}
	}
	http.NotFound(w, r)
}

// send sends a file; code 0 lets http.ServeContent answer ranges and
// conditional requests.
func (s *Site) send(w http.ResponseWriter, r *http.Request, name string, f *os.File, info fs.FileInfo, code int) {
	h := w.Header()
	for attr, value := range s.attributes[name] {
		if header, ok := allowedAttributes[strings.ToLower(attr)]; ok {
			h.Set(header, value)
		}
	}
	if h.Get("Location") != "" {
		w.WriteHeader(http.StatusMovedPermanently)
		return
	}
	h.Set("X-Content-Type-Options", "nosniff")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-cache") // a changed file shows at the next load
	}
	h.Set("ETag", `"`+strconv.FormatInt(info.ModTime().UnixNano(), 36)+"-"+strconv.FormatInt(info.Size(), 36)+`"`)
	if h.Get("Content-Type") == "" {
		t := mime.TypeByExtension(path.Ext(name))
		if t == "" {
			t = "application/octet-stream"
		}
		h.Set("Content-Type", t)
	}
	if code == 0 || code == http.StatusOK {
		http.ServeContent(w, r, name, time.Time{}, f)
		return
	}
	h.Set("Content-Length", strconv.FormatInt(info.Size(), 10))
	w.WriteHeader(code)
	if r.Method != http.MethodHead {
		io.Copy(w, f)
	}
}
