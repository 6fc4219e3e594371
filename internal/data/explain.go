package data

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	docquery "regent/docdb/query"
	"regent/internal/caller"
	"regent/internal/ejson"
	"regent/internal/rule"
)

// ExplainRequest asks why an operation is permitted or not.
type ExplainRequest struct {
	Service, Database, Collection string

	// Operation is find, insert, update or delete.
	Operation string

	// Document is the document in question: the stored one for find and delete
	// unless ID is set, the new one for insert, the one after the change for
	// update. nil with ID: the stored one.
	Document bson.Raw

	// ID names a stored document; type 0: none.
	ID bson.RawValue
}

// Explanation says how rules decide about one document, in the steps in which
// they did. It comes from the code that decides, not from a description of it.
type Explanation struct {
	Namespace string      `json:"namespace"`
	Operation string      `json:"operation"`
	Allowed   bool        `json:"allowed"`
	Reason    string      `json:"reason,omitempty"` // why not
	Shown     string      `json:"shown,omitempty"`  // what may be read of the document, extended JSON
	Filter    string      `json:"filter,omitempty"` // what rules add to queries
	Steps     []rule.Step `json:"steps"`

	shown bson.Raw
}

// String is the explanation for people.
func (x *Explanation) String() string {
	var b strings.Builder
	verdict := "is permitted"
	if !x.Allowed {
		verdict = "is not permitted: " + x.Reason
	}
	fmt.Fprintf(&b, "%s in %s %s\n", x.Operation, x.Namespace, verdict)
	if x.Filter != "" {
		fmt.Fprintf(&b, "  queries are narrowed by %s\n", x.Filter)
	}
	for _, s := range x.Steps {
		fmt.Fprintf(&b, "  %s%s\n", strings.Repeat("  ", s.Depth), s.Text)
	}
	if x.Shown != "" {
		fmt.Fprintf(&b, "  what can be read: %s\n", x.Shown)
	}
	return b.String()
}

// JSON is the explanation for programs.
func (x *Explanation) JSON() ([]byte, error) { return json.Marshal(x) }

// Explain decides as an operation would, without performing it.
func (s *Service) Explain(ctx context.Context, c caller.Caller, q ExplainRequest) (*Explanation, error) {
	x := &Explanation{Namespace: q.Database + "." + q.Collection, Operation: q.Operation}
	switch q.Operation {
	case "find", "insert", "update", "delete":
	default:
		return nil, invalid("%q is not an operation that can be explained: find, insert, update, delete", q.Operation)
	}
	trace := &rule.Trace{}
	defer func() { x.Steps = trace.Steps }()
	if c.System {
		trace.Add("the system bypasses roles, filters and schemas")
		x.Allowed = !rule.Reserved(q.Database, q.Collection)
		if !x.Allowed {
			x.Reason = "the namespace is reserved"
		}
		return x, nil
	}
	if d := s.cfg.App.DataSource(q.Service); d != nil {
		q.Service = d.Name
	}
	n := s.cfg.Rules.Lookup(q.Service, q.Database, q.Collection)
	if n == nil {
		x.Reason = "no rule exists for the namespace"
		return x, nil
	}
	if n.Default {
		trace.Add("the collection has no rules of its own: the default rules of %s govern it", q.Service)
	}
	access := n.Access(ctx, c, s.cfg.Functions, trace)
	query, err := access.Query()
	if err != nil {
		return nil, s.fail(ctx, "explain", err)
	}
	if added := rule.And(query.Filters, query.Visible); len(added) > 5 {
		x.Filter = text(added)
	}
	before, err := s.stored(ctx, q)
	if err != nil {
		return nil, s.fail(ctx, "explain", err)
	}
	if before == nil {
		before = q.Document
	}
	// What Query evaluated of roles is summed up in the filter.
	trace.Steps = trace.Steps[:min(len(trace.Steps), filterSteps(trace))]
	if before == nil {
		return x, explainQuery(q, query, x, trace)
	}
	if err = selectedBy(query, q.Operation, before, x); err == nil && x.Reason == "" {
		err = s.explain(access, q, before, x, trace)
	}
	if err == nil && x.Shown != "" {
		err = x.hide(query.Projections)
	}
	var refusal *rule.Refusal
	var violation *rule.Violation
	switch {
	case err == nil:
		x.Allowed = x.Reason == ""
	case errors.As(err, &refusal):
		x.Reason = refusal.Detail()
	case errors.As(err, &violation):
		x.Reason = violation.Error()
	default:
		return nil, s.fail(ctx, "explain", err)
	}
	return x, nil
}

