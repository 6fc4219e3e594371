package rule

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/caller"
)

// Access is one caller's access to one namespace during one request. It must
// not be shared between goroutines.
type Access struct {
	ns  *Namespace
	env Env

	// NoPushdown keeps roles out of queries: every document is judged here. The
	// answers are the same; tests compare the two.
	NoPushdown bool

	Stats Stats
}

// Stats counts what an Access decided, for the request log.
type Stats struct {
	Documents int            // judged
	Hidden    int            // left out
	Stripped  int            // fields left out
	Roles     map[string]int // documents by role, where there are several
	Only      int            // documents to which the only role applies
}

// RoleCounts are the documents to which each role applied.
func (a *Access) RoleCounts() map[string]int {
	if a.Stats.Only > 0 {
		return map[string]int{a.ns.roles[0].name: a.Stats.Only}
	}
	return a.Stats.Roles
}

// Refusal says that a change is not permitted.
type Refusal struct {
	Operation string // insert, update, delete
	Role      string // "" when no role applies
	Reason    string
}

func (r *Refusal) Error() string { return r.Operation + " not permitted" }

// Detail is the reason for logs and explanations; clients get Error.
func (r *Refusal) Detail() string {
	if r.Role == "" {
		return r.Reason
	}
	return fmt.Sprintf("role %q: %s", r.Role, r.Reason)
}

// Access begins a request. trace may be nil.
func (n *Namespace) Access(ctx context.Context, c caller.Caller, f Functions, trace *Trace) *Access {
	return &Access{ns: n, env: Env{Caller: c, Functions: f, ctx: ctx, trace: trace, callsLeft: n.choices.FunctionCalls}}
}

// Renew begins another operation with the same Access, for streams: what
// %function returned is forgotten.
func (a *Access) Renew(ctx context.Context) {
	a.env.ctx, a.env.calls, a.env.err = ctx, nil, nil
	a.env.callsLeft = a.ns.choices.FunctionCalls
}

// choose finds the role of the document in the environment: the first whose
// apply_when is true.
func (a *Access) choose() (*role, error) {
	e := &a.env
	for _, r := range a.ns.roles {
		ok, err := r.apply.eval(e)
		if err != nil {
			return nil, err
		}
		if e.trace != nil {
			e.note("role %q: apply_when is %t: %s", r.name, ok, r.apply)
		}
		if ok {
			if a.Stats.Roles == nil && len(a.ns.roles) > 1 {
				a.Stats.Roles = map[string]int{}
			}
			if a.Stats.Roles != nil {
				a.Stats.Roles[r.name]++
			} else {
				a.Stats.Only++
			}
			return r, nil
		}
	}
	e.note("no role applies")
	return nil, nil
}

// stored puts a document into the environment as a read sees it.
func (a *Access) stored(doc bson.Raw) {
	a.env.Root, a.env.PrevRoot = doc, doc
	a.env.This, a.env.Prev = document(doc), document(doc)
}

// Read gives what the caller may read of a stored document: the document
// itself, a part of it, or nil for nothing.
func (a *Access) Read(doc bson.Raw) (bson.Raw, error) { return a.read(doc, false) }

// ReadSearched is Read for a document that $search found.
func (a *Access) ReadSearched(doc bson.Raw) (bson.Raw, error) { return a.read(doc, true) }

func (a *Access) read(doc bson.Raw, searched bool) (bson.Raw, error) {
	a.stored(doc)
	a.Stats.Documents++
	r, err := a.choose()
	if err != nil || r == nil {
		a.Stats.Hidden++
		return nil, err
	}
	return a.readAs(r, doc, searched)
}

func (a *Access) readAs(r *role, doc bson.Raw, searched bool) (bson.Raw, error) {
	if searched {
		if ok, err := a.env.optional(r.search, "search"); !ok || err != nil {
			a.Stats.Hidden++
			return nil, err
		}
	}
	mode, err := r.readMode(&a.env)
	switch {
	case err != nil:
		return nil, err
	case mode == readWhole:
		return doc, nil
	case mode == readNothing:
		a.Stats.Hidden++
		return nil, nil
	}
	out, empty, err := r.fields.strip(make([]byte, 0, len(doc)), doc, &a.env, &a.Stats.Stripped)
	if err != nil {
		return nil, err
	}
	if empty {
		a.Stats.Hidden++
		return nil, nil
	}
	return out, nil
}

