package stage

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// mergeStage is $merge.
type mergeStage struct {
	ns         Namespace
	on         []string
	onGiven    bool
	matched    string        // replace, keepExisting, merge, fail, pipeline
	unmatched  string        // insert, discard, fail
	pipeline   bson.RawValue // of matched "pipeline"
	letNames   []string
	let        []expr.Expr
	collection Collections
}

func compileMerge(c *compiler, _ string, spec bson.RawValue) (*mergeStage, error) {
	m := &mergeStage{on: []string{"_id"}, matched: "merge", unmatched: "insert", collection: c.env.Collections}
	into := spec
	var vs []bson.RawValue
	switch spec.Type {
	case bson.TypeString:
		vs = make([]bson.RawValue, 5)
	case bson.TypeEmbeddedDocument:
		var err error
		if vs, err = arguments(spec, func(n string) error {
			return mongoerr.New(40415, "BSON field '$merge.%s' is an unknown field.", n)
		}, "into", "on", "whenMatched", "whenNotMatched", "let"); err != nil {
			return nil, err
		}
		if into = vs[0]; expr.Missing(into) {
			return nil, mongoerr.New(40414, "BSON field '$merge.into' is missing but a required field")
		}
	default:
		return nil, mongoerr.New(51182, "$merge requires a string or object argument, but found %s", typeName(spec))
	}
	if err := m.target(c, into); err != nil {
		return nil, err
	}
	if err := m.fields(vs[1]); err != nil {
		return nil, err
	}
	switch v := vs[2]; {
	case expr.Missing(v):
	case v.Type == bson.TypeArray:
		m.matched, m.pipeline = "pipeline", v
	case v.Type == bson.TypeString:
		m.matched = text(v)
		if !slices.Contains([]string{"replace", "keepExisting", "merge", "fail"}, m.matched) {
			return nil, mongoerr.New(mongoerr.BadValue, "Enumeration value '%s' for field 'whenMatched' is not a valid value.", m.matched)
		}
	default:
		return nil, mongoerr.New(51191, "$merge 'whenMatched' field must be either a string or a pipeline, but found %s", typeName(v))
	}
	if v := vs[3]; !expr.Missing(v) {
		if v.Type != bson.TypeString {
			return nil, mongoerr.New(mongoerr.TypeMismatch, "BSON field '$merge.whenNotMatched' is the wrong type '%s', expected type 'string'", typeName(v))
		}
		m.unmatched = text(v)
		if !slices.Contains([]string{"insert", "discard", "fail"}, m.unmatched) {
			return nil, mongoerr.New(mongoerr.BadValue, "Enumeration value '%s' for field 'whenNotMatched' is not a valid value.", m.unmatched)
		}
	}
	if m.unmatched != "insert" && (m.matched == "keepExisting" || m.matched == "fail") {
		return nil, mongoerr.New(51181, "Combination of {whenMatched: %s} and {whenNotMatched: %s} modes is not supported", m.matched, m.unmatched)
	}
	if err := m.variables(c, vs[4]); err != nil {
		return nil, err
	}
	if c.env.Collections == nil {
		return nil, mongoerr.New(mongoerr.IllegalOperation, "other collections cannot be written here")
	}
	return m, nil
}

func (m *mergeStage) target(c *compiler, into bson.RawValue) error {
	m.ns.DB = c.env.DB
	switch into.Type {
	case bson.TypeString:
		if m.ns.Collection = text(into); m.ns.Collection == "" {
			return mongoerr.New(5786800, "Invalid $merge: 'into' must name a collection")
		}
	case bson.TypeEmbeddedDocument:
		vs, err := arguments(into, func(n string) error {
			return mongoerr.New(40415, "BSON field '$merge.into.%s' is an unknown field.", n)
		}, "db", "coll")
		if err != nil {
			return err
		}
		for i, n := range []string{"db", "coll"} {
			if !expr.Nullish(vs[i]) && vs[i].Type != bson.TypeString {
				return mongoerr.New(mongoerr.TypeMismatch, "BSON field '$merge.into.%s' is the wrong type '%s', expected type 'string'", n, typeName(vs[i]))
			}
		}
		if text(vs[0]) != "" {
			m.ns.DB = text(vs[0])
		}
		if m.ns.Collection = text(vs[1]); m.ns.Collection == "" {
			return mongoerr.New(5786801, "Invalid $merge: 'into.coll' must name a collection")
		}
	default:
		return mongoerr.New(51178, "$merge 'into' field must be either a string or an object, but found %s", typeName(into))
	}
	switch {
	case restricted(m.ns.DB):
		return mongoerr.New(31320, "Cannot $merge to internal database: %s", m.ns.DB)
	case strings.HasPrefix(m.ns.Collection, "system."):
		return mongoerr.New(31319, "Cannot $merge to special collection: %s", m.ns.Collection)
	}
	return nil
}

