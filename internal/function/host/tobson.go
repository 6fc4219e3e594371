package host

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/dop251/goja"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/internal/function/wire"
)

// encoder turns JavaScript values into BSON.
type encoder struct {
	r *realm

	// nulls makes undefined null, as values of documents that go to the
	// database: a filter {owner: undefined} must not match everybody.
	// Results keep it.
	nulls bool

	// limit bounds the bytes; setting is what the limit is called, "" when it is
	// none of the app's.
	limit   int
	setting string

	values int // encoded so far

	// arrays are the cursors that were read before encoding.
	arrays map[*goja.Object]goja.Value
}

// result encodes what a function returned.
func (r *realm) result(v goja.Value) (bson.RawValue, *wire.Failure) {
	arrays, failure := r.materialise(v)
	if failure != nil {
		return bson.RawValue{}, failure
	}
	e := &encoder{r: r, limit: r.dep.msg.Limits.Result, setting: "function_result_size", arrays: arrays}
	var out bson.RawValue
	err := r.throwing(func() {
		var err error
		if out, err = e.value(v); err != nil {
			panic(r.errorValue(&wire.Failure{Name: "TypeError", Message: err.Error()}))
		}
	})
	if err != nil {
		return bson.RawValue{}, r.failure(err)
	}
	return out, nil
}

// value encodes a value that stands alone.
func (e *encoder) value(v goja.Value) (bson.RawValue, error) {
	doc, err := e.element(nil, "v", "", v, nil, 0)
	if err != nil {
		return bson.RawValue{}, err
	}
	if doc == nil { // a function
		return bson.RawValue{Type: bson.TypeUndefined}, nil
	}
	element := bson.RawElement(doc)
	return element.Value(), nil
}

// document encodes an object as a document.
func (e *encoder) document(v goja.Value) (bson.Raw, error) {
	o, ok := v.(*goja.Object)
	if !ok {
		return nil, errNotDocument
	}
	raw, err := e.object(nil, o, "", 0)
	return bson.Raw(raw), err
}

// message is an encoder of what goes to the server as a part of one message.
func (r *realm) message() *encoder { return &encoder{r: r, limit: wire.MaxBody} }

// tooLarge is the error for what passes the limit.
func (e *encoder) tooLarge(what string) error {
	text := fmt.Sprintf("%s is larger than %d bytes", what, e.limit)
	if e.setting != "" {
		text += " (" + e.setting + ")"
	}
	return errors.New(text)
}

// step is taken for every value. What the engine cannot interrupt ends here when
// the call was stopped: few objects that refer to each other are many values.
func (e *encoder) step() error {
	if e.values++; e.values%stepsToLook != 0 {
		return nil
	}
	return e.r.call.stopped()
}

// stepsToLook is how many values are looked at between looks at whether the
// call was stopped.
const stepsToLook = 512

// element appends v under key; a function appends nothing. typeKey is the name
// under which numbers are looked up: the key, or the array's own key for its
// elements. from is the source value at this place, nil when unknown.
func (e *encoder) element(dst []byte, key, typeKey string, v goja.Value, from *bson.RawValue, depth int) ([]byte, error) {
	if err := e.step(); err != nil {
		return nil, err
	}
	if len(dst) > e.limit {
		return nil, e.tooLarge("the value")
	}
	if v == nil || goja.IsUndefined(v) {
		if e.nulls {
			return bsoncore.AppendNullElement(dst, key), nil
		}
		return bsoncore.AppendUndefinedElement(dst, key), nil
	}
	if goja.IsNull(v) {
		return bsoncore.AppendNullElement(dst, key), nil
	}
	if o, ok := v.(*goja.Object); ok {
		return e.objectElement(dst, key, typeKey, o, depth)
	}
	if _, ok := v.(*goja.Symbol); ok {
		return dst, nil
	}
	switch x := v.Export().(type) {
	case string:
		return bsoncore.AppendStringElement(dst, key, strings.ToValidUTF8(x, "\uFFFD")), nil
	case bool:
		return bsoncore.AppendBooleanElement(dst, key, x), nil
	case int64:
		return e.number(dst, key, typeKey, float64(x), from), nil
	case float64:
		return e.number(dst, key, typeKey, x, from), nil
	case *big.Int:
		if !x.IsInt64() {
			return nil, errors.New("a BigInt beyond 64 bits has no BSON type: " + cutText(x.String(), 40))
		}
		return bsoncore.AppendInt64Element(dst, key, x.Int64()), nil
	}
	return nil, fmt.Errorf("a value of type %s has no BSON type", v.ExportType())
}

