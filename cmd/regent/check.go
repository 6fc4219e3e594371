package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"regent"
	"regent/internal/app"
)

func checkCommand() *cobra.Command {
	var strict, asJSON bool
	var appID, secrets string
	c := &cobra.Command{
		Use:   "check DIR...",
		Short: "Say what is wrong with app directories",
		Long: `Check app directories without serving them: one line for each problem with
file, line, JSON path, what is wrong and what is allowed. Warnings name what is
refused when it is used, while everything else serves. Parts that this version
loads and does not serve are named in a line of their own. The exit code is 1 when
there are errors; with --strict also when there are warnings.`,
		Args: words(1, -1),
		RunE: func(c *cobra.Command, dirs []string) error {
			failed := false
			for _, dir := range dirs {
				problems, unserved, err := regent.Check(dir, appID, secrets)
				if err != nil {
					return err
				}
				for _, p := range problems {
					failed = failed || strict || p.Severity == app.SeverityError
					if asJSON {
						if err := json.NewEncoder(c.OutOrStdout()).Encode(p); err != nil {
							return err
						}
						continue
					}
					prefix := ""
					if len(dirs) > 1 {
						prefix = dir + "/"
					}
					fmt.Fprintln(c.OutOrStdout(), prefix+p.String())
				}
				if !asJSON {
					if len(unserved) > 0 {
						fmt.Fprintf(c.OutOrStdout(), "%s: loaded, but not served: %s\n", dir, strings.Join(unserved, ", "))
					}
					fmt.Fprintf(c.OutOrStdout(), "%s: %s\n", dir, summary(problems))
				}
			}
			if failed {
				return exitCode(1)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&strict, "strict", false, "let warnings fail, too")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	c.Flags().StringVar(&appID, "app-id", "", "client app id of an app whose directory names none")
	c.Flags().StringVar(&secrets, "secrets", "", "JSON file with the apps' secrets, name to value (default: none)")
	return withEnvironment(c)
}

// summary counts problems in words.
func summary(problems []app.Problem) string {
	count := map[app.Severity]int{}
	for _, p := range problems {
		count[p.Severity]++
	}
	plural := func(n int, what string) string {
		if n == 1 {
			return "1 " + what
		}
		return fmt.Sprintf("%d %ss", n, what)
	}
	if len(problems) == 0 {
		return "no problems"
	}
	return plural(count[app.SeverityError], "error") + ", " + plural(count[app.SeverityWarning], "warning")
}
