package setting_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"regent/internal/setting"
)

type config struct {
	On      bool
	Count   int
	Big     int64
	Size    setting.Bytes
	Wait    time.Duration
	Mode    string
	Hosts   []string
	Plugins map[string]plugin
}

type plugin struct {
	Port int
	Name string
}

func table() setting.Table[config] {
	plugins := setting.Table[plugin]{Settings: []setting.Setting[plugin]{
		{Name: "port", Section: "P", Help: "h", Default: 80, Field: func(p *plugin) any { return &p.Port }, Min: 1, Max: 65535},
		{Name: "name", Section: "P", Help: "h", Field: func(p *plugin) any { return &p.Name }},
	}}
	return setting.Table[config]{Settings: []setting.Setting[config]{
		{Name: "on", Section: "A", Help: "h", Default: true, Field: func(c *config) any { return &c.On }},
		{Name: "count", Section: "A", Help: "h", Default: 5, Field: func(c *config) any { return &c.Count }, Min: 1, Max: 10, Off: 0, OffHelp: "none"},
		{Name: "big", Section: "A", Help: "h", Default: int64(7), Field: func(c *config) any { return &c.Big }},
		{Name: "size", Section: "A", Help: "h", Default: setting.Bytes(1024), Field: func(c *config) any { return &c.Size }, Min: 1, Max: 1 << 30},
		{Name: "wait", Section: "B", Help: "h", Default: time.Minute, Field: func(c *config) any { return &c.Wait }, Min: int64(time.Second), Max: int64(time.Hour)},
		{Name: "mode", Section: "B", Help: "a|b", Default: "fast", Field: func(c *config) any { return &c.Mode }, Allowed: []string{"fast", "safe"}},
		{Name: "hosts", Section: "B", Help: "h", Default: []string{"a"}, Field: func(c *config) any { return &c.Hosts },
			Check: func(s string) error {
				if strings.Contains(s, " ") {
					return errors.New("has a space")
				}
				return nil
			}},
		{Name: "plugins", Section: "B", Help: "h", Field: func(c *config) any { return setting.Entries(&c.Plugins, plugins) }},
	}}
}

func TestDefaults(t *testing.T) {
	if err := table().Validate(); err != nil {
		t.Fatal(err)
	}
	var a, b config
	table().SetDefaults(&a)
	table().SetDefaults(&b)
	if !a.On || a.Count != 5 || a.Big != 7 || a.Size != 1024 || a.Wait != time.Minute || a.Mode != "fast" || a.Hosts[0] != "a" {
		t.Errorf("%+v", a)
	}
	a.Hosts[0] = "changed"
	if b.Hosts[0] != "a" {
		t.Error("two configurations share a default list")
	}
}

func TestDecode(t *testing.T) {
	for _, c := range []struct {
		key     string
		value   any
		problem string // part of it; "" is accepted
	}{
		{"on", false, ""}, {"on", "off", ""}, {"on", "maybe", "neither true nor false"}, {"on", 1.0, "found a number"},
		{"count", 10.0, ""}, {"count", 0.0, ""}, {"count", 11.0, "too large"}, {"count", -1.0, "too small"},
		{"count", 1.5, "whole number"}, {"count", "3", ""}, {"count", "x", "whole number"}, {"count", nil, ""}, {"count", math.NaN(), "whole number"},
		{"count", 1e300, "whole number"},
		{"size", "64KB", ""}, {"size", "1.5 MB", ""}, {"size", "2GiB", "too large"}, {"size", "5 apples", "not a size"}, {"size", "NaN", "not a size"}, {"size", 0.0, "too small"},
		{"wait", "30m", ""}, {"wait", 90.0, ""}, {"wait", "0.01d", ""}, {"wait", "2h", "too large"}, {"wait", "soon", "not a duration"},
		{"wait", 1e300, "too long"}, {"wait", "1e300d", "too long"}, {"wait", "NaN", "too long"}, {"wait", []any{}, "found an array"},
		{"mode", "safe", ""}, {"mode", "quick", "not allowed"}, {"mode", false, "found a boolean"},
		{"hosts", []any{"x", "y"}, ""}, {"hosts", []any{"x y"}, "has a space"}, {"hosts", []any{1.0}, "found a number"}, {"hosts", "x", "found a string"},
		{"plugins", map[string]any{"p": map[string]any{"port": 81.0}}, ""}, {"plugins", map[string]any{"p": map[string]any{"port": 0.0}}, "plugins.p.port"},
		{"plugins", map[string]any{"p": nil}, "plugins.p: expected an object"}, {"plugins", []any{}, "expected an object"},
		{"other", 1.0, "unknown setting"},
	} {
		var got config
		table().SetDefaults(&got)
		problems := table().Decode(&got, map[string]any{c.key: c.value})
		switch {
		case c.problem == "" && len(problems) > 0:
			t.Errorf("%s = %v: %v", c.key, c.value, problems[0])
		case c.problem != "" && (len(problems) != 1 || !strings.Contains(problems[0].Error(), c.problem)):
			t.Errorf("%s = %v: got %v, want %q", c.key, c.value, problems, c.problem)
		}
	}
}

