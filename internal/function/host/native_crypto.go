package host

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
	"math/big"
	"strings"

	"github.com/dop251/goja"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/pbkdf2"
	"golang.org/x/crypto/ripemd160" //lint:ignore SA1019 apps ask for it by name, as Node's crypto has it
	"golang.org/x/crypto/scrypt"
	"golang.org/x/crypto/sha3"
)

// digests maps Node's names of digests to Go's.
var digests = map[string]struct {
	new func() hash.Hash
	id  crypto.Hash
}{
	"md5": {md5.New, crypto.MD5}, "sha1": {sha1.New, crypto.SHA1}, "sha224": {sha256.New224, crypto.SHA224},
	"sha256": {sha256.New, crypto.SHA256}, "sha384": {sha512.New384, crypto.SHA384}, "sha512": {sha512.New, crypto.SHA512},
	"sha512-256": {sha512.New512_256, crypto.SHA512_256}, "ripemd160": {ripemd160.New, crypto.RIPEMD160},
	"rmd160": {ripemd160.New, crypto.RIPEMD160}, "sha3-256": {func() hash.Hash { return sha3.New256() }, crypto.SHA3_256},
	"sha3-512": {func() hash.Hash { return sha3.New512() }, crypto.SHA3_512},
}

func digestName(s string) string {
	s = strings.ToLower(s)
	s = strings.TrimPrefix(s, "rsa-")
	s = strings.TrimPrefix(s, "ecdsa-with-")
	switch s {
	case "sha-1":
		return "sha1"
	case "sha-256":
		return "sha256"
	case "sha-384":
		return "sha384"
	case "sha-512":
		return "sha512"
	}
	return s
}

// maxKDF bounds what one key derivation may cost: iterations, or scrypt's bytes.
const (
	maxKDFRounds = 10_000_000
	maxKDFBytes  = 128 << 20
)

