package expr

import (
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
)

func arrayOperators() []operator {
	return []operator{
		{name: "$arrayElemAt", min: 2, max: 2, eval: arrayElemAt, help: "element at a position; negative from the end"},
		{name: "$first", min: 1, max: 1, eval: endElement("$first", 0), help: "first element"},
		{name: "$last", min: 1, max: 1, eval: endElement("$last", -1), help: "last element"},
		{name: "$concatArrays", max: -1, eval: concatArrays, help: "arrays one after another"},
		{name: "$in", min: 2, max: 2, make: makeIn, help: "whether an array has an element"},
		{name: "$indexOfArray", min: 2, max: 4, make: makeIndexOfArray, help: "position of an element, or -1"},
		{name: "$isArray", min: 1, max: 1, help: "whether a value is an array", eval: func(_ *Env, a []bson.RawValue) (bson.RawValue, error) {
			return Bool(a[0].Type == bson.TypeArray), nil
		}},
		{name: "$range", min: 2, max: 3, eval: rangeOf, help: "whole numbers from, to before, by step"},
		{name: "$reverseArray", min: 1, max: 1, eval: reverseArray, help: "elements in reverse"},
		{name: "$size", min: 1, max: 1, eval: sizeOfArray, help: "number of elements"},
		{name: "$slice", min: 2, max: 3, eval: slice, help: "part of an array"},
		{name: "$zip", compile: compileZip, help: "transposes arrays"},
		{name: "$filter", compile: compileFilter, help: "elements for which a condition holds, up to a limit"},
		{name: "$map", compile: compileMap, help: "an expression for each element"},
		{name: "$reduce", compile: compileReduce, help: "folds an array into one value"},
		{name: "$sortArray", compile: compileSortArray, help: "elements in order"},
	}
}

func arrayElemAt(env *Env, a []bson.RawValue) (bson.RawValue, error) {
	if Nullish(a[0]) || Nullish(a[1]) {
		return Null, nil
	}
	if a[0].Type != bson.TypeArray {
		return Null, mongoerr.New(28689, "$arrayElemAt's first argument must be an array, but is %s", typeName(a[0]))
	}
	if !isNumber(a[1]) {
		return Null, mongoerr.New(28690, "$arrayElemAt's second argument must be a numeric value, but is %s", typeName(a[1]))
	}
	i, ok := int32Of(a[1])
	if !ok {
		return Null, mongoerr.New(28691, "$arrayElemAt's second argument must be representable as a 32-bit integer: %s", show(a[1]))
	}
	return at(a[0], i), nil
}

// at returns an element; a negative position counts from the end.
func at(arr bson.RawValue, i int) bson.RawValue {
	if i < 0 {
		if i += count(arr.Value); i < 0 {
			return bson.RawValue{}
		}
	}
	return elementAt(arr.Value, i)
}

func endElement(op string, i int) func(*Env, []bson.RawValue) (bson.RawValue, error) {
	return func(_ *Env, a []bson.RawValue) (bson.RawValue, error) {
		if Nullish(a[0]) {
			return Null, nil
		}
		if a[0].Type != bson.TypeArray {
			return Null, mongoerr.New(28689, "%s's argument must be an array, but is %s", op, typeName(a[0]))
		}
		return at(a[0], i), nil
	}
}

func concatArrays(env *Env, a []bson.RawValue) (bson.RawValue, error) {
	base := len(env.stack)
	defer func() { env.stack = env.stack[:base] }()
	for _, arr := range a {
		if Nullish(arr) {
			return Null, nil
		}
		if arr.Type != bson.TypeArray {
			return Null, mongoerr.New(28664, "$concatArrays only supports arrays, not %s", typeName(arr))
		}
		env.push(arr)
	}
	return env.Array(env.stack[base:])
}

// push puts the elements of arr on the stack.
func (e *Env) push(arr bson.RawValue) {
	for it := Each(arr.Value); ; {
		_, v, ok := it.Next()
		if !ok {
			return
		}
		e.stack = append(e.stack, v)
	}
}

func makeIn(c *compiler) func(*Env, []bson.RawValue) (bson.RawValue, error) {
	coll := c.scope.opts.Collation
	return func(_ *Env, a []bson.RawValue) (bson.RawValue, error) {
		if a[1].Type != bson.TypeArray {
			return Null, mongoerr.New(40081, "$in requires an array as a second argument, found: %s", typeName(a[1]))
		}
		for it := Each(a[1].Value); ; {
			_, v, ok := it.Next()
			if !ok {
				return Bool(false), nil
			}
			if Compare(v, a[0], coll) == 0 {
				return Bool(true), nil
			}
		}
	}
}