func (e *encoder) number(dst []byte, key, typeKey string, f float64, from *bson.RawValue) []byte {
	kind := noNumber
	if from != nil && unchanged(*from, f) {
		kind = numberTypeOf(from.Type)
	} else {
		kind = e.r.types.choose(typeKey, f)
	}
	switch kind {
	case int32Number:
		return bsoncore.AppendInt32Element(dst, key, int32(f))
	case int64Number:
		return bsoncore.AppendInt64Element(dst, key, int64(f))
	}
	return bsoncore.AppendDoubleElement(dst, key, f)
}

func (e *encoder) objectElement(dst []byte, key, typeKey string, o *goja.Object, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	if read, ok := e.arrays[o]; ok {
		return e.element(dst, key, typeKey, read, nil, depth+1)
	}
	switch o.ClassName() {
	case "Array":
		return e.array(dst, key, typeKey, o, depth)
	case "Function", "AsyncFunction", "GeneratorFunction":
		// BSON.MinKey and BSON.MaxKey stand for the values themselves, too.
		if proto, ok := o.Get("prototype").(*goja.Object); ok {
			if class := e.r.bsonProtos[proto]; class == classMinKey || class == classMaxKey {
				return e.bsonElement(dst, key, class, o, depth)
			}
		}
		return dst, nil
	case "Date":
		if t, ok := o.Export().(time.Time); ok {
			return bsoncore.AppendDateTimeElement(dst, key, t.UnixMilli()), nil
		}
		return bsoncore.AppendNullElement(dst, key), nil
	case "RegExp":
		flags := strings.Map(func(c rune) rune {
			if strings.ContainsRune("imsu", c) {
				return c
			}
			return -1
		}, o.Get("flags").String())
		return bsoncore.AppendRegexElement(dst, key, slashes(o.Get("source").String()), flags), nil
	case "Number":
		return e.number(dst, key, typeKey, o.ToFloat(), nil), nil
	case "String":
		return bsoncore.AppendStringElement(dst, key, o.String()), nil
	case "Boolean":
		v, _ := o.Export().(bool)
		return bsoncore.AppendBooleanElement(dst, key, v), nil
	}
	if class := e.r.classOf(o); class != 0 {
		return e.bsonElement(dst, key, class, o, depth)
	}
	if data, ok := e.r.bytesOf(o); ok {
		return bsoncore.AppendBinaryElement(dst, key, 0, data), nil
	}
	switch o.ExportType() {
	case setType:
		return e.array(dst, key, typeKey, e.arrayFrom(o), depth)
	case mapType:
		return e.mapElement(dst, key, e.arrayFrom(o), depth)
	}
	if behindProxy(o) == "Array" { // Array.isArray says yes
		return e.array(dst, key, typeKey, o, depth)
	}
	header := bsoncore.AppendHeader(dst, bsoncore.TypeEmbeddedDocument, key)
	return e.object(header, o, typeKey, depth+1)
}

// object appends o as a document.
func (e *encoder) object(dst []byte, o *goja.Object, _ string, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	start, dst := bsoncore.AppendDocumentStart(dst)
	source := newSourceReader(e.r.types.source(o))
	for _, k := range o.Keys() {
		if strings.IndexByte(k, 0) >= 0 {
			return nil, fmt.Errorf("the key %q contains a zero byte", cutText(k, 40))
		}
		var err error
		if dst, err = e.element(dst, k, k, o.Get(k), source.find(k), depth); err != nil {
			return nil, err
		}
	}
	return bsoncore.AppendDocumentEnd(dst, start)
}

