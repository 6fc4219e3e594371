package update

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// setOp is $set, and $setOnInsert when onInsert is set.
type setOp struct {
	v        rawValue
	onInsert bool
}

func compileSet(c *compiler, path string, arg rawValue) error {
	return c.add(path, &setOp{v: arg})
}

func compileSetOnInsert(c *compiler, path string, arg rawValue) error {
	return c.add(path, &setOp{v: arg, onInsert: true})
}

func (o *setOp) apply(r *run, old rawValue) (rawValue, error) {
	if o.onInsert && !r.Insert {
		return old, nil
	}
	return o.v, nil
}

func (o *setOp) creates(r *run) bool { return !o.onInsert || r.Insert }

// unsetOp removes a field; an element of an array becomes null.
type unsetOp struct{}

func compileUnset(c *compiler, path string, _ rawValue) error { return c.add(path, unsetOp{}) }

func (unsetOp) apply(*run, rawValue) (rawValue, error) { return value.Missing, nil }
func (unsetOp) creates(*run) bool                      { return false }

// arithOp is $inc or $mul.
type arithOp struct {
	name    string
	by      rawValue
	combine func(a, b bson.RawValue) (bson.RawValue, bool)
	initial func(by rawValue) rawValue
}

func compileInc(c *compiler, path string, arg rawValue) error {
	if !value.IsNumber(arg) {
		return mongoerr.New(mongoerr.TypeMismatch, "Cannot increment with non-numeric argument: %s", value.ShowElement(path, arg))
	}
	return c.add(path, &arithOp{"$inc", arg, value.Add, func(by rawValue) rawValue { return by }})
}

func compileMul(c *compiler, path string, arg rawValue) error {
	if !value.IsNumber(arg) {
		return mongoerr.New(mongoerr.TypeMismatch, "Cannot multiply with non-numeric argument: %s", value.ShowElement(path, arg))
	}
	return c.add(path, &arithOp{"$mul", arg, value.Mul, zeroLike})
}

// zeroLike returns the zero of a number's type, which is what $mul sets on a missing field.
func zeroLike(v rawValue) rawValue {
	switch v.Type {
	case bson.TypeInt32:
		return value.Int32(0)
	case bson.TypeInt64:
		return value.Int64(0)
	case bson.TypeDouble:
		return value.Double(0)
	}
	return value.FromDecimal(value.Decimal{})
}

func (o *arithOp) apply(r *run, old rawValue) (rawValue, error) {
	if old.Type == 0 {
		return o.initial(o.by), nil
	}
	if !value.IsNumber(old) {
		return value.Missing, mongoerr.New(mongoerr.TypeMismatch, "Cannot apply %s to a value of non-numeric type. %s has the field '%s' of non-numeric type %s", o.name, r.id(), r.path[len(r.path)-1], value.TypeName(old.Type))
	}
	v, overflow := o.combine(old, o.by)
	if overflow {
		return value.Missing, mongoerr.New(mongoerr.BadValue, "Failed to apply %s operations to current value (%s) for document %s", o.name, showTyped(old), r.id())
	}
	return v, nil
}

func (o *arithOp) creates(*run) bool { return true }

func showTyped(v rawValue) string {
	name := map[bson.Type]string{bson.TypeInt32: "NumberInt", bson.TypeInt64: "NumberLong", bson.TypeDouble: "NumberDouble", bson.TypeDecimal128: "NumberDecimal"}[v.Type]
	return "(" + name + ")" + value.Show(v)
}

// boundOp is $min or $max: it sets a value that compares on one side of the old one, across types.
type boundOp struct {
	v    rawValue
	sign int
}

func compileMin(c *compiler, path string, arg rawValue) error {
	return c.add(path, &boundOp{arg, -1})
}

func compileMax(c *compiler, path string, arg rawValue) error {
	return c.add(path, &boundOp{arg, 1})
}

