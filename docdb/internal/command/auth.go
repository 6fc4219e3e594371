package command

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/crypto/pbkdf2"
	"golang.org/x/text/secure/precis"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// Users log in by SCRAM-SHA-256 (RFC 7677) and may do everything; roles are recorded and shown, and not told apart. Connections from
// inside the process need no login.

const (
	scramIterations = 15_000
	userPrefix      = "user:"
)

// login is who a connection is.
type login struct {
	name, db string
	conv     *scram
}

// key tells sessions of different users apart.
func (l *login) key() string {
	if l.name == "" {
		return ""
	}
	return l.db + "." + l.name
}

// authState is the secret from which answers for unknown users are made, so that they look like those for known ones.
type authState struct {
	once   sync.Once
	secret [32]byte
	// users is whether there are users: 0 unknown, 1 none, 2 some. mu is held while it is found out and while users change.
	users atomic.Int32
	mu    sync.Mutex
	// misses are the failed logins of the last minute by the address that they came from; guarded by missMu.
	misses map[string]*misses
	missMu sync.Mutex
}

// misses counts failed logins.
type misses struct {
	n    int
	last time.Time
}

// Whoever fails to log in waits for the answer, the longer the more often it fails; the same for unknown users and wrong passwords.
const (
	missDelay    = 100 * time.Millisecond
	missDelayMax = 5 * time.Second
	missMemory   = time.Minute
	missAddrs    = 10_000
)

// miss notes a failed login from an address and gives the time to wait.
func (a *authState) miss(addr string, now time.Time) time.Duration {
	if host, _, err := net.SplitHostPort(addr); err == nil {
		addr = host
	}
	a.missMu.Lock()
	defer a.missMu.Unlock()
	if a.misses == nil || len(a.misses) >= missAddrs {
		a.misses = map[string]*misses{}
	}
	m := a.misses[addr]
	if m == nil || now.Sub(m.last) > missMemory {
		m = &misses{}
		a.misses[addr] = m
	}
	m.n++
	m.last = now
	return min(missDelay<<min(m.n-1, 10), missDelayMax)
}

// failLogin is the answer to a login that failed, after a while.
func (c *call) failLogin() error {
	t := time.NewTimer(c.e.auth.miss(c.c.remote, c.e.opts.Now()))
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.ctx.Done():
	case <-c.e.ctx.Done():
	}
	return failedLogin()
}

// storedUser is how a user is stored. The password itself is not.
type storedUser struct {
	DB         string      `bson:"db"`
	Name       string      `bson:"name"`
	Salt       []byte      `bson:"salt"`
	Iterations int32       `bson:"iterations"`
	StoredKey  []byte      `bson:"storedKey"`
	ServerKey  []byte      `bson:"serverKey"`
	Roles      bson.A      `bson:"roles"`
	CustomData bson.Raw    `bson:"customData,omitempty"`
	ID         bson.Binary `bson:"id"`
}

// MakeUser stores a user, replacing one of the same name.
func (e *Engine) MakeUser(db, name, password string, roles bson.A, custom bson.Raw) error {
	if name == "" || len(name) > 256 {
		return mongoerr.New(mongoerr.BadValue, "a user's name must have 1 to 256 bytes")
	}
	if password == "" || len(password) > 1024 {
		return mongoerr.New(mongoerr.BadValue, "a password must have 1 to 1024 bytes")
	}
	u := storedUser{DB: db, Name: name, Salt: make([]byte, 28), Iterations: scramIterations, Roles: roles, CustomData: custom}
	rand.Read(u.Salt)
	id := make([]byte, 16)
	rand.Read(id)
	u.ID = bson.Binary{Subtype: 4, Data: id}
	u.StoredKey, u.ServerKey = scramKeys(password, u.Salt, scramIterations)
	raw, err := bson.Marshal(u)
	if err != nil {
		return err
	}
	return e.putUser(userPrefix+db+"."+name, raw)
}

// HasUsers reports whether there is any user.
func (e *Engine) HasUsers() (bool, error) {
	if n := e.auth.users.Load(); n != 0 {
		return n == 2, nil
	}
	e.auth.mu.Lock()
	defer e.auth.mu.Unlock()
	any := false
	if err := e.st.EachNamed(userPrefix, func(string, bson.Raw) bool { any = true; return false }); err != nil {
		return false, err
	}
	n := int32(1)
	if any {
		n = 2
	}
	e.auth.users.Store(n)
	return any, nil
}

