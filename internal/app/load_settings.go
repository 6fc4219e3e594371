package app

import (
	"strconv"

	"regent/internal/app/jsonfile"
)

// settingsFile holds Regent's own settings of an app.
const settingsFile = "regent.json"

// readSettings reads regent.json. A value that the table refuses is an error:
// the default in its place could be the less safe one.
func (l *loader) readSettings() {
	o := l.object(settingsFile)
	if o == nil {
		return
	}
	values, _ := plain(o.node).(map[string]any)
	table := SettingsTable()
	for _, p := range table.Decode(&l.app.Settings, values, "$schema") {
		src := Source{File: o.file, Path: "$"}
		for _, key := range p.Path {
			src.Path = jsonfile.Key(src.Path, key)
		}
		problem := src.Error("%s", p.Message)
		problem.Allowed = p.Allowed
		if p.Unknown {
			problem.Severity = SeverityWarning
			if len(p.Path) == 1 {
				// The whole table would be a screenful.
				problem.Allowed = "see docs/configuration.md"
				if near := nearest(p.Path[0], table.Names()); near != "" {
					problem.Message += "; did you mean " + near + "?"
				}
			}
		}
		l.add(l.located(problem))
	}
}

// plain converts a value into what encoding/json would decode it to.
func plain(n *jsonfile.Node) any {
	switch n.Kind {
	case jsonfile.Bool:
		return n.Text == "true"
	case jsonfile.Number:
		f, _ := strconv.ParseFloat(n.Text, 64) // the reader has checked it
		return f
	case jsonfile.String:
		return n.Text
	case jsonfile.Array:
		list := make([]any, len(n.Items))
		for i := range n.Items {
			list[i] = plain(&n.Items[i])
		}
		return list
	case jsonfile.Object:
		m := make(map[string]any, len(n.Members))
		for i := range n.Members {
			m[n.Members[i].Key] = plain(&n.Members[i].Value)
		}
		return m
	}
	return nil
}
