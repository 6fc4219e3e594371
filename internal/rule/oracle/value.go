package oracle

import (
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
)

type missing struct{}

// decode turns BSON into Go values: bson.D, bson.A, string, float64, bool, nil …
func decode(v bson.RawValue) any {
	if v.Type == 0 {
		return missing{}
	}
	var out any
	if err := v.Unmarshal(&out); err != nil {
		panic(err)
	}
	return out
}

func get(v any, path []string) []any {
	if _, ok := v.(missing); ok {
		return nil
	}
	if len(path) == 0 {
		return []any{v}
	}
	var out []any
	switch x := v.(type) {
	case bson.D:
		for _, e := range x {
			if e.Key == path[0] {
				out = append(out, get(e.Value, path[1:])...)
				break
			}
		}
	case bson.A:
		if i, err := strconv.Atoi(path[0]); err == nil && i < len(x) && i >= 0 {
			out = append(out, get(x[i], path[1:])...)
		}
		for _, item := range x {
			if d, ok := item.(bson.D); ok {
				out = append(out, get(d, path)...)
			}
		}
	}
	return out
}

func field(d any, name string) any {
	if doc, ok := d.(bson.D); ok {
		for _, f := range doc {
			if f.Key == name {
				return f.Value
			}
		}
	}
	return missing{}
}

func number(v any) (float64, bool) {
	switch x := v.(type) {
	case int32:
		return float64(x), true
	case int64:
		return float64(x), true
	case float64:
		return x, true
	}
	return 0, false
}

func equal(a, b any) bool {
	if x, ok := number(a); ok {
		y, ok := number(b)
		return ok && x == y
	}
	switch x := a.(type) {
	case bson.A:
		y, ok := b.(bson.A)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !equal(x[i], y[i]) {
				return false
			}
		}
		return true
	case bson.D:
		y, ok := b.(bson.D)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if x[i].Key != y[i].Key || !equal(x[i].Value, y[i].Value) {
				return false
			}
		}
		return true
	}
	if _, ok := number(b); ok {
		return false
	}
	switch b.(type) {
	case bson.A, bson.D:
		return false
	}
	return a == b
}

// identical compares values with their types.
func identical(a, b any) bool {
	_, noA := a.(missing)
	_, noB := b.(missing)
	if noA || noB {
		return noA == noB
	}
	return raw(a).Equal(raw(b))
}

func has(list, v any) bool {
	l, ok := list.(bson.A)
	return ok && contains(l, v)
}

func contains(list bson.A, v any) bool {
	for _, x := range list {
		if equal(x, v) {
			return true
		}
	}
	return false
}

func names(a, b any) []string {
	var out []string
	seen := map[string]bool{}
	for _, d := range []any{a, b} {
		if doc, ok := d.(bson.D); ok {
			for _, f := range doc {
				if !seen[f.Key] {
					seen[f.Key] = true
					out = append(out, f.Key)
				}
			}
		}
	}
	return out
}
