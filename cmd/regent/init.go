package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"regent/internal/app"
)

func initCommand() *cobra.Command {
	var name string
	c := &cobra.Command{
		Use:   "init DIR",
		Short: "Write a small app to start from",
		Long:  `Write a small app directory that passes "regent check" and can be served at once.`,
		Args:  words(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			dir := args[0]
			if name == "" {
				abs, err := filepath.Abs(dir)
				if err != nil {
					return err
				}
				name = filepath.Base(abs)
			}
			if err := app.Init(dir, name); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "An app is in %s. Serve it with:\n\n  regent serve %s\n", dir, dir)
			return nil
		},
	}
	c.Flags().StringVar(&name, "name", "", "the app's name (default: the folder's)")
	return withEnvironment(c)
}
