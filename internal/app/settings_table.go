package app

import (
	"errors"
	"fmt"
	"math"
	"net/mail"
	"net/url"
	"path"
	"strings"
	"time"

	"regent/internal/setting"
)

const (
	kb = setting.Bytes(1) << 10
	mb = setting.Bytes(1) << 20

	// hostMessage is what fits into one message to a function host.
	hostMessage = 60 * mb

	day = 24 * time.Hour
)

// SettingsTable describes every setting of regent.json.
func SettingsTable() setting.Table[Settings] {
	var rows []setting.Setting[Settings]
	for _, part := range [][]setting.Setting[Settings]{
		sessionSettings(), accountSettings(), throttleSettings(), oauthSettings(), mailSettings(), ruleSettings(),
		watchSettings(), functionSettings(), httpSettings(), requestSettings(),
	} {
		rows = append(rows, part...)
	}
	return setting.Table[Settings]{Settings: rows}
}

func sessionSettings() []setting.Setting[Settings] {
	const section = "Sessions"
	return []setting.Setting[Settings]{
		{Name: "access_token_ttl", Section: section,
			Help:  "How long an access token is good for. Custom data in the token is as old as the token.",
			Field: func(s *Settings) any { return &s.AccessTokenTTL },
			Min:   int64(time.Minute), Max: int64(day), Off: 0, OffHelp: "what --access-token-ttl says"},
		{Name: "refresh_token_ttl", Section: section,
			Help:  "How long a user stays logged in without using the app.",
			Field: func(s *Settings) any { return &s.RefreshTokenTTL },
			Min:   int64(30 * time.Minute), Max: int64(1830 * day), Off: 0, OffHelp: "what --refresh-token-ttl says"},
		{Name: "anonymous_refresh_token_ttl", Section: section,
			Help:  "The same for anonymous users, who cannot log in again.",
			Field: func(s *Settings) any { return &s.AnonymousRefreshTokenTTL },
			Min:   int64(30 * time.Minute), Max: math.MaxInt64 / int64(day) * int64(day), Off: 0, OffHelp: "no end"},
	}
}

func accountSettings() []setting.Setting[Settings] {
	const section = "Accounts"
	return []setting.Setting[Settings]{
		{Name: "hide_accounts", Section: section, Default: false,
			Help:  "Register, confirm and reset answer the same whether an account exists or not. SDKs compare the usual texts, so an app must be ready for it.",
			Field: func(s *Settings) any { return &s.HideAccounts }},
		{Name: "first_login_sets_password", Section: section, Default: false,
			Help:  "An imported e-mail user without a password gets the one of the first login. Whoever knows the address can take the account: for short moves only.",
			Field: func(s *Settings) any { return &s.FirstLoginSetsPassword }},
		{Name: "anonymous_user_max_idle_days", Section: section, Default: 0,
			Help:  "Anonymous users who were away for longer are removed. App Services did so after 90 days.",
			Field: func(s *Settings) any { return &s.AnonymousUserMaxIdleDays }, Min: 1, Max: 3650, Off: 0, OffHelp: "never"},
		{Name: "confirmation_token_ttl", Section: section, Default: 30 * time.Minute,
			Help:  "How long the tokens of confirmation and reset mails and functions are good for.",
			Field: func(s *Settings) any { return &s.ConfirmationTokenTTL }, Min: int64(time.Minute), Max: int64(7 * day)},
		{Name: "max_user_api_keys", Section: section, Default: 20,
			Help:  "API keys that one user may have.",
			Field: func(s *Settings) any { return &s.MaxUserAPIKeys }, Min: 0, Max: 1000},
		{Name: "max_server_api_keys", Section: section, Default: 100,
			Help:  "Server API keys that the app may have.",
			Field: func(s *Settings) any { return &s.MaxServerAPIKeys }, Min: 0, Max: 10000},
		{Name: "custom_data_warn_size", Section: section, Default: 16 * kb,
			Help:  "Custom user data above this size is logged as a warning: it travels in every request's header.",
			Field: func(s *Settings) any { return &s.CustomDataWarnSize }, Min: 1, Max: int64(16 * mb)},
	}
}

