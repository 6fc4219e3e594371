package command

import (
	"bytes"
	"math/rand/v2"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/keys"
	"regent/docdb/internal/match"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

// Language is what the store asks of the query language; see store.Language.
type Language struct {
	// Now is the clock of $$NOW in partial indexes and validators; default time.Now.
	Now func() time.Time
}

// Collator implements store.Language.
func (l Language) Collator(spec bson.Raw) (keys.Collator, error) {
	c, err := comparer(spec)
	if c == nil || err != nil {
		return nil, err
	}
	return c, nil
}

// Filter implements store.Language.
func (l Language) Filter(filter, collationSpec bson.Raw) (func(bson.Raw) (bool, error), error) {
	c, err := comparer(collationSpec)
	if err != nil {
		return nil, err
	}
	m, err := match.Compile(filter, matchOptions(plainComparer(c), nil, expr.Options{Collation: plainComparer(c)}))
	if err != nil {
		return nil, err
	}
	return m.Match, nil
}

// Included implements store.Language: wildcardProjection includes or excludes paths, as a projection does.
func (l Language) Included(projection bson.Raw) (func(string) bool, error) {
	if value.Count(projection) == 0 {
		return nil, mongoerr.New(mongoerr.FailedToParse, "wildcardProjection must be a non-empty document")
	}
	r := reachOf(projection)
	return r.covers, nil
}

// Validator implements store.Language: the validator of a collection's options, by validationLevel and validationAction.
func (l Language) Validator(options bson.Raw) (store.Validator, error) {
	filter, ok := value.Lookup(options, "validator").DocumentOK()
	if !ok || value.Count(filter) == 0 {
		return nil, nil
	}
	level, _ := value.Text(value.Lookup(options, "validationLevel"))
	action, _ := value.Text(value.Lookup(options, "validationAction"))
	if level == "off" {
		return nil, nil
	}
	collationSpec, _ := value.Lookup(options, "collation").DocumentOK()
	c, err := comparer(collationSpec)
	if err != nil {
		return nil, err
	}
	m, err := match.Compile(filter, matchOptions(plainComparer(c), nil, expr.Options{Collation: plainComparer(c), Now: l.now()}))
	if err != nil {
		return nil, err
	}
	if action == "warn" {
		// A warning goes to MongoDB's log only; the write succeeds.
		return nil, nil
	}
	filter = append(bson.Raw(nil), filter...)
	return func(old, doc bson.Raw) error {
		ok, err := m.Match(doc)
		if err != nil || ok {
			return err
		}
		if level == "moderate" && old != nil {
			// Documents that were invalid before may stay so.
			was, err := m.Match(old)
			if err != nil || !was {
				return err
			}
		}
		return validationError(filter, doc)
	}, nil
}

// plainComparer is c, really nil for the simple collation.
func plainComparer(c keyedComparer) value.StringComparer {
	if c == nil {
		return nil
	}
	return c
}

func (l Language) now() time.Time {
	if l.Now != nil {
		return l.Now()
	}
	return time.Now()
}

// validationError is error 121 with what the driver shows of it.
func validationError(filter, doc bson.Raw) error {
	e := mongoerr.New(mongoerr.DocumentValidationFailure, "Document failed validation")
	details := failureDetails(filter, doc)
	b, err := bson.Marshal(bson.D{{Key: "failingDocumentId", Value: value.Lookup(doc, "_id")}, {Key: "details", Value: details}})
	if err == nil {
		e.ErrInfo = b
	}
	return e
}

// matchOptions is what filters need: expressions, random numbers, variables of let.
func matchOptions(c value.StringComparer, scope *expr.Scope, opts expr.Options) match.Options {
	if scope == nil {
		scope = expr.NewScope(opts)
	}
	return match.Options{
		Collation: c,
		Rand:      rand.Float64,
		Expr: func(v bson.RawValue) (func(bson.Raw) (bool, error), error) {
			e, err := expr.Compile(value.Clone(v), scope)
			if err != nil {
				return nil, err
			}
			return exprPredicate(opts.Context, e), nil
		},
		JSONSchema: compileSchema,
		Geo:        compileGeo,
	}
}

// simpleCollation reports whether a collation document means comparison by bytes.
func simpleCollation(spec bson.Raw) bool {
	if spec == nil {
		return true
	}
	s, ok := value.Text(value.Lookup(spec, "locale"))
	return ok && s == "simple"
}

// sameSpec compares collation documents.
func sameSpec(a, b bson.Raw) bool { return bytes.Equal(a, b) }
