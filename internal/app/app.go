// Package app holds a Realm app as its directory describes it: every layout
// that App Services ever exported is read into the same values, with every
// problem reported by file, line and JSON path (app-services.md §1, real-apps.md §11).
//
// An App is read-only once loaded. Expressions (apply_when, can_evaluate …)
// stay extended JSON here; package rule compiles them. References are by name:
// the loader has resolved ids.
package app

import (
	"go.mongodb.org/mongo-driver/v2/bson"
)

// App is one app.
type App struct {
	ID              string // client app id, e.g. "todo-abcde"; may be empty until the server assigns one
	Name            string
	Dir             string // absolute path of the directory
	Layout          string // root_config.json, 20210101, 20200603, 20180301 or "none"
	DeploymentModel string // GLOBAL or LOCAL
	Location        string // e.g. US-VA
	ProviderRegion  string

	Environment       string                   // active tag, "" when none
	EnvironmentValues map[string]bson.RawValue // of the active environment

	AllowedRequestOrigins []string // empty: no restriction

	Providers      []*Provider // in the file's order, disabled ones included
	CustomUserData CustomUserData
	DataSources    []*DataSource
	Functions      []*Function
	Dependencies   Dependencies
	Values         []*Value
	Endpoints      []*Endpoint
	Webhooks       []*Webhook
	DataAPI        *DataAPI // nil when absent
	Triggers       []*Trigger
	Services       []*Service // third-party services and gcm
	Hosting        *Hosting   // nil when absent
	LogForwarders  []*LogForwarder
	Sync           bson.Raw // sync/config.json, nil when absent
	GraphQL        *GraphQL // nil when absent

	// Secrets maps secret names to values: --secrets, environment, secrets.json.
	Secrets map[string]string

	// Settings are Regent's own, from regent.json.
	Settings Settings
}

// Source says where something was read, for problems that are found later.
type Source struct {
	File string // relative to App.Dir, with slashes
	Path string // JSON path inside the file, e.g. $.roles[0].apply_when
}

// Provider is an authentication provider (app-services.md §1.4, §2).
type Provider struct {
	Source
	Name     string // local-userpass, oauth2-google …; any oauth2-<name> is an OpenID Connect provider
	Type     string
	Disabled bool

	// Config is the provider's own configuration with references by name
	// (authFunctionName, confirmationFunctionName, resetFunctionName …).
	Config bson.Raw

	// SecretConfig maps an option (clientSecret, signingKeys) to secret names.
	SecretConfig map[string][]string

	MetadataFields     []MetadataField
	RedirectURIs       []string
	DomainRestrictions []string
}

// MetadataField maps a claim or profile field to the user's data.
type MetadataField struct {
	Required  bool
	Name      string // dotted path; a dot inside a key is escaped by a backslash
	FieldName string // target; empty: last segment of Name
}

// CustomUserData says where users' custom data lies (app-services.md §1.5, §3.1).
type CustomUserData struct {
	Enabled     bool
	DataSource  string
	Database    string
	Collection  string
	UserIDField string

	// OnUserCreation is the user creation function; it runs whenever it is set.
	OnUserCreation string
}

// DataSource is a linked MongoDB deployment.
type DataSource struct {
	Source
	Name           string // "mongodb-atlas" by custom
	Type           string // mongodb-atlas, datalake, mongodb
	Config         bson.Raw
	ReadPreference string
	URI            string // from config.uri or its secret, for type mongodb

	// DefaultRules apply to collections without rules of their own; nil when absent.
	DefaultRules *Rules
	Collections  []*Collection
}

// Collection is a namespace with rules, schema or relationships.
type Collection struct {
	Database string
	Name     string

	Rules         *Rules // nil: no rules file; non-nil without roles: no access
	Schema        bson.Raw
	SchemaSource  Source
	Relationships bson.Raw
	RelSource     Source
}

// Rules are the roles and filters of a collection or the default ones.
type Rules struct {
	Source
	Roles   []Role
	Filters []Filter
}

// Role is one role (app-services.md §5.3). A zero RawValue (Type 0) means that
// the field is absent, which is not the same as false.
type Role struct {
	Source
	Name             string
	ApplyWhen        bson.RawValue
	Read             bson.RawValue
	Write            bson.RawValue
	Insert           bson.RawValue
	Delete           bson.RawValue
	Search           bson.RawValue
	DocFilterRead    bson.RawValue // document_filters.read
	DocFilterWrite   bson.RawValue // document_filters.write
	HasDocFilters    bool
	Fields           bson.Raw // as in the file: {name: {read, write, fields}}; nil when absent
	AdditionalFields bson.Raw // {read, write}; nil when absent
}

