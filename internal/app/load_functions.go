package app

import (
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// readFunctions reads functions/ in the layout that it has: a list in
// functions/config.json beside flat files, or one folder a function.
func (l *loader) readFunctions(old bool) {
	var sources, folders []string
	l.walk("functions", func(name string) bool { return name == "node_modules" }, func(name string) {
		if !strings.HasSuffix(name, ".js") {
			return
		}
		sources = append(sources, name)
		if path.Base(name) == "source.js" && l.exists(path.Join(path.Dir(name), "config.json")) {
			folders = append(folders, path.Dir(name))
		}
	})
	if !l.exists("functions/config.json") && (old || len(folders) > 0) {
		for _, s := range sources {
			if dir := path.Dir(s); path.Base(s) == "source.js" && !slices.Contains(folders, dir) && dir != "functions" {
				folders = append(folders, dir)
			}
		}
		slices.Sort(folders)
		for _, dir := range folders {
			l.readFunctionFolder(dir)
		}
	} else {
		l.readFunctionList(sources)
	}
	l.readDependencies()
}

// readFunctionFolder reads functions/<name>/{config.json,source.js}.
func (l *loader) readFunctionFolder(dir string) {
	file := path.Join(dir, "config.json")
	f := &Function{Name: strings.TrimPrefix(dir, "functions/"), Private: true}
	if o := l.object(file); o != nil {
		f = l.readFunctionEntry(o)
		f.Listed = true
		if f.Name == "" {
			f.Name = strings.TrimPrefix(dir, "functions/")
		}
	} else if !l.exists(file) {
		l.warn(path.Join(dir, "source.js"), "the function has no config.json: it is loaded as a private one")
	}
	l.attachCode(f, path.Join(dir, "source.js"))
	l.addFunction(f)
}

// readFunctionList reads functions/config.json and finds the source of every
// entry: the exact path, else the only file that differs in case or folder
// (real-apps.md §11 trap 7). Files that no entry claims are private functions.
func (l *loader) readFunctionList(sources []string) {
	const file = "functions/config.json"
	var entries []*Function
	names := map[string]bool{}
	listed, isList := l.json(file)
	if isList {
		for _, item := range listed.items() {
			o := item.object()
			if o == nil {
				continue
			}
			f := l.readFunctionEntry(o)
			f.Listed = true
			switch {
			case f.Name == "":
				o.warn("the entry has no name: ignored")
				continue
			case names[f.Name]:
				o.at("name").warn("a second entry of the name %s: ignored", f.Name)
				continue
			}
			names[f.Name] = true
			entries = append(entries, f)
		}
	}
	free := map[string]bool{}
	for _, s := range sources {
		free[s] = true
	}
	claim := func(f *Function, source string) {
		free[source] = false
		l.attachCode(f, source)
	}
	var open []*Function
	for _, f := range entries {
		if source := "functions/" + f.Name + ".js"; free[source] {
			claim(f, source)
		} else {
			open = append(open, f)
		}
	}
	for _, f := range open {
		if source := likelySource(f.Name, sources, free); source != "" {
			l.warnAt(f.Entry.Key("name"), "there is no functions/%s.js: %s is taken for it", f.Name, source)
			claim(f, source)
			continue
		}
		l.warnAt(f.Entry.Key("name"), "the function %s has no source file functions/%s.js: calls of it are refused", f.Name, f.Name)
	}
	for _, f := range entries {
		l.addFunction(f)
	}
	if !isList && len(sources) > 0 && !l.exists(file) {
		l.warn(file, "the file is missing: every function is loaded as a private one, which clients cannot call")
	}
	for _, s := range sources {
		if !free[s] {
			continue
		}
		f := &Function{Name: strings.TrimSuffix(strings.TrimPrefix(s, "functions/"), ".js"), Private: true}
		l.attachCode(f, s)
		if isList {
			l.warn(s, "the function is not listed in functions/config.json: it is loaded as a private one, which clients cannot call")
		}
		l.addFunction(f)
	}
}

// likelySource finds the only unclaimed file whose path differs from the name
// in case only, else the only one with the same last part.
func likelySource(name string, sources []string, free map[string]bool) string {
	for _, fits := range []func(candidate string) bool{
		func(c string) bool { return strings.EqualFold(c, name) },
		func(c string) bool { return path.Base(c) == path.Base(name) },
		func(c string) bool { return strings.EqualFold(path.Base(c), path.Base(name)) },
	} {
		found := ""
		for _, s := range sources {
			if !free[s] || !fits(strings.TrimSuffix(strings.TrimPrefix(s, "functions/"), ".js")) {
				continue
			}
			if found != "" {
				found = ""
				break
			}
			found = s
		}
		if found != "" {
			return found
		}
	}
	return ""
}

// readFunctionEntry reads what both layouts say about a function.
func (l *loader) readFunctionEntry(o *object) *Function {
	f := &Function{
		Source:            o.source(),
		Entry:             o.source(),
		Name:              strings.TrimSuffix(strings.TrimPrefix(o.str("name"), "/"), ".js"),
		Private:           o.closing("private"),
		CanEvaluate:       o.expr("can_evaluate"),
		DisableArgLogs:    o.flag("disable_arg_logs"),
		RunAsSystem:       o.flag("run_as_system"),
		RunAsUserID:       o.str("run_as_user_id"),
		RunAsUserIDScript: o.rawText("run_as_user_id_script_source"),
	}
	if id := o.str("id") + o.str("_id"); id != "" {
		l.functionIDs[id] = f.Name
	}
	o.asked = slices.DeleteFunc(o.asked, func(k string) bool { return k == "id" || k == "_id" })
	o.ignore("run_as_authed_user", "url", "source")
	o.done()
	return f
}

func (l *loader) attachCode(f *Function, file string) {
	if code, ok := l.file(file, l.app.Settings.MaxFunctionFileSize, "max_function_file_size"); ok {
		f.Code = code
		f.Source = Source{File: file}
	}
}

func (l *loader) addFunction(f *Function) {
	if first := l.app.Function(f.Name); first != nil {
		l.warnAt(f.Source, "a second function of the name %s: ignored", f.Name)
		return
	}
	l.app.Functions = append(l.app.Functions, f)
}

// readDependencies finds the npm packages. Where there are several forms the
// order is that of the original's command-line tool (app-services.md §1.11).
func (l *loader) readDependencies() {
	d := &l.app.Dependencies
	var forms []string
	for _, name := range []string{"node_modules.zip", "node_modules.tar", "node_modules.tgz", "node_modules.tar.gz"} {
		if l.exists("functions/" + name) {
			forms = append(forms, name)
			if d.Archive == "" {
				d.Archive = filepath.Join(l.dir, "functions", name)
			}
		}
	}
	if l.isDir("functions/node_modules") {
		forms = append(forms, "node_modules/")
		if d.Archive == "" {
			d.Dir = filepath.Join(l.dir, "functions", "node_modules")
		}
	}
	if len(forms) > 1 {
		l.warn("functions/"+forms[0], "the packages are there more than once: this one is used, not %s", strings.Join(forms[1:], ", "))
	}
	if data, ok := l.file("functions/package.json", l.app.Settings.MaxConfigFileSize, "max_config_file_size"); ok {
		d.PackageJSON = data
	}
}
