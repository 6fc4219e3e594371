// Package setting holds tables of settings. One table says everything about a
// set of settings: name, kind, default, range and help. It fills in the
// defaults, decodes and checks what a file, a flag or the environment gives,
// and writes the documentation; nothing about a setting stands anywhere else.
package setting

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bytes is a number of bytes. It is written as a number or with a unit: 512, "64KB", "1.5MB".
type Bytes int64

// Table describes the settings of T.
type Table[T any] struct {
	Settings []Setting[T]
}

// Setting is one row of a table.
type Setting[T any] struct {
	// Name is the key in a file: lower case with underscores. As a flag it is
	// written with hyphens.
	Name string
	// Section is the heading under which the documentation lists the setting.
	Section string
	// Help is one or two sentences in the reader's words.
	Help string
	// Field points into t. Its type gives the setting its kind: *bool, *int,
	// *int64, *Bytes, *time.Duration, *string, *[]string, or what Entries returns.
	Field func(t *T) any
	// Default has the type that Field points to; nil is the zero value.
	Default any
	// Min and Max bound numbers, in the unit of the field's type. Max 0 is unbounded.
	Min, Max int64
	// Off is a value outside Min and Max that is allowed all the same, and what
	// it means: 0 for "unlimited", say. OffHelp "" means that there is none.
	Off     int64
	OffHelp string
	// Allowed lists the values of a string; empty: any.
	Allowed []string
	// Check says what is wrong with a string or with an element of a list; nil: anything goes.
	Check func(string) error
}

// A Problem is a value that a table refuses.
type Problem struct {
	Path    []string // keys from the top, e.g. oauth, oauth2-google, issuer
	Message string
	Allowed string
	Unknown bool // the key is not in the table
}

func (p *Problem) Error() string {
	s := strings.Join(p.Path, ".") + ": " + p.Message
	if p.Allowed != "" {
		s += " (allowed: " + p.Allowed + ")"
	}
	return s
}

// SetDefaults gives every field its default.
func (tb Table[T]) SetDefaults(t *T) {
	for i := range tb.Settings {
		tb.Settings[i].setDefault(t)
	}
}

func (s *Setting[T]) setDefault(t *T) {
	switch p := s.Field(t).(type) {
	case *bool:
		*p, _ = s.Default.(bool)
	case *int:
		*p, _ = s.Default.(int)
	case *int64:
		*p, _ = s.Default.(int64)
	case *Bytes:
		*p, _ = s.Default.(Bytes)
	case *time.Duration:
		*p, _ = s.Default.(time.Duration)
	case *string:
		*p, _ = s.Default.(string)
	case *[]string:
		d, _ := s.Default.([]string)
		*p = slices.Clone(d)
	}
}

// Find returns the setting of a name, or nil.
func (tb Table[T]) Find(name string) *Setting[T] {
	for i := range tb.Settings {
		if tb.Settings[i].Name == name {
			return &tb.Settings[i]
		}
	}
	return nil
}

// Names lists the names in the table's order.
func (tb Table[T]) Names() []string {
	names := make([]string, len(tb.Settings))
	for i := range tb.Settings {
		names[i] = tb.Settings[i].Name
	}
	return names
}

// Validate tells what is wrong with the table itself: a default of another
// type, a default out of range, a name that is there twice, a missing help text.
func (tb Table[T]) Validate() error {
	seen := map[string]bool{}
	for i := range tb.Settings {
		s := &tb.Settings[i]
		var t T
		field := s.Field(&t)
		switch {
		case seen[s.Name]:
			return fmt.Errorf("setting %s is in the table twice", s.Name)
		case s.Help == "" || s.Section == "":
			return fmt.Errorf("setting %s has no help or no section", s.Name)
		}
		seen[s.Name] = true
		if e, ok := field.(entries); ok {
			if err := e.validate(); err != nil {
				return fmt.Errorf("setting %s: %w", s.Name, err)
			}
			continue
		}
		if s.Default == nil {
			continue
		}
		if got, want := fmt.Sprintf("*%T", s.Default), fmt.Sprintf("%T", field); got != want {
			return fmt.Errorf("setting %s: the default is for %s, the field is %s", s.Name, got, want)
		}
		if n, ok := number(s.Default); ok {
			if err := s.inRange(n); err != nil {
				return fmt.Errorf("setting %s: its default: %w", s.Name, err)
			}
		}
	}
	return nil
}

// number gives the numeric kinds as int64.
func number(v any) (int64, bool) {
	switch v := v.(type) {
	case int:
		return int64(v), true
	case int64:
		return v, true
	case Bytes:
		return int64(v), true
	case time.Duration:
		return int64(v), true
	}
	return 0, false
}
