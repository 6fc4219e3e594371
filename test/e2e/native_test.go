package e2e

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"regent/test/server"
)

// native sends requests exactly as native SDKs do (client-api.md §1.2.1): a
// charset on every content type, also on requests without a body, and for a
// logged-out user an empty `Bearer `.
type native struct {
	t    *testing.T
	base string
}

type answer struct {
	status int
	header http.Header
	body   string
}

const noAuthorization = "\x00"

func (n native) send(method, path, token, body string) answer {
	n.t.Helper()
	r, err := http.NewRequest(method, n.base+path, strings.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json;charset=utf-8")
	r.Header.Set("Accept", "application/json")
	if token != noAuthorization {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		n.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(text)}
}

const (
	apiPath = "/api/client/v2.0"
	appPath = apiPath + "/app/" + todoID
)

// device is the device document of a native SDK on a desk.
const device = `"options":{"device":{"appId":"` + todoID + `","platform":"Linux","platformVersion":"6.1","sdk":"JS","sdkVersion":"12.15.0","cpuArch":"x86_64","deviceName":"unknown","deviceVersion":"unknown","frameworkName":"Node.js","frameworkVersion":"v20.0.0","coreVersion":"14.14.0","bundleId":"x"}}`

// login logs in as native SDKs do and returns the four strings that they demand.
func (n native) login(provider, fields string) map[string]string {
	n.t.Helper()
	if fields != "" {
		fields += ","
	}
	a := n.send("POST", appPath+"/auth/providers/"+provider+"/login", noAuthorization, `{`+fields+`"provider":"`+provider+`",`+device+`}`)
	var tokens map[string]string
	if err := json.Unmarshal([]byte(a.body), &tokens); err != nil || a.status != 200 {
		n.t.Fatalf("login: %d %s", a.status, a.body)
	}
	for _, name := range []string{"access_token", "refresh_token", "user_id", "device_id"} {
		if tokens[name] == "" {
			n.t.Fatalf("login without %s: %s", name, a.body)
		}
	}
	return tokens
}

// TestNative plays native SDKs' requests and checks what their parsers demand.
func TestNative(t *testing.T) {
	s := server.Start(t, server.Options{})
	n := native{t, s.URL}

	t.Run("Location", func(t *testing.T) {
		// The location request has no headers at all.
		res, err := http.Get(s.URL + appPath + "/location")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var l map[string]any
		json.NewDecoder(res.Body).Decode(&l)
		if res.Header.Get("Content-Type") != "application/json" || l["hostname"] != s.URL || l["ws_hostname"] != strings.Replace(s.URL, "http", "ws", 1) {
			t.Errorf("%v %v", res.Header, l)
		}
	})
	t.Run("BaseURLWithSlash", func(t *testing.T) {
		res, err := http.Get(s.URL + "/" + appPath + "/location")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != 200 || res.Request.URL.Path != "/"+appPath+"/location" {
			t.Errorf("%d at %s", res.StatusCode, res.Request.URL)
		}
	})

	user := n.login("anon-user", "")
	access, refresh := user["access_token"], user["refresh_token"]

	t.Run("TokenClaims", func(t *testing.T) {
		for token, want := range map[string][]string{
			access:  {"baas_device_id", "baas_domain_id", "exp", "iat", "iss", "stitch_devId", "stitch_domainId", "sub", "typ", "user_data"},
			refresh: {"baas_data", "baas_device_id", "baas_domain_id", "baas_id", "baas_identity", "exp", "iat", "stitch_data", "stitch_devId", "stitch_domainId", "stitch_id", "stitch_ident", "sub", "typ"},
		} {
			parts := strings.Split(token, ".")
			if len(parts) != 3 {
				t.Fatalf("token of %d parts", len(parts))
			}
			text, err := base64.RawURLEncoding.DecodeString(parts[1])
			if err != nil {
				t.Fatal(err)
			}
			var claims map[string]json.RawMessage
			if err := json.Unmarshal(text, &claims); err != nil {
				t.Fatal(err)
			}
			for _, name := range want {
				if _, ok := claims[name]; !ok {
					t.Errorf("claim %s is missing: %s", name, text)
				}
				delete(claims, name)
			}
			if len(claims) != 0 {
				t.Errorf("further claims: %v", claims)
			}
			if !regexp.MustCompile(`"exp":\d+[,}]`).Match(text) || !regexp.MustCompile(`"iat":\d+[,}]`).Match(text) {
				t.Errorf("exp and iat must be plain integers: %s", text)
			}
		}
	})

	call := appPath + "/functions/call"
	find := `{"arguments":[{"database":"todo","collection":"items","query":{}}],"name":"find","service":"mongodb-atlas"}`
	insert := fmt.Sprintf(`{"arguments":[{"database":"todo","collection":"items","document":{"_id":{"$oid":"0123456789abcdef01234567"},"owner_id":%q,"text":"native","done":false}}],"name":"insertOne","service":"mongodb-atlas"}`, user["user_id"])
	cases := []struct {
		name, method, path, token, body string
		status                          int
		want                            string // the body, or a regexp between slashes
	}{
		{"Profile", "GET", apiPath + "/auth/profile", access, "", 200, `/"identities":\[\{"id":"[0-9a-f]{24}-[a-z]{24}","provider_type":"anon-user","provider_id":"[0-9a-f]{24}"\}\].*"data":\{\}.*"type":"normal"/`},
		{"Refresh", "POST", apiPath + "/auth/session", refresh, "", 201, `/^\{"access_token":"[^"]+"\}$/`},
		{"RefreshWithAccessToken", "POST", apiPath + "/auth/session", access, "", 401, `/"error":"invalid refresh token: incorrect token type","error_code":"InvalidSession"/`},
		{"CallEmptyBearer", "POST", call, "", find, 401, `/^\{"error":"unauthorized","link":"http[^"]+logs\?co_id=[0-9a-f]{24}"\}$/`},
		{"CallWithoutAuthorization", "POST", call, noAuthorization, find, 401, `/"error":"must authenticate first"/`},
		{"CallWithRefreshToken", "POST", call, refresh, find, 401, `/"error"/`},
		{"CallOddToken", "POST", call, "eyJhbGciOiJIUzI1NiJ9.W10.c2ln", find, 401, `/"error":"unauthorized"/`},
		{"InsertOne", "POST", call, access, insert, 200, `{"insertedId":{"$oid":"0123456789abcdef01234567"}}`},
		{"InsertDuplicate", "POST", call, access, insert, 400, `/[Dd]uplicate key error.*"error_code":"MongoDBError"/`},
		{"Find", "POST", call, access, find, 200, `/^\[\{"_id":\{"\$oid":"0123456789abcdef01234567"\},"owner_id":"[0-9a-f]{24}","text":"native","done":false\}\]$/`},
		{"CountIsLong", "POST", call, access, strings.Replace(find, `"find"`, `"count"`, 1), 200, `{"$numberLong":"1"}`},
		{"UpdateCountsAreInts", "POST", call, access, `{"arguments":[{"database":"todo","collection":"items","query":{},"update":{"$set":{"done":true}},"upsert":false}],"name":"updateOne","service":"mongodb-atlas"}`, 200, `{"matchedCount":{"$numberInt":"1"},"modifiedCount":{"$numberInt":"1"}}`},
		{"EmptyFilterKey", "POST", call, access, `{"arguments":[{"database":"todo","collection":"items","query":{"":null}}],"name":"findOne","service":"mongodb-atlas"}`, 200, `/"text":"native"/`},
		{"DeleteCountIsInt", "POST", call, access, strings.Replace(find, `"find"`, `"deleteMany"`, 1), 200, `{"deletedCount":{"$numberInt":"1"}}`},
		{"RelaxedArguments", "POST", call, access, `{"arguments":[{"database":"todo","collection":"items","query":{"created":{"$gt":{"$date":"2020-01-01T00:00:00Z"}}},"limit":0}],"name":"find","service":"mongodb-atlas"}`, 200, `[]`},
		{"FunctionNotFound", "POST", call, access, `{"arguments":[],"name":"nope"}`, 404, `/"error":"function not found: 'nope'","error_code":"FunctionNotFound"/`},
		{"NotJSON", "POST", call, access, `{"arguments":`, 400, `/"error":"invalid function call request.*"error_code":"BadRequest"/`},
		{"UnknownAction", "POST", call, access, strings.Replace(find, `"find"`, `"mapReduce"`, 1), 404, `/"error_code":"ServiceCommandNotFound"/`},
		{"KeysEmptyBearer", "GET", apiPath + "/auth/api_keys", "", "", 401, `/"error":"expected Authorization header with JWT \(Bearer schema\)","link"/`},
		{"KeysWithoutAuthorization", "GET", apiPath + "/auth/api_keys", noAuthorization, "", 401, `/"error":"must authenticate first"/`},
		{"KeysOfAnonymous", "POST", apiPath + "/auth/api_keys", refresh, `{"name":"k"}`, 403, `/"error"/`},
		{"PushUnknownService", "PUT", appPath + "/push/providers/gcm_blah/registration", access, `{"registrationToken":"t"}`, 404, `/"error":"service not found: 'gcm_blah'","error_code":"ServiceNotFound"/`},
		{"LoginMalformedBody", "POST", appPath + "/auth/providers/anon-user/login", noAuthorization, `{"options"`, 400, `/"error_code":"BadRequest"/`},
		{"LoginWithoutBody", "POST", appPath + "/auth/providers/anon-user/login", noAuthorization, ``, 200, `/"device_id":"[0-9a-f]{24}"/`},
		{"RegisterIgnoresAuthorization", "POST", appPath + "/auth/providers/local-userpass/register", "expired.or.odd", `{"email":"n@example.com","password":"secret1"}`, 201, ``},
		{"GraphQL", "POST", appPath + "/graphql", access, `{"query":"{items{_id}}"}`, 501, `/GraphQL is not served/`},
		{"DeviceSync", "GET", appPath + "/realm-sync", access, "", 501, `/Device Sync is not served/`},
		{"DataAPI", "POST", "/app/" + todoID + "/endpoint/data/v1/action/find", access, `{}`, 501, `/the Data API is not served/`},
		{"AdminAPI", "POST", "/api/admin/v3.0/auth/providers/mongodb-cloud/login", access, `{}`, 501, `/the Admin API .* is not served/`},
		{"UnknownRoute", "GET", apiPath + "/nope", access, "", 404, `/is not part of the client API/`},
		{"Logout", "DELETE", apiPath + "/auth/session", refresh, "", 204, ``},
		{"LogoutAgain", "DELETE", apiPath + "/auth/session", refresh, "", 401, `/"error":"invalid session: failed to find refresh token","error_code":"InvalidSession"/`},
		{"RefreshAfterLogout", "POST", apiPath + "/auth/session", refresh, "", 401, `/"error":"invalid session: failed to find refresh token"/`},
		{"AccessAfterLogout", "GET", apiPath + "/auth/profile", access, "", 401, `/"error_code":"InvalidSession"/`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a := native{t, s.URL}.send(c.method, c.path, c.token, c.body)
			want := c.want
			ok := a.body == want
			if len(want) > 1 && want[0] == '/' {
				ok = regexp.MustCompile(want[1 : len(want)-1]).MatchString(a.body)
			}
			if a.status != c.status || !ok {
				t.Errorf("got %d %s\nwant %d %s", a.status, a.body, c.status, want)
			}
			contentType, has := a.header["Content-Type"]
			if a.body == "" && has {
				t.Errorf("Content-Type %q on an empty answer", contentType)
			}
			if a.body != "" && (len(contentType) != 1 || contentType[0] != "application/json") {
				t.Errorf("Content-Type %q, want exactly application/json", contentType)
			}
			if a.header.Get("X-Appservices-Request-Id") == "" {
				t.Error("no request id")
			}
		})
	}
}

