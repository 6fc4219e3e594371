package expr

import (
	"context"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Predicate compiles an expression to a condition on documents, as $expr in a filter is one. The condition may be used by several
// goroutines. vars are the values of the scope's variables, by slot.
func Predicate(v bson.RawValue, scope *Scope, vars []bson.RawValue) (func(doc bson.Raw) (bool, error), error) {
	e, err := Compile(v, scope)
	if err != nil {
		return nil, err
	}
	pool := sync.Pool{New: func() any {
		env := NewEnv(context.Background())
		for i, v := range vars {
			env.Bind(i, v)
		}
		return env
	}}
	return func(doc bson.Raw) (bool, error) {
		env := pool.Get().(*Env)
		defer pool.Put(env)
		env.Reset(doc)
		r, err := e.Eval(env)
		return err == nil && Truthy(r), err
	}, nil
}
