package compile

import (
	"sort"
	"strings"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/parser"
	"github.com/dop251/goja/token"

	"regent/internal/function/syntax"
)

// The numbers of JavaScript have no integer types, so what is computed under a
// new key has lost the type of what it was computed from. flowsOf finds, by
// names alone and without running anything, from which keys a key's value is
// made: `total: price * quantity` says that total is made of price and quantity.
// The host then gives a computed number the widest type that came in under
// these keys (host/types.go, client-api.md §1.16.2).
//
// It is an estimate: variables of one name in one file are one variable. What it
// misses is an int32 where the original had an int64 of the same value.

// Sources other than keys.
const (
	longSource     = "#long"   // count() and the like
	doubleSource   = "#double" // a literal with a point
	functionSource = "f:"      // the result of another function
)

const (
	maxFlowEdges   = 20_000
	maxFlowSources = 50
)

// flowGraph has an edge from each name to what its value is made of. Names are
// "v:x" for variables, "k:x" for keys, "" for what the function gives.
type flowGraph struct {
	edges  map[string]map[string]bool
	count  int
	params map[string]*ast.ParameterList // of named functions
}

func flowsOf(name, code string) map[string][]string {
	tree, err := goja.Parse(name, code, parser.WithDisableSourceMaps)
	if err != nil {
		return nil
	}
	g := &flowGraph{edges: map[string]map[string]bool{}, params: map[string]*ast.ParameterList{}}
	syntax.Walk(tree.Body, func(node any) bool {
		switch n := node.(type) {
		case *ast.FunctionLiteral:
			if n.Name != nil {
				g.params[n.Name.Name.String()] = n.ParameterList
			}
		case *ast.Binding:
			if id, ok := n.Target.(*ast.Identifier); ok {
				if _, list := functionOf(n.Initializer); list != nil {
					g.params[id.Name.String()] = list
				}
			}
		}
		return true
	})
	syntax.Walk(tree.Body, g.visit)
	return g.sources()
}

func (g *flowGraph) add(target string, from []string) {
	for _, s := range from {
		if s == target || g.count >= maxFlowEdges || g.edges[target][s] {
			continue
		}
		if g.edges[target] == nil {
			g.edges[target] = map[string]bool{}
		}
		g.edges[target][s] = true
		g.count++
	}
}

// sources gives for every key the keys that its value is made of in the end.
func (g *flowGraph) sources() map[string][]string {
	out := map[string][]string{}
	for target := range g.edges {
		key, isKey := strings.CutPrefix(target, "k:")
		if !isKey && target != "" {
			continue
		}
		seen := map[string]bool{target: true}
		var found []string
		for queue := []string{target}; len(queue) > 0 && len(found) < maxFlowSources; queue = queue[1:] {
			for s := range g.edges[queue[0]] {
				if seen[s] {
					continue
				}
				seen[s] = true
				queue = append(queue, s)
				if k, ok := strings.CutPrefix(s, "k:"); ok {
					found = append(found, k)
				} else if s[0] != 'v' {
					found = append(found, s)
				}
			}
		}
		if len(found) > 0 {
			sort.Strings(found)
			out[key] = found
		}
	}
	return out
}

func (g *flowGraph) visit(node any) bool {
	switch n := node.(type) {
	case *ast.Binding:
		g.assign(n.Target, n.Initializer)
	case *ast.AssignExpression:
		g.assign(n.Left, n.Right)
	case *ast.PropertyKeyed:
		if key := propertyName(n); key != "" {
			g.add("k:"+key, g.names(n.Value))
		}
	case *ast.PropertyShort:
		g.add("k:"+n.Name.Name.String(), []string{"v:" + n.Name.Name.String()})
	case *ast.FunctionLiteral:
		if n.Name != nil {
			g.add("v:"+n.Name.Name.String(), g.returns(n))
		}
	case *ast.ForOfStatement:
		switch into := n.Into.(type) {
		case *ast.ForIntoVar:
			g.bind(into.Binding.Target, g.names(n.Source))
		case *ast.ForDeclaration:
			g.bind(into.Target, g.names(n.Source))
		case *ast.ForIntoExpression:
			g.bind(into.Expression, g.names(n.Source))
		}
	case *ast.CallExpression:
		g.call(n)
	}
	return true
}

// assign notes that target becomes value.
func (g *flowGraph) assign(target any, value ast.Expression) {
	from := g.names(value)
	fn, _ := functionOf(value)
	if fn != nil {
		from = g.returns(fn)
	}
	if id, ok := target.(*ast.Identifier); ok && id.Name.String() == "exports" {
		g.add("", from)
		return
	}
	g.bind(target, from)
}

