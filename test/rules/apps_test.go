package rules

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"regent/test/script"
)

// TestApps serves whole app directories with the odd shapes that real exports
// have (real-apps.md §5, §6), and plays what their owners would try. The users
// are e-mail users, named u1@example.com and so on.
func TestApps(t *testing.T) {
	files, err := filepath.Glob("testdata/apps/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, engine := range engines() {
		t.Run(engine, func(t *testing.T) {
			for _, file := range files {
				archive, err := txtar.ParseFile(file)
				if err != nil {
					t.Fatal(err)
				}
				name := strings.TrimSuffix(filepath.Base(file), ".txtar")
				t.Run(name, func(t *testing.T) {
					w := &world{TB: t, dir: t.TempDir(), id: name + "-abcde", db: name, email: true, users: map[string]*user{}, data: map[string]string{}, streams: map[string]*stream{}}
					var sections []script.Section
					for _, f := range archive.Files {
						if f.Name == "cases" {
							if sections, err = script.Parse(string(f.Data)); err != nil {
								t.Fatal(err)
							}
							continue
						}
						w.file(f.Name, string(f.Data))
					}
					for _, s := range sections {
						s.Configure(w)
					}
					serve(t, engine, w)
					for _, s := range sections {
						s.Play(t, w)
					}
				})
			}
		})
	}
}