func TestRefusedValuesChangeNothing(t *testing.T) {
	var got config
	table().SetDefaults(&got)
	table().Decode(&got, map[string]any{"count": 11.0, "wait": "2h", "mode": "quick", "size": "3GB"})
	if got.Count != 5 || got.Wait != time.Minute || got.Mode != "fast" || got.Size != 1024 {
		t.Errorf("%+v", got)
	}
}

func TestEntriesHaveDefaults(t *testing.T) {
	var got config
	if p := table().Decode(&got, map[string]any{"plugins": map[string]any{"p": map[string]any{"name": "x"}}}); len(p) > 0 {
		t.Fatal(p[0])
	}
	if got.Plugins["p"] != (plugin{80, "x"}) {
		t.Errorf("%+v", got.Plugins)
	}
}

func TestSetString(t *testing.T) {
	var got config
	for name, text := range map[string]string{"on": "true", "count": "3", "size": "2MB", "wait": "45s", "mode": "safe", "hosts": "x, y,", "big": "9"} {
		if err := table().SetString(&got, name, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !got.On || got.Count != 3 || got.Size != 2<<20 || got.Wait != 45*time.Second || got.Mode != "safe" || len(got.Hosts) != 2 || got.Big != 9 {
		t.Errorf("%+v", got)
	}
	for name, text := range map[string]string{"on": "", "count": "", "mode": "x", "plugins": "x", "nothing": "x"} {
		if table().SetString(&got, name, text) == nil {
			t.Errorf("%s = %q is accepted", name, text)
		}
	}
}

func TestTextsAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, int64(200*365*24*time.Hour)).Draw(t, "duration"))
		if got, err := setting.ParseDuration(setting.DurationText(d)); err != nil || got != d {
			t.Fatalf("%d is written %s and read %d, %v", d, setting.DurationText(d), got, err)
		}
		b := setting.Bytes(rapid.Int64Range(0, 1<<50).Draw(t, "size"))
		var c struct{ B setting.Bytes }
		tb := setting.Table[struct{ B setting.Bytes }]{Settings: []setting.Setting[struct{ B setting.Bytes }]{
			{Name: "b", Field: func(c *struct{ B setting.Bytes }) any { return &c.B }}}}
		if err := tb.SetString(&c, "b", setting.BytesText(b)); err != nil || c.B != b {
			t.Fatalf("%d is written %s and read %d, %v", b, setting.BytesText(b), c.B, err)
		}
	})
}

func TestMarkdown(t *testing.T) {
	var b strings.Builder
	if err := table().Markdown(&b); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"### A\n", "### B\n",
		"| `count` | number | `5` | 1 to 10; 0: none | h |\n",
		"| `size` | size | `1KB` | 1 to 1GB | h |\n",
		"| `wait` | duration | `1m` | 1s to 1h | h |\n",
		"| `mode` | text | `fast` | fast, safe | a\\|b |\n",
		"| `plugins.<name>.port` | number | `80` | 1 to 65535 | h |\n",
	} {
		if !strings.Contains(b.String(), line) {
			t.Errorf("%q is missing in\n%s", line, b.String())
		}
	}
}

func TestValidateFindsWrongTables(t *testing.T) {
	field := func(c *config) any { return &c.Count }
	for name, s := range map[string]setting.Setting[config]{
		"type":  {Name: "x", Section: "A", Help: "h", Default: "5", Field: field},
		"range": {Name: "x", Section: "A", Help: "h", Default: 0, Field: field, Min: 1},
		"help":  {Name: "x", Section: "A", Field: field},
	} {
		if (setting.Table[config]{Settings: []setting.Setting[config]{s}}).Validate() == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	twice := append(table().Settings, table().Settings[0])
	if (setting.Table[config]{Settings: twice}).Validate() == nil {
		t.Error("the same name twice is accepted")
	}
}
