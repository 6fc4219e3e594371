package oracle

import (
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

type env struct{ root, prevRoot, this, prev any } // nil interface{} values are BSON null; missing is the type below

func stored(doc bson.D) env { return env{doc, doc, doc, doc} }

// answer is what an expression says: no, unknown (it cannot be evaluated), yes.
type answer int

const (
	no answer = iota - 1
	unknown
	yes
)

func answerOf(b bool) answer {
	if b {
		return yes
	}
	return no
}

// truth evaluates an expression: what cannot be evaluated denies.
func (o *Oracle) truth(x any, e env) bool { return o.answer(x, e) == yes }

func (o *Oracle) answer(x any, e env) answer {
	switch v := x.(type) {
	case bool:
		return answerOf(v)
	case bson.D:
		a := yes
		for _, p := range v {
			a = min(a, o.pair(p.Key, p.Value, e))
		}
		return a
	}
	panic(fmt.Sprintf("the oracle does not know %T as an expression", x))
}

func (o *Oracle) pair(key string, v any, e env) answer {
	switch key {
	case "%and", "$and":
		a := yes
		for _, x := range v.(bson.A) {
			a = min(a, o.answer(x, e))
		}
		return a
	case "%or", "$or":
		a := no
		for _, x := range v.(bson.A) {
			a = max(a, o.answer(x, e))
		}
		return a
	case "%not":
		return -o.answer(v, e)
	case "%%true":
		if d, ok := v.(bson.D); ok && len(d) == 1 && d[0].Key == "%function" {
			r, known := o.Functions[d[0].Value.(bson.D)[0].Value.(string)]
			if !known {
				return unknown
			}
			return answerOf(r)
		}
		return o.answer(v, e)
	}
	base, path := e.root, strings.Split(key, ".")
	if strings.HasPrefix(key, "%%") {
		base, path = o.base(key[2:], e)
	}
	return o.condition(get(base, path), v, e)
}

func (o *Oracle) condition(left []any, v any, e env) answer {
	d, ok := v.(bson.D)
	if !ok || len(d) == 0 || d[0].Key[0] != '$' && d[0].Key[0] != '%' {
		return answerOf(o.compare("$eq", left, o.value(v, e)))
	}
	a := yes
	for _, p := range d {
		op := "$" + p.Key[1:]
		r := o.value(p.Value, e)
		one := unknown
		_, isList := r.(bson.A)
		switch op {
		case "$ne":
			one = answerOf(!o.compare("$eq", left, r))
		case "$in", "$nin":
			// A list that is not one cannot be searched, in either direction.
			if isList {
				one = answerOf(o.compare("$in", left, r) == (op == "$in"))
			}
		case "$exists":
			one = answerOf(len(left) > 0 == p.Value.(bool))
		case "$not":
			one = -o.condition(left, p.Value, e)
		default:
			one = answerOf(o.compare(op, left, r))
		}
		a = min(a, one)
	}
	return a
}

func (o *Oracle) compare(op string, left []any, r any) bool {
	if _, ok := r.(missing); ok {
		return false
	}
	for _, l := range left {
		switch op {
		case "$eq":
			if equal(l, r) || has(l, r) || has(r, l) {
				return true
			}
		case "$in":
			list, _ := r.(bson.A)
			for _, x := range list {
				if equal(l, x) || has(l, x) {
					return true
				}
			}
		default:
			candidates := []any{l}
			if list, ok := l.(bson.A); ok {
				candidates = append(candidates, list...)
			}
			for _, c := range candidates {
				if ordered(op, c, r) {
					return true
				}
			}
		}
	}
	return false
}

func ordered(op string, a, b any) bool {
	c := 0
	if x, ok := number(a); ok {
		y, ok := number(b)
		if !ok {
			return false
		}
		switch {
		case x < y:
			c = -1
		case x > y:
			c = 1
		}
	} else if x, ok := a.(string); ok {
		y, ok := b.(string)
		if !ok {
			return false
		}
		c = strings.Compare(x, y)
	} else if x, ok := a.(bool); ok {
		y, ok := b.(bool)
		if !ok {
			return false
		}
		switch {
		case !x && y:
			c = -1
		case x && !y:
			c = 1
		}
	} else if a != nil || b != nil {
		return false
	}
	switch op {
	case "$gt":
		return c > 0
	case "$gte":
		return c >= 0
	case "$lt":
		return c < 0
	case "$lte":
		return c <= 0
	}
	panic("the oracle does not know " + op)
}

func (o *Oracle) base(name string, e env) (any, []string) {
	parts := strings.Split(name, ".")
	take := func(v any, n int) (any, []string) { return v, parts[n:] }
	switch parts[0] {
	case "root":
		return take(e.root, 1)
	case "prevRoot":
		return take(e.prevRoot, 1)
	case "this":
		return take(e.this, 1)
	case "prev":
		return take(e.prev, 1)
	case "user":
		switch parts[1] {
		case "id":
			return o.User.ID, nil
		case "custom_data":
			if o.User.CustomData == nil {
				return missing{}, nil
			}
			return take(decode(bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: o.User.CustomData}), 2)
		}
	}
	panic("the oracle does not know %%" + name)
}

// value gives one value, several as an array, none as missing.
func (o *Oracle) value(v any, e env) any {
	switch x := v.(type) {
	case string:
		if strings.HasPrefix(x, "%%") {
			base, path := o.base(x[2:], e)
			switch found := get(base, path); len(found) {
			case 0:
				return missing{}
			case 1:
				return found[0]
			default:
				return bson.A(found)
			}
		}
	case bson.A:
		out := bson.A{}
		for _, item := range x {
			if r := o.value(item, e); r != (any)(missing{}) {
				out = append(out, r)
			}
		}
		return out
	}
	return v
}
