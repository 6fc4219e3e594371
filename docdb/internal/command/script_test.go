package command

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr/exprtest"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
	"regent/docdb/internal/wire"
)

// TestScripts runs testdata/*.txt: what is sent to the server and what it answers, in the order in which a client would do it.
//
//	== a name               begins a case, in an empty server
//	> {find: "c"}           sends a command, to the database t unless it names another in $db
//	{cursor: {…}}           compares the reply: the members named here (exprtest.Like)
//	!! 26 NamespaceNotFound ns does not exist: t.c
//	                        expects an error: code, codeName, errmsg (may be left out; "..." at its end allows more)
//	!w 0 11000 E11000 ...   expects a write error: index, code, errmsg
//	c = [{_id: 1}]          compares what a collection holds, in natural order
//
// A command without an expectation must succeed. CURSOR, TOKEN and TIME stand for the last cursor id, resume token and operation time that a
// reply had; S1 and S2 for two sessions. Lines that begin with white space continue the one before.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			runScript(t, filepath.Base(name), string(text))
		})
	}
}

// script is a running file of cases.
type script struct {
	t                   *testing.T
	e                   *Engine
	c                   wire.Client
	file, name, command string
	line                int
	reply               bson.Raw // of the last command, until it is compared
	last                bson.Raw
	cursor              int64
	token               string
	time                string
}

