package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/coreos/go-oidc/v3/oidc"
	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/oauth2"

	"regent/internal/app"
	"regent/internal/fault"
	"regent/internal/user"
)

// isOAuth says whether a provider is one of OAuth 2.0 or OpenID Connect.
func isOAuth(provider string) bool { return strings.HasPrefix(provider, "oauth2-") }

// preset is what is known of a provider in advance. Any field can be overridden
// by the app's setting `oauth` or, for providers without a preset, by config.
type preset struct {
	app.OAuthSettings

	// pkce: the provider takes a code challenge.
	pkce bool

	// accessTokens: the login route takes the provider's access tokens; checked by debugToken.
	accessTokens bool
}

// presets of the providers that App Services had; every other oauth2-<name> is
// an OpenID Connect provider that names its issuer.
func presets() map[string]preset {
	return map[string]preset{
		user.OAuth2Google: {OAuthSettings: app.OAuthSettings{
			Issuer: "https://accounts.google.com", Scopes: []string{"openid", "email", "profile"},
		}, pkce: true},
		// Without the scopes name and email Apple answers by a plain redirect;
		// App Services knew no metadata of it (app-services.md §2.8).
		user.OAuth2Apple: {OAuthSettings: app.OAuthSettings{
			Issuer: "https://appleid.apple.com", Scopes: []string{"openid"},
		}},
		user.OAuth2Facebook: {OAuthSettings: app.OAuthSettings{
			AuthorizationURL: "https://www.facebook.com/v19.0/dialog/oauth",
			TokenURL:         "https://graph.facebook.com/v19.0/oauth/access_token",
			UserInfoURL:      "https://graph.facebook.com/v19.0/me",
			Scopes:           []string{"public_profile", "email"},
		}, accessTokens: true},
	}
}

// oauthProvider is one OAuth 2.0 or OpenID Connect provider of the app
// (app-services.md §2.8).
type oauthProvider struct {
	s        *Service
	p        *app.Provider
	set      preset
	clientID string
	secret   string

	mu    sync.Mutex
	known *endpoints // discovered; nil before
}

// endpoints are where a provider is reached.
type endpoints struct {
	oauth    oauth2.Endpoint
	userInfo string
	verifier *oidc.IDTokenVerifier // nil: no id tokens
}

func openOAuth(s *Service, p *app.Provider) (authenticator, error) {
	if strings.Contains(p.Name, ":") || len(p.Name) > 100 {
		return nil, fmt.Errorf("the provider's name %q must have at most 100 characters and no colon", p.Name)
	}
	o := &oauthProvider{s: s, p: p, clientID: optionalText(p.Config, "clientId")}
	if o.clientID == "" {
		return nil, errors.New("config.clientId is missing")
	}
	set, ok := presets()[p.Name]
	if !ok {
		set = preset{pkce: true, OAuthSettings: app.OAuthSettings{
			Issuer: optionalText(p.Config, "issuer"), Scopes: stringList(p.Config.Lookup("scopes")),
			AuthorizationURL: optionalText(p.Config, "authorizationUrl"), TokenURL: optionalText(p.Config, "tokenUrl"),
			UserInfoURL: optionalText(p.Config, "userInfoUrl"), JWKSURL: optionalText(p.Config, "jwksUrl"),
		}}
		if len(set.Scopes) == 0 {
			set.Scopes = []string{"openid", "email", "profile"}
		}
	}
	set.OAuthSettings = overridden(set.OAuthSettings, s.settings.OAuth[p.Name])
	if set.Issuer == "" && (set.AuthorizationURL == "" || set.TokenURL == "" || set.UserInfoURL == "") {
		return nil, errors.New("config.issuer is missing: an OpenID Connect provider is found by its issuer")
	}
	o.set = set
	for _, name := range p.SecretConfig["clientSecret"] {
		if o.secret = s.App.Secrets[name]; o.secret == "" {
			// Logging in by an id token works without it.
			s.Logger.Warn("the secret of an OAuth provider is missing: only id tokens can log in", "provider", p.Name, "secret", name)
		}
	}
	return o, nil
}

