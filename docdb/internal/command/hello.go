package command

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
)

// Limits that hello announces.
const (
	maxDocument   = 16 << 20
	maxMessage    = 48_000_000
	maxWriteBatch = 100_000
)

// hello describes this server: the primary of a replica set that has no other member (mongo-engine.md §1.2).
func hello(c *call) error {
	if v := c.arg("client"); v.Type != 0 {
		if c.c.metadata {
			return mongoerr.New(mongoerr.ClientMetadataCannotBeMutated, "The client metadata document may only be sent in the first hello")
		}
		c.c.metadata = true
		if app, ok := v.Document().Lookup("application", "name").StringValueOK(); ok && len(app) <= 128 {
			c.c.appName = app
		}
	}
	if tv := c.doc("topologyVersion"); tv != nil {
		if err := c.awaitTopology(tv); err != nil {
			return err
		}
	} else if c.arg("maxAwaitTimeMS").Type != 0 {
		return mongoerr.New(31368, "A request with 'maxAwaitTimeMS' must include a 'topologyVersion'")
	}
	host := c.host()
	if c.name == "hello" {
		c.bool("isWritablePrimary", true)
	} else {
		c.bool("ismaster", true)
	}
	if c.on("helloOk", false) {
		c.bool("helloOk", true)
	}
	c.value("topologyVersion", c.e.topologyVersion())
	c.value("hosts", bson.A{host})
	c.string("setName", SetName)
	c.int32("setVersion", 1)
	c.bool("secondary", false)
	c.string("primary", host)
	c.string("me", host)
	c.value("electionId", electionID)
	now := c.e.opts.Now()
	t := c.e.st.Applied()
	op := bson.D{{Key: "ts", Value: bson.Timestamp{T: uint32(t >> 32), I: uint32(t)}}, {Key: "t", Value: int64(1)}}
	written := time.Unix(int64(t>>32), 0)
	c.value("lastWrite", bson.D{{Key: "opTime", Value: op}, {Key: "lastWriteDate", Value: written},
		{Key: "majorityOpTime", Value: op}, {Key: "majorityWriteDate", Value: written}})
	c.int32("maxBsonObjectSize", maxDocument)
	c.int32("maxMessageSizeBytes", maxMessage)
	c.int32("maxWriteBatchSize", maxWriteBatch)
	c.value("localTime", now)
	c.int32("logicalSessionTimeoutMinutes", int(c.e.opts.SessionTimeout/time.Minute))
	c.int32("connectionId", int(c.c.id))
	c.int32("minWireVersion", 0)
	c.int32("maxWireVersion", maxWire)
	c.bool("readOnly", false)
	if name, ok := c.arg("saslSupportedMechs").StringValueOK(); ok {
		if mechs := c.e.mechanisms(name); mechs != nil {
			c.value("saslSupportedMechs", mechs)
		}
	}
	if d := c.doc("speculativeAuthenticate"); d != nil {
		c.speculate(d)
	}
	return nil
}

// steady is the counter of topologyVersion while the server runs; it changes once, when the server ends.
const steady = 6

// topologyVersion tells drivers which of two answers about the server is the later one.
func (e *Engine) topologyVersion() bson.D {
	counter := int64(steady)
	if e.ctx.Err() != nil {
		counter++
	}
	return bson.D{{Key: "processId", Value: e.process}, {Key: "counter", Value: counter}}
}

// changesState lists the codes after which a driver thinks that the server is no primary any more, unless the reply's topologyVersion
// says that it knows better; without one it waits for the next hello, up to a heartbeat of 10 s (mongo-engine.md §1.4).
func changesState(code mongoerr.Code) bool {
	switch code {
	case 91, 189, 10058, 10107, 11600, 11602, 13435, 13436:
		return true
	}
	return false
}

// electionID is the same for ever: there is one member and one election.
var electionID = bson.ObjectID{0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 1}

var topologyArgs = []Arg{{Name: "processId", Kind: objectID, Required: true}, {Name: "counter", Kind: long, Required: true}}

// awaitTopology blocks while the client knows the topology already, until maxAwaitTimeMS is up or the server ends.
func (c *call) awaitTopology(tv bson.Raw) error {
	var args [2]bson.RawValue
	if err := parseStatement(c.cmd.Name+".topologyVersion", topologyArgs, tv, args[:]); err != nil {
		return err
	}
	id, counter := args[0].ObjectID(), args[1].Int64()
	wait, err := c.count("maxAwaitTimeMS", 0, -1)
	if err != nil {
		return err
	}
	if wait < 0 {
		return mongoerr.New(31368, "topologyVersion must be used with maxAwaitTimeMS")
	}
	if id != c.e.process || counter != steady {
		return nil
	}
	t := time.NewTimer(time.Duration(min(wait, 600_000)) * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.ctx.Done():
	case <-c.e.ctx.Done():
		return mongoerr.New(mongoerr.ShutdownInProgress, "the server is shutting down")
	}
	return nil
}
