package match

import (
	"math"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/regex"
	"regent/docdb/internal/value"
)

// operand is an operator on a field with all that its compilation may need.
type operand struct {
	c        *compiler
	path     value.Path
	op       string
	v        bson.RawValue
	siblings bson.Raw // the document that the operator stands in
	depth    int
}

// fieldOps returns the compiler of an operator on a field, nil for an unknown one. It is a function because $not and $elemMatch lead
// back here. A compiler that returns no node adds no condition.
func fieldOps(name string) func(*operand) (Node, error) {
	switch name {
	case "$eq":
		return func(o *operand) (Node, error) { return o.c.compare(o.path, Eq, o.v) }
	case "$lt":
		return func(o *operand) (Node, error) { return o.c.compare(o.path, Lt, o.v) }
	case "$lte":
		return func(o *operand) (Node, error) { return o.c.compare(o.path, Lte, o.v) }
	case "$gt":
		return func(o *operand) (Node, error) { return o.c.compare(o.path, Gt, o.v) }
	case "$gte":
		return func(o *operand) (Node, error) { return o.c.compare(o.path, Gte, o.v) }
	case "$ne":
		return (*operand).ne
	case "$in":
		return (*operand).in
	case "$nin":
		return (*operand).nin
	case "$not":
		return (*operand).not
	case "$exists":
		return (*operand).exists
	case "$type":
		return (*operand).typ
	case "$all":
		return (*operand).all
	case "$elemMatch":
		return (*operand).elemMatch
	case "$size":
		return (*operand).size
	case "$mod":
		return (*operand).mod
	case "$regex":
		return (*operand).regex
	case "$options":
		return (*operand).options
	case "$bitsAllSet", "$bitsAllClear", "$bitsAnySet", "$bitsAnyClear":
		return (*operand).bits
	case "$geoWithin", "$within", "$geoIntersects", "$near", "$nearSphere", "$geoNear":
		return (*operand).geo
	case "$maxDistance", "$minDistance":
		return (*operand).distance
	case "$comment":
		return func(*operand) (Node, error) { return nil, nil }
	}
	return nil
}

func (o *operand) ne() (Node, error) {
	if o.v.Type == bson.TypeRegex {
		return nil, bad("Can't have regex as arg to $ne.")
	}
	n, err := o.c.compare(o.path, Eq, o.v)
	return &Not{n}, err
}

func (o *operand) in() (Node, error) {
	if o.v.Type != bson.TypeArray {
		return nil, bad("%s needs an array", o.op)
	}
	n := &In{Path: o.path, Collation: o.c.opts.Collation}
	it := value.Over(o.v.Value)
	for it.Next() {
		v := it.Value()
		switch v.Type {
		case bson.TypeRegex:
			p, opt, _ := value.RegexParts(v)
			re, err := regex.Compile(p, opt)
			if err != nil {
				return nil, err
			}
			n.Regexes = append(n.Regexes, re)
			continue
		case bson.TypeUndefined:
			return nil, bad("cannot compare to undefined")
		case bson.TypeEmbeddedDocument:
			if isOperators(v.Value) {
				return nil, bad("cannot nest $ under %s", o.op)
			}
		case bson.TypeNull:
			n.null = true
		}
		n.Values = append(n.Values, v)
	}
	less := func(a, b bson.RawValue) int { return value.CompareWith(a, b, n.Collation) }
	slices.SortFunc(n.Values, less)
	n.Values = slices.CompactFunc(n.Values, func(a, b bson.RawValue) bool { return less(a, b) == 0 })
	return n, nil
}

func (o *operand) nin() (Node, error) {
	n, err := o.in()
	return &Not{n}, err
}

func (o *operand) not() (Node, error) {
	switch {
	case o.v.Type == bson.TypeRegex:
		n, err := o.c.equality(o.path, o.v)
		return &Not{n}, err
	case o.v.Type != bson.TypeEmbeddedDocument:
		return nil, bad("$not needs a regex or a document")
	case value.Count(o.v.Value) == 0:
		return nil, bad("$not cannot be empty")
	}
	o.c.optional++
	n, err := o.c.operators(o.path, o.v.Value, o.depth+1)
	o.c.optional--
	return &Not{n}, err
}

func (o *operand) exists() (Node, error) {
	if value.Truthy(o.v) {
		return &Exists{o.path}, nil
	}
	return &Not{&Exists{o.path}}, nil
}