func overridden(s, by app.OAuthSettings) app.OAuthSettings {
	for _, f := range []struct{ dst, src *string }{
		{&s.Issuer, &by.Issuer}, {&s.AuthorizationURL, &by.AuthorizationURL}, {&s.TokenURL, &by.TokenURL}, {&s.UserInfoURL, &by.UserInfoURL},
		{&s.JWKSURL, &by.JWKSURL}, {&s.EmailClaim, &by.EmailClaim}, {&s.NameClaim, &by.NameClaim},
	} {
		if *f.src != "" {
			*f.dst = *f.src
		}
	}
	if len(by.Scopes) > 0 {
		s.Scopes = by.Scopes
	}
	if len(by.Audiences) > 0 {
		s.Audiences = by.Audiences
	}
	return s
}

// context carries the HTTP client to the libraries.
func (o *oauthProvider) context(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, o.s.HTTP)
}

// endpoints finds the provider, by discovery unless settings name everything. A
// failed discovery is tried again at the next log-in.
func (o *oauthProvider) endpoints(ctx context.Context) (*endpoints, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.known != nil {
		return o.known, nil
	}
	set := &o.set
	e := &endpoints{oauth: oauth2.Endpoint{AuthURL: set.AuthorizationURL, TokenURL: set.TokenURL}, userInfo: set.UserInfoURL}
	// Any of the app's client ids will do; Verify asks for one, so that check is ours.
	config := &oidc.Config{SkipClientIDCheck: true, Now: o.s.Now}
	// The key set outlives this request.
	forever := o.context(context.Background())
	switch {
	case set.Issuer == "":
	case set.AuthorizationURL != "" && set.TokenURL != "" && set.JWKSURL != "":
		e.verifier = oidc.NewVerifier(set.Issuer, oidc.NewRemoteKeySet(forever, set.JWKSURL), config)
	default:
		found, err := oidc.NewProvider(forever, set.Issuer)
		if err != nil {
			return nil, fmt.Errorf("finding the provider '%s': %w", o.p.Name, err)
		}
		d := found.Endpoint()
		if e.oauth.AuthURL == "" {
			e.oauth.AuthURL = d.AuthURL
		}
		if e.oauth.TokenURL == "" {
			e.oauth.TokenURL = d.TokenURL
		}
		if e.userInfo == "" {
			e.userInfo = found.UserInfoEndpoint()
		}
		e.verifier = found.Verifier(config)
		if set.JWKSURL != "" {
			e.verifier = oidc.NewVerifier(set.Issuer, oidc.NewRemoteKeySet(forever, set.JWKSURL), config)
		}
	}
	o.known = e
	return e, nil
}

func (o *oauthProvider) client(e *endpoints, redirect string) *oauth2.Config {
	return &oauth2.Config{ClientID: o.clientID, ClientSecret: o.secret, Endpoint: e.oauth, RedirectURL: redirect, Scopes: o.set.Scopes}
}

// authenticate takes what native SDKs and realm-web send without a redirect: an
// id token, an authorisation code or, for Facebook, an access token.
func (o *oauthProvider) authenticate(ctx context.Context, a *attempt) (*identified, error) {
	e, err := o.endpoints(ctx)
	if err != nil {
		o.s.Logger.Error("an OAuth provider cannot be reached", "provider", o.p.Name, "error", err)
		return nil, errUnauthorized().WithCause(err)
	}
	for _, name := range []string{"id_token", "authCode", "accessToken"} {
		value := optionalText(a.body, name)
		if value == "" {
			continue
		}
		if len(value) > MaxExternalToken {
			return nil, errUnauthorized()
		}
		var id *identified
		switch name {
		case "id_token":
			id, err = o.fromIDToken(ctx, e, value, "")
		case "authCode":
			id, err = o.fromCode(ctx, e, value)
		case "accessToken":
			id, err = o.fromAccessToken(ctx, e, value)
		}
		return id, o.refuse(err)
	}
	return nil, errBody("missing 'id_token', 'authCode' or 'accessToken'")
}