func (m *mergeStage) fields(on bson.RawValue) error {
	if expr.Missing(on) {
		return nil
	}
	m.onGiven, m.on = true, nil
	add := func(v bson.RawValue) error {
		f := text(v)
		if _, err := expr.SplitPath(f); err != nil {
			return err
		}
		if slices.Contains(m.on, f) {
			return mongoerr.New(31465, "Found a duplicate field '%s' in $merge 'on'", f)
		}
		m.on = append(m.on, f)
		return nil
	}
	switch on.Type {
	case bson.TypeString:
		return add(on)
	case bson.TypeArray:
		for _, v := range value.Elements(on.Value) {
			if v.Type != bson.TypeString {
				return mongoerr.New(51134, "$merge 'on' array elements must be strings, but found %s", typeName(v))
			}
			if err := add(v); err != nil {
				return err
			}
		}
		if len(m.on) == 0 {
			return mongoerr.New(51187, "If explicitly specifying $merge 'on', must include at least one field")
		}
		return nil
	}
	return mongoerr.New(51186, "$merge 'on' field must be either a string or an array of strings, but found %s", typeName(on))
}

func (m *mergeStage) variables(c *compiler, let bson.RawValue) error {
	if !expr.Missing(let) && m.matched != "pipeline" {
		return mongoerr.New(51199, "Cannot use 'let' variables with 'whenMatched: %s' mode", m.matched)
	}
	scope := c.scope
	if !expr.Missing(let) {
		if let.Type != bson.TypeEmbeddedDocument {
			return mongoerr.New(mongoerr.TypeMismatch, "BSON field '$merge.let' is the wrong type '%s', expected type 'object'", typeName(let))
		}
		for it := expr.Each(let.Value); ; {
			n, v, ok := it.Next()
			if !ok {
				break
			}
			name := string(n)
			if err := expr.ValidVariable(name); err != nil {
				return err
			}
			e, err := expr.Compile(v, c.scope)
			if err != nil {
				return err
			}
			if name == "new" {
				if root, err := expr.Compile(value.String("$$ROOT"), c.scope); err != nil || !sameDeps(e, root) {
					return mongoerr.New(51273, "'let' may not define a value for the reserved 'new' variable other than '$$ROOT'")
				}
			}
			m.letNames, m.let = append(m.letNames, name), append(m.let, e)
		}
	}
	if m.matched != "pipeline" {
		return nil
	}
	if !slices.Contains(m.letNames, "new") {
		e, err := expr.Compile(value.String("$$ROOT"), scope)
		if err != nil {
			return err
		}
		m.letNames, m.let = append(m.letNames, "new"), append(m.let, e)
	}
	env := *c.env
	env.Let = nil
	for _, n := range m.letNames {
		env.Let = append(env.Let, Variable{Name: n, Value: expr.Null})
	}
	_, err := CompileUpdate(m.pipeline, env)
	return err
}

// sameDeps reports whether two expressions read the same.
func sameDeps(a, b expr.Expr) bool {
	var x, y expr.Deps
	a.Deps(&x)
	b.Deps(&y)
	return x.Whole == y.Whole && len(x.Paths) == len(y.Paths)
}

func (m *mergeStage) deps(*expr.Deps) bool { return false }