// TestNativeWatch opens a stream as native SDKs do, with the access token in
// the query, and resumes it by Last-Event-ID.
func TestNativeWatch(t *testing.T) {
	s := server.Start(t, server.Options{})
	n := native{t, s.URL}
	user := n.login("anon-user", "")
	open := func(token, lastEventID string) *http.Response {
		request := base64.StdEncoding.EncodeToString([]byte(`{"name":"watch","arguments":[{"database":"todo","collection":"items"}],"service":"mongodb-atlas"}`))
		r, _ := http.NewRequestWithContext(t.Context(), "GET", s.URL+appPath+"/functions/call?baas_request="+url.QueryEscape(request)+"&baas_at="+token, nil)
		r.Header.Set("Accept", "text/event-stream")
		if lastEventID != "" {
			r.Header.Set("Last-Event-ID", lastEventID)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		return res
	}
	if res := open("", ""); res.Status != "401 Unauthorized" {
		t.Errorf("empty baas_at: %s", res.Status)
	}
	res := open(user["access_token"], "")
	if res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s %v", res.Status, res.Header)
	}
	insert := func(text string) {
		t.Helper()
		a := n.send("POST", appPath+"/functions/call", user["access_token"], fmt.Sprintf(
			`{"arguments":[{"database":"todo","collection":"items","document":{"owner_id":%q,"text":%q,"done":false}}],"name":"insertOne","service":"mongodb-atlas"}`, user["user_id"], text))
		if a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	insert("one % two")
	id, data := nextEvent(t, res)
	if !strings.Contains(data, `"text":"one %25 two"`) || !strings.Contains(data, `"operationType":"insert"`) {
		t.Errorf("event %s", data)
	}
	res.Body.Close()
	insert("while away")
	if _, data := nextEvent(t, open(user["access_token"], id)); !strings.Contains(data, "while away") {
		t.Errorf("after resuming: %s", data)
	}
	// A stream that breaks before its first event resumes after its beginning.
	quiet := open(user["access_token"], "")
	lines := bufio.NewReader(quiet.Body)
	var began string
	for began == "" {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if v, ok := strings.CutPrefix(line, "id: "); ok {
			began = strings.TrimSpace(v)
		}
	}
	quiet.Body.Close()
	insert("unseen")
	if _, data := nextEvent(t, open(user["access_token"], began)); !strings.Contains(data, "unseen") {
		t.Errorf("after resuming from the beginning: %s", data)
	}
	// A session that ends takes its streams along.
	res = open(user["access_token"], "")
	n.send("DELETE", apiPath+"/auth/session", user["refresh_token"], "")
	insertAs := n.login("anon-user", "")
	_ = insertAs
	done := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(res.Body)
		done <- string(text)
	}()
	select {
	case text := <-done:
		if !strings.Contains(text, "event: error") || !strings.Contains(text, "InvalidSession") {
			t.Errorf("ended with %q", text)
		}
	case <-time.After(40 * time.Second):
		t.Error("the stream outlived its session")
	}
}

// nextEvent reads one event with data from a stream.
func nextEvent(t *testing.T, res *http.Response) (id, data string) {
	t.Helper()
	lines := bufio.NewReader(res.Body)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("stream ended: %v", err)
		}
		line = strings.TrimRight(line, "\r\n")
		if v, ok := strings.CutPrefix(line, "id: "); ok {
			id = v
		}
		if v, ok := strings.CutPrefix(line, "data: "); ok {
			data = v
		}
		if line == "" && data != "" {
			return id, data
		}
	}
}