// refuse turns what went wrong with a provider into the protocol's answer.
func (o *oauthProvider) refuse(err error) error {
	if _, ours := fault.CodeOf(err); err == nil || ours {
		return err
	}
	o.s.Logger.Info("OAuth log-in refused", "provider", o.p.Name, "error", err)
	return errUnauthorized().WithCause(err)
}

// fromCode exchanges a code that a native or one-tap client got. These name
// either no redirect address or "postmessage".
func (o *oauthProvider) fromCode(ctx context.Context, e *endpoints, code string) (*identified, error) {
	t, err := o.client(e, "").Exchange(o.context(ctx), code)
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.ErrorCode == "redirect_uri_mismatch" {
		t, err = o.client(e, "postmessage").Exchange(o.context(ctx), code)
	}
	if err != nil {
		return nil, fmt.Errorf("exchanging the code: %w", err)
	}
	return o.fromTokens(ctx, e, t, "")
}

// fromTokens identifies who a token answer belongs to. An id token says so
// itself; what metadata it lacks comes from the profile.
func (o *oauthProvider) fromTokens(ctx context.Context, e *endpoints, t *oauth2.Token, nonce string) (*identified, error) {
	raw, _ := t.Extra("id_token").(string)
	if e.verifier == nil {
		return o.fromProfile(ctx, e, t.AccessToken)
	}
	if raw == "" {
		return nil, errors.New("the provider sent no id token")
	}
	claims, err := o.verifyIDToken(ctx, e, raw, nonce)
	if err != nil {
		return nil, err
	}
	if e.userInfo != "" && len(o.p.MetadataFields) > 0 {
		profile, err := o.fetchProfile(ctx, e, t.AccessToken)
		if err != nil {
			return nil, err
		}
		if string(profile["sub"]) != string(claims["sub"]) {
			return nil, errors.New("the profile belongs to somebody else than the id token")
		}
		for k, v := range profile {
			if _, ok := claims[k]; !ok {
				claims[k] = v
			}
		}
	}
	return o.identity(claims)
}

func (o *oauthProvider) fromIDToken(ctx context.Context, e *endpoints, raw, nonce string) (*identified, error) {
	if e.verifier == nil {
		return nil, errors.New("the provider has no id tokens")
	}
	claims, err := o.verifyIDToken(ctx, e, raw, nonce)
	if err != nil {
		return nil, err
	}
	return o.identity(claims)
}

// claims of an id token or profile, by name.
type claimSet map[string]json.RawMessage

func (c claimSet) text(name string) string {
	var t string
	if json.Unmarshal(c[name], &t) != nil {
		return ""
	}
	return t
}

func (o *oauthProvider) verifyIDToken(ctx context.Context, e *endpoints, raw, nonce string) (claimSet, error) {
	t, err := e.verifier.Verify(o.context(ctx), raw)
	if err != nil {
		return nil, err
	}
	// A token that somebody got for another client must not log in here.
	if !slices.ContainsFunc(t.Audience, func(a string) bool { return a == o.clientID || slices.Contains(o.set.Audiences, a) }) {
		return nil, fmt.Errorf("the id token is for %q, not for this app's client", t.Audience)
	}
	if nonce != "" && t.Nonce != nonce {
		return nil, errors.New("the id token belongs to another log-in (nonce)")
	}
	var c claimSet
	return c, t.Claims(&c)
}

// fromAccessToken takes Facebook's access tokens, after asking Facebook whether
// the token was issued to this app: any other app's would identify its user too.
func (o *oauthProvider) fromAccessToken(ctx context.Context, e *endpoints, token string) (*identified, error) {
	if !o.set.accessTokens {
		return nil, errors.New("the provider's access tokens do not say whom they were issued to")
	}
	base := e.userInfo[:strings.LastIndexByte(e.userInfo, '/')]
	var answer struct {
		Data struct {
			AppID  string `json:"app_id"`
			Valid  bool   `json:"is_valid"`
			UserID string `json:"user_id"`
		} `json:"data"`
	}
	q := url.Values{"input_token": {token}, "access_token": {o.clientID + "|" + o.secret}}
	if err := o.getJSON(ctx, base+"/debug_token?"+q.Encode(), "", &answer); err != nil {
		return nil, fmt.Errorf("checking the access token: %w", err)
	}
	if !answer.Data.Valid || answer.Data.AppID != o.clientID {
		return nil, errors.New("the access token is not valid for this app")
	}
	return o.fromProfile(ctx, e, token)
}

