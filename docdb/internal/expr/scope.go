package expr

import (
	"context"
	"math/rand/v2"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// Options are the facts about an operation that its expressions may depend on. The zero value is usable.
type Options struct {
	// Collation orders and equates strings; nil means by bytes.
	Collation value.StringComparer
	// Now is $$NOW. The zero time leaves the variable undefined.
	Now time.Time
	// ClusterTime is $$CLUSTER_TIME. Zero leaves the variable undefined.
	ClusterTime bson.Timestamp
	// UserRoles is $$USER_ROLES, an array; missing stands for an empty one.
	UserRoles bson.RawValue
	// Rand returns a number in [0, 1) for $rand and $sampleRate; nil uses the process's random source.
	Rand func() float64
	// Context ends long evaluations inside filters and projections; nil for none.
	Context context.Context
}

// Scope is a set of names that an expression may refer to: the system variables and the user's, each of which has a slot that an
// Env holds the value of. A Scope is immutable; Define returns a larger one.
type Scope struct {
	opts   *Options
	parent *Scope
	name   string
	slot   int // of name; the number of slots below
	value  bson.RawValue
	fixed  bool // name stands for value, and has no slot
	next   int  // first free slot
	fields *Fields
}

// NewScope returns the scope that holds only the system variables.
func NewScope(opts Options) *Scope {
	if opts.Rand == nil {
		opts.Rand = rand.Float64
	}
	return &Scope{opts: &opts}
}

// Define returns a scope in which name is a variable, and the slot that Env.Bind fills.
func (s *Scope) Define(name string) (*Scope, int) {
	return &Scope{opts: s.opts, parent: s, name: name, slot: s.next, next: s.next + 1, fields: s.fields}, s.next
}

// Fix returns a scope in which name stands for a constant.
func (s *Scope) Fix(name string, v bson.RawValue) *Scope {
	return &Scope{opts: s.opts, parent: s, name: name, value: v, fixed: true, next: s.next, fields: s.fields}
}

// Noting returns the same scope, for expressions whose fields are noted in f.
func (s *Scope) Noting(f *Fields) *Scope {
	n := *s
	n.fields = f
	return &n
}

// Options returns what the scope was made with.
func (s *Scope) Options() Options { return *s.opts }

// Slots returns how many variables the scope has.
func (s *Scope) Slots() int { return s.next }

func (s *Scope) find(name string) *Scope {
	for ; s != nil && s.parent != nil; s = s.parent {
		if s.name == name {
			return s
		}
	}
	return nil
}

// ValidVariable checks the name of a variable that a user defines ($let, $map's as, let of a command).
func ValidVariable(name string) error {
	if name == "" {
		return mongoerr.New(16867, "empty variable names are not allowed")
	}
	if name == "CURRENT" {
		return nil
	}
	if c := name[0]; !(c >= 'a' && c <= 'z' || c >= utf8.RuneSelf) {
		return mongoerr.New(mongoerr.FailedToParse, "'%s' starts with an invalid character for a user variable name", name)
	}
	return validVariableRest(name)
}

func validVariableRest(name string) error {
	for i := 1; i < len(name); i++ {
		c := name[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c >= utf8.RuneSelf) {
			return mongoerr.New(mongoerr.FailedToParse, "'%s' contains an invalid character for a variable name: '%c'", name, c)
		}
	}
	return nil
}

// constants returns the value of a system variable that does not change during an operation.
func (s *Scope) constant(name string) (bson.RawValue, error) {
	switch name {
	case "NOW":
		if s.opts.Now.IsZero() {
			return bson.RawValue{}, mongoerr.New(51144, "Builtin variable '$$NOW' is not available")
		}
		b := make([]byte, 8)
		le.PutUint64(b, uint64(s.opts.Now.UnixMilli()))
		return bson.RawValue{Type: bson.TypeDateTime, Value: b}, nil
	case "CLUSTER_TIME":
		ts := s.opts.ClusterTime
		if ts.T == 0 && ts.I == 0 {
			return bson.RawValue{}, mongoerr.New(10071200, "Builtin variable '$$CLUSTER_TIME' is not available")
		}
		b := make([]byte, 8)
		le.PutUint64(b, uint64(ts.T)<<32|uint64(ts.I))
		return bson.RawValue{Type: bson.TypeTimestamp, Value: b}, nil
	case "USER_ROLES":
		if Missing(s.opts.UserRoles) {
			return bson.RawValue{Type: bson.TypeArray, Value: []byte{5, 0, 0, 0, 0}}, nil
		}
		return s.opts.UserRoles, nil
	case "REMOVE":
		return bson.RawValue{}, nil
	case "SEARCH_META":
		return bson.RawValue{}, mongoerr.New(6347902, "Must be running with a search service to use the $$SEARCH_META variable")
	}
	return bson.RawValue{}, mongoerr.New(17276, "Use of undefined variable: %s", name)
}
