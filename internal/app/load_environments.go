package app

import (
	"path"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app/jsonfile"
)

// readEnvironments reads the values of the active environment and makes them
// replace the templates of every file that is read later (app-services.md §1.3, §7.3).
func (l *loader) readEnvironments(r *root) {
	if r.obj != nil {
		l.app.Environment = r.obj.str("environment")
	}
	name := l.app.Environment
	if name == "" || name == "none" || name == "no-environment" {
		l.app.Environment, name = "", "no-environment"
	}
	file := path.Join("environments", path.Base(name)+".json")
	l.app.EnvironmentValues = map[string]bson.RawValue{}
	l.templates = map[string]*jsonfile.Node{}
	if o := l.object(file); o != nil {
		if values := o.sub("values"); values != nil {
			for i := range values.node.Members {
				m := &values.node.Members[i]
				l.templates[m.Key] = &m.Value
				l.app.EnvironmentValues[m.Key] = values.child(m.Key, &m.Value).bson()
			}
		}
		o.done()
	} else if l.app.Environment != "" && r.obj != nil && !l.exists(file) {
		r.obj.at("environment").warn("%s is missing: the environment %s has no values", file, l.app.Environment)
	}
	l.envTemplates = true
	if r.obj != nil {
		l.expandTemplates(r.obj.value)
	}
}

// maxExpansion bounds the text that templates add to all files together.
const maxExpansion = 16 << 20

const templateStart = "%(%%environment.values."

// expandTemplates replaces %(%%environment.values.name) in every string of a
// value. A string that is nothing but one template takes the value's type.
func (l *loader) expandTemplates(v value) {
	n := v.node
	switch n.Kind {
	case jsonfile.Array:
		for i := range n.Items {
			l.expandTemplates(value{l, v.file, jsonfile.Index(v.path, i), &n.Items[i]})
		}
	case jsonfile.Object:
		for i := range n.Members {
			m := &n.Members[i]
			l.expandTemplates(value{l, v.file, jsonfile.Key(v.path, m.Key), &m.Value})
		}
	case jsonfile.String:
		if strings.Contains(n.Text, templateStart) {
			l.expandString(v)
		}
	}
}

func (l *loader) expandString(v value) {
	var b strings.Builder
	rest := v.node.Text
	for {
		before, after, found := strings.Cut(rest, templateStart)
		b.WriteString(before)
		if !found {
			break
		}
		name, tail, closed := strings.Cut(after, ")")
		if !closed {
			b.WriteString(templateStart + after)
			break
		}
		rest = tail
		with := l.templates[name]
		switch {
		case with == nil:
			v.warn("the environment has no value %q: nothing is put in its place", name)
		case before == "" && tail == "" && b.Len() == 0:
			at := v.node.Offset
			*v.node = *with
			v.node.Offset = at
			return
		case with.Kind == jsonfile.Object || with.Kind == jsonfile.Array:
			v.warn("the environment value %q is %s, which cannot stand inside a text: nothing is put in its place", name, with.Kind)
		case l.expanded+len(with.Text) > maxExpansion:
			v.fail("environment values expand to more than 16MB of text")
			return
		default:
			l.expanded += len(with.Text)
			b.WriteString(with.Text)
		}
	}
	v.node.Text = b.String()
}
