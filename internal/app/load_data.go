package app

import (
	"path"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app/jsonfile"
)

// dataSourceTypes are the types of a linked MongoDB deployment.
func dataSourceTypes() []string { return []string{"mongodb-atlas", "mongodb", "datalake"} }

// readDataSources reads data_sources/. In the old layouts data sources are
// among the services, which readServices has read already.
func (l *loader) readDataSources(old bool) {
	if old {
		return
	}
	for _, name := range l.folders("data_sources") {
		dir := path.Join("data_sources", name)
		o := l.object(path.Join(dir, "config.json"))
		var d *DataSource
		switch {
		case o != nil:
			d = l.readDataSource(o, name)
		case l.exists(path.Join(dir, "config.json")):
			continue // not JSON, which is an error already
		default:
			l.warn(dir, "the folder has no config.json: a data source %s of the type mongodb-atlas is assumed", name)
			d = &DataSource{Source: Source{File: dir}, Name: name, Type: "mongodb-atlas", ReadPreference: "primary"}
			l.addDataSource(d)
		}
		if d == nil {
			continue
		}
		if o := l.object(path.Join(dir, "default_rule.json")); o != nil {
			d.DefaultRules = l.readRules(o, "")
		}
		for _, database := range l.folders(dir) {
			l.readDatabase(d, dir, database)
		}
	}
}

// readDataSource reads the config of a data source, which is nil when there is
// one of that name already.
func (l *loader) readDataSource(o *object, folder string) *DataSource {
	d := &DataSource{Source: o.source(), Name: o.str("name"), Type: o.oneOf("type", dataSourceTypes()...)}
	if d.Name == "" {
		d.Name = folder
	}
	if d.Type == "" {
		d.Type = "mongodb-atlas"
	}
	if id := o.str("id") + o.str("_id"); id != "" {
		l.sourceIDs[id] = d.Name
	}
	o.asked = slices.DeleteFunc(o.asked, func(k string) bool { return k == "id" || k == "_id" })
	secrets := l.secretConfig(o, "services/"+d.Name+"/", func(string) string { return "the data source " + d.Name + " cannot be reached" })
	if names := secrets["uri"]; len(names) > 0 {
		l.afterSecrets = append(l.afterSecrets, func() {
			if d.URI == "" {
				d.URI = l.app.Secrets[names[0]]
			}
		})
	}
	if c := o.sub("config"); c != nil {
		d.Config = c.document()
		d.URI = c.str("uri")
		d.ReadPreference = c.oneOf("readPreference", "primary", "primaryPreferred", "secondary", "secondaryPreferred", "nearest")
		for _, key := range []string{"sync", "flexible_sync"} {
			if s := c.sub(key); s != nil && len(s.node.Members) > 0 {
				l.syncConfigs = append(l.syncConfigs, syncConfig{s, d.Name})
			}
		}
	}
	if d.ReadPreference == "" {
		d.ReadPreference = "primary"
	}
	o.ignore("linked_services", "cluster")
	o.done()
	if d.Type == "datalake" {
		o.warn("federated data sources are served like a MongoDB deployment, and only if one is connected for %s", d.Name)
	}
	if !l.addDataSource(d) {
		o.warn("a second data source of the name %s: ignored", d.Name)
		return nil
	}
	return d
}

func (l *loader) addDataSource(d *DataSource) bool {
	if l.hasSource(d.Name) {
		return false
	}
	l.app.DataSources = append(l.app.DataSources, d)
	return true
}

// readDatabase reads the folders of a database's collections. A collection's
// name may contain slashes, which are nested folders then.
func (l *loader) readDatabase(d *DataSource, dir, database string) {
	base := path.Join(dir, database)
	seen := map[string]bool{}
	l.walk(base, func(string) bool { return false }, func(name string) {
		switch path.Base(name) {
		case "rules.json", "schema.json", "relationships.json":
			if folder := path.Dir(name); folder != base && !seen[folder] {
				seen[folder] = true
				l.readCollection(d, folder, database, strings.TrimPrefix(folder, base+"/"))
			}
		}
	})
}

// readCollection reads one collection. Where rules.json names another one than
// the folder does, the content wins (real-apps.md §11 trap 14).
func (l *loader) readCollection(d *DataSource, dir, database, name string) {
	rules := l.object(path.Join(dir, "rules.json"))
	if rules != nil {
		database, name = l.namespace(rules, database, name)
	}
	c := d.Collection(database, name)
	if c == nil {
		c = &Collection{Database: database, Name: name}
		d.Collections = append(d.Collections, c)
	} else {
		l.warn(dir, "the collection %s.%s is described twice: what is here only fills gaps", database, name)
	}
	if rules != nil && c.Rules == nil {
		c.Rules = l.readRules(rules, database+"."+name)
	}
	if o := l.object(path.Join(dir, "schema.json")); o != nil {
		l.setSchema(c, o)
	}
	if o := l.object(path.Join(dir, "relationships.json")); o != nil {
		l.setRelationships(c, o)
	}
}

