package function

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
	"regent/internal/function/compile"
	"regent/internal/function/host"
	"regent/internal/function/wire"
)

// compilerMemory is what a compiler process may use.
const compilerMemory = 2 << 30

// compiler is a running compiler process.
type compiler struct {
	cmd    *exec.Cmd
	conn   *wire.Conn
	stderr *tail
}

func startCompiler(cfg Config) (*compiler, error) {
	c := &compiler{stderr: &tail{}}
	var err error
	if c.cmd, c.conn, err = spawn(cfg.Executable, compilerArgument, compilerMemory, sharedNiceness, 0, c.stderr); err != nil {
		return nil, err
	}
	f, err := c.conn.Receive()
	if err != nil || f.Kind != wire.Ready {
		c.close()
		return nil, errors.Join(errors.New("the compiler process does not start"), err)
	}
	return c, nil
}

func (c *compiler) close() {
	c.conn.Close()
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// ask sends one request and waits for its answer. The context ends the process.
func (c *compiler) ask(ctx context.Context, kind wire.Kind, m, answer any) error {
	stop := context.AfterFunc(ctx, func() {
		_ = c.cmd.Process.Kill()
		c.conn.Close()
	})
	defer stop()
	if err := c.conn.Send(wire.Frame{Kind: kind, Body: wire.Marshal(m)}); err != nil {
		return err
	}
	f, err := c.conn.Receive()
	if err != nil {
		return err
	}
	return bson.Unmarshal(f.Body, answer)
}

// compileAll compiles every function of an app in a compiler process. A file
// that ends the process is reported, and the others are compiled in another.
func compileAll(ctx context.Context, cfg Config, a *app.App) (map[string]*wire.CompiledMessage, error) {
	out := map[string]*wire.CompiledMessage{}
	var c *compiler
	defer func() {
		if c != nil {
			c.close()
		}
	}()
	for _, f := range allFunctions(a) {
		if f.Code == nil {
			continue
		}
		if c == nil {
			var err error
			if c, err = startCompiler(cfg); err != nil {
				return out, err
			}
		}
		answer := &wire.CompiledMessage{}
		err := c.ask(ctx, wire.Compile, wire.CompileMessage{Name: f.Name, File: fileOf(f), Code: f.Code}, answer)
		if err != nil {
			if ctx.Err() != nil {
				return out, ctx.Err()
			}
			c.close()
			answer = &wire.CompiledMessage{Error: "the file ended the compiler: it nests too deeply (" + c.stderr.reason() + ")"}
			c = nil
		}
		out[f.Name] = answer
	}
	return out, nil
}

// compileHere is compileAll without a process of its own, for a program that
// cannot start one.
func compileHere(a *app.App) map[string]*wire.CompiledMessage {
	out := map[string]*wire.CompiledMessage{}
	for _, f := range allFunctions(a) {
		if f.Code != nil {
			m := compile.Source(wire.CompileMessage{Name: f.Name, File: fileOf(f), Code: f.Code})
			out[f.Name] = &m
		}
	}
	return out
}

// packagesOf lists the npm modules that the functions name.
func packagesOf(compiled map[string]*wire.CompiledMessage) []string {
	seen := map[string]bool{}
	for _, c := range compiled {
		for _, r := range c.Refs {
			if r.Kind == "package" && len(r.Name) > 0 && r.Name[0] != '.' && r.Name[0] != '/' && !host.IsBuiltin(r.Name) {
				seen[r.Name] = true
			}
		}
	}
	var names []string
	for n := range seen {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// bundler bundles an app's packages, each when it is first required.
type bundler struct {
	cfg   Config
	app   *app.App
	names []string
	cache *bundleCache

	mu      sync.Mutex
	folder  string // holds node_modules; set when the first package is asked for
	cleanup func()
	err     error
	opened  bool
	done    map[string]*wire.BundledMessage
}

func newBundler(cfg Config, cache *bundleCache, a *app.App, names []string) *bundler {
	return &bundler{cfg: cfg, cache: cache, app: a, names: names, done: map[string]*wire.BundledMessage{}}
}

// bundle gives a package's program.
func (b *bundler) bundle(ctx context.Context, name string) (*wire.BundledMessage, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if group := host.ModulesOf(b.names, name); group != nil {
		name = group[0] // it stands for all
	}
	if m := b.done[name]; m != nil {
		return m, nil
	}
	if !b.opened {
		b.opened = true
		b.folder, b.cleanup, b.err = packageFolder(b.app, b.cfg.Limits.of(b.app.Settings).ArchiveBytes)
	}
	if b.err != nil {
		return nil, b.err
	}
	if !slices.Contains(b.names, name) && !b.holds(name) {
		return &wire.BundledMessage{Error: "it is not installed"}, nil
	}
	key := b.key(name)
	if m := b.cache.get(key); m != nil {
		b.done[name] = m
		return m, nil
	}
	m := &wire.BundledMessage{Error: "it is not installed"}
	if b.folder != "" {
		c, err := startCompiler(b.cfg)
		if err != nil {
			return nil, err
		}
		defer c.close()
		m = &wire.BundledMessage{}
		if err := c.ask(ctx, wire.Bundle, wire.BundleMessage{Dir: b.folder, Packages: b.names, Name: name}, m); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			m.Error = fmt.Sprintf("it cannot be bundled: %s %s", err, c.stderr.reason())
		}
	}
	b.done[name] = m
	if m.Error == "" {
		b.cache.put(key, m)
	}
	return m, nil
}

// holds reports whether a name that the app's code does not hold literally is a
// file within an installed package: hosts may ask for nothing else.
func (b *bundler) holds(name string) bool {
	if b.folder == "" || path.Clean(name) != name || !filepath.IsLocal(filepath.FromSlash(name)) || name == host.PackageOf(name) {
		return false
	}
	for _, end := range []string{"", ".js", ".json"} {
		if i, err := os.Stat(filepath.Join(b.folder, "node_modules", filepath.FromSlash(name)+end)); err == nil && i.Mode().IsRegular() {
			return true
		}
	}
	return false
}

// key names what a bundle depends on: the installation, the package, and the
// names that are left outside of it.
func (b *bundler) key(name string) string {
	parts := []string{b.app.Dependencies.Dir, b.app.Dependencies.Archive, name}
	for _, f := range []string{b.app.Dependencies.Archive, filepath.Join(b.app.Dependencies.Dir, ".package-lock.json"), filepath.Join(b.app.Dependencies.Dir, filepath.FromSlash(host.PackageOf(name)), "package.json")} {
		if i, err := os.Stat(f); err == nil {
			parts = append(parts, i.ModTime().String(), fmt.Sprint(i.Size()))
		}
	}
	return strings.Join(append(parts, b.names...), "\x00")
}

// bundleCache keeps bundles across deployments, so that a changed function does
// not bundle every package again.
type bundleCache struct {
	mu    sync.Mutex
	size  int
	known map[string]*wire.BundledMessage
}

// maxCached bounds the cache in bytes.
const maxCached = 64 << 20

func (c *bundleCache) get(key string) *wire.BundledMessage {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known[key]
}

func (c *bundleCache) put(key string, m *wire.BundledMessage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil || c.size+len(m.Code) > maxCached {
		c.known, c.size = map[string]*wire.BundledMessage{}, 0
	}
	c.known[key] = m
	c.size += len(m.Code)
}

// prepare bundles every package ahead, so that first calls need not wait.
func (b *bundler) prepare(ctx context.Context) {
	for _, n := range b.names {
		if m, err := b.bundle(ctx, n); err != nil {
			b.cfg.Logger.Warn("package cannot be bundled", "app", b.app.Name, "package", n, "error", err)
		} else if m.Error != "" {
			b.cfg.Logger.Warn("package cannot be bundled", "app", b.app.Name, "package", n, "error", m.Error)
		}
	}
}

func (b *bundler) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cleanup != nil {
		b.cleanup()
	}
}
