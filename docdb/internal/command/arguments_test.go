package command

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/accum"
	"regent/docdb/internal/expr"
	"regent/docdb/internal/expr/exprtest"
	"regent/docdb/internal/match"
	"regent/docdb/internal/stage"
	"regent/docdb/internal/store"
	"regent/docdb/internal/update"
	"regent/docdb/internal/value"
	"regent/docdb/internal/wire"
)

// scripted are the commands of all cases, which have every command and every argument.
func scripted(t testing.TB) []bson.D {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	var out []bson.D
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range strings.Split(string(text), "\n") {
			cmd, ok := strings.CutPrefix(l, "> ")
			if !ok {
				continue
			}
			cmd = strings.NewReplacer("CURSOR", "NumberLong(77)", "TOKEN", `{_data: "82"}`, "TIME", "Timestamp(1, 1)", "S1", `{id: BinData(4, "session-number-1")}`, "S2", `{id: BinData(4, "session-number-2")}`).Replace(cmd)
			raw, err := exprtest.Doc(cmd)
			if err != nil {
				continue // it goes on in the next line
			}
			var d bson.D
			if err := bson.Unmarshal(raw, &d); err != nil {
				t.Fatal(err)
			}
			out = append(out, d)
		}
	}
	return out
}

// words are names that mean something somewhere.
func words() []string {
	out := []string{"_id", "a", "b", "a.b", "a.0", "a.$", "a.$[]", "a.$[x]", "$a", "", ".", "a..b", "$$ROOT", "$$x", "x\x00"}
	for _, c := range Commands() {
		out = append(out, c.Name)
		for _, a := range c.Args {
			out = append(out, a.Name)
		}
	}
	for _, o := range match.OperatorTable() {
		out = append(out, o.Name)
	}
	for _, o := range update.OperatorTable() {
		out = append(out, o.Name)
	}
	for _, o := range stage.Operators() {
		out = append(out, o.Name)
	}
	for _, o := range expr.Operators() {
		out = append(out, o.Name)
	}
	for _, o := range accum.Operators() {
		out = append(out, o.Name)
	}
	return out
}

// edges are values that arguments are not meant to have.
func edges() []any {
	deep := any(bson.D{})
	for range 90 {
		deep = bson.D{{Key: "a", Value: deep}}
	}
	many := make(bson.A, 3000)
	for i := range many {
		many[i] = int32(i)
	}
	return []any{nil, bson.Undefined{}, bson.MinKey{}, bson.MaxKey{}, true, false, int32(0), int32(-1), int32(1), int32(math.MaxInt32), int32(math.MinInt32), int64(math.MaxInt64), int64(math.MinInt64), int64(1) << 53,
		0.0, -1.5, 1e300, -1e300, 5e-324, math.NaN(), math.Inf(1), math.Inf(-1), bson.NewDecimal128(0x7800000000000000, 0), bson.NewDecimal128(0x5FFE314DC6448D93, 0x38C15B09FFFFFFFF), bson.NewDecimal128(0x7C00000000000000, 0),
		"", "a", "$a", "$$ROOT", "$$NOW", "$", "$$", "a.b.c", strings.Repeat("x", 5000), "\xff\xfe", "%Y-%m-%dT%H", "Europe/Berlin", "(((((a*)*)*)*)*)b", bson.Regex{Pattern: "(a+)+$", Options: "i"}, bson.Regex{Pattern: "(", Options: "zz"},
		bson.D{}, bson.A{}, bson.D{{Key: "$gt", Value: nil}}, bson.D{{Key: "$meta", Value: "textScore"}}, bson.A{bson.A{bson.A{}}}, deep, many, bson.DateTime(math.MaxInt64), bson.DateTime(math.MinInt64), bson.DateTime(0), bson.Timestamp{}, bson.Timestamp{T: math.MaxUint32, I: math.MaxUint32},
		bson.ObjectID{}, bson.Binary{}, bson.Binary{Subtype: 4, Data: make([]byte, 16)}, bson.JavaScript("while (1);"), bson.CodeWithScope{Code: "x", Scope: bson.D{}}, bson.Symbol("a"), bson.DBPointer{DB: "a"},
	}
}

// mutator changes commands as its bytes say; when they are used up it chooses the first of everything.
type mutator struct {
	rest     []byte
	commands []bson.D
	words    []string
	edges    []any
}

func (m *mutator) pick(n int) int {
	if len(m.rest) == 0 || n <= 1 {
		return 0
	}
	v := int(m.rest[0])
	m.rest = m.rest[1:]
	if n > 256 && len(m.rest) > 0 {
		v = v<<8 | int(m.rest[0])
		m.rest = m.rest[1:]
	}
	return v % n
}