func (o *boundOp) apply(r *run, old rawValue) (rawValue, error) {
	if old.Type == 0 || value.CompareWith(o.v, old, r.collation)*o.sign > 0 {
		return o.v, nil
	}
	return old, nil
}

func (o *boundOp) creates(*run) bool { return true }

// nowOp is $currentDate.
type nowOp struct{ timestamp bool }

func compileCurrentDate(c *compiler, path string, arg rawValue) error {
	op := nowOp{}
	switch arg.Type {
	case bson.TypeBoolean:
	case bson.TypeEmbeddedDocument:
		it := value.Over(arg.Value)
		found := false
		for it.Next() {
			if it.Key() != "$type" {
				return mongoerr.New(mongoerr.BadValue, "Unrecognized $currentDate option: %s", it.Key())
			}
			s, isText := value.Text(it.Value())
			if !isText || s != "date" && s != "timestamp" {
				return badCurrentDate()
			}
			found, op.timestamp = true, s == "timestamp"
		}
		if !found {
			return badCurrentDate()
		}
	default:
		return mongoerr.New(mongoerr.BadValue, "%s is not valid type for $currentDate. Please use a boolean ('true') or a $type expression ({$type: 'timestamp/date'}).", value.TypeName(arg.Type))
	}
	return c.add(path, op)
}

func badCurrentDate() error {
	return mongoerr.New(mongoerr.BadValue, "The '$type' string field is required to be 'date' or 'timestamp': {$currentDate: {field : {$type: 'date'}}}")
}

func (o nowOp) apply(r *run, _ rawValue) (rawValue, error) {
	if o.timestamp {
		return r.timestamp(), nil
	}
	return value.Time(r.Now), nil
}

func (nowOp) creates(*run) bool { return true }

// renameOp sits at the destination of $rename and takes the value from the old document; the source has a removeOp.
type renameOp struct{ from, to value.Path }

// removeOp removes the source of a $rename.
type removeOp struct{}

func compileRename(c *compiler, path string, arg rawValue) error {
	to, isText := value.Text(arg)
	if !isText || arg.Type != bson.TypeString {
		return mongoerr.New(mongoerr.BadValue, "The 'to' field for $rename must be a string: %s: %s", path, value.Show(arg))
	}
	if strings.IndexByte(to, 0) >= 0 {
		return mongoerr.New(mongoerr.BadValue, "The 'to' field for $rename cannot contain an embedded null byte")
	}
	from, err := c.parse(path)
	if err != nil {
		return err
	}
	dest, err := c.parse(to)
	if err != nil {
		return err
	}
	switch {
	case dynamic(from):
		return mongoerr.New(mongoerr.BadValue, "The source field for $rename may not be dynamic: %s", path)
	case dynamic(dest):
		return mongoerr.New(mongoerr.BadValue, "The destination field for $rename may not be dynamic: %s", to)
	case path == to:
		return mongoerr.New(mongoerr.BadValue, "The source and target field for $rename must differ: %s: %s", path, value.Show(arg))
	case from.HasPrefix(dest) || dest.HasPrefix(from):
		return mongoerr.New(mongoerr.BadValue, "The source and target field for $rename must not be on the same path: %s: %s", path, value.Show(arg))
	}
	if err := c.add(path, removeOp{}); err != nil {
		return err
	}
	c.deep = true
	return c.add(to, &renameOp{from: from, to: dest})
}

// source finds the value to move, missing if there is none.
func (o *renameOp) source(r *run) (rawValue, error) {
	v := value.Doc(r.doc)
	for i, part := range o.from {
		switch v.Type {
		case bson.TypeEmbeddedDocument:
			v = value.Lookup(v.Value, part)
		case bson.TypeArray:
			return value.Missing, mongoerr.New(mongoerr.BadValue, "The source field cannot be an array element, '%s' in doc with %s has an array field called '%s'", o.from, strings.Trim(r.id(), "{}"), o.from[i-1])
		case 0:
			return value.Missing, nil
		default:
			return value.Missing, mongoerr.New(mongoerr.PathNotViable, "cannot use the part (%s of %s) to traverse the element (%s)", o.from[i-1], o.from, value.Show(value.Doc(value.DocOf(value.Field{Name: o.from[i-1], Value: v}))))
		}
	}
	return v, nil
}

