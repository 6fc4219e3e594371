package rule

import (
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Trace records how a decision came about, step by step and in words. It is the
// same code path that decides: what the trace says is what happened.
type Trace struct {
	Steps []Step
	depth int
}

// Step is one statement of a Trace.
type Step struct {
	Depth int    // how far it is indented below the statement it explains
	Text  string // e.g. role "owner": apply_when is true
}

// maxSteps bounds a trace; documents may have any number of fields.
const maxSteps = 2000

func (t *Trace) add(text string) {
	if len(t.Steps) == maxSteps {
		text = fmt.Sprintf("… more than %d steps", maxSteps)
	}
	if len(t.Steps) <= maxSteps {
		t.Steps = append(t.Steps, Step{t.depth, text})
	}
}

func (e *Env) note(format string, args ...any) {
	if e.trace != nil {
		e.trace.add(fmt.Sprintf(format, args...))
	}
}

func (e *Env) indent(by int) {
	if e.trace != nil {
		e.trace.depth += by
	}
}

func (e *Env) notePermission(name string, x *Expr, ok bool) {
	if e.trace != nil {
		e.trace.add(fmt.Sprintf("%s is %t: %s", name, ok, x))
	}
}

func (e *Env) noteField(name, what string, ok bool, by string) {
	if e.trace != nil {
		e.trace.add(fmt.Sprintf("field %s: %s is %t by %s", name, what, ok, by))
	}
}

func (e *Env) noteCondition(c *condition, right bson.RawValue, ok bool) {
	if e.trace != nil {
		e.trace.add(fmt.Sprintf("  %s %s %s: %t (%s is %s)", c.left, operatorNames[c.op], describeValue(right), ok, c.left, describeValue(c.left.value(e))))
	}
}
