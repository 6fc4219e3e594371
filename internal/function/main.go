package function

import (
	"fmt"
	"os"
	"strconv"
	"sync/atomic"

	"regent/internal/function/compile"
	"regent/internal/function/host"
)

// How this program is told that it was started as a host or a compiler: by its
// first argument; the second is its memory limit in bytes. The connection is
// file descriptor 3.
const (
	hostArgument     = "regent-function-host"
	compilerArgument = "regent-function-compiler"
)

// prepared says that MaybeRunHost was called: without it a host process would
// run the program's ordinary main instead, and so on without end.
var prepared atomic.Bool

// MaybeRunHost runs a function host, and never returns, when this process was
// started as one. It must be the first call in main of every program that
// starts a Runtime, and in TestMain of tests that do.
func MaybeRunHost() {
	prepared.Store(true)
	if len(os.Args) < 2 || os.Args[1] != hostArgument && os.Args[1] != compilerArgument {
		return
	}
	if err := runChild(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func runChild(role string, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%s is started by the server, not by hand", role)
	}
	memory, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil {
		return fmt.Errorf("%s: memory limit: %w", role, err)
	}
	conn, err := childConn(memory)
	if err != nil {
		return fmt.Errorf("%s is started by the server, not by hand: %w", role, err)
	}
	if role == compilerArgument {
		return compile.Serve(conn)
	}
	return host.Run(conn)
}
