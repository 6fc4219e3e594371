package update

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/match"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// compiler turns operator documents into a tree.
type compiler struct {
	opts    Options
	root    *node
	paths   []string
	deep    bool
	filters map[string]*match.Matcher
	used    map[string]bool
}

// Operator is an update operator, for the table of what is supported.
type Operator struct {
	Name, Help string
	compile    func(c *compiler, path string, arg rawValue) error
}

// operators are the update operators in alphabetical order.
var operators = []Operator{
	{"$addToSet", "adds values to an array that it does not have; $each", compileAddToSet},
	{"$bit", "and, or, xor of an integer", compileBit},
	{"$currentDate", "sets the current date or timestamp", compileCurrentDate},
	{"$inc", "adds to a number", compileInc},
	{"$max", "sets a value if it is greater", compileMax},
	{"$min", "sets a value if it is less", compileMin},
	{"$mul", "multiplies a number", compileMul},
	{"$pop", "removes the first (-1) or last (1) element of an array", compilePop},
	{"$pull", "removes the elements that satisfy a condition", compilePull},
	{"$pullAll", "removes the elements equal to given values", compilePullAll},
	{"$push", "appends to an array; $each, $slice, $sort, $position", compilePush},
	{"$rename", "renames a field", compileRename},
	{"$set", "sets a value", compileSet},
	{"$setOnInsert", "sets a value when an upsert inserts", compileSetOnInsert},
	{"$unset", "removes a field", compileUnset},
}

// OperatorTable returns the update operators in alphabetical order.
func OperatorTable() []Operator { return slices.Clone(operators) }

func operatorByName(name string) *Operator {
	for i := range operators {
		if operators[i].Name == name {
			return &operators[i]
		}
	}
	return nil
}

func compileOperators(doc bson.Raw, opts Options) (*Update, error) {
	c := &compiler{opts: opts, root: &node{}}
	var err error
	if c.filters, err = compileFilters(opts.ArrayFilters, opts.Match); err != nil {
		return nil, err
	}
	it := value.Over(doc)
	for it.Next() {
		name, v := it.Key(), it.Value()
		op := operatorByName(name)
		if op == nil {
			return nil, mongoerr.New(mongoerr.FailedToParse, "Unknown modifier: %s. Expected a valid update modifier or pipeline-style update specified as an array", name)
		}
		if v.Type != bson.TypeEmbeddedDocument {
			return nil, mongoerr.New(mongoerr.FailedToParse, "Modifiers operate on fields but we found type %s instead. For example: {$mod: {<field>: ...}} not {%s: %s}", value.TypeName(v.Type), name, value.Show(v))
		}
		fields := value.Over(v.Value)
		for fields.Next() {
			if err := op.compile(c, fields.Key(), fields.Value()); err != nil {
				return nil, err
			}
		}
		if fields.Bad() {
			return nil, mongoerr.New(mongoerr.InvalidBSON, "invalid BSON in an update")
		}
	}
	if it.Bad() {
		return nil, mongoerr.New(mongoerr.InvalidBSON, "invalid BSON in an update")
	}
	for id := range c.filters {
		if !c.used[id] {
			return nil, mongoerr.New(mongoerr.FailedToParse, "The array filter for identifier '%s' was not used in the update %s", id, value.ShowDoc(doc))
		}
	}
	return &Update{kind: Operators, root: c.root, paths: c.paths, deep: c.deep || value.Depth(doc) > value.MaxStoredDepth/2-2, collation: opts.Match.Collation}, nil
}

// add puts an operation at a dotted path.
func (c *compiler) add(dotted string, op operation) error {
	path, err := c.parse(dotted)
	if err != nil {
		return err
	}
	if err := c.root.insert(path, op, c.filters); err != nil {
		return err
	}
	c.paths = append(c.paths, dotted)
	c.deep = c.deep || len(path) > value.MaxStoredDepth/2-2
	return nil
}