func (e *encoder) array(dst []byte, key, typeKey string, o *goja.Object, depth int) ([]byte, error) {
	start, dst := bsoncore.AppendArrayElementStart(dst, key)
	dst, err := e.arrayItems(dst, o, typeKey, depth+1)
	if err != nil {
		return nil, err
	}
	return bsoncore.AppendArrayEnd(dst, start)
}

func (e *encoder) arrayItems(dst []byte, o *goja.Object, typeKey string, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	n := o.Get("length").ToInteger()
	if n > int64(e.limit)/3 {
		return nil, e.tooLarge(fmt.Sprintf("an array of %d elements", n))
	}
	source := newSourceReader(e.r.types.source(o))
	for i := int64(0); i < n; i++ {
		k := strconv.FormatInt(i, 10)
		before := len(dst)
		var err error
		if dst, err = e.element(dst, k, typeKey, o.Get(k), source.find(k), depth); err != nil {
			return nil, err
		}
		if len(dst) == before { // a function: its place stays
			dst = bsoncore.AppendNullElement(dst, k)
		}
	}
	return dst, nil
}

// The types that the engine exports sets and maps as.
var (
	setType = reflect.TypeFor[[]any]()
	mapType = reflect.TypeFor[[][2]any]()
)

// arrayFrom makes an array of what a set or a map holds; an iterator of the
// app's own may have no end.
func (e *encoder) arrayFrom(o *goja.Object) *goja.Object {
	var items []any
	e.r.vm.ForOf(o, func(item goja.Value) bool {
		items = append(items, item)
		return len(items) <= e.limit/3
	})
	return e.r.vm.NewArray(items...)
}

// mapElement appends a map, given as its entries, as a document, which is what
// MongoDB's drivers make of one.
func (e *encoder) mapElement(dst []byte, key string, entries *goja.Object, depth int) ([]byte, error) {
	o := e.r.vm.NewObject()
	for i := range entries.Get("length").ToInteger() {
		entry := entries.Get(strconv.FormatInt(i, 10)).ToObject(e.r.vm)
		if err := o.DefineDataProperty(entry.Get("0").String(), entry.Get("1"), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE); err != nil {
			return nil, err
		}
	}
	header := bsoncore.AppendHeader(dst, bsoncore.TypeEmbeddedDocument, key)
	return e.object(header, o, "", depth+1)
}

func (r *realm) classOf(o *goja.Object) bsonClass {
	if r.bsonProtos == nil {
		return 0
	}
	p := o.Prototype()
	if p == nil {
		return 0
	}
	return r.bsonProtos[p]
}

var arrayBufferType = reflect.TypeFor[goja.ArrayBuffer]()

// bytesOf gives the content of array buffers and of views on them. The slice is
// the realm's memory: copy what is kept.
func (r *realm) bytesOf(o *goja.Object) ([]byte, bool) {
	switch t := o.ExportType(); {
	case t == arrayBufferType:
		b, ok := o.Export().(goja.ArrayBuffer)
		return b.Bytes(), ok
	case t != nil && t.Kind() == reflect.Slice && t != setType && t != mapType && o.ClassName() == "Object":
		return r.viewBytes(o), true
	}
	return nil, false
}

// viewBytes gives the content of a view. The engine faults where a view's buffer
// was detached: there is nothing then.
func (r *realm) viewBytes(o *goja.Object) (b []byte) {
	defer func() {
		if x := recover(); x != nil {
			if _, fault := x.(runtime.Error); !fault {
				panic(x)
			}
		}
	}()
	_ = r.vm.ExportTo(o, &b)
	return b
}

