package expr

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
)

func typeOperators() []operator {
	ops := []operator{
		{name: "$convert", compile: compileConvert, help: "a value as another type, with answers for null and for failure"},
		{name: "$isNumber", min: 1, max: 1, help: "whether a value is a number", eval: func(_ *Env, a []bson.RawValue) (bson.RawValue, error) {
			return Bool(isNumber(a[0])), nil
		}},
		{name: "$type", min: 1, max: 1, help: "name of a value's type, \"missing\" for none", eval: func(env *Env, a []bson.RawValue) (bson.RawValue, error) {
			return env.String(typeName(a[0]))
		}},
		{name: "$tsSecond", min: 1, max: 1, eval: timestampPart("$tsSecond", 5687301, 4), help: "seconds of a timestamp"},
		{name: "$tsIncrement", min: 1, max: 1, eval: timestampPart("$tsIncrement", 5687302, 0), help: "increment of a timestamp"},
	}
	for _, s := range []struct {
		name string
		to   bson.Type
	}{
		{"$toBool", bson.TypeBoolean}, {"$toDate", bson.TypeDateTime}, {"$toDecimal", bson.TypeDecimal128}, {"$toDouble", bson.TypeDouble},
		{"$toInt", bson.TypeInt32}, {"$toLong", bson.TypeInt64}, {"$toObjectId", bson.TypeObjectID}, {"$toString", bson.TypeString}, {"$toUUID", bson.TypeBinary},
	} {
		to := target{t: s.to}
		if s.name == "$toString" {
			to.format = "auto"
		}
		if s.name == "$toUUID" {
			to.subtype = bson.TypeBinaryUUID
			to.format = "uuid"
		}
		ops = append(ops, operator{name: s.name, help: "a value as " + typeName(bson.RawValue{Type: s.to}), compile: func(c *compiler, name string, arg bson.RawValue) (Expr, error) {
			es, err := c.arguments(arg)
			if err != nil {
				return nil, err
			}
			if len(es) != 1 {
				return nil, mongoerr.New(50723, "%s requires a single argument, got %d", name, len(es))
			}
			return strictOf(func(env *Env, a []bson.RawValue) (bson.RawValue, error) {
				if Nullish(a[0]) {
					return Null, nil
				}
				return convert(env, a[0], to)
			}, es), nil
		}})
	}
	return ops
}

func timestampPart(op string, code mongoerr.Code, at int) func(*Env, []bson.RawValue) (bson.RawValue, error) {
	return func(env *Env, a []bson.RawValue) (bson.RawValue, error) {
		if Nullish(a[0]) {
			return Null, nil
		}
		if a[0].Type != bson.TypeTimestamp || len(a[0].Value) < 8 {
			return Null, mongoerr.New(code, "Argument to %s must be a timestamp, but is %s", op, typeName(a[0]))
		}
		return env.Int64(int64(le.Uint32(a[0].Value[at:]))), nil
	}
}

// target is what $convert converts to.
type target struct {
	t       bson.Type
	subtype byte
	format  string // of binary data as text: base64, base64url, utf8, hex, uuid, auto
	big     bool   // byte order of numbers in binary data
}

// typeNames are the names that "to" accepts.
var typeNames = map[string]bson.Type{
	"double": bson.TypeDouble, "string": bson.TypeString, "object": bson.TypeEmbeddedDocument, "array": bson.TypeArray,
	"binData": bson.TypeBinary, "undefined": bson.TypeUndefined, "objectId": bson.TypeObjectID, "bool": bson.TypeBoolean,
	"date": bson.TypeDateTime, "null": bson.TypeNull, "regex": bson.TypeRegex, "dbPointer": bson.TypeDBPointer,
	"javascript": bson.TypeJavaScript, "symbol": bson.TypeSymbol, "javascriptWithScope": bson.TypeCodeWithScope, "int": bson.TypeInt32,
	"timestamp": bson.TypeTimestamp, "long": bson.TypeInt64, "decimal": bson.TypeDecimal128, "minKey": bson.TypeMinKey, "maxKey": bson.TypeMaxKey,
	"missing": 0,
}