func (o *operand) typ() (Node, error) {
	set, err := ParseTypes(o.v)
	if err != nil {
		return nil, err
	}
	if set.Empty() {
		return nil, mongoerr.New(mongoerr.FailedToParse, "%s must match at least one type", o.path)
	}
	return &Type{o.path, set}, nil
}

// ParseTypes reads the operand of $type: a number, an alias, "number", or an array of them.
func ParseTypes(v bson.RawValue) (value.TypeSet, error) {
	var set value.TypeSet
	if v.Type != bson.TypeArray {
		return set, addType(&set, v)
	}
	it := value.Over(v.Value)
	for it.Next() {
		if err := addType(&set, it.Value()); err != nil {
			return set, err
		}
	}
	return set, nil
}

func addType(set *value.TypeSet, v bson.RawValue) error {
	switch {
	case v.Type == bson.TypeString:
		name, _ := value.Text(v)
		if name == "number" {
			set.AddNumbers()
			return nil
		}
		t, ok := value.TypeByAlias(name)
		if !ok {
			return bad("Unknown type name alias: %s", name)
		}
		set.Add(t)
	case value.IsNumber(v):
		n, exact := value.Integer(v)
		t, ok := value.TypeByNumber(n)
		if !exact || !ok {
			return bad("Invalid numerical type code: %s", value.Show(v))
		}
		set.Add(t)
	default:
		return mongoerr.New(mongoerr.TypeMismatch, "type must be represented as a number or a string")
	}
	return nil
}

// all compiles $all to the conjunction of its elements' equalities or $elemMatch conditions; an empty one matches nothing.
func (o *operand) all() (Node, error) {
	if o.v.Type != bson.TypeArray {
		return nil, bad("$all needs an array")
	}
	var children []Node
	elems := false
	it := value.Over(o.v.Value)
	for i := 0; it.Next(); i++ {
		v := it.Value()
		isElem := false
		if value.IsDoc(v) && isOperators(v.Value) {
			first := value.Over(v.Value)
			first.Next()
			if first.Key() != "$elemMatch" {
				return nil, bad("no $ expressions in $all")
			}
			isElem = true
		}
		if i > 0 && isElem != elems {
			if isElem {
				return nil, bad("no $ expressions in $all")
			}
			return nil, bad("$all/$elemMatch has to be consistent")
		}
		elems = isElem
		var n Node
		var err error
		if isElem {
			n, err = o.c.operators(o.path, v.Value, o.depth+1)
		} else {
			n, err = o.c.equality(o.path, v)
		}
		if err != nil {
			return nil, err
		}
		children = append(children, n)
	}
	switch len(children) {
	case 0:
		return &Constant{false}, nil
	case 1:
		return children[0], nil
	}
	return &And{Children: children}, nil
}

func (o *operand) elemMatch() (Node, error) {
	if !value.IsDoc(o.v) {
		return nil, bad("$elemMatch needs an Object")
	}
	o.c.optional++
	defer func() { o.c.optional-- }()
	if isOperators(o.v.Value) {
		first := value.Over(o.v.Value)
		first.Next()
		if topLevelOps(first.Key()) == nil || first.Key() == "$comment" {
			n, err := o.c.operators(nil, o.v.Value, o.depth+1)
			return &ElemMatchValue{o.path, n}, err
		}
	}
	o.c.elements++
	n, err := o.c.filter(o.v.Value, o.depth+1, false)
	o.c.elements--
	return &ElemMatch{o.path, n}, err
}

func (o *operand) size() (Node, error) {
	if !value.IsNumber(o.v) {
		return nil, bad("Failed to parse $size. Expected a number in: $size: %s", value.Show(o.v))
	}
	n, exact := value.Integer(o.v)
	if !exact {
		return nil, bad("Failed to parse $size. Expected an integer: $size: %s", value.Show(o.v))
	}
	if n < 0 {
		return nil, bad("Failed to parse $size. Expected a non-negative number in: $size: %s", value.Show(o.v))
	}
	return &Size{o.path, n}, nil
}

func (o *operand) mod() (Node, error) {
	if o.v.Type != bson.TypeArray {
		return nil, bad("malformed mod, needs to be an array")
	}
	args := value.Elements(o.v.Value)
	switch {
	case len(args) < 2:
		return nil, bad("malformed mod, not enough elements")
	case len(args) > 2:
		return nil, bad("malformed mod, too many elements")
	case !value.IsNumber(args[0]):
		return nil, bad("malformed mod, divisor not a number")
	case !value.IsNumber(args[1]):
		return nil, bad("malformed mod, remainder not a number")
	}
	d, okD := modOperand(args[0])
	r, okR := modOperand(args[1])
	if !okD {
		return nil, bad("malformed mod, divisor value is invalid :: caused by :: %s", outOfRange(args[0]))
	}
	if !okR {
		return nil, bad("malformed mod, remainder value is invalid :: caused by :: %s", outOfRange(args[1]))
	}
	if d == 0 {
		return nil, bad("divisor cannot be 0")
	}
	return &Mod{o.path, d, r}, nil
}

