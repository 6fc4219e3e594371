package stage

import (
	"context"
	"errors"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/mongoerr"
)

// project is $project, $addFields, $set and $unset.
type project struct {
	name string
	tree *field
	how  mode
}

// treeParser builds the tree of a projection.
type treeParser struct {
	c       *compiler
	stage   string
	root    *field
	how     mode
	decided bool // how is known
}

// within names the stage in front of an error of its specification, as MongoDB does.
func within(stage string, err error) error {
	var e *mongoerr.Error
	if errors.As(err, &e) && !strings.HasPrefix(e.Message, "Invalid $") {
		return e.Prefix("Invalid " + stage + " :: caused by :: ")
	}
	return err
}

func compileProject(c *compiler, name string, spec bson.RawValue) (*project, error) {
	if spec.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(15969, "$project specification must be an object")
	}
	p := &treeParser{c: c, stage: name, root: &field{}}
	it := expr.Each(spec.Value)
	if _, _, some := it.Next(); !some {
		return nil, mongoerr.New(51272, "Invalid $project :: caused by :: projection specification must have at least one field")
	}
	// Whether fields are kept or left out is said by the first that is not _id.
	id := ""
	for it := expr.Each(spec.Value); ; {
		n, v, ok := it.Next()
		if !ok {
			break
		}
		if string(n) == "_id" && plain(v) {
			id = map[bool]string{true: "in", false: "out"}[expr.Truthy(v)]
			continue
		}
		if err := p.decide(string(n), v); err != nil {
			return nil, within(name, err)
		}
	}
	if !p.decided && id == "out" {
		p.how = exclude
	}
	keepID := p.how == include && id != "out"
	for it := expr.Each(spec.Value); ; {
		n, v, ok := it.Next()
		if !ok {
			break
		}
		if string(n) == "_id" && plain(v) && (p.how == include) != expr.Truthy(v) {
			continue // {_id: 0} beside inclusions, {_id: 1} beside exclusions
		}
		if string(n) == "_id" || strings.HasPrefix(string(n), "_id.") {
			keepID = false
		}
		if err := p.add(string(n), v); err != nil {
			return nil, within(name, err)
		}
	}
	if keepID {
		p.root.members = append([]*field{{name: "_id", leaf: true}}, p.root.members...)
	}
	return &project{name: name, tree: p.root, how: p.how}, nil
}

// plain says whether a value keeps or drops a field rather than computing it: a number or a boolean.
func plain(v bson.RawValue) bool {
	switch v.Type {
	case bson.TypeBoolean, bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return true
	}
	return false
}

// decide looks for what says whether the projection includes or excludes.
func (p *treeParser) decide(path string, v bson.RawValue) error {
	if p.decided {
		return nil
	}
	switch {
	case plain(v):
		p.decided = true
		if !expr.Truthy(v) {
			p.how = exclude
		}
	case v.Type == bson.TypeEmbeddedDocument:
		it := expr.Each(v.Value)
		for first := true; ; first = false {
			n, m, ok := it.Next()
			if !ok {
				return nil
			}
			if first && len(n) > 0 && n[0] == '$' {
				p.decided = true
				return nil
			}
			if err := p.decide(path+"."+string(n), m); err != nil {
				return err
			}
		}
	default:
		p.decided = true
	}
	return nil
}

// place finds the leaf for a dotted path, making the nodes above it.
func (p *treeParser) place(path string) (*field, error) {
	if strings.HasSuffix(path, ".$") && p.stage == "$project" {
		return nil, mongoerr.New(31324, "Cannot use positional projection in aggregation projection")
	}
	parts, err := expr.SplitPath(path)
	if err != nil {
		return nil, err
	}
	at := p.root
	for i, part := range parts {
		_, m := at.find([]byte(part))
		last := i == len(parts)-1
		switch {
		case m == nil:
			m = &field{name: part, leaf: last}
			at.members = append(at.members, m)
		case last:
			if p.how == set {
				return nil, mongoerr.New(40176, "specification contains two conflicting paths. Cannot specify both '%s' and one above or below it", path)
			}
			return nil, mongoerr.New(31250, "Path collision at %s", path)
		case m.leaf:
			if p.how == set {
				return nil, mongoerr.New(40176, "specification contains two conflicting paths. Cannot specify both '%s' and one above or below it", path)
			}
			return nil, mongoerr.New(31249, "Path collision at %s remaining portion %s", path, strings.Join(parts[i+1:], "."))
		}
		at = m
	}
	return at, nil
}