// readTarget reads the value of "to"; null is true for a nullish one.
func readTarget(v bson.RawValue) (to target, null bool, err error) {
	if v.Type == bson.TypeEmbeddedDocument {
		vs, err := named(v, nil, func(f string) error {
			return mongoerr.New(mongoerr.FailedToParse, "$convert found an unknown argument: to.%s", f)
		}, "type", "subtype")
		if err != nil {
			return to, false, err
		}
		if Missing(vs[0]) {
			return to, false, mongoerr.New(mongoerr.FailedToParse, "Missing 'type' field of 'to' parameter to $convert")
		}
		to, null, err := readTarget(vs[0])
		if err != nil || null || Missing(vs[1]) {
			return to, null, err
		}
		if !isNumber(vs[1]) {
			return to, false, mongoerr.New(4341108, "$convert requires that 'subtype' be a number, found: %s", typeName(vs[1]))
		}
		i, ok := int32Of(vs[1])
		if !ok {
			return to, false, mongoerr.New(4341106, "$convert requires that 'subtype' be an integer, found: %s", show(vs[1]))
		}
		if i < 0 || i > 8 && i < 128 || i > 255 {
			return to, false, mongoerr.New(4341107, "In $convert, numeric value for 'subtype' does not correspond to a BinData type: %d", i)
		}
		to.subtype = byte(i)
		return to, false, nil
	}
	switch {
	case Nullish(v):
		return to, true, nil
	case v.Type == bson.TypeString:
		t, ok := typeNames[string(stringBytes(v))]
		if !ok {
			return to, false, mongoerr.New(mongoerr.BadValue, "Unknown type name: %s", stringBytes(v))
		}
		to.t = t
		return to, false, nil
	case isNumber(v):
		i, ok := int32Of(v)
		if !ok {
			return to, false, mongoerr.New(mongoerr.FailedToParse, "In $convert, numeric 'to' argument is not an integer")
		}
		for _, t := range typeNames {
			if t == bson.Type(byte(i)) && (i > 0 && i < 127 || i == -1 || i == 127) {
				to.t = t
				return to, false, nil
			}
		}
		return to, false, mongoerr.New(mongoerr.FailedToParse, "In $convert, numeric value for 'to' does not correspond to a BSON type: %d", i)
	}
	return to, false, mongoerr.New(mongoerr.FailedToParse, "$convert's 'to' argument must be a string or number, but is %s", typeName(v))
}

func compileConvert(c *compiler, name string, arg bson.RawValue) (Expr, error) {
	vs, err := named(arg, mongoerr.New(mongoerr.FailedToParse, "$convert expects an object of named arguments but found: %s", typeName(arg)), func(f string) error {
		return mongoerr.New(mongoerr.FailedToParse, "$convert found an unknown argument: %s", f)
	}, "input", "to", "format", "onError", "onNull", "byteOrder")
	if err != nil {
		return nil, err
	}
	for i, f := range []string{"input", "to"} {
		if Missing(vs[i]) {
			return nil, mongoerr.New(mongoerr.FailedToParse, "Missing '%s' parameter to $convert", f)
		}
	}
	es, err := c.all(vs)
	if err != nil {
		return nil, err
	}
	return namedOf(es, evalConvert), nil
}

func evalConvert(env *Env, es []Expr) (bson.RawValue, error) {
	in, err := es[0].Eval(env)
	if err != nil {
		return in, err
	}
	tv, err := es[1].Eval(env)
	if err != nil {
		return tv, err
	}
	if Nullish(in) && es[4] != nil {
		return es[4].Eval(env)
	}
	to, null, err := readTarget(tv)
	if err != nil {
		return Null, err
	}
	if Nullish(in) || null {
		return Null, nil
	}
	if es[2] != nil {
		f, err := es[2].Eval(env)
		if err != nil {
			return f, err
		}
		switch {
		case Nullish(f):
			if in.Type == bson.TypeBinary && to.t == bson.TypeString || in.Type == bson.TypeString && to.t == bson.TypeBinary {
				return Null, nil
			}
		case f.Type != bson.TypeString:
			return Null, mongoerr.New(4341114, "$convert requires that 'format' be a string, found: %s", typeName(f))
		default:
			to.format = string(stringBytes(f))
			switch to.format {
			case "base64", "base64url", "utf8", "hex", "uuid", "auto":
			default:
				return Null, mongoerr.New(4341125, "Invalid 'format' argument for $convert: %s", to.format)
			}
		}
	}
	if es[5] != nil {
		o, err := es[5].Eval(env)
		if err != nil {
			return o, err
		}
		if !Nullish(o) {
			if o.Type != bson.TypeString {
				return Null, mongoerr.New(9130001, "$convert requires that 'byteOrder' be a string, found: %s", typeName(o))
			}
			switch string(stringBytes(o)) {
			case "little":
			case "big":
				to.big = true
			default:
				return Null, mongoerr.New(9130002, "Invalid 'byteOrder' argument for $convert: %s", stringBytes(o))
			}
		}
	}
	v, err := convert(env, in, to)
	if code := mongoerr.CodeOf(err); err != nil && es[3] != nil && (code == mongoerr.ConversionFailure || code == 18537) {
		return es[3].Eval(env)
	}
	return v, err
}
