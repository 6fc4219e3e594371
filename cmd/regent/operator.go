package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"regent"
	"regent/internal/operator"
)

// operatorFlags are what all operator commands take.
type operatorFlags struct {
	regent.Config
	app    string
	asJSON bool
}

// addOperatorCommands hangs every operator command into the tree: "users list"
// becomes `regent users list`.
func addOperatorCommands(root *cobra.Command) {
	groups := map[string]*cobra.Command{}
	for _, command := range regent.OperatorCommands() {
		words := strings.Fields(command.Name)
		parent := root
		for i := range words[:len(words)-1] {
			name := strings.Join(words[:i+1], " ")
			if groups[name] == nil {
				groups[name] = groupCommand(words[i], regent.OperatorGroups[name])
				parent.AddCommand(groups[name])
			}
			parent = groups[name]
		}
		parent.AddCommand(operatorCommand(command, words[len(words)-1]))
	}
	groups["docdb"].AddCommand(restoreCommand())
}

// groupCommand holds commands; by itself it shows what they are.
func groupCommand(word, short string) *cobra.Command {
	return &cobra.Command{
		Use:   word,
		Short: short,
		Args:  cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			var names []string
			for _, sub := range c.Commands() {
				if sub.IsAvailableCommand() {
					names = append(names, sub.Name())
				}
			}
			return fmt.Errorf("%s has no command '%s'; it has: %s", c.CommandPath(), args[0], strings.Join(names, ", "))
		},
	}
}

func operatorCommand(command operator.Command, word string) *cobra.Command {
	var o operatorFlags
	flags := map[string]*string{}
	bools := map[string]*bool{}
	c := &cobra.Command{
		Use:   strings.TrimSpace(word + " " + command.Use),
		Short: command.Short,
		Long:  strings.TrimSpace(command.Short + "\n\n" + command.Long),
		Args:  words(command.MinArgs, command.MaxArgs),
		RunE: func(c *cobra.Command, args []string) error {
			values := map[string]string{}
			for name, v := range flags {
				values[name] = *v
			}
			for name, v := range bools {
				values[name] = fmt.Sprint(*v)
			}
			return o.run(c.Context(), command, args, values, c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.StringVar(&o.DataDir, "data", "./"+regent.DefaultDataDir, "the server's data folder")
	if !command.Store {
		f.StringArrayVar(&o.MongoDB, "mongodb", nil, "the server's --mongodb, when no server runs on this machine")
		f.StringVar(&o.MasterKey, "master-key", "", "the server's --master-key, with --mongodb")
	}
	if command.AppDir {
		f.StringVar(&o.Secrets, "secrets", "", "JSON file with the app's secrets, name to value, when no server runs on this machine (default: none; REGENT_SECRET_<name> is read too)")
	}
	if !command.NoApp {
		f.StringVar(&o.app, "app", "", "client app id; needed when there are several apps")
	}
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object a line")
	for _, fl := range command.Flags {
		if fl.Bool {
			bools[fl.Name] = f.Bool(fl.Name, fl.Default == "true", fl.Help)
		} else {
			flags[fl.Name] = f.String(fl.Name, fl.Default, fl.Help)
		}
	}
	return withEnvironment(c, "data", "mongodb", "master-key", "app", "password", "secrets")
}

// run executes a command on the running server, or in this process.
func (o *operatorFlags) run(ctx context.Context, command operator.Command, args []string, flags map[string]string, stdin io.Reader, out, errOut io.Writer) error {
	var in io.Reader
	var file *os.File
	if n := len(args); (command.Input || command.Output) && n > 0 && args[n-1] != "-" {
		name := args[n-1]
		args = args[:n-1]
		var err error
		if command.Input {
			file, err = os.Open(name)
			in = file
		} else {
			// What is exported may hold password hashes.
			file, err = os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			out = file
		}
		if err != nil {
			return err
		}
		defer file.Close()
	} else if command.Input {
		if n > 0 {
			args = args[:n-1]
		}
		in = stdin
	} else if command.Output && n > 0 {
		args = args[:n-1]
	}
	if command.Dir {
		dir, err := filepath.Abs(args[0])
		if err != nil {
			return err
		}
		args[0] = dir
		if command.AppDir {
			o.Dirs = []string{dir}
		}
	}
	for _, name := range command.Files {
		if flags[name] == "" {
			continue
		}
		text, err := os.ReadFile(flags[name])
		if err != nil {
			return fmt.Errorf("--%s: %w", name, err)
		}
		flags[name] = string(text)
	}
	client, running := operator.Dial(o.DataDir)
	if !running {
		if command.Existing {
			if _, err := os.Stat(filepath.Join(o.DataDir, "db")); err != nil {
				return fmt.Errorf("%s has no database: --data names the data folder of a server that has been started once (%w)", o.DataDir, err)
			}
		}
		// What the app's directory has to warn of is for serve and check.
		log, err := logger(errOut, "error", "text")
		if err != nil {
			return err
		}
		o.Logger = log
		open := regent.OpenOperator
		if command.Store {
			open = regent.OpenStoreOperator
		}
		if client, err = open(ctx, o.Config); err != nil {
			return err
		}
	}
	defer client.Close()
	a := &printer{out: out, err: errOut, asJSON: o.asJSON || command.Output}
	if err := client.Run(ctx, command.Name, o.app, args, flags, in, a); err != nil {
		return err
	}
	if err := a.flush(); err != nil {
		return err
	}
	if command.Output && file != nil {
		return file.Sync()
	}
	return nil
}

// printer writes rows as a table, as the lines that a command made for people,
// or as JSON.
type printer struct {
	out, err io.Writer
	asJSON   bool
	table    *tabwriter.Writer
}

func (p *printer) Note(text string) { fmt.Fprintln(p.err, text) }

func (p *printer) Row(row json.RawMessage, text string) error {
	if p.asJSON {
		_, err := fmt.Fprintf(p.out, "%s\n", row)
		return err
	}
	if text != "" {
		_, err := fmt.Fprintln(p.out, text)
		return err
	}
	names, values, err := columns(row)
	if err != nil {
		return err
	}
	if p.table == nil {
		p.table = tabwriter.NewWriter(p.out, 0, 8, 2, ' ', 0)
		fmt.Fprintln(p.table, strings.ToUpper(strings.Join(names, "\t")))
	}
	_, err = fmt.Fprintln(p.table, strings.Join(values, "\t"))
	return err
}

func (p *printer) flush() error {
	if p.table != nil {
		return p.table.Flush()
	}
	return nil
}

// columns reads a row in its order: strings as they are, other values as JSON.
func columns(row json.RawMessage) (names, values []string, err error) {
	d := json.NewDecoder(bytes.NewReader(row))
	if _, err := d.Token(); err != nil {
		return nil, nil, err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, nil, err
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return nil, nil, err
		}
		var s string
		if json.Unmarshal(v, &s) != nil {
			s = string(v)
		}
		names = append(names, fmt.Sprint(name))
		values = append(values, strings.ReplaceAll(s, "\n", " "))
	}
	return names, values, nil
}
