package host

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/dop251/goja"
)

// Keys cross as PEM texts; what Node keeps in key objects is made of them.

var keyNatives = map[string]nativeFunc{
	// keyPEM(text, "private"|"public") gives the key in PKCS#8 or SPKI.
	"keyPEM": func(r *realm, c goja.FunctionCall) goja.Value {
		return r.keyResult(encodeKey(r.argBytes(c.Argument(0)), c.Argument(1).String(), "", "pem"))
	},
	// keyExport(text, "private"|"public", type, format)
	"keyExport": func(r *realm, c goja.FunctionCall) goja.Value {
		return r.keyResult(encodeKey(r.argBytes(c.Argument(0)), c.Argument(1).String(), c.Argument(2).String(), c.Argument(3).String()))
	},
	// keyDetails(text) gives [modulus length, curve name].
	"keyDetails": func(r *realm, c goja.FunctionCall) goja.Value {
		k, err := publicKey(r.argBytes(c.Argument(0)))
		if err != nil {
			r.throw("Error", err.Error())
		}
		switch k := k.(type) {
		case *rsa.PublicKey:
			return r.vm.NewArray(k.N.BitLen(), "", k.E)
		case *ecdsa.PublicKey:
			return r.vm.NewArray(0, nodeCurve(k.Curve), 0)
		}
		return r.vm.NewArray(0, "", 0)
	},
	// keyOfJWK(text) gives the PEM text of a JSON Web Key.
	"keyOfJWK": func(r *realm, c goja.FunctionCall) goja.Value {
		var j jsonWebKey
		if err := json.Unmarshal([]byte(c.Argument(0).String()), &j); err != nil {
			r.throw("TypeError", "the JSON Web Key cannot be read")
		}
		text, err := j.pem()
		if err != nil {
			r.throw("TypeError", err.Error())
		}
		return r.newBytes(text)
	},
	// generateKey(kind, size or curve) gives a private key's PEM text.
	"generateKey": func(r *realm, c goja.FunctionCall) goja.Value {
		k, err := generateKey(c.Argument(0).String(), c.Argument(1))
		if err != nil {
			r.throw("TypeError", err.Error())
		}
		der, err := x509.MarshalPKCS8PrivateKey(k)
		if err != nil {
			r.throw("Error", err.Error())
		}
		return r.newBytes(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	},
	// ecdhKey(curve, private or undefined) gives [private, public] as bytes.
	"ecdhKey": func(r *realm, c goja.FunctionCall) goja.Value {
		k, err := ecdhKey(c.Argument(0).String(), r.argBytes(c.Argument(1)))
		if err != nil {
			r.throw("Error", err.Error())
		}
		return r.vm.NewArray(r.newBytes(k.Bytes()), r.newBytes(k.PublicKey().Bytes()))
	},
	// ecdhSecret(curve, private, other's public)
	"ecdhSecret": func(r *realm, c goja.FunctionCall) goja.Value {
		k, err := ecdhKey(c.Argument(0).String(), r.argBytes(c.Argument(1)))
		if err != nil {
			r.throw("Error", err.Error())
		}
		other, err := k.Curve().NewPublicKey(r.argBytes(c.Argument(2)))
		if err != nil {
			r.throw("Error", "Public key is not valid for specified curve")
		}
		secret, err := k.ECDH(other)
		if err != nil {
			r.throw("Error", err.Error())
		}
		return r.newBytes(secret)
	},
	// rsaRaw(private, key, data) is RSA with PKCS #1 padding of type 1:
	// privateEncrypt and publicDecrypt.
	"rsaRaw": func(r *realm, c goja.FunctionCall) goja.Value {
		var out []byte
		var err error
		if c.Argument(0).ToBoolean() {
			out, err = privateEncrypt(r.argBytes(c.Argument(1)), r.argBytes(c.Argument(2)))
		} else {
			out, err = publicDecrypt(r.argBytes(c.Argument(1)), r.argBytes(c.Argument(2)))
		}
		if err != nil {
			r.throw("Error", err.Error())
		}
		return r.newBytes(out)
	},
}

func (r *realm) keyResult(text []byte, err error) goja.Value {
	if err != nil {
		r.throw("TypeError", err.Error())
	}
	return r.newBytes(text)
}

// curves maps Node's names of curves, and those of JSON Web Keys, to Go's.
var curves = map[string]struct {
	curve elliptic.Curve
	ecdh  ecdh.Curve
	node  string
	jwk   string
}{
	"prime256v1": {elliptic.P256(), ecdh.P256(), "prime256v1", "P-256"},
	"secp384r1":  {elliptic.P384(), ecdh.P384(), "secp384r1", "P-384"},
	"secp521r1":  {elliptic.P521(), ecdh.P521(), "secp521r1", "P-521"},
}

func curveNamed(name string) (string, error) {
	for node, c := range curves {
		if node == name || c.jwk == name {
			return node, nil
		}
	}
	return "", fmt.Errorf("Invalid EC curve name: %s; prime256v1, secp384r1 and secp521r1 are available", cutText(name, 40))
}

func nodeCurve(c elliptic.Curve) string {
	for node, k := range curves {
		if k.curve == c {
			return node
		}
	}
	return c.Params().Name
}

func encodeKey(text []byte, want, kind, format string) ([]byte, error) {
	var der []byte
	var label string
	var err error
	if want == "private" {
		k, kerr := privateKey(text)
		if kerr != nil {
			return nil, kerr
		}
		if format == "jwk" {
			return jwkOf(k)
		}
		label = "PRIVATE KEY"
		switch r, isRSA := k.(*rsa.PrivateKey); {
		case kind == "pkcs1" && isRSA:
			der, label = x509.MarshalPKCS1PrivateKey(r), "RSA PRIVATE KEY"
		case kind == "sec1":
			e, ok := k.(*ecdsa.PrivateKey)
			if !ok {
				return nil, errors.New("sec1 is for keys of elliptic curves")
			}
			der, err = x509.MarshalECPrivateKey(e)
			label = "EC PRIVATE KEY"
		default:
			der, err = x509.MarshalPKCS8PrivateKey(k)
		}
	} else {
		k, kerr := publicKey(text)
		if kerr != nil {
			return nil, kerr
		}
		if format == "jwk" {
			return jwkOf(k)
		}
		label = "PUBLIC KEY"
		if r, isRSA := k.(*rsa.PublicKey); kind == "pkcs1" && isRSA {
			der, label = x509.MarshalPKCS1PublicKey(r), "RSA PUBLIC KEY"
		} else {
			der, err = x509.MarshalPKIXPublicKey(k)
		}
	}
	if err != nil {
		return nil, err
	}
	if format == "der" {
		return der, nil
	}
	return pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}), nil
}

