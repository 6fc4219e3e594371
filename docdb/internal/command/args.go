package command

import (
	"context"
	"math"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// kind is the type that an argument must have.
type kind uint8

const (
	anyValue    kind = iota
	object           // a document
	array            // an array
	textValue        // a string
	boolean          // a boolean
	flag             // a boolean or a number ("safe bool")
	integer          // a whole number of any numeric type
	hintValue        // the name or the key pattern of an index
	updateValue      // an update: a document or a pipeline
	documents        // an array, or a document sequence beside the body
	numeric          // any number
	uuid             // a UUID
	objectID         // an ObjectId
	long             // a 64-bit integer
)

func (k kind) expected() string {
	switch k {
	case object:
		return "object"
	case array, documents:
		return "array"
	case textValue:
		return "string"
	case boolean:
		return "bool"
	case flag:
		return "bool, long, int, decimal, double"
	case integer, numeric:
		return "long, int, decimal, double"
	case hintValue:
		return "string, object"
	case uuid:
		return "binData"
	case objectID:
		return "objectId"
	case long:
		return "long"
	}
	return "any"
}

func (k kind) accepts(v bson.RawValue) bool {
	switch k {
	case object:
		return v.Type == bson.TypeEmbeddedDocument
	case array, documents:
		return v.Type == bson.TypeArray
	case textValue:
		return v.Type == bson.TypeString
	case boolean:
		return v.Type == bson.TypeBoolean
	case flag:
		return v.Type == bson.TypeBoolean || value.IsNumber(v)
	case integer, numeric:
		return value.IsNumber(v)
	case hintValue:
		return v.Type == bson.TypeEmbeddedDocument || v.Type == bson.TypeString
	case objectID:
		return v.Type == bson.TypeObjectID
	case long:
		return v.Type == bson.TypeInt64
	case updateValue:
		return v.Type == bson.TypeEmbeddedDocument || v.Type == bson.TypeArray
	}
	return true
}

// Arg is one argument of a command.
type Arg struct {
	Name     string
	Kind     kind
	Required bool
	// NotNull refuses null; otherwise null counts as absent.
	NotNull bool
}

// parse reads the command document: its arguments by the command's table, the generic ones into c.
func (c *call) parse(body bson.Raw) error {
	c.args = make([]bson.RawValue, len(c.cmd.Args))
	it := value.Over(body)
	first := true
	var seen uint64
	var generic genericSeen
	for it.Next() {
		key, v := it.Key(), it.Value()
		if first {
			first = false
			c.target = v
			continue
		}
		if i := c.cmd.find(key); i >= 0 {
			if seen&(1<<i) != 0 {
				return mongoerr.New(40413, "BSON field '%s.%s' is a duplicate field", c.cmd.parsedAs(), key)
			}
			seen |= 1 << i
			c.given = seen
			a := &c.cmd.Args[i]
			if v.Type == bson.TypeNull && !a.NotNull {
				continue
			}
			if !a.Kind.accepts(v) {
				return wrongType(c.cmd.parsedAs()+"."+key, v, a.Kind)
			}
			c.args[i] = v
			continue
		}
		if generic.twice(key) {
			return mongoerr.New(40413, "BSON field '%s.%s' is a duplicate field", c.cmd.Name, key)
		}
		if err := c.generic(key, v); err != nil {
			return err
		}
	}
	if it.Bad() {
		return mongoerr.New(mongoerr.InvalidBSON, "the command is not valid BSON")
	}
	for i := range c.cmd.Args {
		a := &c.cmd.Args[i]
		if a.Kind == documents {
			for j := range c.req.Sequences {
				if c.req.Sequences[j].Name == a.Name {
					if c.args[i].Type != 0 {
						return mongoerr.New(40413, "BSON field '%s.%s' is a duplicate field", c.cmd.Name, a.Name)
					}
					c.seq = &c.req.Sequences[j]
				}
			}
		}
		if a.Required && c.args[i].Type == 0 && !(a.Kind == documents && c.seq != nil) {
			return mongoerr.New(40414, "BSON field '%s.%s' is missing but a required field", c.cmd.Name, a.Name)
		}
	}
	for _, s := range c.req.Sequences {
		if i := c.cmd.find(s.Name); i < 0 || c.cmd.Args[i].Kind != documents && c.cmd.Args[i].Kind != array {
			return mongoerr.New(40415, "BSON field '%s.%s' is an unknown field.", c.cmd.Name, s.Name)
		}
	}
	return nil
}

// parsedAs is the name before the dot in errors about an argument.
func (cmd *Command) parsedAs() string {
	if cmd.Name == "find" {
		return "FindCommandRequest"
	}
	return cmd.Name
}

// wrongType is the error about a value that is no k; a hint and an update have errors of their own.
func wrongType(field string, v bson.RawValue, k kind) error {
	switch k {
	case hintValue:
		return mongoerr.New(mongoerr.FailedToParse, "Hint must be a string or an object")
	case updateValue:
		return mongoerr.New(mongoerr.FailedToParse, "Update argument must be either an object or an array")
	case flag, integer, numeric:
		// The quotation mark inside the bracket is MongoDB's own.
		return mongoerr.New(mongoerr.TypeMismatch, "BSON field '%s' is the wrong type '%s', expected types '[%s']", field, value.TypeName(v.Type), k.expected())
	}
	return mongoerr.New(mongoerr.TypeMismatch, "BSON field '%s' is the wrong type '%s', expected type '%s'", field, value.TypeName(v.Type), k.expected())
}

// genericSeen remembers which arguments that every command has were there: those that change what a command does.
type genericSeen uint16

// twice notes an argument and reports whether it was there before.
func (g *genericSeen) twice(key string) bool {
	var bit genericSeen
	switch key {
	case "$db":
		bit = 1 << 0
	case "lsid":
		bit = 1 << 1
	case "txnNumber":
		bit = 1 << 2
	case "autocommit":
		bit = 1 << 3
	case "startTransaction":
		bit = 1 << 4
	case "readConcern":
		bit = 1 << 5
	case "writeConcern":
		bit = 1 << 6
	case "maxTimeMS":
		bit = 1 << 7
	default:
		return false
	}
	was := *g&bit != 0
	*g |= bit
	return was
}

// generic takes an argument that every command has.
func (c *call) generic(key string, v bson.RawValue) error {
	want := func(k kind) error {
		if !k.accepts(v) {
			return wrongType(c.cmd.parsedAs()+"."+key, v, k)
		}
		return nil
	}
	switch key {
	case "$db":
		if v.Type != bson.TypeString {
			return wrongType(c.cmd.Name+".$db", v, textValue)
		}
		c.db, c.hasDB = v.StringValue(), true
	case "lsid":
		if err := want(object); err != nil {
			return err
		}
		c.lsid = v.Document()
	case "txnNumber":
		if v.Type != bson.TypeInt64 {
			return mongoerr.New(mongoerr.TypeMismatch, "BSON field '%s.txnNumber' is the wrong type '%s', expected type 'long'", c.cmd.Name, value.TypeName(v.Type))
		}
		c.txnNumber, c.hasTxn = v.Int64(), true
		if c.txnNumber < 0 {
			return mongoerr.New(mongoerr.InvalidOptions, "Transaction number cannot be negative")
		}
	case "autocommit":
		if err := want(boolean); err != nil {
			return err
		}
		if v.Boolean() {
			return mongoerr.New(mongoerr.InvalidOptions, "Specifying autocommit=true is not allowed.")
		}
		c.inTxn = true
	case "startTransaction":
		if err := want(boolean); err != nil {
			return err
		}
		if !v.Boolean() {
			return mongoerr.New(mongoerr.InvalidOptions, "Specifying startTransaction=false is not allowed.")
		}
		c.startTxn = true
	case "readConcern":
		if v.Type == bson.TypeNull {
			return nil
		}
		if err := want(object); err != nil {
			return err
		}
		return c.parseReadConcern(v.Document())
	case "writeConcern":
		if v.Type == bson.TypeNull {
			return nil
		}
		if err := want(object); err != nil {
			return err
		}
		return c.parseWriteConcern(v.Document())
	case "maxTimeMS":
		if err := want(numeric); err != nil {
			return err
		}
		n, err := whole(v, "maxTimeMS")
		if err != nil {
			return err
		}
		if n < 0 || n > math.MaxInt32 {
			return mongoerr.New(mongoerr.BadValue, "%d value for maxTimeMS is out of range [0, 2147483647]", n)
		}
		c.maxTime = time.Duration(n) * time.Millisecond
	case "apiVersion":
		if err := want(textValue); err != nil {
			return err
		}
		if v.StringValue() != "1" {
			return mongoerr.New(mongoerr.APIVersionError, "API version must be \"1\"")
		}
		c.api.version = true
	case "apiStrict", "apiDeprecationErrors":
		if err := want(boolean); err != nil {
			return err
		}
		c.api.options = true
		c.api.strict = c.api.strict || key == "apiStrict" && v.Boolean()
	case "comment":
		c.comment = v
	case "$readPreference":
		if err := want(object); err != nil {
			return err
		}
		return checkReadPreference(v.Document())
	case "$clusterTime", "$client", "$configServerState", "$audit", "$configTime", "$topologyTime",
		"mayBypassWriteBlocking", "$queryOptions", "helloOk", "backpressure", "$replData", "$oplogQueryData":
		// Nothing depends on these on a single node.
	default:
		if c.cmd.Loose {
			return nil
		}
		return mongoerr.New(40415, "BSON field '%s.%s' is an unknown field.", c.cmd.parsedAs(), key)
	}
	return nil
}

// genericArgs are the generic arguments that a command with fields of any name leaves out of them.
var genericArgs = map[string]bool{"$db": true, "lsid": true, "txnNumber": true, "autocommit": true, "startTransaction": true, "readConcern": true, "writeConcern": true, "maxTimeMS": true,
	"apiVersion": true, "apiStrict": true, "apiDeprecationErrors": true, "comment": true, "$readPreference": true, "$clusterTime": true, "$client": true, "$audit": true}

// checkAPI refuses what is not in the stable API when the client asks for that.
func (c *call) checkAPI() error {
	if c.api.options && !c.api.version {
		return mongoerr.New(4886600, "Provided apiStrict and/or apiDeprecationErrors without passing apiVersion")
	}
	if !c.api.strict {
		return nil
	}
	if !c.cmd.Stable {
		return mongoerr.New(mongoerr.APIStrictError, "Provided apiStrict:true, but the command %s is not in API Version 1", c.name)
	}
	for _, n := range unstable[c.cmd.Name] {
		if n[0] != '$' {
			if c.arg(n).Type != 0 {
				return mongoerr.New(mongoerr.APIStrictError, "BSON field '%s.%s' is not allowed with apiStrict:true.", c.cmd.parsedAs(), n)
			}
			continue
		}
		for _, st := range value.Elements(c.arg("pipeline").Value) {
			if st.Type == bson.TypeEmbeddedDocument && value.Lookup(st.Value, n).Type != 0 {
				return mongoerr.New(mongoerr.APIStrictError, "stage %s is not allowed with 'apiStrict: true' in API Version 1", n)
			}
		}
	}
	return nil
}

// checkConcerns refuses concerns that say nothing to the command.
func (c *call) checkConcerns() error {
	if c.hasWriteConcern && !c.cmd.Write && c.cmd.Name != "aggregate" && c.cmd.Name != "explain" {
		return mongoerr.New(mongoerr.InvalidOptions, "Command does not support writeConcern")
	}
	if c.readLevel != "" && c.readLevel != "local" && !c.cmd.Reads && !c.startTxn {
		return mongoerr.New(mongoerr.InvalidOptions, "read concern not supported")
	}
	return nil
}

func (c *call) parseReadConcern(d bson.Raw) error {
	it := value.Over(d)
	for it.Next() {
		switch v := it.Value(); it.Key() {
		case "level":
			s, ok := v.StringValueOK()
			if !ok {
				return wrongType("readConcern.level", v, textValue)
			}
			switch s {
			case "local", "available", "majority", "linearizable", "snapshot":
				c.readLevel = s
			default:
				return mongoerr.New(mongoerr.BadValue, "Enumeration value '%s' for field 'readConcern.level' is not a valid value.", s)
			}
		case "afterClusterTime", "atClusterTime":
			if v.Type != bson.TypeTimestamp {
				return mongoerr.New(mongoerr.TypeMismatch, "BSON field 'readConcern.%s' is the wrong type '%s', expected type 'timestamp'", it.Key(), value.TypeName(v.Type))
			}
			t, i := v.Timestamp()
			at := uint64(t)<<32 | uint64(i)
			if it.Key() == "afterClusterTime" {
				if at>>32 > uint64(c.e.opts.Now().Unix())+31_536_000 {
					return mongoerr.New(mongoerr.InvalidOptions, "readConcern afterClusterTime value must not be greater than the current clusterTime")
				}
				break
			}
			c.atTime = at
		case "provenance":
		default:
			return mongoerr.New(40415, "BSON field 'readConcern.%s' is an unknown field.", it.Key())
		}
	}
	if c.atTime != 0 && c.readLevel != "snapshot" {
		return mongoerr.New(mongoerr.InvalidOptions, "readConcern.atClusterTime requires the readConcern level 'snapshot'")
	}
	return nil
}

func (c *call) parseWriteConcern(d bson.Raw) error {
	c.hasWriteConcern = true
	it := value.Over(d)
	for it.Next() {
		switch v := it.Value(); it.Key() {
		case "w":
			if s, ok := v.StringValueOK(); ok {
				if s != "majority" {
					c.wcError = mongoerr.New(mongoerr.UnknownReplWriteConcern, "No write concern mode named '%s' found in replica set configuration", s)
				}
				break
			}
			n, ok := value.Truncated(v)
			if !ok {
				return mongoerr.New(mongoerr.FailedToParse, "w has to be a number, string, or object; found: %s", value.TypeName(v.Type))
			}
			switch {
			case n < 0 || n > 50:
				return mongoerr.New(mongoerr.FailedToParse, "w has to be a non-negative number and not greater than 50; found: %d", n)
			case n == 0:
				c.lazy = true
			case n > 1:
				c.wcError = mongoerr.New(mongoerr.UnsatisfiableWriteConcern, "Not enough data-bearing nodes")
			}
		case "j", "fsync":
			if !flag.accepts(v) {
				return mongoerr.New(mongoerr.FailedToParse, "%s must be numeric or a boolean value", it.Key())
			}
			c.journal = value.Truthy(v)
			if !c.journal && it.Key() == "j" {
				c.noJournal = true
			}
		case "wtimeout", "wtimeoutMS":
			if !value.IsNumber(v) {
				return mongoerr.New(mongoerr.FailedToParse, "wtimeout must be a number")
			}
		case "provenance", "getLastError":
		default:
			return mongoerr.New(40415, "BSON field 'writeConcern.%s' is an unknown field.", it.Key())
		}
	}
	return nil
}

// sync says whether writes of this command are durable before they are acknowledged.
func (c *call) sync() bool { return !c.lazy && !c.noJournal }

// find gives the position of an argument, or -1.
func (cmd *Command) find(name string) int {
	for i := range cmd.Args {
		if cmd.Args[i].Name == name {
			return i
		}
	}
	return -1
}

// bits gives the positions of arguments as a set.
func (cmd *Command) bits(names ...string) uint64 {
	var b uint64
	for _, n := range names {
		b |= 1 << cmd.find(n)
	}
	return b
}

// arg gives an argument; a zero value when it is absent, or when the command has none of that name.
func (c *call) arg(name string) bson.RawValue {
	if c.cmd == nil {
		return bson.RawValue{}
	}
	i := c.cmd.find(name)
	if i < 0 {
		return bson.RawValue{}
	}
	return c.args[i]
}

// doc gives an argument that is a document, nil when it is absent.
func (c *call) doc(name string) bson.Raw {
	d, _ := c.arg(name).DocumentOK()
	return d
}

// str gives an argument that is a string.
func (c *call) str(name string) string {
	s, _ := c.arg(name).StringValueOK()
	return s
}

// on gives an argument that is a boolean; def when it is absent.
func (c *call) on(name string, def bool) bool {
	v := c.arg(name)
	if v.Type == 0 {
		return def
	}
	return value.Truthy(v)
}

// whole gives a number argument as an integer: a double must be whole, NaN is 0.
func whole(v bson.RawValue, name string) (int64, error) {
	n, exact := value.Integer(v)
	if exact {
		return n, nil
	}
	if value.IsNaN(v) {
		return 0, nil
	}
	if f, ok := value.Float64(v); ok && (f > 1<<62 || f < -(1<<62)) {
		n, _ = value.Truncated(v)
		return n, nil
	}
	return 0, mongoerr.New(mongoerr.FailedToParse, "Expected an integer, but cannot represent value as an integer: %s: %s", name, v.String())
}

// count gives an argument that is a number not below min; def when it is absent.
func (c *call) count(name string, min, def int64) (int64, error) {
	v := c.arg(name)
	if v.Type == 0 {
		return def, nil
	}
	n, err := whole(v, name)
	if err != nil {
		return 0, err
	}
	if n < min {
		return 0, mongoerr.New(51024, "BSON field '%s' value must be >= %d, actual value '%d'", name, min, n)
	}
	return n, nil
}

// context gives the context of the command, with maxTimeMS as its deadline.
func (c *call) deadline() (context.Context, context.CancelFunc) {
	if c.maxTime == 0 {
		return c.ctx, func() {}
	}
	return c.ctx.limit(c.maxTime)
}