func (m *mergeStage) open(r *run, src source) (source, error) {
	if err := m.collection.CheckTarget(r.ctx, "$merge", m.ns); err != nil {
		return nil, err
	}
	if m.onGiven {
		ok, err := m.collection.UniqueIndex(r.ctx, m.ns, m.on, r.env.CollationSpec)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, mongoerr.New(51183, "Cannot find index to verify that join fields will be unique")
		}
	}
	env := r.expressions()
	return &writing{src: src, run: func(ctx context.Context, src source) error {
		if m.matched == "fail" {
			// One that fails does not keep the others of its batch from being written.
			return batches(ctx, src, func(docs []bson.Raw) (failed error) {
				for _, d := range docs {
					if expr.Missing(expr.Lookup(d, "_id")) {
						d = withID(d)
					}
					if err := m.collection.Insert(ctx, m.ns, []bson.Raw{d}); err != nil && failed == nil {
						failed = err
					}
				}
				return failed
			})
		}
		for {
			row, err := src.next(ctx)
			if drained(err) {
				return nil
			}
			if err == nil {
				err = m.one(ctx, env, row)
			}
			if err != nil {
				return err
			}
		}
	}}, nil
}

// mergeNew is what whenMatched: "merge" does: the members of the new document over those of the old.
var mergeNew = value.ArrayOf([]bson.RawValue{value.Doc(value.DocOf(value.Field{
	Name: "$replaceWith",
	Value: value.Doc(value.DocOf(value.Field{
		Name:  "$mergeObjects",
		Value: value.ArrayOf([]bson.RawValue{value.String("$$ROOT"), value.String("$$new")}),
	})),
}))})

// withID gives a document an _id, in front.
func withID(doc bson.Raw) bson.Raw {
	d := newDoc(nil)
	d.add("_id", value.ObjectID(bson.NewObjectID()))
	for it := expr.Each(doc); ; {
		n, v, ok := it.Next()
		if !ok {
			return d.done()
		}
		d.add(string(n), v)
	}
}

// one merges one document.
func (m *mergeStage) one(ctx context.Context, env *expr.Env, r row) error {
	doc := bson.Raw(slices.Clone(r.doc))
	if len(doc) > MaxDocumentBytes {
		return mongoerr.New(mongoerr.BSONObjectTooLarge, "a document of %d bytes is too large to be written", len(doc))
	}
	ids := m.on
	if expr.Missing(expr.Lookup(doc, "_id")) {
		doc = withID(doc)
	}
	f := newDoc(nil)
	for _, p := range ids {
		v := value.Get(doc, value.ParsePath(p))
		if expr.Nullish(v) {
			if expr.Missing(v) || p == "_id" {
				return mongoerr.New(51132, "$merge write error: 'on' field '%s' cannot be missing, null or undefined", p)
			}
			return mongoerr.New(51132, "$merge write error: 'on' field cannot be missing, null, undefined or an array")
		}
		if v.Type == bson.TypeArray {
			return mongoerr.New(51185, "$merge write error: 'on' field '%s' cannot be an array", p)
		}
		f.add(p, value.Doc(value.DocOf(value.Field{Name: "$eq", Value: v})))
	}
	filter := f.done()
	up, let := value.Doc(doc), []Variable(nil)
	switch m.matched {
	case "merge":
		fresh := doc
		if expr.Missing(expr.Lookup(r.doc, "_id")) {
			fresh = r.doc
		}
		up, let = mergeNew, []Variable{{"new", value.Doc(fresh)}}
	case "replace":
		// A document without _id of its own takes the one that is there.
		if expr.Missing(expr.Lookup(r.doc, "_id")) {
			up = value.Doc(slices.Clone(r.doc))
		}
	case "pipeline":
		env.ResetMeta(r.doc, r.meta)
		up = m.pipeline
		for i, e := range m.let {
			v, err := e.Eval(env)
			if err != nil {
				return err
			}
			let = append(let, Variable{m.letNames[i], expr.Clone(v)})
		}
	}
	for attempt := 0; ; attempt++ {
		if m.matched == "keepExisting" {
			err := m.collection.Insert(ctx, m.ns, []bson.Raw{doc})
			if mongoerr.CodeOf(err) == mongoerr.DuplicateKey {
				err = nil
			}
			return err
		}
		matched, err := m.collection.Update(ctx, m.ns, filter, up, let)
		if matched || err != nil {
			return err
		}
		switch m.unmatched {
		case "discard":
			return nil
		case "fail":
			return mongoerr.New(13113, "$merge could not find a matching document in the target collection for at least one document in the source collection")
		}
		// Another writer may insert the document between the two.
		if err = m.collection.Insert(ctx, m.ns, []bson.Raw{doc}); mongoerr.CodeOf(err) != mongoerr.DuplicateKey || attempt == 2 {
			return err
		}
	}
}
