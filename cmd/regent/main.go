// Command regent serves Realm apps: `regent serve DIR` and an unmodified Realm
// SDK has its backend again.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"regent/internal/function"
)

func main() {
	// A function host is this same program started again; it never returns.
	function.MaybeRunHost()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := rootCommand().ExecuteContext(ctx)
	if err == nil {
		return
	}
	var code exitCode
	if errors.As(err, &code) {
		os.Exit(int(code))
	}
	fmt.Fprintln(os.Stderr, "regent:", err)
	os.Exit(1)
}

// exitCode ends the program with a code after its output has been printed.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "regent",
		Short: "A self-hosted home for Realm apps",
		Long: `Regent serves Realm (Atlas App Services) apps: an unmodified Realm SDK works
after changing the base URL, an unmodified exported app directory is the
configuration, and the data stays in your MongoDB or, with nothing installed,
in an embedded database.

  regent init my-app      write a small app to start from
  regent check my-app     say what is wrong with an app directory
  regent serve my-app     serve it`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version(),
	}
	root.AddCommand(serveCommand(), checkCommand(), initCommand())
	addOperatorCommands(root)
	return root
}
