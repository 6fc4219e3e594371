package regent

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"regent/internal/app"
	"regent/internal/auth"
	"regent/internal/log"
	"regent/internal/operator"
)

// OperatorGroups names the groups of operator commands for help texts.
var OperatorGroups = map[string]string{
	"users": "Users and their accounts",
	"keys":  "Server API keys",
	"docdb": "The embedded database",

	"signing-keys": "The keys that sign tokens",
	"push":         "Push messages, devices and failures",
}

// boundCommand is an operator command before it is bound to a server.
type boundCommand struct {
	operator.Command
	run func(*Server, context.Context, *operator.Call) error
}

// operatorTable lists all operator commands; each group is in its own file.
func operatorTable() []boundCommand {
	return slices.Concat(userCommands, keyCommands, signingCommands, runCommands, explainCommands, logCommands, pushCommands, docdbCommands)
}

// OperatorCommands describes the operator commands for a command line.
func OperatorCommands() []operator.Command {
	var out []operator.Command
	for _, c := range operatorTable() {
		out = append(out, c.Command)
	}
	return out
}

// operatorHandler binds the commands to srv.
func (srv *Server) operatorHandler() []operator.Command { return srv.bind(operatorTable()) }

func (srv *Server) bind(commands []boundCommand) []operator.Command {
	var out []operator.Command
	for _, c := range commands {
		command := c.Command
		command.Run = func(ctx context.Context, call *operator.Call) error { return c.run(srv, ctx, call) }
		out = append(out, command)
	}
	return out
}

// OpenOperator runs operator commands in this process, for a data folder (or a
// MongoDB deployment) that no server on this machine serves. The apps are those
// that were served from it, and those of c.Dirs.
func OpenOperator(ctx context.Context, c Config) (*operator.Client, error) {
	srv, err := start(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := srv.openKnownApps(ctx); err != nil {
		srv.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return operator.Local(operator.Handler(srv.operatorHandler()), func() { srv.Close(context.WithoutCancel(ctx)) }), nil
}

// openKnownApps opens the directories of c.Dirs and those that the database
// remembers. An app whose directory is gone keeps its accounts.
func (srv *Server) openKnownApps(ctx context.Context) error {
	for _, dir := range srv.config.Dirs {
		if err := srv.serveDir(ctx, dir); err != nil {
			return err
		}
	}
	known, err := auth.KnownApps(ctx, srv.deployments.system())
	if err != nil {
		return err
	}
	for _, k := range known {
		if srv.registry.byID(k.ID) != nil {
			continue
		}
		if k.Dir != "" {
			err := srv.serveDir(ctx, k.Dir)
			if err == nil {
				continue
			}
			srv.log.Warn("the app's directory can't be read, only its accounts are there", "app", k.ID, "folder", k.Dir, "error", err)
		}
		s := &served{dir: k.Dir, id: k.ID, domain: k.Domain}
		in := &instance{app: &app.App{ID: k.ID, Name: k.Name, Settings: app.DefaultSettings()}}
		if err := srv.openAccounts(ctx, in, s); err != nil {
			return err
		}
		s.current.Store(in)
		srv.registry.add(s)
	}
	return nil
}

// theApp finds the app that a command means.
func (srv *Server) theApp(call *operator.Call) (*instance, error) {
	all := srv.registry.all()
	if call.App != "" {
		if in := srv.registry.byID(call.App); in != nil {
			return in, nil
		}
		return nil, fmt.Errorf("no app has the id %s; there are: %s", call.App, appIDs(all))
	}
	switch len(all) {
	case 0:
		return nil, fmt.Errorf("the data folder has no app yet: serve one first")
	case 1:
		return all[0], nil
	}
	return nil, fmt.Errorf("there are several apps, name one with --app: %s", appIDs(all))
}

func appIDs(all []*instance) string {
	var ids []string
	for _, in := range all {
		ids = append(ids, in.app.ID)
	}
	return strings.Join(ids, ", ")
}

var logCommands = []boundCommand{{
	Command: operator.Command{
		Name: "logs", Short: "Show the apps' log entries: function calls with what they printed, log-ins, errors",
		Flags: []operator.Flag{
			{Name: "id", Help: "entries of one request: an error's link, or the co_id in it"},
			{Name: "user", Help: "entries of one user, by id"},
			{Name: "function", Help: "entries of one function"},
			{Name: "type", Help: "entries of one type: FUNCTION, AUTH, API, …"},
			{Name: "errors", Bool: true, Help: "only entries with an error"},
			{Name: "since", Help: "only entries that are not older than this, e.g. 2h"},
			{Name: "limit", Default: "100", Help: "at most this many, the newest"},
			{Name: "follow", Bool: true, Help: "go on with new entries until interrupted"},
		},
	},
	run: (*Server).showLogs,
}}

// showLogs prints log entries, oldest first.
func (srv *Server) showLogs(ctx context.Context, call *operator.Call) error {
	q := log.Query{
		AppID: call.App, RequestID: requestOf(call.Flags["id"]), UserID: call.Flags["user"], Function: call.Flags["function"],
		Type: call.Flags["type"], Errors: call.Bool("errors"),
	}
	if _, err := fmt.Sscan(call.Flags["limit"], &q.Limit); err != nil || q.Limit < 1 {
		return fmt.Errorf("--limit %q: a number above 0 is allowed", call.Flags["limit"])
	}
	if s := call.Flags["since"]; s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			return fmt.Errorf("--since %q: allowed are durations such as 90s, 15m or 2h", s)
		}
		q.Since = time.Now().Add(-d)
	}
	entries, err := srv.logs.Find(ctx, q)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := printLog(call, e); err != nil {
			return err
		}
	}
	if !call.Bool("follow") {
		return nil
	}
	return srv.logs.Follow(ctx, q, func(e log.Entry) error { return printLog(call, e) })
}

