package expr_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/mongoerr"
)

// This file evaluates expressions a second time, the slow and obvious way: on decoded Go values, by mongo-engine.md §3.1 and §3.4. It has
// int32, int64, float64, string, bool, bson.DateTime, bson.ObjectID, bson.A, bson.D, nil for null, and missing{}; decimals are compared and
// converted, but the model does not calculate with them.

type missing struct{}

var errNaive = errors.New("refused")

// absent says that a value is null or missing.
func absent(v any) bool { return v == nil || v == missing{} }

// rank is the place of a value's type in the order of values.
func rank(v any) int {
	switch v.(type) {
	case missing:
		return 0
	case nil:
		return 1
	case int32, int64, float64, bson.Decimal128:
		return 2
	case string:
		return 3
	case bson.D:
		return 4
	case bson.A:
		return 5
	case bson.ObjectID:
		return 6
	case bool:
		return 7
	case bson.DateTime:
		return 8
	}
	panic(fmt.Sprintf("%T", v))
}

func whole(v any) (int64, bool) {
	switch x := v.(type) {
	case int32:
		return int64(x), true
	case int64:
		return x, true
	}
	return 0, false
}

func float(v any) float64 {
	if n, ok := whole(v); ok {
		return float64(n)
	}
	if d, ok := v.(bson.Decimal128); ok {
		f, _ := strconv.ParseFloat(d.String(), 64)
		return f
	}
	return v.(float64)
}

func isNumber(v any) bool { return rank(v) == 2 }

func compare(a, b any) int {
	if c := cmp.Compare(rank(a), rank(b)); c != 0 {
		return c
	}
	switch x := a.(type) {
	case string:
		return strings.Compare(x, b.(string))
	case bson.ObjectID:
		y := b.(bson.ObjectID)
		return bytes.Compare(x[:], y[:])
	case bool:
		y := b.(bool)
		return cmp.Compare(map[bool]int{true: 1}[x], map[bool]int{true: 1}[y])
	case bson.DateTime:
		return cmp.Compare(x, b.(bson.DateTime))
	case bson.A:
		return slices.CompareFunc(x, b.(bson.A), compare)
	case bson.D:
		return slices.CompareFunc(x, b.(bson.D), func(p, q bson.E) int {
			return cmp.Or(cmp.Compare(rank(p.Value), rank(q.Value)), strings.Compare(p.Key, q.Key), compare(p.Value, q.Value))
		})
	case int32, int64, float64, bson.Decimal128:
		m, ok1 := whole(a)
		n, ok2 := whole(b)
		if ok1 && ok2 {
			return cmp.Compare(m, n)
		}
		if isDecimal(a) || isDecimal(b) {
			return rational(a).Cmp(rational(b))
		}
		return cmp.Compare(float(a), float(b)) // the drawn doubles are small or out of every integer's reach
	}
	return 0
}

// narrow is the result of arithmetic on integers: as wide as its operands, wider when it must be.
func narrow(n int64, a, b any) any {
	_, x := a.(int32)
	_, y := b.(int32)
	if x && y && n == int64(int32(n)) {
		return int32(n)
	}
	return n
}

func truth(v any) bool {
	switch x := v.(type) {
	case missing, nil:
		return false
	case bool:
		return x
	case int32, int64, float64, bson.Decimal128:
		return float(v) != 0
	}
	return true
}

// inTurn looks at operands one after the other, as MongoDB does for operators of any number of them: null ends it, and so does what is
// no operand.
func inTurn(ok func(v any) bool, args ...any) (null bool, err error) {
	for _, v := range args {
		if absent(v) {
			return true, nil
		}
		if !ok(v) {
			return false, errNaive
		}
	}
	return false, nil
}

