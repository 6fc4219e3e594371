package app

import (
	"time"

	"regent/internal/setting"
)

// Settings are Regent's own settings of one app, from the optional regent.json
// in its directory. SettingsTable in settings_table.go says what each of them
// means, with its default and its range; docs/configuration.md is made from it.
type Settings struct {
	// Sessions. AccessTokenTTL and RefreshTokenTTL override the server's flags; 0: the flags.
	AccessTokenTTL  time.Duration
	RefreshTokenTTL time.Duration
	// AnonymousRefreshTokenTTL is 0 for tokens that do not expire in practice.
	AnonymousRefreshTokenTTL time.Duration

	// Accounts.
	HideAccounts             bool
	FirstLoginSetsPassword   bool
	AnonymousUserMaxIdleDays int // 0: kept for ever
	ConfirmationTokenTTL     time.Duration
	MaxUserAPIKeys           int
	MaxServerAPIKeys         int
	CustomDataWarnSize       setting.Bytes

	// Throttling, counted in ThrottleWindow.
	ThrottleWindow                  time.Duration
	ThrottleFailedLoginsPerAccount  int // per account and address
	ThrottleFailedLoginsPerAddress  int
	ThrottleRegistrationsPerAddress int
	ThrottleMailsPerAccount         int // confirmation and reset mails to one account
	ThrottleMailsPerAddress         int // mails asked for from one address
	ThrottleResetsPerAddress        int // confirm, reset and reset function calls
	ThrottleAccountSlowdownAfter    int // failures of an account from anywhere before its logins wait
	ThrottleAccountSlowdownMax      time.Duration

	// OAuth overrides or completes what a provider's preset says, by provider
	// name (oauth2-google …).
	OAuth map[string]OAuthSettings

	// Mail.
	MailFrom           string // "Name <address>"; "" takes the server's
	MailReplyTo        string
	MailConfirmSubject string
	MailResetSubject   string
	MailTemplates      string // folder in the app directory
	MailShowPages      bool   // serve Regent's own confirm and reset pages

	// Rules.
	StrictFilters            bool
	WriteFalseFallsThrough   bool
	DeleteNeedsWrite         bool
	NullTypeSchemaValidation bool
	FindLimit                int
	UserQueryTimeout         time.Duration
	UserPipelineMaxStages    int
	WriteMaxDocuments        int // documents that one updateMany or deleteMany of a user may touch
	RuleFunctionMaxCalls     int

	// Watch.
	WatchHeartbeat     time.Duration
	WatchBufferEvents  int
	WatchBufferSize    setting.Bytes
	WatchMaxPerSession int
	WatchMaxPerApp     int

	// Functions.
	FunctionTimeout           time.Duration
	FunctionMemoryMB          int
	FunctionCallDepth         int
	FunctionConcurrency       int // calls of one app at once
	FunctionQueue             int // calls that wait for a place
	FunctionConsoleLines      int
	FunctionConsoleLineSize   setting.Bytes
	FunctionArgumentSize      setting.Bytes
	FunctionResultSize        setting.Bytes
	FunctionAsyncOperations   int
	FunctionModuleArchiveSize setting.Bytes

	// HTTP of functions: context.http, fetch, axios, http service.
	HTTPTimeout      time.Duration
	HTTPRequestSize  setting.Bytes
	HTTPResponseSize setting.Bytes
	HTTPMaxRedirects int
	HTTPAllowPrivate bool
	HTTPAllowedHosts []string // private hosts allowed all the same

	// Requests.
	MaxRequestSize setting.Bytes

	// Logs.
	LogRetentionDays int

	// Loading of the directory.
	MaxConfigFileSize   setting.Bytes
	MaxFunctionFileSize setting.Bytes
}

// OAuthSettings override the preset of an OAuth2 or OpenID Connect provider.
// Empty fields keep the preset's.
type OAuthSettings struct {
	Issuer           string
	AuthorizationURL string
	TokenURL         string
	UserInfoURL      string
	JWKSURL          string
	Scopes           []string
	// Audiences are further client ids whose id tokens are accepted (a mobile
	// and a web client of the same app, say).
	Audiences []string
	// EmailClaim and NameClaim say where the profile's standard fields are.
	EmailClaim string
	NameClaim  string
}

// DefaultSettings are the settings of an app without regent.json.
func DefaultSettings() Settings {
	var s Settings
	SettingsTable().SetDefaults(&s)
	return s
}