func throttleSettings() []setting.Setting[Settings] {
	const section = "Throttling"
	limit := func(name, help string, def int, field func(*Settings) any) setting.Setting[Settings] {
		return setting.Setting[Settings]{Name: name, Section: section, Help: help, Default: def, Field: field,
			Min: 1, Max: 1_000_000, Off: 0, OffHelp: "no limit"}
	}
	return []setting.Setting[Settings]{
		{Name: "throttle_window", Section: section, Default: 5 * time.Minute,
			Help:  "The time in which the counts below are taken. A successful login is never counted.",
			Field: func(s *Settings) any { return &s.ThrottleWindow }, Min: int64(time.Second), Max: int64(day)},
		limit("throttle_failed_logins_per_account", "Failed logins of one account from one address before 429.", 10,
			func(s *Settings) any { return &s.ThrottleFailedLoginsPerAccount }),
		limit("throttle_failed_logins_per_address", "Failed logins from one address before 429.", 100,
			func(s *Settings) any { return &s.ThrottleFailedLoginsPerAddress }),
		limit("throttle_registrations_per_address", "Registrations from one address before 429.", 300,
			func(s *Settings) any { return &s.ThrottleRegistrationsPerAddress }),
		limit("throttle_mails_per_account", "Confirmation and reset mails to one account before 429.", 5,
			func(s *Settings) any { return &s.ThrottleMailsPerAccount }),
		limit("throttle_mails_per_address", "Confirmation and reset mails asked for from one address before 429.", 50,
			func(s *Settings) any { return &s.ThrottleMailsPerAddress }),
		limit("throttle_resets_per_address", "Confirmations, resets and reset function calls from one address before 429.", 100,
			func(s *Settings) any { return &s.ThrottleResetsPerAddress }),
		limit("throttle_account_slowdown_after", "Failed logins of one account from anywhere after which its logins wait a little; the account is never locked.", 50,
			func(s *Settings) any { return &s.ThrottleAccountSlowdownAfter }),
		{Name: "throttle_account_slowdown_max", Section: section, Default: 2 * time.Second,
			Help:  "The longest that such a login waits.",
			Field: func(s *Settings) any { return &s.ThrottleAccountSlowdownMax }, Min: 0, Max: int64(30 * time.Second)},
	}
}

func oauthSettings() []setting.Setting[Settings] {
	const section = "OAuth and OpenID Connect"
	text := func(name, help string, check func(string) error, field func(*OAuthSettings) any) setting.Setting[OAuthSettings] {
		return setting.Setting[OAuthSettings]{Name: name, Section: section, Help: help, Check: check, Field: field}
	}
	table := setting.Table[OAuthSettings]{Settings: []setting.Setting[OAuthSettings]{
		text("issuer", "OpenID Connect issuer; its discovery document gives the rest.", checkURL, func(s *OAuthSettings) any { return &s.Issuer }),
		text("authorization_url", "Where the redirect flow sends the browser.", checkURL, func(s *OAuthSettings) any { return &s.AuthorizationURL }),
		text("token_url", "Where an authorisation code is exchanged.", checkURL, func(s *OAuthSettings) any { return &s.TokenURL }),
		text("userinfo_url", "Where an access token gives the profile.", checkURL, func(s *OAuthSettings) any { return &s.UserInfoURL }),
		text("jwks_url", "Where the keys of id tokens are.", checkURL, func(s *OAuthSettings) any { return &s.JWKSURL }),
		text("scopes", "Scopes that the redirect flow asks for.", nil, func(s *OAuthSettings) any { return &s.Scopes }),
		text("audiences", "Further client ids whose id tokens are accepted, for an app with several clients.", nil, func(s *OAuthSettings) any { return &s.Audiences }),
		text("email_claim", "The claim that holds the e-mail address, where it is not `email`.", nil, func(s *OAuthSettings) any { return &s.EmailClaim }),
		text("name_claim", "The claim that holds the display name, where it is not `name`.", nil, func(s *OAuthSettings) any { return &s.NameClaim }),
	}}
	return []setting.Setting[Settings]{{Name: "oauth", Section: section,
		Help:  "Overrides by provider name (`oauth2-google`, or any `oauth2-<name>` of auth/providers.json).",
		Field: func(s *Settings) any { return setting.Entries(&s.OAuth, table) }}}
}

