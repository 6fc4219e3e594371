package expr

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
)

func dateOperators() []operator {
	part := func(name, help string, of func(t time.Time) int, long bool) operator {
		return operator{name: name, help: help, compile: func(c *compiler, name string, arg bson.RawValue) (Expr, error) {
			return compileDatePart(c, name, arg, of, long)
		}}
	}
	return []operator{
		part("$year", "year", time.Time.Year, false),
		part("$month", "month, 1 to 12", func(t time.Time) int { return int(t.Month()) }, false),
		part("$dayOfMonth", "day, 1 to 31", time.Time.Day, false),
		part("$dayOfYear", "day, 1 to 366", time.Time.YearDay, false),
		part("$dayOfWeek", "day, 1 (Sunday) to 7", func(t time.Time) int { return int(t.Weekday()) + 1 }, false),
		part("$isoDayOfWeek", "day, 1 (Monday) to 7", isoDay, false),
		part("$week", "week, 0 to 53, beginning on Sundays", weekOfYear, false),
		part("$isoWeek", "ISO week, 1 to 53", func(t time.Time) int { _, w := t.ISOWeek(); return w }, false),
		part("$isoWeekYear", "year of the ISO week", func(t time.Time) int { y, _ := t.ISOWeek(); return y }, true),
		part("$hour", "hour, 0 to 23", time.Time.Hour, false),
		part("$minute", "minute, 0 to 59", time.Time.Minute, false),
		part("$second", "second, 0 to 60", time.Time.Second, false),
		part("$millisecond", "millisecond, 0 to 999", func(t time.Time) int { return t.Nanosecond() / 1e6 }, false),
		{name: "$dateToString", compile: compileDateToString, help: "a date by a format"},
		{name: "$dateFromString", compile: compileDateFromString, help: "a date from text, free or by a format"},
		{name: "$dateFromParts", compile: compileDateFromParts, help: "a date from year, month, …"},
		{name: "$dateToParts", compile: compileDateToParts, help: "a document of year, month, …"},
		{name: "$dateAdd", compile: compileDateAdd, help: "a date so many units later"},
		{name: "$dateSubtract", compile: compileDateAdd, help: "a date so many units earlier"},
		{name: "$dateDiff", compile: compileDateDiff, help: "unit boundaries between two dates"},
		{name: "$dateTrunc", compile: compileDateTrunc, help: "a date cut to the start of its unit"},
	}
}

// millis returns the milliseconds of what counts as a date: dates, timestamps and ObjectIds.
func millis(v bson.RawValue) (int64, bool) {
	switch v.Type {
	case bson.TypeDateTime:
		return int64(le.Uint64(v.Value)), true
	case bson.TypeTimestamp:
		return int64(le.Uint32(v.Value[4:])) * 1000, true
	case bson.TypeObjectID:
		b := v.Value
		return int64(uint32(b[0])<<24|uint32(b[1])<<16|uint32(b[2])<<8|uint32(b[3])) * 1000, true
	}
	return 0, false
}

// dateOf evaluates an operand that has to be a date; null is true for a nullish one.
func dateOf(env *Env, e Expr) (ms int64, null bool, err error) {
	v, err := e.Eval(env)
	if err != nil || Nullish(v) {
		return 0, true, err
	}
	ms, ok := millis(v)
	if !ok {
		return 0, false, mongoerr.New(16006, "can't convert from BSON type %s to Date", typeName(v))
	}
	return ms, false, nil
}

func isoDay(t time.Time) int {
	if d := int(t.Weekday()); d > 0 {
		return d
	}
	return 7
}

// weekOfYear counts the Sundays of the year up to t.
func weekOfYear(t time.Time) int { return (t.YearDay() + 6 - int(t.Weekday())) / 7 }

func compileDatePart(c *compiler, name string, arg bson.RawValue, of func(time.Time) int, long bool) (Expr, error) {
	vs := []bson.RawValue{arg, {}}
	switch arg.Type {
	case bson.TypeEmbeddedDocument:
		if first, _, ok := firstMember(arg.Value); ok && (len(first) == 0 || first[0] != '$') {
			var err error
			if vs, err = named(arg, nil, func(f string) error {
				return mongoerr.New(40535, "unrecognized option to %s: \"%s\"", name, f)
			}, "date", "timezone"); err != nil {
				return nil, err
			}
			if Missing(vs[0]) {
				return nil, mongoerr.New(40539, "missing 'date' argument to %s, provided: %s", name, show(arg))
			}
		}
	case bson.TypeArray:
		if count(arg.Value) != 1 {
			return nil, mongoerr.New(40536, "%s accepts exactly one argument if given an array, but was given %d", name, count(arg.Value))
		}
		vs[0] = elementAt(arg.Value, 0)
	}
	es, err := c.all(vs)
	if err != nil {
		return nil, err
	}
	return namedOf(es, func(env *Env, es []Expr) (bson.RawValue, error) {
		ms, null, err := dateOf(env, es[0])
		if null || err != nil {
			return Null, err
		}
		loc, null, err := zoneOf(env, es[1])
		if null || err != nil {
			return Null, err
		}
		n := of(time.UnixMilli(ms).In(loc))
		if long {
			return env.Int64(int64(n)), nil
		}
		return env.Int32(int32(n)), nil
	}), nil
}