// part is some value of some command.
func (m *mutator) part() any {
	v := any(m.commands[m.pick(len(m.commands))])
	for range m.pick(5) {
		switch x := v.(type) {
		case bson.D:
			if len(x) > 0 {
				v = x[m.pick(len(x))].Value
			}
		case bson.A:
			if len(x) > 0 {
				v = x[m.pick(len(x))]
			}
		}
	}
	return v
}

// change gives v with one thing changed, somewhere in it.
func (m *mutator) change(v any) any {
	switch x := v.(type) {
	case bson.D:
		if len(x) == 0 {
			break
		}
		i := m.pick(len(x))
		out := append(bson.D(nil), x...)
		switch m.pick(8) {
		case 0:
			return append(out[:i], out[i+1:]...)
		case 1:
			return append(out, out[i])
		case 2:
			out[i].Key = m.words[m.pick(len(m.words))]
		case 3:
			j := m.pick(len(x))
			out[i].Value, out[j].Value = out[j].Value, out[i].Value
		case 4:
			return append(out, bson.E{Key: m.words[m.pick(len(m.words))], Value: m.part()})
		default:
			out[i].Value = m.change(out[i].Value)
		}
		return out
	case bson.A:
		if len(x) == 0 {
			break
		}
		i := m.pick(len(x))
		out := append(bson.A(nil), x...)
		switch m.pick(5) {
		case 0:
			return append(out[:i], out[i+1:]...)
		case 1:
			return append(out, out[i])
		case 2:
			return append(out, m.part())
		default:
			out[i] = m.change(out[i])
		}
		return out
	}
	switch m.pick(6) {
	case 0:
		return bson.A{v}
	case 1:
		return bson.D{{Key: m.words[m.pick(len(m.words))], Value: v}}
	case 2:
		return m.part()
	case 3:
		return "$" + m.words[m.pick(len(m.words))]
	}
	return m.edges[m.pick(len(m.edges))]
}

// FuzzArguments takes commands of the cases and puts other values, names and parts of other commands into them. Every command is answered,
// in time and without failing inside; what it answers is BSON.
func FuzzArguments(f *testing.F) {
	commands, words, edges := scripted(f), words(), edges()
	for i := range 64 {
		f.Add([]byte{byte(i), byte(i * 37), 3, byte(i * 11), 7, byte(i), 5, 2, byte(i * 3), 9, 4, 1})
	}
	st, err := store.Open(f.TempDir(), Language{}, store.Options{})
	if err != nil {
		f.Fatal(err)
	}
	e := New(st, Options{Log: func(string, ...any) {}, TempDir: f.TempDir()})
	f.Cleanup(func() {
		e.Close()
		st.Close()
	})
	c := e.NewClient(nil, true, "")
	endSessions, err := bson.Marshal(bson.D{{Key: "killAllSessions", Value: bson.A{}}, {Key: "$db", Value: "admin"}})
	if err != nil {
		f.Fatal(err)
	}
	n := 0
	f.Fuzz(func(t *testing.T, data []byte) {
		m := &mutator{rest: data, commands: commands, words: words, edges: edges}
		cmd := append(bson.D(nil), commands[m.pick(len(commands))]...)
		for range 1 + m.pick(4) {
			if d, ok := m.change(cmd).(bson.D); ok && len(d) > 0 {
				cmd = d
			}
		}
		if n++; n%500 == 0 {
			for _, db := range e.st.Databases() {
				st.DropDatabase(db)
			}
		}
		if n%20 == 0 {
			// A transaction that stays open makes writers wait.
			c.Serve(context.Background(), &wire.Request{Body: endSessions}, nil)
		}
		db := false
		for _, x := range cmd {
			db = db || x.Key == "$db"
		}
		if !db {
			cmd = append(cmd, bson.E{Key: "$db", Value: "t"})
		}
		body, err := bson.Marshal(cmd)
		if err != nil {
			return // names with zeros
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		start := time.Now()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		out, _ := c.Serve(ctx, &wire.Request{Body: body}, nil)
		runtime.ReadMemStats(&after)
		if d := time.Since(start); d > 20*time.Second {
			t.Fatalf("it took %v: %s", d, value.ShowDoc(body))
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 2<<30 {
			t.Fatalf("it allocated %d MiB: %s", n>>20, value.ShowDoc(body))
		}
		if len(out) == 0 {
			return // a failpoint
		}
		if err := bson.Raw(out).Validate(); err != nil {
			t.Fatalf("the reply is no BSON: %v: %s", err, value.ShowDoc(body))
		}
		if code, _ := bson.Raw(out).Lookup("code").AsInt64OK(); code == 1 {
			t.Fatalf("%s: %s", bson.Raw(out), value.ShowDoc(body))
		}
	})
}
