package setting

import "fmt"

// Entries makes a setting of a map from names to a table's settings, such as
// overrides by provider. A Field returns it.
func Entries[V any](m *map[string]V, table Table[V]) any {
	return &entriesOf[V]{m, table}
}

// entries is entriesOf without its type parameter.
type entries interface {
	decode(v any) []*Problem
	validate() error
	rows() []row
}

type entriesOf[V any] struct {
	m     *map[string]V
	table Table[V]
}

func (e *entriesOf[V]) decode(v any) []*Problem {
	object, ok := v.(map[string]any)
	if !ok {
		return []*Problem{{Message: fmt.Sprintf("expected an object, found %s", describe(v))}}
	}
	var problems []*Problem
	decoded := make(map[string]V, len(object))
	for _, name := range sortedKeys(object) {
		var one V
		e.table.SetDefaults(&one)
		values, ok := object[name].(map[string]any)
		if !ok {
			problems = append(problems, &Problem{Path: []string{name},
				Message: fmt.Sprintf("expected an object, found %s", describe(object[name]))})
			continue
		}
		for _, p := range e.table.Decode(&one, values) {
			p.Path = append([]string{name}, p.Path...)
			problems = append(problems, p)
		}
		decoded[name] = one
	}
	*e.m = decoded
	return problems
}

func (e *entriesOf[V]) validate() error { return e.table.Validate() }

func (e *entriesOf[V]) rows() []row { return e.table.rows() }
