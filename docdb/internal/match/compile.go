package match

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/jsonschema"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/regex"
	"regent/docdb/internal/value"
)

type compiler struct {
	opts Options
	text bool // a $text was seen
	// optional counts the $or, $nor, $not and $elemMatch around, elements the $elemMatch among them.
	optional, elements int
}

// topLevelOp compiles an operator that stands where a field name would.
type topLevelOp func(c *compiler, op string, v bson.RawValue, depth int, root bool) (Node, error)

// topLevelOps returns these operators by name. It is a function because $and and its kin lead back here.
func topLevelOps(name string) topLevelOp {
	switch name {
	case "$and", "$or", "$nor":
		return (*compiler).logical
	case "$expr":
		return (*compiler).expr
	case "$jsonSchema":
		return (*compiler).schema
	case "$comment":
		return (*compiler).comment
	case "$alwaysTrue", "$alwaysFalse":
		return (*compiler).constant
	case "$sampleRate":
		return (*compiler).sample
	case "$text":
		return (*compiler).textSearch
	case "$where":
		return (*compiler).where
	}
	return nil
}

// filter compiles a document of conditions; their conjunction is one And unless there is exactly one.
func (c *compiler) filter(doc bson.Raw, depth int, root bool) (Node, error) {
	if depth > MaxDepth {
		return nil, bad("exceeded maximum query tree depth of %d", MaxDepth)
	}
	var children []Node
	it := value.Over(doc)
	for it.Next() {
		name, v := it.Key(), it.Value()
		var n Node
		var err error
		if len(name) > 0 && name[0] == '$' {
			if isReference(name) {
				n, err = c.equality(value.Path{name}, v)
			} else if f := topLevelOps(name); f != nil {
				n, err = f(c, name, v, depth, root)
			} else {
				err = bad("unknown top level operator: %s. If you have a field name that starts with a '$' symbol, consider using $getField or $setField.", name)
			}
		} else {
			n, err = c.field(value.ParsePath(name), v, depth)
		}
		if err != nil {
			return nil, err
		}
		if and, ok := n.(*And); ok {
			children = append(children, and.Children...)
		} else if n != nil {
			children = append(children, n)
		}
	}
	if it.Bad() {
		return nil, mongoerr.New(mongoerr.InvalidBSON, "invalid BSON in a filter")
	}
	if len(children) == 1 {
		return children[0], nil
	}
	return &And{Children: children}, nil
}

// isReference reports whether a name is a member of a DBRef, which is data and not an operator.
func isReference(name string) bool { return name == "$ref" || name == "$id" || name == "$db" }

// isOperators reports whether a document is a set of operators: its first name begins with $ and is no DBRef's.
func isOperators(doc []byte) bool {
	it := value.Over(doc)
	return it.Next() && len(it.Key()) > 0 && it.Key()[0] == '$' && !isReference(it.Key())
}

// field compiles the condition on one field.
func (c *compiler) field(path value.Path, v bson.RawValue, depth int) (Node, error) {
	if v.Type == bson.TypeEmbeddedDocument && isOperators(v.Value) {
		return c.operators(path, v.Value, depth+1)
	}
	return c.equality(path, v)
}

// equality compiles {a: v}: a regular expression matches, anything else compares.
func (c *compiler) equality(path value.Path, v bson.RawValue) (Node, error) {
	if p, o, ok := value.RegexParts(v); ok {
		re, err := regex.Compile(p, o)
		if err != nil {
			return nil, err
		}
		return &Regex{path, re}, nil
	}
	return c.compare(path, Eq, v)
}

func (c *compiler) compare(path value.Path, op Op, v bson.RawValue) (Node, error) {
	if v.Type == bson.TypeUndefined {
		return nil, bad("cannot compare to undefined")
	}
	if v.Type == bson.TypeRegex && op != Eq {
		return nil, bad("Can't have RegEx as arg to predicate over field '%s'.", path)
	}
	return newCompare(path, op, v, c.opts.Collation), nil
}

// operators compiles the operators on one field.
func (c *compiler) operators(path value.Path, doc bson.Raw, depth int) (Node, error) {
	if depth > MaxDepth {
		return nil, bad("exceeded maximum query tree depth of %d", MaxDepth)
	}
	var children []Node
	it := value.Over(doc)
	for it.Next() {
		f := fieldOps(it.Key())
		if f == nil {
			return nil, bad("unknown operator: %s", it.Key())
		}
		n, err := f(&operand{c: c, path: path, op: it.Key(), v: it.Value(), siblings: doc, depth: depth})
		if err != nil {
			return nil, err
		}
		if n != nil {
			children = append(children, n)
		}
	}
	if it.Bad() {
		return nil, mongoerr.New(mongoerr.InvalidBSON, "invalid BSON in a filter")
	}
	if len(children) == 1 {
		return children[0], nil
	}
	return &And{Children: children}, nil
}

