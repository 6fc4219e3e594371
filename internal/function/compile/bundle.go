package compile

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/evanw/esbuild/pkg/api"

	"regent/internal/function/host"
	"regent/internal/function/wire"
)

// MaxBundle is the largest bundle of packages in bytes.
const MaxBundle = 30 << 20

// Bundle puts a package that an app's code names into one program that sets
// module.exports. Node's own modules stay outside, and so do the other packages
// that the app's code names: a realm has one instance of each, so that
// moment-timezone finds the moment that the function uses.
func Bundle(m wire.BundleMessage) wire.BundledMessage {
	if _, err := os.Stat(filepath.Join(m.Dir, "node_modules", filepath.FromSlash(host.PackageOf(m.Name)))); err != nil {
		return wire.BundledMessage{Error: "it is not installed"}
	}
	options := api.BuildOptions{
		Stdin:         &api.StdinOptions{Contents: entryOf(m), ResolveDir: m.Dir, Sourcefile: entryFile, Loader: api.LoaderJS},
		Bundle:        true,
		Platform:      api.PlatformNode,
		Format:        api.FormatCommonJS,
		Target:        api.ESNext,
		Supported:     lowered,
		MainFields:    []string{"main", "module"},
		Conditions:    []string{"node", "require", "default"},
		External:      host.BuiltinNames(),
		Outfile:       "package.js",
		AbsWorkingDir: m.Dir,
		LogLevel:      api.LogLevelSilent,
		Charset:       api.CharsetUTF8,
		Define:        map[string]string{"process.env.NODE_ENV": `"production"`},
		Loader:        map[string]api.Loader{".node": api.LoaderEmpty, ".json": api.LoaderJSON, ".proto": api.LoaderText},
		Plugins:       []api.Plugin{sharedPackages(m)},
	}
	r := api.Build(options)
	if len(r.Errors) == 0 && needsRegExp(string(r.OutputFiles[0].Contents)) {
		options.Supported = loweredFor(string(r.OutputFiles[0].Contents))
		r = api.Build(options)
	}
	if len(r.Errors) > 0 {
		return wire.BundledMessage{Error: r.Errors[0].Text}
	}
	code := r.OutputFiles[0].Contents
	if len(code) > MaxBundle {
		return wire.BundledMessage{Error: fmt.Sprintf("its bundle is larger than %d bytes", MaxBundle)}
	}
	return wire.BundledMessage{Code: string(code)}
}

// entryFile is the name of the bundle's entry, which is no file.
const entryFile = "package-entry.js"

// entryOf is the text that a bundle is made from. Where the app names several
// modules of one package they are one bundle, whose exports give each by its
// name: firebase-admin/auth knows the app that firebase-admin/app has made.
func entryOf(m wire.BundleMessage) string {
	group := host.ModulesOf(m.Packages, m.Name)
	if group == nil {
		return fmt.Sprintf("module.exports=require(%q);\n", m.Name)
	}
	var b strings.Builder
	b.WriteString("module.exports={\n")
	for _, n := range group {
		fmt.Fprintf(&b, "%q:function(){return require(%[1]q)},\n", n)
	}
	b.WriteString("};\n")
	return b.String()
}

// absentModule is the namespace of modules of a group that are not there.
const absentModule = "absent"

// sharedPackages leaves two kinds of modules to run time: other packages that
// the app's code names, when they are the same files, and modules that are not
// there, where the package that asks may well catch the error, as in Node.
func sharedPackages(m wire.BundleMessage) api.Plugin {
	return api.Plugin{Name: "shared", Setup: func(b api.PluginBuild) {
		named := map[string]bool{}
		group := host.ModulesOf(m.Packages, m.Name)
		for _, n := range m.Packages {
			named[n] = n != m.Name && !slices.Contains(group, n)
		}
		if group != nil {
			// One that is missing must not be missed by the others.
			b.OnResolve(api.OnResolveOptions{Filter: `^[^./]`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
				if a.PluginData == "seen" || filepath.Base(a.Importer) != entryFile {
					return api.OnResolveResult{}, nil
				}
				if r := b.Resolve(a.Path, api.ResolveOptions{ResolveDir: m.Dir, Kind: a.Kind, PluginData: "seen"}); len(r.Errors) > 0 {
					return api.OnResolveResult{Path: a.Path, Namespace: absentModule}, nil
				}
				return api.OnResolveResult{}, nil
			})
			b.OnLoad(api.OnLoadOptions{Filter: `.`, Namespace: absentModule}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
				text := fmt.Sprintf("throw Object.assign(new Error(%q), {code: 'MODULE_NOT_FOUND'});", "Cannot find module '"+a.Path+"': the installed package has no such file")
				return api.OnLoadResult{Contents: &text, Loader: api.LoaderJS}, nil
			})
		}
		// A file of a package may ask for its main file, as moment's locales do.
		if whole := host.PackageOf(m.Name); whole != m.Name && named[whole] {
			main := sync.OnceValue(func() string {
				return b.Resolve(whole, api.ResolveOptions{ResolveDir: m.Dir, Kind: api.ResolveJSRequireCall, PluginData: "seen"}).Path
			})
			b.OnResolve(api.OnResolveOptions{Filter: `^\.`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
				if a.PluginData == "seen" {
					return api.OnResolveResult{}, nil
				}
				r := b.Resolve(a.Path, api.ResolveOptions{ResolveDir: a.ResolveDir, Kind: a.Kind, PluginData: "seen", Importer: a.Importer})
				if len(r.Errors) == 0 && r.Path == main() {
					return api.OnResolveResult{Path: whole, External: true}, nil
				}
				return api.OnResolveResult{}, nil
			})
		}
		b.OnResolve(api.OnResolveOptions{Filter: `^[^./]`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			if a.PluginData == "seen" || a.Importer == "" || filepath.Base(a.Importer) == entryFile {
				return api.OnResolveResult{}, nil
			}
			if host.IsBuiltin(a.Path) {
				return api.OnResolveResult{Path: a.Path, External: true}, nil
			}
			r := b.Resolve(a.Path, api.ResolveOptions{ResolveDir: a.ResolveDir, Kind: a.Kind, PluginData: "seen", Importer: a.Importer})
			if len(r.Errors) > 0 {
				return api.OnResolveResult{Path: a.Path, External: true}, nil
			}
			if named[a.Path] {
				top := b.Resolve(a.Path, api.ResolveOptions{ResolveDir: m.Dir, Kind: a.Kind, PluginData: "seen"})
				if len(top.Errors) == 0 && top.Path == r.Path {
					return api.OnResolveResult{Path: a.Path, External: true}, nil
				}
			}
			return api.OnResolveResult{Path: r.Path, Namespace: r.Namespace, Suffix: r.Suffix, External: r.External, PluginData: r.PluginData}, nil
		})
	}}
}
