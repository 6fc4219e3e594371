package app

import (
	"fmt"
	"path/filepath"
	"sort"

	"regent/internal/app/jsonfile"
)

// Options are what a directory does not say itself.
type Options struct {
	// AppID is used when the directory names none; with it a directory without
	// root file is accepted.
	AppID string
	// Secrets are the values of --secrets by name.
	Secrets map[string]string
	// Environ looks up an environment variable, "" when it is not set; nil: none.
	Environ func(name string) string
}

// Bounds on a directory. They keep a folder that was given by mistake from
// being read whole; real apps stay far below (real-apps.md §3).
const (
	MaxFiles    = 20_000 // files of functions and collections, each
	MaxDirDepth = 32
	MaxProblems = 1_000
)

// Load reads an app directory of any layout. The App is nil only when there is
// nothing that could be served: no such directory, no app in it. Otherwise it
// is whole as far as it could be read, and the problems tell the rest; an app
// with a problem of SeverityError is not to be served.
//
// Problems are in the order of files, then of lines.
func Load(dir string, opts Options) (*App, []Problem, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("app directory %s: %w", dir, err)
	}
	l := &loader{
		dir:  abs,
		opts: opts,
		app: &App{Dir: abs, DeploymentModel: "LOCAL", Location: locationOf(""),
			Settings: DefaultSettings(), Secrets: map[string]string{}},
		docs:        map[string]*jsonfile.Document{},
		functionIDs: map[string]string{},
		sourceIDs:   map[string]string{},
		secretFiles: map[string]string{},
	}
	if err := l.checkDir(); err != nil {
		return nil, nil, err
	}
	l.readSettings()
	root := l.readRoot()
	if root == nil {
		return nil, l.sorted(), nil
	}
	l.readSecretsFile()

	old := root.generation.old()
	l.readFunctions(old)
	l.readServices(old)
	l.readDataSources(old)
	l.readProviders(old)
	l.readCustomUserData(root)
	l.readValues()
	l.readEndpoints(old)
	l.readTriggers()
	l.readSync()
	l.readGraphQL()
	l.readHosting(root)
	l.readLogForwarders()

	l.resolveReferences()
	l.resolveSecrets()
	return l.app, l.sorted(), nil
}

// loader is one run of Load.
type loader struct {
	dir  string
	opts Options
	app  *App

	problems []Problem
	dropped  int
	docs     map[string]*jsonfile.Document // files read, for positions

	// Ids that files give to functions and data sources, for references by id.
	functionIDs map[string]string
	sourceIDs   map[string]string

	// Secrets that secrets.json holds, by name.
	secretFiles map[string]string

	deferred      []func() // references to resolve when everything is read
	afterSecrets  []func() // what takes a secret's content
	secretNeeds   []secretNeed
	relationships []*object
	syncConfigs   []syncConfig // newest place first

	templates    map[string]*jsonfile.Node // values of the active environment
	envTemplates bool                      // expand %(%%environment.values.x) in what is read
	expanded     int                       // bytes that templates have added
}

// add records a problem, up to MaxProblems.
func (l *loader) add(p Problem) {
	if len(l.problems) >= MaxProblems {
		l.dropped++
		return
	}
	l.problems = append(l.problems, p)
}

// warn records a warning about a file as a whole.
func (l *loader) warn(file, format string, args ...any) {
	l.add(Problem{Severity: SeverityWarning, File: file, Message: fmt.Sprintf(format, args...)})
}

// fail records an error about a file as a whole.
func (l *loader) fail(file, format string, args ...any) {
	l.add(Problem{Severity: SeverityError, File: file, Message: fmt.Sprintf(format, args...)})
}

// warnAt records a warning at a place inside a file that was read.
func (l *loader) warnAt(src Source, format string, args ...any) {
	l.add(l.located(src.Warn(format, args...)))
}

// located fills in line and column from the file as it was read.
func (l *loader) located(p Problem) Problem {
	if doc := l.docs[p.File]; doc != nil && p.Path != "" {
		offset, _ := doc.Find(p.Path)
		p.Line, p.Column = doc.Position(offset)
	}
	return p
}

func (l *loader) sorted() []Problem {
	sort.SliceStable(l.problems, func(i, j int) bool {
		a, b := l.problems[i], l.problems[j]
		switch {
		case a.File != b.File:
			return a.File < b.File
		case a.Line != b.Line:
			return a.Line < b.Line
		}
		return a.Column < b.Column
	})
	if l.dropped > 0 {
		l.problems = append(l.problems, Problem{Severity: SeverityWarning, File: ".",
			Message: fmt.Sprintf("%d further problems are not listed; the first %d are", l.dropped, MaxProblems)})
	}
	return l.problems
}
