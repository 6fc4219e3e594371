package expr_test

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

// This file is the part of the naive evaluator that knows dates and conversions: days are counted, months are stepped through, and of time
// zones it only asks how far they are from UTC at a moment (mongo-engine.md §2.6, §3.6).

// floored divides towards the past; the rest is never negative.
func floored(a, b int64) (q, r int64) {
	q, r = a/b, a%b
	if r < 0 {
		q, r = q-1, r+b
	}
	return q, r
}

func leap(y int64) bool { return y%4 == 0 && (y%100 != 0 || y%400 == 0) }

func monthDays(y, m int64) int64 {
	if m == 2 && leap(y) {
		return 29
	}
	return []int64{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}[m-1]
}

// dayNumber counts the days from 1970-01-01; the month may be any number.
func dayNumber(y, m, d int64) int64 {
	years, rest := floored(m-1, 12)
	y, m = y+years, rest+1
	n := d - 1
	for k := int64(1); k < m; k++ {
		n += monthDays(y, k)
	}
	for ; y < 1970; y++ {
		n -= map[bool]int64{true: 366, false: 365}[leap(y)]
	}
	for ; y > 1970; y-- {
		n += map[bool]int64{true: 366, false: 365}[leap(y-1)]
	}
	return n
}

// dayOf is the year, month and day of a number of days.
func dayOf(n int64) (y, m, d int64) {
	y = 1970
	for n < 0 {
		y--
		n += map[bool]int64{true: 366, false: 365}[leap(y)]
	}
	for {
		size := map[bool]int64{true: 366, false: 365}[leap(y)]
		if n < size {
			break
		}
		n -= size
		y++
	}
	for m = 1; n >= monthDays(y, m); m++ {
		n -= monthDays(y, m)
	}
	return y, m, n + 1
}

// weekday of a number of days is 0 for Sunday.
func weekday(day int64) int64 {
	_, r := floored(day+4, 7)
	return r
}

const dayMillis = 86_400_000

// zone is how far a place is from UTC, in milliseconds.
type zone func(utc int64) int64

