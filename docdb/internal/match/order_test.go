package match

import (
	"os"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/cases"
	"regent/docdb/internal/value"
)

// ranked is a value with its place in order.tab.
type ranked struct {
	v             bson.RawValue
	bracket, rank int
	nan           bool
}

func readOrder(t *testing.T) []ranked {
	text, err := os.ReadFile("testdata/order.tab")
	if err != nil {
		t.Fatal(err)
	}
	var out []ranked
	bracket := 0
	for n, l := range strings.Split(string(text), "\n") {
		switch {
		case strings.HasPrefix(l, "#"):
			continue
		case strings.TrimSpace(l) == "":
			bracket++
			continue
		}
		for _, s := range strings.Split(l, "  ") {
			v := value.Clone(value.Lookup(cases.Doc(t, `{"v": `+s+`}`), "v"))
			out = append(out, ranked{v, bracket, n, strings.Contains(s, "NaN")})
		}
	}
	return out
}

// TestEveryPairOfTypes tries each comparison operator with each value of order.tab against each other one: on a field, on an element of an
// array, and negated.
func TestEveryPairOfTypes(t *testing.T) {
	list := readOrder(t)
	tried := 0
	for _, operand := range list {
		for _, op := range []string{"$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin"} {
			arg := operand.v
			if op == "$in" || op == "$nin" {
				arg = value.ArrayOf([]bson.RawValue{operand.v})
			}
			cond := value.Doc(value.DocOf(value.Field{Name: op, Value: arg}))
			m, err := Compile(value.DocOf(value.Field{Name: "a", Value: cond}), Options{})
			if err != nil {
				t.Fatalf("%s %s: %v", op, value.Show(operand.v), err)
			}
			not, err := Compile(value.DocOf(value.Field{Name: "a", Value: value.Doc(value.DocOf(value.Field{Name: "$not", Value: cond}))}), Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range list {
				same, less := x.rank == operand.rank, x.rank < operand.rank
				if x.nan != operand.nan {
					less = false // NaN is neither less nor greater in a query
				}
				in := x.bracket == operand.bracket
				greater := in && !less && !same && x.nan == operand.nan
				less = in && less
				var want bool
				switch op {
				case "$eq", "$in":
					want = same
				case "$ne", "$nin":
					want = !same
				case "$gt":
					want = greater
				case "$gte":
					want = greater || same
				case "$lt":
					want = less
				case "$lte":
					want = less || same
				}
				for _, d := range []bson.Raw{
					value.DocOf(value.Field{Name: "a", Value: x.v}),
					value.DocOf(value.Field{Name: "a", Value: value.ArrayOf([]bson.RawValue{x.v})}),
				} {
					tried++
					if got, err := m.Match(d); err != nil || got != want {
						t.Errorf("{a: {%s: %s}} on %s is %t, %v", op, value.Show(operand.v), value.ShowDoc(d), got, err)
					}
					if got, err := not.Match(d); err != nil || got == want {
						t.Errorf("{a: {$not: {%s: %s}}} on %s is %t, %v", op, value.Show(operand.v), value.ShowDoc(d), got, err)
					}
				}
			}
		}
	}
	t.Logf("%d pairs", tried)
}
