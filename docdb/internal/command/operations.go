package command

import (
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/match"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// operation is what a connection is busy with.
type operation struct {
	mu      sync.Mutex
	id      int32 // 0 when the connection is idle
	call    *call
	started time.Time
}

// begin notes that a command runs.
func (o *operation) begin(c *call) {
	id, now := c.e.nextOp.Add(1), c.e.opts.Now()
	o.mu.Lock()
	o.id, o.call, o.started = id, c, now
	o.mu.Unlock()
}

func (o *operation) end() {
	o.mu.Lock()
	o.id, o.call = 0, nil
	o.mu.Unlock()
}

// describe is the operation as currentOp shows it; nil for an idle connection.
func (o *operation) describe(cl *client, now time.Time) bson.D {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.id == 0 || o.call.cmd == nil {
		return nil
	}
	c := o.call
	ns := c.db + ".$cmd"
	if s, ok := c.target.StringValueOK(); ok {
		ns = c.db + "." + s
	} else if c.cmd.Name == "aggregate" {
		ns += ".aggregate"
	}
	kind := "command"
	switch c.cmd.Name {
	case "find":
		kind = "query"
	case "getMore":
		kind = "getmore"
	case "insert":
		kind = "insert"
	case "update":
		kind = "update"
	case "delete":
		kind = "remove"
	}
	running := now.Sub(o.started)
	d := bson.D{{Key: "type", Value: "op"}, {Key: "host", Value: cl.e.host}, {Key: "desc", Value: "conn"}, {Key: "connectionId", Value: cl.id}, {Key: "client", Value: cl.remote},
		{Key: "appName", Value: cl.appName}, {Key: "active", Value: true}, {Key: "currentOpTime", Value: now.UTC().Format("2006-01-02T15:04:05.000+00:00")}, {Key: "opid", Value: o.id},
		{Key: "secs_running", Value: int64(running / time.Second)}, {Key: "microsecs_running", Value: running.Microseconds()}, {Key: "op", Value: kind}, {Key: "ns", Value: ns},
		{Key: "command", Value: append(bson.Raw(nil), c.req.Body...)}}
	if c.lsid != nil {
		d = append(d, bson.E{Key: "lsid", Value: append(bson.Raw(nil), c.lsid...)})
	}
	return d
}

// active describes the commands that run now.
func (e *Engine) active() []bson.D {
	now := e.opts.Now()
	var out []bson.D
	e.clients.Range(func(k, _ any) bool {
		cl := k.(*client)
		if d := cl.op.describe(cl, now); d != nil {
			out = append(out, d)
		}
		return true
	})
	return out
}

// idleCursors describes the open cursors, for $currentOp.
func (e *Engine) idleCursors() []bson.D {
	e.cursors.mu.Lock()
	defer e.cursors.mu.Unlock()
	var out []bson.D
	for _, c := range e.cursors.m {
		out = append(out, bson.D{{Key: "type", Value: "idleCursor"}, {Key: "host", Value: e.host}, {Key: "ns", Value: c.ns},
			{Key: "cursor", Value: bson.D{{Key: "cursorId", Value: c.id}, {Key: "createdDate", Value: c.opened}, {Key: "lastAccessDate", Value: bson.DateTime(c.used.Load())},
				{Key: "tailable", Value: c.tailable}, {Key: "awaitData", Value: c.awaits}, {Key: "originatingCommand", Value: c.command}}}})
	}
	return out
}

// currentOp lists the commands that run. Its fields that are no arguments are a filter on what it lists.
func currentOp(c *call) error {
	filter := bson.D{}
	it := value.Over(c.req.Body)
	for it.Next() {
		key := string(append([]byte(nil), it.Key()...))
		if c.cmd.find(key) < 0 && key != c.name && !genericArgs[key] {
			filter = append(filter, bson.E{Key: key, Value: value.Clone(it.Value())})
		}
	}
	raw, err := bson.Marshal(filter)
	if err != nil {
		return err
	}
	m, err := match.Compile(raw, matchOptions(nil, nil, expr.Options{Now: c.e.opts.Now()}))
	if err != nil {
		return err
	}
	list := bson.A{}
	for _, d := range c.e.active() {
		raw, err := bson.Marshal(d)
		if err != nil {
			return err
		}
		ok, err := m.Match(raw)
		if err != nil {
			return err
		}
		if ok {
			list = append(list, bson.Raw(raw))
		}
	}
	c.value("inprog", list)
	return nil
}

// killOp ends a command that runs; one that is over is no error.
func killOp(c *call) error {
	v := c.arg("op")
	if v.Type == 0 {
		return mongoerr.New(mongoerr.NoSuchKey, "Did not provide \"op\" field")
	}
	id, err := whole(v, "op")
	if err != nil {
		return err
	}
	c.e.clients.Range(func(k, _ any) bool {
		o := &k.(*client).op
		o.mu.Lock()
		if o.id != 0 && int64(o.id) == id {
			o.call.ctx.kill()
		}
		o.mu.Unlock()
		return true
	})
	c.string("info", "attempting to kill op")
	return nil
}
