package command

import (
	"crypto/rand"

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

func (c *call) killEverySession() error {
	c.e.sessions.mu.Lock()
	var ids []string
	for id := range c.e.sessions.m {
		if c.sess == nil || c.sess.id != id {
			ids = append(ids, id)
		}
	}
	c.e.sessions.mu.Unlock()
	for _, id := range ids {
		c.e.sessions.remove(id)
	}
	return nil
}

func killAllSessions(c *call) error {
	if c.target.Type != bson.TypeArray {
		return wrongType("killAllSessions.killAllSessions", c.target, array)
	}
	return c.killEverySession()
}

func killAllSessionsByPattern(c *call) error {
	if c.target.Type != bson.TypeArray {
		return wrongType("killAllSessionsByPattern.killAllSessionsByPattern", c.target, array)
	}
	for _, v := range value.Elements(c.target.Value) {
		d, ok := v.DocumentOK()
		if !ok {
			return mongoerr.New(mongoerr.TypeMismatch, "killAllSessionsByPattern takes a list of patterns")
		}
		if l, ok := value.Lookup(d, "lsid").DocumentOK(); ok {
			id, err := sessionID(l)
			if err != nil {
				return err
			}
			c.e.sessions.remove(string(id) + c.c.login.key())
			continue
		}
		if len(d) <= 5 {
			return c.killEverySession()
		}
		return mongoerr.New(mongoerr.CommandNotSupported, "docdb kills sessions by lsid or all of them")
	}
	return nil
}
