package rule

import (
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
)

// Set holds an app's compiled rules. It is immutable and safe for concurrent use.
type Set struct {
	sources map[string]*dataSource
	choices Choices
}

type dataSource struct {
	rules      *Namespace // default rules, nil when there are none
	namespaces map[namespaceKey]*Namespace
}

type namespaceKey struct{ database, collection string }

// Namespace is what governs the documents of one collection.
type Namespace struct {
	Database, Collection string

	// Default says that the data source's default rules govern it.
	Default bool

	roles   []*role
	filters []*filter
	schema  *Schema
	choices *Choices
}

// Compile compiles an app's rules and schemas. Problems name file and JSON
// path; whatever they are about is refused when it is used, the rest serves.
func Compile(a *app.App) (*Set, []app.Problem) { return CompileWith(a, choicesOf(a)) }

// CompileWith is Compile under other choices than the app's settings.
func CompileWith(a *app.App, choices Choices) (*Set, []app.Problem) {
	s := &Set{sources: map[string]*dataSource{}, choices: choices}
	b := &builder{app: a}
	for _, d := range a.DataSources {
		ds := &dataSource{namespaces: map[namespaceKey]*Namespace{}}
		s.sources[d.Name] = ds
		if d.DefaultRules != nil && len(d.DefaultRules.Roles) > 0 {
			ds.rules = &Namespace{Default: true, choices: &s.choices}
			b.rules(ds.rules, d.DefaultRules)
		}
		for _, c := range d.Collections {
			n := &Namespace{Database: c.Database, Collection: c.Name, choices: &s.choices}
			switch {
			case c.Rules != nil:
				// Rules of its own, even without roles, keep the default ones away.
				b.rules(n, c.Rules)
			case ds.rules != nil:
				n.Default, n.roles, n.filters = true, ds.rules.roles, ds.rules.filters
			}
			if len(c.Schema) > 5 {
				var problems []app.Problem
				n.schema, problems = CompileSchema(a, c.Schema, c.SchemaSource, &s.choices)
				b.problems = append(b.problems, problems...)
			}
			ds.namespaces[namespaceKey{c.Database, c.Name}] = n
		}
	}
	return s, b.problems
}

// Reserved tells whether a namespace can never be reached by data operations,
// whoever asks: MongoDB's own databases and Regent's.
func Reserved(database, collection string) bool {
	switch database {
	case "admin", "local", "config":
		return true
	}
	return strings.HasPrefix(database, "__regent") || strings.HasPrefix(collection, "system.")
}

// Lookup finds what governs a namespace; nil when there is no rule for it.
func (s *Set) Lookup(service, database, collection string) *Namespace {
	if Reserved(database, collection) {
		return nil
	}
	ds := s.sources[service]
	if ds == nil {
		return nil
	}
	if n := ds.namespaces[namespaceKey{database, collection}]; n != nil {
		if len(n.roles) == 0 {
			return nil
		}
		return n
	}
	return ds.rules
}

// ByTitle finds the namespace whose schema has a title, for SDKs that send
// schema_name instead of a namespace (client-api.md §1.17).
func (s *Set) ByTitle(service, title string) (database, collection string, ok bool) {
	ds := s.sources[service]
	if ds == nil || title == "" {
		return "", "", false
	}
	for k, n := range ds.namespaces {
		if n.schema != nil && n.schema.Title == title && (!ok || k.database+"."+k.collection < database+"."+collection) {
			database, collection, ok = k.database, k.collection, true
		}
	}
	return database, collection, ok
}

// Schema is the namespace's schema, nil when it has none.
func (n *Namespace) Schema() *Schema { return n.schema }

// builder collects problems while rules compile.
type builder struct {
	app      *app.App
	src      app.Source // of the role or filter at hand
	problems []app.Problem
}

func (b *builder) warn(at, format string, args ...any) {
	src := b.src
	src.Path += at
	b.problems = append(b.problems, src.Warn("%s", fmt.Sprintf(format, args...)))
}

// permission compiles a permission of a role; absent and null are nil. A broken
// one stays and is false.
func (b *builder) permission(v bson.RawValue, at string) *Expr {
	if v.Type == 0 || v.Type == bson.TypeNull {
		return nil
	}
	src := b.src
	src.Path += at
	x, problems := CompileExpression(b.app, v, Document, src)
	b.problems = append(b.problems, problems...)
	return x
}

func (b *builder) rules(n *Namespace, r *app.Rules) {
	for i := range r.Roles {
		n.roles = append(n.roles, b.role(&r.Roles[i]))
	}
	for i := range r.Filters {
		n.filters = append(n.filters, b.filter(&r.Filters[i]))
	}
}

func (b *builder) role(r *app.Role) *role {
	b.src = r.Source
	c := &role{
		name: r.Name, filter: r.HasDocFilters,
		read: b.permission(r.Read, ".read"), write: b.permission(r.Write, ".write"),
		insert: b.permission(r.Insert, ".insert"), delete: b.permission(r.Delete, ".delete"), search: b.permission(r.Search, ".search"),
	}
	if r.ApplyWhen.Type == 0 || r.ApplyWhen.Type == bson.TypeNull {
		b.warn("", "the role %q has no apply_when: it never matches; write {} for a role that always applies", r.Name)
		c.apply = &Expr{node: constant(false), broken: true}
	} else {
		c.apply = b.permission(r.ApplyWhen, ".apply_when")
	}
	if r.HasDocFilters {
		c.filterR = b.permission(r.DocFilterRead, ".document_filters.read")
		c.filterW = b.permission(r.DocFilterWrite, ".document_filters.write")
		if (c.filterR == nil) != (c.filterW == nil) {
			b.warn(".document_filters", "only one of read and write is defined: the other counts as true")
		}
	}
	c.fields.fields = b.compileFields(r.Fields, ".fields", "", 0)
	for it := newIter(r.AdditionalFields); it.next(); {
		switch at := ".additional_fields." + string(it.key); string(it.key) {
		case "read":
			c.fields.addRead = b.permission(it.value, at)
		case "write":
			c.fields.addWrite = b.permission(it.value, at)
		}
	}
	if c.read == nil && c.write == nil && len(c.fields.fields) == 0 && c.fields.addRead == nil && c.fields.addWrite == nil {
		b.warn("", "the role grants nothing: it has no read, write, fields or additional_fields")
	}
	return c
}

func (b *builder) filter(f *app.Filter) *filter {
	b.src = f.Source
	c := &filter{name: f.Name, projection: f.Projection, apply: &Expr{node: constant(true)}}
	if f.ApplyWhen.Type != 0 && f.ApplyWhen.Type != bson.TypeNull {
		src := f.Source
		src.Path += ".apply_when"
		x, problems := CompileExpression(b.app, f.ApplyWhen, Call, src)
		b.problems = append(b.problems, problems...)
		c.apply = x
	}
	if c.apply.Broken() {
		// Not knowing for whom it narrows, it narrows for everybody.
		c.apply, c.broken = &Expr{node: constant(true)}, true
	}
	if len(f.Query) > 5 {
		comp := &compiler{app: b.app, kind: Call, src: f.Source}
		comp.checkQuery(f.Query, ".query", 0)
		c.query = comp.compileQuery(f.Query, ".query", 0)
		b.problems = append(b.problems, comp.problems...)
		c.broken = c.broken || comp.failed
	}
	if c.broken {
		b.warn("", "the filter %q is broken: it matches no document", f.Name)
	}
	return c
}
