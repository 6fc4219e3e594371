package sdk

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// recorder is a proxy before a server that writes down, in a form in which two
// clients can be compared, what each of them sends.
type recorder struct {
	*httptest.Server
	mu   sync.Mutex
	step string
	seen map[string][]string // by step
}

// stepPath announces, by its last element, the step that the next requests
// belong to.
const stepPath = "/__step/"

func record(t *testing.T, server string) *recorder {
	target, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{seen: map[string][]string{}}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(target)
			p.Out.Host = p.In.Host // the server answers with the address it is reached by
		},
		FlushInterval: -1,
	}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if step, ok := strings.CutPrefix(req.URL.Path, stepPath); ok {
			r.mu.Lock()
			r.step = step
			r.mu.Unlock()
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		req.Body = io.NopCloser(strings.NewReader(string(body)))
		line := describe(req, body)
		r.mu.Lock()
		r.seen[r.step] = append(r.seen[r.step], line)
		r.mu.Unlock()
		proxy.ServeHTTP(w, req)
	}))
	t.Cleanup(func() {
		r.CloseClientConnections()
		r.Close()
	})
	return r
}

// begin announces a step of the Go side.
func (r *recorder) begin(step string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.step = step
}

var anyID = regexp.MustCompile(`[0-9a-f]{24}`)

// describe writes a request down without what differs from run to run: ids,
// tokens, and the device, of which only the presence counts.
func describe(r *http.Request, body []byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", r.Method, r.URL.Path)
	query := r.URL.Query()
	if call := query.Get("baas_request"); call != "" {
		if text, err := base64.StdEncoding.DecodeString(call); err == nil {
			query.Set("baas_request", canonical(text))
		}
	}
	for k, v := range query {
		fmt.Fprintf(&b, " ?%s=%s", k, strings.Join(v, ","))
	}
	fmt.Fprintf(&b, " accept=%s", r.Header.Get("Accept"))
	if len(body) > 0 {
		fmt.Fprintf(&b, " type=%s", r.Header.Get("Content-Type"))
	}
	fmt.Fprintf(&b, " token=%s", tokenKind(r.Header.Get("Authorization")))
	if len(body) > 0 {
		b.WriteString(" " + canonical(body))
	}
	return anyID.ReplaceAllString(b.String(), "ID")
}

// tokenKind is the "typ" of the bearer token.
func tokenKind(header string) string {
	parts := strings.Split(strings.TrimPrefix(header, "Bearer "), ".")
	if len(parts) != 3 {
		return "none"
	}
	var claims struct {
		Typ string `json:"typ"`
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(text, &claims) != nil {
		return "unreadable"
	}
	return claims.Typ
}

// canonical sorts the fields of JSON text and shortens the device.
func canonical(text []byte) string {
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return string(text)
	}
	if doc, ok := v.(map[string]any); ok {
		if options, ok := doc["options"].(map[string]any); ok {
			if device, ok := options["device"].(map[string]any); ok {
				_, known := device["deviceId"]
				options["device"] = fmt.Sprintf("device, id sent: %v", known)
			}
		}
	}
	out, err := json.Marshal(v)
	if err != nil {
		return string(text)
	}
	return string(out)
}
