package rules

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"regent/test/script"
	"regent/test/server"
)

// attacks is the table of what the rules must withstand (rules-attacks.md 1 to
// 20). An attack is made by the sections of testdata/attacks.txt of package data
// whose names begin with its number, and by its more, which needs several
// programs, much of something, or time.
var attacks = []struct {
	number int
	name   string
	more   func(t *testing.T, engine string)
}{
	{1, "every operation that reads is under roles and field permissions", nil},
	{2, "a projection does not change what rules see", nil},
	{3, "sorting and filtering on what cannot be read, with the strict switch", nil},
	{4, "stages that reach other collections", nil},
	{5, "code at any depth", nil},
	{6, "other namespaces, system databases and Regent's own", nil},
	{7, "watch tells what can be read, to sessions that live", watchAttacks},
	{8, "nested fields, array elements and $unwind", nil},
	{9, "writing oneself in as the owner", nil},
	{10, "upserts", nil},
	{11, "a check on one document, an act on another", raceAttack},
	{12, "one forbidden document among many", nil},
	{13, "updates without operators", nil},
	{14, "batches of mixed documents", nil},
	{15, "values that look like operators", headerAttack},
	{16, "several operators, and unknown ones", nil},
	{17, "bare booleans", nil},
	{18, "functions that throw or take too long", slowFunctionAttack},
	{19, "equality of numbers, texts and ids", nil},
	{20, "depth and size", sizeAttacks},
}

// TestAttacks makes every attack as a logged-in user, with nothing but requests.
func TestAttacks(t *testing.T) {
	sections, err := script.Read(filepath.Join(server.Root(), "internal", "data", "testdata", "attacks.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, engine := range engines() {
		t.Run(engine, func(t *testing.T) {
			worlds := make([]*world, len(sections))
			for i, s := range sections {
				worlds[i] = newWorld(t, fmt.Sprintf("attack%d", i))
				s.Configure(worlds[i])
			}
			serve(t, engine, worlds...)
			play := func(t *testing.T, prefix string) (played int) {
				for i, s := range sections {
					number, name, _ := strings.Cut(s.Name, " ")
					if prefix == "" && (number == "" || number[0] > '9') {
						name = s.Name
					} else if number != prefix {
						continue
					}
					played++
					t.Run(name, func(t *testing.T) {
						worlds[i].TB = t
						s.Play(t, worlds[i])
					})
				}
				return played
			}
			for _, a := range attacks {
				t.Run(fmt.Sprintf("%02d %s", a.number, a.name), func(t *testing.T) {
					n := play(t, fmt.Sprint(a.number))
					if a.more != nil {
						a.more(t, engine)
					} else if n == 0 {
						t.Error("nobody makes this attack")
					}
				})
			}
			t.Run("all", func(t *testing.T) { play(t, "") })
		})
	}
}

// TestOperations plays the other scripts of package data through the
// protocol: results are compared byte by byte (client-api.md §1.17). Clients are
// never the system, so that sections in which it acts run there only.
func TestOperations(t *testing.T) {
	for _, engine := range engines() {
		t.Run(engine, func(t *testing.T) {
			var worlds []*world
			var cases []script.Section
			for _, file := range []string{"operations", "schemas", "choices", "oracle"} {
				sections, err := script.Read(filepath.Join(server.Root(), "internal", "data", "testdata", file+".txt"))
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range sections {
					if s.Uses("sys") {
						continue
					}
					w := newWorld(t, fmt.Sprintf("%s%d", file, len(cases)))
					s.Configure(w)
					worlds, cases = append(worlds, w), append(cases, s)
				}
			}
			serve(t, engine, worlds...)
			for i, s := range cases {
				t.Run(s.Name, func(t *testing.T) {
					worlds[i].TB = t
					s.Play(t, worlds[i])
				})
			}
		})
	}
}