// jsonWebKey is a key as RFC 7517 writes it.
type jsonWebKey struct {
	Kty string `json:"kty"`
	Crv string `json:"crv,omitempty"`
	X   string `json:"x,omitempty"`
	Y   string `json:"y,omitempty"`
	N   string `json:"n,omitempty"`
	E   string `json:"e,omitempty"`
	D   string `json:"d,omitempty"`
	P   string `json:"p,omitempty"`
	Q   string `json:"q,omitempty"`
	DP  string `json:"dp,omitempty"`
	DQ  string `json:"dq,omitempty"`
	QI  string `json:"qi,omitempty"`
}

func jwkOf(key any) ([]byte, error) {
	text := base64.RawURLEncoding.EncodeToString
	var j jsonWebKey
	switch k := key.(type) {
	case *rsa.PublicKey:
		j = jsonWebKey{Kty: "RSA", N: text(k.N.Bytes()), E: text(big.NewInt(int64(k.E)).Bytes())}
	case *rsa.PrivateKey:
		k.Precompute()
		if len(k.Primes) != 2 {
			return nil, errors.New("an RSA key of more than two primes has no JSON Web Key")
		}
		j = jsonWebKey{Kty: "RSA", N: text(k.N.Bytes()), E: text(big.NewInt(int64(k.E)).Bytes()), D: text(k.D.Bytes()), P: text(k.Primes[0].Bytes()), Q: text(k.Primes[1].Bytes()),
			DP: text(k.Precomputed.Dp.Bytes()), DQ: text(k.Precomputed.Dq.Bytes()), QI: text(k.Precomputed.Qinv.Bytes())}
	case *ecdsa.PublicKey:
		point, err := k.ECDH()
		if err != nil {
			return nil, err
		}
		raw := point.Bytes()[1:] // 0x04, x, y
		j = jsonWebKey{Kty: "EC", Crv: curves[nodeCurve(k.Curve)].jwk, X: text(raw[:len(raw)/2]), Y: text(raw[len(raw)/2:])}
	case *ecdsa.PrivateKey:
		private, err := k.ECDH()
		if err != nil {
			return nil, err
		}
		raw := private.PublicKey().Bytes()[1:]
		j = jsonWebKey{Kty: "EC", Crv: curves[nodeCurve(k.Curve)].jwk, X: text(raw[:len(raw)/2]), Y: text(raw[len(raw)/2:]), D: text(private.Bytes())}
	case ed25519.PublicKey:
		j = jsonWebKey{Kty: "OKP", Crv: "Ed25519", X: text(k)}
	case ed25519.PrivateKey:
		j = jsonWebKey{Kty: "OKP", Crv: "Ed25519", X: text(k.Public().(ed25519.PublicKey)), D: text(k.Seed())}
	default:
		return nil, errors.New("this kind of key has no JSON Web Key")
	}
	return json.Marshal(j)
}