// later is a date moved by milliseconds; beyond the dates there are is refused.
func later(d bson.DateTime, by any, sign int64) (any, error) {
	ms := big.NewInt(0)
	if n, ok := whole(by); ok {
		ms.SetInt64(n)
	} else if math.Abs(by.(float64)) >= 1<<63 {
		return nil, errSkip // no integer, whatever the date
	} else {
		big.NewFloat(math.Round(by.(float64))).Int(ms)
	}
	sum := ms.Add(ms.Mul(ms, big.NewInt(sign)), big.NewInt(int64(d)))
	if !sum.IsInt64() {
		return nil, errNaive
	}
	return bson.DateTime(sum.Int64()), nil
}

func add(a, b any) (any, error) {
	if null, err := inTurn(func(v any) bool { _, ok := v.(bson.DateTime); return ok || isNumber(v) }, a, b); null || err != nil {
		return nil, err
	}
	if _, ok := b.(bson.DateTime); ok {
		a, b = b, a
	}
	if d, ok := a.(bson.DateTime); ok && isNumber(b) {
		return later(d, b, 1)
	}
	if !isNumber(a) || !isNumber(b) {
		return nil, errNaive
	}
	m, ok1 := whole(a)
	n, ok2 := whole(b)
	if s := m + n; ok1 && ok2 && (s > m) == (n > 0) {
		return narrow(s, a, b), nil
	}
	return float(a) + float(b), nil
}

func subtract(a, b any) (any, error) {
	if absent(a) || absent(b) {
		return nil, nil
	}
	if d, ok := a.(bson.DateTime); ok {
		if e, ok := b.(bson.DateTime); ok {
			return int64(d - e), nil
		}
		if isNumber(b) {
			return later(d, b, -1)
		}
		return nil, errNaive
	}
	if !isNumber(a) || !isNumber(b) {
		return nil, errNaive
	}
	m, ok1 := whole(a)
	n, ok2 := whole(b)
	if s := m - n; ok1 && ok2 && (s < m) == (n > 0) {
		return narrow(s, a, b), nil
	}
	return float(a) - float(b), nil
}

func multiply(a, b any) (any, error) {
	if null, err := inTurn(isNumber, a, b); null || err != nil {
		return nil, err
	}
	m, ok1 := whole(a)
	n, ok2 := whole(b)
	if p := m * n; ok1 && ok2 && (m == 0 || p/m == n && (m != -1 || n != math.MinInt64)) {
		return narrow(p, a, b), nil
	}
	return float(a) * float(b), nil
}

func divide(a, b any) (any, error) {
	if absent(a) || absent(b) {
		return nil, nil
	}
	if !isNumber(a) || !isNumber(b) || float(b) == 0 {
		return nil, errNaive
	}
	return float(a) / float(b), nil
}

func mod(a, b any) (any, error) {
	if absent(a) || absent(b) {
		return nil, nil
	}
	if !isNumber(a) || !isNumber(b) || float(b) == 0 {
		return nil, errNaive
	}
	m, ok1 := whole(a)
	n, ok2 := whole(b)
	if ok1 && ok2 {
		if n == -1 {
			return narrow(0, a, b), nil
		}
		return narrow(m%n, a, b), nil
	}
	return math.Mod(float(a), float(b)), nil
}

// one makes an operator of one number: whole ones stay, but for what f does to them.
func one(ints func(n int64) int64, f func(float64) float64) func(...any) (any, error) {
	return func(args ...any) (any, error) {
		a := args[0]
		if absent(a) {
			return nil, nil
		}
		if n, ok := whole(a); ok {
			if n == math.MinInt64 && ints(-1) == 1 {
				return nil, errNaive
			}
			return narrow(ints(n), a, a), nil
		}
		if !isNumber(a) {
			return nil, errNaive
		}
		return f(a.(float64)), nil
	}
}

func same(n int64) int64 { return n }

func two(f func(a, b any) (any, error)) func(...any) (any, error) {
	return func(args ...any) (any, error) { return f(args[0], args[1]) }
}