// filterSteps counts the statements about filters, which come first.
func filterSteps(t *rule.Trace) int {
	n := 0
	for i, step := range t.Steps {
		if strings.HasPrefix(step.Text, "filter ") {
			n = i + 1
		}
	}
	return n
}

// explainQuery says what can be said without a document.
func explainQuery(q ExplainRequest, query rule.Query, x *Explanation, trace *rule.Trace) error {
	if q.Operation != "find" {
		return invalid("a document or the _id of a stored one is needed to explain %s", q.Operation)
	}
	x.Allowed = !query.None
	switch {
	case query.None:
		x.Reason = "no role can show this user any document"
	case query.Exact:
		trace.Add("exactly the documents that match can be read")
	default:
		trace.Add("documents that match are judged one by one; give one to see how")
	}
	return nil
}

// selectedBy gives the reason when filters keep a stored document out of sight.
func selectedBy(query rule.Query, operation string, doc bson.Raw, x *Explanation) error {
	if operation == "insert" || len(query.Filters) <= 5 {
		return nil
	}
	f, err := docquery.Compile(query.Filters)
	if err != nil {
		return mongoFault("a filter of the rules: %v", err)
	}
	ok, err := f.Match(doc)
	if err == nil && !ok {
		x.Reason = "a filter of the rules leaves the document out"
	}
	return err
}

// hide applies the projections of filters to what can be read.
func (x *Explanation) hide(projections []bson.Raw) error {
	if len(projections) == 0 {
		return nil
	}
	d := x.shown
	for _, spec := range projections {
		p, err := docquery.CompileProjection(context.Background(), spec, emptyDocument)
		if err != nil {
			return mongoFault("the projection of a filter: %v", err)
		}
		if d, err = p.Apply(d); err != nil {
			return err
		}
	}
	x.Shown = text(d)
	return nil
}

func (s *Service) explain(access *rule.Access, q ExplainRequest, before bson.Raw, x *Explanation, trace *rule.Trace) error {
	if q.Operation == "insert" {
		doc := q.Document
		if doc == nil {
			doc = before
		}
		doc, _, generated := withID(doc)
		if err := access.Insert(doc, generated); err != nil {
			return err
		}
		return access.Validate(nil, doc)
	}
	trace.Add("the stored document:")
	if q.Operation == "find" {
		shown, err := access.Read(before)
		if err != nil {
			return err
		}
		if shown == nil {
			x.Reason = "the document cannot be read"
			return nil
		}
		x.shown, x.Shown = shown, text(shown)
		return nil
	}
	target, ok, err := access.Match(before)
	if err != nil {
		return err
	}
	if !ok {
		x.Reason = "the document cannot be seen, so that it does not match"
		return nil
	}
	if target.Shown != nil {
		x.shown, x.Shown = target.Shown, text(target.Shown)
	}
	if q.Operation == "delete" {
		trace.Add("deleting it:")
		return access.Delete(target)
	}
	after := q.Document
	if after == nil {
		after = before
	}
	trace.Add("changing it:")
	if err := access.Update(target, after); err != nil {
		return err
	}
	return access.Validate(before, after)
}

// stored reads the document that ID names.
func (s *Service) stored(ctx context.Context, q ExplainRequest) (bson.Raw, error) {
	if q.ID.Type == 0 {
		return nil, nil
	}
	coll, err := s.collection(collectionKey{q.Service, q.Database, q.Collection})
	if err != nil {
		return nil, err
	}
	d, err := coll.FindOne(ctx, byID(q.ID)).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, invalid("there is no document with this _id")
	}
	return d, err
}

func text(d bson.Raw) string {
	out, err := ejson.AppendRelaxed(nil, documentOrNull(d))
	if err != nil {
		return d.String()
	}
	return string(out)
}
