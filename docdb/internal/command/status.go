package command

import (
	"os"
	"runtime"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

// busy counts the connections that run a command, by whether it reads or writes.
func (e *Engine) busy() (readers, writers int) {
	e.clients.Range(func(k, _ any) bool {
		o := &k.(*client).op
		o.mu.Lock()
		defer o.mu.Unlock()
		switch {
		case o.id == 0 || o.call.cmd == nil:
		case o.call.cmd.Write:
			writers++
		default:
			readers++
		}
		return true
	})
	return readers, writers
}

// memoryInUse is the address space and the memory of this process, in bytes.
func memoryInUse() (virtual, resident int64) {
	// statm has numbers of pages (proc(5)).
	if b, err := os.ReadFile("/proc/self/statm"); err == nil {
		if f := strings.Fields(string(b)); len(f) > 1 {
			v, err1 := strconv.ParseInt(f[0], 10, 64)
			r, err2 := strconv.ParseInt(f[1], 10, 64)
			if err1 == nil && err2 == nil {
				page := int64(os.Getpagesize())
				return v * page, r * page
			}
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys), int64(m.Sys)
}

func serverStatus(c *call) error {
	e := c.e
	name, _ := os.Hostname()
	up := e.opts.Now().Sub(e.started)
	readers, writers := e.busy()
	virtual, resident := memoryInUse()
	host := c.host()
	open := e.conns.Load()
	met := e.st.Metrics()
	all := bson.D{
		{Key: "host", Value: name}, {Key: "version", Value: Version}, {Key: "process", Value: "docdb"}, {Key: "pid", Value: int64(os.Getpid())},
		{Key: "uptime", Value: up.Seconds()}, {Key: "uptimeMillis", Value: up.Milliseconds()}, {Key: "uptimeEstimate", Value: int64(up.Seconds())},
		{Key: "localTime", Value: e.opts.Now()},
		{Key: "asserts", Value: bson.D{{Key: "regular", Value: int32(0)}, {Key: "warning", Value: int32(0)}, {Key: "msg", Value: int32(0)}, {Key: "user", Value: int32(0)}, {Key: "rollovers", Value: int32(0)}}},
		{Key: "connections", Value: bson.D{{Key: "current", Value: int32(open)}, {Key: "available", Value: int32(int64(e.opts.MaxConnections) - open)}, {Key: "totalCreated", Value: int32(e.connID.Load())}, {Key: "active", Value: int32(readers + writers)}}},
		{Key: "globalLock", Value: bson.D{{Key: "totalTime", Value: up.Microseconds()}, {Key: "currentQueue", Value: bson.D{{Key: "total", Value: int32(0)}, {Key: "readers", Value: int32(0)}, {Key: "writers", Value: int32(0)}}},
			{Key: "activeClients", Value: bson.D{{Key: "total", Value: int32(readers + writers)}, {Key: "readers", Value: int32(readers)}, {Key: "writers", Value: int32(writers)}}}}},
		{Key: "logicalSessionRecordCache", Value: bson.D{{Key: "activeSessionsCount", Value: int32(e.sessions.count())}}},
		{Key: "network", Value: bson.D{{Key: "bytesIn", Value: e.ops.bytesIn.Load()}, {Key: "bytesOut", Value: e.ops.bytesOut.Load()}, {Key: "numRequests", Value: e.ops.requests.Load()}}},
		{Key: "opcounters", Value: bson.D{{Key: "insert", Value: e.ops.insert.Load()}, {Key: "query", Value: e.ops.query.Load()}, {Key: "update", Value: e.ops.update.Load()},
			{Key: "delete", Value: e.ops.delete.Load()}, {Key: "getmore", Value: e.ops.getmore.Load()}, {Key: "command", Value: e.ops.command.Load()}}},
		{Key: "mem", Value: bson.D{{Key: "bits", Value: int32(64)}, {Key: "resident", Value: int32(resident >> 20)}, {Key: "virtual", Value: int32(virtual >> 20)}, {Key: "supported", Value: true}}},
		{Key: "metrics", Value: bson.D{{Key: "cursor", Value: bson.D{{Key: "open", Value: bson.D{{Key: "total", Value: int64(e.cursors.count())}}}}}}},
		{Key: "repl", Value: bson.D{{Key: "setName", Value: SetName}, {Key: "isWritablePrimary", Value: true}, {Key: "secondary", Value: false}, {Key: "hosts", Value: bson.A{host}}, {Key: "primary", Value: host}, {Key: "me", Value: host}}},
		{Key: "storageEngine", Value: bson.D{{Key: "name", Value: "pebble"}, {Key: "supportsCommittedReads", Value: true}, {Key: "persistent", Value: true}, {Key: "readOnly", Value: false}}},
		{Key: "transactions", Value: bson.D{}},
		{Key: "pebble", Value: bson.D{{Key: "diskBytes", Value: int64(met.DiskSpaceUsage())}, {Key: "blockCacheBytes", Value: met.BlockCache.Size}, {Key: "memtableBytes", Value: int64(met.MemTable.Size)}}},
	}
	for _, section := range all {
		if v := c.arg(section.Key); v.Type == 0 || value.Truthy(v) {
			c.value(section.Key, section.Value)
		}
	}
	return nil
}

// serverStatusArgs are the sections that serverStatus can leave out.
func serverStatusArgs() []Arg {
	var list []Arg
	for _, n := range []string{"repl", "metrics", "locks", "opLatencies", "transactions", "mirroredReads", "latchAnalysis", "security", "tcmalloc", "wiredTiger", "network", "asserts", "mem"} {
		list = append(list, opt(n, anyValue))
	}
	return list
}

func hostInfo(c *call) error {
	name, _ := os.Hostname()
	machine, usable := store.Memory()
	system, version := operatingSystem()
	c.fields(bson.D{
		{Key: "system", Value: bson.D{{Key: "currentTime", Value: c.e.opts.Now()}, {Key: "hostname", Value: name}, {Key: "cpuAddrSize", Value: int32(strconv.IntSize)},
			{Key: "memSizeMB", Value: machine >> 20}, {Key: "memLimitMB", Value: usable >> 20}, {Key: "numCores", Value: int32(runtime.NumCPU())},
			{Key: "cpuArch", Value: runtime.GOARCH}, {Key: "numaEnabled", Value: false}}},
		{Key: "os", Value: bson.D{{Key: "type", Value: runtime.GOOS}, {Key: "name", Value: system}, {Key: "version", Value: version}}},
		{Key: "extra", Value: bson.D{}},
	})
	return nil
}

// operatingSystem is the name and version of the operating system, from os-release(5) where there is one.
func operatingSystem() (name, version string) {
	name = runtime.GOOS
	b, _ := os.ReadFile("/etc/os-release")
	for l := range strings.Lines(string(b)) {
		k, v, _ := strings.Cut(strings.TrimSpace(l), "=")
		switch v = strings.Trim(v, "\""); k {
		case "NAME":
			name = v
		case "VERSION_ID":
			version = v
		}
	}
	return name, version
}