// bind notes that target, a variable, a member or a pattern, is made of from.
func (g *flowGraph) bind(target any, from []string) {
	switch t := target.(type) {
	case *ast.Identifier:
		g.add("v:"+t.Name.String(), from)
	case *ast.DotExpression:
		g.add("k:"+t.Identifier.Name.String(), from)
	case *ast.BracketExpression:
		if s, ok := t.Member.(*ast.StringLiteral); ok {
			g.add("k:"+s.Value.String(), from)
			return
		}
		for _, base := range g.names(t.Left) {
			g.add(base, from)
		}
	case *ast.AssignExpression: // a default
		g.bind(t.Left, append(g.names(t.Right), from...))
	case *ast.ArrayPattern:
		for _, e := range t.Elements {
			g.bind(e, from)
		}
	case *ast.ObjectPattern:
		for _, p := range t.Properties {
			switch p := p.(type) {
			case *ast.PropertyShort:
				name := p.Name.Name.String()
				g.add("v:"+name, append(g.names(p.Initializer), "k:"+name))
			case *ast.PropertyKeyed:
				if key := propertyName(p); key != "" {
					g.bind(p.Value, []string{"k:" + key})
				}
			}
		}
	}
}

// call notes what arguments become: parameters, and elements of lists.
func (g *flowGraph) call(n *ast.CallExpression) {
	switch callee := unwrap(n.Callee).(type) {
	case *ast.Identifier:
		if list := g.params[callee.Name.String()]; list != nil {
			for i, b := range list.List {
				if i < len(n.ArgumentList) {
					g.bind(b.Target, g.names(n.ArgumentList[i]))
				}
			}
		}
	case *ast.DotExpression:
		method, on := callee.Identifier.Name.String(), g.names(callee.Left)
		if method == "push" || method == "unshift" {
			for _, a := range n.ArgumentList {
				for _, base := range on {
					g.add(base, g.names(a))
				}
			}
			return
		}
		for _, a := range n.ArgumentList {
			fn, list := functionOf(a)
			if fn == nil {
				continue
			}
			for i, b := range list.List {
				from := on
				if i == 0 && strings.HasPrefix(method, "reduce") {
					from = g.returns(fn)
					if len(n.ArgumentList) > 1 {
						from = append(from, g.names(n.ArgumentList[1])...)
					}
				}
				g.bind(b.Target, from)
			}
		}
	}
}

// returns gives what the results of a function are made of.
func (g *flowGraph) returns(fn any) []string {
	var out []string
	body := []ast.Statement(nil)
	switch f := fn.(type) {
	case *ast.FunctionLiteral:
		body = f.Body.List
	case *ast.ArrowFunctionLiteral:
		switch b := f.Body.(type) {
		case *ast.ExpressionBody:
			return g.names(b.Expression)
		case *ast.BlockStatement:
			body = b.List
		}
	}
	syntax.Walk(body, func(node any) bool {
		switch n := node.(type) {
		case *ast.FunctionLiteral, *ast.ArrowFunctionLiteral, *ast.ClassLiteral:
			return false
		case *ast.ReturnStatement:
			out = append(out, g.names(n.Argument)...)
		}
		return true
	})
	return out
}

// names gives what the number that e gives, if it is one, is made of.
func (g *flowGraph) names(e ast.Expression) []string {
	switch n := unwrap(e).(type) {
	case *ast.Identifier:
		return []string{"v:" + n.Name.String()}
	case *ast.DotExpression:
		if name := n.Identifier.Name.String(); name != "length" && name != "size" {
			return []string{"k:" + name}
		}
	case *ast.BracketExpression:
		if s, ok := n.Member.(*ast.StringLiteral); ok {
			return []string{"k:" + s.Value.String()}
		}
		return g.names(n.Left)
	case *ast.NumberLiteral:
		if strings.Contains(n.Literal, ".") {
			return []string{doubleSource}
		}
	case *ast.UnaryExpression:
		if n.Operator == token.MINUS || n.Operator == token.PLUS || n.Operator == token.INCREMENT || n.Operator == token.DECREMENT {
			return g.names(n.Operand)
		}
	case *ast.BinaryExpression:
		if numeric[n.Operator] {
			return append(g.names(n.Left), g.names(n.Right)...)
		}
	case *ast.ConditionalExpression:
		return append(g.names(n.Consequent), g.names(n.Alternate)...)
	case *ast.AssignExpression:
		return g.names(n.Right)
	case *ast.AwaitExpression:
		return g.names(n.Argument)
	case *ast.SequenceExpression:
		return g.names(n.Sequence[len(n.Sequence)-1])
	case *ast.ArrayLiteral:
		var out []string
		for _, e := range n.Value {
			if _, literal := e.(*ast.NumberLiteral); !literal { // says nothing of its neighbours
				out = append(out, g.names(e)...)
			}
		}
		return out
	case *ast.SpreadElement:
		return g.names(n.Expression)
	case *ast.CallExpression:
		return g.result(n)
	}
	return nil
}