// requestOf takes a request's id from the link of an error.
func requestOf(text string) string {
	if _, id, ok := strings.Cut(text, "co_id="); ok {
		return id
	}
	return text
}

// logText is an entry as people read it: one line that sums it up, and below it,
// indented, what was given, printed and thrown.
func logText(e log.Entry) string {
	what, status := e.FunctionName, "OK"
	if what == "" {
		what = e.Route
	}
	if e.Error != "" {
		status = "ERROR"
	}
	line := fmt.Sprintf("%s %-8s %-5s %s %s %dms", e.Started.Local().Format("2006-01-02 15:04:05.000"), e.Type, status, e.RequestID, what, e.Completed.Sub(e.Started).Milliseconds())
	if e.MemoryBytes > 0 {
		line += " " + memoryText(e.MemoryBytes)
	}
	if e.UserID != "" {
		line += " user=" + e.UserID
	}
	indent := func(text string) {
		if text = strings.TrimSpace(text); text != "" {
			line += "\n    " + strings.ReplaceAll(text, "\n", "\n    ")
		}
	}
	if e.Arguments != "" && e.Arguments != "[]" {
		indent("arguments: " + e.Arguments)
	}
	for _, m := range e.Messages {
		indent(m)
	}
	switch {
	case e.Error == "":
	case strings.HasPrefix(e.Stack, e.Error+"\n"):
		indent(e.Stack)
	default:
		indent("error: " + e.Error)
		indent(e.Stack)
	}
	return line
}

func memoryText(bytes int64) string {
	if bytes < 1<<20 {
		return fmt.Sprintf("%dKB", (bytes+1023)>>10)
	}
	return fmt.Sprintf("%.1fMB", float64(bytes)/(1<<20))
}

func printLog(call *operator.Call, e log.Entry) error {
	return call.PrintText(logText(e), operator.Row{
		{Name: "co_id", Value: e.RequestID}, {Name: "app_id", Value: e.AppID}, {Name: "type", Value: e.Type},
		{Name: "started", Value: e.Started}, {Name: "completed", Value: e.Completed}, {Name: "user_id", Value: e.UserID},
		{Name: "remote_ip_address", Value: e.RemoteIP}, {Name: "function_name", Value: e.FunctionName}, {Name: "arguments", Value: e.Arguments},
		{Name: "route", Value: e.Route}, {Name: "status", Value: e.Status}, {Name: "messages", Value: e.Messages},
		{Name: "memory_bytes", Value: e.MemoryBytes}, {Name: "error", Value: e.Error}, {Name: "error_code", Value: e.ErrorCode}, {Name: "stack", Value: e.Stack},
	})
}
