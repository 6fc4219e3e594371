package app_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/tools/txtar"

	"regent/internal/app"
	"regent/internal/ejson"
)

var update = flag.Bool("update", false, "write what the tests see as what they want")

// TestCases loads the directories of testdata/load. The text before the first
// file describes the case and may hold options, one a line:
//
//	app-id: ID            Options.AppID
//	secret: NAME=VALUE    Options.Secrets
//	env: NAME=VALUE       Options.Environ
//	crlf: FILE            write the file with CRLF line ends
//	bom: FILE             write the file with a byte order mark
//
// want/problems has a line a problem, want/app what was loaded, want/unserved
// the words for the start log.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/load/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases in testdata/load", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			c := readCase(t, file)
			a, problems, err := app.Load(c.dir, c.opts)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{"want/problems": problemLines(problems), "want/app": describe(a), "want/unserved": ""}
			if a != nil {
				for _, u := range a.Unserved() {
					got["want/unserved"] += u + "\n"
				}
			}
			if *update {
				c.write(t, file, got)
				return
			}
			for name, text := range got {
				if diff := cmp.Diff(c.want[name], text); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
			}
			// Every problem tells its place where the file can.
			if a != nil {
				for i, p := range a.LocateAll(problems) {
					if p != problems[i] {
						t.Errorf("Locate changed a problem of Load:\n%v\n%v", problems[i], p)
					}
				}
			}
		})
	}
}

type testCase struct {
	dir     string
	opts    app.Options
	archive *txtar.Archive
	want    map[string]string
	changed map[string][]byte // original content by full name
}

func readCase(t testing.TB, file string) *testCase {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := &testCase{dir: filepath.Join(t.TempDir(), "dir"), archive: archive, want: map[string]string{}, changed: map[string][]byte{}}
	env := map[string]string{}
	c.opts = app.Options{Secrets: map[string]string{}, Environ: func(name string) string { return env[name] }}
	var crlf, bom []string
	for line := range strings.Lines(string(archive.Comment)) {
		key, text, _ := strings.Cut(strings.TrimSpace(line), ": ")
		name, content, _ := strings.Cut(text, "=")
		switch key {
		case "app-id":
			c.opts.AppID = text
		case "secret":
			c.opts.Secrets[name] = content
		case "env":
			env[name] = content
		case "crlf":
			crlf = append(crlf, text)
		case "bom":
			bom = append(bom, text)
		}
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.Files {
		if strings.HasPrefix(f.Name, "want/") {
			c.want[f.Name] = string(f.Data)
			continue
		}
		data := string(f.Data)
		if slices.Contains(crlf, f.Name) {
			data = strings.ReplaceAll(data, "\n", "\r\n")
		}
		if slices.Contains(bom, f.Name) {
			data = "\uFEFF" + data
		}
		full := filepath.Join(c.dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func (c *testCase) write(t *testing.T, file string, got map[string]string) {
	t.Helper()
	c.archive.Files = slices.DeleteFunc(c.archive.Files, func(f txtar.File) bool { return strings.HasPrefix(f.Name, "want/") })
	for _, name := range []string{"want/problems", "want/unserved", "want/app"} {
		c.archive.Files = append(c.archive.Files, txtar.File{Name: name, Data: []byte(got[name])})
	}
	if err := os.WriteFile(file, txtar.Format(c.archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

func problemLines(problems []app.Problem) string {
	var b strings.Builder
	for _, p := range problems {
		fmt.Fprintln(&b, p)
	}
	return b.String()
}

// describe writes an app as lines of path and value, without what is zero and
// without settings that have their default.
func describe(a *app.App) string {
	if a == nil {
		return "none\n"
	}
	var lines []string
	defaults := app.DefaultSettings()
	walkApp("App", reflect.ValueOf(*a), func(path string, v reflect.Value, text string) {
		text = strings.ReplaceAll(text, a.Dir, "DIR")
		if name, ok := strings.CutPrefix(path, "App.Settings."); ok {
			first, _, _ := strings.Cut(name, "[")
			if reflect.DeepEqual(reflect.ValueOf(defaults).FieldByName(first).Interface(), reflect.ValueOf(a.Settings).FieldByName(first).Interface()) {
				return
			}
		}
		lines = append(lines, strings.TrimPrefix(path, "App.")+" = "+text)
	})
	return strings.Join(lines, "\n") + "\n"
}

// walkApp visits every leaf that is not zero.
func walkApp(path string, v reflect.Value, visit func(path string, v reflect.Value, text string)) {
	if v.IsZero() {
		return
	}
	switch x := v.Interface().(type) {
	case bson.RawValue:
		text, err := ejson.Append(nil, x)
		if err != nil {
			text = []byte(err.Error())
		}
		visit(path, v, string(text))
		return
	case bson.Raw:
		visit(path, v, x.String())
		return
	case []byte:
		visit(path, v, fmt.Sprintf("%q", x))
		return
	case app.Source:
		visit(path, v, x.File+" "+x.Path)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		walkApp(path, v.Elem(), visit)
	case reflect.Struct:
		for i := range v.NumField() {
			walkApp(path+"."+v.Type().Field(i).Name, v.Field(i), visit)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.String {
			visit(path, v, fmt.Sprintf("%q", v.Interface()))
			return
		}
		for i := range v.Len() {
			walkApp(fmt.Sprintf("%s[%d]", path, i), v.Index(i), visit)
		}
	case reflect.Map:
		keys := v.MapKeys()
		sort.Slice(keys, func(i, j int) bool { return keys[i].String() < keys[j].String() })
		for _, k := range keys {
			walkApp(fmt.Sprintf("%s[%s]", path, k), v.MapIndex(k), visit)
		}
	case reflect.String:
		visit(path, v, fmt.Sprintf("%q", v.Interface()))
	default:
		visit(path, v, fmt.Sprint(v.Interface()))
	}
}

// files lists the directory's files in the archive's order.
func (c *testCase) files() []string {
	var names []string
	for _, f := range c.archive.Files {
		if !strings.HasPrefix(f.Name, "want/") {
			names = append(names, f.Name)
		}
	}
	return names
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}