// add adds one field of a specification; documents without operators are nested specifications.
func (p *treeParser) add(path string, v bson.RawValue) error {
	if v.Type == bson.TypeEmbeddedDocument {
		it := expr.Each(v.Value)
		n, _, some := it.Next()
		switch {
		case !some && p.how != set:
			return mongoerr.New(51270, "An empty sub-projection is not a valid value. Found empty object at path")
		case !some:
			break
		case len(n) == 0 || n[0] != '$':
			for it := expr.Each(v.Value); ; {
				n, m, ok := it.Next()
				if !ok {
					return nil
				}
				if strings.IndexByte(string(n), '.') >= 0 && p.how == set {
					return mongoerr.New(40183, "FieldPath field names may not contain '.' in a nested object: %s", n)
				}
				if len(n) > 0 && n[0] == '$' {
					return mongoerr.New(40182, "The argument to %s cannot mix expressions and fields: %s", p.stage, n)
				}
				if err := p.add(path+"."+string(n), m); err != nil {
					return err
				}
			}
		default:
			if _, _, more := it.Next(); more && p.how != set {
				return mongoerr.New(16410, "FieldPath field names may not start with '$'. Consider using $getField or $setField.")
			} else if more {
				return mongoerr.New(40181, "an expression specification must contain exactly one field, the name of the expression. Found more under %s", path)
			}
			if !expr.IsOperator(string(n)) && p.how != set && string(n) != "$elemMatch" {
				return mongoerr.New(31325, "Unknown expression %s", n)
			}
		}
	}
	f, err := p.place(path)
	if err != nil {
		return err
	}
	if p.how != set && plain(v) {
		switch in := expr.Truthy(v); {
		case in && p.how == exclude:
			return mongoerr.New(31253, "Cannot do inclusion on field %s in exclusion projection", path)
		case !in && p.how == include:
			return mongoerr.New(31254, "Cannot do exclusion on field %s in inclusion projection", path)
		}
		return nil
	}
	if p.how == exclude {
		if v.Type == bson.TypeEmbeddedDocument {
			return mongoerr.New(31252, "Cannot use an expression for an exclusion projection at %s", path)
		}
		return mongoerr.New(31310, "Cannot use an expression or value for an exclusion projection at %s", path)
	}
	if f.value, err = expr.Compile(v, p.c.scope); err != nil {
		return err
	}
	for at, parts := p.root, strings.Split(path, "."); ; parts = parts[1:] {
		at.computes = true
		if len(parts) == 0 {
			return nil
		}
		_, at = at.find([]byte(parts[0]))
	}
}

func compileAddFields(c *compiler, name string, spec bson.RawValue) (*project, error) {
	if spec.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(40272, "%s specification stage must be an object, got %s", name, typeName(spec))
	}
	p := &treeParser{c: c, stage: name, root: &field{}, how: set}
	for it := expr.Each(spec.Value); ; {
		n, v, ok := it.Next()
		if !ok {
			break
		}
		if err := p.add(string(n), v); err != nil {
			return nil, within(name, err)
		}
	}
	if len(p.root.members) == 0 {
		return nil, mongoerr.New(40177, "Invalid %s :: caused by :: specification must have at least one field", name)
	}
	return &project{name: name, tree: p.root, how: set}, nil
}

func compileUnset(c *compiler, name string, spec bson.RawValue) (*project, error) {
	p := &treeParser{c: c, stage: name, root: &field{}, how: exclude}
	add := func(v bson.RawValue) error {
		if v.Type != bson.TypeString {
			return mongoerr.New(31120, "$unset specification must be a string or an array containing only string values")
		}
		_, err := p.place(text(v))
		return within(name, err)
	}
	switch spec.Type {
	case bson.TypeString:
		return &project{name: name, tree: p.root, how: exclude}, add(spec)
	case bson.TypeArray:
		some := false
		for it := expr.Each(spec.Value); ; some = true {
			_, v, ok := it.Next()
			if !ok {
				break
			}
			if err := add(v); err != nil {
				return nil, err
			}
		}
		if !some {
			return nil, mongoerr.New(31119, "$unset specification must be a string or an array with at least one field")
		}
		return &project{name: name, tree: p.root, how: exclude}, nil
	}
	return nil, mongoerr.New(31002, "$unset specification must be a string or an array")
}

func (p *project) open(r *run, src source) (source, error) {
	return &projecting{p: p, src: src, env: r.expressions()}, nil
}

func (p *project) deps(d *expr.Deps) bool {
	p.tree.deps(d, "", p.how)
	return p.how == include
}

func (f *field) deps(d *expr.Deps, prefix string, how mode) {
	for _, m := range f.members {
		path := prefix + m.name
		switch {
		case m.value != nil:
			m.value.Deps(d)
			if prefix != "" {
				// The documents above decide where the value goes.
				d.AddPath(strings.TrimSuffix(prefix, "."))
			}
		case m.leaf && how == include:
			d.AddPath(path)
		case !m.leaf:
			m.deps(d, path+".", how)
		}
	}
}

type projecting struct {
	p   *project
	src source
	env *expr.Env
	buf []byte
}

func (s *projecting) next(ctx context.Context) (row, error) {
	r, err := s.src.next(ctx)
	if err != nil {
		return r, err
	}
	s.env.ResetMeta(r.doc, r.meta)
	if s.buf, err = s.p.tree.apply(s.env, s.buf[:0], r.doc, s.p.how); err != nil {
		return row{}, err
	}
	out := row{s.buf, r.meta}
	if cap(s.buf) > keepBytes {
		s.buf = nil
		s.env.Release()
	}
	return out, nil
}

// keepBytes is the largest buffer that a stage keeps for its next document. A larger one belongs to the document alone, or else every
// stage of a long pipeline would hold one.
const keepBytes = 1 << 20

func (s *projecting) close() error {
	s.env.Release()
	return s.src.close()
}