func (o *oauthProvider) fromProfile(ctx context.Context, e *endpoints, token string) (*identified, error) {
	profile, err := o.fetchProfile(ctx, e, token)
	if err != nil {
		return nil, err
	}
	return o.identity(profile)
}

func (o *oauthProvider) fetchProfile(ctx context.Context, e *endpoints, token string) (claimSet, error) {
	at := e.userInfo
	if o.p.Name == user.OAuth2Facebook {
		at += "?" + url.Values{"fields": {"id,name,email,first_name,last_name,picture,gender,birthday,age_range"}}.Encode()
	}
	var c claimSet
	if err := o.getJSON(ctx, at, token, &c); err != nil {
		return nil, fmt.Errorf("reading the profile: %w", err)
	}
	return c, nil
}

// maxProfile bounds a provider's answers.
const maxProfile = 1 << 20

func (o *oauthProvider) getJSON(ctx context.Context, at, token string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := o.s.HTTP.Do(req)
	if err != nil {
		// The address holds secrets; the log is no place for them.
		var u *url.Error
		if errors.As(err, &u) {
			return u.Err
		}
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxProfile+1))
	switch {
	case err != nil:
		return err
	case len(body) > maxProfile:
		return fmt.Errorf("more than %d bytes", maxProfile)
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("status %s", resp.Status)
	}
	return json.Unmarshal(body, into)
}

// identity makes an identity of claims: the subject is the id, the configured
// metadata fields are the data.
func (o *oauthProvider) identity(c claimSet) (*identified, error) {
	id := c.text("sub")
	if id == "" {
		id = c.text("id")
	}
	if err := checkIdentityID(id); err != nil {
		return nil, err
	}
	o.alias(c)
	if err := o.checkDomain(c); err != nil {
		return nil, err
	}
	all, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	var data bson.Raw
	if data, err = metadata(o.p.MetadataFields, all); err != nil {
		return nil, err
	}
	return &identified{id: id, data: data}, nil
}

// alias gives the claims of OpenID Connect and of Facebook the names that
// metadata fields have (app-services.md §2.8).
func (o *oauthProvider) alias(c claimSet) {
	set := func(name string, v json.RawMessage) {
		if _, ok := c[name]; !ok && len(v) > 0 {
			c[name] = v
		}
	}
	if o.set.EmailClaim != "" {
		c["email"] = c[o.set.EmailClaim]
	}
	if o.set.NameClaim != "" {
		c["name"] = c[o.set.NameClaim]
	}
	set("first_name", c["given_name"])
	set("last_name", c["family_name"])
	set("birthday", c["birthdate"])
	if at, ok := lookup(c["picture"], []string{"data", "url"}); ok {
		c["picture"] = at
	}
	for name, bound := range map[string]string{"min_age": "min", "max_age": "max"} {
		if v, ok := lookup(c["age_range"], []string{bound}); ok {
			set(name, v)
		}
	}
	for k, v := range c {
		if len(v) == 0 {
			delete(c, k)
		}
	}
}

// checkDomain admits only addresses of the configured domains, and only those
// that the provider has verified.
func (o *oauthProvider) checkDomain(c claimSet) error {
	if len(o.p.DomainRestrictions) == 0 {
		return nil
	}
	verified := string(c["email_verified"])
	ok := verified == "true" || verified == `"true"` || verified == "" && o.p.Name == user.OAuth2Facebook
	email := c.text("email")
	at := strings.LastIndexByte(email, '@')
	if ok && at > 0 {
		for _, d := range o.p.DomainRestrictions {
			if strings.EqualFold(strings.TrimPrefix(d, "@"), email[at+1:]) {
				return nil
			}
		}
	}
	return fault.New(fault.DomainNotAllowed, "the e-mail address's domain is not allowed")
}
