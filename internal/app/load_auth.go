package app

import (
	"path"
	"slices"
	"strings"

	"regent/internal/app/jsonfile"
)

// providerShape says what a provider's config may hold (app-services.md §2).
type providerShape struct {
	flags     []string // booleans
	texts     []string
	lists     []string // lists of texts; a single text is split at commas
	functions []functionOption
}

// functionOption is a reference from a provider to a function, by name or id.
type functionOption struct {
	name, id string
	when     string // the flag that switches it on; "": always on
	purpose  string
}

func providerShapes() map[string]providerShape {
	oidc := []string{"clientId", "issuer", "authorizationUrl", "tokenUrl", "userInfoUrl", "jwksUrl", "nameClaim", "emailClaim", "idClaim"}
	return map[string]providerShape{
		"anon-user": {},
		"api-key":   {},
		"local-userpass": {
			flags: []string{"autoConfirm", "runConfirmationFunction", "runResetFunction"},
			texts: []string{"emailConfirmationUrl", "confirmEmailSubject", "resetPasswordUrl", "resetPasswordSubject"},
			functions: []functionOption{
				{"confirmationFunctionName", "confirmationFunctionId", "runConfirmationFunction", "confirming an e-mail address"},
				{"resetFunctionName", "resetFunctionId", "runResetFunction", "resetting a password"},
			},
		},
		"custom-token": {
			flags: []string{"requireAnyAudience", "useJWKURI"},
			texts: []string{"signingAlgorithm", "jwkURI"},
			lists: []string{"audience"},
		},
		"custom-function": {
			functions: []functionOption{{"authFunctionName", "authFunctionId", "", "logging in with custom-function"}},
		},
		"oauth2-google":   {flags: []string{"openId"}, texts: []string{"clientId"}},
		"oauth2-facebook": {flags: []string{"openId"}, texts: []string{"clientId"}},
		"oauth2-apple":    {flags: []string{"openId"}, texts: []string{"clientId"}},
		// Any other oauth2-<name>: an OpenID Connect provider of the app's own.
		"oauth2-": {flags: []string{"openId"}, texts: oidc, lists: []string{"scopes", "audience"}},
	}
}

// providerTypes lists the types in words, for messages.
const providerTypes = "anon-user, local-userpass, api-key, custom-token, custom-function, oauth2-google, oauth2-facebook, oauth2-apple, oauth2-<name>"

// readProviders reads auth/providers.json, or auth_providers/*.json of the old layouts.
func (l *loader) readProviders(old bool) {
	if !old {
		o := l.object("auth/providers.json")
		if o == nil {
			return
		}
		for i := range o.node.Members {
			m := &o.node.Members[i]
			if p := o.child(m.Key, &m.Value).object(); p != nil {
				l.readProvider(p, m.Key)
			}
		}
		return
	}
	for _, f := range l.jsonFiles("auth_providers") {
		if o := l.object(path.Join("auth_providers", f)); o != nil {
			l.readProvider(o, strings.TrimSuffix(f, ".json"))
		}
	}
}

func (l *loader) readProvider(o *object, key string) {
	p := &Provider{Source: o.source(), Name: o.str("name"), Type: o.str("type"), Disabled: o.closing("disabled")}
	if p.Type == "" {
		p.Type = key
	}
	if p.Name == "" {
		p.Name = p.Type
	}
	shapes := providerShapes()
	shape, ok := shapes[p.Type]
	if !ok && strings.HasPrefix(p.Type, "oauth2-") && p.Type != "oauth2-" {
		shape, ok = shapes["oauth2-"], true
	}
	if !ok {
		o.problem(SeverityWarning, providerTypes, "unknown type of authentication provider \""+p.Type+"\": ignored")
		return
	}
	if p.Name != p.Type {
		o.at("name").warn("the name of a provider is its type: %s is used", p.Type)
		p.Name = p.Type
	}
	p.SecretConfig = l.secretConfig(o, "auth_providers/"+p.Type+"/", func(string) string {
		if p.Disabled {
			return ""
		}
		return "logging in with " + p.Name + " needs it"
	})
	p.MetadataFields = l.metadataFields(o)
	p.RedirectURIs = o.strs("redirect_uris")
	p.DomainRestrictions = o.strs("domain_restrictions")
	l.readProviderConfig(o, p, shape)
	o.done()
	if l.app.Provider(p.Name) != nil {
		o.warn("a second provider %s: ignored", p.Name)
		return
	}
	l.app.Providers = append(l.app.Providers, p)
}

