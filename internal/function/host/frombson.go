package host

import (
	"encoding/hex"
	"errors"
	"math/big"
	"strings"

	"github.com/dop251/goja"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// bsonClass is one of the classes of the BSON global.
type bsonClass uint8

const (
	classObjectID bsonClass = iota + 1
	classBinary
	classLong
	classInt32
	classDouble
	classDecimal128
	classRegExp
	classTimestamp
	classMinKey
	classMaxKey
	classCode
	classSymbol
	classDBPointer
	classDBRef
)

// bsonClasses says where each class is: its module and its name there.
var bsonClasses = map[bsonClass]struct{ module, name string }{
	classObjectID: {"bson_objectid", "ObjectId"}, classBinary: {"bson_binary", "Binary"}, classLong: {"bson_number", "Long"},
	classInt32: {"bson_number", "Int32"}, classDouble: {"bson_number", "Double"}, classDecimal128: {"bson_number", "Decimal128"},
	classRegExp: {"bson_rare", "BSONRegExp"}, classTimestamp: {"bson_rare", "Timestamp"}, classMinKey: {"bson_rare", "MinKey"},
	classMaxKey: {"bson_rare", "MaxKey"}, classCode: {"bson_rare", "Code"}, classSymbol: {"bson_rare", "BSONSymbol"},
	classDBPointer: {"bson_rare", "DBPointer"}, classDBRef: {"bson_rare", "DBRef"},
}

// maxDepth bounds the nesting of values that cross the border.
const maxDepth = 200

var errTooDeep = errors.New("the value is circular or nested deeper than 200 levels")

// arguments turns the array of a call's arguments into JavaScript values.
func (r *realm) arguments(args bson.RawValue) ([]goja.Value, error) {
	elements, err := bson.Raw(args.Value).Values()
	if err != nil {
		return nil, err
	}
	out := make([]goja.Value, len(elements))
	for i, e := range elements {
		if out[i], err = r.toJS("", e); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// toJS turns a BSON value into a JavaScript one. key is the name under which a
// number is remembered.
func (r *realm) toJS(key string, v bson.RawValue) (goja.Value, error) {
	return r.decode(key, v, 0)
}

func (r *realm) decode(key string, v bson.RawValue, depth int) (goja.Value, error) {
	switch v.Type {
	case bson.TypeString:
		return r.vm.ToValue(v.StringValue()), nil
	case bson.TypeInt32:
		r.types.see(key, int32Number)
		return r.vm.ToValue(v.Int32()), nil
	case bson.TypeInt64:
		n := v.Int64()
		if n > maxSafe || n < -maxSafe {
			return r.bsonObject(classLong, r.vm.ToValue(big.NewInt(n))), nil
		}
		r.types.see(key, int64Number)
		return r.vm.ToValue(n), nil
	case bson.TypeDouble:
		r.types.see(key, doubleNumber)
		return r.vm.ToValue(v.Double()), nil
	case bson.TypeBoolean:
		return r.vm.ToValue(v.Boolean()), nil
	case bson.TypeNull:
		return goja.Null(), nil
	case bson.TypeUndefined:
		return goja.Undefined(), nil
	case bson.TypeEmbeddedDocument:
		return r.decodeDocument(bson.Raw(v.Value), depth+1)
	case bson.TypeArray:
		return r.decodeArray(key, bson.Raw(v.Value), depth+1)
	case bson.TypeObjectID:
		id := v.ObjectID()
		return r.bsonObject(classObjectID, r.vm.ToValue(hex.EncodeToString(id[:]))), nil
	case bson.TypeDateTime:
		return r.date(v.DateTime())
	}
	return r.decodeRare(v, depth)
}

// decodeRare handles the types that few apps hold.
func (r *realm) decodeRare(v bson.RawValue, depth int) (goja.Value, error) {
	switch v.Type {
	case bson.TypeBinary:
		subtype, data := v.Binary()
		return r.binary(subtype, data)
	case bson.TypeDecimal128:
		return r.bsonObject(classDecimal128, r.vm.ToValue(v.Decimal128().String())), nil
	case bson.TypeRegex:
		pattern, options := v.Regex()
		return r.regexp(pattern, options)
	case bson.TypeTimestamp:
		t, i := v.Timestamp()
		return r.bsonFields(classTimestamp, "t", t, "i", i), nil
	case bson.TypeMinKey:
		return r.bsonFields(classMinKey), nil
	case bson.TypeMaxKey:
		return r.bsonFields(classMaxKey), nil
	case bson.TypeJavaScript:
		return r.bsonFields(classCode, "code", v.JavaScript(), "scope", nil), nil
	case bson.TypeCodeWithScope:
		code, scope := v.CodeWithScope()
		s, err := r.decodeDocument(scope, depth+1)
		if err != nil {
			return nil, err
		}
		return r.bsonFields(classCode, "code", code, "scope", s), nil
	case bson.TypeSymbol:
		return r.bsonFields(classSymbol, "value", v.Symbol()), nil
	case bson.TypeDBPointer:
		ns, id := v.DBPointer()
		return r.bsonFields(classDBPointer, "namespace", ns, "oid", r.bsonObject(classObjectID, r.vm.ToValue(hex.EncodeToString(id[:])))), nil
	}
	return nil, errors.New("unknown BSON type " + v.Type.String())
}

func (r *realm) decodeDocument(doc bson.Raw, depth int) (goja.Value, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	o := r.vm.NewObject()
	elements, err := doc.Elements()
	if err != nil {
		return nil, err
	}
	numbers := false
	for _, e := range elements {
		v := e.Value()
		key := e.Key()
		value, err := r.decode(key, v, depth)
		if err != nil {
			return nil, err
		}
		numbers = numbers || numberTypeOf(v.Type) != noNumber
		// Defined, as JSON.parse does: no setter of the code's own takes it away.
		if err := o.DefineDataProperty(key, value, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE); err != nil {
			return nil, err
		}
	}
	if numbers {
		r.types.remember(o, doc)
	}
	return o, nil
}

func (r *realm) decodeArray(key string, doc bson.Raw, depth int) (goja.Value, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	elements, err := doc.Values()
	if err != nil {
		return nil, err
	}
	items := make([]any, len(elements))
	numbers := false
	for i, e := range elements {
		value, err := r.decode(key, e, depth)
		if err != nil {
			return nil, err
		}
		numbers = numbers || numberTypeOf(e.Type) != noNumber
		items[i] = value
	}
	a := r.vm.NewArray(items...)
	if numbers {
		r.types.remember(a, doc)
	}
	return a, nil
}

// date makes a Date with the global class, which the code may have replaced by
// one that makes dates too.
func (r *realm) date(ms int64) (goja.Value, error) {
	if r.dateCtor == nil {
		r.dateCtor, _ = r.vm.Get("Date").(*goja.Object)
	}
	o, err := r.vm.New(r.dateCtor, r.vm.ToValue(ms))
	if err != nil {
		return nil, err
	}
	if o.ClassName() != "Date" {
		return nil, errors.New("a date cannot be made: the code has replaced the global Date")
	}
	return o, nil
}

func (r *realm) binary(subtype byte, data []byte) (goja.Value, error) {
	// The array is a copy: JavaScript must not write into a message.
	array, err := r.bytes(append([]byte(nil), data...))
	if err != nil {
		return nil, err
	}
	return r.bsonFields(classBinary, "buffer", array, "sub_type", int64(subtype)), nil
}

// bytes makes a Uint8Array of data, which it keeps.
func (r *realm) bytes(data []byte) (goja.Value, error) {
	return r.vm.New(r.vm.Get("Uint8Array"), r.vm.ToValue(r.vm.NewArrayBuffer(data)))
}

// regexp makes a RegExp where JavaScript has the same flags, else a BSONRegExp.
func (r *realm) regexp(pattern, options string) (goja.Value, error) {
	if strings.Trim(options, "imsu") == "" {
		if v, err := r.vm.New(r.vm.Get("RegExp"), r.vm.ToValue(pattern), r.vm.ToValue(options)); err == nil {
			return v, nil
		}
	}
	return r.bsonFields(classRegExp, "pattern", pattern, "options", options), nil
}

// bsonObject makes an instance whose content is a primitive.
func (r *realm) bsonObject(class bsonClass, content goja.Value) *goja.Object {
	o := r.vm.CreateObject(r.bsonPrototype(class))
	_ = o.DefineDataPropertySymbol(r.host.raw, content, goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_TRUE)
	return o
}

// bsonFields makes an instance with visible properties.
func (r *realm) bsonFields(class bsonClass, pairs ...any) *goja.Object {
	o := r.vm.CreateObject(r.bsonPrototype(class))
	for i := 0; i < len(pairs); i += 2 {
		_ = o.DefineDataProperty(pairs[i].(string), r.vm.ToValue(pairs[i+1]), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE)
	}
	return o
}

func (r *realm) bsonPrototype(class bsonClass) *goja.Object {
	if p := r.bsonOf[class]; p != nil {
		return p
	}
	r.load(bsonClasses[class].module)
	return r.bsonOf[class]
}

// learnBSON remembers the prototypes of a module's classes, by which values are
// recognised on their way out: what merely looks like one is not one.
func (r *realm) learnBSON(module string, m *goja.Object) {
	if r.bsonOf == nil {
		r.bsonOf = map[bsonClass]*goja.Object{}
		r.bsonProtos = map[*goja.Object]bsonClass{}
	}
	for class, where := range bsonClasses {
		if where.module == module {
			proto := m.Get(where.name).(*goja.Object).Get("prototype").(*goja.Object)
			r.bsonOf[class] = proto
			r.bsonProtos[proto] = class
		}
	}
}