func mailSettings() []setting.Setting[Settings] {
	const section = "Mail"
	return []setting.Setting[Settings]{
		{Name: "mail_from", Section: section, Check: checkAddress,
			Help:  "Sender of confirmation and reset mails, `Name <address>`. Empty: what the server's flag says.",
			Field: func(s *Settings) any { return &s.MailFrom }},
		{Name: "mail_reply_to", Section: section, Check: checkAddress,
			Help: "Where answers to the mails go.", Field: func(s *Settings) any { return &s.MailReplyTo }},
		{Name: "mail_confirm_subject", Section: section, Default: "Confirm your e-mail address", Check: checkSubject,
			Help:  "Subject of confirmation mails when the provider's `confirmEmailSubject` is empty.",
			Field: func(s *Settings) any { return &s.MailConfirmSubject }},
		{Name: "mail_reset_subject", Section: section, Default: "Reset your password", Check: checkSubject,
			Help:  "Subject of reset mails when the provider's `resetPasswordSubject` is empty.",
			Field: func(s *Settings) any { return &s.MailResetSubject }},
		{Name: "mail_templates", Section: section, Default: "mail", Check: checkInsideDir,
			Help:  "Folder of the app directory with `confirm.txt`, `confirm.html`, `reset.txt`, `reset.html`; what is missing is Regent's own.",
			Field: func(s *Settings) any { return &s.MailTemplates }},
		{Name: "mail_show_pages", Section: section, Default: true,
			Help:  "Serve Regent's own confirm page and reset form when the provider names no page.",
			Field: func(s *Settings) any { return &s.MailShowPages }},
	}
}

func ruleSettings() []setting.Setting[Settings] {
	const section = "Rules and data"
	return []setting.Setting[Settings]{
		{Name: "strict_filters", Section: section, Default: false,
			Help:  "Refuse users' filters, sorts and pipelines on fields that they may not read: otherwise the order or the number of results tells about hidden values, as it did in App Services.",
			Field: func(s *Settings) any { return &s.StrictFilters }},
		{Name: "write_false_literal_falls_through", Section: section, Default: true,
			Help:  "A literal `write: false` of a role leaves the decision to its `fields`, as old apps expect. Off: it denies every write.",
			Field: func(s *Settings) any { return &s.WriteFalseFallsThrough }},
		{Name: "delete_needs_write", Section: section, Default: true,
			Help:  "Deleting needs write on the whole document beside `delete`.",
			Field: func(s *Settings) any { return &s.DeleteNeedsWrite }},
		{Name: "null_type_schema_validation", Section: section, Default: false,
			Help:  "Schemas accept null for optional fields.",
			Field: func(s *Settings) any { return &s.NullTypeSchemaValidation }},
		{Name: "find_limit", Section: section, Default: 50_000,
			Help:  "Documents that one find or aggregate returns at most.",
			Field: func(s *Settings) any { return &s.FindLimit }, Min: 1, Max: 10_000_000},
		{Name: "user_query_timeout", Section: section, Default: time.Minute,
			Help:  "How long one operation of a user may take in the database.",
			Field: func(s *Settings) any { return &s.UserQueryTimeout }, Min: int64(100 * time.Millisecond), Max: int64(time.Hour)},
		{Name: "user_pipeline_max_stages", Section: section, Default: 100,
			Help:  "Stages of a user's aggregation pipeline.",
			Field: func(s *Settings) any { return &s.UserPipelineMaxStages }, Min: 1, Max: 1000},
		{Name: "write_max_documents", Section: section, Default: 50_000,
			Help:  "Documents that one updateMany, deleteMany or insertMany of a user may touch.",
			Field: func(s *Settings) any { return &s.WriteMaxDocuments }, Min: 1, Max: 10_000_000},
		{Name: "rule_function_max_calls", Section: section, Default: 10_000,
			Help:  "Calls of `%function` in rules during one operation.",
			Field: func(s *Settings) any { return &s.RuleFunctionMaxCalls }, Min: 1, Max: 1_000_000},
	}
}

