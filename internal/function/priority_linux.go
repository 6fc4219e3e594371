package function

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sessionEase is by how much less a host's session is nice than the host is. The
// niceness of a session counts against every program of the machine and not only
// against the server, and functions are to go on beside a busy database.
const sessionEase = 5

// hostSlice is for how long at most a host computes before the scheduler looks
// again. It is longer than what everybody else has (at most 3 ms), because the
// scheduler lets a shorter slice that wakes up interrupt a longer one at once,
// and otherwise only at the next tick, 4 ms later or more. A write that is to
// be durable waits for kernel threads several times. Before Linux 6.12 it has no
// effect.
const hostSlice = 4 * time.Millisecond

// startLowly starts a child that gives way from its first instruction: a child
// inherits the priority and the processors of the thread that starts it.
func startLowly(cmd *exec.Cmd, niceness, processors int) error {
	done := make(chan error)
	go func() {
		// The thread is not unlocked and so ends with its goroutine: what has
		// given way cannot take it back.
		runtime.LockOSThread()
		if syscall.Gettid() == os.Getpid() {
			// The first thread stands for the process, and never ends.
			done <- startLowly(cmd, niceness, processors)
			runtime.UnlockOSThread()
			return
		}
		now, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
		if err != nil {
			now = 20
		}
		nice := min(20-now+niceness, 19) // what the kernel returns is never negative
		attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Nice: int32(nice), Runtime: uint64(hostSlice)}
		if unix.SchedSetAttr(0, &attr, 0) != nil {
			_ = unix.Setpriority(unix.PRIO_PROCESS, 0, nice)
		}
		if processors > 0 {
			if set, err := lastProcessors(processors); err == nil {
				_ = unix.SchedSetaffinity(0, &set)
			}
		}
		done <- cmd.Start()
	}()
	return <-done
}

// giveWay lowers what a child cannot inherit. Where Linux groups processes by
// session, a nice value counts inside of the group alone, and a host would be
// the equal of the kernel threads that do the server's input and output; so a
// host has a session of its own, and this makes that nice.
func giveWay() {
	now, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return
	}
	nice := strconv.Itoa(max(20-now-sessionEase, 0))
	lower := func() error { return os.WriteFile("/proc/self/autogroup", []byte(nice), 0) }
	if !errors.Is(lower(), syscall.EAGAIN) {
		return
	}
	go func() {
		// The kernel takes no more than ten such changes a second from all.
		for range 20 {
			time.Sleep(110 * time.Millisecond)
			if !errors.Is(lower(), syscall.EAGAIN) {
				return
			}
		}
	}()
}
