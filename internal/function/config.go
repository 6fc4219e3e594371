package function

import (
	"log/slog"
	"net/netip"
	"runtime"
	"time"

	"regent/internal/function/wire"
)

// Config configures a Runtime. The zero value is usable.
type Config struct {
	// Hosts is the number of function-host processes; 0: one for each core.
	Hosts int

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
// parentheses are the settings that errors mention.
type Limits struct {
	Time          time.Duration // of one call (functions.time_limit): 300 s
	CallMemory    int64         // bytes (functions.memory_per_call): 350 MB
	HostMemory    int64         // bytes, held by the operating system (functions.memory_per_host): 1 GB
	Depth         int           // JavaScript frames (functions.max_depth): 10,000
	Concurrent    int           // calls at once (functions.max_concurrent): 256
	Waiting       int           // calls waiting for a place (functions.max_waiting): 10,000
	Operations    int           // of one call at once, more wait (functions.max_operations): 1,000
	Sockets       int           // of one call (functions.max_sockets): 25
	ConsoleLines  int           // of one call (functions.max_console_lines): 500
	ConsoleBytes  int           // of one line (functions.max_console_line_bytes): 4,096
	ArgumentBytes int           // of one call (functions.max_argument_bytes): 18 MB
	ResultBytes   int           // of one call (functions.max_result_bytes): 32 MB
	Nesting       int           // calls inside calls through rules (functions.max_nesting): 8
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

func (l Limits) wire() wire.Limits {
	return wire.Limits{
		Time: l.Time, CallMemory: l.CallMemory, HostMemory: l.HostMemory, Depth: l.Depth, Operations: l.Operations,
		ConsoleLines: l.ConsoleLines, ConsoleBytes: l.ConsoleBytes, Result: l.ResultBytes,
	}
}

// Outbound is the policy for what functions may reach over the network.
type Outbound struct {
	// Allow lists networks that are reachable although they are private,
	// loopback, link-local or otherwise special (functions.http_allow_private).
	Allow []netip.Prefix

	Timeout      time.Duration // of one request (functions.http_timeout): 60 s
	ResponseSize int64         // bytes (functions.http_max_response_bytes): 16 MB
	Redirects    int           // followed (functions.http_max_redirects): 10

	// TwilioAddress replaces Twilio's own, for tests and proxies; "": Twilio's.
	TwilioAddress string
}

func (o Outbound) withDefaults() Outbound {
	if o.Timeout <= 0 {
		o.Timeout = 60 * time.Second
	}
	if o.ResponseSize <= 0 {
		o.ResponseSize = 16 << 20
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
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Limits = c.Limits.withDefaults()
	c.Outbound = c.Outbound.withDefaults()
	return c
}
