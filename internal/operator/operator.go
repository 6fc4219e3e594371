// Package operator carries operators' commands (users, keys, logs, database …)
// to a running server through a socket in its data folder, or runs them in this
// process when no server runs. Both ways execute the same commands through the
// same handler.
package operator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"regent/internal/fault"
)

// SocketName is the socket's file in the data folder; its mode is 0600.
const SocketName = "regent.sock"

// Command is one operator command.
type Command struct {
	Name     string // words of the command line, e.g. "users list"
	Use      string // its arguments, e.g. "EMAIL|ID"
	Short    string // one line of help
	Long     string // further help, may be empty
	MinArgs  int
	MaxArgs  int // -1: any number
	Flags    []Flag
	Input    bool     // reads the request's body: the file named by the last argument
	Output   bool     // the answer is written to the file named by the last argument, mode 0600
	NoApp    bool     // concerns the server, not an app
	Files    []string // flags that name files; their contents travel instead
	Dir      bool     // the first argument is a folder; it arrives as an absolute path
	Store    bool     // about the embedded database: it takes no --mongodb
	Existing bool     // the data folder has to have a database; none is made
	AppDir   bool     // that folder is an app directory, which is opened when no server runs
	Run      func(ctx context.Context, c *Call) error
}

// Flag is a flag of a command; its value is text.
type Flag struct {
	Name    string
	Default string
	Help    string
	Bool    bool
}

// Call is one run of a command.
type Call struct {
	App   string // client app id, "" for the only one
	Args  []string
	Flags map[string]string
	In    io.Reader

	mu  sync.Mutex
	out *json.Encoder
	rc  *http.ResponseController
}

// Bool says whether a boolean flag is set.
func (c *Call) Bool(name string) bool { return c.Flags[name] == "true" }

// Row is one row of a result: names and values in order.
type Row []Field

// Field is one value of a Row; values are what encoding/json writes.
type Field struct {
	Name  string
	Value any
}

// MarshalJSON keeps the order of the fields.
func (r Row) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, f := range r {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(f.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(f.Value)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// message is one line of an answer.
type message struct {
	Row   json.RawMessage `json:"row,omitempty"`   // a result
	Text  string          `json:"text,omitempty"`  // a result for people, instead of a table of rows
	Note  string          `json:"note,omitempty"`  // progress
	Error string          `json:"error,omitempty"` // the end
	Done  bool            `json:"done,omitempty"`  // the end
}

// Print sends a row of the result.
func (c *Call) Print(r Row) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return c.send(message{Row: text})
}

// PrintJSON sends a row that is one JSON object already.
func (c *Call) PrintJSON(row []byte) error { return c.send(message{Row: row}) }

// PrintText sends a row with the line that people see for it.
func (c *Call) PrintText(line string, r Row) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return c.send(message{Row: text, Text: line})
}

// PrintTextJSON sends a row that is one JSON object already, with the line that
// people see for it.
func (c *Call) PrintTextJSON(line string, row []byte) error {
	return c.send(message{Row: row, Text: line})
}

// Note tells about progress; it is no part of the result.
func (c *Call) Note(format string, args ...any) error {
	return c.send(message{Note: fmt.Sprintf(format, args...)})
}

func (c *Call) send(m message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.out.Encode(m); err != nil {
		return err
	}
	return c.rc.Flush()
}

// Handler runs commands. Who can open the socket may run all of them.
func Handler(commands []Command) http.Handler {
	byName := map[string]*Command{}
	for i := range commands {
		byName[commands[i].Name] = &commands[i]
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		command := byName[r.URL.Query().Get("command")]
		if r.Method != http.MethodPost || command == nil {
			http.Error(w, "no such command", http.StatusNotFound)
			return
		}
		call := &Call{App: r.URL.Query().Get("app"), In: r.Body, out: json.NewEncoder(w), rc: http.NewResponseController(w)}
		// A command may go on reading its input while it answers.
		call.rc.EnableFullDuplex()
		if err := json.Unmarshal([]byte(r.URL.Query().Get("args")), &call.Args); err == nil {
			err = json.Unmarshal([]byte(r.URL.Query().Get("flags")), &call.Flags)
			if err == nil {
				err = command.Run(r.Context(), call)
			}
			end := message{Done: true}
			if err != nil {
				end = message{Error: text(err)}
			}
			call.send(end)
			return
		}
		http.Error(w, "malformed arguments", http.StatusBadRequest)
	})
}

// text is an error's text for an operator, who may see causes.
func text(err error) string {
	var f *fault.Error
	if errors.As(err, &f) && f.Cause != nil && !strings.Contains(f.Message, f.Cause.Error()) {
		return f.Message + ": " + f.Cause.Error()
	}
	return err.Error()
}

// Listen opens the socket of a data folder and serves h on it until the
// returned function is called. A socket that a killed server left is replaced.
func Listen(dataDir string, h http.Handler) (stop func(), err error) {
	file := filepath.Join(dataDir, SocketName)
	if conn, err := net.DialTimeout("unix", file, time.Second); err == nil {
		conn.Close()
		return nil, fmt.Errorf("%s answers: another server uses this data folder", file)
	}
	os.Remove(file)
	l, err := net.Listen("unix", file)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(file, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go s.Serve(l)
	return func() { s.Close() }, nil
}

// Client runs commands somewhere.
type Client struct {
	http *http.Client
	stop func()
}

// Dial reaches the server of a data folder; ok is false when none runs.
func Dial(dataDir string) (c *Client, ok bool) {
	file := filepath.Join(dataDir, SocketName)
	conn, err := net.DialTimeout("unix", file, time.Second)
	if err != nil {
		return nil, false
	}
	conn.Close()
	return &Client{http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", file)
		},
	}}}, true
}

// Local runs commands in this process. stop is called by Close.
func Local(h http.Handler, stop func()) *Client {
	conns := newPipeListener()
	s := &http.Server{Handler: h}
	go s.Serve(conns)
	return &Client{
		http: &http.Client{Transport: &http.Transport{DialContext: conns.dial}},
		stop: func() { s.Close(); stop() },
	}
}

// Close ends a local client's server.
func (c *Client) Close() {
	c.http.CloseIdleConnections()
	if c.stop != nil {
		c.stop()
	}
}

// Answer receives a command's results as they come.
type Answer interface {
	Row(row json.RawMessage, text string) error
	Note(text string)
}

// Run runs a command and hands its results to a.
func (c *Client) Run(ctx context.Context, command, app string, args []string, flags map[string]string, in io.Reader, a Answer) error {
	argText, err := json.Marshal(args)
	if err != nil {
		return err
	}
	flagText, err := json.Marshal(flags)
	if err != nil {
		return err
	}
	q := url.Values{"command": {command}, "app": {app}, "args": {string(argText)}, "flags": {string(flagText)}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://regent/?"+q.Encode(), in)
	if err != nil {
		return err
	}
	res, err := c.http.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<16))
		return fmt.Errorf("the server refused the command (is it of another version?): %s", bytes.TrimSpace(body))
	}
	decoder := json.NewDecoder(res.Body)
	for {
		var m message
		if err := decoder.Decode(&m); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("the server's answer ended early: %w", err)
		}
		switch {
		case m.Error != "":
			return errors.New(m.Error)
		case m.Done:
			return nil
		case m.Note != "":
			a.Note(m.Note)
		default:
			if err := a.Row(m.Row, m.Text); err != nil {
				return err
			}
		}
	}
}