var cryptoNatives = map[string]nativeFunc{
	"hash": func(r *realm, c goja.FunctionCall) goja.Value {
		d, ok := digests[digestName(c.Argument(0).String())]
		if !ok {
			r.throw("Error", "Digest method not supported: "+c.Argument(0).String())
		}
		h := d.new()
		h.Write(r.argBytes(c.Argument(1)))
		return r.newBytes(h.Sum(nil))
	},
	"hashes": func(r *realm, c goja.FunctionCall) goja.Value {
		var names []any
		for n := range digests {
			names = append(names, n)
		}
		return r.vm.NewArray(names...)
	},
	"hmac": func(r *realm, c goja.FunctionCall) goja.Value {
		d, ok := digests[digestName(c.Argument(0).String())]
		if !ok {
			r.throw("Error", "Invalid digest: "+c.Argument(0).String())
		}
		h := hmac.New(d.new, r.argBytes(c.Argument(1)))
		h.Write(r.argBytes(c.Argument(2)))
		return r.newBytes(h.Sum(nil))
	},
	"randomBytes": func(r *realm, c goja.FunctionCall) goja.Value {
		n := c.Argument(0).ToInteger()
		if n < 0 || n > 64<<20 {
			r.throw("RangeError", "The value of \"size\" is out of range")
		}
		b := make([]byte, n)
		_, _ = rand.Read(b)
		return r.newBytes(b)
	},
	"timingSafeEqual": func(r *realm, c goja.FunctionCall) goja.Value {
		a, b := r.argBytes(c.Argument(0)), r.argBytes(c.Argument(1))
		if len(a) != len(b) {
			r.throw("RangeError", "Input buffers must have the same byte length")
		}
		return r.vm.ToValue(subtle.ConstantTimeCompare(a, b) == 1)
	},
	// pbkdf2(password, salt, rounds, length, digest)
	"pbkdf2": func(r *realm, c goja.FunctionCall) goja.Value {
		d, ok := digests[digestName(c.Argument(4).String())]
		rounds, length := c.Argument(2).ToInteger(), c.Argument(3).ToInteger()
		if !ok {
			r.throw("TypeError", "Invalid digest: "+c.Argument(4).String())
		}
		if rounds < 1 || rounds > maxKDFRounds || length < 0 || length > 1<<20 {
			r.throw("RangeError", "pbkdf2: iterations or key length are out of range")
		}
		return r.newBytes(pbkdf2.Key(r.argBytes(c.Argument(0)), r.argBytes(c.Argument(1)), int(rounds), int(length), d.new))
	},
	// scrypt(password, salt, length, N, r, p)
	"scrypt": func(r *realm, c goja.FunctionCall) goja.Value {
		length, n, rr, p := c.Argument(2).ToInteger(), c.Argument(3).ToInteger(), c.Argument(4).ToInteger(), c.Argument(5).ToInteger()
		if n < 2 || rr < 1 || p < 1 || n > maxKDFBytes || rr > maxKDFBytes || p > 1024 || n*rr*128 > maxKDFBytes || length < 0 || length > 1<<20 {
			r.throw("RangeError", "scrypt: the parameters are invalid or cost too much memory")
		}
		key, err := scrypt.Key(r.argBytes(c.Argument(0)), r.argBytes(c.Argument(1)), int(n), int(rr), int(p), int(length))
		if err != nil {
			r.throw("RangeError", err.Error())
		}
		return r.newBytes(key)
	},
	// bcrypt(password, cost or hash): a hash, or whether it matches
	"bcryptHash": func(r *realm, c goja.FunctionCall) goja.Value {
		cost := int(c.Argument(1).ToInteger())
		if cost < 4 || cost > 15 {
			r.throw("RangeError", "bcrypt: the cost must be from 4 to 15")
		}
		password := r.argBytes(c.Argument(0))
		if len(password) > 72 {
			password = password[:72]
		}
		h, err := bcrypt.GenerateFromPassword(password, cost)
		if err != nil {
			r.throw("Error", err.Error())
		}
		return r.vm.ToValue(string(h))
	},
	"bcryptCompare": func(r *realm, c goja.FunctionCall) goja.Value {
		password := r.argBytes(c.Argument(0))
		if len(password) > 72 {
			password = password[:72]
		}
		h := []byte(c.Argument(1).String())
		if cost, err := bcrypt.Cost(h); err != nil || cost > 15 {
			return r.vm.ToValue(false)
		}
		return r.vm.ToValue(bcrypt.CompareHashAndPassword(h, password) == nil)
	},
	// cipher(encrypt, name, key, iv, data, aad, tag, padding)
	"cipher": func(r *realm, c goja.FunctionCall) goja.Value {
		out, tag, err := runCipher(c.Argument(0).ToBoolean(), strings.ToLower(c.Argument(1).String()), r.argBytes(c.Argument(2)), r.argBytes(c.Argument(3)),
			r.argBytes(c.Argument(4)), r.argBytes(c.Argument(5)), r.argBytes(c.Argument(6)), c.Argument(7).ToBoolean())
		if err != nil {
			r.throw("Error", err.Error())
		}
		o := r.vm.NewObject()
		_ = o.Set("data", r.newBytes(out))
		if tag != nil {
			_ = o.Set("tag", r.newBytes(tag))
		}
		return o
	},
	// sign(digest, key, data, {padding: "pss"|"pkcs1", encoding: "der"|"p1363"})
	"sign": func(r *realm, c goja.FunctionCall) goja.Value {
		sig, err := sign(c.Argument(0), r.argBytes(c.Argument(1)), r.argBytes(c.Argument(2)), c.Argument(3).String(), c.Argument(4).String())
		if err != nil {
			r.throw("Error", err.Error())
		}
		return r.newBytes(sig)
	},
	"verify": func(r *realm, c goja.FunctionCall) goja.Value {
		ok, err := verify(c.Argument(0), r.argBytes(c.Argument(1)), r.argBytes(c.Argument(2)), r.argBytes(c.Argument(5)), c.Argument(3).String(), c.Argument(4).String())
		if err != nil {
			r.throw("Error", err.Error())
		}
		return r.vm.ToValue(ok)
	},
	// rsaCrypt(encrypt, key, data, oaepDigest or "")
	"rsaCrypt": func(r *realm, c goja.FunctionCall) goja.Value {
		out, err := rsaCrypt(c.Argument(0).ToBoolean(), r.argBytes(c.Argument(1)), r.argBytes(c.Argument(2)), c.Argument(3).String())
		if err != nil {
			r.throw("Error", err.Error())
		}
		return r.newBytes(out)
	},
	"keyType": func(r *realm, c goja.FunctionCall) goja.Value {
		text := r.argBytes(c.Argument(0))
		if k, err := privateKey(text); err == nil {
			return r.vm.ToValue("private " + keyKind(k))
		}
		k, err := publicKey(text)
		if err != nil {
			r.throw("Error", err.Error())
		}
		return r.vm.ToValue("public " + keyKind(k))
	},
}