func runScript(t *testing.T, file, text string) {
	st, err := store.Open(t.TempDir(), Language{}, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e := New(st, Options{Log: func(string, ...any) {}, TempDir: t.TempDir(), TestCommands: true})
	defer st.Close()
	defer e.Close()
	s := &script{t: t, e: e, file: file}
	s.start("")
	var cur string
	var at int
	flush := func() {
		if cur != "" {
			s.line = at
			s.run(cur)
		}
		cur = ""
	}
	for i, l := range strings.Split(text, "\n") {
		if strings.HasPrefix(l, "#") || strings.TrimSpace(l) == "" {
			continue
		}
		if l[0] == ' ' || l[0] == '\t' {
			cur += "\n" + l
			continue
		}
		flush()
		cur, at = l, i+1
	}
	flush()
	s.settle()
	s.c.Close()
}

func (s *script) fail(format string, args ...any) {
	s.t.Helper()
	s.t.Errorf("%s:%d: %s\n\t%s\n\t"+format, append([]any{s.file, s.line, s.name, s.command}, args...)...)
}

// start begins a case.
func (s *script) start(name string) {
	s.settle()
	if s.c != nil {
		s.c.Close()
	}
	s.c = s.e.NewClient(nil, true, "")
	s.name = name
	s.send(bson.D{{Key: "killAllSessions", Value: bson.A{}}, {Key: "$db", Value: "admin"}})
	for _, db := range s.e.st.Databases() {
		if _, err := s.e.st.DropDatabase(db); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *script) send(body any) bson.Raw {
	raw, err := bson.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	out, _ := s.c.Serve(context.Background(), &wire.Request{Body: raw}, nil)
	return out
}

// settle requires that the last command succeeded when nothing was said about its reply.
func (s *script) settle() {
	if s.reply != nil {
		if ok, _ := s.reply.Lookup("ok").DoubleOK(); ok != 1 || s.reply.Lookup("writeErrors").Type != 0 {
			s.fail("%s", s.show())
		}
	}
	s.reply = nil
}

func (s *script) run(line string) {
	switch {
	case strings.HasPrefix(line, "== "):
		s.start(line[3:])
	case strings.HasPrefix(line, "> "):
		s.settle()
		s.command = line[2:]
		d, err := exprtest.Doc(s.expand(s.command))
		if err != nil {
			s.fail("%v", err)
			return
		}
		var body bson.D
		if err := bson.Unmarshal(d, &body); err != nil {
			s.fail("%v", err)
			return
		}
		if d.Lookup("$db").Type == 0 {
			body = append(body, bson.E{Key: "$db", Value: "t"})
		}
		s.reply = s.send(body)
		s.last = s.reply
		s.learn()
	case strings.HasPrefix(line, "!! "):
		s.wantError(line[3:])
	case strings.HasPrefix(line, "!w "):
		s.wantWriteError(line[3:])
	case strings.HasPrefix(line, "{"):
		d, err := exprtest.Value(s.expand(line))
		if err != nil {
			s.fail("%v", err)
			return
		}
		want := append(bson.Raw(nil), d.Value...)
		elems, _ := want.Elements()
		for _, e := range elems {
			if e.Key() == "..." {
				continue
			}
			v, _ := s.last.LookupErr(e.Key())
			if e.Key() == "cursor" && v.Type == bson.TypeEmbeddedDocument {
				s.compareCursor(v.Document(), e.Value().Document())
			} else if !exprtest.Like(v, e.Value()) {
				s.fail("%s is %s\n\twant %s\n\tin %s", e.Key(), value.Show(v), value.Show(e.Value()), s.show())
			}
		}
		if d.Value[4] == 0 || want.Lookup("ok").Type == 0 && want.Lookup("writeErrors").Type == 0 {
			s.settle()
		}
		s.reply = nil
	default:
		name, docs, ok := strings.Cut(line, " = ")
		if !ok {
			s.fail("what is %q?", line)
			return
		}
		s.settle()
		want, err := exprtest.Value(s.expand(docs))
		if err != nil {
			s.fail("%v", err)
			return
		}
		got := s.send(bson.D{{Key: "find", Value: name}, {Key: "$db", Value: "t"}, {Key: "batchSize", Value: 1000}}).Lookup("cursor", "firstBatch")
		if !exprtest.Like(got, want) {
			s.fail("%s holds %s\n\twant %s", name, value.Show(got), value.Show(want))
		}
	}
}

// compareCursor compares the members of a cursor in any order.
func (s *script) compareCursor(got, want bson.Raw) {
	elems, _ := want.Elements()
	for _, e := range elems {
		if v, _ := got.LookupErr(e.Key()); !exprtest.Like(v, e.Value()) {
			s.fail("cursor.%s is %s\n\twant %s", e.Key(), value.Show(v), value.Show(e.Value()))
		}
	}
}

// show is the last reply without what every reply has.
func (s *script) show() string {
	var d bson.D
	if err := bson.Unmarshal(s.last, &d); err != nil {
		return err.Error()
	}
	out := bson.D{}
	for _, e := range d {
		if e.Key != "$clusterTime" && e.Key != "operationTime" {
			out = append(out, e)
		}
	}
	raw, err := bson.Marshal(out)
	if err != nil {
		return err.Error()
	}
	return value.ShowDoc(raw)
}

func (s *script) wantError(text string) {
	code, rest, _ := strings.Cut(text, " ")
	name, msg, _ := strings.Cut(rest, " ")
	n, _ := s.last.Lookup("code").AsInt64OK()
	cn, _ := s.last.Lookup("codeName").StringValueOK()
	em, _ := s.last.Lookup("errmsg").StringValueOK()
	if strconv.FormatInt(n, 10) != code || cn != name || !sameMessage(em, msg) {
		s.fail("%s\n\twant %s", s.show(), text)
	}
	s.reply = nil
}

func (s *script) wantWriteError(text string) {
	idx, rest, _ := strings.Cut(text, " ")
	code, msg, _ := strings.Cut(rest, " ")
	arr, _ := s.last.Lookup("writeErrors").ArrayOK()
	for _, v := range value.Elements(arr) {
		d := v.Document()
		if strconv.Itoa(int(d.Lookup("index").Int32())) == idx {
			if strconv.Itoa(int(d.Lookup("code").Int32())) != code || !sameMessage(d.Lookup("errmsg").StringValue(), msg) {
				s.fail("%s\n\twant %s", value.ShowDoc(d), text)
			}
			s.reply = nil
			return
		}
	}
	s.fail("no write error for statement %s: %s", idx, s.show())
	s.reply = nil
}

func sameMessage(got, want string) bool {
	if p, ok := strings.CutSuffix(want, "..."); ok {
		return strings.HasPrefix(got, p)
	}
	return want == "" || got == want
}

// learn remembers what later commands may refer to.
func (s *script) learn() {
	if id, ok := s.reply.Lookup("cursor", "id").Int64OK(); ok && id != 0 {
		s.cursor = id
	}
	if tok, ok := s.reply.Lookup("cursor", "postBatchResumeToken", "_data").StringValueOK(); ok {
		s.token = tok
	}
	if t, i, ok := s.reply.Lookup("operationTime").TimestampOK(); ok {
		s.time = fmt.Sprintf("Timestamp(%d, %d)", t, i)
	}
}

func (s *script) expand(text string) string {
	return strings.NewReplacer("CURSOR", fmt.Sprintf("NumberLong(%d)", s.cursor), "TOKEN", fmt.Sprintf("{_data: %q}", s.token), "TIME", s.time,
		"S1", `{id: BinData(4, "session-number-1")}`, "S2", `{id: BinData(4, "session-number-2")}`).Replace(text)
}
