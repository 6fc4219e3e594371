package app

import (
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Unserved names what the directory asks for and this server does not do yet,
// in words for one line of the start log. What is disabled is not named.
func (a *App) Unserved() []string {
	var names []string
	for _, kind := range unservedKinds() {
		if text := kind(a); text != "" {
			names = append(names, text)
		}
	}
	return names
}

// unservedKinds is the table of what is not served; who builds one of these
// removes its row.
func unservedKinds() []func(*App) string {
	return []func(*App) string{
		unservedTriggers, unservedDataAPI,
		unservedSync, unservedGraphQL, unservedServices, unservedForwarders,
	}
}

func unservedTriggers(a *App) string {
	return names("trigger", a.Triggers, func(t *Trigger) (string, bool) { return t.Name, !t.Disabled })
}

func unservedDataAPI(a *App) string {
	if a.DataAPI == nil || a.DataAPI.Disabled {
		return ""
	}
	return "the Data API"
}

func unservedSync(a *App) string {
	if a.Sync != nil {
		if state, _ := a.Sync.Lookup("state").StringValueOK(); state == "enabled" {
			return "Device Sync"
		}
	}
	return ""
}

func unservedGraphQL(a *App) string {
	// The configuration alone is in every export (real-apps.md §6).
	if a.GraphQL == nil || len(a.GraphQL.Resolvers) == 0 {
		return ""
	}
	return "GraphQL, " + names("custom resolver", a.GraphQL.Resolvers, func(r bson.Raw) (string, bool) {
		name, _ := r.Lookup("field_name").StringValueOK()
		return name, true
	})
}

func unservedServices(a *App) string {
	return names("third-party service", a.Services, func(s *Service) (string, bool) {
		switch s.Type {
		case "http", "twilio", "github", "gcm", "webpush":
			// http and twilio are clients of functions; github has webhooks only.
			return "", false
		}
		return s.Name + " (" + s.Type + ")", true
	})
}

func unservedForwarders(a *App) string {
	return names("log forwarder", a.LogForwarders, func(f *LogForwarder) (string, bool) { return f.Name, true })
}

// names writes "2 triggers (a, b)", "" when none is on; at most five by name.
func names[T any](what string, list []T, name func(T) (string, bool)) string {
	var on []string
	for _, item := range list {
		if n, ok := name(item); ok {
			on = append(on, n)
		}
	}
	if len(on) == 0 {
		return ""
	}
	s := fmt.Sprintf("%d %s", len(on), what)
	if len(on) > 1 {
		s += "s"
	}
	if len(on) > 5 {
		on = append(on[:5], "…")
	}
	return s + " (" + strings.Join(on, ", ") + ")"
}
