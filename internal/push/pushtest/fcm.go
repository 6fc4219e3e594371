// Package pushtest has stand-ins for the services that package push sends
// through, written from their public references: Firebase with Google's token
// endpoint, and a browser's push service that decrypts what it gets. Both check
// requests strictly and can fail in the documented ways.
package pushtest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Failure is an answer other than success.
type Failure struct {
	Status     int    // 0: no answer, the connection breaks
	Code       string // FcmError's errorCode; "" for none
	General    string // google.rpc status name
	Message    string
	Field      string // a BadRequest's field violation
	RetryAfter string
}

// The documented errors of FCM.
var (
	Unregistered   = Failure{Status: 404, Code: "UNREGISTERED", General: "NOT_FOUND", Message: "Requested entity was not found."}
	BadToken       = Failure{Status: 400, Code: "INVALID_ARGUMENT", General: "INVALID_ARGUMENT", Message: "The registration token is not a valid FCM registration token"}
	BadTokenField  = Failure{Status: 400, Code: "INVALID_ARGUMENT", General: "INVALID_ARGUMENT", Message: "Invalid registration", Field: "message.token"}
	BadPayload     = Failure{Status: 400, Code: "INVALID_ARGUMENT", General: "INVALID_ARGUMENT", Message: "Invalid JSON payload received.", Field: "message.android.ttl"}
	SenderMismatch = Failure{Status: 403, Code: "SENDER_ID_MISMATCH", General: "PERMISSION_DENIED", Message: "SenderId mismatch"}
	Quota          = Failure{Status: 429, Code: "QUOTA_EXCEEDED", General: "RESOURCE_EXHAUSTED", Message: "Quota exceeded"}
	Unavailable    = Failure{Status: 503, Code: "UNAVAILABLE", General: "UNAVAILABLE", Message: "The service is currently unavailable."}
	Internal       = Failure{Status: 500, Code: "INTERNAL", General: "INTERNAL", Message: "Internal error encountered."}
	ThirdPartyAuth = Failure{Status: 401, Code: "THIRD_PARTY_AUTH_ERROR", General: "UNAUTHENTICATED", Message: "Auth error from APNS or Web Push Service"}
	Forbidden      = Failure{Status: 403, General: "PERMISSION_DENIED", Message: "Permission 'cloudmessaging.messages.create' denied"}
	NotFound       = Failure{Status: 404, General: "NOT_FOUND", Message: "Requested entity was not found."}
	GatewayTimeout = Failure{Status: 504, Message: "upstream timed out"}
	Dropped        = Failure{}
)

// Received is a message that FCM took.
type Received struct {
	Token, Topic, Condition string
	Validate                bool
	Message                 map[string]any
}

// FCM is a stand-in for Firebase.
type FCM struct {
	*httptest.Server
	Project string

	key *rsa.PrivateKey

	mu        sync.Mutex
	tokens    map[string]time.Time // access tokens that are good
	issued    int
	received  []Received
	topics    map[string]map[string]bool
	fail      func(r Received, earlier int) *Failure
	refuse    string // the token endpoint's error
	tries     map[string]int
	active    int
	maxActive int
	delay     time.Duration
	Problems  []string // what was wrong with requests
}

// NewFCM starts a stand-in on loopback.
func NewFCM() *FCM {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	f := &FCM{Project: "demo-project", key: key, tokens: map[string]time.Time{}, topics: map[string]map[string]bool{}, tries: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", f.token)
	mux.HandleFunc("POST /v1/projects/{project}/messages:send", f.send)
	mux.HandleFunc("POST /iid/v1:batchAdd", f.topic)
	mux.HandleFunc("POST /iid/v1:batchRemove", f.topic)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		f.problem("no such address: %s %s", r.Method, r.URL)
		http.NotFound(w, r)
	})
	f.Server = httptest.NewServer(mux)
	return f
}

// ServiceAccount is the account's file as Firebase gives it out.
func (f *FCM) ServiceAccount() string {
	der, err := x509.MarshalPKCS8PrivateKey(f.key)
	if err != nil {
		panic(err)
	}
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": f.Project, "private_key_id": "key-1",
		"private_key":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"client_email": "firebase-adminsdk@demo-project.iam.gserviceaccount.com", "client_id": "1", "token_uri": f.URL + "/token",
	})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// Fail sets what answers other than success; earlier counts the tries of the
// same address before.
func (f *FCM) Fail(fail func(r Received, earlier int) *Failure) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = fail
}

// RefuseTokens makes the token endpoint answer with an OAuth error, "" ends it.
func (f *FCM) RefuseTokens(code string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse = code
}

// ForgetTokens makes all access tokens bad, as a revocation does.
func (f *FCM) ForgetTokens() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.tokens)
}

// SetDelay makes every answer take that long.
func (f *FCM) SetDelay(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.delay = d
}

// Received lists the messages that were taken.
func (f *FCM) Received() []Received {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Received(nil), f.received...)
}

// Stats says how many access tokens were issued, how many requests were under
// way at most, and what was wrong with requests.
func (f *FCM) Stats() (issued, maxActive int, problems []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.issued, f.maxActive, append([]string(nil), f.Problems...)
}

// InTopic says whether a token is subscribed to a topic.
func (f *FCM) InTopic(topic, token string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.topics[topic][token]
}

func (f *FCM) problem(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Problems = append(f.Problems, fmt.Sprintf(format, args...))
}