// readProviderConfig normalises the config (real-apps.md §2): flags become
// booleans, lists become lists, references by id become names.
func (l *loader) readProviderConfig(o *object, p *Provider, shape providerShape) {
	c := o.sub("config")
	if c == nil {
		p.Config = emptyDocument()
		l.checkProvider(o, nil, p)
		return
	}
	for _, key := range shape.flags {
		if n := c.node.Get(key); n != nil {
			b := c.flag(key)
			*n = jsonfile.Node{Kind: jsonfile.Bool, Offset: n.Offset, Text: map[bool]string{true: "true", false: "false"}[b]}
		} else {
			c.get(key)
		}
	}
	for _, key := range shape.texts {
		if n := c.node.Get(key); n != nil {
			*n = jsonfile.Node{Kind: jsonfile.String, Offset: n.Offset, Text: c.rawText(key)}
		} else {
			c.get(key)
		}
	}
	for _, key := range shape.lists {
		c.get(key)
		if n := c.node.Get(key); n != nil {
			splitList(n)
		}
	}
	l.checkProvider(o, c, p)
	for _, f := range shape.functions {
		name, id := c.str(f.name), c.str(f.id)
		if name == "" && id == "" {
			continue
		}
		who := f.purpose
		if p.Disabled || f.when != "" && !c.flag(f.when) {
			who = ""
		}
		l.refFunction(c.at(f.name), name, id, who, func(resolved string) { c.node.SetString(f.name, resolved) })
	}
	c.done()
	l.later(func() { p.Config = c.document() })
}

// splitList makes a list of a text with commas, and of nothing an empty one.
func splitList(n *jsonfile.Node) {
	if n.Kind == jsonfile.Array {
		return
	}
	list := jsonfile.Node{Kind: jsonfile.Array, Offset: n.Offset}
	if n.Kind == jsonfile.String {
		for _, item := range strings.Split(n.Text, ",") {
			if item = strings.TrimSpace(item); item != "" {
				list.Items = append(list.Items, jsonfile.Node{Kind: jsonfile.String, Offset: n.Offset, Text: item})
			}
		}
	}
	*n = list
}

// checkProvider reports what an enabled provider cannot do without. c is nil
// when the provider has no config.
func (l *loader) checkProvider(o, c *object, p *Provider) {
	if p.Disabled {
		return
	}
	has := func(key string) bool { return c != nil && c.str(key) != "" }
	switch {
	case p.Type == "custom-function" && !has("authFunctionName") && !has("authFunctionId"):
		o.warn("authFunctionName is not set: logging in with custom-function is refused")
	case p.Type == "custom-token" && !(c != nil && c.flag("useJWKURI")) && len(p.SecretConfig["signingKeys"]) == 0:
		o.warn("neither secret_config.signingKeys nor useJWKURI with jwkURI is set: logging in with custom-token is refused")
	case p.Type == "custom-token" && c != nil && c.flag("useJWKURI") && !has("jwkURI"):
		o.warn("useJWKURI is true and jwkURI is empty: logging in with custom-token is refused")
	case strings.HasPrefix(p.Type, "oauth2-") && !has("clientId"):
		o.warn("config.clientId is not set: logging in with %s is refused", p.Name)
	}
	if p.Type == "custom-token" && c != nil {
		if alg := c.str("signingAlgorithm"); !slices.Contains([]string{"", "HS256", "RS256"}, alg) {
			c.at("signingAlgorithm").problem(SeverityWarning, "HS256, RS256", "unknown algorithm: logging in with custom-token is refused")
		}
	}
}

func (l *loader) metadataFields(o *object) []MetadataField {
	var fields []MetadataField
	for _, v := range o.list("metadata_fields") {
		m := v.object()
		if m == nil {
			continue
		}
		f := MetadataField{Required: m.flag("required"), Name: m.str("name"), FieldName: m.str("field_name")}
		m.done()
		if f.Name == "" {
			m.warn("a metadata field needs a name: ignored")
			continue
		}
		fields = append(fields, f)
	}
	return fields
}

// readCustomUserData reads auth/custom_user_data.json, or the root file's block
// of the old layouts.
func (l *loader) readCustomUserData(r *root) {
	o := l.object("auth/custom_user_data.json")
	if o == nil || r.tree2018 {
		o = r.sub("custom_user_data_config")
	}
	if o == nil {
		return
	}
	c := &l.app.CustomUserData
	c.Enabled = o.flag("enabled")
	c.Database = o.str("database_name")
	c.Collection = o.str("collection_name")
	c.UserIDField = o.str("user_id_field")
	source, sourceID := o.str("mongo_service_name"), o.str("mongo_service_id")
	function, functionID := o.str("on_user_creation_function_name"), o.str("on_user_creation_function_id")
	o.done()
	if c.Enabled || source != "" || sourceID != "" {
		who := ""
		if c.Enabled {
			who = "custom user data"
		}
		l.refSource(o.at("mongo_service_name"), source, sourceID, who, func(name string) { c.DataSource = name })
	}
	if function != "" || functionID != "" {
		l.refFunction(o.at("on_user_creation_function_name"), function, functionID, "every first login",
			func(name string) { c.OnUserCreation = name })
	}
	if !c.Enabled {
		return
	}
	for _, f := range []struct{ key, text string }{
		{"database_name", c.Database}, {"collection_name", c.Collection}, {"user_id_field", c.UserIDField},
	} {
		if f.text == "" {
			o.warn("%s is not set: users have no custom data", f.key)
			c.Enabled = false
		}
	}
}