var zones = []string{"UTC", "+05:30", "-0330", "America/New_York", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia"}

func zoneNamed(name string) zone {
	if name[0] == '+' || name[0] == '-' {
		digits := strings.Replace(name[1:], ":", "", 1)
		h, _ := strconv.ParseInt(digits[:2], 10, 64)
		m, _ := strconv.ParseInt(digits[2:], 10, 64)
		off := (h*60 + m) * 60_000
		if name[0] == '-' {
			off = -off
		}
		return func(int64) int64 { return off }
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return func(utc int64) int64 {
		_, off := time.UnixMilli(utc).In(loc).Zone()
		return int64(off) * 1000
	}
}

// utc finds the moment of a local time; where the clocks are put forward or back there is none, or two, and the model does not know.
func (z zone) utc(local int64) (int64, error) {
	found := map[int64]bool{}
	for h := int64(-48); h <= 48; h++ {
		off := z(local + h*1_800_000)
		if u := local - off; z(u) == off {
			found[u] = true
		}
	}
	if len(found) != 1 {
		return 0, errSkip
	}
	for u := range found {
		return u, nil
	}
	return 0, errSkip
}

var unitSizes = map[string]int64{"millisecond": 1, "second": 1000, "minute": 60_000, "hour": 3_600_000}
var unitMonths = map[string]int64{"month": 1, "quarter": 3, "year": 12}
var units = []string{"millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year"}

func dateAdd(ms int64, unit string, n int64, z zone) (any, error) {
	if size := unitSizes[unit]; size > 0 {
		if n != 0 && (n*size/n != size || math.Abs(float64(ms)+float64(n)*float64(size)) > 9e18) {
			return nil, errNaive
		}
		return bson.DateTime(ms + n*size), nil
	}
	if n > 10_000 || n < -10_000 {
		return nil, errSkip
	}
	day, clock := floored(ms+z(ms), dayMillis)
	switch unit {
	case "day":
		day += n
	case "week":
		day += 7 * n
	default:
		y, m, d := dayOf(day)
		years, month := floored(m-1+n*unitMonths[unit], 12)
		y, m = y+years, month+1
		day = dayNumber(y, m, min(d, monthDays(y, m)))
	}
	u, err := z.utc(day*dayMillis + clock)
	return bson.DateTime(u), err
}

func dateDiff(a, b int64, unit string, z zone, first int64) any {
	if size := unitSizes[unit]; size > 0 {
		at := func(ms int64) int64 {
			q, _ := floored(ms+z(ms)%size, size)
			return q
		}
		return at(b) - at(a)
	}
	from, _ := floored(a+z(a), dayMillis)
	to, _ := floored(b+z(b), dayMillis)
	sign := int64(1)
	if from > to {
		from, to, sign = to, from, -1
	}
	// Count the days that begin a unit.
	n := int64(0)
	for d := from + 1; d <= to; d++ {
		_, m, day := dayOf(d)
		if unit == "day" || unit == "week" && weekday(d) == first || day == 1 && unitMonths[unit] > 0 && (m-1)%unitMonths[unit] == 0 {
			n++
		}
	}
	return sign * n
}

func dateTrunc(ms int64, unit string, bin int64, z zone, first int64) (any, error) {
	if size := unitSizes[unit] * bin; size > 0 {
		ref, err := z.utc(dayNumber(2000, 1, 1) * dayMillis)
		_, rest := floored(ms-ref, size)
		return bson.DateTime(ms - rest), err
	}
	day, _ := floored(ms+z(ms), dayMillis)
	ref := dayNumber(2000, 1, 1)
	begins := func(d int64) bool {
		y, m, of := dayOf(d)
		switch unit {
		case "day":
			_, rest := floored(d-ref, bin)
			return rest == 0
		case "week":
			week := ref
			for weekday(week) != first {
				week++
			}
			_, rest := floored(d-week, 7*bin)
			return rest == 0
		}
		_, rest := floored(y*12+m-1-2000*12, unitMonths[unit]*bin)
		return of == 1 && rest == 0
	}
	for !begins(day) {
		day--
	}
	u, err := z.utc(day * dayMillis)
	return bson.DateTime(u), err
}

// clock takes a local time apart.
type clock struct{ year, month, day, hour, minute, second, milli, number int64 }

func clockOf(ms int64, z zone) clock {
	number, rest := floored(ms+z(ms), dayMillis)
	c := clock{hour: rest / 3_600_000, minute: rest / 60_000 % 60, second: rest / 1000 % 60, milli: rest % 1000, number: number}
	c.year, c.month, c.day = dayOf(number)
	return c
}

// isoWeek is found by the Thursday of the week: it is in the year and the week that count.
func (c clock) isoWeek() (year, week, day int64) {
	day = (weekday(c.number)+6)%7 + 1
	thursday := c.number - day + 4
	year, _, _ = dayOf(thursday)
	return year, (thursday-dayNumber(year, 1, 1))/7 + 1, day
}

func (c clock) format(f string, ms int64, z zone) string {
	isoYear, isoWeek, isoDay := c.isoWeek()
	yearDay := c.number - dayNumber(c.year, 1, 1) + 1
	sundays := int64(0)
	for d := dayNumber(c.year, 1, 1); d <= c.number; d++ {
		if weekday(d) == 0 {
			sundays++
		}
	}
	off := z(ms) / 60_000
	sign := "+"
	if off < 0 {
		sign, off = "-", -off
	}
	month := time.Month(c.month).String()
	pairs := []string{"%%", "%", "%Y", fmt.Sprintf("%04d", c.year), "%m", fmt.Sprintf("%02d", c.month), "%d", fmt.Sprintf("%02d", c.day),
		"%H", fmt.Sprintf("%02d", c.hour), "%M", fmt.Sprintf("%02d", c.minute), "%S", fmt.Sprintf("%02d", c.second), "%L", fmt.Sprintf("%03d", c.milli),
		"%j", fmt.Sprintf("%03d", yearDay), "%u", fmt.Sprint(isoDay), "%w", fmt.Sprint(weekday(c.number) + 1), "%U", fmt.Sprintf("%02d", sundays),
		"%V", fmt.Sprintf("%02d", isoWeek), "%G", fmt.Sprintf("%04d", isoYear), "%z", fmt.Sprintf("%s%02d%02d", sign, off/60, off%60),
		"%Z", fmt.Sprint(z(ms) / 60_000), "%b", strings.ToLower(month[:3]), "%B", strings.ToLower(month)}
	// Months have names of their own case: they are compared without it.
	return strings.NewReplacer(pairs...).Replace(f)
}

// zoned draws a time zone, or none.
func zoned(t *rapid.T, d bson.D) (bson.D, zone) {
	if rapid.IntRange(0, 2).Draw(t, "plain") == 0 {
		return d, zoneNamed("UTC")
	}
	name := rapid.SampledFrom(zones).Draw(t, "zone")
	return append(d, bson.E{Key: "timezone", Value: name}), zoneNamed(name)
}

// both evaluates two operands.
func both(a, b tree, doc bson.D, this any) (x, y any, err error) {
	if x, err = a.eval(doc, this); err == nil {
		y, err = b.eval(doc, this)
	}
	return x, y, err
}

// near leaves out dates that are further away than days can be counted.
func near(in tree) tree {
	return tree{in.text, func(doc bson.D, this any) (any, error) {
		v, err := in.eval(doc, this)
		if d, ok := v.(bson.DateTime); ok && (d > 1e14 || d < -6e13) {
			return nil, errSkip
		}
		if _, ok := v.(bson.ObjectID); ok {
			return nil, errSkip // it stands for a date
		}
		return v, err
	}}
}

// dated draws an operator of dates.
func dated(t *rapid.T, sub func() tree) tree {
	unit := rapid.SampledFrom(units).Draw(t, "unit")
	weekdays := []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}
	first := rapid.IntRange(0, 6).Draw(t, "first")
	in := sub()
	if rapid.IntRange(0, 3).Draw(t, "other") > 0 {
		in = tree{"$d", func(doc bson.D, _ any) (any, error) { return field(doc, "d"), nil }}
	}
	in = near(in)
	switch rapid.IntRange(0, 5).Draw(t, "date") {
	case 0:
		by := sub()
		if rapid.Bool().Draw(t, "few") {
			n := rapid.Int64Range(-40, 40).Draw(t, "by")
			by = tree{n, func(bson.D, any) (any, error) { return n, nil }}
		}
		name, sign := "$dateAdd", int64(1)
		if rapid.Bool().Draw(t, "earlier") {
			name, sign = "$dateSubtract", -1
		}
		arg, z := zoned(t, bson.D{{Key: "startDate", Value: in.text}, {Key: "unit", Value: unit}, {Key: "amount", Value: by.text}})
		return tree{bson.D{{Key: name, Value: arg}}, func(doc bson.D, this any) (any, error) {
			d, n, err := both(in, by, doc, this)
			if err != nil || absent(d) || absent(n) {
				return nil, err
			}
			ms, ok := d.(bson.DateTime)
			if !ok || !isNumber(n) || float(n) != math.Trunc(float(n)) || math.Abs(float(n)) > 1e15 {
				if ok && isNumber(n) && math.Abs(float(n)) > 1e15 {
					return nil, errSkip
				}
				return nil, errNaive
			}
			return dateAdd(int64(ms), unit, sign*int64(float(n)), z)
		}}
	case 1:
		other := tree{"$d2", func(doc bson.D, _ any) (any, error) { return field(doc, "d2"), nil }}
		arg, z := zoned(t, bson.D{{Key: "startDate", Value: in.text}, {Key: "endDate", Value: other.text}, {Key: "unit", Value: unit}, {Key: "startOfWeek", Value: weekdays[first]}})
		return tree{bson.D{{Key: "$dateDiff", Value: arg}}, func(doc bson.D, this any) (any, error) {
			a, b, err := both(in, other, doc, this)
			if err != nil || absent(a) {
				return nil, err
			}
			x, ok := a.(bson.DateTime)
			y := b.(bson.DateTime)
			if !ok {
				return nil, errNaive
			}
			return dateDiff(int64(x), int64(y), unit, z, int64(first)), nil
		}}
	case 2:
		bin := rapid.Int64Range(1, 12).Draw(t, "bin")
		arg, z := zoned(t, bson.D{{Key: "date", Value: in.text}, {Key: "unit", Value: unit}, {Key: "binSize", Value: bin}, {Key: "startOfWeek", Value: weekdays[first][:3]}})
		return tree{bson.D{{Key: "$dateTrunc", Value: arg}}, func(doc bson.D, this any) (any, error) {
			d, err := in.eval(doc, this)
			if err != nil || absent(d) {
				return nil, err
			}
			ms, ok := d.(bson.DateTime)
			if !ok {
				return nil, errNaive
			}
			return dateTrunc(int64(ms), unit, bin, z, int64(first))
		}}
	case 3:
		iso := rapid.Bool().Draw(t, "iso")
		arg, z := zoned(t, bson.D{{Key: "date", Value: in.text}, {Key: "iso8601", Value: iso}})
		return tree{bson.D{{Key: "$dateToParts", Value: arg}}, func(doc bson.D, this any) (any, error) {
			d, err := in.eval(doc, this)
			if err != nil || absent(d) {
				return nil, err
			}
			ms, ok := d.(bson.DateTime)
			if !ok {
				return nil, errNaive
			}
			c := clockOf(int64(ms), z)
			names, values := []string{"year", "month", "day"}, []int64{c.year, c.month, c.day}
			if iso {
				y, w, d := c.isoWeek()
				names, values = []string{"isoWeekYear", "isoWeek", "isoDayOfWeek"}, []int64{y, w, d}
			}
			names, values = append(names, "hour", "minute", "second", "millisecond"), append(values, c.hour, c.minute, c.second, c.milli)
			out := bson.D{}
			for i, n := range names {
				out = append(out, bson.E{Key: n, Value: int32(values[i])})
			}
			return out, nil
		}}
	case 4:
		year, month := rapid.Int64Range(1950, 2090).Draw(t, "year"), rapid.Int64Range(-30, 40).Draw(t, "month")
		day, hour := rapid.Int64Range(-80, 80).Draw(t, "day"), rapid.Int64Range(-60, 60).Draw(t, "hour")
		minute, second := rapid.Int64Range(-200, 200).Draw(t, "minute"), rapid.Int64Range(-200, 200).Draw(t, "second")
		arg, z := zoned(t, bson.D{{Key: "year", Value: year}, {Key: "month", Value: month}, {Key: "day", Value: day}, {Key: "hour", Value: hour}, {Key: "minute", Value: minute}, {Key: "second", Value: second}})
		return tree{bson.D{{Key: "$dateFromParts", Value: arg}}, func(bson.D, any) (any, error) {
			// Hours and minutes are of the clock, seconds are added to the moment.
			u, err := z.utc((dayNumber(year, month, 1)+day-1)*dayMillis + hour*3_600_000 + minute*60_000)
			return bson.DateTime(u + second*1000), err
		}}
	}
	format := rapid.SampledFrom([]string{"%Y-%m-%dT%H:%M:%S.%L", "%G-W%V-%u", "%j %U %w", "%H%M %z %Z 100%%", "%d.%m.%Y"}).Draw(t, "format")
	arg, z := zoned(t, bson.D{{Key: "date", Value: in.text}, {Key: "format", Value: format}, {Key: "onNull", Value: "none"}})
	back := rapid.Bool().Draw(t, "back") && strings.HasPrefix(format, "%Y")
	text := bson.D{{Key: "$dateToString", Value: arg}}
	if back {
		from := bson.D{{Key: "dateString", Value: text}, {Key: "format", Value: format}, {Key: "onError", Value: "unread"}}
		if zn := arg[len(arg)-1]; zn.Key == "timezone" {
			from = append(from, zn)
		}
		text = bson.D{{Key: "$dateFromString", Value: from}}
	}
	return tree{text, func(doc bson.D, this any) (any, error) {
		d, err := in.eval(doc, this)
		switch ms, ok := d.(bson.DateTime); {
		case err != nil:
			return nil, err
		case absent(d) && back:
			return "unread", nil
		case absent(d):
			return "none", nil
		case !ok:
			return nil, errNaive
		case back:
			u, err := z.utc(int64(ms) + z(int64(ms)))
			return bson.DateTime(u), err
		default:
			return clockOf(int64(ms), z).format(format, int64(ms), z), nil
		}
	}}
}

// toDouble and toDate are the conversions that the others do not have.
func toDouble(args ...any) (any, error) {
	switch x := args[0].(type) {
	case nil, missing:
		return nil, nil
	case bool:
		return map[bool]float64{true: 1}[x], nil
	case int32, int64, float64, bson.Decimal128:
		return float(x), nil
	case bson.DateTime:
		return float64(x), nil
	case string:
		if !decimals.MatchString(x) {
			return nil, notANumber(x)
		}
		f, err := strconv.ParseFloat(x, 64)
		return f, err
	}
	return nil, errNaive
}

// notANumber refuses what is none; digits on one side of the point only may be one.
func notANumber(s string) error {
	if strings.Contains(s, ".") {
		return errSkip
	}
	return errNaive
}

var decimals = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)

