package expr

import (
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // Olson zones on machines that have none

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
)

// zoneCacheSize bounds how many zones an Env remembers; a zone name may come from a document.
const zoneCacheSize = 32

// zoneOf reads a timezone argument: an Olson name, "UTC", "GMT" or ±hh[[:]mm]. A nil e means UTC; null is true for a nullish one.
func zoneOf(env *Env, e Expr) (loc *time.Location, null bool, err error) {
	if e == nil {
		return time.UTC, false, nil
	}
	v, err := e.Eval(env)
	if err != nil {
		return nil, false, err
	}
	if Nullish(v) {
		return nil, true, nil
	}
	if v.Type != bson.TypeString {
		return nil, false, mongoerr.New(40517, "timezone must evaluate to a string, found %s", typeName(v))
	}
	name := string(stringBytes(v))
	if loc, ok := env.zones[name]; ok {
		return loc, false, nil
	}
	if loc, err = parseZone(name); err != nil {
		return nil, false, err
	}
	if env.zones == nil || len(env.zones) >= zoneCacheSize {
		env.zones = map[string]*time.Location{}
	}
	env.zones[strings.Clone(name)] = loc
	return loc, false, nil
}

func parseZone(name string) (*time.Location, error) {
	switch name {
	case "UTC", "GMT", "Z":
		return time.UTC, nil
	}
	if len(name) > 0 && (name[0] == '+' || name[0] == '-') {
		if sec, ok := parseOffset(name); ok {
			if sec == 0 {
				return time.UTC, nil
			}
			return time.FixedZone(name, sec), nil
		}
	} else if name != "" && name != "Local" && len(name) < 64 {
		if loc, err := time.LoadLocation(name); err == nil {
			return loc, nil
		}
	}
	return nil, mongoerr.New(40485, "unrecognized time zone identifier: \"%s\"", name)
}

// parseOffset reads ±hh, ±hhmm or ±hh:mm as seconds east of UTC.
func parseOffset(s string) (int, bool) {
	digits := s[1:]
	if len(digits) == 5 && digits[2] == ':' {
		digits = digits[:2] + digits[3:]
	}
	if len(digits) != 2 && len(digits) != 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return 0, false
	}
	sec := int(n) * 3600
	if len(digits) == 4 {
		sec = int(n/100)*3600 + int(n%100)*60
	}
	if s[0] == '-' {
		sec = -sec
	}
	return sec, true
}
