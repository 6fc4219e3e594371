package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"regent/internal/app"
)

var update = flag.Bool("update", false, "write docs/configuration.md")

const configurationFile = "../../docs/configuration.md"

// TestConfigurationDocument keeps docs/configuration.md what the tables of
// flags and settings say; go test ./cmd/regent -run TestConfigurationDocument
// -update writes it.
func TestConfigurationDocument(t *testing.T) {
	var b bytes.Buffer
	if err := app.WriteConfiguration(&b); err != nil {
		t.Fatal(err)
	}
	writeFlags(&b, serveCommand())
	if *update {
		if err := os.WriteFile(configurationFile, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(configurationFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, b.Bytes()) {
		t.Error("docs/configuration.md is stale: run go test ./cmd/regent -run TestConfigurationDocument -update")
	}
}

// writeFlags writes the table of a command's flags.
func writeFlags(w io.Writer, c *cobra.Command) {
	fmt.Fprint(w, "\n## Flags of the process: `regent serve`\n\n| flag | environment | default | |\n|---|---|---|---|\n")
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" {
			return
		}
		help, _, _ := strings.Cut(f.Usage, " [$")
		def := "`" + f.DefValue + "`"
		if i := strings.Index(help, " (default: "); i >= 0 {
			def = strings.TrimSuffix(help[i+len(" (default: "):], ")")
			help = help[:i]
		}
		fmt.Fprintf(w, "| `--%s` | `%s` | %s | %s |\n", f.Name, envName(f.Name), def, strings.ReplaceAll(help, "|", `\|`))
	})
}
