package app

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"regent/internal/app/jsonfile"
)

// generation is a layout of app directories (app-services.md §1.1).
type generation struct {
	layout string // App.Layout
	file   string
	// tree2018 is true for the layouts before 20210101, which keep everything
	// under services/, auth_providers/ and one folder a function.
	tree2018 bool
}

func (g generation) old() bool { return g.tree2018 }

// generations lists the root files, newest first.
func generations() []generation {
	return []generation{
		{layout: "root_config.json", file: "root_config.json"},
		{layout: "20210101", file: "realm_config.json"},
		{layout: "20200603", file: "config.json", tree2018: true},
		{layout: "20180301", file: "stitch.json", tree2018: true},
	}
}

// root is the root file; obj is nil when there is none.
type root struct {
	generation
	obj *object
}

func (r *root) sub(key string) *object {
	if r.obj == nil {
		return nil
	}
	return r.obj.sub(key)
}

// readRoot finds the root file and reads what every layout has in it. It
// returns nil, after an error, when there is no app.
func (l *loader) readRoot() *root {
	var found []root
	broken := false
	for _, g := range generations() {
		before := len(l.problems)
		v, ok := l.rootFile(g)
		if !ok {
			broken = broken || len(l.problems) > before && g.file != "config.json"
			continue
		}
		if obj := v.object(); obj != nil {
			if v := obj.node.Get("config_version"); g.file == "config.json" && v != nil && len(v.Text) == 8 && v.Text >= "20210101" {
				g.tree2018 = false
			}
			found = append(found, root{g, obj})
		}
	}
	var r *root
	switch {
	case len(found) > 0:
		r = &found[0]
	case broken:
		return nil // the syntax error says all
	default:
		if r = l.withoutRoot(); r == nil {
			return nil
		}
	}
	l.app.Layout = r.layout
	l.readEnvironments(r)
	if r.obj != nil {
		l.readRootFields(r.obj)
	}
	l.findAppID(found)
	if l.app.Name == "" {
		l.app.Name = l.defaultName()
	}
	return r
}

func (l *loader) rootFile(g generation) (value, bool) {
	if g.file != "config.json" {
		return l.json(g.file)
	}
	// The name is anybody's: only one with a config_version is an app's root
	// (app-services.md §1.1).
	if !l.exists(g.file) {
		return value{}, false
	}
	v, ok := l.jsonGraded(g.file, SeverityWarning)
	if !ok || v.node.Kind != jsonfile.Object {
		return value{}, false
	}
	version := v.node.Get("config_version")
	if version == nil || version.Text == "0" || version.Text == "" {
		return value{}, false
	}
	return v, true
}

// withoutRoot accepts a directory without root file when an id was given
// (real-apps.md §11 trap 6).
func (l *loader) withoutRoot() *root {
	files := make([]string, 0, 4)
	for _, g := range generations() {
		files = append(files, g.file)
	}
	if l.opts.AppID == "" {
		hint := ""
		for _, dir := range l.folders(".") {
			for _, f := range files {
				if f != "config.json" && l.exists(dir+"/"+f) {
					hint = "; there is one in the folder " + dir
				}
			}
		}
		l.add(Problem{Severity: SeverityError, File: ".",
			Message: "no app here: none of its root files is in the folder" + hint +
				". A folder whose root file was left out is read when its app id is given with --app-id",
			Allowed: strings.Join(files, ", ")})
		return nil
	}
	l.warn(".", "the root file is missing: the app is read as %s with default settings, because an app id was given", l.opts.AppID)
	r := &root{generation: generation{layout: "none"}}
	r.tree2018 = l.isDir("auth_providers") && !l.isDir("auth") && !l.isDir("data_sources")
	return r
}

