// Package project compiles projections and applies them to raw documents (mongo-engine.md §2.3).
package project

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/match"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// MaxDepth is the deepest nesting of a projection.
const MaxDepth = 100

// Options are what a projection needs from its surroundings.
type Options struct {
	// Stage compiles the projection of a $project stage: no $slice, $elemMatch and positional forms, and at least one field.
	Stage bool
	// Expr compiles an aggregation expression. It returns a missing value for a field that is to be left out. Without it only
	// plain values are taken.
	Expr func(v bson.RawValue) (func(doc bson.Raw) (bson.RawValue, error), error)
	// Match serves $elemMatch.
	Match match.Options
}

// Context is what one application of a projection depends on.
type Context struct {
	// Position is the index of the array element that the query matched, for a.$; -1 for none.
	Position int
	// Meta returns a computed value by name, for {$meta: …}; nil has none.
	Meta func(name string) bson.RawValue
}

// Projection is a compiled projection. It is safe for concurrent use.
type Projection struct {
	root      *node
	exclusion bool
	position  bool
	metas     []string
	computed  bool
}

type kind uint8

const (
	sub kind = iota // has children
	include
	exclude
	computed
	slice
	elemMatch
	positional
	meta
)

// node is a field of the projection, or a document on the way to some.
type node struct {
	kind     kind
	name     string
	children []*node

	expr        func(doc bson.Raw) (bson.RawValue, error)
	skip, limit int64 // slice
	matcher     *match.Matcher
	metaName    string
	hasComputed bool // it or something below is computed
}