func makeIndexOfArray(c *compiler) func(*Env, []bson.RawValue) (bson.RawValue, error) {
	coll := c.scope.opts.Collation
	return func(env *Env, a []bson.RawValue) (bson.RawValue, error) {
		if Nullish(a[0]) {
			return Null, nil
		}
		if a[0].Type != bson.TypeArray {
			return Null, mongoerr.New(40090, "$indexOfArray requires an array as a first argument, found: %s", typeName(a[0]))
		}
		bounds := [2]int{0, math.MaxInt}
		for i, v := range a[2:] {
			which := [2]string{"starting", "ending"}[i]
			n, ok := int32Of(v)
			if !ok {
				return Null, mongoerr.New(9711600, "$indexOfArray requires an integral %s index, found a value of type: %s, with value: %s", which, typeName(v), show(v))
			}
			if n < 0 {
				return Null, mongoerr.New(9711601, "$indexOfArray requires a nonnegative %s index, found: %d", which, n)
			}
			bounds[i] = n
		}
		it := Each(a[0].Value)
		for i := 0; i < bounds[1]; i++ {
			_, v, ok := it.Next()
			if !ok {
				break
			}
			if i >= bounds[0] && Compare(v, a[1], coll) == 0 {
				return env.Int32(int32(i)), nil
			}
		}
		return env.Int32(-1), nil
	}
}

func rangeOf(env *Env, a []bson.RawValue) (bson.RawValue, error) {
	codes := [3][2]mongoerr.Code{{34443, 34444}, {34445, 34446}, {34447, 34448}}
	names := [3]string{"starting value", "ending value", "step value"}
	n := [3]int{0, 0, 1}
	for i, v := range a {
		if !isNumber(v) {
			return Null, mongoerr.New(codes[i][0], "$range requires a numeric %s, found value of type: %s", names[i], typeName(v))
		}
		var ok bool
		if n[i], ok = int32Of(v); !ok {
			return Null, mongoerr.New(codes[i][1], "$range requires a %s that can be represented as a 32-bit integer, found value: %s", names[i], show(v))
		}
	}
	start, end, step := n[0], n[1], n[2]
	if step == 0 {
		return Null, mongoerr.New(34449, "$range requires a non-zero step value")
	}
	length := 0
	if step > 0 && end > start {
		length = (end - start + step - 1) / step
	} else if step < 0 && end < start {
		length = (start - end - step - 1) / -step
	}
	if err := env.reserve(length * 12); err != nil {
		return Null, mongoerr.New(mongoerr.ExceededMemoryLimit, "$range would build an array of %d elements, which exceeds the memory limit", length)
	}
	if err := env.afford(length * (12 + stackValue)); err != nil {
		return Null, err
	}
	base := len(env.stack)
	defer func() { env.stack = env.stack[:base] }()
	for i := 0; i < length; i++ {
		env.stack = append(env.stack, env.Int32(int32(start+i*step)))
	}
	return env.Array(env.stack[base:])
}

func reverseArray(env *Env, a []bson.RawValue) (bson.RawValue, error) {
	if Nullish(a[0]) {
		return Null, nil
	}
	if a[0].Type != bson.TypeArray {
		return Null, mongoerr.New(34435, "The argument to $reverseArray must be an array, but was of type: %s", typeName(a[0]))
	}
	base := len(env.stack)
	defer func() { env.stack = env.stack[:base] }()
	env.push(a[0])
	vs := env.stack[base:]
	for i, j := 0, len(vs)-1; i < j; i, j = i+1, j-1 {
		vs[i], vs[j] = vs[j], vs[i]
	}
	return env.Array(vs)
}

func sizeOfArray(env *Env, a []bson.RawValue) (bson.RawValue, error) {
	if a[0].Type != bson.TypeArray {
		return Null, mongoerr.New(17124, "The argument to $size must be an array, but was of type: %s", typeName(a[0]))
	}
	return env.Int32(int32(count(a[0].Value))), nil
}