// parse splits and checks the path of an update.
func (c *compiler) parse(dotted string) (value.Path, error) {
	if dotted == "" {
		return nil, mongoerr.New(mongoerr.EmptyFieldName, "An empty update path is not valid.")
	}
	path := value.ParsePath(strings.Clone(dotted))
	if len(path) > MaxPathParts {
		return nil, mongoerr.New(mongoerr.Overflow, "The update path has more than %d parts", MaxPathParts)
	}
	positions := 0
	for i, part := range path {
		switch {
		case part == "":
			return nil, mongoerr.New(mongoerr.EmptyFieldName, "The update path '%s' contains an empty field name, which is not allowed.", dotted)
		case part == "$" || strings.HasPrefix(part, "$["):
			if i == 0 {
				return nil, mongoerr.New(mongoerr.BadValue, "Cannot have %s element in the first position in path '%s'", kindOfPosition(part), dotted)
			}
			if part == "$" {
				if positions++; positions > 1 {
					return nil, mongoerr.New(mongoerr.BadValue, "Too many positional (i.e. '$') elements found in path '%s'", dotted)
				}
				continue
			}
			id, ok := elementsID(part)
			if !ok {
				return nil, mongoerr.New(mongoerr.DollarPrefixedFieldName, "The dollar ($) prefixed field '%s' in '%s' is not valid for storage.", part, dotted)
			}
			if id == "" {
				continue
			}
			if c.filters[id] == nil {
				return nil, mongoerr.New(mongoerr.BadValue, "No array filter found for identifier '%s' in path '%s'", id, dotted)
			}
			if c.used == nil {
				c.used = map[string]bool{}
			}
			c.used[id] = true
		case part[0] == '$' && !(i > 0 && (part == "$ref" || part == "$id" || part == "$db")):
			return nil, mongoerr.New(mongoerr.DollarPrefixedFieldName, "The dollar ($) prefixed field '%s' in '%s' is not valid for storage.", part, dotted)
		}
	}
	return path, nil
}

func kindOfPosition(part string) string {
	if part == "$" {
		return "positional (i.e. '$')"
	}
	return "array filter (i.e. '$[<id>]')"
}

// dynamic reports whether a path has $, $[] or $[id].
func dynamic(path value.Path) bool {
	for _, p := range path {
		if p == "$" || strings.HasPrefix(p, "$[") {
			return true
		}
	}
	return false
}

// compileFilters compiles array filters by their identifiers.
func compileFilters(filters []bson.Raw, opts match.Options) (map[string]*match.Matcher, error) {
	if len(filters) == 0 {
		return nil, nil
	}
	out := make(map[string]*match.Matcher, len(filters))
	for _, f := range filters {
		ids := map[string]bool{}
		if err := identifiers(f, ids, 0); err != nil {
			return nil, err
		}
		if len(ids) == 0 {
			return nil, mongoerr.New(mongoerr.FailedToParse, "Cannot use an expression without a top-level field name in arrayFilters")
		}
		id := ""
		for name := range ids {
			if id != "" {
				a, b := min(id, name), max(id, name)
				return nil, mongoerr.New(mongoerr.FailedToParse, "Error parsing array filter :: caused by :: Expected a single top-level field name, found '%s' and '%s'", a, b)
			}
			id = name
		}
		if !validIdentifier(id) {
			return nil, mongoerr.New(mongoerr.BadValue, "Error parsing array filter :: caused by :: The top-level field name must be an alphanumeric string beginning with a lowercase letter, found '%s'", id)
		}
		if out[id] != nil {
			return nil, mongoerr.New(mongoerr.FailedToParse, "Found multiple array filters with the same top-level field name %s", id)
		}
		m, err := match.Compile(f, opts)
		if err != nil {
			return nil, mongoerr.As(err).Prefix("Error parsing array filter :: caused by :: ")
		}
		out[strings.Clone(id)] = m
	}
	return out, nil
}

// identifiers collects the first parts of the paths in a filter, within $and, $or and $nor too.
func identifiers(filter bson.Raw, ids map[string]bool, depth int) error {
	if depth > match.MaxDepth {
		return mongoerr.New(mongoerr.BadValue, "an array filter is nested too deeply")
	}
	it := value.Over(filter)
	for it.Next() {
		name := it.Key()
		if len(name) == 0 || name[0] != '$' {
			id, _, _ := strings.Cut(name, ".")
			ids[strings.Clone(id)] = true
			continue
		}
		if it.Value().Type == bson.TypeArray {
			list := value.Over(it.Value().Value)
			for list.Next() {
				if value.IsDoc(list.Value()) {
					if err := identifiers(list.Value().Value, ids, depth+1); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

func validIdentifier(id string) bool {
	for i := 0; i < len(id); i++ {
		c := id[i]
		lower := c >= 'a' && c <= 'z'
		if !lower && (i == 0 || !(c >= 'A' && c <= 'Z' || c >= '0' && c <= '9')) {
			return false
		}
	}
	return id != ""
}
