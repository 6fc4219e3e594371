package command

import (
	"slices"

	"regent/docdb/internal/store"
)

// Command is a command of the table: what it is called, what it takes, and what runs it.
type Command struct {
	Name    string
	Aliases []string
	// Help is a sentence for listCommands and the documentation.
	Help string
	Args []Arg
	Run  func(*call) error
	// Write says that the command changes data, and so that a failed write concern is reported beside ok: 1.
	Write bool
	// Reads says that the command takes every read concern; others take local only, but for a transaction's first.
	Reads bool
	// Refused commands exist in MongoDB and are not supported here.
	Refused bool
	// Retryable says that the command may carry a transaction number outside of transactions.
	Retryable bool
	// InTransaction says that the command may run inside a transaction.
	InTransaction bool
	// Loose commands take fields of any name: currentOp's are a filter, getParameter's are names.
	Loose bool
	// Stable commands are in version 1 of the stable API; the others are refused when apiStrict is set.
	Stable bool
	// Admin commands run against the database admin only.
	Admin bool
	// Open commands need no login.
	Open bool
	// Legacy commands are answered when they come as OP_QUERY, too.
	Legacy bool
	// NoSession commands ignore the session they are sent in.
	NoSession bool
	// Kind is what top counts the command as; 0 for commands that are no use of a collection.
	Kind store.Kind
	// TestOnly commands exist under the test flag only.
	TestOnly bool
}

// stableCommands are those of API version 1.
var stableCommands = []string{"abortTransaction", "aggregate", "bulkWrite", "collMod", "commitTransaction", "count", "create", "createIndexes", "delete", "drop", "dropDatabase", "dropIndexes",
	"endSessions", "explain", "find", "findAndModify", "getMore", "hello", "insert", "killCursors", "listCollections", "listDatabases", "listIndexes", "ping", "refreshSessions", "saslContinue",
	"saslStart", "update"}

// unstable are the arguments and stages that are not in API version 1 though their commands are.
var unstable = map[string][]string{
	"find":      {"awaitData", "max", "min", "noCursorTimeout", "oplogReplay", "returnKey", "showRecordId", "tailable"},
	"aggregate": {"$currentOp", "$indexStats", "$listLocalSessions", "$listSessions", "$planCacheStats", "$collStats", "$listCatalog"},
}

func args(list ...Arg) []Arg { return list }

func opt(name string, k kind) Arg { return Arg{Name: name, Kind: k} }
func req(name string, k kind) Arg { return Arg{Name: name, Kind: k, Required: true} }

var helloArgs = args(opt("client", object), opt("helloOk", flag), opt("compression", array), opt("topologyVersion", object), opt("maxAwaitTimeMS", integer),
	opt("saslSupportedMechs", textValue), opt("speculativeAuthenticate", object), opt("loadBalanced", flag), opt("hostInfo", textValue), opt("forShell", anyValue), opt("backpressure", anyValue))

var cursorArgs = args(opt("filter", object), opt("nameOnly", flag), opt("cursor", object), opt("authorizedCollections", flag), opt("authorizedDatabases", flag), opt("includePendingDrops", flag))

var userArgs = args(opt("pwd", textValue), opt("roles", array), opt("customData", object), opt("mechanisms", array), opt("digestPassword", flag), opt("authenticationRestrictions", array), opt("passwordDigestor", textValue))

