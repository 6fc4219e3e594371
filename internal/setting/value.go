package setting

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Decode sets the fields from a decoded JSON object: nil, bool, float64, string,
// []any and map[string]any. Fields of refused values keep what they had; keys
// with null keep it too. ignore lists keys that are nobody's business.
func (tb Table[T]) Decode(t *T, values map[string]any, ignore ...string) []*Problem {
	var problems []*Problem
	for _, key := range sortedKeys(values) {
		if slices.Contains(ignore, key) || values[key] == nil {
			continue
		}
		s := tb.Find(key)
		if s == nil {
			problems = append(problems, &Problem{Path: []string{key}, Unknown: true,
				Message: "unknown setting", Allowed: strings.Join(tb.Names(), ", ")})
			continue
		}
		if e, ok := s.Field(t).(entries); ok {
			for _, p := range e.decode(values[key]) {
				p.Path = append([]string{key}, p.Path...)
				problems = append(problems, p)
			}
			continue
		}
		if err := s.set(t, values[key]); err != nil {
			problems = append(problems, &Problem{Path: []string{key}, Message: err.Error(), Allowed: s.AllowedText()})
		}
	}
	return problems
}

// SetString sets the field of a name from text, as a flag or an environment
// variable gives it. A list is split at commas.
func (tb Table[T]) SetString(t *T, name, text string) error {
	s := tb.Find(name)
	if s == nil {
		return &Problem{Path: []string{name}, Unknown: true, Message: "unknown setting", Allowed: strings.Join(tb.Names(), ", ")}
	}
	var err error
	switch s.Field(t).(type) {
	case entries:
		err = errors.New("can be given in a file only")
	case *[]string:
		items := []any{}
		for _, item := range strings.Split(text, ",") {
			if item = strings.TrimSpace(item); item != "" {
				items = append(items, item)
			}
		}
		err = s.set(t, items)
	default:
		err = s.set(t, text)
	}
	if err != nil {
		return &Problem{Path: []string{name}, Message: err.Error(), Allowed: s.AllowedText()}
	}
	return nil
}

func (s *Setting[T]) set(t *T, v any) error {
	switch p := s.Field(t).(type) {
	case *bool:
		b, err := toBool(v)
		if err != nil {
			return err
		}
		*p = b
	case *string:
		text, ok := v.(string)
		if !ok {
			return fmt.Errorf("expected a string, found %s", describe(v))
		}
		if err := s.checkText(text); err != nil {
			return err
		}
		*p = text
	case *[]string:
		list, err := s.list(v)
		if err != nil {
			return err
		}
		*p = list
	default:
		return s.setNumber(p, v)
	}
	return nil
}

func (s *Setting[T]) setNumber(field, v any) error {
	parse := toInt
	switch field.(type) {
	case *Bytes:
		parse = toBytes
	case *time.Duration:
		parse = toDuration
	}
	n, err := parse(v)
	if err != nil {
		return err
	}
	if err := s.inRange(n); err != nil {
		return err
	}
	switch p := field.(type) {
	case *int:
		*p = int(n)
	case *int64:
		*p = n
	case *Bytes:
		*p = Bytes(n)
	case *time.Duration:
		*p = time.Duration(n)
	default:
		return fmt.Errorf("the table has a field of type %T, which no setting can have", field)
	}
	return nil
}

func (s *Setting[T]) list(v any) ([]string, error) {
	items, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("expected a list of strings, found %s", describe(v))
	}
	list := make([]string, 0, len(items))
	for _, item := range items {
		text, ok := item.(string)
		if !ok {
			return nil, fmt.Errorf("expected a list of strings, found %s in it", describe(item))
		}
		if err := s.checkText(text); err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		list = append(list, text)
	}
	return list, nil
}

func (s *Setting[T]) checkText(text string) error {
	if len(s.Allowed) > 0 && !slices.Contains(s.Allowed, text) {
		return fmt.Errorf("%q is not allowed", text)
	}
	if s.Check != nil {
		return s.Check(text)
	}
	return nil
}

func (s *Setting[T]) inRange(n int64) error {
	switch {
	case s.OffHelp != "" && n == s.Off:
		return nil
	case n < s.Min:
		return errors.New("the value is too small")
	case s.Max != 0 && n > s.Max:
		return errors.New("the value is too large")
	}
	return nil
}

func toBool(v any) (bool, error) {
	if text, ok := v.(string); ok {
		switch strings.ToLower(text) {
		case "true", "1", "yes", "on":
			return true, nil
		case "false", "0", "no", "off":
			return false, nil
		}
		return false, fmt.Errorf("%q is neither true nor false", text)
	}
	b, ok := v.(bool)
	if !ok {
		return false, fmt.Errorf("expected true or false, found %s", describe(v))
	}
	return b, nil
}

func toInt(v any) (int64, error) {
	if text, ok := v.(string); ok {
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%q is not a whole number", text)
		}
		return n, nil
	}
	f, ok := v.(float64)
	if !ok {
		return 0, fmt.Errorf("expected a whole number, found %s", describe(v))
	}
	if f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, fmt.Errorf("%v is not a whole number below 2^53", f)
	}
	return int64(f), nil
}

// units of Bytes, longest name first so that "KB" is not read as "B".
var units = []struct {
	name string
	size float64
}{{"KIB", 1 << 10}, {"MIB", 1 << 20}, {"GIB", 1 << 30}, {"KB", 1 << 10}, {"MB", 1 << 20}, {"GB", 1 << 30}, {"B", 1}}

func toBytes(v any) (int64, error) {
	text, ok := v.(string)
	if !ok {
		return toInt(v)
	}
	number, size := strings.ToUpper(strings.TrimSpace(text)), 1.0
	for _, u := range units {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, size = strings.TrimSpace(rest), u.size
			break
		}
	}
	f, err := strconv.ParseFloat(number, 64)
	// The negated comparison also refuses NaN.
	if err != nil || !(math.Abs(f*size) <= 1<<53) {
		return 0, fmt.Errorf(`%q is not a size: write a number of bytes or, for example, "64KB" or "10MB"`, text)
	}
	return int64(f * size), nil
}

func toDuration(v any) (int64, error) {
	if text, ok := v.(string); ok {
		d, err := ParseDuration(text)
		return int64(d), err
	}
	f, ok := v.(float64)
	if !ok {
		return 0, fmt.Errorf(`expected a duration such as "30m", found %s`, describe(v))
	}
	return durationOf(f, time.Second)
}

func durationOf(f float64, unit time.Duration) (int64, error) {
	if n := f * float64(unit); math.Abs(n) < math.MaxInt64 {
		return int64(n), nil
	}
	return 0, errors.New("the duration is too long")
}

// ParseDuration reads what time.ParseDuration reads, days ("60d"), and plain
// numbers, which are seconds.
func ParseDuration(text string) (time.Duration, error) {
	text = strings.TrimSpace(text)
	if d, err := time.ParseDuration(text); err == nil {
		return d, nil
	}
	number, unit := text, time.Second
	if days, ok := strings.CutSuffix(text, "d"); ok {
		number, unit = days, 24*time.Hour
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, fmt.Errorf(`%q is not a duration: write, for example, "90s", "30m", "12h" or "60d"`, text)
	}
	n, err := durationOf(f, unit)
	return time.Duration(n), err
}

func describe(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case float64:
		return "a number"
	case string:
		return "a string"
	case []any:
		return "an array"
	}
	return "an object"
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
