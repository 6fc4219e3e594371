package rule

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/internal/app"
	"regent/internal/ejson"
)

// source is where an expansion takes its value from.
type source uint8

const (
	srcLiteral source = iota
	srcRoot
	srcPrevRoot
	srcThis
	srcPrev
	srcUser
	srcUserID
	srcUserType
	srcUserData
	srcCustomData
	srcIdentities
	srcRequest
	srcHeader
	srcArgs
	srcConvert
	srcFunction
	srcList
	srcObject
)

// dependency says what an expression looks at besides constants.
type dependency uint8

const (
	onRoot dependency = 1 << iota
	onPrev
	onThis // %%this and %%prev
	onUser
	onRequest
	onArgs
	onFunction

	onDocument = onRoot | onPrev | onThis
)

var sourceDependency = [...]dependency{
	srcRoot: onRoot, srcPrevRoot: onPrev, srcThis: onThis, srcPrev: onThis,
	srcUser: onUser, srcUserID: onUser, srcUserType: onUser, srcUserData: onUser, srcCustomData: onUser, srcIdentities: onUser,
	srcRequest: onRequest, srcHeader: onRequest, srcArgs: onArgs, srcFunction: onFunction,
	srcConvert: 0, srcList: 0, srcObject: 0,
}

// operand is one side of a comparison: a literal, an expansion, a conversion, a
// function's value, or a list or object of operands.
type operand struct {
	src     source
	text    string // as the rule has it, for explanations
	literal bson.RawValue
	path    []string
	header  string
	convert conversion
	name    string // function
	keys    []string
	items   []*operand
	dep     dependency
}

func literal(v bson.RawValue) *operand { return &operand{src: srcLiteral, literal: v} }

// base gives the value at which the operand's path starts.
func (o *operand) base(e *Env) bson.RawValue {
	switch o.src {
	case srcLiteral:
		return o.literal
	case srcRoot:
		return document(e.Root)
	case srcPrevRoot:
		return document(e.PrevRoot)
	case srcThis:
		return e.This
	case srcPrev:
		return e.Prev
	case srcArgs:
		return document(e.Args)
	case srcRequest:
		return e.requestDocument()
	case srcHeader:
		return e.header(o.header)
	case srcConvert, srcFunction, srcList, srcObject:
		return o.compute(e)
	}
	u := e.Caller.User
	if u == nil {
		return bson.RawValue{}
	}
	switch o.src {
	case srcUser:
		return e.userDocument()
	case srcUserID:
		return e.id()
	case srcUserType:
		return stringValue(string(u.Type))
	case srcUserData:
		return document(u.Data)
	case srcCustomData:
		return document(u.CustomData)
	case srcIdentities:
		return e.identities()
	}
	return bson.RawValue{}
}

// value gives the operand as one value. Where a path reaches several values
// through arrays, they become an array; none is a missing value.
func (o *operand) value(e *Env) bson.RawValue {
	b := o.base(e)
	if len(o.path) == 0 {
		return b
	}
	if v, ok := single(b, o.path); ok {
		return v
	}
	found := gather(e.scratch[:0], b, o.path)
	e.scratch = found[:0]
	switch len(found) {
	case 0:
		return bson.RawValue{}
	case 1:
		return found[0]
	}
	return arrayOf(found)
}

func arrayOf(values []bson.RawValue) bson.RawValue {
	index, dst := bsoncore.AppendArrayStart(nil)
	for i, v := range values {
		dst = appendElement(dst, arrayKey(i), v)
	}
	dst, _ = bsoncore.AppendArrayEnd(dst, index)
	return bson.RawValue{Type: bson.TypeArray, Value: dst}
}

func appendElement(dst []byte, key string, v bson.RawValue) []byte {
	dst = bsoncore.AppendHeader(dst, bsoncore.Type(v.Type), key)
	return append(dst, v.Value...)
}

func (o *operand) compute(e *Env) bson.RawValue {
	switch o.src {
	case srcConvert:
		v := o.items[0].value(e)
		r, ok := o.convert.apply(v)
		if !ok {
			e.failed++
		}
		return r
	case srcFunction:
		args := make([]bson.RawValue, len(o.items))
		for i, item := range o.items {
			if args[i] = item.value(e); args[i].Type == 0 {
				args[i].Type = bson.TypeUndefined
			}
		}
		r, ok := e.call(o.name, args)
		if !ok {
			e.failed++
		}
		return r
	case srcList:
		index, dst := bsoncore.AppendArrayStart(nil)
		n := 0
		for _, item := range o.items {
			// A missing expansion equals nothing, so it adds nothing.
			if v := item.value(e); !isMissing(v) {
				dst = appendElement(dst, arrayKey(n), v)
				n++
			}
		}
		dst, _ = bsoncore.AppendArrayEnd(dst, index)
		return bson.RawValue{Type: bson.TypeArray, Value: dst}
	case srcObject:
		index, dst := bsoncore.AppendDocumentStart(nil)
		for i, item := range o.items {
			v := item.value(e)
			if isMissing(v) {
				return bson.RawValue{}
			}
			dst = appendElement(dst, o.keys[i], v)
		}
		dst, _ = bsoncore.AppendDocumentEnd(dst, index)
		return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: dst}
	}
	return bson.RawValue{}
}

