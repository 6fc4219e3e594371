package app

import "time"

// Settings are Regent's own settings of one app, from the optional regent.json
// in its directory. The table in settings_table.go documents and validates them.
type Settings struct {
	// AccessTokenTTL and RefreshTokenTTL override the server's flags; 0: the flags.
	AccessTokenTTL  time.Duration
	RefreshTokenTTL time.Duration
	// AnonymousRefreshTokenTTL is 0 for tokens that do not expire in practice.
	AnonymousRefreshTokenTTL time.Duration
}