func (n *node) child(name string) *node {
	for _, c := range n.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// Compile compiles a projection. It copies its argument. An empty projection leaves documents as they are.
func Compile(projection bson.Raw, opts Options) (*Projection, error) {
	own := append(bson.Raw(nil), projection...)
	c := compiler{opts: opts, root: &node{}}
	if opts.Stage && value.Count(own) == 0 {
		return nil, mongoerr.New(51272, "projection specification must have at least one field")
	}
	if err := c.fields(nil, own, 0); err != nil {
		return nil, err
	}
	p := &Projection{root: c.root, position: c.position != "", metas: c.metas, computed: c.computed}
	switch {
	case c.mode == exclude, c.mode == sub && c.id == exclude, c.mode == sub && c.id == sub && c.neutral:
		p.exclusion = true
	}
	if len(c.root.children) == 0 {
		p.exclusion = true
	}
	if c.position != "" && p.exclusion {
		return nil, mongoerr.New(31395, "positional projection cannot be used with exclusion")
	}
	if p.exclusion && c.elem {
		return nil, mongoerr.New(31256, "Cannot use $elemMatch in an exclusion projection")
	}
	markComputed(c.root)
	return p, nil
}

func markComputed(n *node) bool {
	n.hasComputed = n.kind == computed || n.kind == meta
	for _, c := range n.children {
		if markComputed(c) {
			n.hasComputed = true
		}
	}
	return n.hasComputed
}

// Exclusion reports whether the projection names what to leave out.
func (p *Projection) Exclusion() bool { return p.exclusion }

// Empty reports whether the projection leaves every document as it is.
func (p *Projection) Empty() bool { return len(p.root.children) == 0 }

// NeedsPosition reports whether the projection uses a.$.
func (p *Projection) NeedsPosition() bool { return p.position }

// Metas returns the names of the computed values that the projection shows.
func (p *Projection) Metas() []string { return p.metas }

// Covers returns the plain paths that an inclusion needs, so that an index with these fields can answer without the document; nil
// when the whole document is needed.
func (p *Projection) Covers() []string {
	if p.exclusion || p.position || p.computed || len(p.metas) > 0 {
		return nil
	}
	paths := []string{}
	if p.root.child("_id") == nil {
		paths = append(paths, "_id")
	}
	plain := true
	var walk func(prefix string, n *node)
	walk = func(prefix string, n *node) {
		for _, c := range n.children {
			switch c.kind {
			case sub:
				walk(prefix+c.name+".", c)
			case include:
				paths = append(paths, prefix+c.name)
			case exclude:
			default:
				plain = false
			}
		}
	}
	walk("", p.root)
	if !plain {
		return nil
	}
	return paths
}

type compiler struct {
	opts     Options
	root     *node
	mode     kind // include or exclude once a field other than _id says so
	id       kind // what is said about _id
	neutral  bool // has fields that say neither: $slice, $meta
	elem     bool
	computed bool
	position string
	metas    []string
}

// fields compiles the members of a projection or of a nested form.
func (c *compiler) fields(prefix value.Path, doc bson.Raw, depth int) error {
	if depth > MaxDepth {
		return mongoerr.New(mongoerr.BadValue, "the projection is nested too deeply")
	}
	it := value.Over(doc)
	for it.Next() {
		if err := c.field(prefix, it.Key(), it.Value(), depth); err != nil {
			return err
		}
	}
	if it.Bad() {
		return mongoerr.New(mongoerr.InvalidBSON, "invalid BSON in a projection")
	}
	return nil
}

func (c *compiler) field(prefix value.Path, name string, v bson.RawValue, depth int) error {
	if base, ok := strings.CutSuffix(name, ".$"); ok && !c.opts.Stage {
		return c.positional(prefix, base, v)
	}
	if strings.Contains(name, ".$.") && !c.opts.Stage {
		return mongoerr.New(31394, "As of 4.4, it's illegal to specify positional operator in the middle of a path.Positional projection may only be used at the end, for example: a.b.$. If the query previously used a form like 'a.b.$.c', remove the parts following the '$' and the results will be equivalent.")
	}
	parsed, err := value.ParseFieldPath(name)
	if err != nil {
		return err
	}
	path := append(prefix[:len(prefix):len(prefix)], parsed...)
	switch {
	case value.IsNumber(v) || v.Type == bson.TypeBoolean:
		k := exclude
		if value.Truthy(v) {
			k = include
		}
		if err := c.say(path, k); err != nil {
			return err
		}
		return c.add(path, &node{kind: k})
	case v.Type == bson.TypeEmbeddedDocument:
		first := value.Over(v.Value)
		if !first.Next() {
			return mongoerr.New(51270, "An empty sub-projection is not a valid value. Found empty object at path")
		}
		if len(first.Key()) == 0 || first.Key()[0] != '$' {
			return c.fields(path, v.Value, depth+1)
		}
		if done, err := c.operator(path, first.Key(), first.Value(), v); done || err != nil {
			return err
		}
	}
	return c.expression(path, v)
}

// say records whether a field makes the projection an inclusion or an exclusion.
func (c *compiler) say(path value.Path, k kind) error {
	if len(path) == 1 && path[0] == "_id" {
		c.id = k
		return nil
	}
	if c.mode == sub {
		c.mode = k
	}
	if c.mode != k {
		if k == include {
			return mongoerr.New(mongoerr.InclusionInExclude, "Cannot do inclusion on field %s in exclusion projection", path)
		}
		return mongoerr.New(mongoerr.ExclusionInInclude, "Cannot do exclusion on field %s in inclusion projection", path)
	}
	return nil
}

// add puts a field into the tree.
func (c *compiler) add(path value.Path, leaf *node) error {
	n := c.root
	for i, part := range path {
		next := n.child(part)
		last := i == len(path)-1
		switch {
		case next == nil && last:
			leaf.name = part
			n.children = append(n.children, leaf)
		case next == nil:
			next = &node{name: part}
			n.children = append(n.children, next)
		case last:
			return mongoerr.New(mongoerr.ProjectionPrefix, "Path collision at %s", path)
		case next.kind != sub:
			return mongoerr.New(mongoerr.ProjectionCollision, "Path collision at %s remaining portion %s", path, path[i+1:])
		}
		n = next
	}
	return nil
}

// expression compiles a computed field.
func (c *compiler) expression(path value.Path, v bson.RawValue) error {
	if c.mode == exclude {
		return mongoerr.New(mongoerr.InclusionInExclude, "Cannot use an expression on field %s in an exclusion projection: %s", path, value.Show(v))
	}
	if len(path) > 1 || path[0] != "_id" {
		if err := c.say(path, include); err != nil {
			return err
		}
	} else {
		c.id = include
	}
	c.computed = true
	n := &node{kind: computed}
	if c.opts.Expr != nil {
		f, err := c.opts.Expr(v)
		if err != nil {
			return err
		}
		n.expr = f
	} else {
		s, isText := value.Text(v)
		if v.Type == bson.TypeEmbeddedDocument || v.Type == bson.TypeArray || isText && strings.HasPrefix(s, "$") {
			return mongoerr.New(mongoerr.NotImplemented, "expressions are not allowed in this projection: %s", value.ShowElement(path.String(), v))
		}
		n.expr = func(bson.Raw) (bson.RawValue, error) { return v, nil }
	}
	return c.add(path, n)
}

func (c *compiler) positional(prefix value.Path, base string, v bson.RawValue) error {
	parsed, err := value.ParseFieldPath(base)
	if err != nil {
		return err
	}
	path := append(prefix[:len(prefix):len(prefix)], parsed...)
	for _, p := range path {
		if p == "$" {
			return mongoerr.New(31394, "As of 4.4, it's illegal to specify positional operator in the middle of a path.")
		}
	}
	if c.position != "" {
		return mongoerr.New(31276, "Cannot specify more than one positional projection per query.")
	}
	if c.elem {
		return mongoerr.New(31255, "Cannot specify positional operator and $elemMatch.")
	}
	if !value.IsNumber(v) && v.Type != bson.TypeBoolean {
		return mongoerr.New(31271, "positional projection cannot be used with a literal")
	}
	k := exclude
	if value.Truthy(v) {
		k = include
	}
	if k == exclude {
		return mongoerr.New(31395, "positional projection cannot be used with exclusion")
	}
	if err := c.say(path, include); err != nil {
		return err
	}
	c.position = base
	return c.add(path, &node{kind: positional})
}
