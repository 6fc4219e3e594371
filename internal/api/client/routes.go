package client

// tokenKind says which token a route reads from the Authorization header.
type tokenKind int

const (
	noToken      tokenKind = iota // Authorization is ignored (client-api.md §1.2.1)
	accessToken                   // must be a live session's access token
	streamToken                   // as accessToken, or in the query as baas_at or stitch_at
	refreshToken                  // handed to the service as it is
)

// route is one row of client-api.md §1.1.
type route struct {
	name   string // for logs and metrics
	method string
	path   string // below Prefix; {app} is the client app id
	token  tokenKind
	serve  func(*call) error
}

// routes lists the API. Rows without {app} find the app by the token.
var routes = []route{
	{"location", "GET", "/app/{app}/location", noToken, (*call).location},

	{"login", "POST", "/app/{app}/auth/providers/{provider}/login", noToken, (*call).login},
	{"login redirect", "GET", "/app/{app}/auth/providers/{provider}/login", noToken, (*call).loginRedirect},
	{"register", "POST", "/app/{app}/auth/providers/local-userpass/register", noToken, (*call).userpass},
	{"confirm", "POST", "/app/{app}/auth/providers/local-userpass/confirm", noToken, (*call).userpass},
	{"confirm send", "POST", "/app/{app}/auth/providers/local-userpass/confirm/send", noToken, (*call).userpass},
	{"confirm call", "POST", "/app/{app}/auth/providers/local-userpass/confirm/call", noToken, (*call).userpass},
	{"reset", "POST", "/app/{app}/auth/providers/local-userpass/reset", noToken, (*call).userpass},
	{"reset send", "POST", "/app/{app}/auth/providers/local-userpass/reset/send", noToken, (*call).userpass},
	{"reset call", "POST", "/app/{app}/auth/providers/local-userpass/reset/call", noToken, (*call).userpass},

	{"refresh", "POST", "/auth/session", refreshToken, (*call).refresh},
	{"logout", "DELETE", "/auth/session", refreshToken, (*call).logout},
	{"profile", "GET", "/auth/profile", accessToken, (*call).profile},
	{"delete user", "DELETE", "/auth/delete", accessToken, (*call).deleteUser},

	{"create api key", "POST", "/auth/api_keys", refreshToken, (*call).createAPIKey},
	{"list api keys", "GET", "/auth/api_keys", refreshToken, (*call).listAPIKeys},
	{"get api key", "GET", "/auth/api_keys/{id}", refreshToken, (*call).getAPIKey},
	{"delete api key", "DELETE", "/auth/api_keys/{id}", refreshToken, (*call).deleteAPIKey},
	{"enable api key", "PUT", "/auth/api_keys/{id}/enable", refreshToken, (*call).enableAPIKey},
	{"disable api key", "PUT", "/auth/api_keys/{id}/disable", refreshToken, (*call).disableAPIKey},

	{"call", "POST", "/app/{app}/functions/call", accessToken, (*call).callFunction},
	{"watch", "GET", "/app/{app}/functions/call", streamToken, (*call).watch},

	{"push register", "PUT", "/app/{app}/push/providers/{service}/registration", accessToken, (*call).pushRegister},
	{"push deregister", "DELETE", "/app/{app}/push/providers/{service}/registration", accessToken, (*call).pushDeregister},
}

// notServed names what shares the prefix in the original and is not built here,
// by the path below an app.
var notServed = map[string]string{
	"graphql":    "GraphQL",
	"realm-sync": "Device Sync",
}
