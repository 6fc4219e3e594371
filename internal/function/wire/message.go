package wire

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Limits bound what one call may use, and its host. Each has a setting name that
// is part of the error when it is reached.
type Limits struct {
	Time         time.Duration `bson:"time"`          // function_timeout
	CallMemory   int64         `bson:"call_memory"`   // function_memory_mb, bytes
	HostMemory   int64         `bson:"host_memory"`   // function host memory, bytes
	Depth        int           `bson:"depth"`         // function_call_depth, JavaScript frames
	Operations   int           `bson:"operations"`    // function_async_operations, at once
	ConsoleLines int           `bson:"console_lines"` // function_console_lines
	ConsoleBytes int           `bson:"console_bytes"` // function_console_line_size
	Result       int           `bson:"result"`        // function_result_size
}

// FunctionSource is one function of a deployment.
type FunctionSource struct {
	Name  string `bson:"name"`
	File  string `bson:"file"`            // as it stands in stack traces
	Code  string `bson:"code"`            // ready for the engine; empty when Error is set
	Map   string `bson:"map,omitempty"`   // source map of translated code
	Error string `bson:"error,omitempty"` // why it cannot run: a syntax error, no file
	RunAs bool   `bson:"run_as,omitempty"`

	// Flows says for a key which keys its values are computed from.
	Flows map[string][]string `bson:"flows,omitempty"`
}

// DeployMessage is the body of Deploy.
type DeployMessage struct {
	ID        int64            `bson:"id"`
	App       bson.Raw         `bson:"app"`         // context.app
	Env       bson.Raw         `bson:"environment"` // context.environment
	Values    bson.Raw         `bson:"values"`      // name to value
	Limits    Limits           `bson:"limits"`      // of the app's calls
	Functions []FunctionSource `bson:"functions"`
	Services  []ServiceName    `bson:"services"`
	Packages  []string         `bson:"packages"` // npm modules that the host may ask for
}

// ServiceName is a service that context.services.get knows.
type ServiceName struct {
	Name string `bson:"name"`
	Type string `bson:"type"`
}

// Mode says what a call is.
type Mode int32

// The modes.
const (
	ModeCall     Mode = iota // exports(...args)
	ModeEndpoint             // exports(request, response); the result is an EndpointReply
	ModeScript               // a run_as_user_id_script: the source is in CallMessage.Script
)

// CallMessage is the body of Call.
type CallMessage struct {
	Deploy  int64         `bson:"d"`
	Name    string        `bson:"f"`
	Args    bson.RawValue `bson:"a"` // array
	User    bson.Raw      `bson:"u,omitempty"`
	Request bson.Raw      `bson:"r,omitempty"`
	System  bool          `bson:"s,omitempty"`
	Mode    Mode          `bson:"m,omitempty"`
	Script  string        `bson:"x,omitempty"`
	TimeMS  int64         `bson:"t"`
	Alone   bool          `bson:"alone,omitempty"`
}

// Failure is why a call or an operation failed.
type Failure struct {
	Name    string   `bson:"name,omitempty"` // JavaScript error name
	Message string   `bson:"message"`
	Stack   string   `bson:"stack,omitempty"`
	Code    string   `bson:"code,omitempty"`   // fault code
	Number  int32    `bson:"number,omitempty"` // MongoDB error code
	Labels  []string `bson:"labels,omitempty"` // MongoDB error labels
	Detail  bson.Raw `bson:"detail,omitempty"`
}

// ResultMessage is the body of Result.
type ResultMessage struct {
	Value   bson.RawValue `bson:"v"`
	Failure *Failure      `bson:"e,omitempty"`
	Retry   bool          `bson:"retry,omitempty"` // stopped through another call's overrun
	Fault   string        `bson:"fault,omitempty"` // the host's own stack where the engine failed, for the server's log
	RunUS   int64         `bson:"us,omitempty"`    // time in the host
	Memory  int64         `bson:"mem,omitempty"`   // bytes, as far as they can be told apart
}

// OperationMessage is the body of Operation.
type OperationMessage struct {
	Kind     string   `bson:"k"`           // data, http, net, enter …
	As       int32    `bson:"as"`          // identity of the call, 0 its own
	Service  string   `bson:"s,omitempty"` // data source or service
	Action   string   `bson:"a,omitempty"`
	Argument bson.Raw `bson:"v,omitempty"`
}

// ReplyMessage is the body of Reply.
type ReplyMessage struct {
	Value   bson.RawValue `bson:"v"`
	Failure *Failure      `bson:"e,omitempty"`
}

// LogMessage is the body of Log.
type LogMessage struct {
	Level string `bson:"l"`
	Text  string `bson:"t"`
}

// CompileMessage is the body of Compile.
type CompileMessage struct {
	Name string `bson:"name"`
	File string `bson:"file"`
	Code []byte `bson:"code"`
}

// CompiledMessage is the body of Compiled.
type CompiledMessage struct {
	Code    string              `bson:"code"`
	Map     string              `bson:"map,omitempty"`
	Error   string              `bson:"error,omitempty"`
	Line    int                 `bson:"line,omitempty"`
	Column  int                 `bson:"column,omitempty"`
	Refs    []Ref               `bson:"refs,omitempty"`
	NoEntry bool                `bson:"no_entry,omitempty"` // never assigns exports
	Flows   map[string][]string `bson:"flows,omitempty"`    // FunctionSource.Flows
}

// Ref is something that code names literally: require("x"),
// context.functions.execute("x"), context.services.get("x"), context.values.get("x").
type Ref struct {
	Kind string `bson:"kind"` // package, function, service, value
	Name string `bson:"name"`
	Line int    `bson:"line"`
	Col  int    `bson:"col"`
}

// BundleMessage is the body of Bundle.
type BundleMessage struct {
	Dir      string   `bson:"dir"`     // folder that holds node_modules
	Packages []string `bson:"modules"` // as they are required, sub-paths included
	Name     string   `bson:"name"`    // which of them to bundle
}

// BundledMessage is the body of Bundled.
type BundledMessage struct {
	Code  string `bson:"code"`
	Error string `bson:"error,omitempty"`
}

// Marshal encodes a message; the messages cannot fail to encode.
func Marshal(v any) []byte {
	b, err := bson.Marshal(v)
	if err != nil {
		panic("function message: " + err.Error())
	}
	return b
}
