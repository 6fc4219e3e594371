package expr

import (
	"math"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
)

// Unit is a unit of time.
type Unit int

// The units of time, from the shortest.
const (
	Millisecond Unit = iota
	Second
	Minute
	Hour
	Day
	Week
	Month
	Quarter
	Year
)

var unitNames = map[string]Unit{
	"millisecond": Millisecond, "second": Second, "minute": Minute, "hour": Hour, "day": Day,
	"week": Week, "month": Month, "quarter": Quarter, "year": Year,
}

// Millis is the length of a unit up to a week, in milliseconds; 0 for units that vary.
func (u Unit) Millis() int64 {
	return [...]int64{1, 1000, 60_000, 3_600_000, 86_400_000, 7 * 86_400_000, 0, 0, 0}[u]
}

// ParseUnit reads the name of a unit.
func ParseUnit(name string) (Unit, error) {
	u, ok := unitNames[name]
	if !ok {
		return 0, mongoerr.New(mongoerr.FailedToParse, "unknown time unit value: %s", name)
	}
	return u, nil
}

func unitOf(env *Env, e Expr, op string, code mongoerr.Code) (u Unit, null bool, err error) {
	v, err := e.Eval(env)
	if err != nil || Nullish(v) {
		return 0, true, err
	}
	if v.Type != bson.TypeString {
		return 0, false, mongoerr.New(code, "%s requires 'unit' to be a string, but got %s", op, typeName(v))
	}
	u, err = ParseUnit(string(stringBytes(v)))
	return u, false, err
}

// AddUnits moves a date by so many units: months and longer clamp to the end of the month, days and longer keep the local time.
func AddUnits(ms int64, u Unit, amount int64, loc *time.Location) (int64, error) {
	overflow := mongoerr.New(5166406, "$dateAdd overflowed")
	if size := u.Millis(); u <= Hour {
		if amount > math.MaxInt64/size || amount < math.MinInt64/size {
			return 0, overflow
		}
		sum, over := addOverflows(ms, amount*size)
		if over {
			return 0, overflow
		}
		return sum, nil
	}
	const most = 300_000_000 // years; the range of a date in milliseconds
	t := time.UnixMilli(ms).In(loc)
	months := int64(0)
	switch u {
	case Day, Week:
		if u == Week {
			amount *= 7
		}
		if amount > most*366 || amount < -most*366 {
			return 0, overflow
		}
		t = t.AddDate(0, 0, int(amount))
	case Month:
		months = 1
	case Quarter:
		months = 3
	case Year:
		months = 12
	}
	if months > 0 {
		if amount > most*12/months || amount < -most*12/months {
			return 0, overflow
		}
		y, m, d := t.Date()
		total := int64(y)*12 + int64(m) - 1 + amount*months
		y, m = int(floorDiv(total, 12)), time.Month(floorMod(total, 12)+1)
		if last := time.Date(y, m+1, 0, 0, 0, 0, 0, time.UTC).Day(); d > last {
			d = last
		}
		t = time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), loc)
	}
	if s := t.Unix(); s > math.MaxInt64/1000-1 || s < math.MinInt64/1000+1 {
		return 0, overflow
	}
	return t.UnixMilli(), nil
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

func floorMod(a, b int64) int64 { return a - floorDiv(a, b)*b }

func compileDateAdd(c *compiler, name string, arg bson.RawValue) (Expr, error) {
	vs, err := named(arg, mongoerr.New(5166400, "%s expects an object as its argument", name), func(f string) error {
		return mongoerr.New(5166401, "Unrecognized argument to %s: %s. Expected arguments are startDate, unit, amount, and optionally timezone.", name, f)
	}, "startDate", "unit", "amount", "timezone")
	if err != nil {
		return nil, err
	}
	for i := range 3 {
		if Missing(vs[i]) {
			return nil, mongoerr.New(5166402, "%s requires startDate, unit, and amount to be present", name)
		}
	}
	es, err := c.all(vs)
	if err != nil {
		return nil, err
	}
	return namedOf(es, func(env *Env, es []Expr) (bson.RawValue, error) {
		start, err := es[0].Eval(env)
		if err != nil {
			return start, err
		}
		u, nullUnit, err := unitOf(env, es[1], name, 5166404)
		if err != nil {
			return Null, err
		}
		amount, err := es[2].Eval(env)
		if err != nil {
			return amount, err
		}
		loc, nullZone, err := zoneOf(env, es[3])
		if err != nil {
			return Null, err
		}
		if Nullish(start) || nullUnit || Nullish(amount) || nullZone {
			return Null, nil
		}
		ms, ok := millis(start)
		if !ok {
			return Null, mongoerr.New(5166403, "%s requires startDate to be convertible to a date", name)
		}
		n, ok := numberOf(amount)
		var i int64
		if ok {
			i, ok = n.integer()
		}
		if !ok {
			return Null, mongoerr.New(5166405, "%s expects integer amount of time units", name)
		}
		if name == "$dateSubtract" {
			if i == math.MinInt64 {
				return Null, mongoerr.New(6045000, "invalid %s 'amount' parameter value: %d", name, i)
			}
			i = -i
		}
		ms, err = AddUnits(ms, u, i, loc)
		if err != nil {
			return Null, err
		}
		return env.Date(ms), nil
	}), nil
}

