package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// envName is the environment variable of a flag: --public-url is
// REGENT_PUBLIC_URL.
func envName(flag string) string {
	return "REGENT_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// withEnvironment makes every flag of a command settable by its environment
// variable and says so in its help. The command line wins.
func withEnvironment(c *cobra.Command) *cobra.Command {
	c.Flags().VisitAll(func(f *pflag.Flag) {
		f.Usage += " [$" + envName(f.Name) + "]"
	})
	c.PreRunE = func(c *cobra.Command, _ []string) error {
		var err error
		c.Flags().VisitAll(func(f *pflag.Flag) {
			value, ok := os.LookupEnv(envName(f.Name))
			if !ok || f.Changed || err != nil {
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