func outOfRange(v bson.RawValue) string {
	if f, _ := value.Float64(v); f != f || math.IsInf(f, 0) {
		return "Unable to coerce NaN/Inf to integral type"
	}
	return "Out of bounds coercing to integral value"
}

func (o *operand) regex() (Node, error) {
	var pattern, options string
	switch o.v.Type {
	case bson.TypeString:
		pattern, _ = value.Text(o.v)
	case bson.TypeRegex:
		pattern, options, _ = value.RegexParts(o.v)
	default:
		return nil, bad("$regex has to be a string")
	}
	if opt := value.Lookup(o.siblings, "$options"); opt.Type != 0 {
		s, ok := value.Text(opt)
		if !ok {
			return nil, bad("$options has to be a string")
		}
		if options != "" {
			if first := value.Over(o.siblings); first.Next() && first.Key() == "$options" {
				return nil, mongoerr.New(51074, "options set in both $regex and $options")
			}
			return nil, mongoerr.New(51075, "options set in both $regex and $options")
		}
		options = s
	}
	re, err := regex.Compile(pattern, options)
	if err != nil {
		return nil, err
	}
	return &Regex{o.path, re}, nil
}

// options is read by $regex; alone it means nothing.
func (o *operand) options() (Node, error) {
	if value.Lookup(o.siblings, "$regex").Type == 0 {
		return nil, bad("$options needs a $regex")
	}
	return nil, nil
}

func (o *operand) bits() (Node, error) {
	p, err := parseBits(o.op, o.v)
	if err != nil {
		return nil, err
	}
	return &Bits{Path: o.path, Test: bitTests[o.op], Positions: p}, nil
}

func (o *operand) geo() (Node, error) {
	if o.c.opts.Geo == nil {
		return nil, mongoerr.New(mongoerr.QueryFeatureNotAllowed, "%s is not allowed in this context", o.op)
	}
	op := o.op
	switch op {
	case "$within":
		op = "$geoWithin"
	case "$geoNear":
		op = "$near"
	}
	if op == "$near" || op == "$nearSphere" {
		if err := o.orders(); err != nil {
			return nil, err
		}
	}
	g, err := o.c.opts.Geo(op, o.v, o.siblings)
	if err != nil {
		return nil, err
	}
	return &Geo{Path: o.path, Op: op, Geometry: g}, nil
}

// orders refuses $near where documents cannot be ordered by it: it is a condition that every result satisfies, alone on its field.
func (o *operand) orders() error {
	if !o.c.opts.Near {
		return mongoerr.New(5626500, "$geoNear, $near, and $nearSphere are not allowed in this context, as these operators require sorting geospatial data. If you do not need sort, consider using $geoWithin instead.")
	}
	if o.c.optional > 0 {
		return bad("geoNear must be top-level expr")
	}
	it := value.Over(o.siblings)
	for it.Next() {
		switch it.Key() {
		case "$near", "$nearSphere", "$geoNear", "$minDistance", "$maxDistance":
		default:
			return mongoerr.New(34413, "Can't parse extra field: %s", value.ShowElement(it.Key(), it.Value()))
		}
	}
	return nil
}

// distance accepts the legacy form {$near: [x, y], $maxDistance: d}, where $near reads it.
func (o *operand) distance() (Node, error) {
	for _, near := range []string{"$near", "$nearSphere", "$geoNear"} {
		if value.Lookup(o.siblings, near).Type != 0 {
			return nil, nil
		}
	}
	return nil, bad("unknown operator: %s", o.op)
}

// testRegex reports whether text matches, or a regular expression value is the same.
func testRegex(re *regex.Regexp, v bson.RawValue) (bool, error) {
	switch v.Type {
	case bson.TypeString, bson.TypeSymbol:
		s, _ := value.Text(v)
		return re.MatchString(s)
	case bson.TypeRegex:
		p, o, _ := value.RegexParts(v)
		return p == re.Pattern() && o == re.Options(), nil
	}
	return false, nil
}
