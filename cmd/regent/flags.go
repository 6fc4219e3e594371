package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// envName is the environment variable of a flag: --public-url is
// REGENT_PUBLIC_URL.
func envName(flag string) string {
	return "REGENT_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// withEnvironment makes flags of a command settable by their environment
// variables and says so in its help; without names it is every flag. The command
// line wins.
func withEnvironment(c *cobra.Command, names ...string) *cobra.Command {
	settable := func(f *pflag.Flag) bool { return len(names) == 0 || slices.Contains(names, f.Name) }
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if settable(f) {
			f.Usage += " [$" + envName(f.Name) + "]"
		}
	})
	c.PreRunE = func(c *cobra.Command, _ []string) error {
		var err error
		c.Flags().VisitAll(func(f *pflag.Flag) {
			value, ok := os.LookupEnv(envName(f.Name))
			if !ok || !settable(f) || f.Changed || err != nil {
				return
			}
			if e := c.Flags().Set(f.Name, value); e != nil {
				err = fmt.Errorf("environment variable %s: %w", envName(f.Name), e)
			}
		})
		return err
	}
	return c
}

// words allows between least and most arguments, most < 0 for any number, and
// answers anything else with how the command is used.
func words(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		problem := ""
		switch n := len(args); {
		case n < least && n == 0:
			problem = "it needs more than its name"
		case n < least:
			problem = fmt.Sprintf("something is missing after %q", args[n-1])
		case most == 0 && n > 0:
			problem = fmt.Sprintf("it takes no %q", args[0])
		case most >= 0 && n > most:
			problem = fmt.Sprintf("%q is too much", args[most])
		default:
			return nil
		}
		return errors.New(c.CommandPath() + ": " + problem + ". Usage: " + strings.TrimSuffix(c.UseLine(), " [flags]") + " (" + c.CommandPath() + " --help says more)")
	}
}
