package expr

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
)

func compileDateToString(c *compiler, name string, arg bson.RawValue) (Expr, error) {
	vs, err := named(arg, mongoerr.New(18629, "$dateToString only supports an object as its argument"), func(f string) error {
		return mongoerr.New(18534, "Unrecognized argument to $dateToString: %s", f)
	}, "date", "format", "timezone", "onNull")
	if err != nil {
		return nil, err
	}
	if Missing(vs[0]) {
		return nil, mongoerr.New(18628, "Missing 'date' parameter to $dateToString")
	}
	es, err := c.all(vs)
	if err != nil {
		return nil, err
	}
	if es[1] != nil {
		if f, ok := Constant(es[1]); ok && f.Type == bson.TypeString {
			if err := checkFormat(string(stringBytes(f)), formatLetters); err != nil {
				return nil, err
			}
		}
	}
	return namedOf(es, evalDateToString), nil
}

func evalDateToString(env *Env, es []Expr) (bson.RawValue, error) {
	loc, nullZone, err := zoneOf(env, es[2])
	if err != nil {
		return Null, err
	}
	format := "%Y-%m-%dT%H:%M:%S.%LZ"
	if !nullZone && loc != time.UTC {
		format = "%Y-%m-%dT%H:%M:%S.%L"
	}
	if es[1] != nil {
		f, err := es[1].Eval(env)
		if err != nil {
			return f, err
		}
		if Nullish(f) {
			return evalOr(env, es[3], Null)
		}
		if f.Type != bson.TypeString {
			return Null, mongoerr.New(18533, "$dateToString requires that 'format' be a string, found: %s with value %s", typeName(f), show(f))
		}
		format = string(stringBytes(f))
		if err := checkFormat(format, formatLetters); err != nil {
			return Null, err
		}
	}
	ms, null, err := dateOf(env, es[0])
	if err != nil {
		return Null, err
	}
	if null {
		return evalOr(env, es[3], Null)
	}
	if nullZone {
		return Null, nil
	}
	b, err := appendDate(nil, format, time.UnixMilli(ms).In(loc))
	if err != nil {
		return Null, err
	}
	return buildString(env, b)
}

const (
	formatLetters = "dGHjLmMSuUVwYzZbB%"
	parseLetters  = "dGHjLmMSuVYzZbB%"
)

func checkFormat(format, letters string) error {
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			continue
		}
		if i++; i == len(format) {
			return mongoerr.New(18535, "Unmatched '%%' at end of format string")
		}
		if strings.IndexByte(letters, format[i]) < 0 {
			return mongoerr.New(18536, "Invalid format character '%%%c' in format string", format[i])
		}
	}
	return nil
}

// appendDate prints t by a checked format.
func appendDate(b []byte, format string, t time.Time) ([]byte, error) {
	year := func(y int) error {
		if y < 0 || y > 9999 {
			return mongoerr.New(18537, "$dateToString is only defined on year 0-9999, tried to use year %d", y)
		}
		b = pad(b, y, 4)
		return nil
	}
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b = append(b, format[i])
			continue
		}
		i++
		_, offset := t.Zone()
		switch format[i] {
		case '%':
			b = append(b, '%')
		case 'Y':
			if err := year(t.Year()); err != nil {
				return nil, err
			}
		case 'G':
			y, _ := t.ISOWeek()
			if err := year(y); err != nil {
				return nil, err
			}
		case 'm':
			b = pad(b, int(t.Month()), 2)
		case 'd':
			b = pad(b, t.Day(), 2)
		case 'H':
			b = pad(b, t.Hour(), 2)
		case 'M':
			b = pad(b, t.Minute(), 2)
		case 'S':
			b = pad(b, t.Second(), 2)
		case 'L':
			b = pad(b, t.Nanosecond()/1e6, 3)
		case 'j':
			b = pad(b, t.YearDay(), 3)
		case 'w':
			b = pad(b, int(t.Weekday())+1, 1)
		case 'u':
			b = pad(b, isoDay(t), 1)
		case 'U':
			b = pad(b, weekOfYear(t), 2)
		case 'V':
			_, w := t.ISOWeek()
			b = pad(b, w, 2)
		case 'b':
			b = append(b, t.Month().String()[:3]...)
		case 'B':
			b = append(b, t.Month().String()...)
		case 'z':
			sign, off := byte('+'), offset
			if off < 0 {
				sign, off = '-', -off
			}
			b = pad(append(b, sign), off/3600*100+off%3600/60, 4)
		case 'Z':
			b = strconv.AppendInt(b, int64(offset/60), 10)
		}
	}
	return b, nil
}

