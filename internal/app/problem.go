package app

import (
	"cmp"
	"fmt"
)

// Severity grades a Problem.
type Severity string

// The severities. An error keeps the app from being served; a warning names a
// feature that is refused when used while everything else serves.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// Problem is something wrong with an app directory.
type Problem struct {
	Severity Severity `json:"severity"`
	File     string   `json:"file"`             // relative to the directory
	Line     int      `json:"line,omitempty"`   // from 1; 0 when unknown
	Column   int      `json:"column,omitempty"` // from 1; 0 when unknown
	Path     string   `json:"path,omitempty"`   // JSON path
	Message  string   `json:"message"`          // what is wrong, and who needs it
	Allowed  string   `json:"allowed,omitempty"`
}

// String is one line as `regent check` prints it.
func (p Problem) String() string {
	s := p.File
	if p.Line > 0 {
		s += fmt.Sprintf(":%d", p.Line)
		if p.Column > 0 {
			s += fmt.Sprintf(":%d", p.Column)
		}
	}
	s += ": " + string(p.Severity) + ": "
	if p.Path != "" && p.Path != "$" {
		s += p.Path + ": "
	}
	s += p.Message
	if p.Allowed != "" {
		s += " (allowed: " + p.Allowed + ")"
	}
	return s
}

// Compare orders problems by where they are.
func (p Problem) Compare(q Problem) int {
	return cmp.Or(cmp.Compare(p.File, q.File), cmp.Compare(p.Line, q.Line), cmp.Compare(p.Column, q.Column))
}

// Warn returns a warning at a place that the loader recorded.
func (s Source) Warn(format string, args ...any) Problem {
	return Problem{Severity: SeverityWarning, File: s.File, Path: s.Path, Message: fmt.Sprintf(format, args...)}
}

// Error returns an error at a place that the loader recorded.
func (s Source) Error(format string, args ...any) Problem {
	return Problem{Severity: SeverityError, File: s.File, Path: s.Path, Message: fmt.Sprintf(format, args...)}
}