// expansions is the table of what may follow %% (app-services.md §5.10). An
// entry with parts continues with a dot and anything below it.
var expansions = []struct {
	name  string
	src   source
	below bool // may be followed by a path
	in    []Kind
}{
	{"user.id", srcUserID, false, nil},
	{"user.type", srcUserType, false, nil},
	{"user.data", srcUserData, true, nil},
	{"user.custom_data", srcCustomData, true, nil},
	{"user.identities", srcIdentities, true, nil},
	{"user", srcUser, false, nil},
	{"request.requestHeaders", srcHeader, true, nil},
	{"request.remoteIPAddress", srcRequest, false, nil},
	{"request.httpMethod", srcRequest, false, nil},
	{"request.httpReferrer", srcRequest, false, nil},
	{"request.httpUserAgent", srcRequest, false, nil},
	{"request.rawQueryString", srcRequest, false, nil},
	{"request.service", srcRequest, false, nil},
	{"request.action", srcRequest, false, nil},
	{"request.webhookUrl", srcRequest, false, nil},
	{"request", srcRequest, false, nil},
	{"root", srcRoot, true, []Kind{Document, Validate}},
	{"prevRoot", srcPrevRoot, true, []Kind{Document, Validate}},
	{"this", srcThis, true, []Kind{Document, Validate}},
	{"prev", srcPrev, true, []Kind{Document, Validate}},
	{"args", srcArgs, true, []Kind{Service, Call}},
}

// expand compiles an expansion, given without its %%.
func (c *compiler) expand(text, at string) (*operand, bool) {
	name := strings.TrimSuffix(text, "%%") // "%%user.id%%" stands in an official example
	switch name {
	case "true":
		return literal(boolValue(true)), true
	case "false":
		return literal(boolValue(false)), true
	}
	first, rest, _ := strings.Cut(name, ".")
	switch first {
	case "values":
		return c.expandValue(rest, at)
	case "environment":
		return c.expandEnvironment(rest, at)
	}
	for _, x := range expansions {
		below, ok := strings.CutPrefix(name, x.name)
		if !ok || (below != "" && (!x.below || below[0] != '.')) {
			continue
		}
		if x.in != nil && !hasKind(x.in, c.kind) {
			c.problem(at, "%%%%%s has no meaning here: %s", name, c.kind.describe())
			return nil, false
		}
		o := &operand{src: x.src, text: "%%" + name, dep: sourceDependency[x.src]}
		if x.src == srcHeader {
			o.header = strings.TrimPrefix(below, ".")
			if o.header == "" {
				c.problem(at, "%%%%request.requestHeaders needs the name of a header")
				return nil, false
			}
			return o, true
		}
		if x.src == srcRequest && x.name != "request" {
			o.path = []string{strings.TrimPrefix(x.name, "request.")}
			return o, true
		}
		if below == "" {
			return o, true
		}
		path, ok := c.path(below[1:], at)
		o.path = path
		return o, ok
	}
	c.problem(at, "unknown expansion %%%%%s", name)
	return nil, false
}

func hasKind(kinds []Kind, k Kind) bool {
	for _, x := range kinds {
		if x == k {
			return true
		}
	}
	return false
}

// expandValue resolves %%values.<name>: values never change while an app is loaded.
func (c *compiler) expandValue(rest, at string) (*operand, bool) {
	if rest == "" {
		c.problem(at, "%%%%values needs the name of a value")
		return nil, false
	}
	name, below := rest, ""
	var v *app.Value
	if c.app != nil {
		// A value's name may itself contain dots: the longest name wins.
		for {
			if v = c.app.Value(name); v != nil {
				break
			}
			i := strings.LastIndexByte(name, '.')
			if i < 0 {
				break
			}
			name = name[:i]
		}
	}
	if v == nil {
		c.problem(at, "%%%%values.%s: the app has no such value", rest)
		return nil, false
	}
	below = strings.TrimPrefix(rest[len(name):], ".")
	return c.constant(v.Value, below, "%%values."+rest, at)
}

func (c *compiler) expandEnvironment(rest, at string) (*operand, bool) {
	switch {
	case c.app == nil:
	case rest == "tag":
		o := literal(stringValue(c.app.Environment))
		o.text = "%%environment.tag"
		return o, true
	case strings.HasPrefix(rest, "values."):
		name, below, _ := strings.Cut(rest[len("values."):], ".")
		return c.constant(c.app.EnvironmentValues[name], below, "%%environment."+rest, at)
	}
	c.problem(at, "unknown expansion %%%%environment.%s: there are %%%%environment.tag and %%%%environment.values.<name>", rest)
	return nil, false
}

func (c *compiler) constant(v bson.RawValue, below, text, at string) (*operand, bool) {
	o := literal(v)
	o.text = text
	if below == "" {
		return o, true
	}
	path, ok := c.path(below, at)
	o.path = path
	return o, ok
}

func (c *compiler) path(s, at string) ([]string, bool) {
	parts := strings.Split(s, ".")
	for _, p := range parts {
		if p == "" {
			c.problem(at, "the path %q has an empty part", s)
			return nil, false
		}
	}
	if len(parts) > maxDepth {
		c.problem(at, "a path has more than %d parts", maxDepth)
		return nil, false
	}
	return parts, true
}

func (o *operand) String() string {
	if o.text != "" {
		return o.text
	}
	if o.src == srcLiteral {
		return describeValue(o.literal)
	}
	return "a computed value"
}

// describeValue shows a value in an explanation, cut to a readable length.
func describeValue(v bson.RawValue) string {
	if isMissing(v) {
		return "nothing"
	}
	text, err := ejson.AppendRelaxed(nil, v)
	if err != nil {
		return v.Type.String()
	}
	if len(text) > 200 {
		return strings.ToValidUTF8(string(text[:200]), "") + "…"
	}
	return string(text)
}