// pad appends n with at least width digits.
func pad(b []byte, n, width int) []byte {
	for width -= digits(n); width > 0; width-- {
		b = append(b, '0')
	}
	return strconv.AppendInt(b, int64(n), 10)
}

func compileDateFromString(c *compiler, name string, arg bson.RawValue) (Expr, error) {
	vs, err := named(arg, mongoerr.New(40540, "$dateFromString only supports an object as an argument, found: %s", typeName(arg)), func(f string) error {
		return mongoerr.New(40541, "Unrecognized argument to $dateFromString: %s", f)
	}, "dateString", "format", "timezone", "onError", "onNull")
	if err != nil {
		return nil, err
	}
	if Missing(vs[0]) {
		return nil, mongoerr.New(40542, "Missing 'dateString' parameter to $dateFromString")
	}
	es, err := c.all(vs)
	if err != nil {
		return nil, err
	}
	return namedOf(es, evalDateFromString), nil
}

func evalDateFromString(env *Env, es []Expr) (bson.RawValue, error) {
	s, err := es[0].Eval(env)
	if err != nil {
		return s, err
	}
	loc, nullZone, err := zoneOf(env, es[2])
	if err != nil {
		return Null, err
	}
	format, formatted := "", es[1] != nil
	if formatted {
		f, err := es[1].Eval(env)
		if err != nil {
			return f, err
		}
		if Nullish(f) {
			return Null, nil
		}
		if f.Type != bson.TypeString {
			return Null, mongoerr.New(40684, "$dateFromString requires that 'format' be a string, found: %s with value %s", typeName(f), show(f))
		}
		format = string(stringBytes(f))
		if err := checkFormat(format, parseLetters); err != nil {
			return Null, err
		}
	}
	if Nullish(s) {
		return evalOr(env, es[4], Null)
	}
	if nullZone {
		return Null, nil
	}
	if es[2] == nil {
		loc = nil
	}
	var ms int64
	if s.Type != bson.TypeString {
		err = mongoerr.New(mongoerr.ConversionFailure, "$dateFromString requires that 'dateString' be a string, found: %s with value %s", typeName(s), show(s))
	} else {
		text := string(stringBytes(s))
		if formatted {
			ms, err = parseDateBy(text, format, loc)
		} else {
			ms, err = parseDate(text, loc)
		}
		if err != nil {
			err = mongoerr.New(mongoerr.ConversionFailure, "Error parsing date string '%s'; %s", text, err.Error())
		}
	}
	if err != nil {
		if es[3] != nil {
			return es[3].Eval(env)
		}
		return Null, err
	}
	return env.Date(ms), nil
}

// dateLayouts are the free forms that dates are read in, after the ISO forms: each with an optional time and zone.
var dateLayouts = []string{
	"2006-1-2", "2006/1/2", "20060102", "1/2/2006", "1-2-2006", "2006-1", "2.1.2006",
	"January 2 2006", "Jan 2 2006", "2 January 2006", "2 Jan 2006", "January 2006", "Jan 2006", "2-Jan-2006", "2006-Jan-2",
	"Mon Jan 2 2006", "Monday January 2 2006", "Mon 2 Jan 2006", "Monday 2 January 2006",
}

var clockLayouts = []string{"", "15:04", "15:04:05", "15:04:05.999999999", "3:04 PM", "3:04:05 PM", "3:04PM", "3:04:05PM", "3PM", "3 PM", "150405", "1504", "15"}

