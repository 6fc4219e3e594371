package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"regent/test/server"
)

// TestEndpoints calls custom HTTPS endpoints (app-services.md §9).
func TestEndpoints(t *testing.T) {
	s := server.Start(t, server.Options{
		Dirs: []string{filepath.Join("testdata", "providers")},
		Env:  []string{"REGENT_SECRET_jwtKey=" + jwtKey, "REGENT_SECRET_shopCode=letmein"},
	})
	base := s.URL + "/app/providers-abcde/endpoint"
	mac := hmac.New(sha256.New, []byte("letmein"))
	mac.Write([]byte("{}"))
	signature := "sha256=" + hex.EncodeToString(mac.Sum(nil))
	if res, err := http.Post(s.URL+apiPath+"/app/providers-abcde/auth/providers/local-userpass/register", "application/json",
		strings.NewReader(`{"email":"e@example.com","password":"secret1"}`)); err != nil || res.StatusCode != 201 {
		t.Fatal(res, err)
	}
	for _, c := range []struct {
		name, method, path, body, header string // header: Name=value, …
		status                           int
		want                             string // regexp
	}{
		{"Echo", "POST", "/echo?a=1&a=2&secret=x&b=%20", `{"n":{"$numberLong":"5"}}`, "X-Agent=007", 200,
			`^\{"query":\{"a":"1","b":" "\},"agent":\["007"\],"body":\{"n":5\},"raw":"a=1&a=2&b=%20","system":true\}$`},
		{"EchoEJSON", "POST", "/echo", `{"n":5}`, "Accept=application/ejson", 200, `"n":\{"\$numberInt":"5"\}`},
		{"NoBody", "POST", "/echo", ``, "", 200, `^\{"query":\{\},"raw":"","system":true\}$`},
		{"Response", "GET", "/echo?size=stout", ``, "", 418, `^short and stout$`},
		{"StatusAndResult", "PUT", "/echo", `n`, "", 202, `^\{"put":"n"\}$`},
		{"Types", "PATCH", "/types?secret=letmein", ``, "", 200,
			`^\{"id":"5f0000000000000000000001","at":"1970-01-01T00:00:00.000Z","long":9007199254740993,"price":"1.50","half":0.5\}$`},
		{"WrongSecret", "GET", "/types?secret=no", ``, "", 401, `IncomingWebhookAuthFailed`},
		{"NoSecret", "GET", "/types", ``, "", 401, `IncomingWebhookAuthFailed`},
		{"Signed", "POST", "/signed", `{}`, "Endpoint-Signature=" + signature, 204, `^$`},
		{"Tampered", "POST", "/signed", `{"x":1}`, "Endpoint-Signature=" + signature, 401, `IncomingWebhookAuthFailed`},
		{"NoCredentials", "GET", "/me", ``, "", 400, `no authentication methods were specified`},
		{"Credentials", "GET", "/me", ``, "email=e@example.com, password=secret1", 200, `"type":"normal","data":\{"email":"e@example.com"\},"identities":\["local-userpass"\],"system":false`},
		{"WrongCredentials", "GET", "/me", ``, "email=e@example.com, password=secret2", 401, `InvalidPassword`},
		{"Disabled", "GET", "/off", ``, "", 404, `endpoint not found: GET /off`},
		{"Missing", "GET", "/nope", ``, "", 404, `endpoint not found`},
		{"OtherOrigin", "GET", "/echo", ``, "Origin=https://evil.example", 403, `allowed_request_origins`},
		{"Origin", "GET", "/echo", ``, "Origin=https://shop.example", 418, `short`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var body io.Reader
			if c.body != "" {
				body = strings.NewReader(c.body)
			}
			r, err := http.NewRequest(c.method, base+c.path, body)
			if err != nil {
				t.Fatal(err)
			}
			for h := range strings.SplitSeq(c.header, ", ") {
				if name, value, ok := strings.Cut(h, "="); ok {
					r.Header.Set(name, value)
				}
			}
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			text, _ := io.ReadAll(res.Body)
			if res.StatusCode != c.status || !regexp.MustCompile(c.want).Match(text) {
				t.Errorf("got %d %s\nwant %d %s", res.StatusCode, text, c.status, c.want)
			}
			if c.name == "Response" && fmt.Sprint(res.Header["X-Pot"]) != "[tea mint]" {
				t.Errorf("X-Pot %v", res.Header["X-Pot"])
			}
			if id := res.Header.Get("X-Appservices-Request-Id"); c.status == 401 && len(id) != 24 {
				t.Errorf("request id %q", id)
			}
		})
	}
}
