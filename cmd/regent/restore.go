package main

import (
	"fmt"
	"path/filepath"
	"time"

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
			last := time.Now()
			keyless, err := regent.RestoreDocDB(c.Context(), args[0], data, func(bytes, total int64) {
				if now := time.Now(); now.Sub(last) > 2*time.Second {
					last = now
					fmt.Fprintf(c.ErrOrStderr(), "%d of %d bytes are copied\n", bytes, total)
				}
			})
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s holds the database of %s.\n", data, args[0])
			if keyless {
				_, err = fmt.Fprintf(c.OutOrStdout(), `Copy the old data folder's master.key to %s before the server starts:
sessions, API keys' tokens and secrets are encrypted under it. Without it the server does not start on
this database ("regent docdb check" and "stats" work).
`, filepath.Join(data, "master.key"))
			}
			return err
		},
	}
	c.Flags().StringVar(&data, "data", "./"+regent.DefaultDataDir, "the data folder")
	return withEnvironment(c)
}