// namespace returns what the file says it is about.
func (l *loader) namespace(o *object, database, name string) (string, string) {
	for _, part := range []struct {
		key  string
		text *string
	}{{"database", &database}, {"collection", &name}} {
		inside := o.rawText(part.key)
		if inside == "" {
			continue
		}
		if *part.text != "" && inside != *part.text {
			o.at(part.key).warn("the %s is %q here and %q in the name of the file or folder: %q counts", part.key, inside, *part.text, inside)
		}
		*part.text = inside
	}
	return database, name
}

// setSchema keeps a schema; an empty object is none (app-services.md §1.9).
func (l *loader) setSchema(c *Collection, o *object) {
	if c.Schema == nil && len(o.node.Members) > 0 {
		c.Schema, c.SchemaSource = o.document(), o.source()
	}
}

func (l *loader) setRelationships(c *Collection, o *object) {
	if c.Relationships == nil && len(o.node.Members) > 0 {
		c.Relationships, c.RelSource = o.document(), o.source()
		l.relationships = append(l.relationships, o)
	}
}

// readRules reads roles and filters. namespace is "" for default rules. Keys
// that only the old layouts have here are left to the caller.
func (l *loader) readRules(o *object, namespace string) *Rules {
	r := &Rules{Source: o.source()}
	names := map[string]bool{}
	for _, v := range o.list("roles") {
		role := v.objectOnly()
		if role == nil {
			// The order of roles decides: leaving one out could grant more.
			v.fail("expected a role, which is an object, found %s", v.node.Kind)
			continue
		}
		rl := l.readRole(role)
		if rl.Name != "" && names[rl.Name] {
			role.at("name").warn("a second role of the name %q", rl.Name)
		}
		names[rl.Name] = true
		r.Roles = append(r.Roles, rl)
	}
	for _, v := range o.list("filters") {
		filter := v.objectOnly()
		if filter == nil {
			// A filter narrows what users reach: without it they would reach more.
			v.fail("expected a filter, which is an object, found %s", v.node.Kind)
			continue
		}
		r.Filters = append(r.Filters, l.readFilter(filter))
	}
	o.get("database")
	o.get("collection")
	o.ignore("schema", "relationships")
	if namespace == "" {
		o.ignore("collection", "database")
	} else if len(r.Roles) == 0 {
		o.warn("there is no role: users have no access to %s", namespace)
	}
	o.done()
	return r
}

func (l *loader) readRole(o *object) Role {
	r := Role{
		Source:    o.source(),
		Name:      o.str("name"),
		ApplyWhen: o.expr("apply_when"),
		Read:      o.expr("read"),
		Write:     o.expr("write"),
		Insert:    o.expr("insert"),
		Delete:    o.expr("delete"),
		Search:    o.expr("search"),
	}
	if f := o.sub("document_filters"); f != nil {
		r.HasDocFilters = len(f.node.Members) > 0
		r.DocFilterRead, r.DocFilterWrite = f.expr("read"), f.expr("write")
		f.done()
	}
	if f := o.sub("fields"); f != nil {
		l.fixFieldFlags(f.value)
		r.Fields = f.document()
	}
	if f := o.sub("additional_fields"); f != nil {
		l.fixFieldFlags(f.value)
		r.AdditionalFields = f.document()
		f.get("read")
		f.get("write")
		f.done()
	}
	o.done()
	return r
}

// fixFieldFlags makes booleans of "true" and "false" under the keys read and
// write of field permissions, at any depth.
func (l *loader) fixFieldFlags(v value) {
	for i := range v.node.Members {
		m := &v.node.Members[i]
		child := value{l, v.file, jsonfile.Key(v.path, m.Key), &m.Value}
		switch {
		case m.Value.Kind == jsonfile.Object:
			l.fixFieldFlags(child)
		case (m.Key == "read" || m.Key == "write") && m.Value.Kind == jsonfile.String && (m.Value.Text == "true" || m.Value.Text == "false"):
			child.expression() // reports it
			m.Value.Kind = jsonfile.Bool
		}
	}
}

func (l *loader) readFilter(o *object) Filter {
	f := Filter{
		Source:     o.source(),
		Name:       o.str("name"),
		ApplyWhen:  o.expr("apply_when"),
		Query:      o.doc("query"),
		Projection: o.doc("projection"),
	}
	if project := o.doc("project"); f.Projection == nil {
		f.Projection = project
	}
	o.done()
	return f
}

// Collection returns what the directory says about a namespace, or nil.
func (d *DataSource) Collection(database, name string) *Collection {
	for _, c := range d.Collections {
		if c.Database == database && c.Name == name {
			return c
		}
	}
	return nil
}

// emptyDocument is {} in BSON.
func emptyDocument() bson.Raw { return bson.Raw{5, 0, 0, 0, 0} }