func watchSettings() []setting.Setting[Settings] {
	const section = "Watch"
	return []setting.Setting[Settings]{
		{Name: "watch_heartbeat", Section: section, Default: 15 * time.Second,
			Help:  "An idle watch stream sends a comment this often.",
			Field: func(s *Settings) any { return &s.WatchHeartbeat }, Min: int64(time.Second), Max: int64(10 * time.Minute)},
		{Name: "watch_buffer_events", Section: section, Default: 1000,
			Help:  "Events that wait for a slow client; one more ends the stream with an error, and the client can resume.",
			Field: func(s *Settings) any { return &s.WatchBufferEvents }, Min: 1, Max: 1_000_000},
		{Name: "watch_buffer_size", Section: section, Default: 32 * mb,
			Help:  "The same in bytes.",
			Field: func(s *Settings) any { return &s.WatchBufferSize }, Min: int64(64 * kb), Max: int64(1024 * mb)},
		{Name: "watch_max_per_session", Section: section, Default: 100,
			Help:  "Watch streams of one session at once.",
			Field: func(s *Settings) any { return &s.WatchMaxPerSession }, Min: 1, Max: 10_000},
		{Name: "watch_max_per_app", Section: section, Default: 10_000,
			Help:  "Watch streams of the app at once.",
			Field: func(s *Settings) any { return &s.WatchMaxPerApp }, Min: 1, Max: 1_000_000},
	}
}

func functionSettings() []setting.Setting[Settings] {
	const section = "Functions"
	count := func(name, help string, def, low, high int, field func(*Settings) any) setting.Setting[Settings] {
		return setting.Setting[Settings]{Name: name, Section: section, Help: help, Default: def, Field: field, Min: int64(low), Max: int64(high)}
	}
	size := func(name, help string, def, low, high setting.Bytes, field func(*Settings) any) setting.Setting[Settings] {
		return setting.Setting[Settings]{Name: name, Section: section, Help: help, Default: def, Field: field, Min: int64(low), Max: int64(high)}
	}
	return []setting.Setting[Settings]{
		{Name: "function_timeout", Section: section, Default: 300 * time.Second,
			Help:  "How long a call may take, with everything that it calls and did not await.",
			Field: func(s *Settings) any { return &s.FunctionTimeout }, Min: int64(10 * time.Millisecond), Max: int64(time.Hour)},
		count("function_memory_mb", "Memory of one call in megabytes, as far as the engine can measure.", 350, 8, 65536,
			func(s *Settings) any { return &s.FunctionMemoryMB }),
		count("function_call_depth", "Nested `context.functions.execute` and JavaScript calls.", 2000, 10, 100_000,
			func(s *Settings) any { return &s.FunctionCallDepth }),
		count("function_concurrency", "Calls of the app that run at once; further ones wait.", 1000, 1, 100_000,
			func(s *Settings) any { return &s.FunctionConcurrency }),
		count("function_queue", "Calls that may wait; one more is answered 429.", 10_000, 0, 1_000_000,
			func(s *Settings) any { return &s.FunctionQueue }),
		count("function_async_operations", "Database, HTTP and timer operations of one call that are under way at once.", 1000, 1, 100_000,
			func(s *Settings) any { return &s.FunctionAsyncOperations }),
		count("function_console_lines", "Lines that one call may log; further ones are dropped and counted.", 25, 0, 100_000,
			func(s *Settings) any { return &s.FunctionConsoleLines }),
		size("function_console_line_size", "Longest logged line; the rest is cut.", 512, 16, mb,
			func(s *Settings) any { return &s.FunctionConsoleLineSize }),
		size("function_argument_size", "Arguments of one call.", 18*mb, kb, hostMessage,
			func(s *Settings) any { return &s.FunctionArgumentSize }),
		size("function_result_size", "Result of one call.", 18*mb, kb, hostMessage,
			func(s *Settings) any { return &s.FunctionResultSize }),
		size("function_module_archive_size", "An uploaded `node_modules` archive, unpacked.", 512*mb, mb, 4096*mb,
			func(s *Settings) any { return &s.FunctionModuleArchiveSize }),
	}
}