// parseDate reads a date in any usual form. A zone in the text is honoured when loc is nil and refused otherwise.
func parseDate(s string, loc *time.Location) (int64, error) {
	text := strings.ReplaceAll(strings.TrimFunc(s, func(r rune) bool { return r == 0 || unicode.IsSpace(r) }), "\t", " ")
	if len(text) > 100 {
		return 0, fmt.Errorf("the text is longer than a date")
	}
	if text == "" {
		return 0, fmt.Errorf("an incomplete date/time string has been found, with elements missing: \"%s\"", s)
	}
	text, zone, err := cutZone(text)
	if err != nil {
		return 0, err
	}
	if zone != nil && loc != nil {
		return 0, fmt.Errorf("you cannot pass in a date/time string with time zone information ('%s') together with a timezone argument", s)
	}
	if zone == nil {
		zone = loc
	}
	if zone == nil {
		zone = time.UTC
	}
	day, clock := text, ""
	if i := strings.IndexByte(text, 'T'); i > 0 && text[i-1] >= '0' && text[i-1] <= '9' {
		day, clock = text[:i], text[i+1:]
	} else if i := strings.IndexByte(text, ':'); i > 0 {
		if j := strings.LastIndexByte(text[:i], ' '); j > 0 {
			day, clock = text[:j], text[j+1:]
		}
	}
	day = strings.Join(strings.Fields(strings.ReplaceAll(day, ",", " ")), " ")
	clock = strings.ToUpper(strings.TrimSpace(clock))
	for _, dl := range dateLayouts {
		d, err := time.Parse(dl, day)
		if err != nil {
			continue
		}
		for _, cl := range clockLayouts {
			if c, err := time.Parse(cl, clock); err == nil {
				return time.Date(d.Year(), d.Month(), d.Day(), c.Hour(), c.Minute(), c.Second(), c.Nanosecond(), zone).UnixMilli(), nil
			}
		}
	}
	if clock == "" && strings.ContainsRune(text, ':') {
		return 0, fmt.Errorf("an incomplete date/time string has been found, with elements missing: \"%s\"", s)
	}
	return 0, fmt.Errorf("the text is no date that this server can read")
}

// cutZone takes a zone off the end of a date: Z, ±hh[:]mm after a time, or a name.
func cutZone(s string) (string, *time.Location, error) {
	if n := len(s); s[n-1] == 'Z' || s[n-1] == 'z' {
		return strings.TrimSpace(s[:n-1]), time.UTC, nil
	}
	colon := strings.IndexByte(s, ':')
	t := strings.IndexByte(s, 'T')
	if i := strings.LastIndexAny(s, "+-"); i > 0 && (colon > 0 && colon < i || t > 0 && t < i && t > 3) {
		if sec, ok := parseOffset(s[i:]); ok {
			return strings.TrimSpace(s[:i]), time.FixedZone(s[i:], sec), nil
		}
	}
	if i := strings.LastIndexByte(s, ' '); i > 0 && colon > 0 && colon < i {
		word := s[i+1:]
		switch strings.ToUpper(word) {
		case "AM", "PM":
			return s, nil, nil
		case "UTC", "GMT":
			return s[:i], time.UTC, nil
		}
		if h, ok := map[string]int{"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7, "CET": 1, "CEST": 2, "BST": 1}[strings.ToUpper(word)]; ok {
			return s[:i], time.FixedZone(word, h*3600), nil
		}
		if word[0] >= 'A' && word[0] <= 'z' {
			loc, err := parseZone(word)
			return s[:i], loc, err
		}
	}
	return s, nil, nil
}

