// Command bundle builds the copy of realm-web that the example app's page
// loads, from the released npm packages that test/web/package-lock.json pins:
//
//	npm ci --prefix test/web
//	go run ./test/web/bundle          # writes examples/todo/hosting/files/realm-web.js
//	go run ./test/web/bundle -check   # fails when the checked-in copy differs
//
// Nothing in the SDK is changed; esbuild joins its browser build with its
// dependencies and minifies the result. The licences go into a file beside it.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sort"

	"github.com/evanw/esbuild/pkg/api"
)

const (
	modules  = "test/web/node_modules"
	bundle   = "examples/todo/hosting/files/realm-web.js"
	licences = "examples/todo/hosting/files/realm-web.LICENSES.txt"
)

func main() {
	check := flag.Bool("check", false, "compare with the checked-in files instead of writing them")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, "bundle:", err)
		os.Exit(1)
	}
}

func run(check bool) error {
	code, packages, err := build()
	if err != nil {
		return err
	}
	texts, err := licenceTexts(packages)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name    string
		content []byte
	}{{bundle, code}, {licences, texts}} {
		if !check {
			if err := os.WriteFile(f.name, f.content, 0o644); err != nil {
				return err
			}
			continue
		}
		old, err := os.ReadFile(f.name)
		if err != nil {
			return err
		}
		if !bytes.Equal(old, f.content) {
			return fmt.Errorf("%s differs from what the npm packages give: run `go run ./test/web/bundle`", f.name)
		}
	}
	return nil
}

// build returns the bundle and the packages whose code it may hold.
func build() ([]byte, []string, error) {
	result := api.Build(api.BuildOptions{
		EntryPoints:       []string{modules + "/realm-web/dist/bundle.dom.es.js"},
		Bundle:            true,
		Format:            api.FormatIIFE,
		GlobalName:        "Realm",
		Platform:          api.PlatformBrowser,
		Target:            api.ES2018,
		MinifyWhitespace:  true,
		MinifySyntax:      true,
		MinifyIdentifiers: true,
		LegalComments:     api.LegalCommentsNone, // in the file beside it
		Charset:           api.CharsetASCII,
		Banner:            map[string]string{"js": "/* realm-web 2.0.1 (Apache-2.0), unmodified; licences: realm-web.LICENSES.txt */"},
		Write:             false,
		LogLevel:          api.LogLevelWarning,
	})
	if len(result.Errors) > 0 {
		return nil, nil, fmt.Errorf("%s (is it installed? npm ci --prefix test/web)", result.Errors[0].Text)
	}
	names, err := dependencies("realm-web", map[string]bool{})
	sort.Strings(names)
	return result.OutputFiles[0].Contents, names, err
}

// dependencies lists a package and everything that it is built from: the SDK's
// own build has joined some of it already.
func dependencies(name string, seen map[string]bool) ([]string, error) {
	if seen[name] {
		return nil, nil
	}
	seen[name] = true
	text, err := os.ReadFile(filepath.Join(modules, name, "package.json"))
	if err != nil {
		return nil, err
	}
	var manifest struct{ Dependencies map[string]string }
	if err := json.Unmarshal(text, &manifest); err != nil {
		return nil, err
	}
	all := []string{name}
	for d := range manifest.Dependencies {
		more, err := dependencies(d, seen)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}

func licenceTexts(packages []string) ([]byte, error) {
	var b bytes.Buffer
	for _, p := range packages {
		text, err := licence(filepath.Join(modules, p))
		if err != nil {
			return nil, fmt.Errorf("licence of %s: %w", p, err)
		}
		fmt.Fprintf(&b, "==== %s ====\n\n%s\n\n", p, bytes.TrimSpace(text))
	}
	return b.Bytes(), nil
}

// licence finds a package's licence text. The SDK's own packages name
// Apache-2.0 without shipping its text, which is the one of this repository.
func licence(dir string) ([]byte, error) {
	for _, name := range []string{"LICENSE", "LICENSE.md", "LICENCE", "LICENSE.txt"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
			return text, nil
		}
	}
	manifest, err := os.ReadFile(filepath.Join(dir, "package.json"))
	if err != nil {
		return nil, err
	}
	var declared struct{ License string }
	if err := json.Unmarshal(manifest, &declared); err != nil {
		return nil, err
	}
	if declared.License != "Apache-2.0" {
		return nil, fmt.Errorf("no licence file, and package.json says %q", declared.License)
	}
	return os.ReadFile("LICENSE")
}
