package app

import (
	"path"
	"slices"
	"strings"

	"regent/internal/app/jsonfile"
)

// serviceTypes are the third-party services of app-services.md §15 and push.
func serviceTypes() []string {
	return []string{"http", "aws", "aws-s3", "aws-ses", "aws-sns", "aws-sqs", "twilio", "github", "gcm", "webpush", "slack", "mailgun"}
}

// readServices reads services/<name>/, and the webhook services that
// 20210101 directories keep beside their endpoints (real-apps.md §11 trap 15).
func (l *loader) readServices(old bool) {
	for _, name := range l.folders("services") {
		l.readService(path.Join("services", name), name, old)
	}
	for _, dir := range endpointFolders() {
		for _, name := range l.folders(dir) {
			sub := path.Join(dir, name)
			if l.exists(path.Join(sub, "config.json")) || l.isDir(path.Join(sub, "incoming_webhooks")) {
				l.readService(sub, name, old)
			}
		}
	}
}

// readService reads one folder. services/ at the root of a repository may hold
// anything, so what does not name a known type is left alone.
func (l *loader) readService(dir, name string, old bool) {
	file := path.Join(dir, "config.json")
	endpoint := !strings.HasPrefix(dir, "services/")
	var o *object
	if v, ok := l.jsonGraded(file, SeverityWarning); ok && v.node.Kind == jsonfile.Object {
		o = v.object()
	}
	typ := ""
	if o != nil {
		typ = o.str("type")
	} else if endpoint {
		typ = "http"
	}
	switch {
	case slices.Contains(dataSourceTypes(), typ):
		l.readOldDataSource(o, dir, name, old)
		return
	case !slices.Contains(serviceTypes(), typ):
		if o != nil && typ != "" {
			o.at("type").problem(SeverityWarning, strings.Join(append(dataSourceTypes(), serviceTypes()...), ", "), "unknown type of service: the folder is not read")
		} else if o != nil {
			l.warn(file, "the file names no type of service: the folder is not read")
		}
		return
	}
	s := &Service{Source: Source{File: file, Path: "$"}, Name: name, Type: typ, Config: emptyDocument()}
	if o != nil {
		if n := o.str("name"); n != "" {
			s.Name = n
		}
		if c := o.sub("config"); c != nil {
			s.Config = c.document()
		}
		s.SecretConfig = l.secretConfig(o, "services/"+s.Name+"/", func(string) string { return "the service " + s.Name + " needs it" })
		o.done()
	}
	l.readServiceRules(s, path.Join(dir, "rules"))
	hooks := path.Join(dir, "incoming_webhooks")
	for _, hook := range l.folders(hooks) {
		l.readWebhook(s, path.Join(hooks, hook), hook)
	}
	for _, other := range l.app.Services {
		if other.Name == s.Name {
			return // the same service beside the endpoints; its webhooks are merged
		}
	}
	l.app.Services = append(l.app.Services, s)
}

func (l *loader) readServiceRules(s *Service, dir string) {
	for _, f := range l.jsonFiles(dir) {
		o := l.object(path.Join(dir, f))
		if o == nil {
			continue
		}
		s.Rules = append(s.Rules, ServiceRule{Source: o.source(), Name: o.str("name"), Actions: o.strs("actions"), When: o.expr("when")})
		o.done()
	}
}

