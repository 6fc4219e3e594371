package function

import (
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"time"

	"regent/internal/app"
	"regent/internal/function/wire"
)

// Config configures a Runtime. The zero value is usable.
type Config struct {
	// Hosts is the number of function-host processes; 0: one for each core.
	Hosts int

	// Processors is how many processors hosts may use while functions compute for
	// long; 0: all but one, where there is more than one. Only on Linux.
	Processors int

	// Executable is the program that is started as a host; "": this one. Its
	// main must begin with MaybeRunHost.
	Executable string

	// Logger gets what an operator must know: hosts that died, and why.
	Logger *slog.Logger

	// Record gets every finished execution with its console lines; nil: none.
	Record func(Execution)

	Limits   Limits
	Outbound Outbound
}

// Limits bound calls and hosts. A zero field takes its default. The names in
// parentheses are an app's settings, which take the place of these values, and
// which errors mention.
type Limits struct {
	Time          time.Duration // of one call (function_timeout): 300 s
	CallMemory    int64         // bytes (function_memory_mb): 350 MB
	HostMemory    int64         // bytes, held by the operating system: 1 GB
	Depth         int           // JavaScript frames (function_call_depth): 10,000
	Concurrent    int           // calls at once (function_concurrency): 256
	Waiting       int           // calls waiting for a place (function_queue): 10,000
	Operations    int           // of one call at once, more wait (function_async_operations): 1,000
	Sockets       int           // of one call: 25
	ConsoleLines  int           // of one call (function_console_lines): 500
	ConsoleBytes  int           // of one line (function_console_line_size): 4,096
	ArgumentBytes int           // of one call (function_argument_size): 18 MB
	ResultBytes   int           // of one call (function_result_size): 32 MB
	ArchiveBytes  int64         // of an archive of packages, unpacked (function_module_archive_size): 512 MB
	Nesting       int           // calls inside calls through rules: 8
}

func (l Limits) withDefaults() Limits {
	def := func(p *int, v int) {
		if *p <= 0 {
			*p = v
		}
	}
	if l.Time <= 0 {
		l.Time = 300 * time.Second
	}
	if l.CallMemory <= 0 {
		l.CallMemory = 350 << 20
	}
	if l.HostMemory <= 0 {
		l.HostMemory = 1 << 30
	}
	if l.ArchiveBytes <= 0 {
		l.ArchiveBytes = 512 << 20
	}
	def(&l.Depth, 10_000)
	def(&l.Concurrent, 256)
	def(&l.Waiting, 10_000)
	def(&l.Operations, 1000)
	def(&l.Sockets, 25)
	def(&l.ConsoleLines, 500)
	def(&l.ConsoleBytes, 4096)
	def(&l.ArgumentBytes, 18<<20)
	def(&l.ResultBytes, 32<<20)
	def(&l.Nesting, 8)
	return l
}

// of gives the limits of an app: its settings where it was loaded with any.
func (l Limits) of(s app.Settings) Limits {
	if s.FunctionTimeout == 0 {
		return l
	}
	l.Time = s.FunctionTimeout
	l.CallMemory = int64(s.FunctionMemoryMB) << 20
	l.Depth = s.FunctionCallDepth
	l.Concurrent, l.Waiting = s.FunctionConcurrency, s.FunctionQueue
	l.Operations = s.FunctionAsyncOperations
	l.ConsoleLines, l.ConsoleBytes = s.FunctionConsoleLines, int(s.FunctionConsoleLineSize)
	l.ArgumentBytes, l.ResultBytes = int(s.FunctionArgumentSize), int(s.FunctionResultSize)
	l.ArchiveBytes = int64(s.FunctionModuleArchiveSize)
	return l
}

// of gives the policy of an app.
func (o Outbound) of(s app.Settings) Outbound {
	if s.FunctionTimeout == 0 {
		return o
	}
	o.Timeout, o.Redirects = s.HTTPTimeout, s.HTTPMaxRedirects
	o.RequestSize, o.ResponseSize = int64(s.HTTPRequestSize), int64(s.HTTPResponseSize)
	o.AllowPrivate = s.HTTPAllowPrivate
	o.AllowHosts = append(append([]string(nil), o.AllowHosts...), s.HTTPAllowedHosts...)
	return o
}

func (l Limits) wire() wire.Limits {
	return wire.Limits{
		Time: l.Time, CallMemory: l.CallMemory, HostMemory: l.HostMemory, Depth: l.Depth, Operations: l.Operations,
		ConsoleLines: l.ConsoleLines, ConsoleBytes: l.ConsoleBytes, Result: l.ResultBytes,
	}
}

// Outbound is the policy for what functions may reach over the network.
type Outbound struct {
	// Allow lists networks that are reachable although they are private,
	// loopback, link-local or otherwise special.
	Allow []netip.Prefix

	AllowPrivate bool     // reach every address (http_allow_private)
	AllowHosts   []string // names, or names with ports, that are reachable all the same (http_allowed_hosts)

	Timeout      time.Duration // of one request (http_timeout): 60 s
	RequestSize  int64         // bytes (http_request_size): 18 MB
	ResponseSize int64         // bytes (http_response_size): 32 MB
	Redirects    int           // followed (http_max_redirects): 10

	// Resolver resolves names; nil: the system's.
	Resolver *net.Resolver

	// TwilioAddress replaces Twilio's own, for tests and proxies; "": Twilio's.
	TwilioAddress string
}

func (o Outbound) withDefaults() Outbound {
	if o.Timeout <= 0 {
		o.Timeout = 60 * time.Second
	}
	if o.ResponseSize <= 0 {
		o.ResponseSize = 32 << 20
	}
	if o.RequestSize <= 0 {
		o.RequestSize = 18 << 20
	}
	if o.Redirects <= 0 {
		o.Redirects = 10
	}
	return o
}

func (c Config) withDefaults() Config {
	if c.Hosts <= 0 {
		c.Hosts = runtime.NumCPU()
	}
	if c.Processors <= 0 {
		c.Processors = max(runtime.NumCPU()-1, 1)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Limits = c.Limits.withDefaults()
	c.Outbound = c.Outbound.withDefaults()
	return c
}