func compared(ok func(c int) bool) func(...any) (any, error) {
	return func(args ...any) (any, error) { return ok(compare(args[0], args[1])), nil }
}

// texts makes an operator of strings that takes null and missing for "", and numbers and dates for their texts.
func texts(f func(s []string) any) func(...any) (any, error) {
	return func(args ...any) (any, error) {
		var list []string
		for _, a := range args {
			s, ok := a.(string)
			if r := rank(a); r == 2 || r == 8 {
				v, err := text(a)
				if err != nil {
					return nil, errSkip // dates of years beyond 9999 have texts of their own here
				}
				s, ok = v.(string)
			}
			if !ok && !absent(a) {
				return nil, errNaive
			}
			list = append(list, s)
		}
		return f(list), nil
	}
}

func array(f func(a bson.A) any) func(...any) (any, error) {
	return func(args ...any) (any, error) {
		if absent(args[0]) {
			return nil, nil
		}
		a, ok := args[0].(bson.A)
		if !ok {
			return nil, errNaive
		}
		return f(a), nil
	}
}

func date(f func(t time.Time) int) func(...any) (any, error) {
	return func(args ...any) (any, error) {
		if absent(args[0]) {
			return nil, nil
		}
		if id, ok := args[0].(bson.ObjectID); ok {
			return int32(f(id.Timestamp().UTC())), nil
		}
		d, ok := args[0].(bson.DateTime)
		if !ok {
			return nil, errNaive
		}
		return int32(f(d.Time().UTC())), nil
	}
}

func ascii(from, to byte) func([]string) any {
	return func(s []string) any {
		b := []byte(s[0])
		for i, c := range b {
			if c >= from && c <= from+25 {
				b[i] = c - from + to
			}
		}
		return string(b)
	}
}

func concatArrays(args ...any) (any, error) {
	out := bson.A{}
	for _, a := range args {
		if absent(a) {
			return nil, nil
		}
		x, ok := a.(bson.A)
		if !ok {
			return nil, errNaive
		}
		out = append(out, x...)
	}
	return out, nil
}

