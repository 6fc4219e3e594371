package function

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"regexp"
	"strings"
)

var digestParameter = regexp.MustCompile(`(\w+)=(?:"([^"]*)"|([^\s,]+))`)

// digestAuthorization answers a server's digest challenge (RFC 7616), for the
// option digestAuth of context.http.
func digestAuthorization(h http.Header, method, uri, username, password string) (string, bool) {
	for _, challenge := range h.Values("Www-Authenticate") {
		scheme, rest, _ := strings.Cut(challenge, " ")
		if !strings.EqualFold(scheme, "digest") {
			continue
		}
		p := map[string]string{}
		for _, m := range digestParameter.FindAllStringSubmatch(rest, 50) {
			p[strings.ToLower(m[1])] = m[2] + m[3]
		}
		algorithm := strings.ToUpper(p["algorithm"])
		var sum func(string) string
		switch strings.TrimSuffix(algorithm, "-SESS") {
		case "", "MD5":
			sum = hexSum(md5.New)
		case "SHA-256":
			sum = hexSum(sha256.New)
		default:
			continue
		}
		nonce := make([]byte, 8)
		_, _ = rand.Read(nonce)
		cnonce := hex.EncodeToString(nonce)
		a1 := sum(username + ":" + p["realm"] + ":" + password)
		if strings.HasSuffix(algorithm, "-SESS") {
			a1 = sum(a1 + ":" + p["nonce"] + ":" + cnonce)
		}
		a2 := sum(method + ":" + uri)
		out := fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s"`, quoted(username), quoted(p["realm"]), quoted(p["nonce"]), quoted(uri))
		if strings.Contains(","+strings.ReplaceAll(p["qop"], " ", "")+",", ",auth,") {
			out += fmt.Sprintf(`, qop=auth, nc=00000001, cnonce="%s", response="%s"`, cnonce, sum(a1+":"+p["nonce"]+":00000001:"+cnonce+":auth:"+a2))
		} else {
			out += fmt.Sprintf(`, response="%s"`, sum(a1+":"+p["nonce"]+":"+a2))
		}
		if algorithm != "" {
			out += ", algorithm=" + algorithm
		}
		if p["opaque"] != "" {
			out += fmt.Sprintf(`, opaque="%s"`, quoted(p["opaque"]))
		}
		return out, true
	}
	return "", false
}

func hexSum(h func() hash.Hash) func(string) string {
	return func(s string) string {
		d := h()
		d.Write([]byte(s))
		return hex.EncodeToString(d.Sum(nil))
	}
}

func quoted(s string) string { return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) }
