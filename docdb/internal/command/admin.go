package command

import (
	"runtime"
	"sort"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

func ping(*call) error { return nil }

func buildInfo(c *call) error {
	c.fields(bson.D{
		{Key: "version", Value: Version}, {Key: "gitVersion", Value: "docdb"}, {Key: "modules", Value: bson.A{}},
		{Key: "allocator", Value: "go"}, {Key: "javascriptEngine", Value: "none"}, {Key: "sysInfo", Value: "deprecated"},
		{Key: "versionArray", Value: bson.A{int32(versionMajor), int32(0), int32(versionPatch), int32(0)}},
		{Key: "openssl", Value: bson.D{}}, {Key: "buildEnvironment", Value: bson.D{{Key: "target_os", Value: runtime.GOOS}, {Key: "target_arch", Value: runtime.GOARCH}}},
		{Key: "bits", Value: int32(64)}, {Key: "debug", Value: false}, {Key: "maxBsonObjectSize", Value: int32(maxDocument)},
		{Key: "storageEngines", Value: bson.A{"pebble"}}, {Key: "engine", Value: "docdb"},
	})
	return nil
}

// parameter is one of getParameter's names.
type parameter struct {
	name    string
	value   func(e *Engine) any
	runtime bool
}

var parameters = []parameter{
	{"featureCompatibilityVersion", func(*Engine) any { return bson.D{{Key: "version", Value: "8.0"}} }, false},
	{"enableTestCommands", func(e *Engine) any { return e.opts.TestCommands }, false},
	{"cursorTimeoutMillis", func(e *Engine) any { return e.opts.CursorTimeout.Milliseconds() }, true},
	{"localLogicalSessionTimeoutMinutes", func(e *Engine) any { return int32(e.opts.SessionTimeout / time.Minute) }, false},
	{"maxSessions", func(e *Engine) any { return int32(e.opts.MaxSessions) }, false},
	{"transactionLifetimeLimitSeconds", func(e *Engine) any { return int32(e.opts.TransactionTimeout / time.Second) }, true},
	{"ttlMonitorSleepSecs", func(e *Engine) any { return int32(e.opts.TTLInterval / time.Second) }, true},
	{"ttlMonitorEnabled", func(*Engine) any { return true }, false},
	{"authenticationMechanisms", func(*Engine) any { return bson.A{"SCRAM-SHA-256"} }, false},
	{"requireApiVersion", func(*Engine) any { return false }, false},
	{"notablescan", func(*Engine) any { return false }, false},
	{"internalQueryMaxBlockingSortMemoryUsageBytes", func(e *Engine) any { return int32(e.opts.SortBytes) }, false},
}

func getParameter(c *call) error {
	detailed, all := false, false
	switch v := c.target; v.Type {
	case bson.TypeString:
		all = v.StringValue() == "*"
	case bson.TypeEmbeddedDocument:
		d := v.Document()
		detailed, all = value.Truthy(d.Lookup("showDetails")), value.Truthy(d.Lookup("allParameters"))
	}
	n := 0
	for _, p := range parameters {
		if !all && c.doc2().Lookup(p.name).Type == 0 {
			continue
		}
		n++
		if detailed {
			c.value(p.name, bson.D{{Key: "value", Value: p.value(c.e)}, {Key: "settableAtRuntime", Value: false}, {Key: "settableAtStartup", Value: p.runtime}})
			continue
		}
		c.value(p.name, p.value(c.e))
	}
	if n == 0 {
		return mongoerr.New(mongoerr.InvalidOptions, "no option found to get")
	}
	return nil
}

// host is the address under which the client reached the server.
func (c *call) host() string {
	if c.c.host != "" {
		return c.c.host
	}
	return c.e.host
}

// doc2 is the whole command document.
func (c *call) doc2() bson.Raw { return c.req.Body }

func connectionStatus(c *call) error {
	users, roles := bson.A{}, bson.A{}
	if name := c.c.login.name; name != "" {
		users = append(users, bson.D{{Key: "user", Value: name}, {Key: "db", Value: "admin"}})
		roles = append(roles, bson.D{{Key: "role", Value: "root"}, {Key: "db", Value: "admin"}})
	}
	info := bson.D{{Key: "authenticatedUsers", Value: users}, {Key: "authenticatedUserRoles", Value: roles}}
	if c.on("showPrivileges", false) {
		info = append(info, bson.E{Key: "authenticatedUserPrivileges", Value: bson.A{}})
	}
	c.value("authInfo", info)
	return nil
}

func whatsmyuri(c *call) error {
	c.string("you", c.c.remote)
	return nil
}

func getCmdLineOpts(c *call) error {
	c.fields(bson.D{{Key: "argv", Value: bson.A{"docdb"}}, {Key: "parsed", Value: bson.D{}}})
	return nil
}

func getLog(c *call) error {
	s, ok := c.target.StringValueOK()
	if !ok {
		return wrongType("getLog.getLog", c.target, textValue)
	}
	switch s {
	case "*":
		c.value("names", bson.A{"global", "startupWarnings"})
	case "global", "startupWarnings":
		c.fields(bson.D{{Key: "totalLinesWritten", Value: int32(0)}, {Key: "log", Value: bson.A{}}})
	default:
		return mongoerr.New(mongoerr.OperationFailed, "No log named '%s'", s)
	}
	return nil
}

func listCommands(c *call) error {
	i := make([]*Command, 0, len(c.e.table))
	for k := range c.e.table {
		if !c.e.table[k].TestOnly || c.e.opts.TestCommands {
			i = append(i, &c.e.table[k])
		}
	}
	sort.Slice(i, func(a, b int) bool { return i[a].Name < i[b].Name })
	d := bson.D{}
	for _, cmd := range i {
		d = append(d, bson.E{Key: cmd.Name, Value: bson.D{{Key: "help", Value: cmd.Help}, {Key: "requiresAuth", Value: !cmd.Open},
			{Key: "secondaryOk", Value: !cmd.Write}, {Key: "adminOnly", Value: cmd.Admin}, {Key: "apiVersions", Value: versions(cmd.Stable)}, {Key: "deprecatedApiVersions", Value: bson.A{}}}})
	}
	c.value("commands", d)
	return nil
}

func versions(stable bool) bson.A {
	if stable {
		return bson.A{"1"}
	}
	return bson.A{}
}

func replSetGetStatus(c *call) error {
	t := c.e.st.Applied()
	op := bson.D{{Key: "ts", Value: bson.Timestamp{T: uint32(t >> 32), I: uint32(t)}}, {Key: "t", Value: int64(1)}}
	host := c.host()
	c.fields(bson.D{
		{Key: "set", Value: SetName}, {Key: "date", Value: c.e.opts.Now()}, {Key: "myState", Value: int32(1)}, {Key: "term", Value: int64(1)},
		{Key: "heartbeatIntervalMillis", Value: int64(2000)}, {Key: "majorityVoteCount", Value: int32(1)}, {Key: "writeMajorityCount", Value: int32(1)},
		{Key: "votingMembersCount", Value: int32(1)}, {Key: "writableVotingMembersCount", Value: int32(1)},
		{Key: "optimes", Value: bson.D{{Key: "lastCommittedOpTime", Value: op}, {Key: "readConcernMajorityOpTime", Value: op}, {Key: "appliedOpTime", Value: op}, {Key: "durableOpTime", Value: op}}},
		{Key: "members", Value: bson.A{bson.D{{Key: "_id", Value: int32(0)}, {Key: "name", Value: host}, {Key: "health", Value: 1.0}, {Key: "state", Value: int32(1)},
			{Key: "stateStr", Value: "PRIMARY"}, {Key: "uptime", Value: int64(c.e.opts.Now().Sub(c.e.started) / time.Second)}, {Key: "optime", Value: op}, {Key: "self", Value: true}}}},
	})
	return nil
}

func replSetGetConfig(c *call) error {
	host := c.host()
	c.value("config", bson.D{{Key: "_id", Value: SetName}, {Key: "version", Value: int32(1)}, {Key: "term", Value: int64(1)},
		{Key: "members", Value: bson.A{bson.D{{Key: "_id", Value: int32(0)}, {Key: "host", Value: host}, {Key: "arbiterOnly", Value: false}, {Key: "buildIndexes", Value: true},
			{Key: "hidden", Value: false}, {Key: "priority", Value: 1.0}, {Key: "votes", Value: int32(1)}}}},
		{Key: "protocolVersion", Value: int64(1)}, {Key: "settings", Value: bson.D{{Key: "replicaSetId", Value: c.e.process}}}})
	return nil
}

// paramArgs lets getParameter name parameters.
func paramArgs() []Arg {
	list := []Arg{opt("showDetails", flag), opt("allParameters", flag)}
	for _, p := range parameters {
		list = append(list, opt(p.name, anyValue))
	}
	return list
}
