package regent

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
	"regent/internal/caller"
	"regent/internal/ejson"
	"regent/internal/function"
	"regent/internal/operator"
)

var runCommands = []boundCommand{
	{operator.Command{Name: "run", Use: "DIR FUNCTION [ARG...]", Short: "Call a function of an app and print its result, its console output and its time",
		Long: `Arguments are Extended JSON; what does not parse as such is a string. The
function runs against the data of --data, as the user of --as.`,
		MinArgs: 2, MaxArgs: -1, NoApp: true, Dir: true, AppDir: true,
		Flags: []operator.Flag{{Name: "as", Default: "system", Help: "who calls: EMAIL, ID or system"}}}, (*Server).runFunction},
}

// appOf finds the app of a directory.
func (srv *Server) appOf(dir string) (*instance, error) {
	for _, in := range srv.registry.all() {
		if in.app.Dir == dir && in.functions != nil {
			return in, nil
		}
	}
	return nil, fmt.Errorf("the running server does not serve %s; it serves: %s", dir, appIDs(srv.registry.all()))
}

// callerAs is the caller that --as names: EMAIL, ID or system.
func (in *instance) callerAs(ctx context.Context, name string) (caller.Caller, error) {
	request := &caller.Request{ID: bson.NewObjectID().Hex(), Method: "CLI"}
	if name == "system" {
		return caller.Caller{System: true, Request: request}, nil
	}
	id, err := userID(ctx, in.accounts, name)
	if err != nil {
		return caller.Caller{}, err
	}
	u, err := in.accounts.User(ctx, id, true)
	return caller.Caller{User: u, Request: request}, err
}

// runFunction calls one function.
func (srv *Server) runFunction(ctx context.Context, c *operator.Call) error {
	in, err := srv.appOf(c.Args[0])
	if err != nil {
		return err
	}
	who, err := in.callerAs(ctx, c.Flags["as"])
	if err != nil {
		return err
	}
	var args []bson.RawValue
	for _, text := range c.Args[2:] {
		args = append(args, argument(text))
	}
	if in.app.Function(c.Args[1]) == nil {
		return fmt.Errorf("%s has no function '%s'; it has: %s", in.app.ID, c.Args[1], strings.Join(functionNames(in.app), ", "))
	}
	seen := srv.executions.expect(who.Request.ID)
	began := time.Now()
	result, err := in.Call(ctx, who, c.Args[1], args)
	duration := time.Since(began)
	took := fmt.Sprintf("%s took %v", c.Args[1], duration.Round(10*time.Microsecond))
	var messages []string
	for _, x := range seen() {
		for _, l := range x.Lines {
			messages = append(messages, l.Text)
			c.Note("%s: %s", l.Level, l.Text)
		}
		if _, frames, ok := strings.Cut(strings.TrimRight(x.Stack, "\n"), "\n"); ok {
			c.Note("%s", frames)
		}
		if x.Memory > 0 {
			took += ", " + memoryText(x.Memory)
		}
	}
	c.Note("%s", took)
	if err != nil {
		return err
	}
	if result.Type == 0 {
		result.Type = bson.TypeUndefined
	}
	text, err := ejson.Append(nil, result)
	if err != nil {
		return err
	}
	return c.PrintText(string(text), operator.Row{{Name: "result", Value: rawJSON(text)}, {Name: "messages", Value: messages}, {Name: "milliseconds", Value: duration.Seconds() * 1000}})
}

// functionNames lists an app's functions.
func functionNames(a *app.App) []string {
	names := make([]string, 0, len(a.Functions))
	for _, f := range a.Functions {
		names = append(names, f.Name)
	}
	sort.Strings(names)
	return names
}

// argument reads a command line's argument: Extended JSON, else a string.
func argument(text string) bson.RawValue {
	if v, err := ejson.Parse([]byte(text)); err == nil {
		return v
	}
	t, b, err := bson.MarshalValue(text)
	if err != nil {
		return bson.RawValue{Type: bson.TypeUndefined}
	}
	return bson.RawValue{Type: t, Value: b}
}

// executions hands finished function calls to who waits for them.
type executions struct {
	mu   sync.Mutex
	want map[string][]function.Execution
}

// expect collects the executions of a request until the returned function is
// called.
func (e *executions) expect(request string) func() []function.Execution {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.want == nil {
		e.want = map[string][]function.Execution{}
	}
	e.want[request] = nil
	return func() []function.Execution {
		e.mu.Lock()
		defer e.mu.Unlock()
		got := e.want[request]
		delete(e.want, request)
		return got
	}
}

func (e *executions) add(x function.Execution) {
	if x.Caller.Request == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if got, ok := e.want[x.Caller.Request.ID]; ok {
		e.want[x.Caller.Request.ID] = append(got, x)
	}
}
