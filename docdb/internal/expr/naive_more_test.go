package expr_test

import (
	"encoding/hex"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

// This file has the families that are not in naive_test.go: conversions to decimals and ids, sets, bits, sums, arrays and their shapes,
// members of documents, and more of strings.

func isDecimal(v any) bool { _, ok := v.(bson.Decimal128); return ok }

// rational is a finite number, exactly.
func rational(v any) *big.Rat {
	if n, ok := whole(v); ok {
		return new(big.Rat).SetInt64(n)
	}
	if d, ok := v.(bson.Decimal128); ok {
		r, ok := new(big.Rat).SetString(d.String())
		if !ok {
			panic(d)
		}
		return r
	}
	return new(big.Rat).SetFloat64(v.(float64))
}

// exactWith are the operators that the model knows for decimals, too.
var exactWith = map[string]bool{
	"$eq": true, "$ne": true, "$gt": true, "$gte": true, "$lt": true, "$lte": true, "$cmp": true, "$not": true, "$in": true, "$indexOfArray": true, "$type": true, "$isNumber": true, "$isArray": true,
	"$toString": true, "$toInt": true, "$toLong": true, "$toDouble": true, "$toBool": true, "$toDecimal": true, "$toObjectId": true, "$toDate": true, "$size": true, "$first": true, "$last": true,
	"$concatArrays": true, "$reverseArray": true, "$mergeObjects": true, "$setUnion": true, "$setIntersection": true, "$setDifference": true, "$min": true, "$max": true, "$bsonSize": true,
}

func toDecimal(args ...any) (any, error) {
	digits := ""
	switch x := args[0].(type) {
	case nil, missing:
		return nil, nil
	case bool:
		digits = map[bool]string{true: "1", false: "0"}[x]
	case int32, int64:
		n, _ := whole(x)
		digits = strconv.FormatInt(n, 10)
	case bson.DateTime:
		digits = strconv.FormatInt(int64(x), 10)
	case float64:
		if x == 0 {
			return nil, errSkip // has a sign of its own
		}
		digits = strconv.FormatFloat(x, 'e', 14, 64) // the digits that a double surely has
	case bson.Decimal128:
		return x, nil
	case string:
		if !decimals.MatchString(x) {
			return nil, notANumber(x)
		}
		digits = x
	default:
		return nil, errNaive
	}
	d, err := bson.ParseDecimal128(digits)
	return d, err
}

func toObjectID(args ...any) (any, error) {
	switch x := args[0].(type) {
	case nil, missing:
		return nil, nil
	case bson.ObjectID:
		return x, nil
	case string:
		if b, err := hex.DecodeString(x); err == nil && len(b) == 12 {
			return bson.ObjectID(b), nil
		}
	}
	return nil, errNaive
}

func bits(f func(a, b int64) int64) func(...any) (any, error) {
	return two(func(a, b any) (any, error) {
		if null, err := inTurn(func(v any) bool { _, ok := whole(v); return ok }, a, b); null || err != nil {
			return nil, err
		}
		m, _ := whole(a)
		n, _ := whole(b)
		return narrow(f(m, n), a, b), nil
	})
}

func holds(list bson.A, v any) bool {
	return slices.ContainsFunc(list, func(o any) bool { return compare(o, v) == 0 })
}

// unique leaves out what is equal to something before it.
func unique(list bson.A) bson.A {
	out := bson.A{}
	for _, v := range list {
		if !holds(out, v) {
			out = append(out, v)
		}
	}
	return out
}

func ordered(list bson.A) bson.A { slices.SortStableFunc(list, compare); return list }

// arrays makes an operator of two arrays; null is an error.
func arrays(f func(a, b bson.A) any) func(...any) (any, error) {
	return two(func(a, b any) (any, error) {
		x, ok1 := a.(bson.A)
		y, ok2 := b.(bson.A)
		if !ok1 || !ok2 {
			return nil, errNaive
		}
		return f(x, y), nil
	})
}

func subset(a, b bson.A) bool {
	return !slices.ContainsFunc(a, func(v any) bool { return !holds(b, v) })
}

// summands are what $sum and its kin look at: a single array stands for its elements.
func summands(args []any) ([]any, error) {
	if a, ok := args[0].(bson.A); ok && len(args) == 1 {
		args = a
	}
	var out []any
	for _, v := range args {
		if isDecimal(v) {
			return nil, errSkip
		}
		if isNumber(v) {
			out = append(out, v)
		}
	}
	return out, nil
}

// total adds exactly; the result is as wide as the widest that was added, and a double when it must be.
func total(nums []any) (sum float64, whole int64, isWhole bool, widest string) {
	exact := new(big.Rat)
	widest = "int"
	for _, n := range nums {
		exact.Add(exact, rational(n))
		switch n.(type) {
		case float64:
			widest = "double"
		case int64:
			if widest == "int" {
				widest = "long"
			}
		}
	}
	sum, _ = exact.Float64()
	return sum, exact.Num().Int64(), exact.IsInt() && exact.Num().IsInt64(), widest
}

func extremum(dir int) func(...any) (any, error) {
	return func(args ...any) (any, error) {
		if a, ok := args[0].(bson.A); ok && len(args) == 1 {
			args = a
		}
		var best any
		for _, v := range args {
			if !absent(v) && (best == nil || dir*compare(v, best) > 0) {
				best = v
			}
		}
		return best, nil
	}
}

var moreOps = map[string]naiveOp{
	"$toDecimal": {1, toDecimal}, "$toObjectId": {1, toObjectID},
	"$bitAnd": {2, bits(func(a, b int64) int64 { return a & b })}, "$bitOr": {2, bits(func(a, b int64) int64 { return a | b })}, "$bitXor": {2, bits(func(a, b int64) int64 { return a ^ b })},
	"$bitNot": {1, func(a ...any) (any, error) {
		n, ok := whole(a[0])
		switch {
		case absent(a[0]):
			return nil, nil
		case !ok:
			return nil, errNaive
		}
		return narrow(^n, a[0], a[0]), nil
	}},
	"$setUnion": {2, two(func(a, b any) (any, error) {
		v, err := concatArrays(a, b)
		if v == nil {
			return nil, err
		}
		return ordered(unique(v.(bson.A))), nil
	})},
	"$setIntersection": {2, two(func(a, b any) (any, error) {
		x, ok := a.(bson.A)
		switch {
		case absent(a):
			return nil, nil
		case !ok:
			return nil, errNaive
		case len(x) == 0:
			return bson.A{}, nil // what comes behind is not looked at
		}
		y, ok := b.(bson.A)
		switch {
		case absent(b):
			return nil, nil
		case !ok:
			return nil, errNaive
		}
		return ordered(slices.DeleteFunc(unique(x), func(v any) bool { return !holds(y, v) })), nil
	})},
	"$setDifference": {2, two(func(a, b any) (any, error) {
		if absent(a) || absent(b) {
			return nil, nil
		}
		return arrays(func(x, y bson.A) any { return slices.DeleteFunc(unique(x), func(v any) bool { return holds(y, v) }) })(a, b)
	})},
	"$setEquals":   {2, arrays(func(a, b bson.A) any { return subset(a, b) && subset(b, a) })},
	"$setIsSubset": {2, arrays(func(a, b bson.A) any { return subset(a, b) })},
	"$allElementsTrue": {1, func(a ...any) (any, error) {
		return arrays(func(x, _ bson.A) any { return !slices.ContainsFunc(x, func(v any) bool { return !truth(v) }) })(a[0], bson.A{})
	}},
	"$anyElementTrue": {1, func(a ...any) (any, error) {
		return arrays(func(x, _ bson.A) any { return slices.ContainsFunc(x, truth) })(a[0], bson.A{})
	}},
	"$min": {2, extremum(-1)}, "$max": {1, extremum(1)},
	"$sum": {1, func(a ...any) (any, error) {
		nums, err := summands(a)
		sum, n, isWhole, widest := total(nums)
		switch {
		case err != nil:
			return nil, err
		case widest == "double" || !isWhole:
			return sum, nil
		case widest == "int" && n == int64(int32(n)):
			return int32(n), nil
		}
		return n, nil
	}},
	"$avg": {2, func(a ...any) (any, error) {
		nums, err := summands(a)
		if err != nil || len(nums) == 0 {
			return nil, err
		}
		sum, _, _, _ := total(nums)
		return sum / float64(len(nums)), nil
	}},
	"$sqrt": {1, func(a ...any) (any, error) {
		switch {
		case absent(a[0]):
			return nil, nil
		case !isNumber(a[0]) || float(a[0]) < 0:
			return nil, errNaive
		}
		return math.Sqrt(float(a[0])), nil
	}},
	"$range": {2, two(func(a, b any) (any, error) {
		for _, v := range []any{a, b} {
			if !isNumber(v) || float(v) != math.Trunc(float(v)) || float(v) > math.MaxInt32 || float(v) < math.MinInt32 {
				return nil, errNaive
			}
		}
		out := bson.A{}
		for i := int64(float(a)); i < int64(float(b)); i++ {
			if out = append(out, int32(i)); len(out) > 1000 {
				return nil, errSkip
			}
		}
		return out, nil
	})},
	"$indexOfBytes": {2, func(a ...any) (any, error) {
		s, ok1 := a[0].(string)
		sub, ok2 := a[1].(string)
		switch {
		case absent(a[0]):
			return nil, nil
		case !ok1 || !ok2:
			return nil, errNaive
		}
		return int32(strings.Index(s, sub)), nil
	}},
	"$binarySize": {1, func(a ...any) (any, error) {
		s, ok := a[0].(string)
		switch {
		case absent(a[0]):
			return nil, nil
		case !ok:
			return nil, errNaive
		}
		return int32(len(s)), nil
	}},
	"$bsonSize": {1, func(a ...any) (any, error) {
		d, ok := a[0].(bson.D)
		switch {
		case absent(a[0]):
			return nil, nil
		case !ok:
			return nil, errNaive
		}
		b, err := bson.Marshal(d)
		return int32(len(b)), err
	}},
	"$isoWeekYear": {1, func(a ...any) (any, error) {
		v, err := date(func(t time.Time) int { y, _ := t.ISOWeek(); return y })(a...)
		if y, ok := v.(int32); ok {
			return int64(y), nil
		}
		return v, err
	}},
}

// of makes an expression of an array that an operand gives; null stays null unless it is refused.
func of(name string, in tree, more bson.D, strict bool, f func(list bson.A, doc bson.D, this any) (any, error)) tree {
	return tree{bson.D{{Key: name, Value: append(bson.D{{Key: "input", Value: in.text}}, more...)}}, func(doc bson.D, this any) (any, error) {
		v, err := in.eval(doc, this)
		list, ok := v.(bson.A)
		switch {
		case err != nil:
			return nil, err
		case absent(v) && !strict:
			return nil, nil
		case !ok:
			return nil, errNaive
		}
		return f(list, doc, this)
	}}
}

// shaped draws an operator that takes arrays and documents apart and puts them together.
func shaped(t *rapid.T, sub, inner func() tree) tree {
	in, n := sub(), rapid.IntRange(1, 3).Draw(t, "n")
	dir := rapid.SampledFrom([]int{1, -1}).Draw(t, "dir")
	plain := func(f func(list bson.A) bson.A) func(bson.A, bson.D, any) (any, error) {
		return func(list bson.A, _ bson.D, _ any) (any, error) { return f(slices.Clone(list)), nil }
	}
	count := bson.D{{Key: "n", Value: n}}
	switch rapid.IntRange(0, 11).Draw(t, "shape") {
	case 0:
		return of("$firstN", in, count, true, plain(func(l bson.A) bson.A { return l[:min(n, len(l))] }))
	case 1:
		return of("$lastN", in, count, true, plain(func(l bson.A) bson.A { return l[max(0, len(l)-n):] }))
	case 2:
		name := map[int]string{1: "$minN", -1: "$maxN"}[dir]
		return of(name, in, count, true, plain(func(l bson.A) bson.A {
			l = slices.DeleteFunc(l, absent)
			slices.SortStableFunc(l, func(a, b any) int { return dir * compare(a, b) })
			return l[:min(n, len(l))]
		}))
	case 3:
		return of("$sortArray", in, bson.D{{Key: "sortBy", Value: dir}}, false, plain(func(l bson.A) bson.A {
			slices.SortStableFunc(l, func(a, b any) int { return dir * compare(a, b) })
			return l
		}))
	case 4:
		return of("$sortArray", in, bson.D{{Key: "sortBy", Value: bson.D{{Key: "a", Value: dir}}}}, false, func(l bson.A, _ bson.D, _ any) (any, error) {
			l = slices.Clone(l)
			key := func(v any) any {
				k := field(v, "a")
				if k == (any)(missing{}) {
					return nil
				}
				return k
			}
			for _, v := range l {
				if rank(v) == 5 || rank(key(v)) == 5 {
					return nil, errSkip // the least or the greatest of what is in it
				}
			}
			slices.SortStableFunc(l, func(a, b any) int { return dir * compare(key(a), key(b)) })
			return l, nil
		})
	case 5:
		op := rapid.SampledFrom([]string{"$add", "$multiply", "$concat", "$concatArrays", "$setUnion", "$mergeObjects", "$subtract"}).Draw(t, "op")
		start := sub()
		more := bson.D{{Key: "initialValue", Value: start.text}, {Key: "in", Value: bson.D{{Key: op, Value: bson.A{"$$value", "$$this"}}}}}
		return of("$reduce", in, more, false, func(l bson.A, doc bson.D, this any) (any, error) {
			v, err := start.eval(doc, this)
			for _, el := range l {
				if isDecimal(v) || isDecimal(el) {
					return nil, errSkip
				}
				if err == nil {
					v, err = naiveOps[op].f(v, el)
				}
			}
			return v, err
		})
	case 6:
		other, longest := sub(), rapid.Bool().Draw(t, "longest")
		return tree{bson.D{{Key: "$zip", Value: bson.D{{Key: "inputs", Value: bson.A{in.text, other.text}}, {Key: "useLongestLength", Value: longest}}}}, func(doc bson.D, this any) (any, error) {
			a, b, err := both(in, other, doc, this)
			if err != nil {
				return nil, errSkip // the first may be null
			}
			if null, err := inTurn(func(v any) bool { return rank(v) == 5 }, a, b); null || err != nil {
				return nil, err
			}
			x, y, out := a.(bson.A), b.(bson.A), bson.A{}
			for i := 0; i < len(x) && i < len(y) || longest && (i < len(x) || i < len(y)); i++ {
				row := bson.A{nil, nil}
				if i < len(x) {
					row[0] = x[i]
				}
				if i < len(y) {
					row[1] = y[i]
				}
				out = append(out, row)
			}
			return out, nil
		}}
	case 7:
		body := inner()
		return tree{bson.D{{Key: "$let", Value: bson.D{{Key: "vars", Value: bson.D{{Key: "this", Value: in.text}}}, {Key: "in", Value: body.text}}}}, func(doc bson.D, this any) (any, error) {
			v, err := in.eval(doc, this)
			if err != nil {
				return nil, errSkip // the variable may not be looked at
			}
			return body.eval(doc, v)
		}}
	case 8:
		one, other := sub(), sub()
		branches := bson.A{bson.D{{Key: "case", Value: in.text}, {Key: "then", Value: one.text}}, bson.D{{Key: "case", Value: one.text}, {Key: "then", Value: in.text}}}
		return tree{bson.D{{Key: "$switch", Value: bson.D{{Key: "branches", Value: branches}, {Key: "default", Value: other.text}}}}, func(doc bson.D, this any) (any, error) {
			for _, b := range [][2]tree{{in, one}, {one, in}} {
				v, err := b[0].eval(doc, this)
				if err != nil {
					return nil, err
				}
				if truth(v) {
					return b[1].eval(doc, this)
				}
			}
			return other.eval(doc, this)
		}}
	case 9:
		name := rapid.SampledFrom([]string{"a", "b", "z"}).Draw(t, "field")
		return tree{bson.D{{Key: "$getField", Value: bson.D{{Key: "field", Value: name}, {Key: "input", Value: in.text}}}}, func(doc bson.D, this any) (any, error) {
			v, err := in.eval(doc, this)
			if v == nil || err != nil {
				return nil, err
			}
			return field(v, name), nil
		}}
	case 10:
		name, val := rapid.SampledFrom([]string{"a", "b", "z"}).Draw(t, "field"), sub()
		op, arg := "$setField", bson.D{{Key: "field", Value: name}, {Key: "input", Value: in.text}, {Key: "value", Value: val.text}}
		if rapid.IntRange(0, 2).Draw(t, "unset") == 0 {
			op, arg, val = "$unsetField", arg[:2], tree{nil, func(bson.D, any) (any, error) { return missing{}, nil }}
		}
		return tree{bson.D{{Key: op, Value: arg}}, func(doc bson.D, this any) (any, error) {
			d, v, err := both(in, val, doc, this)
			if err != nil {
				return nil, errSkip // either may come first
			}
			old, ok := d.(bson.D)
			switch {
			case absent(d):
				return nil, nil
			case !ok:
				return nil, errNaive
			}
			if v == (any)(missing{}) {
				return slices.DeleteFunc(slices.Clone(old), func(e bson.E) bool { return e.Key == name }), nil
			}
			return merge(old, bson.D{{Key: name, Value: v}})
		}}
	}
	pairs := bson.A{bson.A{"x", in.text}, bson.A{"y", 1}}
	return tree{bson.D{{Key: "$arrayToObject", Value: bson.A{pairs}}}, func(doc bson.D, this any) (any, error) {
		v, err := in.eval(doc, this)
		if err != nil {
			return nil, err
		}
		if absent(v) {
			v = nil
		}
		return bson.D{{Key: "x", Value: v}, {Key: "y", Value: int32(1)}}, nil
	}}
}

// texted draws an operator of strings with constants beside its operand.
func texted(t *rapid.T, sub func() tree) tree {
	in := sub()
	// on evaluates the operand; coerced makes a text of null, numbers and dates.
	on := func(coerced bool, f func(s string) (any, error), null any) func(bson.D, any) (any, error) {
		return func(doc bson.D, this any) (any, error) {
			v, err := in.eval(doc, this)
			if err != nil {
				return nil, err
			}
			if coerced {
				if isDecimal(v) {
					return nil, errSkip
				}
				v, err = texts(func(s []string) any { return s[0] })(v)
				if err != nil {
					return nil, err
				}
			}
			s, ok := v.(string)
			switch {
			case absent(v):
				return null, nil
			case !ok:
				return nil, errNaive
			}
			return f(s)
		}
	}
	switch rapid.IntRange(0, 4).Draw(t, "text") {
	case 0:
		name := rapid.SampledFrom([]string{"$trim", "$ltrim", "$rtrim"}).Draw(t, "trim")
		arg, cut := bson.D{{Key: "input", Value: in.text}}, "\x00 \t\n\v\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
		if rapid.Bool().Draw(t, "chars") {
			cut = rapid.SampledFrom([]string{"a", "a b", "ñA", ""}).Draw(t, "cut")
			arg = append(arg, bson.E{Key: "chars", Value: cut})
		}
		return tree{bson.D{{Key: name, Value: arg}}, on(false, func(s string) (any, error) {
			return map[string]func(string, string) string{"$trim": strings.Trim, "$ltrim": strings.TrimLeft, "$rtrim": strings.TrimRight}[name](s, cut), nil
		}, nil)}
	case 1:
		name := rapid.SampledFrom([]string{"$replaceOne", "$replaceAll"}).Draw(t, "replace")
		find, by := rapid.SampledFrom([]string{"a", " ", "ñ", "zz"}).Draw(t, "find"), rapid.SampledFrom([]string{"", "a", "xyz"}).Draw(t, "by")
		arg := bson.D{{Key: "input", Value: in.text}, {Key: "find", Value: find}, {Key: "replacement", Value: by}}
		return tree{bson.D{{Key: name, Value: arg}}, on(false, func(s string) (any, error) {
			return strings.Replace(s, find, by, map[string]int{"$replaceOne": 1, "$replaceAll": -1}[name]), nil
		}, nil)}
	case 2:
		from, n := rapid.IntRange(0, 4).Draw(t, "from"), rapid.IntRange(0, 4).Draw(t, "count")
		return tree{bson.D{{Key: "$substrCP", Value: bson.A{in.text, from, n}}}, on(true, func(s string) (any, error) {
			r := []rune(s)
			from := min(from, len(r))
			return string(r[from:min(len(r), from+n)]), nil
		}, "")}
	case 3:
		from, n := rapid.IntRange(0, 4).Draw(t, "from"), rapid.IntRange(-1, 4).Draw(t, "count")
		return tree{bson.D{{Key: "$substrBytes", Value: bson.A{in.text, from, n}}}, on(true, func(s string) (any, error) {
			if from >= len(s) {
				return "", nil
			}
			end := len(s)
			if n >= 0 {
				end = min(end, from+n)
			}
			if !utf8.RuneStart(s[from]) || end < len(s) && !utf8.RuneStart(s[end]) {
				return nil, errNaive
			}
			return s[from:end], nil
		}, "")}
	}
	pattern := rapid.SampledFrom([]string{"a", "^a", "[0-9]+$", "(?i)AB", "ñ.", "^$"}).Draw(t, "pattern")
	return tree{bson.D{{Key: "$regexMatch", Value: bson.D{{Key: "input", Value: in.text}, {Key: "regex", Value: pattern}}}}, on(false, func(s string) (any, error) {
		return regexp.MatchString(pattern, s)
	}, false)}
}