func concat(args ...any) (any, error) {
	var b strings.Builder
	for _, a := range args {
		s, ok := a.(string)
		if absent(a) {
			return nil, nil
		}
		if !ok {
			return nil, errNaive
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

// elementAt is $arrayElemAt.
func elementAt(a, i any) (any, error) {
	if absent(a) || absent(i) {
		return nil, nil
	}
	list, ok := a.(bson.A)
	if !ok || !isNumber(i) || float(i) != math.Trunc(float(i)) || float(i) > math.MaxInt32 || float(i) < math.MinInt32 {
		return nil, errNaive
	}
	n := int(float(i))
	if n < 0 {
		n += len(list)
	}
	if n < 0 || n >= len(list) {
		return missing{}, nil
	}
	return list[n], nil
}

func typeOf(v any) any {
	return []string{"missing", "null", map[string]string{"int32": "int", "int64": "long", "float64": "double", "bson.Decimal128": "decimal"}[fmt.Sprintf("%T", v)], "string", "object", "array", "objectId", "bool", "date"}[rank(v)]
}

// text is $toString.
func text(args ...any) (any, error) {
	switch x := args[0].(type) {
	case nil, missing:
		return nil, nil
	case string:
		return x, nil
	case bool:
		return strconv.FormatBool(x), nil
	case int32, int64:
		n, _ := whole(x)
		return strconv.FormatInt(n, 10), nil
	case float64:
		if math.Abs(x) < 1e6 {
			return strconv.FormatFloat(x, 'f', -1, 64), nil
		}
		return nil, errSkip
	case bson.ObjectID:
		return x.Hex(), nil
	case bson.Decimal128:
		return x.String(), nil
	case bson.DateTime:
		if y := x.Time().UTC().Year(); y < 0 || y > 9999 {
			return nil, errNaive
		}
		return x.Time().UTC().Format("2006-01-02T15:04:05.000Z"), nil
	}
	return nil, errNaive
}

// errSkip says that the model does not know.
var errSkip = errors.New("not modelled")

func toInt(bits int) func(...any) (any, error) {
	return func(args ...any) (any, error) {
		var n int64
		switch x := args[0].(type) {
		case nil, missing:
			return nil, nil
		case bool:
			n = map[bool]int64{true: 1}[x]
		case int32, int64:
			n, _ = whole(x)
		case float64:
			if math.IsNaN(x) || math.Abs(x) >= 1<<62 {
				return nil, errNaive
			}
			n = int64(x)
		case bson.Decimal128:
			r := rational(x)
			q := new(big.Int).Quo(r.Num(), r.Denom())
			if !q.IsInt64() {
				return nil, errNaive
			}
			n = q.Int64()
		case string:
			m, err := strconv.ParseInt(x, 10, 64)
			if err != nil {
				return nil, errNaive
			}
			n = m
		case bson.DateTime:
			if bits == 32 {
				return nil, errNaive
			}
			n = int64(x)
		default:
			return nil, errNaive
		}
		if bits == 32 {
			if n != int64(int32(n)) {
				return nil, errNaive
			}
			return int32(n), nil
		}
		return n, nil
	}
}

func merge(args ...any) (any, error) {
	out := bson.D{}
	for _, a := range args {
		if absent(a) {
			continue
		}
		d, ok := a.(bson.D)
		if !ok {
			return nil, errNaive
		}
		for _, e := range d {
			if i := slices.IndexFunc(out, func(o bson.E) bool { return o.Key == e.Key }); i >= 0 {
				out[i].Value = e.Value
			} else {
				out = append(out, e)
			}
		}
	}
	return out, nil
}

func strict(args ...any) bool { return !slices.ContainsFunc(args, absent) }

// naiveOp is an operator whose operands are all evaluated: how many it takes, and what it makes of them.
type naiveOp struct {
	n int
	f func(...any) (any, error)
}

// naiveOps are these operators.
var naiveOps = func() map[string]naiveOp {
	all := maps.Clone(plainOps)
	maps.Copy(all, moreOps)
	return all
}()

var plainOps = map[string]naiveOp{
	"$add": {2, two(add)}, "$subtract": {2, two(subtract)}, "$multiply": {2, two(multiply)}, "$divide": {2, two(divide)}, "$mod": {2, two(mod)},
	"$abs": {1, one(func(n int64) int64 { return max(n, -n) }, math.Abs)}, "$floor": {1, one(same, math.Floor)}, "$ceil": {1, one(same, math.Ceil)}, "$trunc": {1, one(same, math.Trunc)}, "$round": {1, one(same, math.RoundToEven)},
	"$eq": {2, compared(func(c int) bool { return c == 0 })}, "$ne": {2, compared(func(c int) bool { return c != 0 })}, "$gt": {2, compared(func(c int) bool { return c > 0 })},
	"$gte": {2, compared(func(c int) bool { return c >= 0 })}, "$lt": {2, compared(func(c int) bool { return c < 0 })}, "$lte": {2, compared(func(c int) bool { return c <= 0 })},
	"$cmp": {2, func(a ...any) (any, error) { return int32(compare(a[0], a[1])), nil }}, "$not": {1, func(a ...any) (any, error) { return !truth(a[0]), nil }},
	"$toUpper": {1, texts(ascii('a', 'A'))}, "$toLower": {1, texts(ascii('A', 'a'))},
	"$strcasecmp": {2, texts(func(s []string) any {
		return int32(strings.Compare(ascii('a', 'A')(s[:1]).(string), ascii('a', 'A')(s[1:]).(string)))
	})},
	"$concat": {2, concat}, "$concatArrays": {2, concatArrays}, "$arrayElemAt": {2, two(elementAt)}, "$mergeObjects": {2, merge},
	"$reverseArray": {1, array(func(a bson.A) any { a = slices.Clone(a); slices.Reverse(a); return a })},
	"$first": {1, array(func(a bson.A) any {
		if len(a) == 0 {
			return missing{}
		}
		return a[0]
	})},
	"$last": {1, array(func(a bson.A) any {
		if len(a) == 0 {
			return missing{}
		}
		return a[len(a)-1]
	})},
	"$size": {1, func(a ...any) (any, error) {
		if x, ok := a[0].(bson.A); ok {
			return int32(len(x)), nil
		}
		return nil, errNaive
	}},
	"$isArray": {1, func(a ...any) (any, error) { return rank(a[0]) == 5, nil }}, "$isNumber": {1, func(a ...any) (any, error) { return isNumber(a[0]), nil }}, "$type": {1, func(a ...any) (any, error) { return typeOf(a[0]), nil }},
	"$in": {2, func(a ...any) (any, error) {
		x, ok := a[1].(bson.A)
		if !ok {
			return nil, errNaive
		}
		return slices.ContainsFunc(x, func(v any) bool { return compare(v, a[0]) == 0 }), nil
	}},
	"$indexOfArray": {2, func(a ...any) (any, error) {
		if absent(a[0]) {
			return nil, nil
		}
		x, ok := a[0].(bson.A)
		if !ok {
			return nil, errNaive
		}
		return int32(slices.IndexFunc(x, func(v any) bool { return compare(v, a[1]) == 0 })), nil
	}},
	"$strLenCP": {1, func(a ...any) (any, error) {
		s, ok := a[0].(string)
		if !ok {
			return nil, errNaive
		}
		return int32(utf8.RuneCountInString(s)), nil
	}},
	"$strLenBytes": {1, func(a ...any) (any, error) {
		s, ok := a[0].(string)
		if !ok {
			return nil, errNaive
		}
		return int32(len(s)), nil
	}},
	"$split": {2, func(a ...any) (any, error) {
		if !strict(a...) {
			return nil, nil
		}
		s, ok1 := a[0].(string)
		sep, ok2 := a[1].(string)
		if !ok1 || !ok2 || sep == "" {
			return nil, errNaive
		}
		out := bson.A{}
		for _, p := range strings.Split(s, sep) {
			out = append(out, p)
		}
		return out, nil
	}},
	"$indexOfCP": {2, func(a ...any) (any, error) {
		if absent(a[0]) {
			return nil, nil
		}
		s, ok1 := a[0].(string)
		sub, ok2 := a[1].(string)
		if !ok1 || !ok2 {
			return nil, errNaive
		}
		i := strings.Index(s, sub)
		if i > 0 {
			i = utf8.RuneCountInString(s[:i])
		}
		return int32(i), nil
	}},
	"$toString": {1, text}, "$toInt": {1, toInt(32)}, "$toLong": {1, toInt(64)}, "$toDouble": {1, toDouble}, "$toDate": {1, toDate}, "$toBool": {1, func(a ...any) (any, error) {
		if absent(a[0]) {
			return nil, nil
		}
		return truth(a[0]), nil
	}},
	"$year": {1, date(time.Time.Year)}, "$month": {1, date(func(t time.Time) int { return int(t.Month()) })}, "$dayOfMonth": {1, date(time.Time.Day)}, "$dayOfYear": {1, date(time.Time.YearDay)},
	"$dayOfWeek": {1, date(func(t time.Time) int { return int(t.Weekday()) + 1 })}, "$hour": {1, date(time.Time.Hour)}, "$minute": {1, date(time.Time.Minute)}, "$second": {1, date(time.Time.Second)},
	"$millisecond": {1, date(func(t time.Time) int { return t.Nanosecond() / 1e6 })}, "$isoWeek": {1, date(func(t time.Time) int { _, w := t.ISOWeek(); return w })},
	"$isoDayOfWeek": {1, date(func(t time.Time) int { return (int(t.Weekday())+6)%7 + 1 })},
	"$week": {1, date(func(t time.Time) int {
		sundays := 0
		for d := time.Date(t.Year(), 1, 1, 0, 0, 0, 0, time.UTC); !d.After(t); d = d.AddDate(0, 0, 1) {
			if d.Weekday() == time.Sunday {
				sundays++
			}
		}
		return sundays
	})},
	"$objectToArray": {1, func(a ...any) (any, error) {
		if absent(a[0]) {
			return nil, nil
		}
		d, ok := a[0].(bson.D)
		if !ok {
			return nil, errNaive
		}
		out := bson.A{}
		for _, e := range d {
			out = append(out, bson.D{{Key: "k", Value: e.Key}, {Key: "v", Value: e.Value}})
		}
		return out, nil
	}},
}

// tree is an expression with its own evaluation.
type tree struct {
	text any // as MongoDB takes it
	eval func(doc bson.D, this any) (any, error)
}

func field(d any, name string) any {
	if doc, ok := d.(bson.D); ok {
		for _, e := range doc {
			if e.Key == name {
				return e.Value
			}
		}
	}
	return missing{}
}

// path is the value of a path: through arrays it is that of each document in them.
func path(d any, parts []string) any {
	if len(parts) == 0 {
		return d
	}
	if a, ok := d.(bson.A); ok {
		out := bson.A{}
		for _, el := range a {
			if _, ok := el.(bson.D); !ok {
				continue // arrays within arrays are not entered
			}
			if v := path(el, parts); v != (any)(missing{}) {
				out = append(out, v)
			}
		}
		return out
	}
	return path(field(d, parts[0]), parts[1:])
}

func operator(name string, args ...tree) tree {
	list := bson.A{}
	for _, a := range args {
		list = append(list, a.text)
	}
	return tree{bson.D{{Key: name, Value: list}}, func(doc bson.D, this any) (any, error) {
		var vals []any
		for _, a := range args {
			v, err := a.eval(doc, this)
			if err != nil {
				return nil, err
			}
			if isDecimal(v) && !exactWith[name] {
				return nil, errSkip
			}
			vals = append(vals, v)
		}
		return naiveOps[name].f(vals...)
	}}
}

var names = func() []string {
	var out []string
	for n := range naiveOps {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}()

func leaf(t *rapid.T, within bool) tree {
	switch k := rapid.IntRange(0, 9).Draw(t, "leaf"); {
	case within && k < 4:
		return tree{"$$this", func(_ bson.D, this any) (any, error) { return this, nil }}
	case k == 9:
		v := someValue(t, 1)
		return tree{bson.D{{Key: "$literal", Value: v}}, func(bson.D, any) (any, error) { return v, nil }}
	case k == 8:
		p := rapid.SampledFrom([]string{"o.a", "l.a", "o.x", "a.b", "l.0"}).Draw(t, "path")
		return tree{"$" + p, func(doc bson.D, _ any) (any, error) { return path(doc, strings.Split(p, ".")), nil }}
	}
	f := rapid.SampledFrom([]string{"a", "b", "n", "s", "d", "l", "o", "none"}).Draw(t, "field")
	return tree{"$" + f, func(doc bson.D, _ any) (any, error) { return field(doc, f), nil }}
}

func expression(t *rapid.T, depth int, within bool) tree {
	if depth == 0 {
		return leaf(t, within)
	}
	sub := func() tree { return expression(t, rapid.IntRange(0, depth-1).Draw(t, "deep"), within) }
	inner := func() tree { return expression(t, rapid.IntRange(0, depth-1).Draw(t, "deep"), true) }
	each := func(op string, other func(list bson.A, doc bson.D, body tree) (any, error)) tree {
		in, body := sub(), inner()
		arg := bson.D{{Key: "input", Value: in.text}, {Key: "as", Value: "this"}, {Key: map[string]string{"$map": "in", "$filter": "cond"}[op], Value: body.text}}
		return tree{bson.D{{Key: op, Value: arg}}, func(doc bson.D, this any) (any, error) {
			v, err := in.eval(doc, this)
			if err != nil || absent(v) {
				return nil, err
			}
			list, ok := v.(bson.A)
			if !ok {
				return nil, errNaive
			}
			return other(list, doc, body)
		}}
	}
	switch rapid.IntRange(0, 22).Draw(t, "what") {
	case 19, 20, 21:
		return shaped(t, sub, inner)
	case 22:
		return texted(t, sub)
	case 16, 17:
		return dated(t, sub)
	case 18:
		return converted(t, sub)
	case 0:
		a, b, c := sub(), sub(), sub()
		return tree{bson.D{{Key: "$cond", Value: bson.A{a.text, b.text, c.text}}}, func(doc bson.D, this any) (any, error) {
			v, err := a.eval(doc, this)
			if err != nil {
				return nil, err
			}
			if truth(v) {
				return b.eval(doc, this)
			}
			return c.eval(doc, this)
		}}
	case 1:
		a, b := sub(), sub()
		return tree{bson.D{{Key: "$ifNull", Value: bson.A{a.text, b.text}}}, func(doc bson.D, this any) (any, error) {
			if v, err := a.eval(doc, this); err != nil || !absent(v) {
				return v, err
			}
			return b.eval(doc, this)
		}}
	case 2:
		a, b := sub(), sub()
		op := rapid.SampledFrom([]string{"$and", "$or"}).Draw(t, "op")
		return tree{bson.D{{Key: op, Value: bson.A{a.text, b.text}}}, func(doc bson.D, this any) (any, error) {
			for _, x := range []tree{a, b} {
				v, err := x.eval(doc, this)
				if err != nil {
					return nil, err
				}
				if truth(v) == (op == "$or") {
					return op == "$or", nil
				}
			}
			return op == "$and", nil
		}}
	case 3:
		return each("$map", func(list bson.A, doc bson.D, body tree) (any, error) {
			out := bson.A{}
			for _, el := range list {
				v, err := body.eval(doc, el)
				if err != nil {
					return nil, err
				}
				if v == (any)(missing{}) {
					v = nil
				}
				out = append(out, v)
			}
			return out, nil
		})
	case 4:
		return each("$filter", func(list bson.A, doc bson.D, body tree) (any, error) {
			out := bson.A{}
			for _, el := range list {
				v, err := body.eval(doc, el)
				if err != nil {
					return nil, err
				}
				if truth(v) {
					out = append(out, el)
				}
			}
			return out, nil
		})
	case 5:
		in := sub()
		n := rapid.IntRange(-3, 3).Draw(t, "n")
		return tree{bson.D{{Key: "$slice", Value: bson.A{in.text, n}}}, func(doc bson.D, this any) (any, error) {
			v, err := in.eval(doc, this)
			if err != nil || absent(v) {
				return nil, err
			}
			a, ok := v.(bson.A)
			switch {
			case !ok:
				return nil, errNaive
			case n >= 0:
				return a[:min(n, len(a))], nil
			}
			return a[max(0, len(a)+n):], nil
		}}
	}
	name := rapid.SampledFrom(names).Draw(t, "name")
	var args []tree
	for range naiveOps[name].n {
		args = append(args, sub())
	}
	return operator(name, args...)
}

func someValue(t *rapid.T, depth int) any {
	switch k := rapid.IntRange(0, 11).Draw(t, "kind"); {
	case k < 4:
		return rapid.SampledFrom([]any{int32(0), int32(1), int32(-7), int32(math.MaxInt32), int32(math.MinInt32), int64(3), int64(-1), int64(math.MaxInt64), int64(math.MinInt64), 0.0, 1.0, 2.5, -2.5, 0.5, 1e300}).Draw(t, "number")
	case k < 6:
		return rapid.SampledFrom([]any{"", "a", "Ab", "añ€", "a b a", "12", "-7", "x1", "0123456789abcdef01234567", "1.50"}).Draw(t, "text")
	case k == 6:
		return rapid.Bool().Draw(t, "bool")
	case k == 7:
		return bson.DateTime(rapid.SampledFrom([]int64{0, -1, 1700000000123, 1709164800000, -86400000, 951782400000, 4102444799999}).Draw(t, "date"))
	case k == 8 || depth == 0:
		return nil
	case k < 11:
		a := bson.A{}
		for range rapid.IntRange(0, 3).Draw(t, "len") {
			a = append(a, someValue(t, depth-1))
		}
		return a
	}
	d := bson.D{}
	for _, k := range []string{"a", "b"} {
		if rapid.Bool().Draw(t, "has") {
			d = append(d, bson.E{Key: k, Value: someValue(t, depth-1)})
		}
	}
	return d
}

// TestExpressionsAgreeWithANaiveEvaluator evaluates random expressions on random documents twice.
func TestExpressionsAgreeWithANaiveEvaluator(t *testing.T) {
	values, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		doc := bson.D{}
		for _, f := range []string{"a", "b"} {
			if rapid.IntRange(0, 5).Draw(t, "has") > 0 {
				doc = append(doc, bson.E{Key: f, Value: someValue(t, 2)})
			}
		}
		list := bson.A{}
		for range rapid.IntRange(0, 4).Draw(t, "len") {
			list = append(list, someValue(t, 1))
		}
		doc = append(doc, bson.E{Key: "n", Value: int32(rapid.IntRange(-4, 4).Draw(t, "n"))}, bson.E{Key: "s", Value: rapid.SampledFrom([]string{"a", "Ab", "a b a", ""}).Draw(t, "s")},
			bson.E{Key: "d", Value: bson.DateTime(rapid.Int64Range(-1e11, 4e12).Draw(t, "d"))}, bson.E{Key: "d2", Value: bson.DateTime(rapid.Int64Range(-1e11, 4e12).Draw(t, "d2"))}, bson.E{Key: "l", Value: list}, bson.E{Key: "o", Value: bson.D{{Key: "a", Value: someValue(t, 1)}}})
		raw := mustMarshal(t, doc)
		for range 20 {
			e := expression(t, 3, false)
			want, wantErr := e.eval(doc, nil)
			if errors.Is(wantErr, errSkip) {
				continue
			}
			in := bson.Raw(mustMarshal(t, bson.D{{Key: "v", Value: e.text}})).Lookup("v")
			var got bson.RawValue
			x, err := expr.Compile(in, expr.NewScope(expr.Options{}))
			if mongoerr.CodeOf(err) == 5887502 {
				continue // $setEquals refuses a constant before anything is evaluated
			}
			if err == nil {
				env := expr.NewEnv(context.Background())
				env.Reset(raw)
				got, err = x.Eval(env)
			}
			if err != nil && wantErr != nil {
				refused++
				continue
			}
			shown := bson.D{}
			if got.Type != 0 {
				shown = append(shown, bson.E{Key: "v", Value: got})
			}
			expected := bson.D{}
			if want != (any)(missing{}) {
				expected = append(expected, bson.E{Key: "v", Value: want})
			}
			if err != nil || wantErr != nil || !bytes.Equal(mustMarshal(t, shown), mustMarshal(t, expected)) {
				t.Fatalf("%v\non %v\ngives %v, %v\nwant  %v, %v", in, doc, got, err, want, wantErr)
			}
			values++
		}
	})
	if values < 100 || refused < 100 {
		t.Errorf("%d values, %d refusals: the test looks at nothing", values, refused)
	}
}

func mustMarshal(t *rapid.T, v any) []byte {
	b, err := bson.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