func compileDateDiff(c *compiler, name string, arg bson.RawValue) (Expr, error) {
	vs, err := named(arg, mongoerr.New(5166301, "$dateDiff only supports an object as its argument"), func(f string) error {
		return mongoerr.New(5166302, "Unrecognized argument to $dateDiff: %s", f)
	}, "startDate", "endDate", "unit", "timezone", "startOfWeek")
	if err != nil {
		return nil, err
	}
	for i, f := range []string{"startDate", "endDate", "unit"} {
		if Missing(vs[i]) {
			return nil, mongoerr.New(mongoerr.Code(5166303+i), "Missing '%s' parameter to $dateDiff", f)
		}
	}
	es, err := c.all(vs)
	if err != nil {
		return nil, err
	}
	return namedOf(es, func(env *Env, es []Expr) (bson.RawValue, error) {
		var at [2]int64
		var null [2]bool
		for i := range at {
			v, err := es[i].Eval(env)
			if err != nil {
				return v, err
			}
			if null[i] = Nullish(v); null[i] {
				continue
			}
			var ok bool
			if at[i], ok = millis(v); !ok {
				return Null, mongoerr.New(5166307, "$dateDiff requires '%s' to be a date, but got %s", [...]string{"startDate", "endDate"}[i], typeName(v))
			}
		}
		u, nullUnit, err := unitOf(env, es[2], name, 5439013)
		if err != nil {
			return Null, err
		}
		loc, nullZone, err := zoneOf(env, es[3])
		if err != nil {
			return Null, err
		}
		first, nullDay := time.Sunday, false
		if es[4] != nil && (u == Week || nullUnit) {
			if first, nullDay, err = startOfWeek(env, es[4], name); err != nil {
				return Null, err
			}
		}
		if null[0] || null[1] || nullUnit || nullZone || nullDay {
			return Null, nil
		}
		return env.Int64(diffUnits(time.UnixMilli(at[0]).In(loc), time.UnixMilli(at[1]).In(loc), u, first)), nil
	}), nil
}

// startOfWeek reads the name of a day: whole, or its first three letters, in any case.
func startOfWeek(env *Env, e Expr, op string) (time.Weekday, bool, error) {
	if e == nil {
		return time.Sunday, false, nil
	}
	v, err := e.Eval(env)
	if err != nil || Nullish(v) {
		return 0, true, err
	}
	if v.Type != bson.TypeString {
		return 0, false, mongoerr.New(5439015, "%s requires 'startOfWeek' to be a string, but got %s", op, typeName(v))
	}
	s := string(upperASCII(stringBytes(v)))
	for d := time.Sunday; d <= time.Saturday; d++ {
		if n := string(upperASCII([]byte(d.String()))); s == n || s == n[:3] {
			return d, false, nil
		}
	}
	return 0, false, mongoerr.New(5439016, "%s parameter 'startOfWeek' value cannot be recognized as a day of a week: %s", op, stringBytes(v))
}

// civil is the number of a local day, 1970-01-01 being 0.
func civil(t time.Time) int64 {
	y, m, d := t.Date()
	return floorDiv(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix(), 86400)
}

// diffUnits counts the boundaries of a unit between two dates.
func diffUnits(a, b time.Time, u Unit, first time.Weekday) int64 {
	switch u {
	case Year:
		return int64(b.Year()) - int64(a.Year())
	case Quarter:
		return quarters(b) - quarters(a)
	case Month:
		return months(b) - months(a)
	case Week:
		// Day 0, 1970-01-01, was a Thursday.
		shift := int64(time.Thursday - first)
		return floorDiv(civil(b)+shift, 7) - floorDiv(civil(a)+shift, 7)
	case Day:
		return civil(b) - civil(a)
	case Millisecond:
		return b.UnixMilli() - a.UnixMilli()
	}
	size := u.Millis() / 1000
	clock := func(t time.Time) int64 {
		_, off := t.Zone()
		return floorDiv(t.Unix()+int64(off)%size, size)
	}
	return clock(b) - clock(a)
}