func compileDateToParts(c *compiler, name string, arg bson.RawValue) (Expr, error) {
	vs, err := named(arg, mongoerr.New(40524, "$dateToParts only supports an object as its argument"), func(f string) error {
		return mongoerr.New(40520, "Unrecognized argument to $dateToParts: %s", f)
	}, "date", "timezone", "iso8601")
	if err != nil {
		return nil, err
	}
	if Missing(vs[0]) {
		return nil, mongoerr.New(40522, "Missing 'date' parameter to $dateToParts")
	}
	es, err := c.all(vs)
	if err != nil {
		return nil, err
	}
	return namedOf(es, func(env *Env, es []Expr) (bson.RawValue, error) {
		loc, null, err := zoneOf(env, es[1])
		if null || err != nil {
			return Null, err
		}
		iso, err := evalOr(env, es[2], Bool(false))
		if err != nil {
			return iso, err
		}
		if Nullish(iso) {
			return Null, nil
		}
		if iso.Type != bson.TypeBoolean {
			return Null, mongoerr.New(40521, "iso8601 must evaluate to a bool, found %s", typeName(iso))
		}
		ms, null, err := dateOf(env, es[0])
		if null || err != nil {
			return Null, err
		}
		t := time.UnixMilli(ms).In(loc)
		in := func(name string, n int) member { return member{[]byte(name), env.Int32(int32(n))} }
		var ms2 []member
		if Truthy(iso) {
			y, w := t.ISOWeek()
			ms2 = []member{in("isoWeekYear", y), in("isoWeek", w), in("isoDayOfWeek", isoDay(t))}
		} else {
			ms2 = []member{in("year", t.Year()), in("month", int(t.Month())), in("day", t.Day())}
		}
		ms2 = append(ms2, in("hour", t.Hour()), in("minute", t.Minute()), in("second", t.Second()), in("millisecond", t.Nanosecond()/1e6))
		return env.object(ms2)
	}), nil
}

// dateParts are the arguments of $dateFromParts with what they default to.
var dateParts = []string{"year", "month", "day", "hour", "minute", "second", "millisecond", "isoWeekYear", "isoWeek", "isoDayOfWeek", "timezone"}

func compileDateFromParts(c *compiler, name string, arg bson.RawValue) (Expr, error) {
	vs, err := named(arg, mongoerr.New(40519, "$dateFromParts only supports an object as its argument"), func(f string) error {
		return mongoerr.New(40518, "Unrecognized argument to $dateFromParts: %s", f)
	}, dateParts...)
	if err != nil {
		return nil, err
	}
	calendar := !Missing(vs[0])
	iso := !Missing(vs[7])
	switch {
	case !calendar && !iso:
		return nil, mongoerr.New(40516, "$dateFromParts requires either 'year' or 'isoWeekYear' to be present")
	case calendar && iso:
		return nil, mongoerr.New(40489, "$dateFromParts does not allow mixing natural dates with ISO dates")
	case calendar && (!Missing(vs[8]) || !Missing(vs[9])):
		return nil, mongoerr.New(40489, "$dateFromParts does not allow mixing natural dates with ISO dates")
	case iso && (!Missing(vs[1]) || !Missing(vs[2])):
		return nil, mongoerr.New(40525, "$dateFromParts does not allow mixing ISO dates with natural dates")
	}
	es, err := c.all(vs)
	if err != nil {
		return nil, err
	}
	return namedOf(es, evalDateFromParts), nil
}

func evalDateFromParts(env *Env, es []Expr) (bson.RawValue, error) {
	n := [10]int64{1970, 1, 1, 0, 0, 0, 0, 1970, 1, 1}
	for i := range n {
		if es[i] == nil {
			continue
		}
		v, err := es[i].Eval(env)
		if err != nil {
			return v, err
		}
		if Nullish(v) {
			return Null, nil
		}
		num, ok := numberOf(v)
		if ok {
			n[i], ok = num.integer()
		}
		if !ok {
			return Null, mongoerr.New(40515, "'%s' must evaluate to an integer, found %s with value %s", dateParts[i], typeName(v), show(v))
		}
		switch i {
		case 0:
			if n[i] < 1 || n[i] > 9999 {
				return Null, mongoerr.New(40523, "'year' must evaluate to an integer in the range 1 to 9999, found %d", n[i])
			}
		case 7:
			if n[i] < 1 || n[i] > 9999 {
				return Null, mongoerr.New(31095, "'isoWeekYear' must evaluate to an integer in the range 1 to 9999, found %d", n[i])
			}
		case 5, 6:
			if n[i] > 1<<50 || n[i] < -1<<50 {
				return Null, mongoerr.New(31034, "'%s' must evaluate to a value that keeps the date in range, found %d", dateParts[i], n[i])
			}
		default:
			if n[i] < -32768 || n[i] > 32767 {
				return Null, mongoerr.New(31034, "'%s' must evaluate to a value in the range [-32768, 32767]; value %d is not in range", dateParts[i], n[i])
			}
		}
	}
	loc, null, err := zoneOf(env, es[10])
	if null || err != nil {
		return Null, err
	}
	year, month, day := int(n[0]), int(n[1]), int(n[2])
	if es[7] != nil {
		// The first ISO week is the one with 4 January.
		fourth := time.Date(int(n[7]), 1, 4, 0, 0, 0, 0, time.UTC)
		year, month = int(n[7]), 1
		day = 4 - (isoDay(fourth) - 1) + 7*(int(n[8])-1) + int(n[9]) - 1
	}
	t := time.Date(year, time.Month(month), day, int(n[3]), int(n[4]), 0, 0, loc)
	return env.Date(t.UnixMilli() + n[5]*1000 + n[6]), nil
}
