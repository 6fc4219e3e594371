package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"regent"
)

// restoreCommand works without any server: there is no database yet.
func restoreCommand() *cobra.Command {
	var data string
	c := &cobra.Command{
		Use:   "restore BACKUP",
		Short: "Make the database of a new data folder from a backup",
		Long: `Copy a backup made by "regent docdb backup" into a data folder that has no
database yet. Copy the old folder's master.key there, too: sessions and secrets
are encrypted under it.`,
		Args: words(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := regent.RestoreDocDB(args[0], data); err != nil {
				return err
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "%s holds the database of %s.\n", data, args[0])
			return err
		},
	}
	c.Flags().StringVar(&data, "data", "./"+regent.DefaultDataDir, "the data folder")
	return withEnvironment(c)
}