func months(t time.Time) int64   { return int64(t.Year())*12 + int64(t.Month()) - 1 }
func quarters(t time.Time) int64 { return floorDiv(months(t), 3) }

func compileDateTrunc(c *compiler, name string, arg bson.RawValue) (Expr, error) {
	vs, err := named(arg, mongoerr.New(5439007, "$dateTrunc only supports an object as its argument"), func(f string) error {
		return mongoerr.New(5439008, "Unrecognized argument to $dateTrunc: %s. Expected arguments are date, unit, and optionally, binSize, timezone, startOfWeek", f)
	}, "date", "unit", "binSize", "timezone", "startOfWeek")
	if err != nil {
		return nil, err
	}
	if Missing(vs[0]) {
		return nil, mongoerr.New(5439009, "Missing 'date' parameter to $dateTrunc")
	}
	if Missing(vs[1]) {
		return nil, mongoerr.New(5439010, "Missing 'unit' parameter to $dateTrunc")
	}
	es, err := c.all(vs)
	if err != nil {
		return nil, err
	}
	return namedOf(es, func(env *Env, es []Expr) (bson.RawValue, error) {
		d, err := es[0].Eval(env)
		if err != nil {
			return d, err
		}
		u, nullUnit, err := unitOf(env, es[1], name, 5439013)
		if err != nil {
			return Null, err
		}
		bin, nullBin := int64(1), false
		if es[2] != nil {
			v, err := es[2].Eval(env)
			if err != nil {
				return v, err
			}
			if nullBin = Nullish(v); !nullBin {
				n, ok := numberOf(v)
				if ok {
					bin, ok = n.integer()
				}
				if !ok {
					return Null, mongoerr.New(5439017, "$dateTrunc requires 'binSize' to be a 64-bit integer, but got value '%s' of type %s", show(v), typeName(v))
				}
				if bin <= 0 {
					return Null, mongoerr.New(5439018, "$dateTrunc requires 'binSize' to be greater than 0, but got value %d", bin)
				}
			}
		}
		loc, nullZone, err := zoneOf(env, es[3])
		if err != nil {
			return Null, err
		}
		first, nullDay := time.Sunday, false
		if u == Week || nullUnit {
			if first, nullDay, err = startOfWeek(env, es[4], name); err != nil {
				return Null, err
			}
		}
		if Nullish(d) || nullUnit || nullBin || nullZone || nullDay {
			return Null, nil
		}
		ms, ok := millis(d)
		if !ok {
			return Null, mongoerr.New(5439012, "$dateTrunc requires 'date' to be a date, but got %s", typeName(d))
		}
		ms, err = truncUnits(ms, u, bin, loc, first)
		if err != nil {
			return Null, err
		}
		return env.Date(ms), nil
	}), nil
}

// truncUnits cuts a date to the start of its bin; bins are counted from 2000-01-01, local time.
func truncUnits(ms int64, u Unit, bin int64, loc *time.Location, first time.Weekday) (int64, error) {
	if u <= Hour {
		size := u.Millis()
		if bin > math.MaxInt64/size {
			return 0, mongoerr.New(5439002, "the bin of $dateTrunc is too large: %d units", bin)
		}
		size *= bin
		ref := time.Date(2000, 1, 1, 0, 0, 0, 0, loc).UnixMilli()
		return ref + floorDiv(ms-ref, size)*size, nil
	}
	if bin > 100_000_000_000 {
		return 0, mongoerr.New(5439006, "the bin of $dateTrunc is too large: %d units", bin)
	}
	t := time.UnixMilli(ms).In(loc)
	start := func(y int64, m time.Month, d int64) (int64, error) {
		if y < -290_000_000 || y > 290_000_000 {
			return 0, mongoerr.New(5439006, "the start of the bin of $dateTrunc is out of range")
		}
		return time.Date(int(y), m, int(d), 0, 0, 0, 0, loc).UnixMilli(), nil
	}
	const ref = 10957 // 2000-01-01, a Saturday, in days since 1970
	switch u {
	case Day:
		return start(2000, 1, 1+floorDiv(civil(t)-ref, bin)*bin)
	case Week:
		// The first week begins on the first such day that is not before 2000-01-01.
		lead := floorMod(int64(first)-int64(time.Saturday), 7)
		bin *= 7
		return start(2000, 1, 1+lead+floorDiv(civil(t)-ref-lead, bin)*bin)
	}
	per := map[Unit]int64{Month: 1, Quarter: 3, Year: 12}[u] * bin
	n := floorDiv(months(t)-2000*12, per)*per + 2000*12
	return start(floorDiv(n, 12), time.Month(floorMod(n, 12)+1), 1)
}
