package app

import (
	"path"
	"strings"
)

// endpointFolders are both names of the folder, newest first (app-services.md §1.2).
func endpointFolders() []string { return []string{"https_endpoints", "http_endpoints"} }

func validationMethods() []string {
	return []string{"NO_VALIDATION", "SECRET_AS_QUERY_PARAM", "VERIFY_PAYLOAD"}
}

// readEndpoints reads the list of the newest folder that has one, and the Data
// API's configuration (real-apps.md §11 trap 5).
func (l *loader) readEndpoints(old bool) {
	used := ""
	for _, dir := range endpointFolders() {
		file := path.Join(dir, "config.json")
		if used != "" {
			if l.exists(file) {
				l.warn(file, "%s is newer and counts: this file is not read", used)
			}
			continue
		}
		v, ok := l.json(file)
		if !ok {
			if l.exists(file) && dir == "https_endpoints" {
				used = file // broken or null, and still the one that counts
			}
			continue
		}
		used = file
		for _, item := range v.items() {
			if o := item.object(); o != nil {
				l.readEndpoint(o)
			}
		}
	}
	files := []string{"https_endpoints/data_api_config.json", "http_endpoints/data_api_config.json"}
	if old {
		files = []string{"data_api_config.json"}
	}
	for _, file := range files {
		if o := l.object(file); o != nil {
			l.app.DataAPI = &DataAPI{Source: o.source(), Disabled: o.closing("disabled"), Config: o.document()}
			return
		}
	}
}

func (l *loader) readEndpoint(o *object) {
	e := &Endpoint{
		Source:              o.source(),
		Route:               o.str("route"),
		Method:              strings.ToUpper(o.oneOf("http_method", "GET", "POST", "PUT", "PATCH", "DELETE", "*", "ANY")),
		SecretName:          o.str("secret_name"),
		ReturnType:          o.oneOf("return_type", "JSON", "EJSON"),
		RespondResult:       o.flag("respond_result"),
		FetchCustomUserData: o.flag("fetch_custom_user_data"),
		CreateUserOnAuth:    o.flag("create_user_on_auth"),
		Disabled:            o.closing("disabled"),
		CanEvaluate:         o.expr("can_evaluate"),
	}
	e.ValidationMethod = l.validationMethod(o, "validation_method", e)
	if second := l.validationMethod(o, "verification_method", e); e.ValidationMethod == "" {
		e.ValidationMethod = second
	}
	function, functionID := o.str("function_name"), o.str("function_id")
	secretID := o.str("secret_id")
	o.ignore("url", "name", "data_api_id")
	o.done()
	if e.SecretName == "" {
		e.SecretName = secretID
	}
	e.defaults()
	if !strings.HasPrefix(e.Route, "/") {
		o.at("route").warn("a route starts with /: /%s is used", e.Route)
		e.Route = "/" + e.Route
	}
	if e.Method == "" {
		o.warn("http_method is not set: the endpoint is left out")
		return
	}
	for _, other := range l.app.Endpoints {
		if other.Route == e.Route && other.Method == e.Method {
			o.warn("a second endpoint %s %s: ignored", e.Method, e.Route)
			return
		}
	}
	who := "the endpoint " + e.Method + " " + e.Route
	if e.ValidationMethod != "NO_VALIDATION" && !e.Disabled {
		if e.SecretName == "" {
			o.warn("%s needs a secret_name: every request to %s is refused", e.ValidationMethod, who)
		}
		l.needSecret(o.at("secret_name"), e.SecretName, who+" refuses every request without it")
	}
	if e.Disabled {
		who = ""
	}
	l.refFunction(o.at("function_name"), function, functionID, who, func(name string) { e.Function = name })
	l.app.Endpoints = append(l.app.Endpoints, e)
}

func (e *Endpoint) defaults() {
	if e.Method == "ANY" {
		e.Method = "*"
	}
	if e.ValidationMethod == "" {
		e.ValidationMethod = "NO_VALIDATION"
	}
	if e.ReturnType == "" {
		e.ReturnType = "JSON"
	}
}
