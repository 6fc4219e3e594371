package auth

import "strings"

// isOAuth says whether a provider is one of OAuth 2.0 or OpenID Connect.
func isOAuth(provider string) bool { return strings.HasPrefix(provider, "oauth2-") }
