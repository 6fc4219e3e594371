package app

import (
	"path"
	"strings"
)

// readTriggers reads triggers/*.json in both shapes (app-services.md §1.18, §8.1).
func (l *loader) readTriggers() {
	for _, f := range l.jsonFiles("triggers") {
		o := l.object(path.Join("triggers", f))
		if o == nil {
			continue
		}
		t := &Trigger{Source: o.source(), Name: o.str("name"), Type: o.oneOf("type", "DATABASE", "AUTHENTICATION", "SCHEDULED"),
			Disabled: o.closing("disabled"), Config: emptyDocument()}
		if t.Name == "" {
			t.Name = strings.TrimSuffix(f, ".json")
		}
		if t.Type == "" {
			if o.str("type") == "" {
				o.problem(SeverityWarning, "DATABASE, AUTHENTICATION, SCHEDULED", "the trigger "+t.Name+" has no type: left out")
			}
			continue
		}
		who := "the trigger " + t.Name
		if t.Disabled {
			who = ""
		}
		l.readTriggerFunction(o, t, who)
		o.doc("error_handler")
		if c := o.sub("config"); c != nil {
			source, sourceID := c.str("service_name"), c.str("service_id")
			if t.Type == "DATABASE" {
				l.refSource(c.at("service_name"), source, sourceID, who, func(name string) { c.node.SetString("service_name", name) })
			}
			l.checkTrigger(c, t)
			l.later(func() { t.Config = c.document() })
		}
		o.ignore("event_type", "error", "function")
		o.done()
		l.app.Triggers = append(l.app.Triggers, t)
	}
}

func (l *loader) readTriggerFunction(o *object, t *Trigger, who string) {
	name, id := o.str("function_name"), o.str("function_id")
	at := o.at("function_name")
	if events := o.sub("event_processors"); events != nil {
		if f := events.sub("FUNCTION"); f != nil {
			if c := f.sub("config"); c != nil {
				if n, i := c.str("function_name"), c.str("function_id"); n != "" || i != "" {
					name, id, at = n, i, c.at("function_name")
				}
			}
		}
		others := *events.node
		others.Members = nil
		for _, m := range events.node.Members {
			if m.Key != "FUNCTION" {
				others.Members = append(others.Members, m)
			}
		}
		if len(others.Members) > 0 {
			t.Event = value{l, events.file, events.path, &others}.document()
		}
	}
	if name == "" && id == "" {
		if t.Event == nil {
			o.warn("the trigger %s names no function: it does nothing", t.Name)
		}
		return
	}
	l.refFunction(at, name, id, who, func(resolved string) { t.Function = resolved })
}

// readLogForwarders reads log_forwarders/*.json.
func (l *loader) readLogForwarders() {
	for _, f := range l.jsonFiles("log_forwarders") {
		if o := l.object(path.Join("log_forwarders", f)); o != nil {
			name := o.str("name")
			if name == "" {
				name = strings.TrimSuffix(f, ".json")
			}
			l.app.LogForwarders = append(l.app.LogForwarders, &LogForwarder{Source: o.source(), Name: name, Config: o.document()})
		}
	}
}

// readGraphQL reads graphql/, which most exports have with default content.
func (l *loader) readGraphQL() {
	g := &GraphQL{}
	if o := l.object("graphql/config.json"); o != nil {
		g.Config = o.document()
	}
	for _, f := range l.jsonFiles("graphql/custom_resolvers") {
		if o := l.object(path.Join("graphql/custom_resolvers", f)); o != nil {
			g.Resolvers = append(g.Resolvers, o.document())
		}
	}
	if g.Config != nil || len(g.Resolvers) > 0 {
		l.app.GraphQL = g
	}
}
