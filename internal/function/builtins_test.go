package function

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"regent/internal/function/host"
)

// builtinCase is what a line of testdata/builtins.list says of a module.
type builtinCase struct{ module, word, rest string }

func readBuiltins(t *testing.T) (cases []builtinCase) {
	t.Helper()
	text, err := os.ReadFile("testdata/builtins.list")
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(text)) {
		if f := strings.Fields(l); l[0] != '#' && len(f) > 2 {
			_, rest, _ := strings.Cut(l, " "+f[1]+" ")
			cases = append(cases, builtinCase{f[0], f[1], strings.TrimSpace(rest)})
		}
	}
	return cases
}

// TestBuiltins requires every built-in module of Node and uses it: it works, or
// the error names the member.
func TestBuiltins(t *testing.T) {
	cases := readBuiltins(t)
	files := map[string]string{
		"refuses": `exports = (name, member) => { const m = require(name); try { m[member](); } catch (e) { try { new (m[member])(); } catch (n) { return [e.message, n.message]; } } }`,
	}
	for _, c := range cases {
		if c.word == "works" {
			files["works/"+c.module] = "exports = async name => { const m = require(name); return await (" + c.rest + "); }"
		}
	}
	d := mustDeploy(t, mustStart(t, Config{}), nil, files)
	for _, c := range cases {
		prefixed := "node:" + strings.TrimPrefix(c.module, "node:")
		for _, name := range slices.Compact([]string{c.module, prefixed}) {
			got, err := "", error(nil)
			want := "true"
			if c.word == "works" {
				got, err = call(t, d, "works/"+c.module, name)
			} else {
				got, err = call(t, d, "refuses", name, c.rest)
				text := c.module + "." + c.rest + " is not available in functions"
				want = `["` + text + `","` + text + `"]`
				if slash := strings.ReplaceAll(want, "/", "."); strings.ReplaceAll(got, "/", ".") == slash {
					got = want // fs/promises.writeFile is fs.promises.writeFile
				}
			}
			if err != nil || got != want {
				t.Errorf("%s: %s %v, want %s", name, got, err, want)
			}
		}
	}
	for _, name := range host.BuiltinNames() {
		if !slices.ContainsFunc(cases, func(c builtinCase) bool { return c.module == name || "node:"+c.module == name }) {
			t.Errorf("testdata/builtins.list says nothing of %s", name)
		}
	}
	for _, name := range nodeBuiltins(t) {
		if !host.IsBuiltin(name) {
			t.Errorf("Node has the module %s", name)
		}
	}
}

// nodeBuiltins asks Node, where it is installed, for its modules, having it
// agree that what is said to work does.
func nodeBuiltins(t *testing.T) (names []string) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Log("node is not installed")
		return nil
	}
	const script = `
		const cases = require('fs').readFileSync('testdata/builtins.list', 'utf8').matchAll(/^(\S+) +works +(.*)$/gm);
		(async () => {
			for (const [, name, text] of cases) if (!await new Function('m', 'require', 'return ' + text)(require(name), require)) throw new Error(name + ': ' + text);
			console.log(JSON.stringify(require('module').builtinModules));
		})();`
	out, err := exec.Command(node, "--no-deprecation", "-e", script).Output()
	if err == nil {
		err = json.Unmarshal(out, &names)
	}
	if err != nil {
		t.Errorf("Node does not agree: %v %s", err, out)
	}
	return names
}