func (e *encoder) bsonElement(dst []byte, key string, class bsonClass, o *goja.Object, depth int) ([]byte, error) {
	text := func(name string) string {
		if v := o.Get(name); v != nil && !goja.IsUndefined(v) && !goja.IsNull(v) {
			return v.String()
		}
		return ""
	}
	integer := func(name string) int64 {
		if v := o.Get(name); v != nil {
			return v.ToInteger()
		}
		return 0
	}
	content := o.GetSymbol(e.r.host.raw)
	if content == nil && hasContent[class] {
		return nil, damaged(class)
	}
	switch class {
	case classObjectID:
		id, err := objectID(content)
		if err != nil {
			return nil, err
		}
		return bsoncore.AppendObjectIDElement(dst, key, id), nil
	case classBinary:
		data := []byte(nil)
		if b, ok := o.Get("buffer").(*goja.Object); ok {
			data, _ = e.r.bytesOf(b)
		}
		return bsoncore.AppendBinaryElement(dst, key, byte(integer("sub_type")), data), nil
	case classLong:
		n, ok := content.Export().(*big.Int)
		if !ok || !n.IsInt64() {
			return nil, damaged(class)
		}
		return bsoncore.AppendInt64Element(dst, key, n.Int64()), nil
	case classInt32:
		return bsoncore.AppendInt32Element(dst, key, int32(content.ToInteger())), nil
	case classDouble:
		return bsoncore.AppendDoubleElement(dst, key, content.ToFloat()), nil
	case classDecimal128:
		d, err := bson.ParseDecimal128(content.String())
		if err != nil {
			return nil, err
		}
		h, l := d.GetBytes()
		return bsoncore.AppendDecimal128Element(dst, key, h, l), nil
	case classRegExp:
		return bsoncore.AppendRegexElement(dst, key, text("pattern"), text("options")), nil
	case classTimestamp:
		return bsoncore.AppendTimestampElement(dst, key, uint32(integer("t")), uint32(integer("i"))), nil
	case classMinKey:
		return bsoncore.AppendMinKeyElement(dst, key), nil
	case classMaxKey:
		return bsoncore.AppendMaxKeyElement(dst, key), nil
	case classCode:
		if scope, ok := o.Get("scope").(*goja.Object); ok {
			raw, err := e.object(nil, scope, "", depth+1)
			if err != nil {
				return nil, err
			}
			return bsoncore.AppendCodeWithScopeElement(dst, key, text("code"), raw), nil
		}
		return bsoncore.AppendJavaScriptElement(dst, key, text("code")), nil
	case classSymbol:
		return bsoncore.AppendSymbolElement(dst, key, text("value")), nil
	case classDBPointer:
		oid, _ := o.Get("oid").(*goja.Object)
		if oid == nil {
			return nil, damaged(class)
		}
		id, err := objectID(oid.GetSymbol(e.r.host.raw))
		if err != nil {
			return nil, err
		}
		return bsoncore.AppendDBPointerElement(dst, key, text("namespace"), id), nil
	case classDBRef:
		header := bsoncore.AppendHeader(dst, bsoncore.TypeEmbeddedDocument, key)
		start, out := bsoncore.AppendDocumentStart(header)
		var err error
		for _, k := range []string{"$ref", "$id", "$db"} {
			if v := o.Get(k); v != nil && !goja.IsUndefined(v) {
				if out, err = e.element(out, k, k, v, nil, depth+1); err != nil {
					return nil, err
				}
			}
		}
		return bsoncore.AppendDocumentEnd(out, start)
	}
	return nil, errors.New("unknown BSON class")
}

func objectID(content goja.Value) (id bson.ObjectID, err error) {
	if content == nil || !goja.IsString(content) {
		return id, damaged(classObjectID)
	}
	text := content.String()
	if len(text) != 2*len(id) {
		return id, damaged(classObjectID)
	}
	if _, err = hex.Decode(id[:], []byte(text)); err != nil {
		return id, damaged(classObjectID)
	}
	return id, nil
}

// hasContent are the classes whose instances hold a primitive under the symbol.
var hasContent = map[bsonClass]bool{classObjectID: true, classLong: true, classInt32: true, classDouble: true, classDecimal128: true}