// putUser stores a user, or removes it.
func (e *Engine) putUser(key string, raw bson.Raw) error {
	e.auth.mu.Lock()
	defer e.auth.mu.Unlock()
	err := e.st.PutNamed(key, raw)
	e.auth.users.Store(0)
	return err
}

func (e *Engine) user(db, name string) (*storedUser, error) {
	raw, err := e.st.Named(userPrefix + db + "." + name)
	if err != nil {
		return nil, err
	}
	var u storedUser
	return &u, bson.Unmarshal(raw, &u)
}

func scramKeys(password string, salt []byte, n int) (stored, server []byte) {
	if p, err := precis.OpaqueString.String(password); err == nil {
		password = p
	}
	salted := pbkdf2.Key([]byte(password), salt, n, 32, sha256.New)
	client := mac(salted, "Client Key")
	s := sha256.Sum256(client)
	return s[:], mac(salted, "Server Key")
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// scram is a login in progress.
type scram struct {
	id       int32
	db, name string
	user     *storedUser // nil when there is no such user; the login fails at its end
	nonce    string
	auth     string
	step     int
	skip     bool // skipEmptyExchange
}

func failedLogin() error {
	return mongoerr.New(mongoerr.AuthenticationFailed, "Authentication failed.")
}

// mechanisms lists what "db.user" may log in with; nil for unknown users, as MongoDB does.
func (e *Engine) mechanisms(ns string) bson.A {
	db, name, ok := strings.Cut(ns, ".")
	if !ok {
		return nil
	}
	if _, err := e.user(db, name); err != nil {
		return nil
	}
	return bson.A{"SCRAM-SHA-256"}
}

// authorize refuses commands on connections that have not logged in, where a login is needed.
func (c *call) authorize() error {
	if c.c.local || c.c.login.name != "" {
		return nil
	}
	any, err := c.e.HasUsers()
	if err != nil {
		return err
	}
	if !any {
		return nil
	}
	return mongoerr.New(mongoerr.Unauthorized, "Command %s requires authentication", c.name)
}

// startScram begins a login with the client's first message.
func (c *call) startScram(db string, mechanism bson.RawValue, payload bson.RawValue, options bson.Raw) (reply []byte, conv *scram, err error) {
	if m, _ := mechanism.StringValueOK(); m != "SCRAM-SHA-256" {
		return nil, nil, mongoerr.New(334, "Received authentication for mechanism %s which is not enabled", m)
	}
	_, first, ok := value.BinaryParts(payload)
	if !ok || len(first) > 4096 {
		return nil, nil, failedLogin()
	}
	bare, ok := strings.CutPrefix(string(first), "n,,")
	if !ok {
		return nil, nil, failedLogin()
	}
	fields := strings.Split(bare, ",")
	if len(fields) < 2 || !strings.HasPrefix(fields[0], "n=") || !strings.HasPrefix(fields[1], "r=") {
		return nil, nil, failedLogin()
	}
	name := strings.ReplaceAll(strings.ReplaceAll(fields[0][2:], "=2C", ","), "=3D", "=")
	conv = &scram{id: 1, db: db, name: name, step: 1, skip: options != nil && value.Truthy(value.Lookup(options, "skipEmptyExchange"))}
	salt, n := c.e.fakeSalt(db, name), scramIterations
	if u, err := c.e.user(db, name); err == nil {
		conv.user, salt, n = u, u.Salt, int(u.Iterations)
	}
	var b [24]byte
	rand.Read(b[:])
	conv.nonce = fields[1][2:] + base64.StdEncoding.EncodeToString(b[:])
	answer := "r=" + conv.nonce + ",s=" + base64.StdEncoding.EncodeToString(salt) + ",i=" + strconv.Itoa(n)
	conv.auth = bare + "," + answer
	return []byte(answer), conv, nil
}

// fakeSalt is the same for the same unknown name.
func (e *Engine) fakeSalt(db, name string) []byte {
	e.auth.once.Do(func() { rand.Read(e.auth.secret[:]) })
	return mac(e.auth.secret[:], db+"."+name)[:28]
}

func (c *call) appendSASL(conv *scram, payload []byte, done bool) {
	c.int32("conversationId", int(conv.id))
	c.bool("done", done)
	c.value("payload", bson.Binary{Data: payload})
}

func saslStart(c *call) error {
	reply, conv, err := c.startScram(c.db, c.arg("mechanism"), c.arg("payload"), c.doc("options"))
	if err != nil {
		return err
	}
	c.c.login.conv = conv
	c.appendSASL(conv, reply, false)
	return nil
}

// speculate answers the login that a driver begins inside hello; what is wrong with it is said at saslStart.
func (c *call) speculate(d bson.Raw) {
	db, _ := value.Text(value.Lookup(d, "db"))
	options, _ := value.Lookup(d, "options").DocumentOK()
	if value.Lookup(d, "saslStart").Type == 0 {
		return
	}
	// The message's bytes are used again for the next one, while the login keeps the database's name.
	db = strings.Clone(db)
	reply, conv, err := c.startScram(db, value.Lookup(d, "mechanism"), value.Lookup(d, "payload"), options)
	if err != nil {
		return
	}
	c.c.login.conv = conv
	c.value("speculativeAuthenticate", bson.D{{Key: "conversationId", Value: conv.id}, {Key: "done", Value: false}, {Key: "payload", Value: bson.Binary{Data: reply}}})
}

func saslContinue(c *call) error {
	conv := c.c.login.conv
	if conv == nil {
		return mongoerr.New(mongoerr.ProtocolError, "No SASL session state found")
	}
	if id, _ := value.Integer(c.arg("conversationId")); id != int64(conv.id) {
		c.c.login.conv = nil
		return mongoerr.New(mongoerr.ProtocolError, "sasl: Mismatched conversation id")
	}
	if conv.step == 2 {
		c.c.login = login{name: conv.name, db: conv.db}
		c.appendSASL(conv, nil, true)
		return nil
	}
	c.c.login.conv = nil
	_, msg, ok := value.BinaryParts(c.arg("payload"))
	if !ok || len(msg) > 4096 {
		return failedLogin()
	}
	without, proof, ok := strings.Cut(string(msg), ",p=")
	if !ok || without != "c=biws,r="+conv.nonce || conv.user == nil {
		return c.failLogin()
	}
	p, err := base64.StdEncoding.DecodeString(proof)
	if err != nil || len(p) != sha256.Size {
		return c.failLogin()
	}
	auth := conv.auth + "," + without
	sig := mac(conv.user.StoredKey, auth)
	for i := range p {
		p[i] ^= sig[i]
	}
	key := sha256.Sum256(p)
	if subtle.ConstantTimeCompare(key[:], conv.user.StoredKey) != 1 {
		return c.failLogin()
	}
	reply := "v=" + base64.StdEncoding.EncodeToString(mac(conv.user.ServerKey, auth))
	if conv.skip {
		c.c.login = login{name: conv.name, db: conv.db}
		c.appendSASL(conv, []byte(reply), true)
		return nil
	}
	conv.step = 2
	c.c.login.conv = conv
	c.appendSASL(conv, []byte(reply), false)
	return nil
}

func logout(c *call) error {
	c.c.login = login{}
	return nil
}

// userRoles checks the roles of createUser and updateUser.
func userRoles(v bson.RawValue, db string) (bson.A, error) {
	out := bson.A{}
	for _, r := range value.Elements(v.Value) {
		switch r.Type {
		case bson.TypeString:
			out = append(out, bson.D{{Key: "role", Value: r.StringValue()}, {Key: "db", Value: db}})
		case bson.TypeEmbeddedDocument:
			role, ok1 := value.Text(value.Lookup(r.Value, "role"))
			rdb, ok2 := value.Text(value.Lookup(r.Value, "db"))
			if !ok1 || !ok2 {
				return nil, mongoerr.New(mongoerr.BadValue, "a role must have 'role' and 'db'")
			}
			out = append(out, bson.D{{Key: "role", Value: role}, {Key: "db", Value: rdb}})
		default:
			return nil, mongoerr.New(mongoerr.BadValue, "a role must be a string or an object")
		}
	}
	return out, nil
}

func createUser(c *call) error {
	name, ok := c.target.StringValueOK()
	if !ok {
		return wrongType("createUser.createUser", c.target, textValue)
	}
	if _, err := c.e.user(c.db, name); err == nil {
		return mongoerr.New(51003, "User \"%s@%s\" already exists", name, c.db)
	}
	if err := c.checkRestrictions(); err != nil {
		return err
	}
	roles, err := userRoles(c.arg("roles"), c.db)
	if err != nil {
		return err
	}
	return c.e.MakeUser(c.db, name, c.str("pwd"), roles, c.doc("customData"))
}

// checkRestrictions refuses what would have to be enforced and is not.
func (c *call) checkRestrictions() error {
	if value.Count(c.arg("authenticationRestrictions").Value) > 0 && c.arg("authenticationRestrictions").Type != 0 {
		return mongoerr.New(mongoerr.CommandNotSupported, "docdb does not support authenticationRestrictions")
	}
	return checkMechanisms(c.arg("mechanisms"))
}

func checkMechanisms(v bson.RawValue) error {
	for _, m := range value.Elements(v.Value) {
		if s, _ := m.StringValueOK(); s != "SCRAM-SHA-256" {
			return mongoerr.New(mongoerr.BadValue, "Unknown auth mechanism '%s'; docdb knows SCRAM-SHA-256", s)
		}
	}
	return nil
}

func updateUser(c *call) error {
	name, ok := c.target.StringValueOK()
	if !ok {
		return wrongType("updateUser.updateUser", c.target, textValue)
	}
	u, err := c.e.user(c.db, name)
	if err != nil {
		return mongoerr.New(mongoerr.UserNotFound, "User '%s@%s' not found", name, c.db)
	}
	if err := c.checkRestrictions(); err != nil {
		return err
	}
	if v := c.arg("roles"); v.Type != 0 {
		if u.Roles, err = userRoles(v, c.db); err != nil {
			return err
		}
	}
	if d := c.doc("customData"); d != nil {
		u.CustomData = d
	}
	if p := c.arg("pwd"); p.Type != 0 {
		if p.StringValue() == "" || len(p.StringValue()) > 1024 {
			return mongoerr.New(mongoerr.BadValue, "a password must have 1 to 1024 bytes")
		}
		rand.Read(u.Salt)
		u.StoredKey, u.ServerKey = scramKeys(p.StringValue(), u.Salt, int(u.Iterations))
	}
	raw, err := bson.Marshal(u)
	if err != nil {
		return err
	}
	return c.e.putUser(userPrefix+c.db+"."+name, raw)
}

func dropUser(c *call) error {
	name, ok := c.target.StringValueOK()
	if !ok {
		return wrongType("dropUser.dropUser", c.target, textValue)
	}
	if _, err := c.e.user(c.db, name); err != nil {
		return mongoerr.New(mongoerr.UserNotFound, "User '%s@%s' not found", name, c.db)
	}
	return c.e.putUser(userPrefix+c.db+"."+name, nil)
}

func dropAllUsers(c *call) error {
	var names []string
	if err := c.e.st.EachNamed(userPrefix+c.db+".", func(n string, _ bson.Raw) bool { names = append(names, n); return true }); err != nil {
		return err
	}
	for _, n := range names {
		if err := c.e.putUser(n, nil); err != nil {
			return err
		}
	}
	c.int32("n", len(names))
	return nil
}

func usersInfo(c *call) error {
	list := bson.A{}
	err := c.e.st.EachNamed(userPrefix, func(_ string, raw bson.Raw) bool {
		var u storedUser
		if bson.Unmarshal(raw, &u) != nil {
			return true
		}
		switch v := c.target; v.Type {
		case bson.TypeString:
			if u.Name != v.StringValue() || u.DB != c.db {
				return true
			}
		case bson.TypeEmbeddedDocument:
			if n, ok := value.Text(value.Lookup(v.Value, "user")); ok {
				if db, _ := value.Text(value.Lookup(v.Value, "db")); n != u.Name || db != u.DB {
					return true
				}
			}
		default:
			if u.DB != c.db {
				return true
			}
		}
		d := bson.D{{Key: "_id", Value: fmt.Sprintf("%s.%s", u.DB, u.Name)}, {Key: "userId", Value: u.ID}, {Key: "user", Value: u.Name}, {Key: "db", Value: u.DB},
			{Key: "roles", Value: u.Roles}, {Key: "mechanisms", Value: bson.A{"SCRAM-SHA-256"}}}
		if u.CustomData != nil {
			d = append(d, bson.E{Key: "customData", Value: u.CustomData})
		}
		list = append(list, d)
		return true
	})
	if err != nil {
		return err
	}
	c.value("users", list)
	return nil
}

func rolesInfo(c *call) error {
	c.value("roles", bson.A{bson.D{{Key: "role", Value: "root"}, {Key: "db", Value: "admin"}, {Key: "isBuiltin", Value: true}, {Key: "roles", Value: bson.A{}}, {Key: "inheritedRoles", Value: bson.A{}}}})
	return nil
}

// UserNames lists the users, as they are stored: "user:db.name".
func (e *Engine) UserNames() ([]string, error) {
	var out []string
	err := e.st.EachNamed(userPrefix, func(n string, _ bson.Raw) bool { out = append(out, n); return true })
	return out, err
}

// DropUser removes a user.
func (e *Engine) DropUser(db, name string) error {
	if _, err := e.user(db, name); err != nil {
		return mongoerr.New(mongoerr.UserNotFound, "User '%s@%s' not found", name, db)
	}
	return e.putUser(userPrefix+db+"."+name, nil)
}
