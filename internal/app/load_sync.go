package app

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app/jsonfile"
)

// syncConfig is a sync block and the data source that it was found in.
type syncConfig struct {
	obj    *object
	source string
}

// readSync keeps the sync configuration and moves the permissions of old
// flexible sync to where later versions have them (app-services.md §1.14).
func (l *loader) readSync() {
	if o := l.object("sync/config.json"); o != nil && len(o.node.Members) > 0 {
		l.syncConfigs = append([]syncConfig{{o, o.str("service_name")}}, l.syncConfigs...)
	}
	if len(l.syncConfigs) == 0 {
		return
	}
	s := l.syncConfigs[0]
	l.app.Sync = s.obj.document()
	permissions := s.obj.sub("permissions")
	if permissions == nil || s.obj.str("state") == "disabled" {
		return
	}
	database := s.obj.str("database_name")
	l.refSource(s.obj.at("service_name"), s.source, "", "", func(name string) {
		if d := l.app.DataSource(name); d != nil {
			l.migrateSync(d, database, permissions)
		}
	})
}

func (l *loader) migrateSync(d *DataSource, database string, permissions *object) {
	if roles := l.syncRoles(permissions, "defaultRoles"); len(roles) > 0 && d.DefaultRules == nil {
		d.DefaultRules = &Rules{Source: permissions.at("defaultRoles").source(), Roles: roles}
	}
	rules := permissions.sub("rules")
	if rules == nil {
		return
	}
	for i := range rules.node.Members {
		name := rules.node.Members[i].Key
		roles := l.syncRoles(rules, name)
		c := d.Collection(database, name)
		if len(roles) == 0 || c != nil && c.Rules != nil {
			continue
		}
		if database == "" {
			rules.at(name).warn("database_name is not set: these permissions belong to no collection and are not used")
			continue
		}
		if c == nil {
			c = &Collection{Database: database, Name: name}
			d.Collections = append(d.Collections, c)
		}
		c.Rules = &Rules{Source: rules.at(name).source(), Roles: roles}
	}
}

func (l *loader) syncRoles(o *object, key string) []Role {
	var roles []Role
	always, _ := (&jsonfile.Node{Kind: jsonfile.Bool, Text: "true"}).BSON()
	for _, v := range o.list(key) {
		role := v.objectOnly()
		if role == nil {
			v.fail("expected a role, which is an object, found %s", v.node.Kind)
			continue
		}
		r := Role{Source: role.source(), Name: role.str("name"), ApplyWhen: role.expr("applyWhen"),
			Read: always, Write: always, Insert: always, Delete: always, Search: always,
			HasDocFilters: true, DocFilterRead: role.expr("read"), DocFilterWrite: role.expr("write")}
		if second := role.expr("apply_when"); r.ApplyWhen.Type == 0 {
			r.ApplyWhen = second
		}
		// An absent permission of old sync was no permission.
		for _, p := range []*bson.RawValue{&r.DocFilterRead, &r.DocFilterWrite} {
			if p.Type == 0 {
				*p, _ = (&jsonfile.Node{Kind: jsonfile.Bool, Text: "false"}).BSON()
			}
		}
		role.done()
		roles = append(roles, r)
	}
	return roles
}