// Filter is a query filter (app-services.md §5.11).
type Filter struct {
	Source
	Name       string
	ApplyWhen  bson.RawValue
	Query      bson.Raw // nil when absent
	Projection bson.Raw // nil when absent; `project` is accepted for it
}

// Function is one JavaScript function.
type Function struct {
	// Source is the JavaScript file, or Entry when there is none.
	Source
	// Entry is where the configuration of the function stands, zero when it has none.
	Entry             Source
	Name              string // path below functions/ without .js, e.g. utils/add
	Code              []byte // nil when the entry has no file; calls are then refused by name
	Private           bool
	CanEvaluate       bson.RawValue // zero when absent
	DisableArgLogs    bool
	RunAsSystem       bool
	RunAsUserID       string
	RunAsUserIDScript string // JavaScript that returns a user id or {runAsSystem: true}
	Listed            bool   // has an entry in functions/config.json
}

// Dependencies are the npm packages of the functions. At most one of Dir and
// Archive is set.
type Dependencies struct {
	Dir         string // absolute path of functions/node_modules
	Archive     string // absolute path of node_modules.{zip,tar,tgz,tar.gz}
	PackageJSON []byte // functions/package.json, nil when absent
}

// Value is a global value; a value from a secret holds the secret's content.
type Value struct {
	Source
	Name       string
	Value      bson.RawValue // zero when FromSecret and the secret is missing
	FromSecret bool
	SecretName string
	Private    bool
}

// Endpoint is a custom HTTPS endpoint (app-services.md §9).
type Endpoint struct {
	Source
	Route               string
	Method              string // GET … or *
	Function            string
	ValidationMethod    string // NO_VALIDATION, SECRET_AS_QUERY_PARAM, VERIFY_PAYLOAD
	SecretName          string
	ReturnType          string // JSON or EJSON
	RespondResult       bool
	FetchCustomUserData bool
	CreateUserOnAuth    bool
	Disabled            bool
	CanEvaluate         bson.RawValue
}

// Webhook is an incoming webhook of an older layout (app-services.md §15). Its
// code is a private Function of the name "<service>/<name>", which is not among
// App.Functions.
type Webhook struct {
	Endpoint
	Service     string
	ServiceType string // http, twilio, github
	Name        string
	Secret      string // in clear, as the old files have it
	Code        *Function
}

// DataAPI is data_api_config.json.
type DataAPI struct {
	Source
	Disabled bool
	Config   bson.Raw
}

// Trigger is a database, authentication or scheduled trigger (app-services.md §8).
type Trigger struct {
	Source
	Name     string
	Type     string // DATABASE, AUTHENTICATION, SCHEDULED
	Disabled bool
	Function string
	Config   bson.Raw
	Event    bson.Raw // event_processors other than FUNCTION, nil when none
}

// Service is a third-party service, or gcm for push.
type Service struct {
	Source
	Name         string
	Type         string // http, aws, twilio, github, gcm, webpush
	Config       bson.Raw
	SecretConfig map[string][]string
	Rules        []ServiceRule
}

// ServiceRule permits actions of a service.
type ServiceRule struct {
	Source
	Name    string
	Actions []string
	When    bson.RawValue
}

// Hosting is static hosting (app-services.md §1.16, §12).
type Hosting struct {
	Source
	Enabled             bool
	Dir                 string // absolute path of hosting/files
	CustomDomain        string
	DefaultResponseCode int    // 0 when unset
	DefaultErrorPath    string // e.g. /index.html

	// Attributes maps a file's path ("/app.js") to header names and values.
	Attributes map[string]map[string]string
}

// LogForwarder sends log entries elsewhere.
type LogForwarder struct {
	Source
	Name   string
	Config bson.Raw
}

// GraphQL is graphql/.
type GraphQL struct {
	Config    bson.Raw
	Resolvers []bson.Raw
}

// Provider returns the provider of that name, or nil.
func (a *App) Provider(name string) *Provider {
	for _, p := range a.Providers {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// Function returns the function of that name, or nil.
func (a *App) Function(name string) *Function {
	for _, f := range a.Functions {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// DataSource returns the data source of that name, or nil. The name
// mongodb-atlas also stands for a lone data source of another name; an app that
// declares none has one of that name (real-apps.md §11, trap 11).
func (a *App) DataSource(name string) *DataSource {
	for _, d := range a.DataSources {
		if d.Name == name {
			return d
		}
	}
	if name == ImplicitDataSource && len(a.DataSources) == 1 {
		return a.DataSources[0]
	}
	return nil
}

// Value returns the value of that name, or nil.
func (a *App) Value(name string) *Value {
	for _, v := range a.Values {
		if v.Name == name {
			return v
		}
	}
	return nil
}
