package operator_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"regent/internal/operator"
)

type answer struct{ lines []string }

func (a *answer) Row(row json.RawMessage, text string) error {
	a.lines = append(a.lines, string(row)+text)
	return nil
}
func (a *answer) Note(text string) { a.lines = append(a.lines, "note: "+text) }

var commands = []operator.Command{
	{Name: "echo", Run: func(_ context.Context, c *operator.Call) error {
		text, err := io.ReadAll(c.In)
		if err != nil {
			return err
		}
		c.Note("%d bytes", len(text))
		return c.Print(operator.Row{{Name: "z", Value: c.Args}, {Name: "app", Value: c.App}, {Name: "loud", Value: c.Bool("loud")}, {Name: "in", Value: string(text)}})
	}},
	{Name: "fail", Run: func(context.Context, *operator.Call) error { return errors.New("no such user") }},
}

func run(t *testing.T, c *operator.Client) {
	t.Helper()
	var a answer
	err := c.Run(t.Context(), "echo", "todo", []string{"a", "b c"}, map[string]string{"loud": "true"}, strings.NewReader("input"), &a)
	want := `note: 5 bytes {"z":["a","b c"],"app":"todo","loud":true,"in":"input"}`
	if got := strings.Join(a.lines, " "); err != nil || got != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
	if err := c.Run(t.Context(), "fail", "", nil, nil, nil, &a); err == nil || err.Error() != "no such user" {
		t.Errorf("fail: %v", err)
	}
	if err := c.Run(t.Context(), "nope", "", nil, nil, nil, &a); err == nil {
		t.Error("an unknown command succeeded")
	}
}

func TestSocket(t *testing.T) {
	dir := t.TempDir()
	if _, ok := operator.Dial(dir); ok {
		t.Fatal("dialled without a server")
	}
	// What a killed server leaves behind.
	os.WriteFile(filepath.Join(dir, operator.SocketName), nil, 0o644)
	stop, err := operator.Listen(dir, operator.Handler(commands))
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	info, err := os.Stat(filepath.Join(dir, operator.SocketName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v %v", info.Mode(), err)
	}
	if _, err := operator.Listen(dir, operator.Handler(commands)); err == nil {
		t.Error("a second server took the socket")
	}
	c, ok := operator.Dial(dir)
	if !ok {
		t.Fatal("could not dial")
	}
	defer c.Close()
	run(t, c)
}

func TestLocal(t *testing.T) {
	stopped := false
	c := operator.Local(operator.Handler(commands), func() { stopped = true })
	run(t, c)
	c.Close()
	if !stopped {
		t.Error("Close did not stop")
	}
}
