package function

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

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
				warn(r.Line, r.Col, "%s, named by function '%s'", text, f.Name)
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
			return "no function '" + r.Name + "'"
		}
	case "value":
		if a.Value(r.Name) == nil {
			return "no value '" + r.Name + "': context.values.get gives undefined"
		}
	case "service":
		if !hasService(a, r.Name) {
			return "no service '" + r.Name + "': context.services.get gives undefined"
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
