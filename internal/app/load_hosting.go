package app

import (
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// hostingHeaders are the attributes that a file may have (app-services.md §1.16).
func hostingHeaders() []string {
	return []string{"Content-Type", "Content-Disposition", "Content-Language", "Content-Encoding", "Cache-Control", "Website-Redirect-Location"}
}

// readHosting reads hosting/, and the root file's block of the old layouts.
func (l *loader) readHosting(r *root) {
	o := l.object("hosting/config.json")
	if o == nil {
		o = r.sub("hosting")
	}
	if o == nil {
		return
	}
	h := &Hosting{
		Source:              o.source(),
		Enabled:             o.flag("enabled"),
		Dir:                 filepath.Join(l.dir, "hosting", "files"),
		CustomDomain:        o.str("custom_domain"),
		DefaultResponseCode: o.integer("default_response_code", 0),
		DefaultErrorPath:    o.str("default_error_path"),
		Attributes:          map[string]map[string]string{},
	}
	codeKey := "default_response_code"
	if code := o.integer("default_error_code", 0); h.DefaultResponseCode == 0 {
		codeKey, h.DefaultResponseCode = "default_error_code", code
	}
	o.ignore("app_default_domain", "custom_domain_status", "status", "disabled")
	o.done()
	if c := h.DefaultResponseCode; c != 0 && (c < 200 || c > 599) {
		o.at(codeKey).problem(SeverityWarning, "200 to 599", "not a status that a reply can have: ignored")
		h.DefaultResponseCode = 0
	}
	if h.DefaultErrorPath != "" {
		h.DefaultErrorPath = path.Clean("/" + h.DefaultErrorPath)
	}
	l.app.Hosting = h
	if h.Enabled && !l.isDir("hosting/files") {
		o.warn("hosting is enabled and the folder hosting/files is missing: nothing is hosted")
	}
	if h.Enabled && h.DefaultErrorPath != "" && !l.exists("hosting/files"+h.DefaultErrorPath) {
		o.at("default_error_path").warn("there is no such file in hosting/files")
	}
	l.readHostingAttributes(h)
}

func (l *loader) readHostingAttributes(h *Hosting) {
	v, ok := l.json("hosting/metadata.json")
	if !ok {
		return
	}
	for _, item := range v.items() {
		o := item.object()
		if o == nil {
			continue
		}
		name := o.str("path")
		attrs := map[string]string{}
		for _, a := range o.list("attrs") {
			attr := a.object()
			if attr == nil {
				continue
			}
			l.readHostingAttribute(attr, attrs)
		}
		o.done()
		if name == "" || len(attrs) == 0 {
			continue
		}
		name = path.Clean("/" + name)
		if !l.exists("hosting/files" + name) {
			o.at("path").warn("there is no file hosting/files%s", name)
		}
		h.Attributes[name] = attrs
	}
}

func (l *loader) readHostingAttribute(o *object, attrs map[string]string) {
	name, text := o.str("name"), o.str("value")
	o.done()
	i := slices.IndexFunc(hostingHeaders(), func(h string) bool { return strings.EqualFold(h, name) })
	switch {
	case i < 0:
		o.at("name").problem(SeverityWarning, strings.Join(hostingHeaders(), ", "), "unknown attribute: ignored")
	case strings.ContainsAny(text, "\r\n\x00"):
		o.at("value").warn("a header has one line: ignored")
	default:
		attrs[hostingHeaders()[i]] = text
	}
}
