//go:build unix

package function

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"regent/internal/function/wire"
)

// spawn starts this program again in a role, which with the memory limit is all
// that it is told. The process gets one end of a socket pair, an empty
// environment, the root as its working directory, and nothing else: no terminal,
// no input, and what this process let it inherit it closes first.
func spawn(executable, role string, memory int64, niceness, processors int, stderr *tail) (*exec.Cmd, *wire.Conn, error) {
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
	cmd := exec.Command(executable, role, strconv.FormatInt(memory, 10))
	cmd.Env = []string{} // nil would mean ours
	cmd.Dir = "/"
	cmd.Stderr = stderr
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := startLowly(cmd, niceness, processors); err != nil {
		nc.Close()
		return nil, nil, fmt.Errorf("start function host: %w", err)
	}
	return cmd, wire.NewConn(nc), nil
}

// childConn prepares a host process: limits first, then the connection.
func childConn(memory int64) (*wire.Conn, error) {
	closeInherited()
	f := os.NewFile(serverDescriptor, "server")
	if f == nil {
		return nil, errors.New("no connection")
	}
	nc, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	f.Close()
	time.Local = time.UTC
	limitProcess(memory)
	// The terminal's interrupt is for the server, which ends its hosts itself.
	signal.Ignore(os.Interrupt, syscall.SIGHUP, syscall.SIGTERM)
	return wire.NewConn(nc), nil
}

// serverDescriptor is the connection to the server in a host process.
const serverDescriptor = 3

// closeInherited closes the descriptors that whoever started the server left
// open in it for its children. They are those without the close-on-exec flag: Go
// sets it on all that it opens, so what was opened in this process has it.
func closeInherited() {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return
	}
	highest := int(min(limit.Cur, 1<<16))
	if list, err := os.ReadDir("/proc/self/fd"); err == nil {
		highest = 0
		for _, e := range list {
			if n, err := strconv.Atoi(e.Name()); err == nil {
				highest = max(highest, n+1)
			}
		}
	}
	for fd := serverDescriptor + 1; fd < highest; fd++ {
		flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0)
		if errno == 0 && flags&syscall.FD_CLOEXEC == 0 {
			_ = syscall.Close(fd)
		}
	}
}

func limitProcess(memory int64) {
	giveWay()
	// There is a host for each processor: that one's collector, or its calls, must
	// not take the others' and the server's.
	runtime.GOMAXPROCS(1)
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
