package app

import (
	"strings"

	"github.com/robfig/cron/v3"

	"regent/internal/app/jsonfile"
)

// operationTypes are what a trigger of each type can react to (app-services.md §8.2, §8.3).
func operationTypes(trigger string) []string {
	if trigger == "AUTHENTICATION" {
		return []string{"LOGIN", "CREATE", "DELETE"}
	}
	return []string{
		"INSERT", "UPDATE", "REPLACE", "DELETE", "CREATE_COLLECTION", "MODIFY_COLLECTION", "RENAME_COLLECTION", "DROP_COLLECTION",
		"SHARD_COLLECTION", "RESHARD_COLLECTION", "REFINE_COLLECTION_SHARD_KEY", "CREATE_INDEXES", "DROP_INDEXES", "DROP_DATABASE",
	}
}

// checkTrigger reports what keeps an enabled trigger from ever running
// (real-apps.md §11 traps 8 and 12).
func (l *loader) checkTrigger(c *object, t *Trigger) {
	if t.Disabled {
		return
	}
	switch t.Type {
	case "SCHEDULED":
		if !validSchedule(c.str("schedule")) {
			c.at("schedule").problem(SeverityWarning, "minute hour day month weekday, in UTC", "the trigger "+t.Name+" never runs: this is no schedule")
		}
		return
	case "AUTHENTICATION":
		// The reference page has a list, real files a text.
		l.checkOperations(c, "operation_type", t)
		l.later(func() { l.checkTriggerProviders(c, t) })
	default:
		l.checkOperations(c, "operation_types", t)
		for _, key := range []string{"match", "project"} {
			if v, ok := c.get(key); ok && v.node.Kind != jsonfile.Object {
				v.warn("expected an object, found %s: the trigger %s has no %s", v.node.Kind, t.Name, key)
			}
		}
	}
}

// validSchedule says whether text is five fields of cron. The parser also knows
// "@daily" and time zones, which App Services did not, and panics on "TZ=0".
func validSchedule(text string) bool {
	if strings.HasPrefix(text, "@") || strings.Contains(text, "TZ=") {
		return false
	}
	_, err := cron.ParseStandard(text)
	return err == nil
}

func (l *loader) checkOperations(c *object, key string, t *Trigger) {
	known := operationTypes(t.Type)
	v, ok := c.get(key)
	if !ok {
		c.problem(SeverityWarning, strings.Join(known, ", "), "the trigger "+t.Name+" never runs: it has no "+key)
		return
	}
	operations := []value{v}
	if v.node.Kind != jsonfile.String {
		operations = v.items()
	}
	if len(operations) == 0 {
		v.problem(SeverityWarning, strings.Join(known, ", "), "the trigger "+t.Name+" never runs: "+key+" is empty")
	}
	for _, op := range operations {
		if text := op.text(); !contains(known, text) {
			op.problem(SeverityWarning, strings.Join(known, ", "), "unknown operation \""+text+"\"")
		}
	}
}

func contains(list []string, text string) bool {
	for _, s := range list {
		if strings.EqualFold(s, text) {
			return true
		}
	}
	return false
}

func (l *loader) checkTriggerProviders(c *object, t *Trigger) {
	for _, v := range c.list("providers") {
		name := v.text()
		switch p := l.app.Provider(name); {
		case p == nil:
			v.warn("the app has no provider %s: the trigger %s never runs for it", name, t.Name)
		case p.Disabled:
			v.warn("the provider %s is disabled: the trigger %s never runs for it", name, t.Name)
		}
	}
}
