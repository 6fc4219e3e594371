package auth_test

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/auth"
	"regent/internal/fault"
)

// A token that another algorithm than the configured one signed is refused for
// that alone: whoever chooses the algorithm could choose one to which a public key is
// a secret.
func TestAlgorithmIsNotTheTokens(t *testing.T) {
	is := newIssuer(t, "k")
	private := is.keys["k"]
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	oneLine := strings.ReplaceAll(public, "\n", `\n`)
	secret := strings.Repeat("k", 40)

	type signature struct {
		name   string
		method jwt.SigningMethod
		key    any
	}
	// What the key of a public-key provider must not be taken for.
	confused := []signature{
		{"HS256 with the PEM file", jwt.SigningMethodHS256, []byte(public)},
		{"HS256 with the PEM file on one line", jwt.SigningMethodHS256, []byte(oneLine)},
		{"HS256 with the PEM file, trimmed", jwt.SigningMethodHS256, []byte(strings.TrimSpace(public))},
		{"HS256 with the key's DER", jwt.SigningMethodHS256, der},
		{"HS512 with the PEM file", jwt.SigningMethodHS512, []byte(public)},
		{"RS384 with the private key", jwt.SigningMethodRS384, private},
		{"RS512 with the private key", jwt.SigningMethodRS512, private},
		{"PS256 with the private key", jwt.SigningMethodPS256, private},
		{"none", jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType},
	}
	for _, c := range []struct {
		name    string
		config  bson.Raw
		secrets []string
		right   signature
		wrong   []signature
	}{
		{"PEM", conf("signingAlgorithm", "RS256"), []string{"pem"}, signature{"", jwt.SigningMethodRS256, private}, confused},
		{"JWKS", conf("useJWKURI", true, "jwkURI", is.url, "signingAlgorithm", "HS256"), nil, signature{"", jwt.SigningMethodRS256, private}, confused},
		{"Secret", conf("signingAlgorithm", "HS256"), []string{"secret"}, signature{"", jwt.SigningMethodHS256, []byte(secret)}, []signature{
			{"HS384 with the secret", jwt.SigningMethodHS384, []byte(secret)},
			{"HS512 with the secret", jwt.SigningMethodHS512, []byte(secret)},
			{"none", jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType},
		}},
	} {
		ps := everything()
		ps["custom-token"].Config = c.config
		ps["custom-token"].SecretConfig = map[string][]string{"signingKeys": c.secrets}
		w := newWorld(t, ps, func(k *auth.Config) { k.App.Secrets["pem"], k.App.Secrets["secret"] = oneLine, secret })
		login := func(s signature) error {
			token := jwt.NewWithClaims(s.method, jwt.MapClaims{"aud": w.app.ID, "sub": "ext-1", "exp": time.Now().Add(time.Hour).Unix()})
			token.Header["kid"] = "k"
			text, err := token.SignedString(s.key)
			if err != nil {
				t.Fatal(err)
			}
			_, err = w.Login(t.Context(), "custom-token", conf("token", text), nil)
			return err
		}
		t.Run(c.name+"/OK", func(t *testing.T) {
			if err := login(c.right); err != nil {
				t.Fatal(err)
			}
		})
		for _, s := range c.wrong {
			t.Run(c.name+"/"+s.name, func(t *testing.T) {
				err := login(s)
				refused(t, err, 401, fault.AuthError, "unauthorized")
				var f *fault.Error
				if errors.As(err, &f); f.Cause == nil || !strings.Contains(f.Cause.Error(), "signing method "+s.method.Alg()+" is invalid") {
					t.Errorf("refused for another reason: %v", f.Cause)
				}
			})
		}
	}
}

// Regent's own tokens are HS256 and nothing else, also under the key that signs
// them.
func TestAlgorithmOfSessions(t *testing.T) {
	w := newWorld(t, everything())
	tok := w.login("anon-user", `{}`)
	var key struct {
		ID     string `bson:"_id"`
		KID    string `bson:"kid"`
		Secret []byte `bson:"secret"`
	}
	if err := shared.db.Collection("keys").FindOne(t.Context(), bson.D{{Key: "app", Value: w.config.Domain}}).Decode(&key); err != nil {
		t.Fatal(err)
	}
	secret, err := shared.master.Open(key.Secret, "signing key "+key.ID)
	if err != nil {
		t.Fatal(err)
	}
	for method, ok := range map[*jwt.SigningMethodHMAC]bool{jwt.SigningMethodHS256: true, jwt.SigningMethodHS384: false, jwt.SigningMethodHS512: false} {
		j := jwt.NewWithClaims(method, jwt.MapClaims(payload(t, tok.AccessToken)))
		j.Header["kid"] = key.KID
		text, err := j.SignedString(secret)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Authenticate(t.Context(), text); (err == nil) != ok {
			t.Errorf("%s: %v", method.Alg(), err)
		}
	}
}
