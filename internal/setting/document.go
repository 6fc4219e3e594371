package setting

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// row is a setting in words.
type row struct {
	section, name, kind, def, allowed, help string
	sub                                     []row
}

func (tb Table[T]) rows() []row {
	rows := make([]row, 0, len(tb.Settings))
	for i := range tb.Settings {
		s := &tb.Settings[i]
		r := row{section: s.Section, name: s.Name, kind: s.Kind(), def: s.DefaultText(), allowed: s.AllowedText(), help: s.Help}
		var t T
		if e, ok := s.Field(&t).(entries); ok {
			r.sub = e.rows()
		}
		rows = append(rows, r)
	}
	return rows
}

// Markdown writes the table as sections with one Markdown table each.
func (tb Table[T]) Markdown(w io.Writer) error {
	section := ""
	for _, r := range tb.rows() {
		if r.section != section {
			section = r.section
			if _, err := fmt.Fprintf(w, "\n### %s\n\n| Setting | Type | Default | Allowed | Meaning |\n|---|---|---|---|---|\n", section); err != nil {
				return err
			}
		}
		if err := r.write(w, ""); err != nil {
			return err
		}
		for _, sub := range r.sub {
			if err := sub.write(w, r.name+".<name>."); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r row) write(w io.Writer, prefix string) error {
	cell := func(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
	code := func(s string) string {
		if s == "" {
			return ""
		}
		return "`" + cell(s) + "`"
	}
	_, err := fmt.Fprintf(w, "| `%s` | %s | %s | %s | %s |\n", prefix+r.name, r.kind, code(r.def), cell(r.allowed), cell(r.help))
	return err
}

// Kind names the setting's type in words.
func (s *Setting[T]) Kind() string {
	var t T
	switch s.Field(&t).(type) {
	case *bool:
		return "true or false"
	case *int, *int64:
		return "number"
	case *Bytes:
		return "size"
	case *time.Duration:
		return "duration"
	case *string:
		return "text"
	case *[]string:
		return "list of texts"
	}
	return "object"
}

// DefaultText is the default as it would be written in a file, "" when there is none.
func (s *Setting[T]) DefaultText() string {
	var t T
	s.setDefault(&t)
	switch p := s.Field(&t).(type) {
	case *bool:
		return strconv.FormatBool(*p)
	case *string:
		return *p
	case *[]string:
		return strings.Join(*p, ", ")
	case *int:
		return s.numberText(int64(*p))
	case *int64:
		return s.numberText(*p)
	case *Bytes:
		return s.numberText(int64(*p))
	case *time.Duration:
		return s.numberText(int64(*p))
	}
	return ""
}

// AllowedText tells the range or the values.
func (s *Setting[T]) AllowedText() string {
	var t T
	var parts []string
	switch s.Field(&t).(type) {
	case *bool:
		parts = append(parts, "true, false")
	case *int, *int64, *Bytes, *time.Duration:
		if s.Max != 0 {
			parts = append(parts, s.numberText(s.Min)+" to "+s.numberText(s.Max))
		} else {
			parts = append(parts, "at least "+s.numberText(s.Min))
		}
		if s.OffHelp != "" {
			parts = append(parts, s.numberText(s.Off)+": "+s.OffHelp)
		}
	default:
		if len(s.Allowed) > 0 {
			parts = append(parts, strings.Join(s.Allowed, ", "))
		}
	}
	return strings.Join(parts, "; ")
}

func (s *Setting[T]) numberText(n int64) string {
	var t T
	switch s.Field(&t).(type) {
	case *Bytes:
		return BytesText(Bytes(n))
	case *time.Duration:
		return DurationText(time.Duration(n))
	}
	return strconv.FormatInt(n, 10)
}

// DurationText writes a duration as ParseDuration reads it, in its largest whole unit.
func DurationText(d time.Duration) string {
	for _, u := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}, {time.Millisecond, "ms"}} {
		// Whole days are told from two days on: 24h reads better than 1d.
		if d != 0 && d%u.size == 0 && (u.name != "d" || d > u.size) {
			return strconv.FormatInt(int64(d/u.size), 10) + u.name
		}
	}
	if d == 0 {
		return "0"
	}
	return d.String()
}

// BytesText writes a size in its largest whole unit.
func BytesText(b Bytes) string {
	for i, unit := range []string{"GB", "MB", "KB"} {
		if size := Bytes(math.Pow(1024, float64(3-i))); b != 0 && b%size == 0 {
			return strconv.FormatInt(int64(b/size), 10) + unit
		}
	}
	return strconv.FormatInt(int64(b), 10)
}
