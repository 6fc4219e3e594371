package rule

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/query"
	"regent/internal/app"
	"regent/internal/caller"
	"regent/internal/ejson"
	"regent/internal/user"
)

func parse(t testing.TB, text string) bson.RawValue {
	t.Helper()
	v, err := ejson.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func parseDocument(t testing.TB, text string) bson.Raw {
	t.Helper()
	return parse(t, text).Document()
}

// testFunctions are the functions that the text cases name.
type testFunctions struct{ calls int }

func (f *testFunctions) Call(_ context.Context, _ caller.Caller, name string, args []bson.RawValue) (bson.RawValue, error) {
	f.calls++
	switch name {
	case "isTrue":
		return boolValue(true), nil
	case "isFalse":
		return boolValue(false), nil
	case "echo":
		return args[0], nil
	case "list":
		return arrayOf([]bson.RawValue{stringValue("x"), stringValue("u1")}), nil
	}
	return bson.RawValue{}, errors.New("it throws")
}

func testApp(t testing.TB) *app.App {
	return &app.App{
		Functions: []*app.Function{{Name: "isTrue"}, {Name: "isFalse"}, {Name: "echo"}, {Name: "list"}, {Name: "throws"}},
		Values: []*app.Value{
			{Name: "limit", Value: parse(t, `5`)}, {Name: "list", Value: parse(t, `["x", "y"]`)}, {Name: "secretless"},
		},
		Environment:       "production",
		EnvironmentValues: map[string]bson.RawValue{"base": stringValue("b")},
	}
}

func testCaller(t testing.TB) caller.Caller {
	return caller.Caller{
		User: &user.User{
			ID: "u1", Type: user.Normal, Data: parseDocument(t, `{"email": "a@x.org", "roles": ["editor"]}`),
			CustomData: parseDocument(t, `{"team": "red", "teams": ["red", "blue"], "admin": true, "level": 3, "oid": "5f0000000000000000000001",
				"evil": {"$ne": null}, "evilText": "%%true", "pattern": {"$regularExpression": {"pattern": ".", "options": ""}}, "none": null, "address": {"city": "Rome"}}`),
			Identities: []user.Identity{{ID: "i1", ProviderType: "anon-user"}, {ID: "i2", ProviderType: "local-userpass"}},
		},
		Request: &caller.Request{
			RemoteIP: "10.0.0.1", Method: "POST", Header: http.Header{"X-Key": {"abc"}, "Accept": {"a", "b"}},
			Referrer: "https://r.example", UserAgent: "agent", RawQuery: "q=1", Service: "mongodb-atlas", Action: "find", WebhookURL: "/hook",
		},
	}
}

func TestExpressions(t *testing.T) {
	a, c := testApp(t), testCaller(t)
	file, err := os.Open("testdata/expressions.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var x *Expr
	var problems []app.Problem
	var text string
	n := 0
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line := lines.Text()
		switch {
		case strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#"):
		case !strings.HasPrefix(line, " "):
			text = line
			x, problems = CompileExpression(a, parse(t, line), Document, app.Source{File: "rules.json", Path: "$"})
		case strings.HasPrefix(line, "  problem: "):
			n++
			want := strings.TrimPrefix(line, "  problem: ")
			found := false
			for _, p := range problems {
				found = found || strings.Contains(p.Message, want) && p.File == "rules.json" && strings.HasPrefix(p.Path, "$")
			}
			if !found || !x.Broken() {
				t.Errorf("%s: broken %t, problems %v; want %q", text, x.Broken(), problems, want)
			}
			if ok, _ := x.Eval(t.Context(), &Env{Caller: c}); ok {
				t.Errorf("%s: is true though it is broken", text)
			}
		default:
			n++
			line = strings.TrimSpace(line)
			i := strings.LastIndexByte(line, ' ')
			want := line[i+1:] == "true"
			docText, prevText, hasPrev := strings.Cut(strings.TrimSpace(line[:i]), " <- ")
			doc := parseDocument(t, strings.TrimSpace(docText))
			prev := doc
			if hasPrev {
				if prev = nil; strings.TrimSpace(prevText) != "none" {
					prev = parseDocument(t, prevText)
				}
			}
			if x.Broken() {
				t.Errorf("%s: %v", text, problems)
				continue
			}
			e := &Env{Caller: c, Functions: &testFunctions{}, Root: doc, PrevRoot: prev, This: document(doc)}
			if prev != nil {
				e.Prev = document(prev)
			}
			got, err := x.Eval(t.Context(), e)
			if err != nil || got != want {
				t.Errorf("%s on %s: %t, %v; want %t", text, line, got, err, want)
			}
			if !hasPrev {
				checkPushed(t, text, x, e, doc, want)
			}
		}
	}
	if n < 150 {
		t.Fatalf("only %d cases were read", n)
	}
}

// TestEveryNameHasCases: every operator under both signs, and every expansion, stands
// in the text cases.
func TestEveryNameHasCases(t *testing.T) {
	text, err := os.ReadFile("testdata/expressions.txt")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	operators := []string{"and", "or", "nor", "not", "exists", "function"}
	for name := range comparisons {
		operators = append(operators, name)
	}
	for name := range conversions {
		operators = append(operators, name)
	}
	for _, name := range operators {
		want = append(want, `"$`+name+`"`, `"%`+name+`"`)
	}
	for _, x := range expansions {
		want = append(want, `"%%`+x.name)
	}
	for _, name := range append(want, `"%%true"`, `"%%false"`, `"%%values.`, `"%%environment.tag"`, `"%%environment.values.`) {
		if !strings.Contains(string(text), name) {
			t.Errorf("no case has %s", name)
		}
	}
}

// checkPushed compares the expression's query with the expression.
func checkPushed(t testing.TB, text string, x *Expr, e *Env, doc bson.Raw, want bool) {
	t.Helper()
	e.ctx = t.Context()
	q := x.node.query(e)
	matches := q.kind == pushAll
	if q.kind == pushQuery {
		f, err := query.Compile(bson.Raw(q.query))
		if err != nil {
			t.Fatalf("%s: the query %s: %v", text, bson.Raw(q.query), err)
		}
		if matches, err = f.Match(doc); err != nil {
			t.Fatal(err)
		}
	}
	if want && !matches || q.exact && want != matches {
		t.Errorf("%s on %s: query %s (exact %t) matches %t, the expression is %t", text, doc, bson.Raw(q.query), q.exact, matches, want)
	}
}

func TestCallsOfFunctionsAreBoundedAndRemembered(t *testing.T) {
	a := testApp(t)
	x, _ := CompileExpression(a, parse(t, `{"a": {"%function": {"name": "echo", "arguments": ["%%root.a"]}}}`), Document, app.Source{})
	f := &testFunctions{}
	e := &Env{Functions: f, callsLeft: 5}
	granted := 0
	for i := range 20 {
		e.Root, _ = bson.Marshal(bson.D{{Key: "a", Value: i % 10}})
		if ok, _ := x.Eval(t.Context(), e); ok {
			granted++
		}
	}
	if f.calls != 4 || granted != 8 {
		t.Errorf("%d calls, %d granted; want 4 and 8", f.calls, granted)
	}
}

func TestDepthAndSizeAreBounded(t *testing.T) {
	deep := strings.Repeat(`{"%not": `, 150) + "true" + strings.Repeat("}", 150)
	x, problems := CompileExpression(nil, parse(t, deep), Document, app.Source{})
	if !x.Broken() || len(problems) == 0 {
		t.Error("150 levels are accepted")
	}
	wide := `{"%or": [` + strings.Repeat(`{"a": "x"},`, 10_000) + `{"a": "y"}]}`
	x, _ = CompileExpression(nil, parse(t, wide), Document, app.Source{})
	if ok, err := x.Eval(t.Context(), &Env{Root: parseDocument(t, `{"a": "y"}`)}); !ok || err != nil {
		t.Error("10,001 terms are not evaluated")
	}
}

func FuzzExpression(f *testing.F) {
	text, err := os.ReadFile("testdata/expressions.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "{") {
			f.Add([]byte(line), []byte(`{"a": [1, {"b": null}], "owner_id": "u1"}`))
		}
	}
	a, c := testApp(f), testCaller(f)
	f.Fuzz(func(t *testing.T, expr, doc []byte) {
		v, err := ejson.Parse(expr)
		if err != nil {
			return
		}
		d, err := ejson.ParseDocument(doc)
		if err != nil {
			return
		}
		x, _ := CompileExpression(a, v, Document, app.Source{})
		e := &Env{Caller: c, Functions: &testFunctions{}, Root: d, PrevRoot: d}
		ok, err := x.Eval(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		_ = x.String()
		e.ctx = t.Context()
		q := x.node.query(e)
		if q.kind != pushQuery {
			if q.exact && ok != (q.kind == pushAll) {
				t.Fatalf("%s is %t on %s, pushed as %v", expr, ok, doc, q.kind)
			}
			return
		}
		m, err := query.Compile(bson.Raw(q.query))
		if err != nil {
			return // e.g. a path that queries do not take
		}
		matches, err := m.Match(d)
		if err != nil {
			return
		}
		if ok && !matches || q.exact && ok != matches {
			t.Fatalf("%s is %t on %s; query %s (exact %t) matches %t", expr, ok, doc, bson.Raw(q.query), q.exact, matches)
		}
	})
}
