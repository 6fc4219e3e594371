package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
)

// MaxExternalToken is the longest JWT that custom-token takes (app-services.md §2.6).
const MaxExternalToken = 1_000_000

// minSecret is the shortest HS256 secret (app-services.md §2.6, RFC 7518 §3.2).
const minSecret = 32

// customToken accepts JWTs that another system signed (app-services.md §2.6).
type customToken struct {
	s         *Service
	fields    []app.MetadataField
	audiences []string
	anyOf     bool // one of audiences is enough
	algorithm string
	keys      []any   // fixed keys, any of which may verify
	set       *keySet // or a JWKS
}

func openCustomToken(s *Service, p *app.Provider) (authenticator, error) {
	c := &customToken{
		s: s, fields: p.MetadataFields, audiences: stringList(p.Config.Lookup("audience")), anyOf: flag(p.Config, "requireAnyAudience"),
		algorithm: optionalText(p.Config, "signingAlgorithm"),
	}
	if len(c.audiences) == 0 {
		c.audiences = []string{s.App.ID}
	}
	if flag(p.Config, "useJWKURI") {
		uri := optionalText(p.Config, "jwkURI")
		if uri == "" {
			return nil, errors.New("config.useJWKURI is true, but config.jwkURI is empty")
		}
		c.algorithm, c.set = "RS256", newKeySet(uri, s.HTTP, s.Now)
		return c, nil
	}
	if c.algorithm == "" {
		c.algorithm = "HS256"
	}
	names := p.SecretConfig["signingKeys"]
	if len(names) == 0 {
		return nil, errors.New("secret_config.signingKeys names no secret")
	}
	for _, name := range names {
		secret := s.App.Secrets[name]
		if secret == "" {
			return nil, fmt.Errorf("the secret '%s' that secret_config.signingKeys names is missing", name)
		}
		switch c.algorithm {
		case "HS256":
			if len(secret) < minSecret {
				return nil, fmt.Errorf("the secret '%s' has %d characters; HS256 needs at least %d, or it can be guessed from any token", name, len(secret), minSecret)
			}
			c.keys = append(c.keys, []byte(secret))
		case "RS256":
			key, err := jwt.ParseRSAPublicKeyFromPEM([]byte(strings.ReplaceAll(secret, `\n`, "\n")))
			if err != nil {
				return nil, fmt.Errorf("the secret '%s' is no RSA public key in PEM form: %w", name, err)
			}
			c.keys = append(c.keys, key)
		default:
			return nil, fmt.Errorf("config.signingAlgorithm is %q, allowed are HS256 and RS256", c.algorithm)
		}
	}
	return c, nil
}

// stringList reads an array of strings, or one string with commas as old
// exports have it.
func stringList(v bson.RawValue) []string {
	var out []string
	add := func(t string) {
		if t = strings.TrimSpace(t); t != "" {
			out = append(out, t)
		}
	}
	if t, ok := v.StringValueOK(); ok {
		for part := range strings.SplitSeq(t, ",") {
			add(part)
		}
	}
	if a, ok := v.ArrayOK(); ok {
		values, _ := a.Values()
		for _, e := range values {
			if t, ok := e.StringValueOK(); ok {
				add(t)
			}
		}
	}
	return out
}

// authenticate wants aud, sub and exp; exp counts at the log-in only.
func (p *customToken) authenticate(ctx context.Context, a *attempt) (*identified, error) {
	token, err := text(a.body, "token")
	if err != nil {
		return nil, err
	}
	if len(token) > MaxExternalToken {
		return nil, errUnauthorized()
	}
	claims, err := p.verify(ctx, token)
	if err != nil {
		p.s.Logger.Info("custom JWT refused", "error", err)
		return nil, errUnauthorized().WithCause(err)
	}
	audience, err := claims.GetAudience()
	if err == nil {
		err = p.checkAudience(audience)
	}
	if err != nil {
		p.s.Logger.Info("custom JWT refused", "error", err)
		return nil, errUnauthorized().WithCause(err)
	}
	subject, err := claims.GetSubject()
	if err == nil {
		err = checkIdentityID(subject)
	}
	if err != nil {
		return nil, errUnauthorized().WithCause(err)
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		return nil, errUnauthorized().WithCause(err)
	}
	data, err := metadata(p.fields, payload)
	if err != nil {
		p.s.Logger.Info("custom JWT refused", "error", err)
		return nil, errUnauthorized().WithCause(err)
	}
	return &identified{id: subject, data: data}, nil
}

// verify checks a token's signature and times.
func (p *customToken) verify(ctx context.Context, token string) (jwt.MapClaims, error) {
	parser := jwt.NewParser(jwt.WithValidMethods([]string{p.algorithm}), jwt.WithoutClaimsValidation())
	keys := p.keys
	if p.set != nil {
		unverified, _, err := jwt.NewParser().ParseUnverified(token, &jwt.RegisteredClaims{})
		if err != nil {
			return nil, err
		}
		kid, _ := unverified.Header["kid"].(string)
		key, err := p.set.key(ctx, kid)
		if err != nil {
			return nil, err
		}
		keys = []any{key}
	}
	var last error
	for _, key := range keys {
		claims := jwt.MapClaims{}
		_, err := parser.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return key, nil })
		if err == nil {
			return claims, checkTimes(claims, p.s.Now())
		}
		last = err
		if !errors.Is(err, jwt.ErrTokenSignatureInvalid) {
			break
		}
	}
	return nil, last
}

// checkTimes wants an exp that has not come, and an nbf, if there is one, that has
// (app-services.md §2.6); there is no leeway. They are compared as the numbers that
// they are: as times, some that lie beyond all years would wrap around.
func checkTimes(claims jwt.MapClaims, at time.Time) error {
	now := float64(at.UnixMilli()) / 1000
	for _, c := range []struct {
		name     string
		required bool
		wrong    func(float64) bool
		text     string
	}{
		{"exp", true, func(v float64) bool { return v <= now }, "it is expired"},
		{"nbf", false, func(v float64) bool { return v > now }, "it is not valid yet"},
		{"iat", false, func(float64) bool { return false }, ""},
	} {
		v := claims[c.name]
		if v == nil && !c.required {
			continue
		}
		n, ok := v.(float64)
		if !ok {
			return fmt.Errorf("its %s is %v, expected seconds since 1970", c.name, v)
		}
		if c.wrong(n) {
			return fmt.Errorf("%s: %s %v, now %.0f", c.text, c.name, n, now)
		}
	}
	return nil
}

func (p *customToken) checkAudience(have []string) error {
	found := 0
	for _, want := range p.audiences {
		for _, h := range have {
			if h == want {
				found++
				break
			}
		}
	}
	if found == len(p.audiences) || p.anyOf && found > 0 {
		return nil
	}
	return fmt.Errorf("its audience is %q, expected %q", have, p.audiences)
}