func httpSettings() []setting.Setting[Settings] {
	const section = "HTTP requests of functions"
	return []setting.Setting[Settings]{
		{Name: "http_timeout", Section: section, Default: time.Minute,
			Help:  "How long one request of `context.http`, `fetch` or axios may take.",
			Field: func(s *Settings) any { return &s.HTTPTimeout }, Min: int64(100 * time.Millisecond), Max: int64(time.Hour)},
		{Name: "http_request_size", Section: section, Default: 18 * mb,
			Help: "Body of a request.", Field: func(s *Settings) any { return &s.HTTPRequestSize }, Min: int64(kb), Max: int64(hostMessage)},
		{Name: "http_response_size", Section: section, Default: 32 * mb,
			Help: "Body of a reply.", Field: func(s *Settings) any { return &s.HTTPResponseSize }, Min: int64(kb), Max: int64(hostMessage)},
		{Name: "http_max_redirects", Section: section, Default: 10,
			Help: "Redirects that are followed.", Field: func(s *Settings) any { return &s.HTTPMaxRedirects }, Min: 0, Max: 100},
		{Name: "http_allow_private", Section: section, Default: false,
			Help:  "Let functions reach private, loopback and link-local addresses: everything in your network, and the cloud's metadata service.",
			Field: func(s *Settings) any { return &s.HTTPAllowPrivate }},
		{Name: "http_allowed_hosts", Section: section,
			Help:  "Hosts (`name` or `name:port`) that functions may reach although their address is private.",
			Field: func(s *Settings) any { return &s.HTTPAllowedHosts }},
	}
}

func requestSettings() []setting.Setting[Settings] {
	return []setting.Setting[Settings]{
		{Name: "max_request_size", Section: "Requests", Default: 18 * mb,
			Help: "Body of a client's request.", Field: func(s *Settings) any { return &s.MaxRequestSize }, Min: int64(kb), Max: int64(256 * mb)},
		{Name: "log_retention_days", Section: "Logs", Default: 10,
			Help: "Days that log entries are kept.", Field: func(s *Settings) any { return &s.LogRetentionDays }, Min: 1, Max: 3650, Off: 0, OffHelp: "for ever"},
		{Name: "max_config_file_size", Section: "The app directory", Default: 4 * mb,
			Help:  "Largest JSON file that is read. regent.json itself may have 4MB.",
			Field: func(s *Settings) any { return &s.MaxConfigFileSize }, Min: int64(kb), Max: int64(64 * mb)},
		{Name: "max_function_file_size", Section: "The app directory", Default: 4 * mb,
			Help: "Largest JavaScript file that is read.", Field: func(s *Settings) any { return &s.MaxFunctionFileSize }, Min: int64(kb), Max: int64(64 * mb)},
	}
}

func checkURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("expected an absolute http or https URL")
	}
	return nil
}

func checkAddress(text string) error {
	if text == "" {
		return nil
	}
	if _, err := mail.ParseAddress(text); err != nil {
		return errors.New("expected a mail address such as Todo <todo@example.com>")
	}
	return nil
}

// checkSubject keeps the protocol's limit (app-services.md §2.4) and line ends
// out of a mail's header.
func checkSubject(text string) error {
	if len(text) > 256 || strings.ContainsAny(text, "\r\n") {
		return errors.New("expected one line of at most 256 bytes")
	}
	return nil
}

func checkInsideDir(text string) error {
	if clean := path.Clean("/" + text); text == "" || clean != "/"+strings.TrimSuffix(text, "/") || strings.Contains(text, `\`) {
		return fmt.Errorf("expected a folder inside the app directory, such as mail")
	}
	return nil
}
