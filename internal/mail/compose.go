package mail

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	html "html/template"
	"io"
	"os"
	"path/filepath"
	"strings"
	text "text/template"
)

//go:embed templates
var builtin embed.FS

// Bounds of an app's own templates and of what they make.
const (
	maxTemplate = 256 << 10
	maxBody     = 1 << 20
)

// values are what templates may use.
type values struct {
	App     string // the app's name
	Email   string // the reader's address
	Link    string // the page to open, with the token pair
	Minutes int    // how long the link is valid
	Subject string
}

// Compose writes a mail from the app's templates (confirm.txt, confirm.html,
// reset.txt, reset.html in Link.Templates) or, file by file, from the built-in ones.
func Compose(l Link) (Message, error) {
	m := Message{Kind: l.Kind, App: l.App, From: l.From, ReplyTo: l.ReplyTo, To: l.To, Subject: oneLine(l.Subject), Link: l.URL}
	v := values{App: l.App, Email: l.To, Link: l.URL, Minutes: int(l.ValidFor.Minutes()), Subject: m.Subject}
	for _, part := range []struct {
		extension string
		dst       *string
		render    func(name, source string, w io.Writer, v values) error
	}{{".txt", &m.Text, renderText}, {".html", &m.HTML, renderHTML}} {
		name := string(l.Kind) + part.extension
		source, err := templateSource(l.Templates, name)
		if err != nil {
			return m, err
		}
		var out bytes.Buffer
		if err := part.render(name, source, &limited{&out, maxBody}, v); err != nil {
			return m, fmt.Errorf("mail template %s: %w", name, err)
		}
		*part.dst = out.String()
	}
	return m, nil
}

func templateSource(dir, name string) (string, error) {
	if dir != "" {
		path := filepath.Join(dir, name)
		f, err := os.Open(path)
		if err == nil {
			defer f.Close()
			data, err := io.ReadAll(io.LimitReader(f, maxTemplate+1))
			if err != nil {
				return "", fmt.Errorf("mail template: %w", err)
			}
			if len(data) > maxTemplate {
				return "", fmt.Errorf("mail template %s has more than %d bytes", path, maxTemplate)
			}
			return string(data), nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("mail template: %w", err)
		}
	}
	data, err := builtin.ReadFile("templates/" + name)
	if err != nil {
		return "", fmt.Errorf("there is no mail %q", name)
	}
	return string(data), nil
}

func renderText(name, source string, w io.Writer, v values) error {
	t, err := text.New(name).Option("missingkey=error").Parse(source)
	if err != nil {
		return err
	}
	return t.Execute(w, v)
}

func renderHTML(name, source string, w io.Writer, v values) error {
	t, err := html.New(name).Option("missingkey=error").Parse(source)
	if err != nil {
		return err
	}
	return t.Execute(w, v)
}

// limited fails a template that writes without end.
type limited struct {
	w    io.Writer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, fmt.Errorf("it makes more than %d bytes", maxBody)
	}
	return l.w.Write(p)
}

// oneLine keeps a subject from becoming further headers.
func oneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\r' || r == '\n' }), " ")
	if r := []rune(s); len(r) > 256 {
		s = string(r[:256])
	}
	return s
}
