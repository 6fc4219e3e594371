package rule

import (
	"os"
	"strings"
	"testing"

	"regent/internal/app"
)

// TestProblems compares what loading the app in testdata/problems reports with
// testdata/problems.txt: misspelt and unknown names, in every place that a rule may
// have them. UPDATE=1 writes it anew.
func TestProblems(t *testing.T) {
	a, problems, err := app.Load("testdata/problems", app.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, found := Compile(a)
	var b strings.Builder
	for _, p := range append(problems, found...) {
		b.WriteString(a.Locate(p).String() + "\n")
	}
	const file = "testdata/problems.txt"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", &b, want)
	}
}