func (c *compiler) logical(op string, v bson.RawValue, depth int, _ bool) (Node, error) {
	if v.Type != bson.TypeArray {
		return nil, bad("%s must be an array", op)
	}
	if op != "$and" {
		c.optional++
		defer func() { c.optional-- }()
	}
	var children []Node
	it := value.Over(v.Value)
	for it.Next() {
		if !value.IsDoc(it.Value()) {
			return nil, bad("$or/$and/$nor entries need to be full objects")
		}
		n, err := c.filter(it.Value().Value, depth+1, false)
		if err != nil {
			return nil, err
		}
		children = append(children, n)
	}
	if len(children) == 0 {
		return nil, bad("$and/$or/$nor must be a nonempty array")
	}
	switch op {
	case "$and":
		var flat []Node
		for _, n := range children {
			if and, ok := n.(*And); ok {
				flat = append(flat, and.Children...)
			} else {
				flat = append(flat, n)
			}
		}
		return &And{Children: flat}, nil
	case "$or":
		if len(children) == 1 {
			return children[0], nil
		}
		return &Or{children}, nil
	}
	return &Nor{children}, nil
}

func (c *compiler) expr(op string, v bson.RawValue, _ int, _ bool) (Node, error) {
	if c.elements > 0 {
		return nil, bad("%s can only be applied to the top-level document", op)
	}
	if c.opts.Expr == nil {
		return nil, mongoerr.New(mongoerr.QueryFeatureNotAllowed, "%s is not allowed in this context", op)
	}
	pred, err := c.opts.Expr(v)
	if err != nil {
		return nil, err
	}
	return &Expr{Arg: v, pred: pred}, nil
}

func (c *compiler) schema(_ string, v bson.RawValue, _ int, _ bool) (Node, error) {
	if !value.IsDoc(v) {
		return nil, mongoerr.New(mongoerr.TypeMismatch, "$jsonSchema must be an object")
	}
	compile := c.opts.JSONSchema
	if compile == nil {
		compile = jsonschema.Predicate
	}
	pred, err := compile(v.Value)
	if err != nil {
		return nil, err
	}
	return &Schema{pred}, nil
}

func (c *compiler) comment(string, bson.RawValue, int, bool) (Node, error) { return nil, nil }

func (c *compiler) constant(op string, v bson.RawValue, _ int, _ bool) (Node, error) {
	if n, exact := value.Integer(v); !exact || n != 1 {
		return nil, mongoerr.New(mongoerr.FailedToParse, "%s must be an integer value of 1", op)
	}
	return &Constant{op == "$alwaysTrue"}, nil
}

func (c *compiler) sample(op string, v bson.RawValue, _ int, _ bool) (Node, error) {
	if c.elements > 0 {
		return nil, bad("%s can only be applied to the top-level document", op)
	}
	rate, ok := value.Float64(v)
	if !ok {
		return nil, bad("argument to $sampleRate must be a numeric type")
	}
	if !(rate >= 0 && rate <= 1) {
		return nil, bad("numeric argument to $sampleRate must be in [0, 1]")
	}
	if c.opts.Rand == nil {
		return nil, mongoerr.New(mongoerr.QueryFeatureNotAllowed, "%s is not allowed in this context", op)
	}
	return &Sample{rate, c.opts.Rand}, nil
}

func (c *compiler) textSearch(op string, v bson.RawValue, _ int, _ bool) (Node, error) {
	if !value.IsDoc(v) {
		return nil, bad("$text expects an object")
	}
	if c.text {
		return nil, bad("Too many text expressions")
	}
	c.text = true
	if c.opts.Text == nil || c.elements > 0 {
		return nil, bad("%s is not allowed in this context", op)
	}
	s, err := c.opts.Text(v.Value)
	if err != nil {
		return nil, err
	}
	return &Text{s}, nil
}

// where refuses server-side JavaScript (mongo-engine.md §2.1).
func (c *compiler) where(string, bson.RawValue, int, bool) (Node, error) {
	return nil, mongoerr.New(mongoerr.NotImplemented, "$where is not supported: docdb runs no JavaScript in queries; use $expr")
}

// IsFieldCondition reports whether a document is a set of operators on a value, such as {$gt: 1}, and not a filter on the fields
// of a document. $pull tells them apart so.
func IsFieldCondition(doc bson.Raw) bool {
	it := value.Over(doc)
	return it.Next() && isOperators(doc) && topLevelOps(it.Key()) == nil
}
