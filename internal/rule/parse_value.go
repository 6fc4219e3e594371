package rule

import (
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/ejson"
)

// operand compiles a value: a literal, an expansion, a conversion, a function,
// or an array or object of them. Values stay values whatever they hold.
func (c *compiler) operand(v bson.RawValue, at string, depth int) (*operand, bool) {
	if !c.count(at, depth) {
		return nil, false
	}
	switch v.Type {
	case bson.TypeString:
		s := v.StringValue()
		if strings.HasPrefix(s, "%%") {
			return c.expand(s[2:], at)
		}
		if strings.HasPrefix(s, "%(") {
			c.problem(at, "templates such as %q are not known", s)
			return nil, false
		}
		c.textLookalike(s, at)
	case bson.TypeArray:
		o := &operand{src: srcList}
		i := 0
		for it := newIter(v.Value); it.next(); i++ {
			item, ok := c.operand(it.value, fmt.Sprintf("%s[%d]", at, i), depth+1)
			if !ok {
				return nil, false
			}
			o.items = append(o.items, item)
			o.dep |= item.dep
		}
		return simplify(o, v), true
	case bson.TypeEmbeddedDocument:
		d := bson.Raw(v.Value)
		if isExtendedJSON(d) {
			if l, err := decodeExtendedJSON(v); err == nil {
				return literal(l), true
			}
			c.problem(at, "%s is not valid extended JSON", describeValue(v))
			return nil, false
		}
		if operatorKeys(d) {
			it := newIter(d)
			it.next()
			key, value := string(it.key), it.value
			if it.next() {
				c.problem(at, "%s gives a value and cannot stand beside other keys", key)
				return nil, false
			}
			at := at + "." + key
			if key[1:] == "function" {
				return c.function(value, at, depth)
			}
			if conv, ok := conversions[key[1:]]; ok {
				return c.conversion(conv, value, at, depth)
			}
			c.problem(at, "the operator %q cannot stand where a value is expected", key)
			return nil, false
		}
		c.valueLookalike(d, at)
		o := &operand{src: srcObject}
		it := newIter(d)
		for it.next() {
			key := string(it.key)
			if isOperator(key) || strings.HasPrefix(key, "%%") {
				c.problem(at+"."+key, "%q cannot stand inside a literal document", key)
				return nil, false
			}
			item, ok := c.operand(it.value, at+"."+key, depth+1)
			if !ok {
				return nil, false
			}
			o.keys = append(o.keys, key)
			o.items = append(o.items, item)
			o.dep |= item.dep
		}
		return simplify(o, v), true
	}
	return literal(v), true
}

// simplify turns a list or object of plain literals back into the literal.
func simplify(o *operand, v bson.RawValue) *operand {
	for _, item := range o.items {
		if item.src != srcLiteral || len(item.path) > 0 || item.text != "" {
			return o
		}
	}
	return literal(bson.RawValue{Type: v.Type, Value: o.compute(&Env{}).Value})
}

func (c *compiler) conversion(conv conversion, v bson.RawValue, at string, depth int) (*operand, bool) {
	in, ok := c.operand(v, at, depth+1)
	if !ok {
		return nil, false
	}
	if in.src >= srcConvert {
		c.problem(at, "%s takes a literal or an expansion", conv.name)
		return nil, false
	}
	return &operand{src: srcConvert, text: conv.name + "(" + in.String() + ")", convert: conv, items: []*operand{in}, dep: in.dep}, true
}

// function compiles {name, arguments}.
func (c *compiler) function(v bson.RawValue, at string, depth int) (*operand, bool) {
	d, ok := v.DocumentOK()
	if !ok {
		c.problem(at, "%%function needs an object {name, arguments}")
		return nil, false
	}
	o := &operand{src: srcFunction, dep: onFunction}
	it := newIter(d)
	for it.next() {
		switch key := string(it.key); key {
		case "name":
			o.name, _ = it.value.StringValueOK()
		case "arguments":
			if it.value.Type == bson.TypeNull {
				continue
			}
			if it.value.Type != bson.TypeArray {
				c.problem(at+".arguments", "the arguments of a function are an array")
				return nil, false
			}
			i := 0
			for items := newIter(it.value.Value); items.next(); i++ {
				item, ok := c.operand(items.value, fmt.Sprintf("%s.arguments[%d]", at, i), depth+1)
				if !ok {
					return nil, false
				}
				o.items = append(o.items, item)
				o.dep |= item.dep
			}
		default:
			c.problem(at+"."+key, "%%function has a name and arguments, not %q", key)
			return nil, false
		}
	}
	if o.name == "" {
		c.problem(at, "%%function needs the name of a function")
		return nil, false
	}
	if c.app != nil && c.app.Function(o.name) == nil {
		c.warn(at, "the app has no function %q; the expression is false until it has", o.name)
	}
	o.text = "the value of function " + o.name
	return o, true
}

// extendedJSONKeys are the keys that mark one value of extended JSON, for
// loaders that hand expressions over undecoded.
var extendedJSONKeys = map[string]bool{
	"$oid": true, "$date": true, "$numberInt": true, "$numberLong": true, "$numberDouble": true,
	"$numberDecimal": true, "$binary": true, "$uuid": true, "$timestamp": true, "$undefined": true,
	"$minKey": true, "$maxKey": true, "$regularExpression": true, "$symbol": true,
}

func isExtendedJSON(d bson.Raw) bool {
	it := newIter(d)
	return it.next() && extendedJSONKeys[string(it.key)]
}

func decodeExtendedJSON(v bson.RawValue) (bson.RawValue, error) {
	// The relaxed writer leaves {"$oid": "…"} as the plain object it is.
	text, err := ejson.AppendRelaxed(nil, v)
	if err != nil {
		return bson.RawValue{}, err
	}
	return ejson.Parse(text)
}

func typeName(t bson.Type) string {
	if t == 0 {
		return "nothing"
	}
	return t.String()
}