func slice(env *Env, a []bson.RawValue) (bson.RawValue, error) {
	for _, v := range a {
		if Nullish(v) {
			return Null, nil
		}
	}
	if a[0].Type != bson.TypeArray {
		return Null, mongoerr.New(28724, "First argument to $slice must be an array, but is of type: %s", typeName(a[0]))
	}
	var n [2]int
	for i, v := range a[1:] {
		which := [2]string{"Second", "Third"}[i]
		if !isNumber(v) {
			return Null, mongoerr.New(mongoerr.Code(28725+2*i), "%s argument to $slice must be a numeric value, but is of type: %s", which, typeName(v))
		}
		var ok bool
		if n[i], ok = int32Of(v); !ok {
			return Null, mongoerr.New(mongoerr.Code(28726+2*i), "%s argument to $slice can't be represented as a 32-bit integer: %s", which, show(v))
		}
	}
	length := count(a[0].Value)
	var from, to int
	switch {
	case len(a) == 2 && n[0] >= 0:
		to = min(n[0], length)
	case len(a) == 2:
		from, to = max(0, length+n[0]), length
	default:
		if n[1] <= 0 {
			return Null, mongoerr.New(28729, "Third argument to $slice must be positive: %d", n[1])
		}
		if from = n[0]; from < 0 {
			from = max(0, length+from)
		}
		from = min(from, length)
		to = from + min(n[1], length-from)
	}
	base := len(env.stack)
	defer func() { env.stack = env.stack[:base] }()
	env.push(a[0])
	return env.Array(env.stack[base+from : base+to])
}

func compileZip(c *compiler, name string, arg bson.RawValue) (Expr, error) {
	vs, err := named(arg, mongoerr.New(34460, "$zip only supports an object as an argument, found %s", typeName(arg)), func(f string) error {
		return mongoerr.New(34464, "$zip found an unknown argument: %s", f)
	}, "inputs", "useLongestLength", "defaults")
	if err != nil {
		return nil, err
	}
	longest := false
	if !Missing(vs[1]) {
		if vs[1].Type != bson.TypeBoolean {
			return nil, mongoerr.New(34463, "useLongestLength must be a bool, found %s", typeName(vs[1]))
		}
		longest = Truthy(vs[1])
	}
	if Missing(vs[0]) {
		return nil, mongoerr.New(34465, "$zip requires at least one input array")
	}
	if vs[0].Type != bson.TypeArray {
		return nil, mongoerr.New(34461, "inputs must be an array of expressions, found %s", typeName(vs[0]))
	}
	inputs, err := c.operands(vs[0])
	if err != nil {
		return nil, err
	}
	if len(inputs) == 0 {
		return nil, mongoerr.New(34465, "$zip requires at least one input array")
	}
	var defaults []Expr
	if !Missing(vs[2]) {
		if vs[2].Type != bson.TypeArray {
			return nil, mongoerr.New(34462, "defaults must be an array of expressions, found %s", typeName(vs[2]))
		}
		if !longest {
			return nil, mongoerr.New(34466, "cannot specify defaults unless useLongestLength is true")
		}
		if defaults, err = c.operands(vs[2]); err != nil {
			return nil, err
		}
		if len(defaults) != len(inputs) {
			return nil, mongoerr.New(34467, "defaults and inputs must have the same length")
		}
	}
	n := len(inputs)
	return namedOf(append(inputs, defaults...), func(env *Env, es []Expr) (bson.RawValue, error) {
		base := len(env.stack)
		defer func() { env.stack = env.stack[:base] }()
		arrays := make([]Members, n)
		for i, e := range es[:n] {
			v, err := e.Eval(env)
			if err != nil {
				return v, err
			}
			if Nullish(v) {
				return Null, nil
			}
			if v.Type != bson.TypeArray {
				return Null, mongoerr.New(34468, "$zip found a non-array expression in input: %s", show(v))
			}
			arrays[i] = Each(v.Value)
		}
		fill := make([]bson.RawValue, n)
		for i, e := range es[n:] {
			v, err := e.Eval(env)
			if err != nil {
				return v, err
			}
			fill[i] = v
		}
		row := make([]bson.RawValue, n)
		for {
			any, all := false, true
			for i := range arrays {
				_, v, ok := arrays[i].Next()
				any, all = any || ok, all && ok
				if !ok {
					v = fill[i]
				}
				row[i] = v
			}
			if longest && !any || !longest && !all {
				return env.Array(env.stack[base:])
			}
			v, err := env.Array(row)
			if err != nil {
				return v, err
			}
			env.stack = append(env.stack, v)
		}
	}), nil
}