// readOldDataSource reads a MongoDB service of the old layouts: rules, schema
// and relationships of a collection are one file (app-services.md §1.18).
func (l *loader) readOldDataSource(o *object, dir, name string, old bool) {
	if !old && l.isDir("data_sources") {
		l.warn(o.file, "data sources are read from data_sources/: this folder of an older layout is not")
		return
	}
	d := l.readDataSource(o, name)
	if d == nil {
		return
	}
	if o := l.object(path.Join(dir, "default_rule.json")); o != nil {
		d.DefaultRules = l.readRules(o, "")
	}
	rules := path.Join(dir, "rules")
	for _, f := range l.jsonFiles(rules) {
		o := l.object(path.Join(rules, f))
		if o == nil {
			continue
		}
		database, collection, _ := strings.Cut(strings.TrimSuffix(f, ".json"), ".")
		database, collection = l.namespace(o, database, collection)
		if collection == "" {
			o.warn("the file says neither inside nor in its name which collection it is about: ignored")
			continue
		}
		c := d.Collection(database, collection)
		if c != nil {
			o.warn("the collection %s.%s is described twice: this file is ignored", database, collection)
			continue
		}
		c = &Collection{Database: database, Name: collection}
		d.Collections = append(d.Collections, c)
		schema, relationships := o.sub("schema"), o.sub("relationships")
		c.Rules = l.readRules(o, database+"."+collection)
		if schema != nil {
			l.setSchema(c, schema)
		}
		if relationships != nil {
			l.setRelationships(c, relationships)
		}
	}
}

// readWebhook reads an incoming webhook with its code (app-services.md §15).
func (l *loader) readWebhook(s *Service, dir, folder string) {
	file := path.Join(dir, "config.json")
	o := l.object(file)
	if o == nil {
		if !l.exists(file) {
			l.warn(dir, "the webhook has no config.json: it is left out")
		}
		return
	}
	w := &Webhook{Service: s.Name, ServiceType: s.Type, Name: o.str("name")}
	if w.Name == "" {
		w.Name = folder
	}
	w.Endpoint = Endpoint{
		Source:              o.source(),
		RespondResult:       o.flag("respond_result"),
		FetchCustomUserData: o.flag("fetch_custom_user_data"),
		CreateUserOnAuth:    o.flag("create_user_on_auth"),
		Disabled:            o.closing("disabled"),
		CanEvaluate:         o.expr("can_evaluate"),
		ReturnType:          "EJSON", // what webhooks always answered
	}
	if opts := o.sub("options"); opts != nil {
		w.Method = opts.oneOf("httpMethod", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "ANY", "*")
		w.ValidationMethod = l.validationMethod(opts, "validationMethod", &w.Endpoint)
		w.Secret = opts.rawText("secret")
		if opts.flag("secretAsQueryParam") && w.ValidationMethod == "" {
			w.ValidationMethod = "SECRET_AS_QUERY_PARAM"
		}
		opts.done()
	}
	if w.Method == "" {
		w.Method = "*"
	}
	w.defaults()
	if w.ValidationMethod != "NO_VALIDATION" && w.Secret == "" {
		o.warn("the webhook checks a secret and has none: every request is refused")
	}
	f := &Function{
		Source:            o.source(),
		Entry:             o.source(),
		Listed:            true,
		Private:           true,
		Name:              s.Name + "/" + w.Name,
		DisableArgLogs:    o.flag("disable_arg_logs"),
		RunAsUserID:       o.str("run_as_user_id"),
		RunAsUserIDScript: o.rawText("run_as_user_id_script_source"),
	}
	f.RunAsSystem = o.flag("run_as_system")
	if asCaller := o.flag("run_as_authed_user"); !asCaller && f.RunAsUserID == "" && f.RunAsUserIDScript == "" {
		f.RunAsSystem = true
	}
	o.ignore("private", "function_name", "url")
	o.done()
	l.attachCode(f, path.Join(dir, "source.js"))
	if f.Code == nil {
		o.warn("the webhook has no source.js: every request is refused")
	}
	w.Function, w.Code = f.Name, f
	for _, other := range l.app.Webhooks {
		if other.Service == w.Service && other.Name == w.Name {
			o.warn("a second webhook %s of the service %s: ignored", w.Name, w.Service)
			return
		}
	}
	l.app.Webhooks = append(l.app.Webhooks, w)
}

// validationMethod reads how requests are checked. An unknown way disables the
// endpoint: serving it without a check is not what its author meant.
func (l *loader) validationMethod(o *object, key string, e *Endpoint) string {
	method := o.oneOf(key, validationMethods()...)
	if method == "" && o.str(key) != "" {
		e.Disabled = true
	}
	return method
}
