package app

import (
	"path"
	"strings"

	"regent/internal/app/jsonfile"
)

// ImplicitDataSource is the data source of an app that declares none
// (real-apps.md §11 trap 11).
const ImplicitDataSource = "mongodb-atlas"

// later runs f when everything has been read, in the order of the calls.
func (l *loader) later(f func()) { l.deferred = append(l.deferred, f) }

func (l *loader) resolveReferences() {
	if len(l.app.DataSources) == 0 {
		l.app.DataSources = []*DataSource{{Name: ImplicitDataSource, Type: "mongodb-atlas", ReadPreference: "primary"}}
	}
	for _, f := range l.deferred {
		f()
	}
	l.checkRelationships()
}

// refFunction resolves a reference to a function by name or by id, after
// everything is read. who says what needs the function; "" when nothing does
// now, so that a dangling reference is nobody's trouble.
func (l *loader) refFunction(at value, name, id, who string, set func(name string)) {
	l.later(func() {
		resolved := name
		if resolved == "" {
			resolved = l.functionIDs[id]
		}
		if resolved == "" {
			resolved = id
		}
		resolved = strings.TrimSuffix(strings.TrimPrefix(resolved, "/"), ".js")
		f := l.app.Function(resolved)
		switch {
		case f == nil && who != "":
			message := "there is no function " + resolved + ": " + who + " needs it"
			if near := l.nearFunction(resolved); near != "" {
				message += "; did you mean " + near + "?"
			}
			at.problem(SeverityWarning, "", message)
		case f != nil && f.Code == nil && who != "":
			at.warn("the function %s has no source file: %s needs it", resolved, who)
		}
		set(resolved)
	})
}

func (l *loader) nearFunction(name string) string {
	names := make([]string, len(l.app.Functions))
	for i, f := range l.app.Functions {
		if path.Base(f.Name) == path.Base(name) || strings.EqualFold(f.Name, name) {
			return f.Name
		}
		names[i] = f.Name
	}
	return nearest(name, names)
}

// refSource resolves a reference to a data source in the same way. A lone data
// source stands in for any name.
func (l *loader) refSource(at value, name, id, who string, set func(name string)) {
	l.later(func() {
		wanted := name
		if wanted == "" {
			wanted = l.sourceIDs[id]
		}
		lone := ""
		if len(l.app.DataSources) == 1 {
			lone = l.app.DataSources[0].Name
		}
		switch {
		case wanted != "" && l.hasSource(wanted):
		case wanted == "" && lone != "":
			wanted = lone
		case lone != "":
			at.warn("there is no data source %s: the only one, %s, is used", wanted, lone)
			wanted = lone
		default:
			if wanted == "" {
				wanted = id
			}
			if who != "" {
				at.problem(SeverityWarning, strings.Join(l.sourceNames(), ", "), "there is no data source \""+wanted+"\": "+who+" needs it")
			}
		}
		set(wanted)
	})
}

func (l *loader) hasSource(name string) bool {
	for _, d := range l.app.DataSources {
		if d.Name == name {
			return true
		}
	}
	return false
}

func (l *loader) sourceNames() []string {
	names := make([]string, len(l.app.DataSources))
	for i, d := range l.app.DataSources {
		names[i] = d.Name
	}
	return names
}

// checkRelationships reports relationships that lead nowhere. They serve Sync
// and GraphQL only (app-services.md §6.5), so nothing else suffers.
func (l *loader) checkRelationships() {
	for _, rels := range l.relationships {
		l.checkRelationship(rels)
	}
}

func (l *loader) checkRelationship(rels *object) {
	for i := range rels.node.Members {
		m := &rels.node.Members[i]
		o := rels.child(m.Key, &m.Value).object()
		if o == nil {
			continue
		}
		ref := o.str("ref")
		key := o.str("foreign_key")
		o.flag("is_list")
		o.str("source_key")
		o.done()
		if key == "" {
			o.warn("a relationship needs a foreign_key")
		}
		parts := strings.SplitN(strings.TrimPrefix(ref, "#/relationship/"), "/", 3)
		if !strings.HasPrefix(ref, "#/relationship/") || len(parts) != 3 {
			o.at("ref").problem(SeverityWarning, "#/relationship/<data source>/<database>/<collection>", "this reference is not one")
			continue
		}
		d := l.app.DataSource(parts[0])
		switch {
		case d == nil:
			o.at("ref").problem(SeverityWarning, strings.Join(l.sourceNames(), ", "), "there is no data source "+parts[0])
		case d.Collection(parts[1], parts[2]) == nil:
			o.at("ref").warn("the directory describes no collection %s.%s", parts[1], parts[2])
		}
	}
}

// LocateAll fills in line and column of problems that were found after loading
// and name a file and a JSON path. It reads the files again; a file that has
// changed meanwhile gives the lines of its present content. A problem in a
// function's source whose path belongs to the function's entry is moved there.
func (a *App) LocateAll(problems []Problem) []Problem {
	l := &loader{dir: a.Dir, app: &App{Settings: a.Settings}, docs: map[string]*jsonfile.Document{}}
	located := make([]Problem, len(problems))
	for i, p := range problems {
		if p.Line == 0 && p.Path != "" {
			if f := a.functionOf(p.File); f != nil && f.Entry.File != "" {
				p.File, p.Path = f.Entry.File, f.Entry.Path+strings.TrimPrefix(p.Path, "$")
			}
			if _, read := l.docs[p.File]; !read && strings.HasSuffix(p.File, ".json") {
				if _, ok := l.json(p.File); !ok {
					l.docs[p.File] = nil
				}
			}
			p = l.located(p)
		}
		located[i] = p
	}
	return located
}

// Locate is LocateAll for one problem.
func (a *App) Locate(p Problem) Problem { return a.LocateAll([]Problem{p})[0] }

// functionOf returns the function or webhook whose code is in a file.
func (a *App) functionOf(file string) *Function {
	if !strings.HasSuffix(file, ".js") {
		return nil
	}
	for _, f := range a.Functions {
		if f.File == file {
			return f
		}
	}
	for _, w := range a.Webhooks {
		if w.Code != nil && w.Code.File == file {
			return w.Code
		}
	}
	return nil
}

// Key appends a key to the path of a Source, Index an array index. Paths built
// with them are found by Locate whatever the key contains.
func (s Source) Key(key string) Source {
	return Source{File: s.File, Path: jsonfile.Key(s.Path, key)}
}

// Index appends an array index to the path.
func (s Source) Index(i int) Source {
	return Source{File: s.File, Path: jsonfile.Index(s.Path, i)}
}
