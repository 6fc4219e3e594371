//go:build unix && !linux

package function

import (
	"os/exec"
	"syscall"
)

// niceness is by how much hosts give way to the server.
const niceness = 10

// startLowly starts a child, which lowers its own priority.
func startLowly(cmd *exec.Cmd) error { return cmd.Start() }

// giveWay makes the process give way to the server.
func giveWay() {
	now, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if err != nil {
		return
	}
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, min(now+niceness, 20))
}
