package rule

import (
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Trace records how a decision came about, step by step and in words. It is the
// same code path that decides: what the trace says is what happened.
type Trace struct {
	Steps []Step

	// Max bounds the steps, as documents may have any number of fields; 0: 2,000.
	Max int

	depth int
}

// Step is one statement of a Trace.
type Step struct {
	Depth int    `json:"depth"` // how far it is indented below the statement it explains
	Text  string `json:"text"`  // e.g. role "owner": apply_when is true
}

// String is the trace line by line, indented.
func (t *Trace) String() string {
	var b strings.Builder
	for _, s := range t.Steps {
		b.WriteString(strings.Repeat("  ", s.Depth))
		b.WriteString(s.Text)
		b.WriteByte('\n')
	}
	return b.String()
}

// Add appends a statement.
func (t *Trace) Add(format string, args ...any) { t.add(t.depth, fmt.Sprintf(format, args...)) }

func (t *Trace) add(depth int, text string) {
	most := t.Max
	if most == 0 {
		most = 2000
	}
	if len(t.Steps) == most {
		text = fmt.Sprintf("… more than %d steps", most)
	}
	if len(t.Steps) <= most {
		t.Steps = append(t.Steps, Step{depth, text})
	}
}

func (e *Env) note(format string, args ...any) {
	if e.trace != nil {
		e.trace.Add(format, args...)
	}
}

func (e *Env) notePermission(name string, x *Expr, ok bool) {
	if e.trace != nil {
		e.trace.Add("%s is %t: %s", name, ok, x)
	}
}

func (e *Env) noteField(name, what string, ok bool, by string) {
	if e.trace != nil {
		e.trace.add(e.trace.depth+1, fmt.Sprintf("field %s: %s is %t by %s", name, what, ok, by))
	}
}

// noteUnlisted notes a field that a nested permission does not list.
func (f *fieldRule) noteUnlisted(e *Env, key, what string) {
	if e.trace != nil {
		e.noteField(f.name+"."+key, what, false, f.inside+", which does not list it")
	}
}

func (e *Env) noteCondition(c *condition, right bson.RawValue, ok bool) {
	if e.trace != nil {
		e.trace.add(e.trace.depth+1, fmt.Sprintf("%s %s %s is %t: %s is %s", c.left, operatorNames[c.op], describeValue(right), ok, c.left, describeValue(c.left.value(e))))
	}
}