func (g *flowGraph) namesOf(list []ast.Expression) []string {
	var out []string
	for _, e := range list {
		out = append(out, g.names(e)...)
	}
	return out
}

// numeric are the operators that give what their operands are. Those of bits
// give an int32 and comparisons no number.
var numeric = map[token.Token]bool{
	token.PLUS: true, token.MINUS: true, token.MULTIPLY: true, token.SLASH: true, token.REMAINDER: true, token.EXPONENT: true,
	token.LOGICAL_OR: true, token.LOGICAL_AND: true, token.COALESCE: true,
}

// Methods by what they give: an element of the list or the list itself, or what
// their callback gives.
var (
	givesElements = map[string]bool{"filter": true, "find": true, "findLast": true, "slice": true, "sort": true, "reverse": true, "concat": true, "at": true, "pop": true, "shift": true,
		"flat": true, "toArray": true, "toSorted": true, "toReversed": true, "values": true, "valueOf": true, "toNumber": true, "catch": true, "finally": true}
	givesCallbacks = map[string]bool{"map": true, "flatMap": true, "then": true, "reduce": true, "reduceRight": true}
	givesCount     = map[string]bool{"count": true, "countDocuments": true, "estimatedDocumentCount": true}
	givesArguments = map[string]bool{"min": true, "max": true, "abs": true, "pow": true, "all": true, "resolve": true}
)

// result gives what the result of a call is made of. What Math.round and the
// like or parseInt give is an integer of its own.
func (g *flowGraph) result(n *ast.CallExpression) []string {
	switch callee := unwrap(n.Callee).(type) {
	case *ast.Identifier:
		if name := callee.Name.String(); name == "Number" || name == "BigInt" {
			return g.namesOf(n.ArgumentList)
		}
		return g.names(callee)
	case *ast.DotExpression:
		method := callee.Identifier.Name.String()
		on, _ := unwrap(callee.Left).(*ast.Identifier)
		switch {
		case givesCount[method]:
			return []string{longSource}
		case givesArguments[method] && on != nil && (on.Name == "Math" || on.Name == "Promise"):
			return g.namesOf(n.ArgumentList)
		case givesElements[method]:
			return g.names(callee.Left)
		case givesCallbacks[method]:
			var out []string
			for _, a := range n.ArgumentList {
				if fn, _ := functionOf(a); fn != nil {
					out = append(out, g.returns(fn)...)
				} else {
					out = append(out, g.names(a)...)
				}
			}
			return out
		case method == "execute" || method == "get":
			return g.outside(callee, n)
		}
	}
	return nil
}

// outside gives the sources of context.functions.execute("name") and
// context.values.get("name").
func (g *flowGraph) outside(callee *ast.DotExpression, n *ast.CallExpression) []string {
	on, ok := unwrap(callee.Left).(*ast.DotExpression)
	if !ok || len(n.ArgumentList) == 0 {
		return nil
	}
	name, ok := n.ArgumentList[0].(*ast.StringLiteral)
	if !ok {
		return nil
	}
	switch on.Identifier.Name.String() {
	case "functions":
		return []string{functionSource + name.Value.String()}
	case "values":
		return []string{"k:" + name.Value.String()}
	}
	return nil
}

func unwrap(e ast.Expression) ast.Expression {
	for {
		switch n := e.(type) {
		case *ast.OptionalChain:
			e = n.Expression
		case *ast.Optional:
			e = n.Expression
		default:
			return e
		}
	}
}

// functionOf gives e when it is a function, with its parameters.
func functionOf(e ast.Expression) (any, *ast.ParameterList) {
	switch n := e.(type) {
	case *ast.FunctionLiteral:
		return n, n.ParameterList
	case *ast.ArrowFunctionLiteral:
		return n, n.ParameterList
	}
	return nil, nil
}

func propertyName(p *ast.PropertyKeyed) string {
	if s, ok := p.Key.(*ast.StringLiteral); ok {
		return s.Value.String()
	}
	if id, ok := p.Key.(*ast.Identifier); ok && !p.Computed {
		return id.Name.String()
	}
	return ""
}