func toDate(args ...any) (any, error) {
	switch x := args[0].(type) {
	case nil, missing:
		return nil, nil
	case int64:
		return bson.DateTime(x), nil
	case float64:
		if !(x >= -1<<63 && x < 1<<63) {
			return nil, errNaive
		}
		return bson.DateTime(int64(x)), nil
	case bson.Decimal128:
		v, err := toInt(64)(x)
		if err != nil {
			return nil, err
		}
		return bson.DateTime(v.(int64)), nil
	case bson.ObjectID:
		return bson.NewDateTimeFromTime(x.Timestamp()), nil
	case bson.DateTime:
		return x, nil
	case string:
		if t, err := time.Parse("2006-01-02T15:04:05.000", strings.TrimSuffix(x, "Z")); err == nil {
			return bson.NewDateTimeFromTime(t), nil
		}
		if strings.ContainsAny(x, "0123456789") && len(x) > 2 {
			return nil, errSkip // there are many ways to write a date
		}
	}
	return nil, errNaive
}

// converted draws a $convert, with answers for null and for failure, or without.
func converted(t *rapid.T, sub func() tree) tree {
	types := map[string]func(...any) (any, error){"double": toDouble, "date": toDate, "int": toInt(32), "long": toInt(64), "string": text, "bool": naiveOps["$toBool"].f, "decimal": toDecimal, "objectId": toObjectID}
	to := rapid.SampledFrom([]string{"double", "date", "int", "long", "string", "bool", "decimal", "objectId"}).Draw(t, "to")
	in := sub()
	arg := bson.D{{Key: "input", Value: in.text}, {Key: "to", Value: to}}
	var onError, onNull any
	hasError, hasNull := rapid.Bool().Draw(t, "onError"), rapid.Bool().Draw(t, "onNull")
	if hasError {
		onError = "failed"
		arg = append(arg, bson.E{Key: "onError", Value: onError})
	}
	if hasNull {
		onNull = int32(7)
		arg = append(arg, bson.E{Key: "onNull", Value: onNull})
	}
	return tree{bson.D{{Key: "$convert", Value: arg}}, func(doc bson.D, this any) (any, error) {
		v, err := in.eval(doc, this)
		if err != nil {
			return nil, err
		}
		if absent(v) {
			return onNull, nil
		}
		out, err := types[to](v)
		if err == errNaive && hasError {
			return onError, nil
		}
		return out, err
	}}
}
