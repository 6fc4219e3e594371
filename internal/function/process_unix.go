//go:build unix

package function

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"regent/internal/function/wire"
)

// niceness is by how much hosts give way to the server.
const niceness = 5

// spawn starts this program again in a role. The process gets one end of a
// socket pair, an empty environment, the root as its working directory, and
// nothing else: no descriptors, no terminal, no input.
func spawn(executable, role string, memory int64, stderr *tail) (*exec.Cmd, *wire.Conn, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socket pair: %w", err)
	}
	syscall.CloseOnExec(fds[0])
	syscall.CloseOnExec(fds[1])
	ours, theirs := os.NewFile(uintptr(fds[0]), "function-host"), os.NewFile(uintptr(fds[1]), "function-host-peer")
	defer theirs.Close()
	nc, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(executable, role)
	cmd.Env = []string{fmt.Sprintf("REGENT_HOST_MEMORY=%d", memory)}
	cmd.Dir = "/"
	cmd.Stderr = stderr
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		nc.Close()
		return nil, nil, fmt.Errorf("start function host: %w", err)
	}
	return cmd, wire.NewConn(nc), nil
}

// childConn prepares a host process: limits first, then the connection.
func childConn() (*wire.Conn, error) {
	f := os.NewFile(3, "server")
	if f == nil {
		return nil, errors.New("no connection")
	}
	nc, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	f.Close()
	var memory int64
	fmt.Sscan(os.Getenv("REGENT_HOST_MEMORY"), &memory)
	os.Clearenv()
	time.Local = time.UTC
	limitProcess(memory)
	// The terminal's interrupt is for the server, which ends its hosts itself.
	signal.Ignore(os.Interrupt, syscall.SIGHUP, syscall.SIGTERM)
	return wire.NewConn(nc), nil
}

func limitProcess(memory int64) {
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, niceness)
	if memory > 0 {
		// Data counts what may be written and so what Go's heap really takes;
		// the address space would count Go's reservations too.
		limit := syscall.Rlimit{Cur: uint64(memory), Max: uint64(memory)}
		_ = syscall.Setrlimit(syscall.RLIMIT_DATA, &limit)
		debug.SetMemoryLimit(memory * 8 / 10)
		// Realms are short-lived garbage: collect less often while there is room.
		debug.SetGCPercent(400)
		// Endless native recursion ends the process sooner than Go's 1 GB.
		debug.SetMaxStack(int(memory / 4))
	}
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
}
