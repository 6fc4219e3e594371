package command

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

func startSession(c *call) error {
	var id [16]byte
	rand.Read(id[:])
	id[6], id[8] = id[6]&0x0F|0x40, id[8]&0x3F|0x80
	c.value("id", bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: id[:]}}})
	c.int32("timeoutMinutes", int(c.e.opts.SessionTimeout.Minutes()))
	return nil
}

// sessionList gives the keys of the sessions in the command's own value.
func (c *call) sessionList() ([]string, error) {
	if c.target.Type != bson.TypeArray {
		return nil, wrongType(c.cmd.Name+"."+c.cmd.Name, c.target, array)
	}
	var out []string
	for _, v := range value.Elements(c.target.Value) {
		d, ok := v.DocumentOK()
		if !ok {
			return nil, mongoerr.New(mongoerr.TypeMismatch, "%s takes a list of session ids", c.cmd.Name)
		}
		id, err := sessionID(d)
		if err != nil {
			return nil, err
		}
		if len(out) >= 10_000 {
			return nil, mongoerr.New(mongoerr.BadValue, "%s takes at most 10000 sessions", c.cmd.Name)
		}
		out = append(out, string(id)+c.c.login.key())
	}
	return out, nil
}

func endSessions(c *call) error {
	list, err := c.sessionList()
	if err != nil {
		return err
	}
	for _, id := range list {
		c.e.sessions.remove(id)
	}
	return nil
}

func refreshSessions(c *call) error {
	list, err := c.sessionList()
	if err != nil {
		return err
	}
	now := c.e.opts.Now().UnixMilli()
	c.e.sessions.mu.Lock()
	defer c.e.sessions.mu.Unlock()
	for _, id := range list {
		if s := c.e.sessions.m[id]; s != nil {
			s.used.Store(now)
		}
	}
	return nil
}

func killSessions(c *call) error {
	list, err := c.sessionList()
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return c.killEverySession()
	}
	for _, id := range list {
		if c.sess == nil || c.sess.id != id {
			c.e.sessions.remove(id)
		}
	}
	return nil
}

// killMatching ends the sessions whose user is wanted, but for the command's own.
func (c *call) killMatching(wanted func(user string) bool) error {
	c.e.sessions.mu.Lock()
	var ids []string
	for id := range c.e.sessions.m {
		if (c.sess == nil || c.sess.id != id) && wanted(id[16:]) {
			ids = append(ids, id)
		}
	}
	c.e.sessions.mu.Unlock()
	for _, id := range ids {
		c.e.sessions.remove(id)
	}
	return nil
}

func (c *call) killEverySession() error { return c.killMatching(func(string) bool { return true }) }

// sessionUsers reads a list of {user, db}, as the keys of sessions have them.
func sessionUsers(list bson.RawValue) ([]string, error) {
	var out []string
	for _, v := range value.Elements(list.Value) {
		d, ok := v.DocumentOK()
		if !ok {
			return nil, mongoerr.New(mongoerr.TypeMismatch, "a user is a document {user, db}, got %s", value.TypeName(v.Type))
		}
		var u login
		it := value.Over(d)
		for it.Next() {
			text, ok := it.Value().StringValueOK()
			if !ok {
				return nil, mongoerr.New(mongoerr.TypeMismatch, "a user's '%s' is a string, got %s", it.Key(), value.TypeName(it.Value().Type))
			}
			switch it.Key() {
			case "user":
				u.name = text
			case "db":
				u.db = text
			default:
				return nil, mongoerr.New(40415, "BSON field 'KillAllSessionsUser.%s' is an unknown field.", it.Key())
			}
		}
		if u.name == "" || u.db == "" {
			return nil, mongoerr.New(40414, "BSON field 'KillAllSessionsUser' needs user and db")
		}
		out = append(out, u.key())
	}
	return out, nil
}

// killAllSessions ends the sessions of some users, of everybody when there are none.
func killAllSessions(c *call) error {
	if c.target.Type != bson.TypeArray {
		return wrongType("killAllSessions.killAllSessions", c.target, array)
	}
	users, err := sessionUsers(c.target)
	if err != nil {
		return err
	}
	if len(users) == 0 {
		return c.killEverySession()
	}
	return c.killMatching(func(user string) bool { return slices.Contains(users, user) })
}

// killAllSessionsByPattern ends the sessions that match one of some patterns, of everybody when there are none.
func killAllSessionsByPattern(c *call) error {
	if c.target.Type != bson.TypeArray {
		return wrongType("killAllSessionsByPattern.killAllSessionsByPattern", c.target, array)
	}
	patterns := value.Elements(c.target.Value)
	if len(patterns) == 0 {
		return c.killEverySession()
	}
	var kill []func() error
	for _, v := range patterns {
		d, ok := v.DocumentOK()
		if !ok {
			return mongoerr.New(mongoerr.TypeMismatch, "killAllSessionsByPattern takes a list of patterns")
		}
		f, err := c.sessionPattern(d)
		if err != nil {
			return err
		}
		kill = append(kill, f)
	}
	for _, f := range kill {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// sessionPattern is what a pattern kills: one session by its lsid, those of users by name or by uid, the digest of name and database
// that a session's lsid has in MongoDB.
func (c *call) sessionPattern(d bson.Raw) (func() error, error) {
	kill := c.killEverySession
	n := 0
	it := value.Over(d)
	for ; it.Next(); n++ {
		v := it.Value()
		switch it.Key() {
		case "lsid":
			l, ok := v.DocumentOK()
			if !ok {
				return nil, wrongType("KillAllSessionsByPattern.lsid", v, object)
			}
			id, err := sessionID(l)
			if err != nil {
				return nil, err
			}
			key := string(id) + c.c.login.key()
			kill = func() error {
				if c.sess == nil || c.sess.id != key {
					c.e.sessions.remove(key)
				}
				return nil
			}
		case "uid":
			_, digest, ok := value.BinaryParts(v)
			if !ok {
				return nil, mongoerr.New(mongoerr.TypeMismatch, "BSON field 'KillAllSessionsByPattern.uid' is the wrong type '%s', expected type 'binData'", value.TypeName(v.Type))
			}
			digest = bytes.Clone(digest)
			kill = func() error {
				return c.killMatching(func(user string) bool {
					db, name, _ := strings.Cut(user, ".")
					sum := sha256.Sum256([]byte(name + "@" + db))
					return user != "" && bytes.Equal(sum[:], digest)
				})
			}
		case "users":
			if v.Type != bson.TypeArray {
				return nil, wrongType("KillAllSessionsByPattern.users", v, array)
			}
			users, err := sessionUsers(v)
			if err != nil {
				return nil, err
			}
			kill = func() error {
				return c.killMatching(func(user string) bool { return slices.Contains(users, user) })
			}
		case "roles":
			return nil, mongoerr.New(mongoerr.CommandNotSupported, "docdb kills sessions by lsid, uid or users, not by roles: every user may do everything")
		default:
			return nil, mongoerr.New(40415, "BSON field 'KillAllSessionsByPattern.%s' is an unknown field.", it.Key())
		}
	}
	if n > 1 {
		return nil, mongoerr.New(mongoerr.CommandNotSupported, "docdb takes one condition in a pattern of killAllSessionsByPattern")
	}
	return kill, nil
}