func (l *loader) readRootFields(o *object) {
	a := l.app
	a.Name = o.str("name")
	if model := o.oneOf("deployment_model", "GLOBAL", "LOCAL"); model != "" {
		a.DeploymentModel = model
	}
	a.ProviderRegion = o.str("provider_region")
	if a.Location = o.str("location"); a.Location == "" {
		a.Location = locationOf(a.ProviderRegion)
	}
	a.AllowedRequestOrigins = o.strs("allowed_request_origins")
	if security := o.sub("security"); security != nil {
		a.AllowedRequestOrigins = append(a.AllowedRequestOrigins, security.strs("allowed_request_origins")...)
		security.done()
	}
	for _, key := range []string{"environment", "app_id", "custom_user_data_config", "hosting", "sync"} {
		o.get(key)
	}
	o.ignore("config_version", "realm_config", "development_mode_enabled", "client_app_id", "group_id", "auth", "graphql")
	o.done()
}

var clientAppID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$`)
var hexID = regexp.MustCompile(`^[0-9a-f]{24}$`)

// findAppID takes the client app id from the root file, else from the files
// that the command-line tool keeps, else from an older root file beside it,
// else from the options.
func (l *loader) findAppID(found []root) {
	take := func(o *object, keys ...string) bool {
		if o == nil {
			return false
		}
		for _, key := range keys {
			id := o.str(key)
			if id == "" || hexID.MatchString(id) && o.file != "realm_config.json" {
				continue // the hexadecimal id is the app's in the admin API
			}
			if !clientAppID.MatchString(id) {
				o.at(key).problem(SeverityWarning, "letters, digits, - and _, at most 100", "not an app id: ignored")
				continue
			}
			l.app.ID = id
			return true
		}
		return false
	}
	source := ""
	switch {
	case len(found) > 0 && take(found[0].obj, "app_id"):
	case take(l.object(".mdb/meta.json"), "client_app_id"):
	case take(l.object(".mdb/app_meta.json"), "client_app_id", "app_id"):
	case len(found) > 1 && slices.ContainsFunc(found[1:], func(r root) bool {
		source = r.file
		return take(r.obj, "app_id")
	}):
		source = "; the app id " + l.app.ID + " is taken from " + source
	default:
		source = ""
		l.app.ID = l.opts.AppID
	}
	if !strings.HasPrefix(source, ";") {
		source = ""
	}
	if len(found) > 1 {
		var others []string
		for _, r := range found[1:] {
			others = append(others, r.file)
		}
		l.warn(found[0].file, "several generations of the app are in the folder: this file is the newest and counts, %s does not%s",
			strings.Join(others, " and "), source)
	}
}

// defaultName names an app whose root file does not: by its id without the five
// letters at the end, else by its folder.
func (l *loader) defaultName() string {
	if id := l.app.ID; id != "" {
		if i := strings.LastIndexByte(id, '-'); i > 0 && len(id)-i == 6 {
			return id[:i]
		}
		return id
	}
	return filepath.Base(l.dir)
}

// locationOf gives the older vocabulary, which the client API still answers
// with, for a provider's region (app-services.md §1.3).
func locationOf(region string) string {
	for _, r := range [...]struct{ region, location string }{
		{"aws-us-east-1", "US-VA"}, {"azure-eastus2", "US-VA"}, {"gcp-us-central1", "US-VA"},
		{"aws-us-west-2", "US-OR"}, {"azure-westus", "US-OR"},
		{"aws-eu-west-1", "IE"}, {"azure-westeurope", "IE"}, {"gcp-europe-west1", "IE"},
		{"aws-eu-central-1", "DE-FF"}, {"aws-ap-southeast-2", "AU"},
		{"aws-ap-south-1", "IN-MB"}, {"gcp-asia-south1", "IN-MB"},
		{"aws-ap-southeast-1", "SG"}, {"azure-southeastasia", "SG"},
		{"aws-sa-east-1", "BR-SP"},
	} {
		if r.region == region {
			return r.location
		}
	}
	return "US-VA"
}