func (j *jsonWebKey) pem() ([]byte, error) {
	var bad error
	field := func(name, text string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
		if (err != nil || len(b) == 0) && bad == nil {
			bad = fmt.Errorf("the JSON Web Key's %q cannot be read", name)
		}
		return b
	}
	number := func(name, text string) *big.Int { return new(big.Int).SetBytes(field(name, text)) }
	var key any
	switch j.Kty {
	case "RSA":
		e := number("e", j.E)
		if !e.IsInt64() || e.Int64() > 1<<31-1 {
			return nil, errors.New("the JSON Web Key's \"e\" is too large")
		}
		public := rsa.PublicKey{N: number("n", j.N), E: int(e.Int64())}
		key = &public
		if j.D != "" {
			private := &rsa.PrivateKey{PublicKey: public, D: number("d", j.D), Primes: []*big.Int{number("p", j.P), number("q", j.Q)}}
			if bad == nil {
				bad = private.Validate()
			}
			key = private
		}
	case "EC":
		name, err := curveNamed(j.Crv)
		if err != nil {
			return nil, err
		}
		if j.D != "" {
			private, err := ecdsa.ParseRawPrivateKey(curves[name].curve, field("d", j.D))
			if err != nil {
				return nil, err
			}
			key = private
			break
		}
		public, err := ecdsa.ParseUncompressedPublicKey(curves[name].curve, append(append([]byte{4}, field("x", j.X)...), field("y", j.Y)...))
		if err != nil {
			return nil, err
		}
		key = public
	case "OKP":
		if j.Crv != "Ed25519" {
			return nil, errors.New("of OKP keys, only Ed25519 is available")
		}
		if j.D != "" {
			seed := field("d", j.D)
			if len(seed) != ed25519.SeedSize {
				return nil, errors.New("the JSON Web Key's \"d\" cannot be read")
			}
			key = ed25519.NewKeyFromSeed(seed)
		} else {
			x := field("x", j.X)
			if len(x) != ed25519.PublicKeySize {
				return nil, errors.New("the JSON Web Key's \"x\" cannot be read")
			}
			key = ed25519.PublicKey(x)
		}
	default:
		return nil, errors.New("unknown kty of a JSON Web Key")
	}
	if bad != nil {
		return nil, bad
	}
	if j.D != "" {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), err
}

// maxModulus bounds what generating one key may cost.
const maxModulus = 4096

func generateKey(kind string, option goja.Value) (crypto.Signer, error) {
	switch kind {
	case "rsa":
		bits := option.ToInteger()
		if bits < 1024 || bits > maxModulus {
			return nil, fmt.Errorf("generateKeyPair: modulusLength must be from 1024 to %d", maxModulus)
		}
		return rsa.GenerateKey(rand.Reader, int(bits))
	case "ec":
		name, err := curveNamed(option.String())
		if err != nil {
			return nil, err
		}
		return ecdsa.GenerateKey(curves[name].curve, rand.Reader)
	case "ed25519":
		_, k, err := ed25519.GenerateKey(rand.Reader)
		return k, err
	}
	return nil, fmt.Errorf("generateKeyPair: %s keys are not available in functions; rsa, ec and ed25519 are", cutText(kind, 40))
}

func ecdhKey(curve string, private []byte) (*ecdh.PrivateKey, error) {
	name, err := curveNamed(curve)
	if err != nil {
		return nil, err
	}
	if private == nil {
		return curves[name].ecdh.GenerateKey(rand.Reader)
	}
	k, err := curves[name].ecdh.NewPrivateKey(private)
	if err != nil {
		return nil, errors.New("Private key is not valid for specified curve.")
	}
	return k, nil
}

func privateEncrypt(key, data []byte) ([]byte, error) {
	k, err := privateKey(key)
	if err != nil {
		return nil, err
	}
	private, ok := k.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("the key is no RSA key")
	}
	// A signature of nothing hashed is the padding of type 1 alone.
	return rsa.SignPKCS1v15(nil, private, 0, data)
}

func publicDecrypt(key, data []byte) ([]byte, error) {
	k, err := publicKey(key)
	if err != nil {
		return nil, err
	}
	public, ok := k.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("the key is no RSA key")
	}
	n := new(big.Int).SetBytes(data)
	if len(data) != public.Size() || n.Cmp(public.N) >= 0 {
		return nil, errors.New("data greater than mod len")
	}
	padded := n.Exp(n, big.NewInt(int64(public.E)), public.N).FillBytes(make([]byte, public.Size()))
	end := -1
	for i := 2; i < len(padded); i++ {
		if padded[i] == 0 {
			end = i
			break
		}
		if padded[i] != 0xff {
			break
		}
	}
	if padded[0] != 0 || padded[1] != 1 || end < 10 {
		return nil, errors.New("invalid padding")
	}
	return padded[end+1:], nil
}
