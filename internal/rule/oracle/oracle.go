// Package oracle is a second reading of the rules, for tests: one document, one
// user, straight from app-services.md §5 and the table of choices, on decoded
// values, without compilation, queries, caches or shortcuts. What package rule
// does faster must come out the same.
package oracle

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
	"regent/internal/rule"
	"regent/internal/user"
)

// Oracle judges for one user under one collection's rules.
type Oracle struct {
	Rules     *app.Rules
	Choices   rule.Choices
	User      *user.User
	Functions map[string]bool // results of %function by name; absent ones throw
}

func (o *Oracle) role(e env) *app.Role {
	for i := range o.Rules.Roles {
		if o.truth(decode(o.Rules.Roles[i].ApplyWhen), e) {
			return &o.Rules.Roles[i]
		}
	}
	return nil
}

// permission is a permission that is true, false or undefined.
func (o *Oracle) permission(v bson.RawValue, e env) (granted, defined bool) {
	if v.Type == 0 {
		return false, false
	}
	return o.truth(decode(v), e), true
}

func (o *Oracle) orTrue(v bson.RawValue, e env) bool {
	granted, defined := o.permission(v, e)
	return granted || !defined
}
