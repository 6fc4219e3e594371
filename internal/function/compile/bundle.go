package compile

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/evanw/esbuild/pkg/api"

	"regent/internal/function/host"
	"regent/internal/function/wire"
)

// MaxBundle is the largest bundle of packages in bytes.
const MaxBundle = 30 << 20

// Bundle puts the packages that an app's code names into one program: an object
// with a function for each module name. Node's own modules stay outside; a
// package that is not there is left out and named.
func Bundle(m wire.BundleMessage) wire.BundledMessage {
	out := wire.BundledMessage{Missing: map[string]string{}}
	var names []string
	for _, name := range m.Packages {
		if host.IsBuiltin(name) {
			continue
		}
		if _, err := os.Stat(filepath.Join(m.Dir, "node_modules", filepath.FromSlash(host.PackageOf(name)))); err != nil {
			out.Missing[name] = "not installed"
			continue
		}
		names = append(names, name)
	}
	sort.Strings(names)
	// A package that cannot be bundled must not keep the others from working:
	// what fails is left out and the rest is tried again.
	for len(names) > 0 {
		code, sourceMap, failed := build(m.Dir, names)
		if failed == nil {
			out.Code, out.Map = code, sourceMap
			return out
		}
		before := len(names)
		for name, reason := range failed {
			out.Missing[name] = reason
		}
		kept := names[:0]
		for _, n := range names {
			if _, ok := failed[n]; !ok {
				kept = append(kept, n)
			}
		}
		names = kept
		if len(names) == before {
			out.Error = "the packages cannot be bundled: " + failed[""]
			return out
		}
	}
	return out
}

// build bundles the names; failed maps a name to why it cannot be bundled, and
// "" to a reason that fits none.
func build(dir string, names []string) (code, sourceMap string, failed map[string]string) {
	var entry strings.Builder
	entry.WriteString("module.exports={\n")
	for _, n := range names {
		fmt.Fprintf(&entry, "%q:function(){return require(%q)},\n", n, n)
	}
	entry.WriteString("};\n")
	r := api.Build(api.BuildOptions{
		Stdin:          &api.StdinOptions{Contents: entry.String(), ResolveDir: dir, Sourcefile: "packages.js", Loader: api.LoaderJS},
		Bundle:         true,
		Write:          false,
		Platform:       api.PlatformNode,
		Format:         api.FormatCommonJS,
		Target:         api.ESNext,
		Supported:      lowered,
		MainFields:     []string{"main", "module"},
		Conditions:     []string{"node", "require", "default"},
		External:       host.BuiltinNames(),
		Sourcemap:      api.SourceMapExternal,
		SourcesContent: api.SourcesContentExclude,
		Outfile:        "packages.js",
		AbsWorkingDir:  dir,
		LogLevel:       api.LogLevelSilent,
		Charset:        api.CharsetUTF8,
		Define:         map[string]string{"process.env.NODE_ENV": `"production"`},
		Loader:         map[string]api.Loader{".node": api.LoaderEmpty, ".json": api.LoaderJSON, ".proto": api.LoaderText},
		Plugins:        []api.Plugin{optionalPackages},
	})
	if len(r.Errors) > 0 {
		failed = map[string]string{}
		for _, e := range r.Errors {
			failed[blame(e, names)] = e.Text
		}
		return "", "", failed
	}
	for _, f := range r.OutputFiles {
		if len(f.Contents) > MaxBundle {
			return "", "", map[string]string{"": fmt.Sprintf("the bundle is larger than %d bytes", MaxBundle)}
		}
		if strings.HasSuffix(f.Path, ".map") {
			sourceMap = string(f.Contents)
		} else {
			code = string(f.Contents)
		}
	}
	return code, sourceMap, nil
}

// optionalPackages leaves a module that is not there to run time, where the
// package that asked for it may well catch the error, as in Node.
var optionalPackages = api.Plugin{
	Name: "optional",
	Setup: func(b api.PluginBuild) {
		b.OnResolve(api.OnResolveOptions{Filter: `^[^./]`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			if a.PluginData == "seen" || a.Importer == "packages.js" || a.Importer == "" {
				return api.OnResolveResult{}, nil
			}
			if host.IsBuiltin(a.Path) {
				return api.OnResolveResult{Path: a.Path, External: true}, nil
			}
			r := b.Resolve(a.Path, api.ResolveOptions{ResolveDir: a.ResolveDir, Kind: a.Kind, PluginData: "seen", Importer: a.Importer})
			if len(r.Errors) > 0 {
				return api.OnResolveResult{Path: a.Path, External: true}, nil
			}
			return api.OnResolveResult{Path: r.Path, Namespace: r.Namespace, Suffix: r.Suffix, External: r.External, PluginData: r.PluginData}, nil
		})
	},
}

// blame finds which of the names a bundling error belongs to.
func blame(e api.Message, names []string) string {
	for _, n := range names {
		if strings.Contains(e.Text, `"`+n+`"`) {
			return n
		}
	}
	if e.Location != nil {
		path := filepath.ToSlash(e.Location.File)
		for _, n := range names {
			if strings.Contains(path, "node_modules/"+host.PackageOf(n)+"/") {
				return n
			}
		}
	}
	return ""
}