// Commands is the table of every command.
func Commands() []Command {
	table := []Command{
		{Name: "hello", Aliases: []string{"isMaster", "ismaster"}, Help: "describes the server to a driver", Args: helloArgs, Run: hello, Open: true, Legacy: true, NoSession: true},
		{Name: "ping", Help: "answers", Run: ping, Open: true},
		{Name: "buildInfo", Aliases: []string{"buildinfo"}, Help: "names the version", Run: buildInfo, Open: true},
		{Name: "getParameter", Help: "shows server parameters", Args: paramArgs(), Run: getParameter, Admin: true, Loose: true},
		{Name: "connectionStatus", Help: "shows who is logged in on this connection", Args: args(opt("showPrivileges", flag)), Run: connectionStatus, Open: true},
		{Name: "hostInfo", Help: "describes the machine", Run: hostInfo},
		{Name: "whatsmyuri", Help: "shows the client's address", Run: whatsmyuri, Open: true},
		{Name: "getCmdLineOpts", Help: "shows how the server was started", Run: getCmdLineOpts, Admin: true},
		{Name: "getLog", Help: "shows recent log lines (none are kept)", Run: getLog, Admin: true},
		{Name: "listCommands", Help: "lists the commands", Run: listCommands},
		{Name: "replSetGetStatus", Help: "describes the replica set of one member", Args: args(opt("initialSync", anyValue)), Run: replSetGetStatus, Admin: true},
		{Name: "replSetGetConfig", Help: "shows the configuration of the replica set", Args: args(opt("commitmentStatus", flag)), Run: replSetGetConfig, Admin: true},
		{Name: "serverStatus", Help: "counts operations, connections and memory", Args: serverStatusArgs(), Run: serverStatus, Loose: true},
		{Name: "currentOp", Help: "lists the commands that run", Args: args(opt("$all", flag), opt("$ownOps", flag)), Run: currentOp, Admin: true, Loose: true},
		{Name: "killOp", Help: "ends a command that runs", Args: args(opt("op", numeric)), Run: killOp, Admin: true},
		{Name: "top", Help: "tells what each collection was used for, and for how long", Run: top, Admin: true},

		{Name: "find", Help: "opens a cursor over documents that match", Kind: store.Query, Run: find, Reads: true, InTransaction: true,
			Args: args(opt("filter", object), opt("sort", object), opt("projection", object), opt("hint", hintValue), opt("skip", integer), opt("limit", integer),
				opt("batchSize", integer), opt("singleBatch", flag), opt("collation", object), opt("let", object), opt("min", object), opt("max", object),
				opt("returnKey", flag), opt("showRecordId", flag), opt("tailable", flag), opt("awaitData", flag), opt("noCursorTimeout", flag), opt("allowDiskUse", flag),
				opt("allowPartialResults", flag), opt("oplogReplay", flag))},
		{Name: "getMore", Help: "takes the next batch of a cursor", Kind: store.GetMore, Run: getMore, InTransaction: true,
			Args: args(req("collection", textValue), opt("batchSize", integer), opt("term", anyValue), opt("lastKnownCommittedOpTime", anyValue))},
		{Name: "killCursors", Help: "closes cursors", Args: args(req("cursors", array)), Run: killCursors},
		{Name: "insert", Help: "inserts documents", Kind: store.Insert, Run: insert, Write: true, Retryable: true, InTransaction: true,
			Args: args(req("documents", documents), opt("ordered", flag), opt("bypassDocumentValidation", flag), opt("stmtId", integer), opt("stmtIds", array))},
		{Name: "update", Help: "changes or replaces documents", Kind: store.Update, Run: updateCommand, Write: true, Retryable: true, InTransaction: true,
			Args: args(req("updates", documents), opt("ordered", flag), opt("bypassDocumentValidation", flag), opt("let", object), opt("stmtId", integer), opt("stmtIds", array))},
		{Name: "delete", Help: "removes documents", Kind: store.Remove, Run: deleteCommand, Write: true, Retryable: true, InTransaction: true,
			Args: args(req("deletes", documents), opt("ordered", flag), opt("let", object), opt("stmtId", integer), opt("stmtIds", array), opt("bypassDocumentValidation", flag))},
		{Name: "findAndModify", Aliases: []string{"findandmodify"}, Help: "changes or removes one document and answers with it", Kind: store.WriteCommand, Run: findAndModify, Write: true, Retryable: true, InTransaction: true,
			Args: args(opt("query", object), opt("sort", object), opt("remove", flag), opt("update", updateValue), opt("new", flag), opt("fields", object), opt("upsert", flag),
				opt("bypassDocumentValidation", flag), opt("collation", object), opt("arrayFilters", array), opt("hint", hintValue), opt("let", object), opt("stmtId", integer), opt("stmtIds", array))},
		{Name: "bulkWrite", Help: "inserts, updates and deletes in several collections", Run: bulkWrite, Write: true, Retryable: true, InTransaction: true, Admin: true,
			Args: args(req("ops", documents), req("nsInfo", documents), opt("ordered", flag), opt("errorsOnly", flag), opt("bypassDocumentValidation", flag), opt("let", object),
				opt("cursor", object), opt("stmtId", integer), opt("stmtIds", array))},
		{Name: "aggregate", Help: "runs a pipeline", Kind: store.ReadCommand, Run: aggregate, Reads: true, InTransaction: true,
			Args: args(req("pipeline", array), opt("cursor", object), opt("explain", flag), opt("allowDiskUse", flag), opt("bypassDocumentValidation", flag), opt("collation", object),
				opt("hint", hintValue), opt("let", object), opt("fromMongos", flag), opt("needsMerge", flag))},
		{Name: "count", Help: "counts documents", Kind: store.ReadCommand, Run: count, Reads: true,
			Args: args(opt("query", object), opt("limit", numeric), opt("skip", integer), opt("hint", hintValue), opt("collation", object), opt("fields", object))},
		{Name: "distinct", Help: "lists the values of a field", Kind: store.ReadCommand, Run: distinct, Reads: true, InTransaction: true,
			Args: args(req("key", textValue), opt("query", object), opt("collation", object), opt("hint", hintValue))},

		{Name: "create", Help: "makes a collection or a view", Run: create, Write: true, InTransaction: true,
			Args: args(opt("capped", flag), opt("size", integer), opt("max", integer), opt("validator", object), opt("validationLevel", textValue), opt("validationAction", textValue),
				opt("collation", object), opt("viewOn", textValue), opt("pipeline", array), opt("expireAfterSeconds", anyValue), opt("clusteredIndex", anyValue), opt("timeseries", object),
				opt("changeStreamPreAndPostImages", object), opt("storageEngine", object), opt("indexOptionDefaults", object), opt("idIndex", object), opt("autoIndexId", flag),
				opt("encryptedFields", object), opt("flags", integer), opt("temp", flag))},
		{Name: "drop", Help: "removes a collection or view", Run: drop, Write: true},
		{Name: "dropDatabase", Help: "removes a database", Run: dropDatabase, Write: true},
		{Name: "renameCollection", Help: "gives a collection another name", Args: args(req("to", textValue), opt("dropTarget", flag), opt("stayTemp", flag)), Run: renameCollection, Write: true, Admin: true},
		{Name: "listCollections", Help: "lists collections and views", Args: cursorArgs, Run: listCollections},
		{Name: "listDatabases", Help: "lists databases", Args: cursorArgs, Run: listDatabases, Admin: true},
		{Name: "createIndexes", Help: "builds indexes", Args: args(req("indexes", array), opt("ignoreUnknownIndexOptions", flag), opt("commitQuorum", anyValue)), Run: createIndexes, Write: true, InTransaction: true},
		{Name: "listIndexes", Help: "lists a collection's indexes", Args: args(opt("cursor", object), opt("includeBuildUUIDs", flag), opt("includeIndexBuildInfo", flag)), Run: listIndexes},
		{Name: "dropIndexes", Aliases: []string{"deleteIndexes"}, Help: "removes indexes", Args: args(req("index", anyValue)), Run: dropIndexes, Write: true},
		{Name: "collMod", Help: "changes a collection's options", Run: collMod, Write: true,
			Args: args(opt("index", object), opt("validator", object), opt("validationLevel", textValue), opt("validationAction", textValue), opt("viewOn", textValue), opt("pipeline", array),
				opt("changeStreamPreAndPostImages", object), opt("cappedSize", integer), opt("cappedMax", integer), opt("expireAfterSeconds", anyValue), opt("dryRun", flag))},
		{Name: "collStats", Aliases: []string{"collstats"}, Help: "measures a collection", Args: args(opt("scale", integer)), Run: collStats},
		{Name: "dbStats", Aliases: []string{"dbstats"}, Help: "measures a database", Args: args(opt("scale", integer), opt("freeStorage", integer)), Run: dbStats},
		{Name: "dataSize", Help: "measures documents", Args: args(opt("keyPattern", object), opt("min", object), opt("max", object), opt("estimate", flag)), Run: dataSize},
		{Name: "validate", Help: "checks that a collection's indexes agree with its documents", Args: args(opt("full", flag), opt("scandata", flag), opt("repair", flag), opt("metadata", flag), opt("background", flag), opt("checkBSONConformance", flag)), Run: validate},
		{Name: "explain", Help: "shows how a command would be run", Args: args(opt("verbosity", textValue)), Run: explain, Reads: true},

		{Name: "startSession", Help: "gives out a session id", Run: startSession},
		{Name: "endSessions", Help: "ends sessions", Run: endSessions, NoSession: true},
		{Name: "refreshSessions", Help: "keeps sessions alive", Run: refreshSessions},
		{Name: "killSessions", Help: "ends sessions", Run: killSessions},
		{Name: "killAllSessions", Help: "ends all sessions", Run: killAllSessions},
		{Name: "killAllSessionsByPattern", Help: "ends sessions by pattern", Run: killAllSessionsByPattern},
		{Name: "commitTransaction", Help: "applies a transaction", Args: args(opt("recoveryToken", object)), Run: commitTransaction, InTransaction: true, Admin: true, Write: true},
		{Name: "abortTransaction", Help: "drops a transaction", Args: args(opt("recoveryToken", object)), Run: abortTransaction, InTransaction: true, Admin: true, Write: true},

		{Name: "saslStart", Help: "begins a login", Args: args(req("mechanism", textValue), req("payload", anyValue), opt("options", object), opt("autoAuthorize", flag)), Run: saslStart, Open: true, NoSession: true},
		{Name: "saslContinue", Help: "continues a login", Args: args(req("conversationId", integer), req("payload", anyValue)), Run: saslContinue, Open: true, NoSession: true},
		{Name: "logout", Help: "forgets the login", Run: logout, Open: true},
		{Name: "createUser", Help: "makes a user", Args: userArgs, Run: createUser, Write: true},
		{Name: "updateUser", Help: "changes a user", Args: userArgs, Run: updateUser, Write: true},
		{Name: "dropUser", Help: "removes a user", Run: dropUser, Write: true},
		{Name: "dropAllUsersFromDatabase", Help: "removes the users of a database", Run: dropAllUsers, Write: true},
		{Name: "usersInfo", Help: "lists users", Args: args(opt("showCredentials", flag), opt("showPrivileges", flag), opt("showCustomData", flag), opt("showAuthenticationRestrictions", flag), opt("filter", object)), Run: usersInfo},
		{Name: "rolesInfo", Help: "lists roles", Args: args(opt("showPrivileges", anyValue), opt("showBuiltinRoles", flag), opt("showAuthenticationRestrictions", flag)), Run: rolesInfo},

		{Name: "configureFailPoint", Help: "makes commands fail on purpose (tests only)", Args: args(req("mode", anyValue), opt("data", object)), Run: configureFailPoint, Admin: true, TestOnly: true},
	}
	for i := range table {
		table[i].Stable = slices.Contains(stableCommands, table[i].Name)
	}
	for _, n := range []string{"setParameter", "setFeatureCompatibilityVersion", "fsync", "profile", "compact", "reIndex", "convertToCapped", "cloneCollectionAsCapped",
		"planCacheClear", "planCacheClearFilters", "planCacheListFilters", "planCacheSetFilter", "getDefaultRWConcern", "setDefaultRWConcern", "dbHash", "logRotate", "mapReduce",
		"shardCollection", "enableSharding", "createSearchIndexes", "listSearchIndexes", "dropSearchIndex", "updateSearchIndex", "applyOps", "createRole", "updateRole", "dropRole",
		"grantRolesToUser", "revokeRolesFromUser", "shutdown"} {
		table = append(table, Command{Name: n, Help: "not supported", Refused: true})
	}
	return table
}