// Target is a stored document that a write matched.
type Target struct {
	Before bson.Raw // as stored
	Shown  bson.Raw // what the caller may read of it; may be nil though it is writable
	Whole  bool     // Shown is all of it
	role   *role
}

// Match judges a stored document that a write's query found. ok is false when
// the caller cannot see it, so that it does not match.
func (a *Access) Match(doc bson.Raw) (t Target, ok bool, err error) {
	a.stored(doc)
	a.Stats.Documents++
	r, err := a.choose()
	if err != nil || r == nil {
		a.Stats.Hidden++
		return Target{}, false, err
	}
	t = Target{Before: doc, role: r}
	if t.Shown, err = a.readAs(r, doc, false); err != nil {
		return Target{}, false, err
	}
	if t.Shown != nil {
		t.Whole = len(t.Shown) == len(doc) && &t.Shown[0] == &doc[0]
		return t, true, nil
	}
	// Nothing to see, yet a field rule may let the caller write here.
	if r.read == nil {
		if pass, err := r.passesReadFilter(&a.env); err != nil || !pass {
			return Target{}, false, err
		}
		ok, err = r.anyWritable(&a.env, a.ns.choices)
	}
	return t, ok, err
}

// Update judges a change of a matched document.
func (a *Access) Update(t Target, after bson.Raw) error {
	a.env.This, a.env.Prev = document(after), document(t.Before)
	reason, err := t.role.update(&a.env, a.ns.choices, t.Before, after)
	return refuse("update", t.role, reason, err)
}

// Delete judges removing a matched document.
func (a *Access) Delete(t Target) error {
	a.stored(t.Before)
	reason, err := t.role.deletion(&a.env, a.ns.choices, t.Before)
	return refuse("delete", t.role, reason, err)
}

// Insert judges a new document. generatedID says that the caller did not supply
// its _id, which is then not held against the caller's field permissions.
func (a *Access) Insert(doc bson.Raw, generatedID bool) error {
	a.env.Root, a.env.PrevRoot = doc, nil
	a.env.This, a.env.Prev = document(doc), bson.RawValue{}
	a.Stats.Documents++
	r, err := a.choose()
	if err != nil {
		return err
	}
	if r == nil {
		return &Refusal{Operation: "insert", Reason: "no role applies to the new document"}
	}
	skip := ""
	if generatedID {
		skip = "_id"
	}
	reason, err := r.insertion(&a.env, a.ns.choices, doc, skip)
	return refuse("insert", r, reason, err)
}

func refuse(op string, r *role, reason string, err error) error {
	if err != nil {
		return err
	}
	if reason != "" {
		return &Refusal{Operation: op, Role: r.name, Reason: reason}
	}
	return nil
}

// Validate judges a written document by the namespace's schema. before is nil
// for inserts.
func (a *Access) Validate(before, after bson.Raw) error {
	if a.ns.schema == nil {
		return nil
	}
	return a.ns.schema.Validate(&a.env, before, after)
}

// Namespace gives what governs the access.
func (a *Access) Namespace() *Namespace { return a.ns }

// Strict tells whether fields that nobody may read must not be asked for.
func (n *Namespace) Strict() bool { return n.choices.StrictFilters }

// MayRead tells whether some role could let somebody read a dotted path.
func (n *Namespace) MayRead(path []string) bool {
	for _, r := range n.roles {
		if v, ok := r.apply.Constant(); ok && !v {
			continue
		}
		if possible(r.read) || possible(r.write) || r.read == nil && r.fields.mayRead(path) {
			return true
		}
	}
	return false
}

// WithoutDocument gives what may be told of events that carry no document: true
// when the role that applies to every document does not depend on any and reads
// documents as a whole.
func (a *Access) WithoutDocument() (bool, error) {
	q, err := a.Query()
	return err == nil && q.Exact && q.Whole && !q.None && len(q.Visible) == 0 && len(q.Filters) == 0, err
}