func keyKind(k any) string {
	switch k.(type) {
	case *rsa.PrivateKey, *rsa.PublicKey:
		return "rsa"
	case *ecdsa.PrivateKey, *ecdsa.PublicKey:
		return "ec"
	case ed25519.PrivateKey, ed25519.PublicKey:
		return "ed25519"
	}
	return "unknown"
}

// privateKey reads a PEM key: PKCS#8, PKCS#1 or SEC 1.
func privateKey(text []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("the private key is not in PEM format")
	}
	if k, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return k, nil
	}
	if k, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return k, nil
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("the private key cannot be read: PKCS#8, PKCS#1 and SEC 1 keys without a passphrase are supported")
	}
	s, ok := k.(crypto.Signer)
	if !ok {
		return nil, errors.New("the private key cannot sign")
	}
	return s, nil
}

// publicKey reads a PEM key or certificate, or takes the public part of a private key.
func publicKey(text []byte) (any, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("the public key is not in PEM format")
	}
	if k, err := x509.ParsePKIXPublicKey(block.Bytes); err == nil {
		return k, nil
	}
	if k, err := x509.ParsePKCS1PublicKey(block.Bytes); err == nil {
		return k, nil
	}
	if c, err := x509.ParseCertificate(block.Bytes); err == nil {
		return c.PublicKey, nil
	}
	if k, err := privateKey(text); err == nil {
		return k.Public(), nil
	}
	return nil, errors.New("the public key cannot be read")
}

func digestOf(v goja.Value, data []byte) (crypto.Hash, []byte, error) {
	if goja.IsUndefined(v) || goja.IsNull(v) {
		return 0, data, nil
	}
	d, ok := digests[digestName(v.String())]
	if !ok {
		return 0, nil, fmt.Errorf("Invalid digest: %s", v.String())
	}
	h := d.new()
	h.Write(data)
	return d.id, h.Sum(nil), nil
}

type ecSignature struct{ R, S *big.Int }

func sign(digest goja.Value, key, data []byte, padding, encoding string) ([]byte, error) {
	k, err := privateKey(key)
	if err != nil {
		return nil, err
	}
	if e, ok := k.(ed25519.PrivateKey); ok {
		return ed25519.Sign(e, data), nil
	}
	id, sum, err := digestOf(digest, data)
	if err != nil {
		return nil, err
	}
	switch k := k.(type) {
	case *rsa.PrivateKey:
		if padding == "pss" {
			return rsa.SignPSS(rand.Reader, k, id, sum, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		}
		return rsa.SignPKCS1v15(nil, k, id, sum)
	case *ecdsa.PrivateKey:
		x, s, err := ecdsa.Sign(rand.Reader, k, sum)
		if err != nil {
			return nil, err
		}
		if encoding == "p1363" {
			n := (k.Curve.Params().BitSize + 7) / 8
			out := make([]byte, 2*n)
			x.FillBytes(out[:n])
			s.FillBytes(out[n:])
			return out, nil
		}
		return asn1.Marshal(ecSignature{x, s})
	}
	return nil, errors.New("this kind of key cannot sign")
}

func verify(digest goja.Value, key, data, signature []byte, padding, encoding string) (bool, error) {
	k, err := publicKey(key)
	if err != nil {
		return false, err
	}
	if e, ok := k.(ed25519.PublicKey); ok {
		return ed25519.Verify(e, data, signature), nil
	}
	id, sum, err := digestOf(digest, data)
	if err != nil {
		return false, err
	}
	switch k := k.(type) {
	case *rsa.PublicKey:
		if padding == "pss" {
			return rsa.VerifyPSS(k, id, sum, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto}) == nil, nil
		}
		return rsa.VerifyPKCS1v15(k, id, sum, signature) == nil, nil
	case *ecdsa.PublicKey:
		var e ecSignature
		if encoding == "p1363" {
			n := len(signature) / 2
			e.R, e.S = new(big.Int).SetBytes(signature[:n]), new(big.Int).SetBytes(signature[n:])
		} else if _, err := asn1.Unmarshal(signature, &e); err != nil {
			return false, nil
		}
		return ecdsa.Verify(k, sum, e.R, e.S), nil
	}
	return false, errors.New("this kind of key cannot verify")
}