// token is Google's endpoint for service accounts (RFC 7523).
func (f *FCM) token(w http.ResponseWriter, r *http.Request) {
	oauthError := func(status int, code, text string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": text})
	}
	f.mu.Lock()
	refuse := f.refuse
	f.mu.Unlock()
	if refuse != "" {
		oauthError(400, refuse, "Invalid JWT Signature.")
		return
	}
	if g := r.FormValue("grant_type"); g != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		f.problem("grant_type %q", g)
		oauthError(400, "unsupported_grant_type", g)
		return
	}
	var claims struct {
		jwt.RegisteredClaims
		Scope string `json:"scope"`
	}
	_, err := jwt.ParseWithClaims(r.FormValue("assertion"), &claims, func(t *jwt.Token) (any, error) {
		if t.Header["kid"] != "key-1" {
			return nil, fmt.Errorf("kid %v", t.Header["kid"])
		}
		return &f.key.PublicKey, nil
	}, jwt.WithValidMethods([]string{"RS256"}), jwt.WithAudience(f.URL+"/token"), jwt.WithExpirationRequired())
	if err != nil || claims.Scope != "https://www.googleapis.com/auth/firebase.messaging" {
		f.problem("assertion: %v, scope %q", err, claims.Scope)
		oauthError(400, "invalid_grant", "bad assertion")
		return
	}
	f.mu.Lock()
	f.issued++
	text := fmt.Sprintf("ya29.%d-%s", f.issued, rand.Text())
	f.tokens[text] = time.Now().Add(time.Hour)
	f.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"access_token": text, "expires_in": 3599, "token_type": "Bearer"})
}

// authorized checks the access token.
func (f *FCM) authorized(w http.ResponseWriter, r *http.Request) bool {
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	f.mu.Lock()
	good := ok && time.Now().Before(f.tokens[text])
	f.mu.Unlock()
	if !good {
		answer(w, Failure{Status: 401, General: "UNAUTHENTICATED", Message: "Request had invalid authentication credentials."})
	}
	return good
}

func answer(w http.ResponseWriter, x Failure) {
	if x.RetryAfter != "" {
		w.Header().Set("Retry-After", x.RetryAfter)
	}
	if x.General == "" {
		http.Error(w, "<html>"+x.Message+"</html>", x.Status)
		return
	}
	details := []any{}
	if x.Code != "" {
		details = append(details, map[string]any{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": x.Code})
	}
	if x.Field != "" {
		details = append(details, map[string]any{"@type": "type.googleapis.com/google.rpc.BadRequest",
			"fieldViolations": []any{map[string]any{"field": x.Field, "description": x.Message}}})
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(x.Status)
	json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"code": x.Status, "message": x.Message, "status": x.General, "details": details}})
}

// send is projects.messages.send.
func (f *FCM) send(w http.ResponseWriter, r *http.Request) {
	if !f.authorized(w, r) {
		return
	}
	f.mu.Lock()
	f.active++
	f.maxActive = max(f.maxActive, f.active)
	delay := f.delay
	f.mu.Unlock()
	defer func() { f.mu.Lock(); f.active--; f.mu.Unlock() }()
	time.Sleep(delay)
	if r.PathValue("project") != f.Project {
		answer(w, Failure{Status: 404, General: "NOT_FOUND", Message: "Project not found"})
		return
	}
	body, _ := io.ReadAll(r.Body)
	got, err := checkSend(body, r.Header.Get("Content-Type"))
	if err != nil {
		f.problem("send: %v in %s", err, body)
		answer(w, Failure{Status: 400, Code: "INVALID_ARGUMENT", General: "INVALID_ARGUMENT", Message: err.Error()})
		return
	}
	f.mu.Lock()
	key := got.Token + "\x00" + got.Topic + "\x00" + got.Condition
	earlier := f.tries[key]
	f.tries[key]++
	fail := f.fail
	f.mu.Unlock()
	if fail != nil {
		if x := fail(got, earlier); x != nil {
			if x.Status == 0 {
				panic(http.ErrAbortHandler)
			}
			answer(w, *x)
			return
		}
	}
	f.mu.Lock()
	f.received = append(f.received, got)
	n := len(f.received)
	f.mu.Unlock()
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	json.NewEncoder(w).Encode(map[string]string{"name": "projects/" + f.Project + "/messages/" + strconv.Itoa(n)})
}

// topic is the instance id service's batch calls.
func (f *FCM) topic(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("access_token_auth") != "true" {
		f.problem("topic management without access_token_auth")
		http.Error(w, `{"error":"Unauthorized"}`, http.StatusUnauthorized)
		return
	}
	if !f.authorized(w, r) {
		return
	}
	var body struct {
		To     string   `json:"to"`
		Tokens []string `json:"registration_tokens"`
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	topic, ok := "", false
	if err := d.Decode(&body); err == nil {
		topic, ok = strings.CutPrefix(body.To, "/topics/")
	}
	if !ok || len(body.Tokens) == 0 || len(body.Tokens) > 1000 {
		f.problem("topic management: to %q, %d tokens", body.To, len(body.Tokens))
		http.Error(w, `{"error":"InvalidArgument"}`, http.StatusBadRequest)
		return
	}
	results := []any{}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, token := range body.Tokens {
		if strings.HasPrefix(token, "unknown") {
			results = append(results, map[string]string{"error": "NOT_FOUND"})
			continue
		}
		if f.topics[topic] == nil {
			f.topics[topic] = map[string]bool{}
		}
		f.topics[topic][token] = strings.HasSuffix(r.URL.Path, "batchAdd")
		results = append(results, map[string]string{})
	}
	json.NewEncoder(w).Encode(map[string]any{"results": results})
}