// damaged is the error for an instance that its constructor did not make.
func damaged(class bsonClass) error {
	return errors.New("a damaged BSON." + bsonClasses[class].name)
}

// sourceReader finds elements of a source document, fast when they are asked
// for in its order.
type sourceReader struct {
	doc  bson.Raw
	rest []byte
	last bson.RawValue
}

func newSourceReader(doc bson.Raw) *sourceReader {
	if doc == nil {
		return nil
	}
	return &sourceReader{doc: doc, rest: doc[4 : len(doc)-1]}
}

func (s *sourceReader) find(key string) *bson.RawValue {
	if s == nil {
		return nil
	}
	if len(s.rest) > 0 {
		element, rest, ok := bsoncore.ReadElement(s.rest)
		if ok && string(element.KeyBytes()) == key {
			s.rest = rest
			v := element.Value()
			s.last = bson.RawValue{Type: bson.Type(v.Type), Value: v.Data}
			return &s.last
		}
	}
	// Out of order: look through the document, and go on from there.
	rest := []byte(s.doc[4 : len(s.doc)-1])
	for len(rest) > 0 {
		element, next, ok := bsoncore.ReadElement(rest)
		if !ok {
			return nil
		}
		if string(element.KeyBytes()) == key {
			s.rest = next
			v := element.Value()
			s.last = bson.RawValue{Type: bson.Type(v.Type), Value: v.Data}
			return &s.last
		}
		rest = next
	}
	return nil
}

// materialise reads the cursors that a result holds, at any depth: apps return
// find() without toArray() (real-apps.md §11, trap 4).
func (r *realm) materialise(v goja.Value) (map[*goja.Object]goja.Value, *wire.Failure) {
	if r.cursor == nil {
		return nil, nil
	}
	s := &cursorSearch{r: r, seen: map[*goja.Object]bool{}}
	if err := r.throwing(func() { s.look(v, 0) }); err != nil {
		return nil, r.failure(err)
	}
	if len(s.found) == 0 {
		return nil, nil
	}
	arrays := map[*goja.Object]goja.Value{}
	for _, o := range s.found {
		toArray, ok := goja.AssertFunction(o.Get("toArray"))
		if !ok {
			continue
		}
		p, err := toArray(o)
		if err != nil {
			return nil, r.failure(err)
		}
		read, failure := r.call.settle(p)
		if failure != nil {
			return nil, failure
		}
		arrays[o] = read
	}
	return arrays, nil
}

// cursorSearch finds the cursors within a value, each object once.
type cursorSearch struct {
	r     *realm
	seen  map[*goja.Object]bool
	found []*goja.Object
}

func (s *cursorSearch) look(v goja.Value, depth int) {
	o, ok := v.(*goja.Object)
	if !ok || depth > maxDepth || s.seen[o] {
		return
	}
	if s.seen[o] = true; len(s.seen)%stepsToLook == 0 && s.r.call.stopped() != nil {
		return
	}
	if s.r.isCursor(o) {
		s.found = append(s.found, o)
		return
	}
	switch o.ClassName() {
	case "Array", "Object":
		if s.r.classOf(o) != 0 {
			return
		}
		for _, k := range o.Keys() {
			s.look(o.Get(k), depth+1)
		}
	}
}

func (r *realm) isCursor(o *goja.Object) bool {
	for p := o.Prototype(); p != nil; p = p.Prototype() {
		if p == r.cursor {
			return true
		}
	}
	return false
}

// slashes writes a slash in a pattern's source as JavaScript does, \/, where the
// engine has \u002f for it.
func slashes(source string) string {
	if !strings.Contains(source, `\u002f`) {
		return source
	}
	var b strings.Builder
	for i := 0; i < len(source); {
		switch {
		case strings.HasPrefix(source[i:], `\u002f`):
			b.WriteString(`\/`)
			i += len(`\u002f`)
		case source[i] == '\\' && i+1 < len(source):
			b.WriteString(source[i : i+2])
			i += 2
		default:
			b.WriteByte(source[i])
			i++
		}
	}
	return b.String()
}