func (o *renameOp) apply(r *run, old rawValue) (rawValue, error) {
	v, err := o.source(r)
	if err != nil || v.Type == 0 {
		return old, err
	}
	at := value.Doc(r.doc)
	for i, part := range o.to {
		if at.Type == bson.TypeArray {
			return value.Missing, mongoerr.New(mongoerr.BadValue, "The destination field cannot be an array element, '%s' in doc with %s has an array field called '%s'", o.to, strings.Trim(r.id(), "{}"), o.to[i-1])
		}
		if at.Type != bson.TypeEmbeddedDocument {
			break
		}
		at = value.Lookup(at.Value, part)
	}
	return v, nil
}

func (o *renameOp) creates(r *run) bool {
	v, err := o.source(r)
	return err != nil || v.Type != 0
}

func (removeOp) apply(*run, rawValue) (rawValue, error) { return value.Missing, nil }
func (removeOp) creates(*run) bool                      { return false }

// bitOp is $bit: steps of and, or, xor.
type bitOp struct{ steps []bitStep }

type bitStep struct {
	name string
	by   rawValue
}

func compileBit(c *compiler, path string, arg rawValue) error {
	if arg.Type != bson.TypeEmbeddedDocument {
		return mongoerr.New(mongoerr.BadValue, "The $bit modifier is not compatible with a %s. You must pass in an embedded document: {$bit: {field: {and/or/xor: #}}", value.TypeName(arg.Type))
	}
	op := &bitOp{}
	it := value.Over(arg.Value)
	for it.Next() {
		switch it.Key() {
		case "and", "or", "xor":
		default:
			return mongoerr.New(mongoerr.FailedToParse, "The $bit modifier only supports 'and', 'or', and 'xor', not '%s' which is an unknown operator: {%s: %s}", it.Key(), it.Key(), value.Show(it.Value()))
		}
		if t := it.Value().Type; t != bson.TypeInt32 && t != bson.TypeInt64 {
			return mongoerr.New(mongoerr.BadValue, "The $bit modifier field must be an Integer(32/64 bit); a '%s' is not supported here: %s", value.TypeName(t), value.ShowElement(it.Key(), it.Value()))
		}
		op.steps = append(op.steps, bitStep{strings.Clone(it.Key()), it.Value()})
	}
	if len(op.steps) == 0 {
		return mongoerr.New(mongoerr.FailedToParse, "You must pass in at least one bitwise operation. The format is: {$bit: {field: {and/or/xor: #}}")
	}
	return c.add(path, op)
}

func (o *bitOp) apply(r *run, old rawValue) (rawValue, error) {
	long := false
	var n int64
	switch old.Type {
	case 0:
	case bson.TypeInt32, bson.TypeInt64:
		n, _ = value.Integer(old)
		long = old.Type == bson.TypeInt64
	default:
		return value.Missing, mongoerr.New(mongoerr.BadValue, "Cannot apply $bit to a value of non-integral type.%s has the field %s of non-integer type %s", r.id(), r.path[len(r.path)-1], value.TypeName(old.Type))
	}
	for _, s := range o.steps {
		by, _ := value.Integer(s.by)
		long = long || s.by.Type == bson.TypeInt64
		switch s.name {
		case "and":
			n &= by
		case "or":
			n |= by
		case "xor":
			n ^= by
		}
	}
	if long {
		return value.Int64(n), nil
	}
	return value.Int32(int32(n)), nil
}

func (o *bitOp) creates(*run) bool { return true }
