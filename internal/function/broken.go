package function

import (
	"slices"
	"strings"

	"regent/internal/app"
)

// Broken reports the functions that old could call and d can't, although they
// are still there: at the start a function that does not parse is refused
// alone, but a change that breaks one which served is a broken change.
func (d *Deployment) Broken(old *Deployment) []app.Problem {
	var problems []app.Problem
	for name, s := range d.sources {
		if before, ok := old.sources[name]; ok && before.Error == "" && s.Error != "" {
			problems = append(problems, app.Problem{Severity: app.SeverityError, File: s.File, Message: "the function served before this change: " + s.Error})
		}
	}
	slices.SortFunc(problems, func(a, b app.Problem) int { return strings.Compare(a.File, b.File) })
	return problems
}
