package function

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"regent/internal/app"
	"regent/internal/function/host"
	"regent/internal/function/wire"
)

// Check finds what is wrong with an app's functions without running them:
// syntax errors, functions, services and values that code names and the app
// does not have, packages that are not installed. All are warnings: that one
// function is refused when used, everything else serves.
func Check(a *app.App) []app.Problem {
	if !prepared.Load() {
		return judge(a, compileHere(a))
	}
	exe, err := os.Executable()
	if err != nil {
		return judge(a, compileHere(a))
	}
	compiled, err := compileAll(context.Background(), Config{Executable: exe}.withDefaults(), a)
	if err != nil {
		return judge(a, compileHere(a))
	}
	return judge(a, compiled)
}

// judge turns what the compiler found into problems.
func judge(a *app.App, compiled map[string]*wire.CompiledMessage) []app.Problem {
	var out []app.Problem
	for _, f := range allFunctions(a) {
		c := compiled[f.Name]
		if c == nil {
			continue // a missing file is the loader's finding
		}
		warn := func(line, column int, format string, args ...any) {
			out = append(out, app.Problem{Severity: app.SeverityWarning, File: fileOf(f), Line: line, Column: column, Message: fmt.Sprintf(format, args...)})
		}
		if c.Error != "" {
			warn(c.Line, c.Column, "function '%s' cannot be called: syntax error: %s", f.Name, c.Error)
			continue
		}
		if c.NoEntry {
			warn(0, 0, "function '%s' cannot be called: the file assigns nothing to exports", f.Name)
		}
		for _, r := range c.Refs {
			if text := dangling(a, r); text != "" {
				warn(r.Line, r.Col, "%s", text)
			}
		}
	}
	return out
}

// dangling says what is missing for a reference, "" when it is there.
func dangling(a *app.App, r wire.Ref) string {
	switch r.Kind {
	case "function":
		if a.Function(r.Name) == nil {
			return "no function '" + r.Name + "'" + similar(r.Name, names(a.Functions, func(f *app.Function) string { return f.Name }))
		}
	case "value":
		if a.Value(r.Name) == nil {
			return "no value '" + r.Name + "': context.values.get gives undefined" + similar(r.Name, names(a.Values, func(v *app.Value) string { return v.Name }))
		}
	case "service":
		if !hasService(a, r.Name) {
			all := append(names(a.DataSources, func(d *app.DataSource) string { return d.Name }), names(a.Services, func(s *app.Service) string { return s.Name })...)
			return "no service '" + r.Name + "': context.services.get gives undefined" + similar(r.Name, all)
		}
	case "package":
		if host.IsBuiltin(r.Name) || r.Name == "" || r.Name[0] == '.' || r.Name[0] == '/' {
			if r.Name != "" && (r.Name[0] == '.' || r.Name[0] == '/') {
				return "require('" + r.Name + "'): functions share code through context.functions.execute, not through files"
			}
			return ""
		}
		if !installed(a, host.PackageOf(r.Name)) {
			return "package '" + host.PackageOf(r.Name) + "' is not installed: run `npm install " + host.PackageOf(r.Name) + "` in the app's functions folder"
		}
	}
	return ""
}

func hasService(a *app.App, name string) bool {
	if a.DataSource(name) != nil || name == "mongodb-atlas" && len(a.DataSources) == 0 {
		return true
	}
	for _, s := range a.Services {
		if s.Name == name {
			return true
		}
	}
	return false
}

// installed reports whether a package lies in the app's packages. What an
// archive holds is known only when it is unpacked.
func installed(a *app.App, name string) bool {
	if a.Dependencies.Archive != "" {
		return true
	}
	if a.Dependencies.Dir == "" {
		return false
	}
	_, err := os.Stat(filepath.Join(a.Dependencies.Dir, filepath.FromSlash(name)))
	return err == nil
}

func names[T any](all []T, name func(T) string) (out []string) {
	for _, x := range all {
		out = append(out, name(x))
	}
	return out
}

// similar asks whether a name was meant that is written almost the same.
func similar(name string, known []string) string {
	for _, k := range known {
		if len(k)-len(name) > 2 || len(name)-len(k) > 2 {
			continue
		}
		if d := distance(strings.ToLower(name), strings.ToLower(k)); d <= 1 || d == 2 && len(name) > 5 {
			return "; did you mean '" + k + "'?"
		}
	}
	return ""
}

// distance is the number of characters to insert, remove or replace that makes
// one text of the other.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := last
			if a[i] != b[j] {
				cost++
			}
			last, row[j+1] = row[j+1], min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
