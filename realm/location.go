package realm

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// location returns the origin that requests go to. It is asked for once, by
// whoever comes first, and again after a failure (client-api.md §1.3).
func (a *App) location(ctx context.Context) (string, error) {
	a.mu.Lock()
	host, base := a.host, a.baseURL
	a.mu.Unlock()
	if host != "" {
		return host, nil
	}
	if a.skipLocation {
		return base, nil
	}
	host, err := a.locating.do(ctx, func(ctx context.Context) (string, error) {
		a.mu.Lock()
		host, base := a.host, a.baseURL
		a.mu.Unlock()
		if host != "" {
			return host, nil
		}
		host, err := a.requestLocation(ctx, base)
		if err != nil {
			return "", err
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.baseURL == base {
			a.host = host
		}
		return host, nil
	})
	return host, asError(err, http.MethodGet, base+clientPrefix+"/app/"+url.PathEscape(a.id)+"/location")
}

// requestLocation asks the server at base. An empty hostname means base itself.
func (a *App) requestLocation(ctx context.Context, base string) (string, error) {
	r := request{method: http.MethodGet, path: "/location", inApp: true}
	body, err := a.exchangeAt(ctx, base, r)
	if err != nil {
		return "", err
	}
	shown := base + clientPrefix + "/app/" + url.PathEscape(a.id) + r.path
	var answer struct {
		Hostname *string `json:"hostname"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", &Error{Method: r.method, URL: shown, StatusCode: http.StatusOK, Code: ErrMalformedJSON, Message: "reading the location", Err: err}
	}
	if answer.Hostname == nil {
		return "", &Error{Method: r.method, URL: shown, StatusCode: http.StatusOK, Code: ErrMissingJSONKey, Message: "the location has no hostname"}
	}
	if *answer.Hostname == "" {
		return base, nil
	}
	host, err := cleanBaseURL(*answer.Hostname)
	if err != nil {
		return "", &Error{Method: r.method, URL: shown, StatusCode: http.StatusOK, Code: ErrMalformedJSON, Message: "the location's hostname", Err: err}
	}
	// Passwords and tokens must not leave TLS because a server behind a proxy
	// has the wrong idea of its own address.
	if strings.HasPrefix(base, "https:") && strings.HasPrefix(host, "http:") {
		return "", &Error{Method: r.method, URL: shown, StatusCode: http.StatusOK, Code: ErrMalformedJSON,
			Message: "the location leads from https to " + host + ": correct the server's public URL, or use WithoutLocationRequest"}
	}
	return host, nil
}