func rsaCrypt(encrypt bool, key, data []byte, oaep string) ([]byte, error) {
	if encrypt {
		k, err := publicKey(key)
		if err != nil {
			return nil, err
		}
		pub, ok := k.(*rsa.PublicKey)
		if !ok {
			return nil, errors.New("the key is no RSA key")
		}
		if oaep == "" {
			//lint:ignore SA1019 apps ask for this padding by name, as Node's crypto has it
			return rsa.EncryptPKCS1v15(rand.Reader, pub, data)
		}
		return rsa.EncryptOAEP(digests[digestName(oaep)].new(), rand.Reader, pub, data, nil)
	}
	k, err := privateKey(key)
	if err != nil {
		return nil, err
	}
	private, ok := k.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("the key is no RSA key")
	}
	if oaep == "" {
		//lint:ignore SA1019 apps ask for this padding by name, as Node's crypto has it
		return rsa.DecryptPKCS1v15(nil, private, data)
	}
	return rsa.DecryptOAEP(digests[digestName(oaep)].new(), nil, private, data, nil)
}

func runCipher(encrypt bool, name string, key, iv, data, aad, tag []byte, padding bool) (out, newTag []byte, err error) {
	parts := strings.Split(name, "-")
	mode := parts[len(parts)-1]
	var block cipher.Block
	switch {
	case strings.HasPrefix(name, "aes-") && len(parts) == 3:
		if fmt.Sprint(len(key)*8) != parts[1] {
			return nil, nil, errors.New("Invalid key length")
		}
		block, err = aes.NewCipher(key)
	case strings.HasPrefix(name, "des-ede3"):
		block, err = des.NewTripleDESCipher(key)
		if mode == "ede3" {
			mode = "ecb"
		}
	default:
		return nil, nil, errors.New("Unknown cipher: " + cutText(name, 60))
	}
	if err != nil {
		return nil, nil, errors.New("Invalid key length")
	}
	size := block.BlockSize()
	if mode != "ecb" && mode != "gcm" && len(iv) != size {
		return nil, nil, errors.New("Invalid initialization vector")
	}
	switch mode {
	case "gcm":
		if len(iv) == 0 || len(iv) > 1024 {
			return nil, nil, errors.New("Invalid initialization vector")
		}
		g, err := cipher.NewGCMWithNonceSize(block, len(iv))
		if err != nil {
			return nil, nil, err
		}
		if encrypt {
			sealed := g.Seal(nil, iv, data, aad)
			n := len(sealed) - g.Overhead()
			return sealed[:n], sealed[n:], nil
		}
		out, err := g.Open(nil, iv, append(append([]byte(nil), data...), tag...), aad)
		if err != nil {
			return nil, nil, errors.New("Unsupported state or unable to authenticate data")
		}
		return out, nil, nil
	case "ctr":
		out = make([]byte, len(data))
		cipher.NewCTR(block, iv).XORKeyStream(out, data)
		return out, nil, nil
	case "cbc", "ecb":
	default:
		return nil, nil, errors.New("Unknown cipher: " + cutText(name, 60))
	}
	data = append([]byte(nil), data...)
	if encrypt && padding {
		n := size - len(data)%size
		for range n {
			data = append(data, byte(n))
		}
	}
	if len(data)%size != 0 {
		return nil, nil, errors.New("wrong final block length")
	}
	out = make([]byte, len(data))
	switch {
	case mode == "cbc" && encrypt:
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, data)
	case mode == "cbc":
		cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, data)
	default:
		for i := 0; i < len(data); i += size {
			if encrypt {
				block.Encrypt(out[i:], data[i:])
			} else {
				block.Decrypt(out[i:], data[i:])
			}
		}
	}
	if !encrypt && padding {
		if len(out) == 0 {
			return nil, nil, errors.New("wrong final block length")
		}
		n := int(out[len(out)-1])
		if n == 0 || n > size || n > len(out) {
			return nil, nil, errors.New("bad decrypt")
		}
		for _, b := range out[len(out)-n:] {
			if int(b) != n {
				return nil, nil, errors.New("bad decrypt")
			}
		}
		out = out[:len(out)-n]
	}
	return out, nil, nil
}
