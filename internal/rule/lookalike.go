package rule

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// What looks like an operator or an expansion without being one is a field's name or a
// text, as anything else that stands there (real-apps.md §11, trap 13). It means what it
// says, which is hardly ever what was meant, so that loading the app warns.

// lookalikes is the table of names that are taken for operators, with what was meant.
var lookalikes = func() map[string]string {
	t := map[string]string{
		// Words of JSON schema.
		"anyOf": "%or", "oneOf": "%or", "allOf": "%and", "enum": "$in", "const": "$eq",
		"minimum": "$gte", "maximum": "$lte", "exclusiveMinimum": "$gt", "exclusiveMaximum": "$lt",
	}
	// Operators without their % or $.
	for name := range comparisons {
		t[name] = "$" + name
	}
	for _, name := range []string{"and", "or", "nor", "not", "exists", "function"} {
		t[name] = "%" + name
	}
	for name := range conversions {
		t[name] = "%" + name
	}
	return t
}()

// fieldLookalike warns of a field that is named like an operator, and of an operator's
// name with something between it and the field.
func (c *compiler) fieldLookalike(key string, v bson.RawValue, at string) {
	meant := lookalikes[key]
	if meant == "" || v.Type != bson.TypeArray && v.Type != bson.TypeEmbeddedDocument {
		return // {"function": "teacher"} is about a field
	}
	c.warn(at, "%q is read as the name of a field of the document; the operator is written %s", key, meant)
}

// valueLookalike warns of a literal document all of whose keys are named like operators.
func (c *compiler) valueLookalike(d bson.Raw, at string) {
	first := ""
	for it := newIter(d); it.next(); {
		key := string(it.key)
		if lookalikes[key] == "" {
			return
		}
		if first == "" {
			first = key
		}
	}
	if first != "" {
		c.warn(at, "the object is read as a value to compare with, not as an operator; the operator is written %s", lookalikes[first])
	}
}

// textLookalike warns of a text that begins like an expansion.
func (c *compiler) textLookalike(s, at string) {
	switch {
	case strings.HasPrefix(s, "%") && !strings.HasPrefix(s, "%%") && len(s) > 1 && isNameByte(s[1]):
		c.warn(at, "%q is read as a text; an expansion begins with %%%%", s)
	case strings.HasPrefix(s, "$$"):
		c.warn(at, "%q is read as a text; an expansion is written %%%%%s", s, s[2:])
	}
}

func isNameByte(b byte) bool { return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' }

// queryOperators are those that MongoDB reads in a query, by where they stand.
var (
	topOperators   = names("and or nor expr where jsonSchema text comment alwaysTrue alwaysFalse sampleRate")
	fieldOperators = names(`eq ne gt gte lt lte in nin exists type mod regex options all elemMatch size not
		geoWithin geoIntersects near nearSphere maxDistance minDistance bitsAllSet bitsAnySet bitsAllClear bitsAnyClear`)
)

func names(list string) map[string]bool {
	m := map[string]bool{}
	for _, n := range strings.Fields(list) {
		m[n] = true
	}
	return m
}

// checkQuery reports what MongoDB would not know in a filter's query, so that the
// filter is broken when the app loads and not when somebody reads. Operators in the %
// form and what computes a value are the compiler's.
func (c *compiler) checkQuery(d bson.Raw, at string, depth int) {
	if !c.count(at, depth) {
		return
	}
	for it := newIter(d); it.next(); {
		key := string(it.key)
		at := at + "." + key
		sub, isDoc := it.value.DocumentOK()
		switch {
		case strings.HasPrefix(key, "%%"):
		case isOperator(key):
			switch name := key[1:]; {
			case !topOperators[name] && key[0] == '$':
				c.problem(at, "unknown operator %q in a query", key)
			case name == "and" || name == "or" || name == "nor":
				if it.value.Type != bson.TypeArray {
					c.problem(at, "%s needs an array", key)
					continue
				}
				i := 0
				for items := newIter(it.value.Value); items.next(); i++ {
					if sub, ok := items.value.DocumentOK(); ok {
						c.checkQuery(sub, at+"["+arrayKey(i)+"]", depth+1)
					}
				}
			}
		default:
			c.fieldLookalike(key, it.value, at)
			if s, ok := it.value.StringValueOK(); ok {
				c.textLookalike(s, at)
			}
			switch {
			case !isDoc || isExtendedJSON(sub):
			case operatorKeys(sub):
				c.checkConditions(sub, at, depth+1)
			default:
				c.valueLookalike(sub, at)
			}
		}
	}
}

func (c *compiler) checkConditions(d bson.Raw, at string, depth int) {
	if !c.count(at, depth) {
		return
	}
	for it := newIter(d); it.next(); {
		key := string(it.key)
		at := at + "." + key
		if !isOperator(key) {
			continue // the compiler or MongoDB says so
		}
		name := key[1:]
		_, isConversion := conversions[name]
		if !fieldOperators[name] && !isConversion && name != "function" && key != "$ref" && key != "$id" && key != "$db" {
			c.problem(at, "unknown operator %q in a query", key)
			continue
		}
		if s, ok := it.value.StringValueOK(); ok {
			c.textLookalike(s, at)
		}
		sub, isDoc := it.value.DocumentOK()
		switch {
		case !isDoc:
		case name == "not" || name == "elemMatch" && operatorKeys(sub) && !logical(sub):
			c.checkConditions(sub, at, depth+1)
		case name == "elemMatch":
			c.checkQuery(sub, at, depth+1)
		}
	}
}
