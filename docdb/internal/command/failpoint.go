package command

import (
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// failpoints make commands fail on purpose; the drivers' specifications test retries and time-outs with them.
type failpoints struct {
	mu   sync.Mutex
	spec *failSpec
}

type failSpec struct {
	commands []string
	code     int32
	labels   []string
	close    bool
	block    time.Duration
	wce      bson.Raw
	app      string
	times    int // -1: always
	skip     int
}

func configureFailPoint(c *call) error {
	name, _ := c.target.StringValueOK()
	if name != "failCommand" {
		return mongoerr.New(mongoerr.BadValue, "docdb has the failpoint failCommand only, not '%s'", name)
	}
	f := &failSpec{times: -1}
	switch m := c.arg("mode"); m.Type {
	case bson.TypeString:
		switch m.StringValue() {
		case "off":
			f = nil
		case "alwaysOn":
		default:
			return mongoerr.New(mongoerr.BadValue, "unknown mode '%s'", m.StringValue())
		}
	case bson.TypeEmbeddedDocument:
		if n, ok := value.Integer(value.Lookup(m.Value, "times")); ok {
			f.times = int(n)
		}
		if n, ok := value.Integer(value.Lookup(m.Value, "skip")); ok {
			f.skip = int(n)
		}
	default:
		return mongoerr.New(mongoerr.TypeMismatch, "'mode' must be a string or an object, but got %s", value.TypeName(m.Type))
	}
	if f != nil {
		d := c.doc("data")
		for _, v := range value.Elements(value.Lookup(d, "failCommands").Value) {
			s, _ := v.StringValueOK()
			f.commands = append(f.commands, s)
		}
		n, _ := value.Integer(value.Lookup(d, "errorCode"))
		f.code = int32(n)
		if value.Lookup(d, "errorLabels").Type != 0 {
			f.labels = []string{} // an empty list, too, takes the place of the labels that the code has
		}
		for _, v := range value.Elements(value.Lookup(d, "errorLabels").Value) {
			s, _ := v.StringValueOK()
			f.labels = append(f.labels, s)
		}
		f.close = value.Truthy(value.Lookup(d, "closeConnection")) && value.Lookup(d, "closeConnection").Type != 0
		if value.Truthy(value.Lookup(d, "blockConnection")) {
			ms, _ := value.Integer(value.Lookup(d, "blockTimeMS"))
			f.block = time.Duration(min(ms, 60_000)) * time.Millisecond
		}
		if w, ok := value.Lookup(d, "writeConcernError").DocumentOK(); ok {
			f.wce = append(bson.Raw(nil), w...)
		}
		app, _ := value.Text(value.Lookup(d, "appName"))
		f.app = strings.Clone(app)
	}
	c.e.fail.mu.Lock()
	c.e.fail.spec = f
	c.e.fail.mu.Unlock()
	return nil
}

// failpoint fails the command if the failpoint says so.
func (c *call) failpoint() error {
	if !c.e.opts.TestCommands || c.cmd.Name == "configureFailPoint" {
		return nil
	}
	fp := &c.e.fail
	fp.mu.Lock()
	f := fp.spec
	hit := false
	if f != nil && (f.app == "" || f.app == c.c.appName) {
		for _, n := range f.commands {
			hit = hit || n == c.name
		}
	}
	if hit {
		switch {
		case f.skip > 0:
			f.skip--
			hit = false
		case f.times == 0:
			hit = false
		case f.times > 0:
			f.times--
		}
	}
	fp.mu.Unlock()
	if !hit {
		return nil
	}
	if f.block > 0 {
		select {
		case <-time.After(f.block):
		case <-c.ctx.Done():
		}
	}
	if f.close {
		return errClose
	}
	if f.wce != nil {
		code, _ := value.Integer(value.Lookup(f.wce, "code"))
		msg, _ := value.Text(value.Lookup(f.wce, "errmsg"))
		c.wcError = mongoerr.New(mongoerr.Code(code), "%s", msg)
		return nil
	}
	if f.code == 0 {
		return nil
	}
	e := mongoerr.New(mongoerr.Code(f.code), "Failing command via 'failCommand' failpoint")
	if f.labels != nil {
		e.Labels, c.labelsGiven = f.labels, true
	}
	return e
}
