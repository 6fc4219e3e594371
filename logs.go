package regent

import (
	"errors"
	"net/http"
	"time"

	"regent/internal/api/client"
	"regent/internal/auth"
	"regent/internal/ejson"
	"regent/internal/fault"
	"regent/internal/function"
	"regent/internal/log"
)

// maxLoggedArguments is the most text that a log entry keeps of a call's
// arguments; longer ones are left out.
const maxLoggedArguments = 4096

// addLog queues an entry with the app's own retention.
func (srv *Server) addLog(e log.Entry) {
	if in := srv.registry.byID(e.AppID); in != nil {
		e.Expires = e.Started.AddDate(0, 0, in.app.Settings.LogRetentionDays)
		if in.app.Settings.LogRetentionDays == 0 { // for ever
			e.Expires = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
		}
	}
	srv.logs.Add(e)
}

// recordExecution logs a function call.
func (srv *Server) recordExecution(x function.Execution) {
	srv.executions.add(x)
	e := log.Entry{
		AppID: x.App, Type: log.TypeFunction, Started: x.Started, Completed: x.Started.Add(x.Duration),
		FunctionName: x.Function, Stack: x.Stack, MemoryBytes: x.Memory, Status: http.StatusOK,
	}
	if r := x.Caller.Request; r != nil {
		e.RequestID, e.RemoteIP = r.ID, r.RemoteIP
	}
	if u := x.Caller.User; u != nil {
		e.UserID = u.ID
	}
	if x.Arguments.Type != 0 {
		if text, err := ejson.Append(nil, x.Arguments); err == nil && len(text) <= maxLoggedArguments {
			e.Arguments = string(text)
		}
	}
	for _, l := range x.Lines {
		text := l.Text
		if l.Level != "info" && l.Level != "log" {
			text = l.Level + ": " + text
		}
		e.Messages = append(e.Messages, text)
	}
	if x.Err != nil {
		e.Error, e.Status = x.Err.Error(), http.StatusInternalServerError
		var known *fault.Error
		if errors.As(x.Err, &known) {
			e.ErrorCode, e.Status = string(known.Code), known.Status
		}
	}
	srv.addLog(e)
}

// recordFailure logs a request that was answered with an error. A function that
// threw, or whose file has a syntax error, has its own entry.
func (srv *Server) recordFailure(f client.Failure) {
	if f.AppID == "" || f.Code == fault.FunctionExecutionError || f.Code == fault.FunctionSyntaxError {
		return
	}
	e := log.Entry{
		AppID: f.AppID, Type: log.TypeAPI, Route: f.Route, RequestID: f.Request.ID, RemoteIP: f.Request.RemoteIP, UserID: f.UserID,
		Started: f.Started, Completed: time.Now(), Status: f.Status, Error: f.Message, ErrorCode: string(f.Code),
	}
	if f.Request.Action != "" {
		e.Type, e.FunctionName = log.TypeServiceFunction, f.Request.Service+"."+f.Request.Action
	}
	if f.Cause != nil {
		e.Stack = f.Cause.Error()
	}
	srv.addLog(e)
}

// recordAccount logs what happened to a user: one entry for each request, also
// where a log-in made the user (app-services.md §13.1).
func (srv *Server) recordAccount(appID string, ev auth.Event) {
	if ev.First && ev.Operation == auth.Create {
		return
	}
	e := log.Entry{AppID: appID, Type: log.TypeAuth, Started: ev.Time, Completed: ev.Time, Route: string(ev.Operation)}
	if ev.User != nil {
		e.UserID = ev.User.ID
	}
	e.Messages = append(e.Messages, ev.Providers...)
	if ev.First {
		e.Messages = append(e.Messages, "new user")
	}
	srv.addLog(e)
}