// parseDateBy reads a date by a checked format.
func parseDateBy(s, format string, loc *time.Location) (int64, error) {
	f := map[byte]int{}
	rest := s
	var zone *time.Location
	number := func(letter byte, width int) error {
		n := 0
		for n < len(rest) && n < width && rest[n] >= '0' && rest[n] <= '9' {
			n++
		}
		if n == 0 {
			return fmt.Errorf("%%%c: a number of up to %d digits is missing at \"%s\"", letter, width, rest)
		}
		f[letter], _ = strconv.Atoi(rest[:n])
		rest = rest[n:]
		return nil
	}
	widths := map[byte]int{'Y': 4, 'G': 4, 'm': 2, 'd': 2, 'H': 2, 'M': 2, 'S': 2, 'L': 3, 'j': 3, 'u': 1, 'V': 2}
	for i := 0; i < len(format); i++ {
		c := format[i]
		if c == '%' {
			i++
			c = format[i]
			switch c {
			case '%':
			case 'b', 'B':
				m := 0
				for k := time.January; k <= time.December; k++ {
					name := k.String()
					if c == 'b' {
						name = name[:3]
					}
					if len(rest) >= len(name) && strings.EqualFold(rest[:len(name)], name) {
						m, rest = int(k), rest[len(name):]
						break
					}
				}
				if m == 0 {
					return 0, fmt.Errorf("%%%c: the name of a month is missing at \"%s\"", c, rest)
				}
				f['m'] = m
				continue
			case 'z', 'Z':
				if loc != nil {
					return 0, fmt.Errorf("you cannot pass in a date/time string with time zone information ('%s') together with a timezone argument", rest)
				}
				n := 0
				if strings.HasPrefix(rest, "Z") {
					zone, n = time.UTC, 1
				} else if len(rest) > 0 && (rest[0] == '+' || rest[0] == '-') {
					for n = 1; n < len(rest) && (rest[n] >= '0' && rest[n] <= '9' || rest[n] == ':'); n++ {
					}
					if c == 'Z' {
						min, err := strconv.Atoi(rest[:n])
						if err != nil || min > 24*60 || min < -24*60 {
							return 0, fmt.Errorf("%%Z: minutes from UTC are missing at \"%s\"", rest)
						}
						zone = time.FixedZone(rest[:n], min*60)
					} else if sec, ok := parseOffset(rest[:n]); ok {
						zone = time.FixedZone(rest[:n], sec)
					}
				}
				if zone == nil {
					return 0, fmt.Errorf("%%%c: a zone is missing at \"%s\"", c, rest)
				}
				rest = rest[n:]
				continue
			default:
				if err := number(c, widths[c]); err != nil {
					return 0, err
				}
				continue
			}
		}
		if rest == "" || rest[0] != c {
			return 0, fmt.Errorf("format literal not found: '%c'", c)
		}
		rest = rest[1:]
	}
	if rest != "" {
		return 0, fmt.Errorf("trailing data: \"%s\"", rest)
	}
	if zone == nil {
		zone = loc
	}
	if zone == nil {
		zone = time.UTC
	}
	return assemble(f, zone)
}

// assemble makes a date of the fields that a format found.
func assemble(f map[byte]int, zone *time.Location) (int64, error) {
	for letter, r := range map[byte][2]int{'m': {1, 12}, 'd': {1, 31}, 'H': {0, 24}, 'M': {0, 59}, 'S': {0, 60}, 'j': {1, 366}, 'u': {1, 7}, 'V': {1, 53}} {
		if n, ok := f[letter]; ok && (n < r[0] || n > r[1]) {
			return 0, fmt.Errorf("%%%c: %d is not between %d and %d", letter, n, r[0], r[1])
		}
	}
	or := func(letter byte, n int) int {
		if v, ok := f[letter]; ok {
			return v
		}
		return n
	}
	year, hasYear := f['Y']
	isoYear, hasISO := f['G']
	month, day := or('m', 1), or('d', 1)
	_, hasMonth := f['m']
	_, hasDay := f['d']
	switch {
	case hasISO && !hasYear:
		fourth := time.Date(isoYear, 1, 4, 0, 0, 0, 0, time.UTC)
		year, month = isoYear, 1
		day = 4 - (isoDay(fourth) - 1) + 7*(or('V', 1)-1) + or('u', 1) - 1
	case !hasYear:
		return 0, fmt.Errorf("an incomplete date/time string has been found, with elements missing: the year")
	case f['j'] != 0:
		month, day = 1, f['j']
	case hasDay && !hasMonth:
		return 0, fmt.Errorf("an incomplete date/time string has been found, with elements missing: the month")
	default:
		if last := time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day(); day > last {
			return 0, fmt.Errorf("day %d does not exist in month %d of %d", day, month, year)
		}
	}
	return time.Date(year, time.Month(month), day, or('H', 0), or('M', 0), or('S', 0), or('L', 0)*1e6, zone).UnixMilli(), nil
}
