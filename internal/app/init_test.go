package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"regent/internal/app"
)

func TestInit(t *testing.T) {
	for _, c := range []struct{ folder, name, want string }{
		{"my app", "", "my-app"},
		{"2nd_try", "", "nd_try"},
		{"日本", "", "app"},
		{"x", "shop", "shop"},
		{strings.Repeat("long", 20), "", strings.Repeat("long", 8)},
	} {
		dir := filepath.Join(t.TempDir(), "new", c.folder)
		if err := app.Init(dir, c.name); err != nil {
			t.Errorf("%s: %v", c.folder, err)
			continue
		}
		a, problems, err := app.Load(dir, app.Options{})
		if err != nil || len(problems) > 0 {
			t.Errorf("%s: %v %v", c.folder, problems, err)
			continue
		}
		if a.Name != c.want || !strings.HasPrefix(a.ID, c.want+"-") || len(a.ID) != len(c.want)+6 {
			t.Errorf("%s is named %s with the id %s, want %s", c.folder, a.Name, a.ID, c.want)
		}
		if f := a.Function("hello"); f == nil || f.Private || a.Hosting == nil || !a.Hosting.Enabled || a.DataSource("mongodb-atlas").Collection("main", "todo").Rules == nil {
			t.Errorf("%s: the app is not whole", c.folder)
		}
		if u := a.Unserved(); len(u) > 0 {
			t.Errorf("%s asks for what is not served: %q", c.folder, u)
		}
		err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			if strings.Contains(string(text), "APP_") {
				t.Errorf("%s has a place that was not filled in", path)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestInitRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, ".git"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"1st", "a b", "../x", strings.Repeat("a", 33)} {
		if err := app.Init(dir, name); err == nil {
			t.Errorf("the name %q is accepted", name)
		}
	}
	if err := app.Init(dir, "ok"); err != nil {
		t.Errorf("a folder with nothing but .git is refused: %v", err)
	}
	if err := app.Init(dir, "ok"); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a folder with an app in it is not refused: %v", err)
	}
}

func TestIDsDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 20 {
		dir := filepath.Join(t.TempDir(), "a")
		if err := app.Init(dir, "a"); err != nil {
			t.Fatal(err)
		}
		a, _, _ := app.Load(dir, app.Options{})
		seen[a.ID] = true
	}
	if len(seen) < 19 {
		t.Errorf("20 apps have %d ids", len(seen))
	}
}
